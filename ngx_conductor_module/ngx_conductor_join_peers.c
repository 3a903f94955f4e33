/* The reviewers of the hub's other servers, from Redis into the zone. */

#include "ngx_conductor_guests.h"


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

    } else if (!note.all && !g->peers[index].reading && peer.version
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
    ngx_int_t  rc;

    ngx_conductor_lines_begin(g, index);

    while (cdr_guest_next_line(&lines, &line)) {
        ngx_conductor_lines_add(line);
    }

    rc = ngx_conductor_lines_flush();

    ngx_conductor_zone_lock(g->hub);

    cdr_guest_set_version(&g->hub->guests, index, 0,
                          (rc == NGX_OK) ? note->version : 0);
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


void
ngx_conductor_lines_begin(ngx_conductor_guests_t *g, uint32_t index)
{
    ngx_conductor_lines.guests = g;
    ngx_conductor_lines.index = index;
    ngx_conductor_lines.n = 0;
    ngx_conductor_lines.damaged = 0;
}


/* Read without the lock, and taken with others under one. */

void
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
        (void) ngx_conductor_lines_flush();
    }
}


ngx_int_t
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

    if (full) {
        ngx_conductor_peers_full(g);
    }

    return l->damaged ? NGX_ERROR : NGX_OK;
}


void
ngx_conductor_peers_full(ngx_conductor_guests_t *g)
{
    if (g->full) {
        return;
    }

    g->full = 1;

    ngx_log_error(NGX_LOG_ERR, g->join->log, 0,
                  "hub \"%V\" has no room for all reviewers of its other "
                  "servers: presence is not complete, enlarge \"zone\"",
                  &g->hub->name);
}


/* Those who were not told of any more leave. */

ngx_int_t
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

void
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

ngx_int_t
ngx_conductor_peers_get(ngx_conductor_guests_t *g, uint32_t index,
    cdr_guest_peer_t *peer)
{
    int  rc;

    ngx_conductor_zone_lock(g->hub);
    rc = cdr_guest_peer(&g->hub->guests, index, peer);
    ngx_conductor_zone_unlock(g->hub);

    return (rc == CDR_OK) ? NGX_OK : NGX_DECLINED;
}
