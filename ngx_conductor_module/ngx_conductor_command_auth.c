/* The command "auth": a new token before the old one expires. */

#include "ngx_conductor_calls.h"
#include "ngx_conductor_audit.h"
#include "ngx_conductor_presence.h"


static ngx_int_t ngx_conductor_auth_replace(ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, ngx_pool_t *pool, cdr_command_t *cmd);
static ngx_int_t ngx_conductor_auth_store(ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, cdr_command_t *cmd);


/* For the same user only. */

void
ngx_conductor_command_auth(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    int                        rc;
    int64_t                    expires;
    cdr_str_t                  value;
    ngx_str_t                  token;
    ngx_pool_t                *pool;
    ngx_conductor_identity_t   id;
    static const cdr_str_t     name = cdr_str("token");
    static u_char              buf[CDR_JWT_MAX];

    if (s->conf->auth != NGX_CONDUCTOR_AUTH_JWT) {
        ngx_conductor_error(s, cmd, CDR_ERR_FORBIDDEN,
                            "identity does not come by token here");
        return;
    }

    rc = cdr_command_string(cmd, name, buf, sizeof(buf), &value);

    if (rc != CDR_OK) {
        ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE,
                            (rc == CDR_TOOBIG) ? "\"token\" is too long"
                            : "\"token\" must be a string");
        return;
    }

    token.data = (u_char *) value.data;
    token.len = value.len;

    pool = ngx_create_pool(1024, &s->log);
    if (pool == NULL) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no memory for it");
        return;
    }

    ngx_memzero(&id, sizeof(ngx_conductor_identity_t));

    (void) ngx_conductor_identity_verify(s->conf, &token, pool, &id);

    ngx_conductor_count_identity(s->conf, &id);

    expires = id.expires;

    if (id.rc != NGX_OK) {
        ngx_conductor_error(s, cmd, id.expired ? CDR_ERR_TOKEN_EXPIRED
                                               : CDR_ERR_FORBIDDEN,
                            id.reason);

    } else if (ngx_conductor_auth_replace(s, &id, pool, cmd) == NGX_OK) {
        s->expires = id.expires;

        if (s->calls) {
            s->calls->token_expires = expires;
            s->calls->renewed++;
        }

        ngx_conductor_session_arm(s);
        ngx_conductor_audit_renewed(s, "token");
        ngx_conductor_ack(s, cmd, NULL);
    }

    ngx_destroy_pool(pool);
}


static ngx_int_t
ngx_conductor_auth_replace(ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, ngx_pool_t *pool, cdr_command_t *cmd)
{
    switch (ngx_conductor_identity_keep(s, id, pool)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        ngx_conductor_error(s, cmd, CDR_ERR_FORBIDDEN,
                            "the token belongs to another user");
        return NGX_DECLINED;

    default:
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no memory for it");
        return NGX_DECLINED;
    }

    if (ngx_conductor_role_allowed(s->conf->roles, &id->role) != NGX_OK) {
        ngx_conductor_error(s, cmd, CDR_ERR_FORBIDDEN,
                            "the token's role is not allowed here");
        return NGX_DECLINED;
    }

    if (ngx_conductor_auth_store(s, id, cmd) != NGX_OK) {
        return NGX_DECLINED;
    }

    /* other roles may see more, or less */

    if (s->group
        && ngx_conductor_group_move(s, s->group->channels, s->group->filters)
           != NGX_OK)
    {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_auth_store(ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, cdr_command_t *cmd)
{
    int                    rc;
    ngx_uint_t             revoked;
    cdr_conn_identity_t    identity;
    cdr_registry_entry_t  *e;
    ngx_conductor_hub_t   *hub;

    hub = s->hub;
    e = ngx_conductor_session_entry(s);

    ngx_conductor_identity_record(hub, id, &identity);
    identity.user_key = e->conn.user_key;

    rc = CDR_OK;

    ngx_conductor_zone_lock(hub);

    revoked = cdr_revoke_check(&hub->revoke, identity.user, identity.jti,
                               ngx_conductor_now())
              || ngx_conductor_identity_revoked(s);

    if (!revoked) {
        rc = cdr_registry_set_identity(&hub->registry, s->entry,
                                       s->generation, &identity);

        if (rc == CDR_OK) {
            ngx_conductor_presence_role(hub, s->entry);
        }
    }

    ngx_conductor_zone_unlock(hub);

    if (revoked) {
        ngx_conductor_error(s, cmd, CDR_ERR_REVOKED, "the token was revoked");
        return NGX_DECLINED;
    }

    if (rc != CDR_OK) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no room for this identity");
        return NGX_DECLINED;
    }

    return NGX_OK;
}
