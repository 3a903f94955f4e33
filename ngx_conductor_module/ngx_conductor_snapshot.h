/*
 * What outlives the server: the files in the directory of a hub's state.
 *
 *   server       who has the directory: name of the server, the life (boot)
 *                that began last, the lives before it
 *   events       the event log
 *   revocations  who is revoked until when
 *
 * Each is replaced as a whole; what cannot be read is moved aside with ".bad"
 * behind its name.
 */

#ifndef NGX_CONDUCTOR_SNAPSHOT_H_INCLUDED
#define NGX_CONDUCTOR_SNAPSHOT_H_INCLUDED


#include "ngx_conductor.h"

#include "ngx_conductor_file.h"

#include <cdr_snapshot.h>


#define NGX_CONDUCTOR_FILE_SERVER       "server"
#define NGX_CONDUCTOR_FILE_EVENTS       "events"
#define NGX_CONDUCTOR_FILE_REVOCATIONS  "revocations"
#define NGX_CONDUCTOR_FILE_LOCK         "lock"      /* see flock(2) */

#define NGX_CONDUCTOR_SAVE_EVENTS       1
#define NGX_CONDUCTOR_SAVE_REVOCATIONS  2


/* What a file is to have, copied, so that a thread can write it. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    ngx_uint_t                    what;       /* one or both of the above */
    ngx_uint_t                    final;      /* nothing comes any more */
    cdr_snapshot_t                data;
    cdr_log_t                     log;
    uint64_t                      head;       /* of the log, to be saved */
    uint64_t                      tail;
    uint32_t                      generation; /* of the revocations */
    ngx_err_t                     err;        /* after NGX_ERROR */
    u_char                        error[NGX_CONDUCTOR_FILE_ERROR];
                                              /* what failed, with a NUL */
} ngx_conductor_save_t;


/* Who has a directory, as its file "server" says. */

typedef struct {
    cdr_snapshot_head_t           head;
    u_char                        name[CDR_SNAPSHOT_NAME_MAX];
} ngx_conductor_server_t;


typedef enum {
    NGX_CONDUCTOR_OWNER_SELF = 0,   /* this zone */
    NGX_CONDUCTOR_OWNER_GONE,       /* a server that has ended, or nobody */
    NGX_CONDUCTOR_OWNER_BEFORE,     /* this master with another zone, or the
                                       one that started it */
    NGX_CONDUCTOR_OWNER_OTHER       /* alive */
} ngx_conductor_owner_e;


/*
 * The keeper's loop: which of the files are not as the zone is.  Revocations
 * want to be saved at once, events when their timer has come (and once soon
 * after start).  0 for a hub without a state directory.
 */

ngx_uint_t ngx_conductor_save_due(ngx_conductor_hub_t *hub);

/*
 * The keeper's loop, without the lock, which is taken for the copy.  NULL:
 * no memory.  Freed by ngx_conductor_save_free(), in any thread.
 */

ngx_conductor_save_t *ngx_conductor_save_new(ngx_conductor_hub_t *hub,
    ngx_uint_t what);
void ngx_conductor_save_free(ngx_conductor_save_t *save);

/*
 * The keeper's thread, by who holds the lock of the directory: writes the
 * files, with fsync; takes no lock of the zone, logs nothing.  The log is read
 * as it goes on.  One at a time.  NGX_OK: they are on disk, and not due until
 * something changes.  NGX_DECLINED: a server that began later, and is alive,
 * has the directory; nothing was written, let go of the lock.  NGX_ERROR:
 * see save->error, save->err; the files are as before.
 */

ngx_int_t ngx_conductor_save(ngx_conductor_save_t *save);


/*
 * ngx_conductor_restore.c: the master, for a new zone.  The files are read
 * before the parts are laid out (sets hub->restore), and used after it (fills
 * log and revocations, drops hub->restore).  What is not as it should be is
 * moved aside and logged; the server starts without it.
 */

void ngx_conductor_restore_load(ngx_conductor_hub_t *hub, ngx_log_t *log);
void ngx_conductor_restore(ngx_conductor_hub_t *hub, ngx_log_t *log);

