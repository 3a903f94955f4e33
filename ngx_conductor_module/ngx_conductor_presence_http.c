/* GET /presence: who is there, by feature, role and status, in pages. */

#include "ngx_conductor_args.h"
#include "ngx_conductor_watch.h"


#define NGX_CONDUCTOR_ASK_LIMIT      500
#define NGX_CONDUCTOR_ASK_LIMIT_MAX  10000
#define NGX_CONDUCTOR_ASK_SIZE       (4 * 1024 * 1024)
#define NGX_CONDUCTOR_ASK_LOOKS      (128 * 1024)     /* at entries */

#define NGX_CONDUCTOR_ASK_LIVE       7        /* statuses, a bit each */
#define NGX_CONDUCTOR_ASK_OFFLINE    8
#define NGX_CONDUCTOR_ASK_ALL        15


typedef struct {
    ngx_http_request_t           *request;
    ngx_conductor_hub_t          *hub;
    uint32_t                      hidden;

    ngx_str_t                     feature;    /* data NULL: any */
    ngx_str_t                     role;       /* data NULL: any */
    ngx_uint_t                    statuses;
    ngx_uint_t                    limit;
    uint32_t                      index;      /* the next to be looked at */

    ngx_uint_t                    n;
    uint64_t                      total;
    ngx_uint_t                    more;
    ngx_uint_t                    status;     /* of an error */
    const char                   *error;
    const char                   *field;
} ngx_conductor_ask_t;


static ngx_int_t ngx_conductor_ask_args(ngx_conductor_ask_t *a);
static ngx_int_t ngx_conductor_ask_text(ngx_conductor_ask_t *a,
    const char *name, ngx_uint_t field, ngx_str_t *value);
static ngx_int_t ngx_conductor_ask_status(ngx_conductor_ask_t *a);
static ngx_int_t ngx_conductor_ask_page(ngx_conductor_ask_t *a);
static ngx_int_t ngx_conductor_ask_wrong(ngx_conductor_ask_t *a,
    ngx_uint_t status, const char *error, const char *field);
static ngx_int_t ngx_conductor_ask_read(ngx_conductor_ask_t *a);
static ngx_int_t ngx_conductor_ask_add(ngx_conductor_ask_t *a,
    cdr_reviewer_view_t *view, cdr_reviewer_t *r);
static ngx_uint_t ngx_conductor_ask_match(ngx_conductor_ask_t *a,
    cdr_reviewer_t *r);
static void ngx_conductor_ask_total(ngx_conductor_ask_t *a);
static ngx_int_t ngx_conductor_ask_answer(ngx_conductor_ask_t *a);


/* What one request reads; it does so in one turn. */

static ngx_conductor_arena_t  ngx_conductor_ask_reviewers;
static cdr_presence_batch_t   ngx_conductor_ask_batch;


ngx_int_t
ngx_conductor_presence_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_conductor_ask_t        a;
    ngx_conductor_loc_conf_t  *lcf;

    if (r->uri.len >= 8
        && ngx_memcmp(r->uri.data + r->uri.len - 8, "/history", 8) == 0)
    {
        return ngx_conductor_presence_history_handler(r);
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    ngx_memzero(&a, sizeof(ngx_conductor_ask_t));

    a.request = r;
    a.hub = lcf->hub;

    if (ngx_conductor_presence_ask(r, &a.hidden, &rc) != NGX_OK) {
        return rc;
    }

    rc = ngx_conductor_ask_args(&a);

    if (rc == NGX_DECLINED) {
        return ngx_conductor_presence_wrong(r, a.status, a.error, a.field);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_conductor_ask_read(&a) != NGX_OK) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        rc = ngx_conductor_ask_answer(&a);
    }

    ngx_conductor_arena_reset(&ngx_conductor_ask_reviewers);

    return rc;
}


/* NGX_OK; NGX_DECLINED with what is wrong; NGX_ERROR without memory. */

