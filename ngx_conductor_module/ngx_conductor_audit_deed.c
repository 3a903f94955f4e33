/* The lines of the audit log that tell what was published and administered. */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_calls.h"


#define NGX_CONDUCTOR_AUDIT_TYPES  8        /* of a publication, by name */


/* A line that waits for the end of what it tells. */

struct ngx_conductor_audit_held_s {
    size_t                        len;
    u_char                        data[];
};


typedef struct {
    const char                   *name;
    const char                   *whom;       /* what "whom" is */
    cdr_audit_e                   kind;
} ngx_conductor_audit_act_t;


static ngx_conductor_audit_act_t  ngx_conductor_audit_acts[] = {
    { "disconnect", "target", CDR_AUDIT_ADMIN },
    { "revoke", "targetUser", CDR_AUDIT_REVOKE },
    { "revoke", "targetJti", CDR_AUDIT_REVOKE },
    { "notify", "eventId", CDR_AUDIT_ADMIN },
    { "drain", "target", CDR_AUDIT_ADMIN },
    { "undrain", "target", CDR_AUDIT_ADMIN }
};


static cdr_audit_t *ngx_conductor_audit_publication(
    ngx_conductor_publication_t *pub);
static void ngx_conductor_audit_calls(ngx_conductor_calls_t *calls,
    ngx_conductor_actor_t *actor);
static ngx_uint_t ngx_conductor_audit_types(ngx_conductor_publication_t *pub,
    cdr_str_t *types);
static void ngx_conductor_audit_placed(ngx_conductor_hub_t *hub,
    cdr_audit_t *line, const ngx_conductor_first_t *first);


void
ngx_conductor_audit_publish(ngx_conductor_publication_t *pub,
    ngx_conductor_append_e rc)
{
    cdr_audit_t  *line;

    if (!ngx_conductor_audited(pub->hub, CDR_AUDIT_PUBLISH)) {
        return;
    }

    if (rc == NGX_CONDUCTOR_APPENDED) {
        line = ngx_conductor_audit_publication(pub);
        ngx_conductor_audit_placed(pub->hub, line, &pub->first);

    } else if (rc == NGX_CONDUCTOR_APPEND_WAITING && pub->offer) {
        line = ngx_conductor_audit_publication(pub);

        pub->offer->audit = ngx_alloc(sizeof(ngx_conductor_audit_held_t)
                                      + line->len, ngx_cycle->log);

        if (pub->offer->audit) {
            pub->offer->audit->len = line->len;
            ngx_memcpy(pub->offer->audit->data, line->data, line->len);
        }
    }
}


/* What is told when it is over: it has its place, or may get it yet. */

void
ngx_conductor_audit_offered(ngx_conductor_offer_t *offer)
{
    cdr_audit_t                 *line;
    ngx_conductor_actor_t        nobody;
    ngx_conductor_first_t        first;
    ngx_conductor_audit_held_t  *held;

    held = offer->audit;
    offer->audit = NULL;

    if (offer->state == CDR_TICKET_DONE
        || offer->state == CDR_TICKET_WAITING)
    {
        ngx_memzero(&nobody, sizeof(ngx_conductor_actor_t));

        line = ngx_conductor_audit_begin(offer->hub, CDR_AUDIT_PUBLISH,
                                         &nobody);

        ngx_memcpy(line->data, held->data, held->len);
        line->len = held->len;

        if (offer->state == CDR_TICKET_DONE) {
            ngx_conductor_offer_first(offer, &first);
            ngx_conductor_audit_placed(offer->hub, line, &first);

        } else {
            ngx_conductor_audit_placed(offer->hub, line, NULL);
        }
    }

    ngx_free(held);
}


