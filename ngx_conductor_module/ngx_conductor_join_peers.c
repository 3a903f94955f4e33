/* The reviewers of the hub's other servers, from Redis into the zone. */

#include "ngx_conductor_guests.h"

#include <hiredis/hiredis.h>


#define NGX_CONDUCTOR_PEERS_LOOKS  1024     /* entries in a hold of the lock */


/* Lines that are taken into the table together. */

typedef struct {
    ngx_conductor_guests_t       *guests;
    uint32_t                      index;    /* of their server */
    ngx_uint_t                    n;
    ngx_uint_t                    damaged;
    cdr_guest_info_t              info[NGX_CONDUCTOR_GUESTS_HOLD];
    bool                          gone[NGX_CONDUCTOR_GUESTS_HOLD];
    u_char                        text[NGX_CONDUCTOR_GUESTS_HOLD]
                                      [CDR_GUEST_STRINGS];
} ngx_conductor_lines_t;


static void ngx_conductor_peers_apply(ngx_conductor_guests_t *g,
    uint32_t index, const cdr_guest_note_t *note, cdr_str_t lines);
static void ngx_conductor_peers_gone(ngx_conductor_guests_t *g,
    uint32_t index, const cdr_guest_note_t *note,
    const cdr_guest_peer_t *peer);
static void ngx_conductor_peers_hash(ngx_conductor_join_t *join,
    redisReply *reply, void *data);
static ngx_int_t ngx_conductor_peers_all(ngx_conductor_guests_t *g,
    uint32_t index, redisReply *reply);
static uint64_t ngx_conductor_peers_fields(ngx_conductor_guests_t *g,
    ngx_str_t *key, redisReply *reply);
static ngx_int_t ngx_conductor_peers_value(ngx_conductor_guests_t *g,
    ngx_str_t *key, redisReply *field, redisReply *value, cdr_str_t *line);
static ngx_int_t ngx_conductor_peers_name(ngx_conductor_guests_t *g,
    uint64_t server, ngx_str_t *name, u_char *buf, size_t size);
static void ngx_conductor_lines_begin(ngx_conductor_guests_t *g,
    uint32_t index);
static void ngx_conductor_lines_add(cdr_str_t line);
static void ngx_conductor_lines_flush(void);
static ngx_int_t ngx_conductor_peers_sweep(ngx_conductor_guests_t *g,
    uint32_t index, uint64_t due);
static void ngx_conductor_peers_wrong(ngx_conductor_guests_t *g,
    const char *what);
static ngx_int_t ngx_conductor_peers_get(ngx_conductor_guests_t *g,
    uint32_t index, cdr_guest_peer_t *peer);


static ngx_conductor_lines_t  ngx_conductor_lines;


void
ngx_conductor_peers_message(ngx_conductor_guests_t *g, ngx_str_t *text)
{
    int                rc;
    uint32_t           index;
    cdr_str_t          lines, line, what;
    cdr_guest_note_t   note;
    cdr_guest_peer_t   peer;

    lines.data = text->data;
    lines.len = text->len;

    what.data = g->channel.data;
    what.len = g->channel.len;

    if (g->join->conf->secret.len
        && cdr_sign_text_check(&g->sign, what, &lines) != CDR_OK)
    {
        ngx_conductor_peers_wrong(g, "is not signed by a server of the hub");
        return;
    }

    if (!cdr_guest_next_line(&lines, &line)
        || cdr_guest_note_parse(&note, line) != CDR_OK)
    {
        ngx_conductor_peers_wrong(g, "is not what a server says");
        return;
    }

    if (note.server == g->hub->zone->joining.server) {
        return;
    }

    ngx_conductor_zone_lock(g->hub);

    rc = cdr_guest_find(&g->hub->guests, note.server, &index);

    if (rc == CDR_OK) {
        (void) cdr_guest_peer(&g->hub->guests, index, &peer);
    }

    ngx_conductor_zone_unlock(g->hub);

    if (rc != CDR_OK) {

        /* who that is, the next beat tells */

        g->beat_at = ngx_current_msec;
        return;
    }

    if (note.gone) {
        ngx_conductor_peers_gone(g, index, &note, &peer);

    } else if (!note.all && peer.version
               && note.version == peer.version + 1)
    {
        ngx_conductor_peers_apply(g, index, &note, lines);

    } else if (note.version > peer.version) {
        g->peers[index].wanted = note.version;
        ngx_conductor_peers_read(g, index);
    }
}


