/*
 * The event log against a list: appends, batches given up, expiry, readers
 * and searches, as the input says.  Every event held must read as written,
 * nothing may be dropped that still fitted, and every search must end where
 * a walk along the list ends.
 */

#include "cdr.h"
#include "cdr_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>


#define EPOCH    1000
#define EVENTS   2048
#define READERS  3


typedef struct {
    uint64_t          time;
    uint64_t          start;
    uint64_t          end;
    size_t            len;
    cdr_log_pos_t     pos;
} event_t;


typedef struct {
    cdr_log_t         log;
    void             *mem;
    event_t           events[EVENTS + 1];   /* by number */
    uint64_t          head;
    uint64_t          tail;
    cdr_log_cursor_t  readers[READERS];
    const uint8_t    *in;
    size_t            left;
} model_t;


static unsigned
byte(model_t *m)
{
    if (m->left == 0) {
        return 0;
    }

    m->left--;

    return *m->in++;
}


static void
check_event(model_t *m, const cdr_log_event_t *e)
{
    size_t          i;
    const event_t  *own;

    assert(e->seq >= m->tail && e->seq <= m->head);

    own = &m->events[e->seq];

    assert(e->payload.len == own->len);
    assert(e->fields.time_ms == own->time);
    assert(memcmp(&e->fields.pos, &own->pos, sizeof(own->pos)) == 0);
    assert(e->type.len == e->seq % 5);

    for (i = 0; i < e->type.len; i++) {
        assert(e->type.data[i] == 't');
    }

    for (i = 0; i < e->payload.len; i++) {
        assert(e->payload.data[i] == (uint8_t) (e->seq + i));
    }
}


/* All of the log, read from the oldest event. */

static void
check(model_t *m)
{
    int               rc;
    uint64_t          n;
    cdr_log_fill_t    fill;
    cdr_log_event_t   e;
    cdr_log_cursor_t  cur;

    cdr_log_fill(&m->log, &fill);

    assert(fill.head == m->head && fill.tail == m->tail);
    assert(fill.events == m->head + 1 - m->tail);
    assert(fill.events <= fill.events_max);

    cdr_log_cursor_oldest(&m->log, &cur);

    for (n = 0; (rc = cdr_log_next(&m->log, &cur, &e)) == CDR_OK; n++) {
        check_event(m, &e);
        assert(cdr_log_valid(&m->log, e.seq));
    }

    assert(rc == CDR_AGAIN && n == fill.events);
}


/* Where an event goes, and what has to make room for it. */

static void
place(model_t *m, uint64_t seq, size_t size)
{
    event_t   *events;
    uint64_t   start, room;

    events = m->events;
    start = events[seq - 1].end;
    room = m->log.size - start % m->log.size;

    if (size > room) {
        start += room;
    }

    events[seq].start = start;
    events[seq].end = start + size;

    while (m->tail <= m->head
           && (seq - m->tail >= m->log.events
               || events[m->tail].start + m->log.size < start + size))
    {
        m->tail++;
    }
}


static void
do_append(model_t *m, unsigned op)
{
    bool               commit;
    size_t             len[4], bytes, i, n;
    uint8_t           *p;
    event_t           *own;
    cdr_str_t          type;
    unsigned           how;
    uint64_t           seq;
    cdr_log_tx_t       tx;
    cdr_log_fields_t   f;

    n = 1 + op % 4;
    commit = byte(m) % 4 != 0;
    how = byte(m);

    if (m->head + n > EVENTS) {
        return;
    }

    for (bytes = 0, i = 0; i < n; i++) {
        len[i] = byte(m) * (how % 8);
        bytes += cdr_log_record_size((m->head + 1 + i) % 5, len[i]);
    }

    switch (cdr_log_begin(&m->log, &tx, bytes, n)) {

    case CDR_OK:
        assert(bytes <= m->log.size / 4);
        break;

    case CDR_TOOBIG:
        assert(bytes > m->log.size / 4 || n > m->log.events / 4);
        return;

    default:
        assert(0);
    }

    memset(&f, 0, sizeof(f));

    for (i = 0; i < n; i++) {
        seq = m->head + 1 + i;
        own = &m->events[seq];

        place(m, seq, cdr_log_record_size(seq % 5, len[i]));

        own->len = len[i];
        own->time = f.time_ms = how * 4;

        /* Redis' turn: the last position and one local, or a step. */

        own->pos = m->events[seq - 1].pos;

        if (how & 0x80) {
            own->pos.local++;

        } else {
            own->pos.n += 1 + how % 3;
            own->pos.local = 0;
        }

        f.pos = own->pos;
        type.data = (const uint8_t *) "tttt";
        type.len = seq % 5;

        p = cdr_log_add(&m->log, &tx, &f, type, len[i]);
        assert(p != NULL);

        while (len[i]) {
            len[i]--;
            p[len[i]] = (uint8_t) (seq + len[i]);
        }
    }

    if (commit) {
        cdr_log_commit(&m->log, &tx);
        m->head += n;
    }
}


