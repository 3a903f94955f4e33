/* GET /presence/history: what is asked for, and whether it may be told. */

#include "ngx_conductor_question.h"
#include "ngx_conductor_watch.h"


#define NGX_CONDUCTOR_HISTORY_FROM  (24 * 60 * 60 * 1000)     /* ms ago */
#define NGX_CONDUCTOR_HISTORY_TIME  ((uint64_t) 1 << 53)
#define NGX_CONDUCTOR_HISTORY_RAW   (3 * CDR_HISTORY_CURSOR)

#define ngx_conductor_history_given(ask, name)  ((ask)->given >> (name) & 1)


/* A field of the question; "value" is as it is meant. */

typedef struct {
    ngx_str_t                     name;
    const char                   *error;
    ngx_int_t                   (*set)(cdr_history_ask_t *ask,
                                       ngx_str_t *value, ngx_uint_t which);
    ngx_uint_t                    which;
} ngx_conductor_history_arg_t;


static ngx_int_t ngx_conductor_history_args(ngx_http_request_t *r,
    cdr_history_ask_t *ask, ngx_conductor_history_arg_t **wrong);
static ngx_int_t ngx_conductor_history_value(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value, u_char *buf);
static ngx_int_t ngx_conductor_history_time(cdr_history_ask_t *ask,
    ngx_str_t *value, ngx_uint_t which);
static ngx_int_t ngx_conductor_history_by(cdr_history_ask_t *ask,
    ngx_str_t *value, ngx_uint_t which);
static ngx_int_t ngx_conductor_history_name(cdr_history_ask_t *ask,
    ngx_str_t *value, ngx_uint_t which);
static ngx_int_t ngx_conductor_history_limit(cdr_history_ask_t *ask,
    ngx_str_t *value, ngx_uint_t which);
static ngx_int_t ngx_conductor_history_cursor(cdr_history_ask_t *ask,
    ngx_str_t *value, ngx_uint_t which);
static const char *ngx_conductor_history_hidden(cdr_history_ask_t *ask,
    uint32_t hidden);


static ngx_conductor_history_arg_t  ngx_conductor_history_fields[] = {

    { ngx_string("from"), "it is Unix milliseconds, and not after \\\"to\\\"",
      ngx_conductor_history_time, 0 },

    { ngx_string("to"), "it is Unix milliseconds",
      ngx_conductor_history_time, 1 },

    { ngx_string("by"), "it is reviewer or feature",
      ngx_conductor_history_by, 0 },

    { ngx_string("reviewer"), "it is 1 to 255 bytes",
      ngx_conductor_history_name, CDR_HISTORY_REVIEWER },

    { ngx_string("feature"), "it is longer than 255 bytes",
      ngx_conductor_history_name, CDR_HISTORY_FEATURE },

    { ngx_string("role"), "it is longer than 255 bytes",
      ngx_conductor_history_name, CDR_HISTORY_ROLE },

    { ngx_string("limit"), "the limit is a number from 1 to 1000",
      ngx_conductor_history_limit, 0 },

    { ngx_string("cursor"), "no answer gave this cursor",
      ngx_conductor_history_cursor, 0 },

    { ngx_null_string, NULL, NULL, 0 }
};


