/* What the tests of the receiver share: a connection, fed in every chunking. */

#ifndef RECEIVER_TEST_H_INCLUDED
#define RECEIVER_TEST_H_INCLUDED


#include "cdr_test.h"
#include "cdr_frames.h"
#include "cdr_receiver.h"


#define MAX   UINT64_MAX
#define MIB   (1u << 20)

#define S(lit)  cdr_str(lit)

#define count_of(a)  (sizeof(a) / sizeof((a)[0]))

#define HELLO       "\xf2\x48\xcd\xc9\xc9\x07\x00"      /* RFC 7692, 7.2.3.1 */
#define HELLO_FIN   "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"  /* 7.2.3.4 */
#define HELLO_BARE  "\xf3\x48\xcd\xc9\xc9\x07\x00"


/* Counts bytes too, each piece having its size in front. */

typedef struct {
    cdr_test_alloc_t   count;
    size_t             live;
    size_t             asked;       /* all that was ever asked for */
} meter_t;


/* A connection, and what it came to in one text, whatever the chunking. */

typedef struct {
    meter_t                meter;
    cdr_alloc_t            alloc;
    cdr_inflated_t         inflated;
    cdr_receiver_conf_t    conf;
    cdr_receiver_t         receiver;
    bytes_t                lines;   /* one for each message, control frame
                                       and error */
    unsigned               broken;  /* promises not kept */
    size_t                 fed;
} peer_t;


typedef struct {
    int                    first;
    cdr_str_t              payload;
} frame_t;


typedef struct {
    const char            *name;
    cdr_ws_limits_t        ws;
    bool                   binary;
    frame_t                frames[8];       /* until one that is 0 */
    const char            *expected;
} talk_t;


static inline void
add_frames(bytes_t *b, const frame_t *frames, size_t n)
{
    size_t  i;

    for (i = 0; i < n && frames[i].payload.data; i++) {
        add_frame(b, frames[i].first, frames[i].payload.data,
                  frames[i].payload.len);
    }
}


/* Adds a compressed message in frames of at most "step" bytes. */

static inline void
add_deflated(bytes_t *b, int opcode, const void *data, size_t len, size_t step)
{
    int              first;
    size_t           i, n, size;
    uint8_t         *p;
    cdr_alloc_t      alloc;
    cdr_deflater_t  *d;
    cdr_test_alloc_t  count = { 0, 0, 0 };

    alloc.alloc = cdr_test_alloc;
    alloc.free = cdr_test_free;
    alloc.ctx = &count;

    d = cdr_deflater_new(&alloc, 6);
    size = cdr_deflate_bound(len);
    p = malloc(size);

    (void) cdr_deflate(d, data, len, p, size, &size);

    for (i = 0; i < size; i += n) {
        n = (size - i < step) ? size - i : step;
        first = (i == 0) ? CDR_WS_RSV1 | opcode : 0;
        first |= (i + n == size) ? CDR_WS_FIN : 0;
        add_frame(b, first, p + i, n);
    }

    free(p);
    cdr_deflater_del(d);
}


static inline void *
meter_alloc(void *ctx, size_t size)
{
    char     *p;
    meter_t  *m = ctx;

    p = cdr_test_alloc(&m->count, 16 + size);

    if (p == NULL) {
        return NULL;
    }

    m->live += size;
    m->asked += size;
    memcpy(p, &size, sizeof(size_t));

    return p + 16;
}


static inline void
meter_free(void *ctx, void *p)
{
    char     *head;
    size_t    size;
    meter_t  *m = ctx;

    if (p == NULL) {
        return;
    }

    head = (char *) p - 16;
    memcpy(&size, head, sizeof(size_t));
    m->live -= size;

    cdr_test_free(&m->count, head);
}


static inline void
peer_init(peer_t *p, const cdr_ws_limits_t *ws, bool binary)
{
    memset(p, 0, sizeof(peer_t));

    p->alloc.alloc = meter_alloc;
    p->alloc.free = meter_free;
    p->alloc.ctx = &p->meter;

    p->conf.ws = *ws;
    p->conf.binary = binary;
    p->conf.alloc = &p->alloc;
    p->conf.inflated = &p->inflated;

    memset(&p->receiver, 0xee, sizeof(cdr_receiver_t));
    cdr_receiver_init(&p->receiver);
}


/* Returns false if something was left behind. */

static inline bool
peer_free(peer_t *p)
{
    bool  clean;

    cdr_receiver_free(&p->receiver, &p->conf);
    cdr_inflated_free(&p->inflated, &p->alloc);

    clean = (p->meter.count.held == 0 && p->meter.live == 0);

    free(p->lines.data);
    memset(&p->lines, 0, sizeof(bytes_t));

    return clean;
}


static inline void
peer_note(peer_t *p, int rc, const cdr_received_t *ev)
{
    char  line[100];

    static const char *const  names[] = { "", "ping:", "pong:" };

    if (rc == CDR_NOMEM) {
        add_text(&p->lines, "no memory\n");
        return;
    }

    if (rc == CDR_ERROR) {
        snprintf(line, sizeof(line), "error %d %s\n", ev->code, ev->reason);
        add_text(&p->lines, line);
        return;
    }

    if (ev->type == CDR_RECEIVED_CLOSE) {
        snprintf(line, sizeof(line), "close %d\n", ev->code);
        add_text(&p->lines, line);
        p->broken += (ev->opcode != CDR_WS_OP_CLOSE);
        return;
    }

    if (ev->type == CDR_RECEIVED_MESSAGE) {
        add_text(&p->lines, ev->opcode == CDR_WS_OP_TEXT ? "text:"
                            : ev->opcode == CDR_WS_OP_BINARY ? "binary:" : "?");
        p->broken += (ev->len > p->conf.ws.max_message);

    } else {
        add_text(&p->lines, names[ev->type]);
    }

    add(&p->lines, ev->data, ev->len);
    add_text(&p->lines, "\n");
}