static void
do_read(model_t *m, cdr_log_cursor_t *cur)
{
    int              rc;
    uint64_t         seq;
    cdr_log_event_t  e;

    seq = cur->seq;
    rc = cdr_log_next(&m->log, cur, &e);

    if (rc == CDR_OK) {
        assert(cur->seq == seq + 1 && e.seq == cur->seq);
        check_event(m, &e);
        return;
    }

    assert(cur->seq == seq);
    assert(rc == (seq == m->head ? CDR_AGAIN : CDR_DECLINED));

    if (rc == CDR_DECLINED) {
        assert(seq + 1 < m->tail);
        cdr_log_cursor_oldest(&m->log, cur);
    }
}


static int
cmp(const cdr_log_pos_t *a, const cdr_log_pos_t *b)
{
    return a->n != b->n ? (a->n < b->n ? -1 : 1)
           : a->local != b->local ? (a->local < b->local ? -1 : 1) : 0;
}


static void
do_find(model_t *m)
{
    int               rc;
    uint64_t          seq;
    cdr_log_pos_t     pos;
    cdr_log_found_t   found;
    cdr_log_cursor_t  cur;

    pos.ms = EPOCH;
    pos.n = byte(m) * 4 + byte(m);
    pos.local = byte(m) % 8;

    rc = cdr_log_find(&m->log, &pos, &cur, &found);

    for (seq = m->head; seq + 1 > m->tail; seq--) {
        if (cmp(&m->events[seq].pos, &pos) <= 0) {
            break;
        }
    }

    if (seq + 1 == m->tail && cmp(&m->events[seq].pos, &pos) > 0) {
        assert(rc == CDR_DECLINED && found == CDR_LOG_EXPIRED);
        assert(cur.seq == m->tail - 1);
        return;
    }

    assert(cur.seq == seq);

    if (cmp(&m->events[seq].pos, &pos) == 0) {
        assert(rc == CDR_OK && found == CDR_LOG_FOUND);

    } else {
        assert(rc == CDR_DECLINED && found == CDR_LOG_UNKNOWN);
    }
}


static void
do_expire(model_t *m)
{
    size_t    n, max;
    uint64_t  before;

    before = byte(m) * 4;
    max = byte(m) % 16;

    n = cdr_log_expire(&m->log, before, max);
    assert(n <= max);

    for (max -= n; n; n--) {
        assert(m->events[m->tail].time < before);
        m->tail++;
    }

    assert(max == 0 || m->tail > m->head
           || m->events[m->tail].time >= before);
}


static void
do_parse(model_t *m)
{
    size_t          len;
    uint8_t         out[CDR_EVENT_ID_LEN];
    cdr_event_id_t  id;

    len = byte(m);
    len = len < m->left ? len : m->left;

    if (cdr_event_id_parse(&id, m->in, len) == CDR_OK) {
        assert(cdr_event_id_print(out, &id) == len);
        assert(memcmp(out, m->in, len) == 0);
    }

    m->in += len;
    m->left -= len;
}


static void
step(model_t *m, unsigned op)
{
    uint64_t  seen;

    switch (op / 16) {

    case 0:
        do_read(m, &m->readers[op % READERS]);
        break;

    case 1:
        do_find(m);
        break;

    case 2:
        do_expire(m);
        check(m);
        break;

    case 3:
        cdr_log_cursor_end(&m->log, &m->readers[op % READERS]);
        assert(m->readers[op % READERS].seq == m->head);
        break;

    case 4:
        assert(cdr_log_repair(&m->log) == CDR_OK);
        assert(cdr_log_attach(&m->log, m->mem, SIZE_MAX) == CDR_OK);
        check(m);
        break;

    case 5:
        do_parse(m);
        break;

    default:
        seen = m->tail;
        do_append(m, op);
        assert(m->tail >= seen);
        check(m);
        break;
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t             bytes;
    model_t           *m;
    cdr_log_params_t   params;

    m = calloc(1, sizeof(model_t));

    m->in = data;
    m->left = size;

    params.size = CDR_LOG_SIZE_MIN + byte(m) * 3;
    params.events = CDR_LOG_EVENTS_MIN + byte(m) % 64;
    params.epoch_ms = EPOCH;
    params.base.ms = EPOCH;
    params.base.n = 0;
    params.base.local = 0;

    /* Flush against the end of its allocation. */

    bytes = cdr_log_size(&params);
    m->mem = malloc(bytes);
    m->tail = 1;
    m->events[0].pos = params.base;

    if ((uintptr_t) m->mem % 64) {
        free(m->mem);
        m->mem = aligned_alloc(64, (bytes + 63) / 64 * 64);
    }

    memset(m->mem, 0x5a, bytes);
    assert(cdr_log_init(m->mem, &params) == CDR_OK);
    assert(cdr_log_attach(&m->log, m->mem, bytes) == CDR_OK);

    while (m->left) {
        step(m, byte(m));
    }

    check(m);

    free(m->mem);
    free(m);

    return 0;
}