static cdr_audit_t *
ngx_conductor_audit_publication(ngx_conductor_publication_t *pub)
{
    cdr_audit_t            *line;
    cdr_str_t               types[NGX_CONDUCTOR_AUDIT_TYPES];
    ngx_conductor_actor_t   actor;
    static const cdr_str_t  backend = cdr_str("back end");

    ngx_memzero(&actor, sizeof(ngx_conductor_actor_t));

    if (pub->session) {
        ngx_conductor_audit_session(pub->session, &actor);

    } else if (pub->request) {
        ngx_conductor_audit_request(pub->request, &actor);

    } else if (pub->calls) {
        ngx_conductor_audit_calls(pub->calls, &actor);
    }

    line = ngx_conductor_audit_begin(pub->hub, CDR_AUDIT_PUBLISH, &actor);

    cdr_audit_number(line, "events", pub->n);
    cdr_audit_list(line, "types", types,
                   ngx_conductor_audit_types(pub, types));

    if (pub->calls) {
        cdr_audit_text(line, "reason", backend);
    }

    return line;
}


/* The client in whose call it was; of one that has gone what is still known. */

static void
ngx_conductor_audit_calls(ngx_conductor_calls_t *calls,
    ngx_conductor_actor_t *actor)
{
    if (calls->session) {
        ngx_conductor_audit_session(calls->session, actor);
    }

    if (actor->connection.len == 0) {
        actor->connection.data = calls->id;
        actor->connection.len = sizeof(calls->id);
        actor->address.data = calls->address.data;
        actor->address.len = calls->address.len;
    }
}


/* What no server of the hub was asked to publish: this one took it. */

void
ngx_conductor_audit_foreign(ngx_conductor_hub_t *hub, cdr_str_t type,
    const ngx_conductor_first_t *first)
{
    cdr_audit_t            *line;
    ngx_conductor_actor_t   nobody;
    static const cdr_str_t  redis = cdr_str("Redis");

    ngx_memzero(&nobody, sizeof(ngx_conductor_actor_t));

    line = ngx_conductor_audit_begin(hub, CDR_AUDIT_PUBLISH, &nobody);

    cdr_audit_number(line, "events", 1);
    cdr_audit_list(line, "types", &type, 1);
    cdr_audit_text(line, "reason", redis);

    ngx_conductor_audit_placed(hub, line, first);
}


/* The different ones, as far as there is room. */

static ngx_uint_t
ngx_conductor_audit_types(ngx_conductor_publication_t *pub, cdr_str_t *types)
{
    ngx_uint_t  i, k, n;

    n = 0;

    for (i = 0; i < pub->n && n < NGX_CONDUCTOR_AUDIT_TYPES; i++) {

        for (k = 0; k < n; k++) {
            if (types[k].data == pub->events[i].type->name.data) {
                break;
            }
        }

        if (k == n) {
            types[n++] = pub->events[i].type->name;
        }
    }

    return n;
}


/* The id of the first event; null if it is not known. */

static void
ngx_conductor_audit_placed(ngx_conductor_hub_t *hub, cdr_audit_t *line,
    const ngx_conductor_first_t *first)
{
    cdr_str_t  id;
    u_char     text[CDR_EVENT_ID_LEN];

    id.data = first ? text : NULL;
    id.len = first ? ngx_conductor_append_id(hub, text, first, 0) : 0;

    cdr_audit_text(line, "eventId", id);

    ngx_conductor_audit_end(hub);
}


void
ngx_conductor_audit_admin(ngx_conductor_hub_t *hub, ngx_http_request_t *r,
    ngx_conductor_admin_e what, ngx_str_t *whom, uint64_t until)
{
    cdr_str_t                   str;
    cdr_audit_t                *line;
    ngx_conductor_actor_t       actor;
    ngx_conductor_audit_act_t  *act;

    act = &ngx_conductor_audit_acts[what];

    if (!ngx_conductor_audited(hub, act->kind)) {
        return;
    }

    ngx_memzero(&actor, sizeof(ngx_conductor_actor_t));

    if (r) {
        ngx_conductor_audit_request(r, &actor);
    }

    line = ngx_conductor_audit_begin(hub, act->kind, &actor);

    str.data = (u_char *) act->name;
    str.len = ngx_strlen(act->name);
    cdr_audit_text(line, "action", str);

    str.data = whom->data;
    str.len = whom->len;
    cdr_audit_text(line, act->whom, str);

    if (act->kind == CDR_AUDIT_REVOKE) {
        cdr_audit_number(line, "until", until);
    }

    if (r == NULL) {
        str = (cdr_str_t) cdr_str("another server");
        cdr_audit_text(line, "reason", str);
    }

    ngx_conductor_audit_end(hub);
}
