/* The command "publish": an event of a client whose role may publish it. */

#include "ngx_conductor_session.h"
#include "ngx_conductor_append.h"
#include "ngx_conductor_presence.h"


/* A command that waits for its place. */

typedef struct {
    ngx_conductor_offer_t         offer;
    ngx_queue_t                   queue;      /* of this worker */
    ngx_conductor_session_t      *session;
    size_t                        id_len;     /* 0: it wants no answer */
    u_char                        id[CDR_COMMAND_ID_LEN];
} ngx_conductor_publishing_t;


static void ngx_conductor_publishing_begin(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_conductor_publication_t *pub);
static ngx_conductor_publishing_t *ngx_conductor_publishing_new(
    ngx_conductor_session_t *s, cdr_command_t *cmd);
static void ngx_conductor_publishing_done(ngx_conductor_offer_t *offer);
static void ngx_conductor_publishing_reply(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_conductor_offer_t *offer);
static void ngx_conductor_publish_reply(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_conductor_publication_t *pub,
    ngx_conductor_append_e rc);
static void ngx_conductor_publish_wrong(ngx_conductor_session_t *s,
    cdr_command_t *cmd, cdr_publish_error_t *err);


static ngx_queue_t  ngx_conductor_publishing;


void
ngx_conductor_command_publish(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    cdr_str_t                     event, text;
    ngx_str_t                     role;
    ngx_pool_t                   *pool;
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
    pub.session = s;
    pub.pool = pool;
    pub.body.data = (u_char *) event.data;
    pub.body.len = event.len;
    pub.max = 1;
    pub.role = &role;
    pub.idem = ngx_conductor_key_publication(cmd);

    if (ngx_conductor_ordered(s->hub)) {
        ngx_conductor_publishing_begin(s, cmd, &pub);

    } else {
        ngx_conductor_publish_reply(s, cmd, &pub, ngx_conductor_append(&pub));
    }

    ngx_destroy_pool(pool);
}


/* In a hub with Redis the answer comes when the event has its place. */

static void
ngx_conductor_publishing_begin(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_conductor_publication_t *pub)
{
    ngx_conductor_append_e       rc;
    ngx_conductor_publishing_t  *waiting;

    waiting = ngx_conductor_publishing_new(s, cmd);

    if (waiting == NULL) {
        ngx_conductor_publish_reply(s, cmd, pub,
                                    NGX_CONDUCTOR_APPEND_NO_MEMORY);
        return;
    }

    pub->offer = &waiting->offer;

    rc = ngx_conductor_append(pub);

    if (rc != NGX_CONDUCTOR_APPEND_WAITING) {
        ngx_conductor_publish_reply(s, cmd, pub, rc);
        ngx_free(waiting);
        return;
    }

    s->offering = 1;

    ngx_queue_insert_tail(&ngx_conductor_publishing, &waiting->queue);
}


static ngx_conductor_publishing_t *
ngx_conductor_publishing_new(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    ngx_conductor_publishing_t  *waiting;

    if (ngx_conductor_publishing.next == NULL) {
        ngx_queue_init(&ngx_conductor_publishing);
    }

    waiting = ngx_alloc(sizeof(ngx_conductor_publishing_t), &s->log);
    if (waiting == NULL) {
        return NULL;
    }

    ngx_memzero(waiting, offsetof(ngx_conductor_publishing_t, id));

    waiting->offer.handler = ngx_conductor_publishing_done;
    waiting->offer.data = waiting;
    waiting->session = s;
    waiting->id_len = cmd->id.len;

    if (cmd->id.len) {
        ngx_memcpy(waiting->id, cmd->id.data, cmd->id.len);
    }

    return waiting;
}


/* The client has gone; what it published goes on. */

void
ngx_conductor_command_publish_end(ngx_conductor_session_t *s)
{
    ngx_queue_t                 *q;
    ngx_conductor_publishing_t  *waiting;

    q = ngx_queue_head(&ngx_conductor_publishing);

    while (q != ngx_queue_sentinel(&ngx_conductor_publishing)) {
        waiting = ngx_queue_data(q, ngx_conductor_publishing_t, queue);
        q = ngx_queue_next(q);

        if (waiting->session == s) {
            ngx_conductor_offer_leave(&waiting->offer);
            ngx_queue_remove(&waiting->queue);
            ngx_free(waiting);
        }
    }
}


static void
ngx_conductor_publishing_done(ngx_conductor_offer_t *offer)
{
    cdr_command_t                cmd;
    ngx_connection_t            *c;
    ngx_conductor_session_t     *s;
    ngx_conductor_publishing_t  *waiting;

    waiting = offer->data;
    s = waiting->session;
    c = s->connection;

    ngx_queue_remove(&waiting->queue);

    if (s->state == NGX_CONDUCTOR_OPEN) {
        cmd.id.data = waiting->id_len ? waiting->id : NULL;
        cmd.id.len = waiting->id_len;

        s->hold = 1;
        ngx_conductor_publishing_reply(s, &cmd, offer);
        s->hold = 0;

        /* with what else comes in this turn */

        if (ngx_conductor_live(s)) {
            ngx_conductor_group_blocked(s, 1);
        }

        ngx_post_event(c->write, &ngx_posted_events);
    }

    ngx_free(waiting);
}


static void
ngx_conductor_publishing_reply(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_conductor_offer_t *offer)
{
    ngx_conductor_first_t  first;

    switch (offer->state) {

    case CDR_TICKET_DONE:
    case CDR_TICKET_REPEATED:
        ngx_conductor_offer_first(offer, &first);
        ngx_conductor_ack_event(s, cmd, &first);
        break;

    case CDR_TICKET_FAILED:
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "the event cannot have its place now; nothing "
                            "was sent");
        break;

    default:
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "the event may have been sent: repeat it with "
                            "its \"key\"");
    }
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
        ngx_conductor_idem_first(&pub->idem->answer, &pub->first);
        ngx_conductor_ack_event(s, cmd, &pub->first);
        break;

    case NGX_CONDUCTOR_APPEND_CROWDED:
        ngx_conductor_error(s, cmd, CDR_ERR_BUSY,
                            "too many publications wait for their place; "
                            "nothing was sent");
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