static ngx_int_t
ngx_conductor_ask_args(ngx_conductor_ask_t *a)
{
    ngx_int_t  rc;

    rc = ngx_conductor_ask_text(a, "feature", CDR_REVIEWER_FEATURE,
                                &a->feature);

    if (rc == NGX_OK) {
        rc = ngx_conductor_ask_text(a, "role", CDR_REVIEWER_ROLE, &a->role);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_ask_status(a);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_ask_page(a);
    }

    return rc;
}


static ngx_int_t
ngx_conductor_ask_text(ngx_conductor_ask_t *a, const char *name,
    ngx_uint_t field, ngx_str_t *value)
{
    ngx_int_t    rc;
    const char  *error;

    rc = ngx_conductor_arg(a->request, name, value, &error);

    if (rc == NGX_DECLINED) {
        return ngx_conductor_ask_wrong(a, NGX_HTTP_BAD_REQUEST, error, name);
    }

    if (rc != NGX_OK || value->data == NULL) {
        return rc;
    }

    if (cdr_reviewer_hides(a->hidden, field)) {
        return ngx_conductor_ask_wrong(a, NGX_HTTP_FORBIDDEN,
                             "this field is hidden from your role", name);
    }

    return NGX_OK;
}


/* Those that are not offline unless others are asked for. */

