/* What the health of a hub says of Redis, and of the other servers. */

#include "ngx_conductor_redis.h"

#include <cdr_json.h>


#define NGX_CONDUCTOR_HEALTH_FIGURES  192       /* bytes at most */


static void ngx_conductor_health_why(ngx_conductor_hub_t *hub,
    cdr_json_out_t *out);
static void ngx_conductor_health_outbox(ngx_conductor_hub_t *hub,
    cdr_json_out_t *out);


ngx_uint_t
ngx_conductor_health_alone(ngx_conductor_hub_t *hub)
{
    return hub->redis
           && atomic_load(&hub->zone->joining.state)
              != NGX_CONDUCTOR_REDIS_JOINED;
}


u_char *
ngx_conductor_health_redis(ngx_conductor_hub_t *hub, u_char *p)
{
    uint64_t                  since;
    ngx_uint_t                alone;
    cdr_json_out_t            out = { p, 0 };
    ngx_conductor_joining_t  *joining;

    if (hub->redis == NULL) {
        return ngx_sprintf(p, ",\"redis\":\"disabled\"");
    }

    joining = &hub->zone->joining;
    alone = ngx_conductor_health_alone(hub);
    since = atomic_load(&joining->since_ms);

    cdr_json_put_lit(&out, ",\"redis\":");

    if (alone) {
        cdr_json_put_lit(&out, "\"degraded\"");

    } else {
        cdr_json_put_lit(&out, "\"connected\"");
    }

    if (since) {
        cdr_json_put_lit(&out, ",\"redisSince\":\"");
        p = ngx_conductor_health_time(p + out.len, since);
        out.len = p - out.dst;
        cdr_json_put_lit(&out, "\"");
    }

    if (alone) {
        ngx_conductor_health_why(hub, &out);
    }

    cdr_json_put_lit(&out, ",\"servers\":");
    cdr_json_put_u64(&out, ngx_max(atomic_load(&joining->servers), 1));

    ngx_conductor_health_outbox(hub, &out);

    return out.dst + out.len;
}


size_t
ngx_conductor_health_redis_figures(ngx_conductor_hub_t *hub, u_char *dst)
{
    cdr_json_out_t            out = { dst, 0 };
    ngx_conductor_joining_t  *joining;

    if (hub->redis == NULL) {
        return 0;
    }

    if (dst == NULL) {
        return NGX_CONDUCTOR_HEALTH_FIGURES;        /* they may grow */
    }

    joining = &hub->zone->joining;

    cdr_json_put_lit(&out, ",\"redisFigures\":{\"lagUs\":");
    cdr_json_put_u64(&out, atomic_load(&joining->lag_us));
    cdr_json_put_lit(&out, ",\"reconnects\":");
    cdr_json_put_u64(&out, atomic_load(&joining->reconnects));
    cdr_json_put_lit(&out, ",\"dropped\":");
    cdr_json_put_u64(&out, atomic_load(&joining->dropped));
    cdr_json_put_lit(&out, ",\"rejected\":");
    cdr_json_put_u64(&out, atomic_load(&joining->rejected));
    cdr_json_put_lit(&out, "}");

    return out.len;
}


static void
ngx_conductor_health_why(ngx_conductor_hub_t *hub, cdr_json_out_t *out)
{
    cdr_str_t  why;
    u_char     error[NGX_CONDUCTOR_KEEPER_TEXT];

    ngx_conductor_zone_lock(hub);
    ngx_cpystrn(error, hub->zone->joining.error, sizeof(error));
    ngx_conductor_zone_unlock(hub);

    why.data = error;
    why.len = ngx_strlen(error);

    if (atomic_load(&hub->zone->joining.state)
        == NGX_CONDUCTOR_REDIS_RETURNING)
    {
        why = (cdr_str_t) cdr_str("what was missed is being read");

    } else if (why.len == 0) {
        why = (cdr_str_t) cdr_str("it was not reached yet");
    }

    cdr_json_put_lit(out, ",\"redisError\":");
    cdr_json_put_string(out, why);
}


/* What Redis does not have yet. */

static void
ngx_conductor_health_outbox(ngx_conductor_hub_t *hub, cdr_json_out_t *out)
{
    cdr_outbox_fill_t  fill;

    ngx_memzero(&fill, sizeof(cdr_outbox_fill_t));

    if (hub->outbox.shm) {
        cdr_outbox_fill(&hub->outbox, &fill);
    }

    cdr_json_put_lit(out, ",\"outbox\":{\"events\":");
    cdr_json_put_u64(out, fill.events);
    cdr_json_put_lit(out, ",\"bytes\":");
    cdr_json_put_u64(out, fill.used);
    cdr_json_put_lit(out, ",\"size\":");
    cdr_json_put_u64(out, fill.size);
    cdr_json_put_lit(out, "}");
}
