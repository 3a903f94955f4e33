/* The store: what a file system and its users can do to a database. */

#define _GNU_SOURCE 1       /* memmem */

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cdr_store_test.h"


static void a_lock_is_waited_for(void);
static void a_disk_may_be_full(void);
static void a_directory_may_be_read_only(void);
static void a_file_may_be_replaced(void);
static void a_log_may_be_removed(void);
static void a_path_may_be_a_link(void);
static void what_is_no_database(void);
static void bytes_may_be_wrong(void);
static void nothing_is_readable(void);
#ifndef CDR_SQLCIPHER
static void memory_may_run_out(void);
#endif


/* Fails one of SQLite's allocations; set up before its first use. */

static sqlite3_mem_methods  library;
static unsigned             calls;
static unsigned             fail_at;


static void *
failing_malloc(int n)
{
    return ++calls == fail_at ? NULL : library.xMalloc(n);
}


static void *
failing_realloc(void *p, int n)
{
    return ++calls == fail_at ? NULL : library.xRealloc(p, n);
}


int
main(void)
{
    sqlite3_mem_methods  methods;

    (void) sqlite3_config(SQLITE_CONFIG_GETMALLOC, &library);

    methods = library;
    methods.xMalloc = failing_malloc;
    methods.xRealloc = failing_realloc;

    (void) sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);

    directory();

    a_lock_is_waited_for();
    a_disk_may_be_full();
    a_directory_may_be_read_only();
    a_file_may_be_replaced();
    a_log_may_be_removed();
    a_path_may_be_a_link();
    what_is_no_database();
    bytes_may_be_wrong();
    nothing_is_readable();

#ifndef CDR_SQLCIPHER

    /* SQLCipher's own set-up does not look at what it allocates */

    memory_may_run_out();
#endif

    return done_testing();
}


static void
a_lock_is_waited_for(void)
{
    bool      more;
    sqlite3  *db;

    remove_database();
    ok(open_store() == CDR_OK, "a database: %s", why);

    db = other();
    (void) run_in(db, "BEGIN EXCLUSIVE");

    ok(put("a", CDR_STATUS_ONLINE, "f", NOW) == CDR_AGAIN,
       "while another has the lock, a change is for later");
    is_text(cdr_store_error(store),
            "it is locked by another program (database is locked)",
            "and the text says why");
    ok(cdr_store_renew(store, NOW) == CDR_AGAIN, "so is renewing");
    ok(cdr_store_sweep(store, NOW, &more) == CDR_AGAIN, "so is sweeping");
    ok(cdr_store_reconcile_begin(store) == CDR_OK
       && cdr_store_reconcile_end(store, NOW) == CDR_AGAIN,
       "so is reconciling");

    (void) run_in(db, "COMMIT");

    ok(put("a", CDR_STATUS_ONLINE, "f", NOW) == CDR_OK,
       "the same store goes on when it is free");
    is_text(cdr_store_error(store), "", "and says nothing");

    close_store();

    (void) run_in(db, "PRAGMA locking_mode = EXCLUSIVE;"
                      "BEGIN EXCLUSIVE; COMMIT");
    ok(open_store() == CDR_AGAIN && store == NULL,
       "one that is another's alone cannot be opened now: %s", why);
    (void) sqlite3_close(db);

    ok(open_store() == CDR_OK, "but then");
    close_store();
}


/* A limit on the size of files stands for the disk. */

static void
a_disk_may_be_full(void)
{
    int            i, rc;
    char           id[32];
    struct stat    st;
    struct rlimit  old, limit;

    remove_database();
    ok(open_store() == CDR_OK, "a database");
    (void) put("a", CDR_STATUS_ONLINE, "f", NOW);

    (void) signal(SIGXFSZ, SIG_IGN);
    (void) getrlimit(RLIMIT_FSIZE, &old);

    (void) stat(store->wal, &st);

    limit = old;
    limit.rlim_cur = (rlim_t) st.st_size + 3 * 4096;
    (void) setrlimit(RLIMIT_FSIZE, &limit);

    for (i = 0, rc = CDR_OK; rc == CDR_OK && i < 1000; i++) {
        (void) snprintf(id, sizeof(id), "user-%d", i);
        rc = put(id, CDR_STATUS_ONLINE, "feature", NOW + i);
    }

    ok(rc == CDR_AGAIN, "a full disk is for later: %s",
       cdr_store_error(store));
    ok(put("b", CDR_STATUS_ONLINE, "f", NOW) == CDR_AGAIN, "still");

    (void) setrlimit(RLIMIT_FSIZE, &old);

    ok(put("b", CDR_STATUS_ONLINE, "f", NOW) == CDR_OK,
       "the same store goes on when there is room");
    (void) snprintf(id, sizeof(id), "%d\n", i + 1);
    is_text(ask("SELECT count(*) FROM reviewer_presence"), id,
            "what was committed is there, and nothing else");
    is_text(ask("PRAGMA integrity_check"), "ok\n", "and sound");
    close_store();

    remove_database();
    limit.rlim_cur = 1000;
    (void) setrlimit(RLIMIT_FSIZE, &limit);
    ok(open_store() == CDR_AGAIN && store == NULL,
       "none is made on a full disk: %s", why);
    (void) setrlimit(RLIMIT_FSIZE, &old);

    ok(open_store() == CDR_OK, "it is when there is room: %s", why);
    close_store();
}


