/* Commands, scripts and channels, for whoever hangs on a joined hub. */

#include "ngx_conductor_join_own.h"

#include <openssl/sha.h>


/* One that is on its way. */

typedef struct {
    ngx_conductor_join_own_t     *own;
    ngx_conductor_join_reply_pt   handler;
    void                         *data;

    /* of a script: once more in full, if Redis does not know it */

    ngx_conductor_script_t       *script;
    ngx_uint_t                    argc;
    ngx_str_t                    *argv;
} ngx_conductor_join_asked_t;


static ngx_int_t ngx_conductor_join_send(ngx_conductor_join_asked_t *asked,
    ngx_uint_t argc, const ngx_str_t *argv);
static ngx_int_t ngx_conductor_join_send_script(
    ngx_conductor_join_asked_t *asked, ngx_uint_t full);
static ngx_conductor_join_asked_t *ngx_conductor_join_asked(
    ngx_conductor_join_t *join, ngx_conductor_join_reply_pt handler,
    void *data, ngx_uint_t argc, const ngx_str_t *argv);
static void ngx_conductor_join_answered(redisAsyncContext *ac, void *r,
    void *privdata);
static ngx_uint_t ngx_conductor_join_unknown(redisReply *reply);
static void ngx_conductor_join_message(redisAsyncContext *ac, void *r,
    void *privdata);


ngx_int_t
ngx_conductor_join_command(ngx_conductor_join_t *join,
    ngx_conductor_join_reply_pt handler, void *data, ngx_uint_t argc,
    const ngx_str_t *argv)
{
    ngx_conductor_join_asked_t  *asked;

    asked = ngx_conductor_join_asked(join, handler, data, 0, NULL);

    return asked ? ngx_conductor_join_send(asked, argc, argv) : NGX_ERROR;
}


ngx_int_t
ngx_conductor_join_script(ngx_conductor_join_t *join,
    ngx_conductor_script_t *script, ngx_conductor_join_reply_pt handler,
    void *data, ngx_uint_t keys, ngx_uint_t argc, const ngx_str_t *argv)
{
    u_char                      *p;
    ngx_conductor_join_asked_t  *asked;

    asked = ngx_conductor_join_asked(join, handler, data, argc, argv);

    if (asked == NULL) {
        return NGX_ERROR;
    }

    asked->script = script;

    p = asked->argv[2].data;
    asked->argv[2].len = ngx_sprintf(p, "%ui", keys) - p;

    return ngx_conductor_join_send_script(asked, 0);
}


/* With the arguments of a script in one piece, behind three of its own. */

static ngx_conductor_join_asked_t *
ngx_conductor_join_asked(ngx_conductor_join_t *join,
    ngx_conductor_join_reply_pt handler, void *data, ngx_uint_t argc,
    const ngx_str_t *argv)
{
    size_t                       size;
    u_char                      *p;
    ngx_uint_t                   i;
    ngx_conductor_join_asked_t  *asked;

    if (join->link == NULL || join->link->commands == NULL) {
        return NULL;
    }

    size = sizeof(ngx_conductor_join_asked_t)
           + (argc + 3) * sizeof(ngx_str_t) + NGX_INT_T_LEN;

    for (i = 0; i < argc; i++) {
        size += argv[i].len;
    }

    asked = ngx_alloc(size, join->log);
    if (asked == NULL) {
        return NULL;
    }

    asked->own = ngx_conductor_join_own(join);
    asked->handler = handler;
    asked->data = data;
    asked->script = NULL;
    asked->argc = argc + 3;
    asked->argv = (ngx_str_t *) (asked + 1);

    p = (u_char *) &asked->argv[asked->argc];

    asked->argv[2].data = p;
    p += NGX_INT_T_LEN;

    for (i = 0; i < argc; i++) {
        asked->argv[i + 3].data = p;
        asked->argv[i + 3].len = argv[i].len;
        p = ngx_cpymem(p, argv[i].data, argv[i].len);
    }

    return asked;
}


static ngx_int_t
ngx_conductor_join_send_script(ngx_conductor_join_asked_t *asked,
    ngx_uint_t full)
{
    if (full) {
        ngx_str_set(&asked->argv[0], "EVAL");
        asked->argv[1].data = (u_char *) asked->script->text;

    } else {
        ngx_str_set(&asked->argv[0], "EVALSHA");
        asked->argv[1].data = (u_char *)
                              ngx_conductor_join_sha(asked->script);
    }

    asked->argv[1].len = ngx_strlen(asked->argv[1].data);

    return ngx_conductor_join_send(asked, asked->argc, asked->argv);
}


/* Frees it if it cannot be sent. */