static void
ngx_conductor_peers_apply(ngx_conductor_guests_t *g, uint32_t index,
    const cdr_guest_note_t *note, cdr_str_t lines)
{
    cdr_str_t  line;

    ngx_conductor_lines_begin(g, index);

    while (cdr_guest_next_line(&lines, &line)) {
        ngx_conductor_lines_add(line);
    }

    ngx_conductor_lines_flush();

    ngx_conductor_zone_lock(g->hub);

    cdr_guest_set_version(&g->hub->guests, index, 0,
                          ngx_conductor_lines.damaged ? 0 : note->version);
    cdr_guest_seen(&g->hub->guests, index, ngx_conductor_now());

    ngx_conductor_zone_unlock(g->hub);

    ngx_conductor_watch_wake(g->hub);
}


/* It stops: its reviewers are gone if they do not come elsewhere. */

static void
ngx_conductor_peers_gone(ngx_conductor_guests_t *g, uint32_t index,
    const cdr_guest_note_t *note, const cdr_guest_peer_t *peer)
{
    if (note->version <= peer->version) {
        return;
    }

    ngx_conductor_peers_drop(g, index, note);

    /* how many there are now, the next beat tells */

    g->beat_at = ngx_current_msec;
}


void
ngx_conductor_peers_read(ngx_conductor_guests_t *g, uint32_t index)
{
    u_char                    buf[NGX_INT64_LEN + 512];
    ngx_str_t                 argv[2];
    cdr_guest_peer_t          peer;
    ngx_conductor_reading_t  *p;

    p = &g->peers[index];

    if (p->reading || !g->up
        || ngx_conductor_peers_get(g, index, &peer) != NGX_OK
        || ngx_conductor_peers_name(g, peer.server, &argv[1], buf,
                                    sizeof(buf))
           != NGX_OK)
    {
        return;
    }

    ngx_str_set(&argv[0], "HGETALL");

    if (ngx_conductor_join_command(g->join, ngx_conductor_peers_hash,
                                   (void *) (uintptr_t) index, 2, argv)
        == NGX_OK)
    {
        p->reading = 1;
        p->server = peer.server;
    }
}


void
ngx_conductor_peers_drop(ngx_conductor_guests_t *g, uint32_t index,
    const cdr_guest_note_t *note)
{
    uint64_t           now;
    cdr_str_t          name;
    ngx_uint_t         left, level;
    cdr_guest_peer_t   peer;

    if (ngx_conductor_peers_get(g, index, &peer) != NGX_OK) {
        return;
    }

    now = ngx_conductor_now();
    left = (note != NULL);
    level = left ? NGX_LOG_NOTICE : NGX_LOG_WARN;
    name = peer.label;

    ngx_log_error(level, g->join->log, 0,
                  "server \"%*s\" of hub \"%V\" %s, and %uD reviewers with "
                  "it", name.len, name.data, &g->hub->name,
                  left ? "has ended" : "is gone", peer.guests);

    ngx_conductor_zone_lock(g->hub);
    cdr_guest_begin(&g->hub->guests, index);
    ngx_conductor_zone_unlock(g->hub);

    if (ngx_conductor_peers_sweep(g, index,
                                  left ? now + note->leave
                                         + g->hub->presence_leave : now)
        == NGX_OK)
    {

        ngx_conductor_zone_lock(g->hub);
        cdr_guest_forget(&g->hub->guests, index);
        ngx_conductor_zone_unlock(g->hub);
    }

    ngx_conductor_watch_wake(g->hub);
}


void
ngx_conductor_peers_stale(ngx_conductor_guests_t *g)
{
    uint32_t           i;
    cdr_guest_peer_t   peer;

    g->stale = 1;

    if (!g->listing) {
        return;
    }

    ngx_conductor_zone_lock(g->hub);

    for (i = 0; cdr_guest_next(&g->hub->guests, &i, &peer) == CDR_OK; i++) {
        cdr_guest_stale(&g->hub->guests, i, true);
    }

    ngx_conductor_zone_unlock(g->hub);
}


/* The answer to HGETALL. */