/* As somebody who is not root. */

static void
a_directory_may_be_read_only(void)
{
    int    status;
    pid_t  pid;

    remove_database();
    ok(open_store() == CDR_OK, "a database");
    (void) put("a", CDR_STATUS_ONLINE, "f", NOW);
    close_store();

    (void) chmod(dir, 0555);
    (void) chmod(path, 0444);
    (void) fflush(stdout);

    pid = fork();

    if (pid == 0) {
        if (getuid() == 0 && setuid(65534) != 0) {
            _exit(3);
        }

        status = open_store();
        _exit(status == CDR_AGAIN && store == NULL
              && strstr(why, "cannot be") ? 0 : 1);
    }

    (void) waitpid(pid, &status, 0);
    (void) chmod(dir, 0755);
    (void) chmod(path, 0644);

    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
       "what cannot be written is for later");

    ok(open_store() == CDR_OK, "until it can");
    close_store();

    conf.path = "/proc/none/tasks.db";
    ok(open_store() == CDR_AGAIN, "so is a directory that is not there: %s",
       why);
    conf.path = path;
}


static void
a_file_may_be_replaced(void)
{
    bool  changed;
    char  old[160];

    remove_database();
    ok(open_store() == CDR_OK, "a database");
    (void) put("a", CDR_STATUS_ONLINE, "f", NOW);

    (void) snprintf(old, sizeof(old), "%s.old", path);
    (void) rename(path, old);

    ok(cdr_store_changed(store, &changed) == CDR_ERROR && changed,
       "a file that was renamed is noticed: %s", cdr_store_error(store));
    close_store();

    ok(open_store() == CDR_OK, "a new one is made: %s", why);
    is_text(ask("SELECT count(*) FROM reviewer_presence"), "0\n",
            "with nothing of the other's in it");
    is_text(ask("PRAGMA integrity_check"), "ok\n", "and sound");
    (void) put("b", CDR_STATUS_ONLINE, "f", NOW);

    (void) rename(old, path);
    ok(cdr_store_changed(store, &changed) == CDR_ERROR && changed,
       "so is one that was put in its place");
    close_store();

    ok(open_store() == CDR_OK, "which is opened then: %s", why);
    is_text(ask("SELECT reviewer_id FROM reviewer_presence"), "a\n",
            "and has what was written to it, from the log too");
    is_text(ask("PRAGMA integrity_check"), "ok\n", "and is sound");

    (void) remove(path);
    ok(cdr_store_changed(store, &changed) == CDR_ERROR && changed,
       "so is one that was removed");
    close_store();
    ok(open_store() == CDR_OK, "it is made again");
    close_store();
}


static void
a_log_may_be_removed(void)
{
    bool  changed;
    char  name[160];

    remove_database();
    ok(open_store() == CDR_OK, "a database");
    (void) put("a", CDR_STATUS_ONLINE, "f", NOW);

    (void) snprintf(name, sizeof(name), "%s-wal", path);
    (void) remove(name);

    ok(cdr_store_changed(store, &changed) == CDR_ERROR && changed,
       "a log that was removed is noticed");
    close_store();

    ok(open_store() == CDR_OK, "the database opens again: %s", why);
    is_text(ask("SELECT reviewer_id FROM reviewer_presence"), "a\n",
            "and has what was written");
    close_store();
}


/* The log lies beside the file. */

static void
a_path_may_be_a_link(void)
{
    bool  changed;
    char  link[160];

    remove_database();
    (void) snprintf(link, sizeof(link), "%s/link.db", dir);
    (void) symlink("tasks.db", link);

    conf.path = link;
    ok(open_store() == CDR_OK, "a link to a file that is not there: %s", why);
    (void) put("a", CDR_STATUS_ONLINE, "f", NOW);
    ok(cdr_store_changed(store, &changed) == CDR_OK && !changed,
       "has its log where the file is");
    is_text(ask("SELECT reviewer_id FROM reviewer_presence"), "a\n",
            "and so all find it");
    close_store();

    conf.path = path;
    (void) remove(link);
}


static void
what_is_no_database(void)
{
    FILE  *file;

    remove_database();
    file = fopen(path, "w");
    (void) fprintf(file, "this is a text of somebody, and by no means a "
                         "database; it is long enough to look like one\n");
    (void) fclose(file);

    ok(open_store() == CDR_DECLINED && store == NULL,
       "a text is no database: %s", why);

    remove_database();
    file = fopen(path, "w");
    (void) fclose(file);
    ok(open_store() == CDR_OK, "an empty file can become one: %s", why);
    close_store();

    remove_database();
    (void) mkdir(path, 0755);
    ok(open_store() == CDR_AGAIN, "a directory is none: %s", why);
    (void) rmdir(path);
}