/* There will be no zone.  Accepts a hub without anything to drop. */

void ngx_conductor_restore_drop(ngx_conductor_hub_t *hub);

/* For the layout of the log. */

void ngx_conductor_restore_params(ngx_conductor_hub_t *hub,
    cdr_log_params_t *params);


/*
 * ngx_conductor_owner.c: whose the directory is.
 *
 * The master, once it follows a configuration: the directories are its own.
 */

void ngx_conductor_owner_claim(ngx_cycle_t *cycle);

/*
 * Makes the directory of a hub that has one, and gives it to the user of the
 * workers: when the user is known, before anything is read there.  NGX_OK; or
 * NGX_ERROR, which is logged.
 */

ngx_int_t ngx_conductor_owner_prepare(ngx_conductor_hub_t *hub,
    ngx_log_t *log);

/* Tells nginx of the directories, after it has made all others. */

ngx_int_t ngx_conductor_owner_paths(ngx_cycle_t *cycle);

/*
 * Who it is, in "server", cleared if there is no such file.  NGX_OK; NGX_ABORT
 * (the file is of no use, see dir->error), NGX_ERROR.  For any thread.
 */

ngx_int_t ngx_conductor_owner_read(ngx_conductor_hub_t *hub,
    ngx_conductor_dir_t *dir, ngx_conductor_server_t *server);
ngx_int_t ngx_conductor_owner_write(ngx_conductor_hub_t *hub,
    ngx_conductor_dir_t *dir, uint64_t now);
ngx_conductor_owner_e ngx_conductor_owner(ngx_conductor_hub_t *hub,
    ngx_conductor_server_t *server);

/* The master's, in the master and in its children. */

ngx_pid_t ngx_conductor_master_pid(void);

/* Has anybody locked the directory? */

ngx_uint_t ngx_conductor_owner_locked(ngx_conductor_dir_t *dir);

/* That a life gave positions of this time, and "n" is the last one kept. */

void ngx_conductor_owner_life(ngx_conductor_lives_t *lives, uint64_t ms,
    uint64_t n);
void ngx_conductor_owner_lives(ngx_conductor_lives_t *lives,
    const cdr_snapshot_head_t *head);

/* The directory comes back from a server that began later and has ended. */

void ngx_conductor_owner_back(ngx_conductor_hub_t *hub,
    const cdr_snapshot_head_t *head);


/*
 * ngx_conductor_snapshot.c, for any thread.  Opens a file of this kind:
 * NGX_OK; NGX_DECLINED (there is none), NGX_ABORT (it is of no use),
 * NGX_ERROR, with dir->error.
 */

ngx_int_t ngx_conductor_snapshot_open(ngx_conductor_hub_t *hub,
    ngx_conductor_dir_t *dir, const char *name, uint32_t kind,
    cdr_snapshot_file_t **file);

/* The key of all these files, if they are encrypted.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_conductor_snapshot_key(ngx_conductor_hub_t *hub, u_char *key);

/* Writes one, with key and salt.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_conductor_snapshot_put(ngx_conductor_hub_t *hub,
    ngx_conductor_dir_t *dir, const char *name, cdr_snapshot_t *s);

/* The master, when all its children are gone. */

void ngx_conductor_snapshot_exit_master(ngx_cycle_t *cycle);


/*
 * Was there an event with this position that did not outlive its server?  Then
 * what came after it is not known either: reason "upgrade".  Ask it of a
 * position that cdr_log_find() does not know.
 */

ngx_uint_t ngx_conductor_position_lost(ngx_conductor_hub_t *hub,
    const cdr_log_pos_t *pos);

/*
 * The first position behind what was lost: of the events below it, some that
 * were accepted may be missing.  All 0 if nothing is known to be.
 */

void ngx_conductor_position_gap(ngx_conductor_hub_t *hub,
    cdr_log_pos_t *gap);

/*
 * Whoever was given all up to this position, and was told what may be missing,
 * is behind that.
 */

void ngx_conductor_position_behind(ngx_conductor_hub_t *hub,
    cdr_log_pos_t *pos);


#endif /* NGX_CONDUCTOR_SNAPSHOT_H_INCLUDED */
