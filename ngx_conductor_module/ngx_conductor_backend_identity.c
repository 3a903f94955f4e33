/*
 * Who a client is, as a back end has it: beside the token, and before it.
 *
 * A role that a back end gave stays when the client has a new token, no token
 * lets it stay longer than the back end said, and who may be revoked is both
 * the user of the token and the one that the client is now.
 */

#include "ngx_conductor_calls.h"
#include "ngx_conductor_audit.h"
#include "ngx_conductor_presence.h"


static ngx_int_t ngx_conductor_answer_store(ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, ngx_uint_t fresh);
static void ngx_conductor_answer_remember(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer, cdr_str_t user);
static ngx_int_t ngx_conductor_identity_copy(ngx_pool_t *pool, ngx_str_t *dst,
    cdr_str_t src);


/*
 * Replaces role and expiry, and of a client that is "fresh" the user as well.
 * NGX_OK, or the session is closed.
 */

ngx_int_t
ngx_conductor_answer_identity(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer, ngx_uint_t fresh)
{
    cdr_str_t                  user, role;
    ngx_conductor_identity_t   id;

    if (!answer->identity) {
        return NGX_OK;
    }

    user = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_USER);
    role = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_ROLE);

    if (answer->user.data && !cdr_json_eq(answer->user, user)) {

        if (!fresh) {
            ngx_conductor_answer_log(&s->log,
                                     "a client's user cannot change",
                                     answer->user);
            return NGX_OK;
        }

        user = answer->user;
    }

    if (answer->role.data) {
        role = answer->role;
    }

    ngx_memzero(&id, sizeof(ngx_conductor_identity_t));

    id.user.data = (u_char *) user.data;
    id.user.len = user.len;
    id.role.data = (u_char *) role.data;
    id.role.len = role.len;
    id.expires = (answer->expires >= 0)
                 ? ngx_min(answer->expires, s->calls->token_expires)
                 : s->expires;

    if (ngx_conductor_role_allowed(s->conf->roles, &id.role) != NGX_OK) {
        ngx_conductor_session_close(s, CDR_CLOSE_FORBIDDEN,
                                    "this role is not allowed");
        return NGX_DECLINED;
    }

    ngx_conductor_answer_remember(s, answer, user);

    if (ngx_conductor_answer_store(s, &id, fresh) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_conductor_audit_renewed(s, "back end");

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_answer_store(ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, ngx_uint_t fresh)
{
    int                    rc;
    ngx_uint_t             revoked;
    cdr_conn_identity_t    identity;
    ngx_conductor_hub_t   *hub;
    cdr_registry_entry_t  *e;
    u_char                 text[2 * CDR_BACKEND_NAME_MAX];

    hub = s->hub;
    e = ngx_conductor_session_entry(s);

    /* what is kept lies where it is going to be written */

    ngx_memcpy(text, id->user.data, id->user.len);
    ngx_memcpy(text + id->user.len, id->role.data, id->role.len);

    id->user.data = text;
    id->role.data = text + id->user.len;

    ngx_conductor_identity_record(hub, id, &identity);
    identity.user_key = e->conn.user_key;
    ngx_memcpy(identity.jti, e->conn.jti, sizeof(identity.jti));

    ngx_conductor_zone_lock(hub);

    revoked = cdr_revoke_check(&hub->revoke, identity.user, identity.jti,
                               ngx_conductor_now())
              || ngx_conductor_identity_revoked(s);

    rc = revoked ? CDR_DECLINED
                 : cdr_registry_set_identity(&hub->registry, s->entry,
                                             s->generation, &identity);

    if (rc == CDR_OK && !fresh) {
        ngx_conductor_presence_role(hub, s->entry);
    }

    ngx_conductor_zone_unlock(hub);

    if (rc != CDR_OK) {
        ngx_conductor_session_close(s, revoked ? CDR_CLOSE_REVOKED
                                               : CDR_CLOSE_TOO_SLOW,
                                    revoked ? "revoked" : "the hub is full");
        return NGX_DECLINED;
    }

    s->expires = id->expires;
    ngx_conductor_session_arm(s);

    if (s->group
        && ngx_conductor_group_move(s, s->group->channels, s->group->filters)
           != NGX_OK)
    {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Before it is replaced. */

static void
ngx_conductor_answer_remember(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer, cdr_str_t user)
{
    cdr_str_t               old;
    ngx_conductor_calls_t  *calls;

    calls = s->calls;
    old = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_USER);

    if (!cdr_json_eq(user, old) && !calls->named) {
        cdr_revoke_hash(old, calls->token_user);
        calls->named = 1;
    }

    calls->renewed++;

    if (answer->role.data) {
        calls->role = 1;
    }

    if (answer->expires >= 0) {
        calls->expires = answer->expires;
    }
}


/* What a new token says, and what a back end has said before. */

ngx_int_t
ngx_conductor_identity_keep(ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, ngx_pool_t *pool)
{
    uint64_t                hash[2];
    cdr_str_t               user, role;
    ngx_conductor_calls_t  *calls;

    user = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_USER);
    role = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_ROLE);

    calls = s->calls;

    if (calls && calls->named) {
        cdr_revoke_hash((cdr_str_t) { id->user.data, id->user.len }, hash);

        if (ngx_memcmp(hash, calls->token_user, sizeof(hash)) != 0) {
            return NGX_DECLINED;
        }

        if (ngx_conductor_identity_copy(pool, &id->user, user) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (user.len != id->user.len
               || ngx_memcmp(user.data, id->user.data, user.len) != 0)
    {
        return NGX_DECLINED;
    }

    if (calls == NULL) {
        return NGX_OK;
    }

    id->expires = ngx_min(id->expires, calls->expires);

    return calls->role ? ngx_conductor_identity_copy(pool, &id->role, role)
                       : NGX_OK;
}


static ngx_int_t
ngx_conductor_identity_copy(ngx_pool_t *pool, ngx_str_t *dst, cdr_str_t src)
{
    ngx_str_t  str;

    str.data = (u_char *) src.data;
    str.len = src.len;

    dst->len = src.len;
    dst->data = ngx_pstrdup(pool, &str);

    return dst->data ? NGX_OK : NGX_ERROR;
}


ngx_uint_t
ngx_conductor_identity_revoked(ngx_conductor_session_t *s)
{
    const cdr_revoke_entry_t  *e;

    if (s->calls == NULL || !s->calls->named) {
        return 0;
    }

    e = cdr_revoke_get(&s->hub->revoke, CDR_REVOKE_USER,
                       s->calls->token_user);

    return e && atomic_load(&e->until_ms) > ngx_conductor_now();
}