ngx_int_t
ngx_conductor_presence_history_handler(ngx_http_request_t *r)
{
    uint32_t                      hidden;
    ngx_int_t                     rc;
    const char                   *field;
    cdr_history_ask_t             ask;
    ngx_conductor_loc_conf_t     *lcf;
    ngx_conductor_history_arg_t  *wrong;

    if (ngx_conductor_presence_ask(r, &hidden, &rc) != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    if (lcf->hub->presence_file.len == 0 || lcf->hub->presence_history == 0) {
        return ngx_conductor_presence_wrong(r, NGX_HTTP_NOT_FOUND,
                             "this hub keeps no history of presence", NULL);
    }

    ngx_memzero(&ask, sizeof(cdr_history_ask_t));

    ask.to_ms = ngx_conductor_now();
    ask.from_ms = UINT64_MAX;
    ask.limit = CDR_HISTORY_LIMIT;

    if (ngx_conductor_history_args(r, &ask, &wrong) != NGX_OK) {
        return ngx_conductor_presence_wrong(r, NGX_HTTP_BAD_REQUEST,
                                            wrong->error,
                                            (char *) wrong->name.data);
    }

    field = ngx_conductor_history_hidden(&ask, hidden);

    if (field) {
        return ngx_conductor_presence_wrong(r, NGX_HTTP_FORBIDDEN,
                             "what this asks for is hidden from your role",
                             field);
    }

    return ngx_conductor_question_ask(r, lcf->hub, &ask);
}


static ngx_int_t
ngx_conductor_history_args(ngx_http_request_t *r, cdr_history_ask_t *ask,
    ngx_conductor_history_arg_t **wrong)
{
    ngx_int_t                     rc;
    ngx_str_t                     value;
    ngx_conductor_history_arg_t  *arg;
    u_char                        buf[NGX_CONDUCTOR_HISTORY_RAW];

    for (arg = ngx_conductor_history_fields; arg->name.len; arg++) {
        *wrong = arg;

        rc = ngx_conductor_history_value(r, &arg->name, &value, buf);

        if (rc == NGX_OK) {
            rc = arg->set(ask, &value, arg->which);
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    *wrong = ngx_conductor_history_fields;

    if (ask->from_ms == UINT64_MAX) {
        ask->from_ms = ask->to_ms - ngx_min(ask->to_ms,
                                            NGX_CONDUCTOR_HISTORY_FROM);
    }

    return (ask->from_ms <= ask->to_ms) ? NGX_OK : NGX_ERROR;
}


/* NGX_DECLINED: it is not there. */

static ngx_int_t
ngx_conductor_history_value(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value, u_char *buf)
{
    u_char     *src, *dst;
    ngx_str_t   raw;

    if (ngx_http_arg(r, name->data, name->len, &raw) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (raw.len > NGX_CONDUCTOR_HISTORY_RAW) {
        return NGX_ERROR;
    }

    src = raw.data;
    dst = buf;

    ngx_unescape_uri(&dst, &src, raw.len, 0);

    value->data = buf;
    value->len = dst - buf;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_history_time(cdr_history_ask_t *ask, ngx_str_t *value,
    ngx_uint_t which)
{
    off_t  n;

    n = ngx_atoof(value->data, value->len);

    if (n == NGX_ERROR || (uint64_t) n > NGX_CONDUCTOR_HISTORY_TIME) {
        return NGX_ERROR;
    }

    if (which) {
        ask->to_ms = n;

    } else {
        ask->from_ms = n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_history_by(cdr_history_ask_t *ask, ngx_str_t *value,
    ngx_uint_t which)
{
    if (value->len == 8 && ngx_memcmp(value->data, "reviewer", 8) == 0) {
        ask->by = CDR_STORE_BY_REVIEWER;
        return NGX_OK;
    }

    if (value->len == 7 && ngx_memcmp(value->data, "feature", 7) == 0) {
        ask->by = CDR_STORE_BY_FEATURE;
        return NGX_OK;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_conductor_history_name(cdr_history_ask_t *ask, ngx_str_t *value,
    ngx_uint_t which)
{
    cdr_str_t  name;

    name.data = value->data;
    name.len = value->len;

    /* one may have no feature or role, but has an id */

    if (name.len == 0 && which == CDR_HISTORY_REVIEWER) {
        return NGX_ERROR;
    }

    return (cdr_history_name(ask, which, name) == CDR_OK) ? NGX_OK
                                                          : NGX_ERROR;
}


static ngx_int_t
ngx_conductor_history_limit(cdr_history_ask_t *ask, ngx_str_t *value,
    ngx_uint_t which)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n < 1 || n > CDR_HISTORY_MAX) {
        return NGX_ERROR;
    }

    ask->limit = n;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_history_cursor(cdr_history_ask_t *ask, ngx_str_t *value,
    ngx_uint_t which)
{
    cdr_str_t  cursor;

    cursor.data = value->data;
    cursor.len = value->len;

    return (cdr_history_cursor(ask, cursor) == CDR_OK) ? NGX_OK : NGX_ERROR;
}


/*
 * A role that is not shown a field learns nothing by it, be it what is listed
 * or what is looked for.  NULL, or the argument that is forbidden.  A reviewer
 * without a user goes by the id of its connection.
 */

static const char *
ngx_conductor_history_hidden(cdr_history_ask_t *ask, uint32_t hidden)
{
    ngx_uint_t  reviewer, feature, role;
    uint8_t     id[CDR_CONN_ID_LEN];

    reviewer = cdr_reviewer_hides(hidden, CDR_REVIEWER_ID)
               || cdr_reviewer_hides(hidden, CDR_REVIEWER_USER);

    feature = cdr_reviewer_hides(hidden, CDR_REVIEWER_FEATURE);
    role = cdr_reviewer_hides(hidden, CDR_REVIEWER_ROLE);

    if (ask->by == CDR_STORE_BY_FEATURE ? feature : reviewer) {
        return "by";
    }

    if (cdr_reviewer_hides(hidden, CDR_REVIEWER_CONNECTION)) {
        ask->users = 1;
        reviewer |= cdr_conn_id_parse(id, ask->name[CDR_HISTORY_REVIEWER],
                                      ask->len[CDR_HISTORY_REVIEWER])
                    == CDR_OK;
    }

    if (reviewer && ngx_conductor_history_given(ask, CDR_HISTORY_REVIEWER)) {
        return "reviewer";
    }

    if (feature && ngx_conductor_history_given(ask, CDR_HISTORY_FEATURE)) {
        return "feature";
    }

    return (role && ngx_conductor_history_given(ask, CDR_HISTORY_ROLE))
           ? "role" : NULL;
}
