/* Presence: who is there, and who is told. */

#ifndef NGX_CONDUCTOR_PRESENCE_H_INCLUDED
#define NGX_CONDUCTOR_PRESENCE_H_INCLUDED


#include "ngx_conductor_session.h"

#include <cdr_presence.h>


#define NGX_CONDUCTOR_PRESENCE_CHANNEL  "presence:updates"
#define NGX_CONDUCTOR_PRESENCE_UPDATE   "presence-update"
#define NGX_CONDUCTOR_PRESENCE_EXPIRE   1024    /* in a hold of the lock */


/*
 * ngx_conductor_presence.c: what becomes of the registry's connections.
 *
 * Under the lock: a connection was added, its role has changed, it is about to
 * be removed ("retry" is when it was told to come back, in ms).  Nothing where
 * the hub has no presence.
 */

void ngx_conductor_presence_join(ngx_conductor_hub_t *hub, uint32_t entry);
void ngx_conductor_presence_role(ngx_conductor_hub_t *hub, uint32_t entry);
void ngx_conductor_presence_leave(ngx_conductor_hub_t *hub, uint32_t entry,
    ngx_msec_t retry);

/* Without the lock.  What is due; wakes the workers if somebody is offline. */

void ngx_conductor_presence_expire(ngx_conductor_hub_t *hub);

/* Under the lock, from the repair of the zone. */

void ngx_conductor_presence_repair(ngx_conductor_hub_t *hub);

/* ngx_conductor_command_presence.c */

void ngx_conductor_command_presence(ngx_conductor_session_t *s,
    cdr_command_t *cmd);


/*
 * ngx_conductor_watch.c: lists, updates and diffs for those who subscribe.
 *
 * The session has begun to get the channel, or sees or filters it in another
 * way: it gets a list before any update.  And it gets none any more.
 */

void ngx_conductor_watch_begin(ngx_conductor_session_t *s);
void ngx_conductor_watch_end(ngx_conductor_session_t *s);

/* What has changed, as soon as its tick has come.  Called in every turn. */

void ngx_conductor_watch(ngx_conductor_hub_t *hub);


#endif /* NGX_CONDUCTOR_PRESENCE_H_INCLUDED */