/*
 * What the receiver holds is at most a small head and twice what arrived, and
 * nothing between two messages; one inflater of all has the rest.
 */

static inline void
peer_check_memory(peer_t *p)
{
    size_t  own;

    own = p->meter.live - p->inflated.size;

    if (p->inflated.inflater == NULL) {
        p->broken += (own > 512 + 2 * p->fed);
    }

    if (p->receiver.parser.message == 0
        && !cdr_receiver_in_frame(&p->receiver))
    {
        p->broken += (p->receiver.partial != NULL);
    }
}


/* Feeds one piece, in memory of exactly its size. */

static inline int
peer_feed(peer_t *p, const void *data, size_t len)
{
    int              rc;
    size_t           used;
    uint8_t         *piece, *pos, *end;
    cdr_received_t   ev;

    piece = malloc(len ? len : 1);
    memcpy(piece, data, len);
    pos = piece;
    end = piece + len;
    p->fed += len;

    for ( ;; ) {
        memset(&ev, 0xee, sizeof(ev));
        used = 12345;
        rc = cdr_receiver_feed(&p->receiver, &p->conf, pos,
                               (size_t) (end - pos), &used, &ev);

        p->broken += (used > (size_t) (end - pos));
        pos += used;

        if (rc == CDR_AGAIN) {
            p->broken += (pos != end);
            peer_check_memory(p);
            break;
        }

        peer_note(p, rc, &ev);

        if (rc != CDR_OK) {
            break;
        }
    }

    free(piece);

    return rc;
}


/* Feeds an input cut after each of "cuts" (ascending). */

static inline int
peer_run(peer_t *p, const bytes_t *in, const size_t *cuts, size_t n)
{
    int     rc;
    size_t  i, from, to;

    rc = CDR_AGAIN;

    for (i = 0, from = 0; rc == CDR_AGAIN && i <= n; i++, from = to) {
        to = (i < n) ? cuts[i] : in->len;
        rc = peer_feed(p, in->data + from, to - from);
    }

    return rc;
}


/* In pieces of "step" bytes. */

static inline int
peer_steps(peer_t *p, const bytes_t *in, size_t step)
{
    int     rc;
    size_t  i, n;

    rc = CDR_AGAIN;

    for (i = 0; rc == CDR_AGAIN && i < in->len; i += n) {
        n = (in->len - i < step) ? in->len - i : step;
        rc = peer_feed(p, in->data + i, n);
    }

    return rc;
}


static inline bool
peer_said(const peer_t *p, const char *expected)
{
    bool  same;

    same = p->broken == 0 && p->lines.len == strlen(expected)
           && (p->lines.len == 0
               || memcmp(p->lines.data, expected, p->lines.len) == 0);

    if (!same) {
        printf("# broken: %u, got:\n%.*s", p->broken, (int) p->lines.len,
               p->lines.len ? (const char *) p->lines.data : "");
    }

    return same;
}


static inline bool
run(const talk_t *t, const bytes_t *in, const size_t *cuts, size_t n)
{
    bool    same;
    peer_t  p;

    peer_init(&p, &t->ws, t->binary);
    (void) peer_run(&p, in, cuts, n);
    same = peer_said(&p, t->expected);

    return peer_free(&p) && same;
}


/* Whole, byte by byte, all cuts in two, in three if short, 100 random ones. */

static inline bool
run_all_ways(const talk_t *t, const bytes_t *in)
{
    bool      good;
    size_t    i, j, n, *cuts, two[2];
    uint32_t  r;

    cuts = malloc((in->len + 1) * sizeof(size_t));
    good = run(t, in, NULL, 0);

    for (i = 0; i < in->len; i++) {
        cuts[i] = i + 1;
    }

    good = good && run(t, in, cuts, in->len - 1);

    for (i = 0; good && i <= in->len; i++) {
        good = run(t, in, &i, 1);
    }

    for (i = 0; good && in->len <= 60 && i < in->len; i++) {
        for (j = i; good && j < in->len; j++) {
            two[0] = i;
            two[1] = j;
            good = run(t, in, two, 2);
        }
    }

    for (r = 1, j = 0; good && j < 100; j++) {
        for (n = 0, i = 0; i < in->len; i++) {
            r = r * 1664525 + 1013904223;

            if ((r >> 16) % (j % 23 + 2) == 0) {
                cuts[n++] = i;
            }
        }

        good = run(t, in, cuts, n);
    }

    free(cuts);

    return good;
}


static inline void
ok_talks(const talk_t *talks, size_t n)
{
    size_t   i;
    bytes_t  in;

    for (i = 0; i < n; i++) {
        memset(&in, 0, sizeof(in));
        add_frames(&in, talks[i].frames, count_of(talks[i].frames));
        ok(run_all_ways(&talks[i], &in), "in every chunking: %s",
           talks[i].name);
        free(in.data);
    }
}


#endif /* RECEIVER_TEST_H_INCLUDED */
