/* The arguments of a call that offers events to Redis. */

#include "ngx_conductor_join_own.h"


#define NGX_CONDUCTOR_JOIN_KEEP  "600000"   /* ms that keys are remembered */


static ngx_int_t ngx_conductor_join_args_head(ngx_conductor_join_args_t *args,
    uint64_t n, ngx_uint_t flags, cdr_outbox_rec_t *rec, uint64_t time,
    ngx_uint_t count);
static ngx_int_t ngx_conductor_join_args_key(ngx_conductor_join_args_t *args,
    cdr_idem_hash_t *key);
static ngx_int_t ngx_conductor_join_args_item(ngx_conductor_join_args_t *args,
    uint32_t flags, ngx_str_t *channel, cdr_str_t *text);
static ngx_int_t ngx_conductor_join_args_sign(ngx_conductor_join_args_t *args,
    cdr_str_t *text);
static ngx_int_t ngx_conductor_join_args_channel(
    ngx_conductor_join_args_t *args, cdr_str_t *type, ngx_str_t *name);
static size_t ngx_conductor_join_args_text(u_char *dst,
    cdr_log_event_t *event);
static ngx_int_t ngx_conductor_join_args_add(ngx_conductor_join_args_t *args,
    const void *data, size_t len);
static ngx_int_t ngx_conductor_join_args_number(
    ngx_conductor_join_args_t *args, uint64_t n);
static ngx_int_t ngx_conductor_join_args_call(ngx_conductor_join_args_t *args,
    redisCallbackFn *handler);
static void ngx_conductor_join_args_put(const char **text, size_t *len,
    ngx_array_t *from);


