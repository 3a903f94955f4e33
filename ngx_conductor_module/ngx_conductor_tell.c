/* What the other servers of a hub are told to do. */

#include "ngx_conductor_admin.h"
#include "ngx_conductor_offer.h"

#include <cdr_control.h>


static ngx_int_t ngx_conductor_tell(ngx_conductor_hub_t *hub,
    cdr_control_t *control);


ngx_int_t
ngx_conductor_tell_disconnect(ngx_conductor_hub_t *hub, ngx_str_t *id)
{
    uint8_t        raw[CDR_CONN_ID_LEN];
    cdr_control_t  control;

    if (cdr_conn_id_parse(raw, id->data, id->len) != CDR_OK) {
        return NGX_DECLINED;
    }

    ngx_memzero(&control, sizeof(cdr_control_t));

    control.kind = CDR_CONTROL_DISCONNECT;
    control.name.data = id->data;
    control.name.len = id->len;

    return ngx_conductor_tell(hub, &control);
}


/* By its hash alone: who it is need not be known to Redis. */

ngx_int_t
ngx_conductor_tell_revoke(ngx_conductor_hub_t *hub, cdr_revoke_kind_t kind,
    ngx_str_t *name, uint64_t until)
{
    cdr_str_t      str;
    cdr_control_t  control;

    ngx_memzero(&control, sizeof(cdr_control_t));

    str.data = name->data;
    str.len = name->len;

    cdr_revoke_hash(str, control.hash);

    control.kind = CDR_CONTROL_REVOKE;
    control.revoked = kind;
    control.until_ms = until;

    return ngx_conductor_tell(hub, &control);
}


ngx_int_t
ngx_conductor_tell_drain(ngx_conductor_hub_t *hub, ngx_str_t *server,
    ngx_uint_t on)
{
    cdr_control_t  control;

    if (server->len == 0 || server->len > CDR_CONTROL_NAME_MAX) {
        return NGX_DECLINED;
    }

    ngx_memzero(&control, sizeof(cdr_control_t));

    control.kind = CDR_CONTROL_DRAIN;
    control.name.data = server->data;
    control.name.len = server->len;
    control.on = (on != 0);

    return ngx_conductor_tell(hub, &control);
}


static ngx_int_t
ngx_conductor_tell(ngx_conductor_hub_t *hub, cdr_control_t *control)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    if (!ngx_conductor_ordered(hub)) {
        return NGX_DECLINED;
    }

    text.len = cdr_control_print(NULL, control);
    text.data = ngx_alloc(text.len, ngx_cycle->log);

    if (text.data == NULL) {
        return NGX_BUSY;
    }

    (void) cdr_control_print(text.data, control);

    rc = ngx_conductor_offer_control(hub, &text);

    ngx_free(text.data);

    return (rc == NGX_OK) ? NGX_OK : NGX_BUSY;
}
