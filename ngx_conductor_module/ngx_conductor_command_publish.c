/* The command "publish": an event of a client whose role may publish it. */

#include "ngx_conductor_session.h"
#include "ngx_conductor_append.h"
#include "ngx_conductor_presence.h"


static void ngx_conductor_publish_reply(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_conductor_publication_t *pub,
    ngx_conductor_append_e rc);
static void ngx_conductor_publish_wrong(ngx_conductor_session_t *s,
    cdr_command_t *cmd, cdr_publish_error_t *err);


void
ngx_conductor_command_publish(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    cdr_str_t                     event, text;
    ngx_str_t                     role;
    ngx_pool_t                   *pool;
    ngx_conductor_append_e        rc;
    ngx_conductor_publication_t   pub;
    static const cdr_str_t        name = cdr_str("event");

    if (cdr_command_raw(cmd, name, CDR_JSON_OBJECT, &event) != CDR_OK) {
        ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE,
                            "\"event\" must be an object");
        return;
    }

    pool = ngx_create_pool(1024, &s->log);
    if (pool == NULL) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no memory for it");
        return;
    }

    text = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_ROLE);

    role.data = (u_char *) text.data;
    role.len = text.len;

    ngx_memzero(&pub, sizeof(ngx_conductor_publication_t));

    pub.hub = s->hub;
    pub.pool = pool;
    pub.body.data = (u_char *) event.data;
    pub.body.len = event.len;
    pub.max = 1;
    pub.role = &role;
    pub.idem = ngx_conductor_key_publication(cmd);

    rc = ngx_conductor_append(&pub);

    ngx_conductor_publish_reply(s, cmd, &pub, rc);

    ngx_destroy_pool(pool);
}


static void
ngx_conductor_publish_reply(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_conductor_publication_t *pub, ngx_conductor_append_e rc)
{
    switch (rc) {

    case NGX_CONDUCTOR_APPENDED:
        ngx_conductor_ack_event(s, cmd, &pub->first);
        break;

    case NGX_CONDUCTOR_APPENDED_BEFORE:
        pub->first.ms = pub->idem->answer.ms;
        pub->first.n = pub->idem->answer.n;
        ngx_conductor_ack_event(s, cmd, &pub->first);
        break;

    case NGX_CONDUCTOR_APPEND_RUNNING:
    case NGX_CONDUCTOR_APPEND_FULL:
        ngx_conductor_error(s, cmd, CDR_ERR_BUSY,
                            "too many commands with a key are under way");
        break;

    case NGX_CONDUCTOR_APPEND_INVALID:
        ngx_conductor_publish_wrong(s, cmd, &pub->error);
        break;

    case NGX_CONDUCTOR_APPEND_FORBIDDEN:
        ngx_conductor_error(s, cmd, CDR_ERR_FORBIDDEN,
                            "this role may not publish this type of event");
        break;

    case NGX_CONDUCTOR_APPEND_PRESENCE:
        ngx_conductor_error(s, cmd, CDR_ERR_FORBIDDEN,
                            NGX_CONDUCTOR_PRESENCE_REFUSED);
        break;

    case NGX_CONDUCTOR_APPEND_TOO_LARGE:
        ngx_conductor_error(s, cmd, CDR_ERR_TOO_LARGE,
                            "the event is larger than a quarter of the hub's "
                            "history");
        break;

    default:
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "the event log cannot take it now; nothing was "
                            "sent");
    }
}


/* What is wrong with the event, by the name of the field if it has one. */

static void
ngx_conductor_publish_wrong(ngx_conductor_session_t *s, cdr_command_t *cmd,
    cdr_publish_error_t *err)
{
    u_char  *p, *last;
    u_char   text[128 + CDR_EVENT_MAX_NAME];

    if (err->unknown) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNKNOWN_TYPE, err->error);
        return;
    }

    last = text + sizeof(text) - 1;
    p = ngx_slprintf(text, last, "%s", err->error);

    if (err->field.data) {
        p = ngx_slprintf(p, last, ": \"%*s\"", err->field.len,
                         err->field.data);
    }

    *p = '\0';

    ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE, (char *) text);
}
