/* The health of a hub, for people and for orchestrators. */

#include "ngx_conductor_keeper.h"
#include "ngx_conductor_redis.h"

#include <cdr_json.h>


static ngx_int_t ngx_conductor_health_probe(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, const char **why);
static ngx_int_t ngx_conductor_health_body(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, const char *why, ngx_str_t *body);
static size_t ngx_conductor_health_figures(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, cdr_cells_t *cells, uint64_t *sums, u_char *dst);
static u_char *ngx_conductor_health_keeping(ngx_conductor_hub_t *hub,
    u_char *p);
static ngx_uint_t ngx_conductor_health_failed(ngx_conductor_hub_t *hub);
static ngx_uint_t ngx_conductor_health_draining(ngx_conductor_hub_t *hub);
static ngx_uint_t ngx_conductor_health_full(ngx_conductor_hub_t *hub);
static ngx_uint_t ngx_conductor_health_workers(ngx_conductor_hub_t *hub);


ngx_int_t
ngx_conductor_health_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc, status;
    ngx_str_t                  body;
    const char                *why;
    ngx_conductor_loc_conf_t  *lcf;

    /* a page of another origin is answered, but cannot read it */

    rc = ngx_conductor_cors(r, "GET, HEAD, OPTIONS");

    if (rc == NGX_DONE) {
        return ngx_conductor_send_preflight(r);
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);
    why = NULL;
    status = ngx_conductor_health_probe(r, lcf->hub, &why);

    if (status == NGX_DECLINED) {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (ngx_conductor_health_body(r, lcf->hub, why, &body) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_conductor_send_json(r, status, &body);
}


/* "why" it is degraded, or NULL. */

static ngx_int_t
ngx_conductor_health_body(ngx_http_request_t *r, ngx_conductor_hub_t *hub,
    const char *why, ngx_str_t *body)
{
    u_char       *p;
    uint64_t     *sums;
    cdr_cells_t   cells;

    sums = ngx_palloc(r->pool, hub->slots.nfigures * sizeof(uint64_t));
    if (sums == NULL) {
        return NGX_ERROR;
    }

    cdr_slots_sums(&hub->slots, sums);

    /* no name more while it is written than when it was measured */

    cells = hub->cells;
    cells.n = cdr_cells_used(&cells);

    p = ngx_pnalloc(r->pool, 512 + 6 * NGX_CONDUCTOR_KEEPER_TEXT
                             + NGX_CONDUCTOR_HEALTH_REDIS
                             + hub->label.len + hub->name.len
                             + ngx_conductor_health_figures(r, hub, &cells,
                                                            sums, NULL));
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;

    p = ngx_sprintf(p, "{\"status\":\"%s\",\"timestamp\":\"",
                    (why || ngx_conductor_health_full(hub)
                     || ngx_conductor_health_failed(hub)
                     || ngx_conductor_health_alone(hub)) ? "degraded" : "ok");
    p = ngx_conductor_health_time(p, ngx_conductor_now());
    p = ngx_sprintf(p, "\",\"websocket\":\"enabled\",\"connections\":%uD",
                    cdr_registry_live(&hub->registry));
    p = ngx_conductor_health_redis(hub, p);
    p = ngx_conductor_health_keeping(hub, p);
    p = ngx_sprintf(p, ",\"hub\":\"%V\",\"server\":\"%V\",\"workers\":%ui"
                    ",\"capacity\":%uD,\"draining\":%s",
                    &hub->name, &hub->label,
                    ngx_conductor_health_workers(hub), hub->zone->capacity,
                    ngx_conductor_health_draining(hub) ? "true" : "false");

    if (hub->presence) {
        p = ngx_sprintf(p, ",\"reviewers\":%uD",
                        ngx_conductor_presence_live(hub));
    }

    p += ngx_conductor_health_figures(r, hub, &cells, sums, p);

    if (why) {
        p = ngx_sprintf(p, ",\"reason\":\"%s\"", why);
    }

    p = ngx_sprintf(p, "}\n");

    body->len = p - body->data;

    return NGX_OK;
}


/* The status of the answer; NGX_DECLINED for a probe that does not exist. */

static ngx_int_t
ngx_conductor_health_probe(ngx_http_request_t *r, ngx_conductor_hub_t *hub,
    const char **why)
{
    ngx_str_t  probe;

    if (ngx_http_arg(r, (u_char *) "probe", 5, &probe) != NGX_OK) {
        return NGX_HTTP_OK;
    }

    if (probe.len == 5 && ngx_strncmp(probe.data, "ready", 5) == 0) {

        if (ngx_conductor_health_draining(hub)) {
            *why = "draining";

        } else if (hub->slot == NGX_CONDUCTOR_NO_SLOT) {
            *why = "no process slot";

        } else if (ngx_conductor_health_full(hub)) {
            *why = "zone full";

        } else if (ngx_conductor_keeper_missing(hub)) {
            *why = "no keeper";
        }

    } else if (probe.len == 4 && ngx_strncmp(probe.data, "live", 4) == 0) {

        if (ngx_conductor_stalled(hub)) {
            *why = "a worker's event loop has stalled";
        }

    } else {
        return NGX_DECLINED;
    }

    return *why ? NGX_HTTP_SERVICE_UNAVAILABLE : NGX_HTTP_OK;
}


/* The totals, and with "figures=1" all that they are made of. */

static size_t
ngx_conductor_health_figures(ngx_http_request_t *r, ngx_conductor_hub_t *hub,
    cdr_cells_t *cells, uint64_t *sums, u_char *dst)
{
    ngx_str_t                   value;
    cdr_json_out_t              out = { dst, 0 };
    const cdr_figure_family_t  *f;

    for (f = cdr_figure_families(); f->n; f++) {

        if (f->total) {
            cdr_json_put_lit(&out, ",");
            cdr_json_put_string(&out, f->name);
            cdr_json_put_lit(&out, ":");
            cdr_json_put_u64(&out, cdr_figure_total(f, cells, sums));
        }
    }

    if (ngx_http_arg(r, (u_char *) "figures", 7, &value) == NGX_OK
        && value.len == 1 && value.data[0] == '1')
    {
        cdr_json_put_lit(&out, ",\"figures\":");
        out.len += cdr_figures_json(dst ? dst + out.len : NULL, cells, sums);
        out.len += ngx_conductor_health_redis_figures(hub,
                                             dst ? dst + out.len : NULL);
    }

    return out.len;
}


/* The keeper, and what it says of the database. */

static u_char *
ngx_conductor_health_keeping(ngx_conductor_hub_t *hub, u_char *p)
{
    uint32_t                  database;
    cdr_str_t                 why;
    cdr_json_out_t            out = { p, 0 };
    ngx_conductor_keeping_t  *keeping;
    u_char                    error[NGX_CONDUCTOR_KEEPER_TEXT];

    if (hub->state == NULL || ngx_process == NGX_PROCESS_SINGLE) {
        return ngx_sprintf(p, ",\"database\":\"disabled\"");
    }

    keeping = &hub->zone->keeping;
    database = atomic_load(&keeping->database);
    why = (cdr_str_t) cdr_str("it was not opened yet");

    if (database == NGX_CONDUCTOR_DATABASE_FAILED) {
        ngx_conductor_zone_lock(hub);
        ngx_cpystrn(error, keeping->error, sizeof(error));
        ngx_conductor_zone_unlock(hub);

        why.data = error;
        why.len = ngx_strlen(error);
    }

    cdr_json_put_lit(&out, ",\"database\":");

    if (hub->presence_file.len == 0) {
        cdr_json_put_lit(&out, "\"disabled\"");

    } else if (database == NGX_CONDUCTOR_DATABASE_OK) {
        cdr_json_put_lit(&out, "\"ok\"");

    } else {
        cdr_json_put_lit(&out, "\"failed\",\"databaseError\":");
        cdr_json_put_string(&out, why);
    }

    p += out.len;

    return ngx_sprintf(p, ",\"keeper\":\"%s\"",
                       ngx_conductor_keeper_missing(hub) ? "missing" : "ok");
}


static ngx_uint_t
ngx_conductor_health_failed(ngx_conductor_hub_t *hub)
{
    if (hub->state == NULL || ngx_process == NGX_PROCESS_SINGLE) {
        return 0;
    }

    return ngx_conductor_keeper_missing(hub)
           || (hub->presence_file.len
               && atomic_load(&hub->zone->keeping.database)
                  != NGX_CONDUCTOR_DATABASE_OK);
}


/* This worker or the whole server. */

static ngx_uint_t
ngx_conductor_health_draining(ngx_conductor_hub_t *hub)
{
    return ngx_exiting || ngx_conductor_draining(hub);
}


static ngx_uint_t
ngx_conductor_health_full(ngx_conductor_hub_t *hub)
{
    return cdr_registry_live(&hub->registry) >= hub->zone->capacity;
}


static ngx_uint_t
ngx_conductor_health_workers(ngx_conductor_hub_t *hub)
{
    uint32_t    i;
    ngx_uint_t  n;

    n = 0;

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        if (atomic_load_explicit(&hub->slots.slots[i].kind,
                                 memory_order_relaxed)
            == CDR_SLOT_WORKER)
        {
            n++;
        }
    }

    return n;
}


/* RFC 3339, in milliseconds and UTC. */

u_char *
ngx_conductor_health_time(u_char *p, uint64_t ms)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) (ms / 1000), &tm);

    return ngx_sprintf(p, "%4d-%02d-%02dT%02d:%02d:%02d.%03uLZ",
                       tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                       tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                       ms % 1000);
}
