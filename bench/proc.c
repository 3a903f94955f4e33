/* What a server takes: the CPU time and the memory of all its processes. */

#include "bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define BENCH_PROCESSES  64


static void bench_proc_find(pid_t root);
static pid_t bench_proc_parent(pid_t pid);
static bool bench_proc_is(pid_t pid, const char *name);
static uint64_t bench_proc_threads(pid_t pid);


static pid_t  bench_pids[BENCH_PROCESSES];
static int    bench_npids;


uint64_t
bench_proc_cpu(pid_t root)
{
    int       i;
    uint64_t  sum;

    sum = 0;
    bench_proc_find(root);

    for (i = 0; i < bench_npids; i++) {
        sum += bench_proc_threads(bench_pids[i]);
    }

    return sum;
}


uint64_t
bench_proc_redis(pid_t root)
{
    int       i;
    uint64_t  sum;

    sum = 0;
    bench_proc_find(root);

    for (i = 0; i < bench_npids; i++) {
        if (bench_proc_is(bench_pids[i], "redis-server")) {
            sum += bench_proc_threads(bench_pids[i]);
        }
    }

    return sum;
}


bench_memory_t
bench_proc_memory(pid_t root)
{
    int             i;
    FILE           *fp;
    char            name[64], line[256];
    unsigned long   kb;
    bench_memory_t  m;

    m.anon = m.file = m.shmem = 0;
    bench_proc_find(root);

    for (i = 0; i < bench_npids; i++) {
        snprintf(name, sizeof(name), "/proc/%d/smaps_rollup",
                 (int) bench_pids[i]);

        fp = fopen(name, "r");
        if (fp == NULL) {
            bench_fail("%s cannot be read", name);
        }

        while (fgets(line, sizeof(line), fp)) {
            if (sscanf(line, "Pss_Anon: %lu", &kb) == 1) {
                m.anon += kb * 1024;

            } else if (sscanf(line, "Pss_File: %lu", &kb) == 1) {
                m.file += kb * 1024;

            } else if (sscanf(line, "Pss_Shmem: %lu", &kb) == 1) {
                m.shmem += kb * 1024;
            }
        }

        fclose(fp);
    }

    return m;
}


/* The process and its descendants, generation by generation. */

static void
bench_proc_find(pid_t root)
{
    int             i;
    DIR            *dir;
    pid_t           pid;
    struct dirent  *entry;

    bench_npids = 0;

    if (root == 0) {
        return;
    }

    bench_pids[bench_npids++] = root;

    for (i = 0; i < bench_npids; i++) {
        dir = opendir("/proc");

        while (dir && (entry = readdir(dir)) != NULL) {
            pid = atoi(entry->d_name);

            if (pid > 0 && bench_proc_parent(pid) == bench_pids[i]
                && bench_npids < BENCH_PROCESSES)
            {
                bench_pids[bench_npids++] = pid;
            }
        }

        if (dir) {
            closedir(dir);
        }
    }
}


static pid_t
bench_proc_parent(pid_t pid)
{
    int    parent, found;
    FILE  *fp;
    char   name[64];

    snprintf(name, sizeof(name), "/proc/%d/stat", (int) pid);

    fp = fopen(name, "r");
    if (fp == NULL) {
        return 0;
    }

    /* the name may have anything in it but is the only part in brackets */

    found = fscanf(fp, "%*d (%*[^)]) %*c %d", &parent);
    fclose(fp);

    return found == 1 ? parent : 0;
}


static bool
bench_proc_is(pid_t pid, const char *name)
{
    int    n;
    FILE  *fp;
    char   path[64], found[32];

    snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);

    fp = fopen(path, "r");
    if (fp == NULL) {
        return false;
    }

    n = fscanf(fp, "%31s", found);
    fclose(fp);

    return n == 1 && strcmp(found, name) == 0;
}


static uint64_t
bench_proc_threads(pid_t pid)
{
    DIR                 *dir;
    FILE                *fp;
    char                 name[128];
    uint64_t             sum;
    struct dirent       *entry;
    unsigned long long   ns;

    snprintf(name, sizeof(name), "/proc/%d/task", (int) pid);
    dir = opendir(name);

    if (dir == NULL) {
        bench_fail("process %d is gone", (int) pid);
    }

    sum = 0;

    while ((entry = readdir(dir)) != NULL) {

        if (entry->d_name[0] == '.') {
            continue;
        }

        snprintf(name, sizeof(name), "/proc/%d/task/%.20s/schedstat",
                 (int) pid, entry->d_name);

        fp = fopen(name, "r");
        if (fp == NULL) {
            continue;
        }

        if (fscanf(fp, "%llu", &ns) == 1) {
            sum += ns;
        }

        fclose(fp);
    }

    closedir(dir);

    return sum;
}