static ngx_int_t
ngx_conductor_join_send(ngx_conductor_join_asked_t *asked, ngx_uint_t argc,
    const ngx_str_t *argv)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    const char           **text;
    size_t                *len;
    ngx_conductor_join_t  *join;

    join = &asked->own->join;

    text = ngx_alloc(argc * (sizeof(char *) + sizeof(size_t)), join->log);

    if (text == NULL) {
        ngx_free(asked);
        return NGX_ERROR;
    }

    len = (size_t *) (text + argc);

    for (i = 0; i < argc; i++) {
        text[i] = (const char *) argv[i].data;
        len[i] = argv[i].len;
    }

    rc = redisAsyncCommandArgv(join->link->commands,
                               ngx_conductor_join_answered, asked, (int) argc,
                               text, len);

    ngx_free(text);

    if (rc != REDIS_OK) {
        ngx_free(asked);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_conductor_join_answered(redisAsyncContext *ac, void *r, void *privdata)
{
    redisReply *reply = r;
    ngx_conductor_join_asked_t *asked = privdata;

    void                         *data;
    ngx_conductor_join_own_t     *own;
    ngx_conductor_join_reply_pt   handler;

    own = asked->own;
    handler = asked->handler;
    data = asked->data;

    if (reply && reply->type == REDIS_REPLY_ERROR) {

        if (asked->script && ngx_conductor_join_unknown(reply)) {

            if (ngx_conductor_join_send_script(asked, 1) == NGX_OK) {
                return;
            }

            if (handler) {
                handler(&own->join, NULL, data);
            }

            return;
        }

        (void) ngx_conductor_join_refused(own, reply, NULL);
    }

    ngx_free(asked);

    if (handler) {
        handler(&own->join, reply, data);
    }
}


static ngx_uint_t
ngx_conductor_join_unknown(redisReply *reply)
{
    return reply->len >= sizeof("NOSCRIPT") - 1
           && ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0;
}


/* As ngx_conductor_link_error(); the text has room for the zone's. */

ngx_int_t
ngx_conductor_join_refused(ngx_conductor_join_own_t *own, redisReply *reply,
    u_char *text)
{
    ngx_int_t  rc;

    rc = ngx_conductor_link_error(own->join.link, reply);

    if (text) {
        (void) ngx_snprintf(text, NGX_CONDUCTOR_KEEPER_TEXT, "%*s%Z",
                            ngx_min((size_t) reply->len,
                                    NGX_CONDUCTOR_KEEPER_TEXT - 1),
                            reply->str);
    }

    return rc;
}


ngx_int_t
ngx_conductor_join_reply_place(cdr_log_pos_t *pos, redisReply *reply)
{
    cdr_str_t  text;

    pos->local = 0;

    if (reply->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    text.data = (u_char *) reply->str;
    text.len = reply->len;

    return (cdr_stream_place(text, &pos->ms, &pos->n) == CDR_OK)
           ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_conductor_join_subscribe(ngx_conductor_join_t *join, ngx_str_t *channel)
{
    size_t       len[2];
    const char  *argv[2];

    if (join->link == NULL || join->link->subscriber == NULL) {
        return NGX_ERROR;
    }

    argv[0] = "SUBSCRIBE";
    len[0] = sizeof("SUBSCRIBE") - 1;
    argv[1] = (const char *) channel->data;
    len[1] = channel->len;

    if (redisAsyncCommandArgv(join->link->subscriber,
                              ngx_conductor_join_message, join, 2, argv, len)
        != REDIS_OK)
    {
        ngx_conductor_link_deaf(join->link, "channels cannot be subscribed to");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_conductor_join_message(redisAsyncContext *ac, void *r, void *privdata)
{
    redisReply *reply = r;
    ngx_conductor_join_t *join = privdata;

    ngx_str_t                    channel, text;
    ngx_conductor_join_hook_t  **hook;

    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        (void) ngx_conductor_link_error(join->link, reply);
        return;
    }

    if ((reply->type != REDIS_REPLY_ARRAY && reply->type != REDIS_REPLY_PUSH)
        || reply->elements != 3
        || reply->element[0]->type != REDIS_REPLY_STRING
        || ngx_strcmp(reply->element[0]->str, "message") != 0
        || reply->element[1]->type != REDIS_REPLY_STRING
        || reply->element[2]->type != REDIS_REPLY_STRING)
    {
        return;
    }

    channel.data = (u_char *) reply->element[1]->str;
    channel.len = reply->element[1]->len;
    text.data = (u_char *) reply->element[2]->str;
    text.len = reply->element[2]->len;

    for (hook = ngx_conductor_join_hooks; *hook; hook++) {

        if ((*hook)->message
            && (*hook)->message(join, &channel, &text) == NGX_OK)
        {
            return;
        }
    }
}


ngx_int_t
ngx_conductor_join_name(ngx_conductor_join_t *join, ngx_pool_t *pool,
    ngx_str_t *name, const char *suffix)
{
    size_t  len;

    len = ngx_strlen(suffix);

    name->len = join->conf->base.len + len;
    name->data = ngx_pnalloc(pool, name->len);

    if (name->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(name->data, join->conf->base.data,
                          join->conf->base.len),
               suffix, len);

    return NGX_OK;
}


/* The name under which Redis keeps a script: SHA-1 of its text, in hex. */

const char *
ngx_conductor_join_sha(ngx_conductor_script_t *script)
{
    u_char  sum[SHA_DIGEST_LENGTH];

    if (script->sha[0] == '\0') {
        (void) SHA1((const u_char *) script->text,
                    ngx_strlen(script->text), sum);

        *ngx_hex_dump((u_char *) script->sha, sum, SHA_DIGEST_LENGTH) = '\0';
    }

    return script->sha;
}
