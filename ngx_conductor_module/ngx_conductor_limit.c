/* What limits count by, handshakes in a window, and the dry run. */

#include "ngx_conductor_session.h"


static int ngx_conductor_limit_window(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, uint64_t key, uint64_t *retry);


/*
 * A handshake in the window of its address or key: admitted, or refused with
 * the time until the window ends.  Under a dry run it is logged only.
 */

ngx_uint_t
ngx_conductor_limit_handshake(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf)
{
    int                       rc;
    uint64_t                  retry, part[2];
    ngx_conductor_ctx_t      *ctx;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_address_t   address;

    if (lcf->limit_handshakes == 0) {
        return NGX_CONDUCTOR_ADMITTED;
    }

    hub = lcf->hub;

    ngx_conductor_limit_address(r->connection->sockaddr, &address);

    if (ngx_conductor_limit_key(r, hub, lcf->limit_handshakes_key, &address,
                                &part[0])
        != NGX_OK)
    {
        return CDR_REFUSE_ZONE_FULL;
    }

    if (part[0] == 0) {
        return NGX_CONDUCTOR_ADMITTED;
    }

    /* windows of another length are others */

    part[1] = lcf->limit_handshakes_per;
    part[0] = ngx_conductor_zone_key(hub, NGX_CONDUCTOR_KEY_HANDSHAKE,
                                     (u_char *) part, sizeof(part));

    rc = ngx_conductor_limit_window(r, lcf, part[0], &retry);

    if (rc == CDR_OK) {
        return NGX_CONDUCTOR_ADMITTED;
    }

    if (lcf->limit_dry_run) {
        ngx_conductor_limit_dry_run(hub, r->connection->log,
                                    CDR_REFUSE_HANDSHAKES);
        return NGX_CONDUCTOR_ADMITTED;
    }

    if (rc != CDR_DECLINED) {
        return CDR_REFUSE_ZONE_FULL;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);
    ctx->retry = (ngx_msec_t) retry;

    return CDR_REFUSE_HANDSHAKES;
}


/* More keys at a time than there are windows: each process says it once. */

static int
ngx_conductor_limit_window(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, uint64_t key, uint64_t *retry)
{
    int                   rc;
    ngx_conductor_hub_t  *hub;
    cdr_counter_fill_t    before, after;

    hub = lcf->hub;

    ngx_conductor_zone_lock(hub);

    cdr_counter_fill(&hub->windows, &before);

    rc = cdr_counter_window(&hub->windows, NGX_CONDUCTOR_KEY_HANDSHAKE, key,
                            (uint32_t) lcf->limit_handshakes,
                            (uint32_t) lcf->limit_handshakes_per,
                            ngx_current_msec, retry);

    cdr_counter_fill(&hub->windows, &after);

    ngx_conductor_zone_unlock(hub);

    if (after.evicted != before.evicted && !hub->evicted) {
        hub->evicted = 1;

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "conductor: all %uD windows of handshakes are in use, "
                      "the oldest are given up, hub: \"%V\"", after.entries,
                      &hub->name);
    }

    return rc;
}


/* Who exceeds a limit under a dry run is let in. */

void
ngx_conductor_limit_dry_run(ngx_conductor_hub_t *hub, ngx_log_t *log,
    ngx_uint_t reason)
{
    ngx_uint_t  limit;

    limit = (reason == CDR_REFUSE_ADDRESS) ? CDR_DRY_RUN_CONN
            : (reason == CDR_REFUSE_USER) ? CDR_DRY_RUN_USER
            : CDR_DRY_RUN_HANDSHAKES;

    ngx_conductor_count(hub, CDR_FIGURE_DRY_RUN + limit, 1);

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "conductor: handshake over a limit, dry run: %V, "
                  "hub: \"%V\"", ngx_conductor_refusal_name(reason),
                  &hub->name);
}


/* The value of "key" if there is one, else the address; 0: not counted. */

ngx_int_t
ngx_conductor_limit_key(ngx_http_request_t *r, ngx_conductor_hub_t *hub,
    ngx_http_complex_value_t *key, ngx_conductor_address_t *address,
    uint64_t *counted)
{
    ngx_str_t  value;

    if (key == NULL) {
        *counted = ngx_conductor_zone_key(hub, NGX_CONDUCTOR_KEY_ADDRESS,
                                          address->data, address->counted);
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, key, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    *counted = value.len
               ? ngx_conductor_zone_key(hub, NGX_CONDUCTOR_KEY_VARIABLE,
                                        value.data, value.len)
               : 0;
    return NGX_OK;
}


/*
 * The address as realip and the like have set it.  Of an IPv6 address the
 * network counts, since a host has all of a /64.
 */

void
ngx_conductor_limit_address(struct sockaddr *sa,
    ngx_conductor_address_t *address)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    ngx_memzero(address, sizeof(ngx_conductor_address_t));

    address->family = (uint8_t) sa->sa_family;

    switch (sa->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;
        address->port = ntohs(sin6->sin6_port);

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            ngx_memcpy(address->data, &sin6->sin6_addr.s6_addr[12], 4);
            address->family = AF_INET;
            address->counted = 4;
            break;
        }

        ngx_memcpy(address->data, &sin6->sin6_addr, 16);
        address->counted = 8;
        break;
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        ngx_memcpy(address->data, &sin->sin_addr, 4);
        address->port = ntohs(sin->sin_port);
        address->counted = 4;
        break;

    default: /* AF_UNIX: all are one */
        break;
    }
}
