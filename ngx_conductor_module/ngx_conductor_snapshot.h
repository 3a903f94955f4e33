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

#include <cdr_snapshot.h>


#define NGX_CONDUCTOR_SAVE_EVENTS       1
#define NGX_CONDUCTOR_SAVE_REVOCATIONS  2


/* What a file is to have, copied, so that a thread can write it. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    ngx_uint_t                    what;       /* one or both of the above */
    cdr_snapshot_t                data;
    cdr_log_t                     log;
    uint64_t                      head;       /* of the log, to be saved */
    uint64_t                      tail;
    uint32_t                      generation; /* of the revocations */
    ngx_err_t                     err;        /* after NGX_ERROR */
    u_char                        error[NGX_CONDUCTOR_KEEPER_TEXT];
                                              /* what failed, with a NUL */
} ngx_conductor_save_t;


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
 * The master, for a new zone: reads the files, before the parts are laid out
 * (sets hub->restore, and says so in the log if something is not as it should
 * be), and after (fills the log and the revocations, and drops hub->restore).
 */

ngx_int_t ngx_conductor_restore_load(ngx_conductor_hub_t *hub,
    ngx_log_t *log);
void ngx_conductor_restore(ngx_conductor_hub_t *hub, ngx_log_t *log);

/* The master, once it follows a configuration: the directories are its own. */

void ngx_conductor_restore_claim(ngx_cycle_t *cycle);

/* The master, when all its children are gone. */

void ngx_conductor_snapshot_exit_master(ngx_cycle_t *cycle);


/*
 * Was there an event with this position that did not outlive its server?  Then
 * what came after it is not known either: reason "upgrade".  Ask it of a
 * position that cdr_log_find() does not know.
 */

ngx_uint_t ngx_conductor_position_lost(ngx_conductor_hub_t *hub,
    const cdr_log_pos_t *pos);


#endif /* NGX_CONDUCTOR_SNAPSHOT_H_INCLUDED */
