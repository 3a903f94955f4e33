/* Which Redis is the hub's: what Sentinel, Cluster and it itself say. */

#include "ngx_conductor_link.h"


#define NGX_CONDUCTOR_FIND_VERSION  500     /* has streams */


static void ngx_conductor_find_named(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_conductor_find_info(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_conductor_find_owner(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_conductor_find_nodes(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_conductor_find_node(ngx_conductor_link_own_t *own,
    redisReply *node);
static void ngx_conductor_find_read(ngx_conductor_link_own_t *own,
    ngx_str_t *text);
static ngx_int_t ngx_conductor_find_line(ngx_str_t *text, const char *name,
    ngx_str_t *value);
static void ngx_conductor_find_answered(ngx_conductor_link_own_t *own);
static void ngx_conductor_find_error(ngx_conductor_link_own_t *own,
    const char *error);


ngx_int_t
ngx_conductor_find_ask(ngx_conductor_link_own_t *own)
{
    ngx_str_t  *name;

    name = &own->conf->sentinel;

    own->asked = 1;
    own->moved = 0;
    own->other = 0;
    own->error[0] = '\0';

    return redisAsyncCommand(own->sentinel.socket.ac,
                             ngx_conductor_find_named, own,
                             "SENTINEL get-master-addr-by-name %b",
                             name->data, name->len)
           == REDIS_OK ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_conductor_find_check(ngx_conductor_link_own_t *own)
{
    ngx_str_t          *base;
    redisAsyncContext  *ac;

    ac = own->commands.socket.ac;
    base = &own->conf->base;

    own->asked = 3;
    own->master = 0;
    own->moved = 0;
    own->error[0] = '\0';
    own->link->run_id[0] = '\0';
    own->link->version = 0;

    if (redisAsyncCommand(ac, ngx_conductor_find_info, own, "INFO server")
        != REDIS_OK
        || redisAsyncCommand(ac, ngx_conductor_find_info, own,
                             "INFO replication")
           != REDIS_OK
        || redisAsyncCommand(ac, ngx_conductor_find_owner, own,
                             "EXISTS %blog", base->data, base->len)
           != REDIS_OK)
    {
        return NGX_ERROR;
    }

    if (!own->conf->cluster) {
        return NGX_OK;
    }

    own->asked++;

    return redisAsyncCommand(ac, ngx_conductor_find_nodes, own,
                             "CLUSTER SLOTS")
           == REDIS_OK ? NGX_OK : NGX_ERROR;
}


/* "MOVED 3999 127.0.0.1:6381": without a host it is the one that says so. */

ngx_int_t
ngx_conductor_find_moved(ngx_conductor_link_own_t *own, const char *text)
{
    size_t       len;
    ngx_int_t    port;
    const char  *host, *colon, *end;

    if (ngx_strncmp(text, "MOVED ", 6) != 0) {
        return NGX_DECLINED;
    }

    host = ngx_strchr(text + 6, ' ');
    colon = strrchr(text, ':');

    if (host == NULL || colon == NULL || colon < ++host) {
        return NGX_DECLINED;
    }

    for (end = colon + 1; *end >= '0' && *end <= '9'; end++) { /* void */ }

    port = ngx_atoi((u_char *) colon + 1, end - colon - 1);
    len = colon - host;

    if (port < 1 || port > 65535 || len >= NGX_CONDUCTOR_PEER_HOST) {
        return NGX_DECLINED;
    }

    if (len) {
        ngx_cpystrn(own->target.host, (u_char *) host, len + 1);

    } else {
        ngx_memcpy(own->target.host, own->commands.place.host,
                   NGX_CONDUCTOR_PEER_HOST);
    }

    own->target.port = (in_port_t) port;
    own->moved = 1;

    return NGX_OK;
}


/* What Sentinel has answered: an address, or that it knows of none. */

static void
ngx_conductor_find_named(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_int_t                  port;
    redisReply                *r;
    ngx_conductor_link_own_t  *own;

    if (reply == NULL) {
        return;
    }

    r = reply;
    own = data;

    if (r->type == REDIS_REPLY_ERROR) {
        ngx_conductor_find_error(own, r->str);
        ngx_conductor_find_answered(own);
        return;
    }

    port = 0;

    if (r->type == REDIS_REPLY_ARRAY && r->elements == 2
        && r->element[0]->type == REDIS_REPLY_STRING
        && r->element[0]->len < NGX_CONDUCTOR_PEER_HOST
        && r->element[1]->type == REDIS_REPLY_STRING)
    {
        port = ngx_atoi((u_char *) r->element[1]->str, r->element[1]->len);
    }

    /* a port of 0 would make a path of the host */

    if (port < 1 || port > 65535) {
        ngx_conductor_find_error(own, "Sentinel knows no such master");

    } else {
        own->other = (port != own->target.port
                      || ngx_strcmp(own->target.host, r->element[0]->str)
                         != 0);

        ngx_cpystrn(own->target.host, (u_char *) r->element[0]->str,
                    NGX_CONDUCTOR_PEER_HOST);

        own->target.port = (in_port_t) port;
        own->moved = 1;
    }

    ngx_conductor_find_answered(own);
}


static void
ngx_conductor_find_info(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_str_t                  text;
    redisReply                *r;
    ngx_conductor_link_own_t  *own;

    if (reply == NULL) {
        return;
    }

    r = reply;
    own = data;

    if (r->type == REDIS_REPLY_ERROR) {
        ngx_conductor_find_error(own, r->str);

    } else if (r->str) {
        text.data = (u_char *) r->str;
        text.len = r->len;

        ngx_conductor_find_read(own, &text);
    }

    ngx_conductor_find_answered(own);
}


/* Does it have the keys of the hub?  Others than MOVED are errors, but for
 * ASK: the slot is on its way, and still here. */

static void
ngx_conductor_find_owner(redisAsyncContext *ac, void *reply, void *data)
{
    redisReply                *r;
    ngx_conductor_link_own_t  *own;

    if (reply == NULL) {
        return;
    }

    r = reply;
    own = data;

    if (r->type == REDIS_REPLY_ERROR
        && ngx_conductor_find_moved(own, r->str) != NGX_OK
        && ngx_strncmp(r->str, "ASK ", 4) != 0)
    {
        ngx_conductor_find_error(own, r->str);
    }

    ngx_conductor_find_answered(own);
}


/* [[first, last, [host, port, ...], ...], ...]: all that may be asked when
 * those of the configuration are gone. */

static void
ngx_conductor_find_nodes(redisAsyncContext *ac, void *reply, void *data)
{
    size_t                     i, k;
    redisReply                *r, *range;
    ngx_conductor_link_own_t  *own;

    if (reply == NULL) {
        return;
    }

    r = reply;
    own = data;

    if (r->type == REDIS_REPLY_ERROR) {
        ngx_conductor_find_error(own, r->str);
    }

    for (i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
        range = r->element[i];

        for (k = 2; range->type == REDIS_REPLY_ARRAY && k < range->elements;
             k++)
        {
            ngx_conductor_find_node(own, range->element[k]);
        }
    }

    ngx_conductor_find_answered(own);
}


static void
ngx_conductor_find_node(ngx_conductor_link_own_t *own, redisReply *node)
{
    ngx_uint_t              i;
    redisReply             *host, *port;
    ngx_conductor_place_t  *seed;

    if (node->type != REDIS_REPLY_ARRAY || node->elements < 2) {
        return;
    }

    host = node->element[0];
    port = node->element[1];

    if (host->type != REDIS_REPLY_STRING || host->len == 0
        || host->len >= NGX_CONDUCTOR_PEER_HOST
        || port->type != REDIS_REPLY_INTEGER
        || port->integer < 1 || port->integer > 65535
        || own->nseeds == NGX_CONDUCTOR_LINK_SEEDS)
    {
        return;
    }

    for (i = 0; i < own->nseeds; i++) {
        seed = &own->seeds[i];

        if (seed->port == port->integer
            && ngx_strcmp(seed->host, host->str) == 0)
        {
            return;
        }
    }

    seed = &own->seeds[own->nseeds++];

    ngx_cpystrn(seed->host, (u_char *) host->str, NGX_CONDUCTOR_PEER_HOST);
    seed->port = (in_port_t) port->integer;
}


static void
ngx_conductor_find_read(ngx_conductor_link_own_t *own, ngx_str_t *text)
{
    u_char                *dot, *last;
    ngx_str_t              value;
    ngx_int_t              major, minor;
    ngx_conductor_link_t  *link;

    link = own->link;

    if (ngx_conductor_find_line(text, "run_id:", &value) == NGX_OK) {
        ngx_cpystrn(link->run_id, value.data,
                    ngx_min(value.len + 1, sizeof(link->run_id)));
    }

    if (ngx_conductor_find_line(text, "role:", &value) == NGX_OK) {
        own->master = (value.len == 6
                       && ngx_strncmp(value.data, "master", 6) == 0);
    }

    if (ngx_conductor_find_line(text, "redis_version:", &value) != NGX_OK) {
        return;
    }

    last = value.data + value.len;
    dot = ngx_strlchr(value.data, last, '.');

    if (dot == NULL) {
        return;
    }

    major = ngx_atoi(value.data, dot - value.data);
    value.data = ++dot;

    while (dot < last && *dot >= '0' && *dot <= '9') {
        dot++;
    }

    minor = ngx_atoi(value.data, dot - value.data);

    if (major != NGX_ERROR && minor != NGX_ERROR) {
        link->version = major * 100 + minor;
    }
}


/* A line of INFO. */

static ngx_int_t
ngx_conductor_find_line(ngx_str_t *text, const char *name, ngx_str_t *value)
{
    u_char  *p, *end, *last;
    size_t   len;

    len = ngx_strlen(name);
    last = text->data + text->len;

    for (p = text->data; p && p < last; p = end ? end + 1 : NULL) {
        end = ngx_strlchr(p, last, '\n');

        if ((size_t) (last - p) <= len || ngx_strncmp(p, name, len) != 0) {
            continue;
        }

        value->data = p + len;
        value->len = (end ? end : last) - value->data;

        if (value->len && value->data[value->len - 1] == '\r') {
            value->len--;
        }

        return NGX_OK;
    }

    return NGX_DECLINED;
}


static void
ngx_conductor_find_answered(ngx_conductor_link_own_t *own)
{
    if (own->asked && --own->asked) {
        return;
    }

    if (own->link->version && own->link->version < NGX_CONDUCTOR_FIND_VERSION)
    {
        ngx_conductor_find_error(own, "it is too old: 5.0 is needed");
    }

    if (!own->event.posted) {
        ngx_post_event(&own->event, &ngx_posted_events);
    }
}


/* What comes first is why. */

static void
ngx_conductor_find_error(ngx_conductor_link_own_t *own, const char *error)
{
    if (own->error[0] == '\0') {
        ngx_cpystrn(own->error, (u_char *) error, sizeof(own->error));
    }
}