ngx_int_t
ngx_conductor_join_args(ngx_conductor_join_args_t *args,
    ngx_conductor_join_own_t *own)
{
    ngx_conductor_joining_t     *joining;
    ngx_conductor_redis_conf_t  *conf;

    conf = own->join.conf;
    joining = &own->join.hub->zone->joining;

    ngx_memzero(args, sizeof(ngx_conductor_join_args_t));

    args->own = own;

    args->call = ngx_alloc(sizeof(ngx_conductor_join_call_t), own->join.log);

    if (args->call == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(args->call, sizeof(ngx_conductor_join_call_t));

    args->call->own = own;
    args->call->session = own->session;

    args->pool = ngx_create_pool(4096, own->join.log);

    if (args->pool == NULL
        || ngx_array_init(&args->keys, args->pool, 4, sizeof(ngx_str_t))
           != NGX_OK
        || ngx_array_init(&args->argv, args->pool, 32, sizeof(ngx_str_t))
           != NGX_OK
        || ngx_conductor_join_args_number(args, joining->server) != NGX_OK
        || ngx_conductor_join_args_number(args, own->session) != NGX_OK
        || ngx_conductor_join_args_number(args, own->call) != NGX_OK
        || ngx_conductor_join_args_number(args, conf->stream) != NGX_OK
        || ngx_conductor_join_args_add(args, NGX_CONDUCTOR_JOIN_KEEP,
                                       sizeof(NGX_CONDUCTOR_JOIN_KEEP) - 1)
           != NGX_OK)
    {
        ngx_conductor_join_args_free(args);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_conductor_join_args_free(ngx_conductor_join_args_t *args)
{
    if (args->pool) {
        ngx_destroy_pool(args->pool);
    }

    if (args->call) {
        ngx_free(args->call);
    }
}


/* What it points to stays until the record is taken out of the outbox. */

ngx_int_t
ngx_conductor_join_args_record(ngx_conductor_join_args_t *args,
    cdr_outbox_rec_t *rec)
{
    uint32_t           flags;
    cdr_str_t          type, text;
    ngx_str_t          channel;
    ngx_uint_t         what;
    cdr_outbox_iter_t  it;

    what = (rec->kind == CDR_OUTBOX_CONTROL) ? NGX_CONDUCTOR_JOIN_CONTROL : 0;

    if (atomic_load(&rec->marks) & CDR_OUTBOX_PLACED) {
        what |= NGX_CONDUCTOR_JOIN_FORCE;
    }

    if (ngx_conductor_join_args_head(args, rec->n, what, rec, rec->time_ms,
                                     rec->count)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    args->call->n[args->call->nrecords++] = rec->n;
    args->call->last = rec->n + rec->count - 1;

    cdr_outbox_items(rec, &it);

    while (cdr_outbox_item(&it, &flags, &type, &text) == CDR_OK) {

        ngx_str_null(&channel);

        if (rec->kind != CDR_OUTBOX_CONTROL && !(flags & NGX_CONDUCTOR_TO)
            && ngx_conductor_join_args_channel(args, &type, &channel)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_conductor_join_args_item(args, flags, &channel, &text)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* So many events up to the number "n" will never come. */

ngx_int_t
ngx_conductor_join_args_gap(ngx_conductor_join_args_t *args, uint64_t n,
    uint64_t events)
{
    u_char     *p;
    cdr_str_t   text;
    ngx_str_t   channel;
    u_char      buf[sizeof("{\"type\":\"gap\",\"events\":}") + NGX_INT64_LEN];

    ngx_str_null(&channel);

    p = ngx_sprintf(buf, "{\"type\":\"gap\",\"events\":%uL}", events);

    text.len = p - buf;
    text.data = ngx_pstrdup(args->pool, &(ngx_str_t) { text.len, buf });

    if (text.data == NULL
        || ngx_conductor_join_args_head(args, n, NGX_CONDUCTOR_JOIN_CONTROL,
                                        NULL, ngx_conductor_now(), 1)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    args->call->n[args->call->nrecords++] = 0;
    args->call->last = n;

    return ngx_conductor_join_args_item(args, 0, &channel, &text);
}


/*
 * An event of the log, once more: whoever listens to a public channel has had
 * it.  NGX_DECLINED: it was overwritten meanwhile.
 */

ngx_int_t
ngx_conductor_join_args_event(ngx_conductor_join_args_t *args,
    cdr_log_event_t *event)
{
    u_char               *p;
    cdr_str_t             text;
    ngx_str_t             channel;
    ngx_conductor_hub_t  *hub;

    hub = args->own->join.hub;
    ngx_str_null(&channel);

    text.len = ngx_conductor_join_args_text(NULL, event);

    if (!cdr_log_valid(&hub->log, event->seq)) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(args->pool, text.len);

    if (p == NULL) {
        return NGX_ERROR;
    }

    text.data = p;
    text.len = ngx_conductor_join_args_text(p, event);

    if (!cdr_log_valid(&hub->log, event->seq)) {
        return NGX_DECLINED;
    }

    if (ngx_conductor_join_args_head(args, event->fields.n,
                                     NGX_CONDUCTOR_JOIN_FORCE, NULL,
                                     event->fields.time_ms, 1)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    args->call->n[args->call->nrecords++] = 0;
    args->call->last = event->fields.n;

    return ngx_conductor_join_args_item(args, event->fields.flags, &channel,
                                        &text);
}


static ngx_int_t
ngx_conductor_join_args_head(ngx_conductor_join_args_t *args, uint64_t n,
    ngx_uint_t flags, cdr_outbox_rec_t *rec, uint64_t time, ngx_uint_t count)
{
    u_char      *digest;
    ngx_uint_t   key;

    key = 0;
    digest = (u_char *) "-";

    if (rec && rec->keyed) {
        digest = ngx_pnalloc(args->pool, CDR_STREAM_HASH_LEN);

        if (digest == NULL
            || ngx_conductor_join_args_key(args, &rec->key) != NGX_OK)
        {
            return NGX_ERROR;
        }

        key = args->keys.nelts;
        cdr_stream_hash_print(digest, &rec->digest);
    }

    args->events += count;

    args->entry.server = args->own->join.hub->zone->joining.server;
    args->entry.number = n;
    args->entry.time_ms = time;
    args->entry.control = ((flags & NGX_CONDUCTOR_JOIN_CONTROL) != 0);

    return (ngx_conductor_join_args_number(args, n) == NGX_OK
            && ngx_conductor_join_args_number(args, flags) == NGX_OK
            && ngx_conductor_join_args_number(args, key) == NGX_OK
            && ngx_conductor_join_args_add(args, digest,
                                           key ? CDR_STREAM_HASH_LEN : 1)
               == NGX_OK
            && ngx_conductor_join_args_number(args, time) == NGX_OK
            && ngx_conductor_join_args_number(args, count) == NGX_OK)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_conductor_join_args_key(ngx_conductor_join_args_t *args,
    cdr_idem_hash_t *key)
{
    u_char     *p;
    ngx_str_t  *name, *base;

    base = &args->own->join.conf->base;
    name = ngx_array_push(&args->keys);

    if (name == NULL) {
        return NGX_ERROR;
    }

    name->len = base->len + sizeof("key:") - 1 + CDR_STREAM_HASH_LEN;
    name->data = ngx_pnalloc(args->pool, name->len);

    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(name->data, base->data, base->len);
    p = ngx_cpymem(p, "key:", sizeof("key:") - 1);

    cdr_stream_hash_print(p, key);

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_join_args_item(ngx_conductor_join_args_t *args, uint32_t flags,
    ngx_str_t *channel, cdr_str_t *text)
{
    if (ngx_conductor_join_args_number(args, flags) != NGX_OK
        || ngx_conductor_join_args_add(args, channel->data, channel->len)
           != NGX_OK
        || ngx_conductor_join_args_add(args, text->data, text->len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!args->own->signs) {
        return ngx_conductor_join_args_add(args, "", 0);
    }

    args->entry.flags = flags;

    return ngx_conductor_join_args_sign(args, text);
}


/* Of the text as the script adds it; and the next event has the next number. */

static ngx_int_t
ngx_conductor_join_args_sign(ngx_conductor_join_args_t *args, cdr_str_t *text)
{
    u_char  *p, *signature;

    signature = ngx_pnalloc(args->pool, CDR_SIGN_LEN);
    p = ngx_pnalloc(args->pool, text->len + 1);

    if (signature == NULL || p == NULL) {
        return NGX_ERROR;
    }

    args->entry.text.data = p;
    args->entry.text.len = text->len + !args->entry.control;

    *ngx_cpymem(p, text->data, text->len) = '}';

    if (ngx_conductor_join_sign(args->own, &args->entry, signature) != NGX_OK)
    {
        return NGX_ERROR;
    }

    args->entry.number++;

    return ngx_conductor_join_args_add(args, signature, CDR_SIGN_LEN);
}


/* Where others may listen to events of this type; len 0: nowhere. */

static ngx_int_t
ngx_conductor_join_args_channel(ngx_conductor_join_args_t *args,
    cdr_str_t *type, ngx_str_t *name)
{
    cdr_str_t                   *channel;
    ngx_str_t                   *prefix;
    cdr_policy_t                *policy;
    const cdr_event_type_t      *et;

    policy = args->own->join.hub->policy;
    prefix = &args->own->join.conf->channels;

    et = cdr_event_find(&policy->catalogue, *type);

    if (et == NULL) {
        return NGX_OK;
    }

    channel = &policy->channels[et->channel].name;

    name->len = prefix->len + channel->len;
    name->data = ngx_pnalloc(args->pool, name->len);

    if (name->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(name->data, prefix->data, prefix->len),
               channel->data, channel->len);

    return NGX_OK;
}


/* As it stands in an outbox; with "dst" NULL only its length. */

static size_t
ngx_conductor_join_args_text(u_char *dst, cdr_log_event_t *event)
{
    size_t              len;
    u_char             *p;
    cdr_event_iter_t    it;
    cdr_event_field_t   field;

    len = sizeof("{\"type\":\"\"") - 1 + cdr_json_escape_size(event->type);
    p = dst;

    if (p) {
        p = ngx_cpymem(p, "{\"type\":\"", sizeof("{\"type\":\"") - 1);
        p += cdr_json_escape(p, event->type);
        *p++ = '"';
    }

    it.rest = event->payload;
    it.ordinal = 0;

    while (cdr_event_next(&it, &field) == CDR_OK) {

        len += sizeof(",\"\":") - 1 + field.key.len + field.value.len;

        if (p) {
            *p++ = ',';
            *p++ = '"';
            p = ngx_cpymem(p, field.key.data, field.key.len);
            *p++ = '"';
            *p++ = ':';
            p = ngx_cpymem(p, field.value.data, field.value.len);
        }
    }

    return len;
}


static ngx_int_t
ngx_conductor_join_args_add(ngx_conductor_join_args_t *args, const void *data,
    size_t len)
{
    ngx_str_t  *arg;

    arg = ngx_array_push(&args->argv);

    if (arg == NULL) {
        return NGX_ERROR;
    }

    arg->len = len;
    arg->data = (u_char *) data;

    args->bytes += len;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_join_args_number(ngx_conductor_join_args_t *args, uint64_t n)
{
    u_char  *p;

    p = ngx_pnalloc(args->pool, NGX_INT64_LEN);

    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_conductor_join_args_add(args, p,
                                       ngx_sprintf(p, "%uL", n) - p);
}


/* EVALSHA, the script, its keys and all that was added. */

ngx_int_t
ngx_conductor_join_args_send(ngx_conductor_join_args_t *args,
    redisCallbackFn *handler)
{
    ngx_int_t                  rc;
    ngx_conductor_join_own_t  *own;

    own = args->own;
    rc = ngx_conductor_join_args_call(args, handler);

    if (rc == NGX_OK) {
        args->call = NULL;          /* the handler's */

        own->loaded = 1;
        own->call++;
        own->ncalls++;
        own->sent = ngx_conductor_clock();
        own->ahead += args->events;
    }

    ngx_conductor_join_args_free(args);

    return rc;
}


static ngx_int_t
ngx_conductor_join_args_call(ngx_conductor_join_args_t *args,
    redisCallbackFn *handler)
{
    ngx_str_t                   log, heads;
    ngx_uint_t                  n, nkeys;
    const char                **text;
    size_t                     *len;
    ngx_conductor_join_own_t   *own;
    u_char                      buf[NGX_INT_T_LEN];

    own = args->own;
    nkeys = args->keys.nelts + 2;
    n = 3 + nkeys + args->argv.nelts;

    text = ngx_palloc(args->pool, n * (sizeof(char *) + sizeof(size_t)));

    if (text == NULL
        || ngx_conductor_join_name(&own->join, args->pool, &log, "log")
           != NGX_OK
        || ngx_conductor_join_name(&own->join, args->pool, &heads, "heads")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    len = (size_t *) (text + n);

    text[0] = own->loaded ? "EVALSHA" : "EVAL";
    text[1] = own->loaded
              ? ngx_conductor_join_sha(&ngx_conductor_join_script_offer)
              : ngx_conductor_join_script_offer.text;
    len[0] = ngx_strlen(text[0]);
    len[1] = ngx_strlen(text[1]);

    text[2] = (char *) buf;
    len[2] = ngx_sprintf(buf, "%ui", nkeys) - buf;

    text[3] = (char *) log.data;
    len[3] = log.len;
    text[4] = (char *) heads.data;
    len[4] = heads.len;

    ngx_conductor_join_args_put(text + 5, len + 5, &args->keys);

    n = 3 + nkeys;
    ngx_conductor_join_args_put(text + n, len + n, &args->argv);
    n += args->argv.nelts;

    args->call->clock = ngx_conductor_clock();

    return (redisAsyncCommandArgv(own->join.link->commands, handler,
                                  args->call, (int) n, text, len)
            == REDIS_OK)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_conductor_join_args_put(const char **text, size_t *len, ngx_array_t *from)
{
    ngx_str_t   *arg;
    ngx_uint_t   i;

    arg = from->elts;

    for (i = 0; i < from->nelts; i++) {
        text[i] = (const char *) arg[i].data;
        len[i] = arg[i].len;
    }
}
