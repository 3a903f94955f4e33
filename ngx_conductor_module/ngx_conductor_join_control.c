/*
 * What all servers of the hub are to do, whichever was asked.
 *
 * The server that was asked has done it at once, and put it into its outbox;
 * the others do it when they read it in the stream, in its order.  So of two
 * that say different things of one user the same one holds everywhere: a
 * server's own, when it comes back, is done again if another one's came
 * between, which the record tells.
 *
 * Revocations are also in the hash {base}revocations, for those who can no
 * longer read them in the stream.  What was said last, by place in the stream,
 * is there until all that was ever said of the same is over, so that one that
 * was lifted does not come back with a server that was away.
 */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_join_revoked.h"


static void ngx_conductor_join_control_start(ngx_conductor_join_t *join);
static ngx_int_t ngx_conductor_join_control_do(ngx_conductor_join_t *join,
    ngx_conductor_join_control_t *c);
static void ngx_conductor_join_control_bad(ngx_conductor_join_t *join);
static void ngx_conductor_join_control_disconnect(ngx_conductor_join_t *join,
    cdr_control_t *control);
static void ngx_conductor_join_control_revoke(ngx_conductor_join_t *join,
    ngx_conductor_join_control_t *c, cdr_control_t *control);
static void ngx_conductor_join_control_drain(ngx_conductor_join_t *join,
    cdr_control_t *control);


ngx_conductor_join_hook_t  ngx_conductor_join_control = {
    ngx_conductor_join_control_start,
    ngx_conductor_join_revoked_up,
    NULL,                                   /* listen */
    NULL,                                   /* down */
    NULL,                                   /* tick */
    NULL,                                   /* stop */
    NULL,                                   /* message */
    ngx_conductor_join_control_do
};


static void
ngx_conductor_join_control_start(ngx_conductor_join_t *join)
{
    *ngx_conductor_join_data(join, &ngx_conductor_join_control) =
        ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_conductor_join_controlled_t));
}


static ngx_int_t
ngx_conductor_join_control_do(ngx_conductor_join_t *join,
    ngx_conductor_join_control_t *c)
{
    int            rc;
    ngx_uint_t     old;
    cdr_control_t  control;
    uint8_t        name[CDR_CONTROL_NAME_MAX];

    rc = cdr_control_parse(&control, c->text, name);

    if (rc == CDR_DECLINED) {
        return NGX_DECLINED;
    }

    if (rc != CDR_OK) {
        ngx_conductor_join_control_bad(join);
        return NGX_OK;
    }

    /* it was for those who were there before this life */

    old = (c->ms < ngx_conductor_join_own(join)->old);

    switch (control.kind) {

    case CDR_CONTROL_DISCONNECT:
        if (!c->own && !old) {
            ngx_conductor_join_control_disconnect(join, &control);
        }
        break;

    case CDR_CONTROL_REVOKE:
        ngx_conductor_join_control_revoke(join, c, &control);
        break;

    default:
        if (!c->own && !old) {
            ngx_conductor_join_control_drain(join, &control);
        }
    }

    return NGX_OK;
}


static void
ngx_conductor_join_control_bad(ngx_conductor_join_t *join)
{
    ngx_conductor_join_controlled_t  *own;

    own = *ngx_conductor_join_data(join, &ngx_conductor_join_control);

    atomic_fetch_add(&join->hub->zone->joining.rejected, 1);

    if (own && !own->bad) {
        own->bad = 1;
        ngx_log_error(NGX_LOG_ERR, join->log, 0,
                      "hub \"%V\": what another server asks for makes no "
                      "sense; more such is counted only", &join->hub->name);
    }
}


static void
ngx_conductor_join_control_disconnect(ngx_conductor_join_t *join,
    cdr_control_t *control)
{
    ngx_str_t  name;

    if (ngx_conductor_disconnect(join->hub, (u_char *) control->name.data,
                                 control->name.len)
        != NGX_OK)
    {
        return;
    }

    /* an id that was found is plain text */

    ngx_log_error(NGX_LOG_NOTICE, join->log, 0,
                  "conductor: an administrator of another server "
                  "disconnected connection \"%*s\", hub: \"%V\"",
                  control->name.len, control->name.data, &join->hub->name);

    name.data = (u_char *) control->name.data;
    name.len = control->name.len;

    ngx_conductor_audit_admin(join->hub, NULL,
                              NGX_CONDUCTOR_ADMIN_DISCONNECT, &name, 0);
}


static void
ngx_conductor_join_control_revoke(ngx_conductor_join_t *join,
    ngx_conductor_join_control_t *c, cdr_control_t *control)
{
    ngx_int_t                   rc;
    ngx_conductor_revocation_t  revocation;

    revocation.kind = control->revoked;
    revocation.hash[0] = control->hash[0];
    revocation.hash[1] = control->hash[1];
    revocation.until_ms = control->until_ms;
    revocation.ms = c->ms;
    revocation.n = c->n;

    ngx_conductor_zone_lock(join->hub);
    rc = ngx_conductor_join_revoked_set(join, &revocation, c->own);
    ngx_conductor_zone_unlock(join->hub);

    if (rc == NGX_OK) {
        ngx_conductor_wake_all(join->hub);
    }

    ngx_conductor_join_revoked_keep(join, &revocation);
}


static void
ngx_conductor_join_control_drain(ngx_conductor_join_t *join,
    cdr_control_t *control)
{
    ngx_conductor_hub_t  *hub;

    hub = join->hub;

    if (control->name.len != hub->label.len
        || ngx_memcmp(control->name.data, hub->label.data, hub->label.len)
           != 0)
    {
        return;
    }

    ngx_conductor_drain(hub, control->on);

    ngx_log_error(NGX_LOG_NOTICE, join->log, 0,
                  "conductor: an administrator of another server %s "
                  "\"%V\", hub: \"%V\"",
                  control->on ? "drains server"
                              : "takes back the drain of server",
                  &hub->label, &hub->name);

    ngx_conductor_audit_admin(hub, NULL,
                              control->on ? NGX_CONDUCTOR_ADMIN_DRAIN
                                          : NGX_CONDUCTOR_ADMIN_UNDRAIN,
                              &hub->label, 0);
}