static void
ngx_conductor_peers_hash(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    uint32_t                  index;
    ngx_int_t                 rc;
    cdr_guest_peer_t          peer;
    ngx_conductor_reading_t  *p;
    ngx_conductor_guests_t   *g;

    g = ngx_conductor_guests(join);
    index = (uint32_t) (uintptr_t) data;
    p = &g->peers[index];

    p->reading = 0;

    if (reply == NULL || !g->up || reply->type != REDIS_REPLY_ARRAY
        || ngx_conductor_peers_get(g, index, &peer) != NGX_OK
        || peer.server != p->server)
    {
        return;
    }

    rc = ngx_conductor_peers_all(g, index, reply);

    if (rc == NGX_OK
        && ngx_conductor_peers_get(g, index, &peer) == NGX_OK
        && peer.version < p->wanted)
    {
        /* a message was faster */

        ngx_conductor_peers_read(g, index);
    }
}


/* NGX_DECLINED if there is nothing, yet or any more. */

static ngx_int_t
ngx_conductor_peers_all(ngx_conductor_guests_t *g, uint32_t index,
    redisReply *reply)
{
    u_char                buf[NGX_INT64_LEN + 512];
    uint64_t              version;
    ngx_str_t             key;
    ngx_conductor_hub_t  *hub;

    hub = g->hub;

    if (ngx_conductor_peers_name(g, g->peers[index].server, &key, buf,
                                 sizeof(buf))
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_conductor_zone_lock(hub);
    cdr_guest_begin(&hub->guests, index);
    ngx_conductor_zone_unlock(hub);

    ngx_conductor_lines_begin(g, index);

    version = ngx_conductor_peers_fields(g, &key, reply);

    ngx_conductor_lines_flush();

    if (version == 0 || ngx_conductor_lines.damaged
        || ngx_conductor_peers_sweep(g, index, ngx_conductor_now()
                                               + hub->presence_leave)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_conductor_zone_lock(hub);

    cdr_guest_set_version(&hub->guests, index, 0, version);
    cdr_guest_stale(&hub->guests, index, false);
    cdr_guest_seen(&hub->guests, index, ngx_conductor_now());

    ngx_conductor_zone_unlock(hub);

    ngx_conductor_watch_wake(hub);

    return NGX_OK;
}


/* All lines of a hash; returns its version, or 0 if it has none. */

static uint64_t
ngx_conductor_peers_fields(ngx_conductor_guests_t *g, ngx_str_t *key,
    redisReply *reply)
{
    size_t      i;
    uint64_t    version;
    cdr_str_t   line;

    version = 0;

    for (i = 0; i + 1 < reply->elements; i += 2) {

        if (reply->element[i]->len == sizeof("version") - 1
            && ngx_memcmp(reply->element[i]->str, "version",
                          sizeof("version") - 1)
               == 0)
        {
            line.data = (u_char *) reply->element[i + 1]->str;
            line.len = reply->element[i + 1]->len;
            (void) cdr_guest_number(line, &version);
            continue;
        }

        if (ngx_conductor_peers_value(g, key, reply->element[i],
                                      reply->element[i + 1], &line)
            == NGX_OK)
        {
            ngx_conductor_lines_add(line);
        }
    }

    return version;
}


/* The line of a field, if it is signed where it has to be. */

static ngx_int_t
ngx_conductor_peers_value(ngx_conductor_guests_t *g, ngx_str_t *key,
    redisReply *field, redisReply *value, cdr_str_t *line)
{
    u_char     buf[512 + CDR_GUEST_FIELD_MAX];
    cdr_str_t  what;

    line->data = (u_char *) value->str;
    line->len = value->len;

    if (g->join->conf->secret.len == 0) {
        return NGX_OK;
    }

    what.data = buf;
    what.len = ngx_snprintf(buf, sizeof(buf), "%V %*s", key, field->len,
                            field->str)
               - buf;

    if (cdr_sign_text_check(&g->sign, what, line) != CDR_OK) {
        ngx_conductor_peers_wrong(g, "is not signed by a server of the hub");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* The key of a server's hash: as this one's, with another id. */

static ngx_int_t
ngx_conductor_peers_name(ngx_conductor_guests_t *g, uint64_t server,
    ngx_str_t *name, u_char *buf, size_t size)
{
    size_t  len;

    len = g->own.len - g->id.len;

    if (len + NGX_INT64_LEN > size) {
        return NGX_ERROR;
    }

    name->data = buf;
    name->len = ngx_sprintf(ngx_cpymem(buf, g->own.data, len), "%uL", server)
                - buf;

    return NGX_OK;
}


static void
ngx_conductor_lines_begin(ngx_conductor_guests_t *g, uint32_t index)
{
    ngx_conductor_lines.guests = g;
    ngx_conductor_lines.index = index;
    ngx_conductor_lines.n = 0;
    ngx_conductor_lines.damaged = 0;
}


/* Read without the lock, and taken with others under one. */

static void
ngx_conductor_lines_add(cdr_str_t line)
{
    ngx_conductor_lines_t  *l;

    l = &ngx_conductor_lines;

    if (cdr_guest_line_parse(&l->info[l->n], &l->gone[l->n], line,
                             l->text[l->n])
        != CDR_OK)
    {
        ngx_conductor_peers_wrong(l->guests, "is not a reviewer");
        return;
    }

    if (++l->n == NGX_CONDUCTOR_GUESTS_HOLD) {
        ngx_conductor_lines_flush();
    }
}


static void
ngx_conductor_lines_flush(void)
{
    int                      rc;
    uint64_t                 now;
    ngx_uint_t               i, full;
    ngx_conductor_hub_t     *hub;
    ngx_conductor_lines_t   *l;
    ngx_conductor_guests_t  *g;

    l = &ngx_conductor_lines;
    g = l->guests;
    hub = g->hub;
    now = ngx_conductor_now();
    full = 0;

    ngx_conductor_zone_lock(hub);

    for (i = 0; i < l->n && !l->damaged; i++) {

        rc = l->gone[i]
             ? cdr_guest_remove(&hub->guests, l->index, l->info[i].id,
                                l->info[i].anonymous, now,
                                now + hub->presence_leave)
             : cdr_guest_put(&hub->guests, l->index, &l->info[i], now);

        full |= (rc == CDR_FULL);
        l->damaged |= (rc == CDR_ERROR);
    }

    if (l->damaged) {
        ngx_conductor_presence_repair(hub);
    }

    ngx_conductor_zone_unlock(hub);

    l->n = 0;

    if (full && !g->full) {
        g->full = 1;

        ngx_log_error(NGX_LOG_ERR, g->join->log, 0,
                      "hub \"%V\" has no room for all reviewers of its other "
                      "servers: presence is not complete, enlarge \"zone\"",
                      &hub->name);
    }
}


/* Those who were not told of any more leave. */

static ngx_int_t
ngx_conductor_peers_sweep(ngx_conductor_guests_t *g, uint32_t index,
    uint64_t due)
{
    int                   rc;
    uint32_t              cursor;
    ngx_conductor_hub_t  *hub;

    hub = g->hub;
    cursor = 0;

    do {
        ngx_conductor_zone_lock(hub);

        rc = cdr_guest_sweep(&hub->guests, index, &cursor,
                             NGX_CONDUCTOR_PEERS_LOOKS, ngx_conductor_now(),
                             due);

        if (rc == CDR_ERROR) {
            ngx_conductor_presence_repair(hub);
        }

        ngx_conductor_zone_unlock(hub);

    } while (rc == CDR_AGAIN);

    return (rc == CDR_OK) ? NGX_OK : NGX_ERROR;
}


/* Whoever may write to Redis may write anything: counted, and said once. */

static void
ngx_conductor_peers_wrong(ngx_conductor_guests_t *g, const char *what)
{
    atomic_fetch_add(&g->hub->zone->joining.rejected, 1);

    if (g->wrong) {
        return;
    }

    g->wrong = 1;

    ngx_log_error(NGX_LOG_ERR, g->join->log, 0,
                  "what is said of presence in the Redis of hub \"%V\" %s: "
                  "left out", &g->hub->name, what);
}


/* The label is of no use but at once: it lies in the table. */

static ngx_int_t
ngx_conductor_peers_get(ngx_conductor_guests_t *g, uint32_t index,
    cdr_guest_peer_t *peer)
{
    int  rc;

    ngx_conductor_zone_lock(g->hub);
    rc = cdr_guest_peer(&g->hub->guests, index, peer);
    ngx_conductor_zone_unlock(g->hub);

    return (rc == CDR_OK) ? NGX_OK : NGX_DECLINED;
}
