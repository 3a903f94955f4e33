/* What watchers are told of presence, and whether it is so. */

#define _GNU_SOURCE

#include "soak.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>


static void bench_view_list(bench_t *b, bench_soak_client_t *s, json_t *list);
static void bench_view_diff(bench_t *b, bench_soak_client_t *s, json_t *diff);
static void bench_view_each(bench_t *b, bench_soak_client_t *s,
    json_t *array);
static void bench_view_object(bench_t *b, bench_soak_client_t *s,
    json_t *object);
static void bench_view_left(bench_t *b, bench_soak_client_t *s, int i,
    json_t *message);
static int bench_view_reviewer(bench_t *b, const char *id);
static uint64_t bench_view_age(bench_soak_client_t *w, uint64_t since,
    uint64_t now);
static void bench_view_compare(bench_t *b, bench_soak_client_t *w, int i,
    uint64_t now);


const char  *bench_view_statuses[4] = { "offline", "online", "away", "busy" };


void
bench_view_reset(bench_t *b, bench_soak_client_t *s)
{
    memset(s->view, 0, (size_t) b->conf.clients * sizeof(bench_seen_t));

    s->listed = false;
    s->since_listed = bench_clock();
}


/* False if it is about something else. */

bool
bench_view_message(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    json_t               *json;
    const char           *type;
    bench_soak_client_t  *s;

    s = &b->soak->clients[c->id];

    if (s->view == NULL || len < 18
        || memcmp(data, "{\"type\":\"presence-", 18) != 0)
    {
        return false;
    }

    json = json_loadb((const char *) data, len, 0, NULL);
    type = json_string_value(json_object_get(json, "type"));

    if (type == NULL) {
        json_decref(json);
        return false;
    }

    if (strcmp(type, "presence-list") == 0) {
        bench_view_list(b, s, json);

    } else if (!s->listed) {
        b->soak->early++;

    } else if (strcmp(type, "presence-update") == 0) {
        b->soak->updates++;
        bench_view_object(b, s, json);

    } else if (strcmp(type, "presence-diff") == 0) {
        bench_view_diff(b, s, json);
    }

    json_decref(json);

    return true;
}


static void
bench_view_list(bench_t *b, bench_soak_client_t *s, json_t *list)
{
    b->soak->lists++;
    bench_view_reset(b, s);
    bench_view_each(b, s, json_object_get(list, "reviewers"));

    if (json_is_true(json_object_get(list, "truncated"))) {
        bench_fail("a list of presence is truncated");
    }

    s->listed = true;
}


static void
bench_view_diff(bench_t *b, bench_soak_client_t *s, json_t *diff)
{
    int      r;
    size_t   i;
    json_t  *left;

    b->soak->diffs++;

    bench_view_each(b, s, json_object_get(diff, "joined"));
    bench_view_each(b, s, json_object_get(diff, "changed"));

    left = json_object_get(diff, "left");

    for (i = 0; i < json_array_size(left); i++) {
        r = bench_view_reviewer(b,
                                json_string_value(json_array_get(left, i)));
        if (r != -1) {
            bench_view_left(b, s, r, diff);
        }
    }
}


static void
bench_view_each(bench_t *b, bench_soak_client_t *s, json_t *array)
{
    size_t  i;

    for (i = 0; i < json_array_size(array); i++) {
        bench_view_object(b, s, json_array_get(array, i));
    }
}


static void
bench_view_object(bench_t *b, bench_soak_client_t *s, json_t *object)
{
    int            r;
    json_t        *id;
    uint8_t        k;
    const char    *status, *feature;
    bench_seen_t  *seen;

    id = json_object_get(object, "reviewerId");

    if (id == NULL) {
        id = json_object_get(object, "userId");
    }

    r = bench_view_reviewer(b, json_string_value(id));

    if (r == -1) {
        return;
    }

    status = json_string_value(json_object_get(object, "status"));
    feature = json_string_value(json_object_get(object, "currentFeature"));

    for (k = 0; status && k < 4; k++) {
        if (strcmp(status, bench_view_statuses[k]) == 0) {
            break;
        }
    }

    if (status == NULL || k == 4) {
        b->errors++;
        return;
    }

    if (k == 0) {
        bench_view_left(b, s, r, object);
        return;
    }

    seen = &s->view[r];
    seen->status = k;
    seen->feature = 0;

    if (feature) {
        (void) sscanf(feature, "feature-%u", &seen->feature);
    }
}


