/*
 * The audit log: who came, was refused, spoke, and went, a line each.
 *
 *   _audit         the file: lines gathered, written, and lost
 *   _audit_conf    the directive "audit_log"
 *   _audit_line    the lines of connections
 *   _audit_deed    those of publications and administrators
 *   _audit_repeat  lines that anybody can cause as often as they like
 *
 * Where it is off, hub->audit is NULL, and that is all that is looked at.
 */

#ifndef NGX_CONDUCTOR_AUDIT_H_INCLUDED
#define NGX_CONDUCTOR_AUDIT_H_INCLUDED


#include "ngx_conductor_append.h"
#include "ngx_conductor_session.h"

#include <cdr_audit.h>
#include <cdr_repeat.h>


/* A file, as one process writes it; of one hub or several. */

typedef struct {
    ngx_open_file_t              *file;
    ngx_conductor_hub_t          *hub;        /* that counts what is lost */
    size_t                        size;       /* of the buffer */
    ngx_msec_t                    flush;      /* 0: at the end of the turn */
    u_char                       *start;
    u_char                       *pos;
    ngx_event_t                   event;
    uint64_t                      lost;       /* lines, since it was said */
    ngx_err_t                     error;      /* that was said; 0: none */
    ngx_msec_t                    said_time;
    unsigned                      said:1;     /* ever */
    unsigned                      torn:1;     /* half a line was written */
    unsigned                      locked:1;   /* by this process */
} ngx_conductor_audit_file_t;


struct ngx_conductor_audit_s {
    ngx_conductor_audit_file_t   *file;
    ngx_uint_t                    kinds;      /* a bit for each CDR_AUDIT_ */
    cdr_repeat_t                 *repeats[CDR_AUDIT_N];
    ngx_event_t                   event;      /* tells what is untold */
};


/* Is it told? */

#define ngx_conductor_audited(hub, kind)                                      \
    ((hub)->audit && ((hub)->audit->kinds & ((ngx_uint_t) 1 << (kind))))


/* Who did it; what is not known is empty. */

typedef struct {
    cdr_str_t                     connection;
    cdr_str_t                     user;
    cdr_str_t                     role;
    cdr_str_t                     address;
    u_char                        id[CDR_CONN_ID_TEXT_LEN];
} ngx_conductor_actor_t;


/*
 * ngx_conductor_audit.c: a line of which time, kind, hub, server and actor
 * are there; there is one at a time.  And its end, with which it is written,
 * soon.
 */

cdr_audit_t *ngx_conductor_audit_begin(ngx_conductor_hub_t *hub,
    cdr_audit_e kind, const ngx_conductor_actor_t *actor);
void ngx_conductor_audit_end(ngx_conductor_hub_t *hub);

/* Where in that line something ends: kind, server, role, address. */

typedef struct {
    size_t                        head;
    size_t                        server;
    size_t                        address;
    size_t                        rest;
} ngx_conductor_audit_marks_t;

extern ngx_conductor_audit_marks_t  ngx_conductor_audit_marks;

/* A line of one's own, which has its end. */

void ngx_conductor_audit_put(ngx_conductor_audit_file_t *f,
    cdr_audit_t *line);

/* Writes what is gathered. */

void ngx_conductor_audit_flush(ngx_conductor_audit_file_t *f);
void ngx_conductor_audit_exit(ngx_cycle_t *cycle);


/*
 * ngx_conductor_audit_line.c: the lines of connections.  Each does nothing
 * where its kind is not told.
 */

void ngx_conductor_audit_connect(ngx_http_request_t *r,
    ngx_conductor_session_t *s);
void ngx_conductor_audit_disconnect(ngx_conductor_session_t *s);
void ngx_conductor_audit_lost(ngx_conductor_hub_t *hub,
    const cdr_conn_copy_t *conn);
void ngx_conductor_audit_refuse(ngx_http_request_t *r, const char *reason,
    const char *detail, ngx_uint_t status);
void ngx_conductor_audit_error(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_uint_t code, const char *text);
void ngx_conductor_audit_renewed(ngx_conductor_session_t *s,
    const char *method);
void ngx_conductor_audit_deny(ngx_http_request_t *r, const char *reason,
    ngx_uint_t status);

void ngx_conductor_audit_session(ngx_conductor_session_t *s,
    ngx_conductor_actor_t *actor);
void ngx_conductor_audit_request(ngx_http_request_t *r,
    ngx_conductor_actor_t *actor);


/*
 * ngx_conductor_audit_deed.c: what was published, by the session or request
 * of the publication.  What waits for its place is told when it has it, or
 * when nobody waits any more; the offer has the line until then.
 */

void ngx_conductor_audit_publish(ngx_conductor_publication_t *pub,
    ngx_conductor_append_e rc);
void ngx_conductor_audit_offered(ngx_conductor_offer_t *offer);

/* An event that a program has published in Redis, if its kind is told. */

void ngx_conductor_audit_foreign(ngx_conductor_hub_t *hub, cdr_str_t type,
    const ngx_conductor_first_t *first);

/* What an administrator did, or one of another server: "r" is NULL then. */

typedef enum {
    NGX_CONDUCTOR_ADMIN_DISCONNECT = 0,
    NGX_CONDUCTOR_ADMIN_REVOKE_USER,
    NGX_CONDUCTOR_ADMIN_REVOKE_JTI,
    NGX_CONDUCTOR_ADMIN_NOTIFY,
    NGX_CONDUCTOR_ADMIN_DRAIN,
    NGX_CONDUCTOR_ADMIN_UNDRAIN
} ngx_conductor_admin_e;

void ngx_conductor_audit_admin(ngx_conductor_hub_t *hub,
    ngx_http_request_t *r, ngx_conductor_admin_e what, ngx_str_t *whom,
    uint64_t until);


/*
 * ngx_conductor_audit_repeat.c: the end of a line that is written so often in
 * a minute, as it is; then it is counted, and written once more with how often
 * it came besides.  Lines that differ in their address alone are one if the
 * limits count the two as one: "sa", NULL for what has a connection.
 */

void ngx_conductor_audit_repeat(ngx_conductor_hub_t *hub, cdr_audit_e kind,
    cdr_audit_t *line, struct sockaddr *sa, ngx_uint_t most);
void ngx_conductor_audit_repeats_exit(ngx_conductor_hub_t *hub);


/* ngx_conductor_audit_conf.c: "audit_log" in a hub */

char *ngx_conductor_hub_audit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* NGX_CONDUCTOR_AUDIT_H_INCLUDED */
