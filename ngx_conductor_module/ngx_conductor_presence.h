/* Presence: who is there, and who is told. */

#ifndef NGX_CONDUCTOR_PRESENCE_H_INCLUDED
#define NGX_CONDUCTOR_PRESENCE_H_INCLUDED


#include "ngx_conductor_session.h"

#include <cdr_presence.h>


#define NGX_CONDUCTOR_PRESENCE_CHANNEL  "presence:updates"
#define NGX_CONDUCTOR_PRESENCE_UPDATE   "presence-update"
#define NGX_CONDUCTOR_PRESENCE_REFUSED                                        \
    "presence is what connections do, and is not published"
#define NGX_CONDUCTOR_PRESENCE_EXPIRE   1024    /* in a hold of the lock */


/*
 * ngx_conductor_presence.c: what becomes of the registry's connections.
 *
 * Under the lock, and nothing where the zone has no reviewers (without
 * presence now it may still have them from before a reload): a connection is
 * about to be added, was added, has said something, may have another role, is
 * about to be removed ("retry" is when it was told to come back, in ms), or
 * that because its worker is gone.  Whoever listens is woken.
 */

void ngx_conductor_presence_keep(ngx_conductor_hub_t *hub,
    cdr_conn_info_t *info);
void ngx_conductor_presence_join(ngx_conductor_hub_t *hub, uint32_t entry);
void ngx_conductor_presence_changed(ngx_conductor_hub_t *hub, uint32_t entry);
void ngx_conductor_presence_role(ngx_conductor_hub_t *hub, uint32_t entry);
void ngx_conductor_presence_leave(ngx_conductor_hub_t *hub, uint32_t entry,
    ngx_msec_t retry);
void ngx_conductor_presence_lost(ngx_conductor_hub_t *hub, uint32_t entry);

/* Without the lock.  What is due; wakes who listens if somebody is offline. */

void ngx_conductor_presence_expire(ngx_conductor_hub_t *hub);

/* Without the lock: how many reviewers are not offline. */

uint32_t ngx_conductor_presence_live(ngx_conductor_hub_t *hub);

/* Under the lock, from the repair of the zone. */

void ngx_conductor_presence_repair(ngx_conductor_hub_t *hub);

/* ngx_conductor_command_presence.c */

void ngx_conductor_command_presence(ngx_conductor_session_t *s,
    cdr_command_t *cmd);


/* ngx_conductor_presence_history.c: GET /presence/history */

ngx_int_t ngx_conductor_presence_history_handler(ngx_http_request_t *r);


/*
 * ngx_conductor_watch.c: lists, updates and diffs for those who subscribe.
 *
 * The session has begun to get the channel, or sees or filters it in another
 * way: it gets a list before any update.  And it gets none any more.
 */

void ngx_conductor_watch_begin(ngx_conductor_session_t *s);
void ngx_conductor_watch_end(ngx_conductor_session_t *s);

/*
 * Does the session, in its new group, see and filter of presence what it did
 * in the old one?
 */

ngx_uint_t ngx_conductor_watch_same(ngx_conductor_group_t *old,
    ngx_conductor_session_t *s);

/* A group is about to be freed. */

void ngx_conductor_watch_forget(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g);

/* What has changed, as soon as its tick has come.  Called in every turn. */

void ngx_conductor_watch(ngx_conductor_hub_t *hub);

/*
 * With or without the lock, after every change of presence: wakes the workers
 * that have clients to tell, each at most once in a tick.
 */

void ngx_conductor_watch_wake(ngx_conductor_hub_t *hub);

/* Fields of reviewers that a view does not show, and the channel's index. */

void ngx_conductor_watch_view(ngx_conductor_hub_t *hub,
    ngx_conductor_view_t *view);


/*
 * ngx_conductor_presence_access.c
 *
 * What is common to all that is asked about presence over HTTP: NGX_OK with
 * the fields that are hidden from who asks; or else "*rc" is what the handler
 * is to return.
 */

ngx_int_t ngx_conductor_presence_ask(ngx_http_request_t *r, uint32_t *hidden,
    ngx_int_t *rc);

/* An error that names an argument, or NULL; what the handler returns. */

ngx_int_t ngx_conductor_presence_wrong(ngx_http_request_t *r,
    ngx_uint_t status, const char *error, const char *field);


#endif /* NGX_CONDUCTOR_PRESENCE_H_INCLUDED */
