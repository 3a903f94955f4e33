/*
 * The administrator's requests: what follows the location's prefix and the
 * method say what is to be done, a JSON object says to whom.
 */

#include "ngx_conductor_admin.h"
#include "ngx_conductor_audit.h"
#include "ngx_conductor_offer.h"


#define NGX_CONDUCTOR_METHODS      "GET, HEAD, POST, DELETE, OPTIONS"

#define NGX_CONDUCTOR_ADMIN_FIELDS 8        /* of a body */


typedef struct {
    ngx_str_t                     path;       /* with a slash at its end if an
                                                 id follows */
    ngx_uint_t                    method;
    ngx_int_t                   (*handler)(ngx_conductor_admin_t *a);
} ngx_conductor_action_t;


static ngx_conductor_action_t *ngx_conductor_admin_find(
    ngx_conductor_admin_t *a);
static ngx_int_t ngx_conductor_admin_path(ngx_http_request_t *r,
    ngx_str_t *path);
static ngx_int_t ngx_conductor_admin_allow(ngx_http_request_t *r,
    ngx_uint_t methods);
static void ngx_conductor_admin_body(ngx_http_request_t *r);
static ngx_int_t ngx_conductor_admin_run(ngx_conductor_admin_t *a);
static ngx_int_t ngx_conductor_admin_refuse(ngx_conductor_admin_t *a);
static ngx_int_t ngx_conductor_admin_unknown(ngx_conductor_admin_t *a,
    ngx_conductor_field_t *field, ngx_uint_t n);