/*
 * Somebody is offline.  An update has the time of that, a diff a time after
 * it: neither is too early if it was right.
 */

static void
bench_view_left(bench_t *b, bench_soak_client_t *s, int i, json_t *message)
{
    uint64_t  at;

    at = (uint64_t) json_integer_value(json_object_get(message, "timestamp"))
         * BENCH_MS;

    if (at == 0) {
        b->errors++;

    } else if (bench_stay_flaps(b, i, at)) {
        b->soak->flaps++;
    }

    s->view[i].status = 0;
    s->view[i].feature = 0;
}


static int
bench_view_reviewer(bench_t *b, const char *id)
{
    int  i;

    if (id == NULL || sscanf(id, "user-%d", &i) != 1 || i < 0
        || i >= b->conf.clients)
    {
        b->errors++;
        return -1;
    }

    return i;
}


int
bench_view_state(bench_t *b, int i, uint64_t now, uint64_t *since)
{
    bench_soak_client_t  *s;

    s = &b->soak->clients[i];

    switch (b->conns[i].state) {

    case BENCH_OPEN:
        *since = s->changed;
        return 1;

    case BENCH_CLOSED:
        if (!s->leaves) {
            return -1;
        }

        /* who was sent on may be back until it should have been */

        *since = s->closed + s->retry;
        return (*since <= now) ? 0 : -1;

    default:
        return -1;
    }
}


void
bench_view_check(bench_t *b, uint64_t now)
{
    int                   i, w;
    uint64_t              since;
    bench_soak_client_t  *s;

    b->soak->oldest = 0;
    b->soak->unlike = 0;
    b->soak->watching = 0;
    b->soak->unsure = 0;

    for (i = 0; i < b->conf.clients; i++) {
        b->soak->unsure += (bench_view_state(b, i, now, &since) == -1);
    }

    for (w = 0; w < b->conf.watchers; w++) {
        s = &b->soak->clients[w];

        if (b->conns[w].state != BENCH_OPEN) {
            continue;
        }

        if (!s->listed) {

            if (now - s->since_listed > BENCH_SETTLED) {
                b->soak->missing++;
                s->since_listed = now;
            }

            continue;
        }

        b->soak->watching++;

        for (i = 0; i < b->conf.clients; i++) {
            bench_view_compare(b, s, i, now);
        }
    }
}


static uint64_t
bench_view_age(bench_soak_client_t *w, uint64_t since, uint64_t now)
{
    if (since < w->since_listed) {
        since = w->since_listed;
    }

    return now > since ? now - since : 0;
}


/* Each is blamed once for a change, whoever sees it wrong. */

static void
bench_view_compare(bench_t *b, bench_soak_client_t *w, int i, uint64_t now)
{
    int                   state;
    uint64_t              since, age;
    bench_soak_t         *soak;
    bench_seen_t         *seen;
    bench_soak_client_t  *s;

    soak = b->soak;
    s = &soak->clients[i];
    seen = &w->view[i];

    state = bench_view_state(b, i, now, &since);

    if (state == -1 || (state == 0 && seen->status == 0)
        || (state == 1 && seen->status == s->said.status
            && seen->feature == s->said.feature))
    {
        return;
    }

    age = bench_view_age(w, since, now);
    soak->unlike++;

    if (age > soak->oldest) {
        soak->oldest = age;
    }

    if (age <= BENCH_SETTLED || s->blamed) {
        return;
    }

    s->blamed = true;

    fprintf(stderr, "user-%d is seen as %s feature-%u, but is %s feature-%u\n",
            i, bench_view_statuses[seen->status], seen->feature,
            state ? bench_view_statuses[s->said.status] : "gone",
            s->said.feature);

    if (state == 0) {
        soak->ghosts++;

    } else if (seen->status == 0) {
        soak->missing++;

    } else {
        soak->stale++;
    }
}