/* One byte wrong, at many places: it opens or not, but never ends badly. */

static void
bytes_may_be_wrong(void)
{
    int     fd, i, rc, bad;
    long    at, step;
    char    id[32], *image;
    size_t  size;
    bool    more;

    remove_database();
    (void) open_store();

    for (i = 0; i < 200; i++) {
        (void) snprintf(id, sizeof(id), "user-%d", i);
        (void) put(id, CDR_STATUS_ONLINE, "feature", NOW + i);
    }

    close_store();

    fd = open(path, O_RDWR);
    size = (size_t) lseek(fd, 0, SEEK_END);
    image = malloc(size);
    (void) !pread(fd, image, size, 0);

    bad = 0;
    step = (long) size / 150 | 1;

    for (at = 0; at < (long) size; at += at < 120 ? 1 : step) {
        remove_database();
        fd = (close(fd), open(path, O_RDWR|O_CREAT|O_TRUNC, 0644));
        image[at] ^= 0x5a;
        (void) !pwrite(fd, image, size, 0);
        image[at] ^= 0x5a;

        rc = open_store();

        if (rc == CDR_OK) {
            rc = put("user-7", CDR_STATUS_BUSY, "other", NOW + 1000);
            (void) cdr_store_renew(store, NOW + 1000);
            (void) cdr_store_sweep(store, NOW + 1000, &more);
            (void) cdr_store_reconcile_begin(store);
            (void) cdr_store_reconcile_end(store, NOW + 1000);
            bad += rc != CDR_OK;
            close_store();

        } else {
            bad += why[0] != '\0';
        }
    }

    (void) close(fd);
    free(image);

    ok(bad > 10, "of wrong bytes in the file %d were found out", bad);
}


/* With a key, no file beside the database has plain text. */

static void
nothing_is_readable(void)
{
    size_t  i, n, files, found;
    FILE   *file;
    char    name[160];

    static char         bytes[1 << 20];
    static const char  *suffix[] = { "", "-wal", "-shm", "-journal" };

    remove_database();
    (void) open_store();
    ok(put("reviewer-in-clear", CDR_STATUS_ONLINE, "feature-in-clear", NOW)
       == CDR_OK, "a reviewer is written");

    files = 0;
    found = 0;

    for (i = 0; i < 4; i++) {
        (void) snprintf(name, sizeof(name), "%s%s", path, suffix[i]);
        file = fopen(name, "r");

        if (file == NULL) {
            continue;
        }

        files++;
        n = fread(bytes, 1, sizeof(bytes), file);
        (void) fclose(file);

        found += memmem(bytes, n, "in-clear", 8) != NULL
                 || memmem(bytes, n, "reviewer_presence", 17) != NULL;
    }

#ifdef CDR_SQLCIPHER
    ok(files >= 3 && found == 0, "no file has it, or the table, in clear");
#else
    ok(files >= 3 && found > 0, "without a key it can be read");
#endif

    close_store();
}


#ifndef CDR_SQLCIPHER

static int
all_of_it(void)
{
    int                 rc;
    bool                more, changed;
    cdr_store_change_t  c = change("a", CDR_STATUS_BUSY, "g", NOW + 1);

    rc = open_store();
    if (rc != CDR_OK) {
        return rc;
    }

    rc = put("a", CDR_STATUS_ONLINE, "f", NOW);
    rc = rc ? rc : cdr_store_renew(store, NOW);
    rc = rc ? rc : cdr_store_reconcile_begin(store);
    rc = rc ? rc : cdr_store_reconcile_add(store, &c, 1);
    rc = rc ? rc : cdr_store_reconcile_end(store, NOW + 2);
    rc = rc ? rc : cdr_store_sweep(store, NOW + 3, &more);
    rc = rc ? rc : cdr_store_changed(store, &changed);

    close_store();

    return rc;
}


static void
memory_may_run_out(void)
{
    int       rc;
    unsigned  n, good, wrong;

    fail_at = 0;
    calls = 0;
    remove_database();
    ok(all_of_it() == CDR_OK, "with memory all of it works");

    good = calls;
    wrong = 0;

    for (n = 1; n <= good; n += 1 + n / 150) {
        remove_database();

        calls = 0;
        fail_at = n;
        rc = all_of_it();
        fail_at = 0;

        wrong += rc != CDR_OK && rc != CDR_AGAIN && rc != CDR_NOMEM;
    }

    ok(wrong == 0, "each of %u allocations may fail (%u wrong)", good, wrong);

    remove_database();
    ok(all_of_it() == CDR_OK, "and then all of it works again");
}

#endif