static ngx_int_t
ngx_conductor_ask_status(ngx_conductor_ask_t *a)
{
    u_char        *p, *end, *comma;
    ngx_int_t      rc;
    cdr_str_t      name;
    ngx_str_t      value;
    cdr_status_t   status;

    a->statuses = NGX_CONDUCTOR_ASK_LIVE;

    rc = ngx_conductor_ask_text(a, "status", CDR_REVIEWER_STATUS, &value);

    if (rc != NGX_OK || value.data == NULL) {
        return rc;
    }

    a->statuses = 0;
    p = value.data;
    end = p + value.len;

    do {
        comma = ngx_strlchr(p, end, ',');

        name.data = p;
        name.len = (comma ? comma : end) - p;

        if (name.len == 3 && ngx_strncmp(p, "all", 3) == 0) {
            a->statuses = NGX_CONDUCTOR_ASK_ALL;

        } else if (cdr_status_parse(name, &status) == CDR_OK) {
            a->statuses |= (ngx_uint_t) 1 << status;

        } else {
            return ngx_conductor_ask_wrong(a, NGX_HTTP_BAD_REQUEST,
                             "a status is online, away, busy or offline, or "
                             "all of them", "status");
        }

        p += name.len + 1;

    } while (comma);

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_ask_page(ngx_conductor_ask_t *a)
{
    ngx_int_t    rc;
    const char  *error, *field;

    a->limit = NGX_CONDUCTOR_ASK_LIMIT;

    field = "limit";
    rc = ngx_conductor_arg_limit(a->request, NGX_CONDUCTOR_ASK_LIMIT_MAX,
                                 &a->limit, &error);

    if (rc == NGX_OK) {
        field = "cursor";
        rc = ngx_conductor_arg_cursor(a->request, a->hub,
                                      NGX_CONDUCTOR_CURSOR_REVIEWERS,
                                      &a->index, &error);
    }

    return (rc == NGX_DECLINED)
           ? ngx_conductor_ask_wrong(a, NGX_HTTP_BAD_REQUEST, error, field)
           : rc;
}


static ngx_int_t
ngx_conductor_ask_wrong(ngx_conductor_ask_t *a, ngx_uint_t status,
    const char *error, const char *field)
{
    a->status = status;
    a->error = error;
    a->field = field;

    return NGX_DECLINED;
}


/*
 * A page ends when it is full, when it is large, or when so many entries were
 * looked at in vain.
 */

static ngx_int_t
ngx_conductor_ask_read(ngx_conductor_ask_t *a)
{
    int                    rc;
    uint32_t               i, end;
    ngx_conductor_hub_t   *hub;
    cdr_reviewer_view_t    view;
    cdr_presence_batch_t  *batch;

    hub = a->hub;
    batch = &ngx_conductor_ask_batch;

    ngx_conductor_watch_reviewer(hub, a->hidden, &view);
    ngx_conductor_ask_total(a);

    end = a->index + NGX_CONDUCTOR_ASK_LOOKS;

    do {
        ngx_conductor_zone_lock(hub);
        rc = cdr_presence_scan(&hub->reviewers, &a->index, batch);
        ngx_conductor_zone_unlock(hub);

        if (rc != CDR_OK) {
            return NGX_OK;
        }

        for (i = 0; i < batch->n; i++) {

            if (!ngx_conductor_ask_match(a, &batch->item[i])) {
                continue;
            }

            if (a->n == a->limit
                || ngx_conductor_ask_reviewers.len > NGX_CONDUCTOR_ASK_SIZE)
            {
                a->index = batch->item[i].index;
                a->more = 1;

                return NGX_OK;
            }

            if (ngx_conductor_ask_add(a, &view, &batch->item[i]) != NGX_OK) {
                return NGX_ERROR;
            }
        }

    } while (a->index < end);

    a->more = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_ask_add(ngx_conductor_ask_t *a, cdr_reviewer_view_t *view,
    cdr_reviewer_t *r)
{
    u_char                 *p;
    ngx_conductor_arena_t  *arena;

    arena = &ngx_conductor_ask_reviewers;

    p = ngx_conductor_arena_room(arena, 1 + CDR_REVIEWER_JSON_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (a->n++) {
        *p++ = ',';
    }

    p += cdr_reviewer_object(p, view, r);
    arena->len = p - arena->data;

    return NGX_OK;
}


static ngx_uint_t
ngx_conductor_ask_match(ngx_conductor_ask_t *a, cdr_reviewer_t *r)
{
    return (a->statuses >> r->status & 1)
           && (a->feature.data == NULL
               || (a->feature.len == r->feature.len
                   && ngx_memcmp(a->feature.data, r->feature.data,
                                 r->feature.len)
                      == 0))
           && (a->role.data == NULL
               || ngx_conductor_role_is(&a->role, r->role));
}


/* How many there are, whatever else is asked for. */

static void
ngx_conductor_ask_total(ngx_conductor_ask_t *a)
{
    cdr_presence_fill_t  fill;

    ngx_conductor_zone_lock(a->hub);
    cdr_presence_fill(&a->hub->reviewers, &fill);
    ngx_conductor_zone_unlock(a->hub);

    if (a->statuses & NGX_CONDUCTOR_ASK_LIVE) {
        a->total += fill.live;
    }

    if (a->statuses & NGX_CONDUCTOR_ASK_OFFLINE) {
        a->total += fill.offline;
    }
}


static ngx_int_t
ngx_conductor_ask_answer(ngx_conductor_ask_t *a)
{
    ngx_str_t  body;
    cdr_str_t  reviewers, cursor;
    u_char     text[NGX_CONDUCTOR_CURSOR];

    reviewers.data = ngx_conductor_ask_reviewers.data;
    reviewers.len = ngx_conductor_ask_reviewers.len;

    cursor.data = NULL;
    cursor.len = sizeof(text);

    if (a->more) {
        ngx_conductor_cursor_text(a->hub, NGX_CONDUCTOR_CURSOR_REVIEWERS,
                                  a->index, text);
        cursor.data = text;
    }

    body.len = cdr_presence_answer(NULL, reviewers, a->n, a->total, cursor);
    body.data = ngx_pnalloc(a->request->pool, body.len);

    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) cdr_presence_answer(body.data, reviewers, a->n, a->total, cursor);

    return ngx_conductor_send_json(a->request, NGX_HTTP_OK, &body);
}