static ngx_conductor_action_t  ngx_conductor_actions[] = {

    { ngx_string("connections"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      ngx_conductor_admin_connections },

    { ngx_string("events"), NGX_HTTP_GET|NGX_HTTP_HEAD,
      ngx_conductor_admin_events },

    { ngx_string("connections/"), NGX_HTTP_DELETE,
      ngx_conductor_admin_disconnect },

    { ngx_string("revocations"), NGX_HTTP_POST,
      ngx_conductor_admin_revoke },

    { ngx_string("notifications"), NGX_HTTP_POST,
      ngx_conductor_admin_notify },

    { ngx_string("drain"), NGX_HTTP_POST,
      ngx_conductor_admin_drain },

    { ngx_string("drain"), NGX_HTTP_DELETE,
      ngx_conductor_admin_undrain },

    { ngx_null_string, 0, NULL }
};


ngx_int_t
ngx_conductor_admin_handler(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_flag_t              ndjson;
    ngx_conductor_admin_t   a;

    rc = ngx_conductor_cors(r, NGX_CONDUCTOR_METHODS);

    if (rc == NGX_DONE) {
        return ngx_conductor_send_preflight(r);
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&a, sizeof(ngx_conductor_admin_t));
    a.request = r;

    if (rc != NGX_OK) {
        ngx_conductor_audit_deny(r, "bad_origin", NGX_HTTP_FORBIDDEN);
        (void) ngx_conductor_admin_wrong(&a, NGX_HTTP_FORBIDDEN,
                                         "this origin is not allowed", NULL);

    } else if (ngx_conductor_admin_find(&a) == NULL) {

        if (a.status == 0) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (ngx_conductor_body_type(r, &ndjson) != NGX_OK || ndjson) {
        (void) ngx_conductor_admin_wrong(&a, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                             "Content-Type must be application/json", NULL);
    }

    if (a.status) {
        (void) ngx_http_discard_request_body(r);
        return ngx_conductor_admin_refuse(&a);
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_conductor_admin_body);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


/*
 * What is to be done, or NULL with the status of the answer (0: no memory).
 */

static ngx_conductor_action_t *
ngx_conductor_admin_find(ngx_conductor_admin_t *a)
{
    ngx_str_t                path;
    ngx_uint_t               methods;
    ngx_http_request_t      *r;
    ngx_conductor_action_t  *act;

    r = a->request;
    methods = 0;

    if (ngx_conductor_admin_path(r, &path) != NGX_OK) {
        ngx_str_null(&path);
    }

    for (act = ngx_conductor_actions; act->path.len; act++) {

        if (path.len < act->path.len
            || ngx_strncmp(path.data, act->path.data, act->path.len) != 0)
        {
            continue;
        }

        a->id.data = path.data + act->path.len;
        a->id.len = path.len - act->path.len;

        if ((act->path.data[act->path.len - 1] == '/') != (a->id.len != 0)) {
            continue;
        }

        if (r->method & act->method) {
            return act;
        }

        methods |= act->method;
    }

    if (methods) {

        if (ngx_conductor_admin_allow(r, methods) == NGX_OK) {
            (void) ngx_conductor_admin_wrong(a, NGX_HTTP_NOT_ALLOWED,
                                "this method does nothing here", NULL);
        }

        return NULL;
    }

    (void) ngx_conductor_admin_wrong(a, NGX_HTTP_NOT_FOUND,
                   "there is no such path, only connections, connections/ID, "
                   "events, revocations, notifications and drain", NULL);

    return NULL;
}


/* What follows the prefix, without a slash at its start. */

static ngx_int_t
ngx_conductor_admin_path(ngx_http_request_t *r, ngx_str_t *path)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->uri.len <= clcf->name.len) {
        return NGX_DECLINED;
    }

    path->data = r->uri.data + clcf->name.len;
    path->len = r->uri.len - clcf->name.len;

    if (path->data[-1] == '/') {
        return NGX_OK;
    }

    if (path->data[0] != '/') {
        return NGX_DECLINED;
    }

    path->data++;
    path->len--;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_admin_allow(ngx_http_request_t *r, ngx_uint_t methods)
{
    u_char     *p;
    ngx_str_t   value;

    value.data = ngx_pnalloc(r->pool, sizeof(NGX_CONDUCTOR_METHODS));
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(value.data, "%s%s%sOPTIONS",
                    (methods & NGX_HTTP_GET) ? "GET, HEAD, " : "",
                    (methods & NGX_HTTP_POST) ? "POST, " : "",
                    (methods & NGX_HTTP_DELETE) ? "DELETE, " : "");
    value.len = p - value.data;

    return ngx_conductor_add_header(r, "Allow", &value);
}


static void
ngx_conductor_admin_body(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_conductor_admin_t       a;
    ngx_conductor_loc_conf_t   *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    ngx_memzero(&a, sizeof(ngx_conductor_admin_t));

    a.request = r;
    a.hub = lcf->hub;

    rc = ngx_conductor_access_still(r);

    if (rc == NGX_OK) {
        rc = ngx_conductor_body_read(r, &a.body);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_admin_run(&a);
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_conductor_admin_run(ngx_conductor_admin_t *a)
{
    ngx_conductor_action_t  *act;

    act = ngx_conductor_admin_find(a);

    if (act == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    switch (act->handler(a)) {

    case NGX_OK:
        return ngx_conductor_send_json(a->request,
                                       a->status ? a->status : NGX_HTTP_OK,
                                       &a->answer);

    case NGX_DONE:
        return ngx_conductor_offer_hold(a->request);

    case NGX_DECLINED:
        return ngx_conductor_admin_refuse(a);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


static ngx_int_t
ngx_conductor_admin_refuse(ngx_conductor_admin_t *a)
{
    u_char     *p;
    ngx_str_t   body;

    if (a->field == NULL) {
        return ngx_conductor_body_error(a->request, a->status, a->error);
    }

    body.len = sizeof("{\"error\":\"\",\"field\":\"\"}\n")
               + ngx_strlen(a->error) + ngx_strlen(a->field);
    body.data = ngx_pnalloc(a->request->pool, body.len);

    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(body.data, "{\"error\":\"%s\",\"field\":\"%s\"}\n",
                    a->error, a->field);
    body.len = p - body.data;

    return ngx_conductor_send_json(a->request, a->status, &body);
}


/*
 * The fields of the body.  An unknown one is refused: with its name mistyped,
 * what was for one user would be for all.
 */

ngx_int_t
ngx_conductor_admin_fields(ngx_conductor_admin_t *a,
    ngx_conductor_field_t *field, ngx_uint_t n)
{
    size_t             i;
    cdr_str_t          body;
    ngx_uint_t         k;
    cdr_json_scan_t    scan;
    cdr_json_member_t  members[NGX_CONDUCTOR_ADMIN_FIELDS];

    if (a->body.len == 0) {
        return NGX_OK;
    }

    ngx_memzero(&scan, sizeof(cdr_json_scan_t));

    scan.members = members;
    scan.max_members = NGX_CONDUCTOR_ADMIN_FIELDS;
    scan.max_depth = 4;

    body.data = a->body.data;
    body.len = a->body.len;

    if (cdr_json_scan(&scan, body) != CDR_OK) {
        return ngx_conductor_admin_wrong(a, NGX_HTTP_BAD_REQUEST, scan.error,
                                         NULL);
    }

    if (scan.type != CDR_JSON_OBJECT) {
        return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                                         "it is no JSON object", NULL);
    }

    for (i = 0; i < scan.nmembers; i++) {

        for (k = 0; k < n; k++) {
            if (cdr_json_key_eq(&members[i], field[k].name)) {
                break;
            }
        }

        if (k == n) {
            return ngx_conductor_admin_unknown(a, field, n);
        }

        if (members[i].type == CDR_JSON_NULL) {
            continue;
        }

        if (members[i].type != field[k].type) {
            return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                                (field[k].type == CDR_JSON_STRING)
                                ? "it must be a string"
                                : "it must be an integer",
                                (const char *) field[k].name.data);
        }

        field[k].value = members[i].value;
    }

    return NGX_OK;
}


ngx_int_t
ngx_conductor_admin_wrong(ngx_conductor_admin_t *a, ngx_uint_t status,
    const char *error, const char *field)
{
    a->status = status;
    a->error = error;
    a->field = field;

    return NGX_DECLINED;
}


/* Names the fields that there are: the one in question may be anything. */

static ngx_int_t
ngx_conductor_admin_unknown(ngx_conductor_admin_t *a,
    ngx_conductor_field_t *field, ngx_uint_t n)
{
    size_t       len;
    u_char      *text, *p;
    ngx_uint_t   i;

    static const char  unknown[] = "an unknown field; there is";

    len = sizeof(unknown);

    for (i = 0; i < n; i++) {
        len += field[i].name.len + 2;
    }

    text = ngx_pnalloc(a->request->pool, len);

    if (text == NULL) {
        return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                                         "an unknown field", NULL);
    }

    p = ngx_cpymem(text, unknown, sizeof(unknown) - 1);

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, "%s %*s", i ? "," : "", field[i].name.len,
                        field[i].name.data);
    }

    *p = '\0';

    return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                                     (char *) text, NULL);
}
