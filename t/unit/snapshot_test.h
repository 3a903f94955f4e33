/* What the tests of snapshots share: a log, a disk, and what is read back. */

#ifndef SNAPSHOT_TEST_H_INCLUDED
#define SNAPSHOT_TEST_H_INCLUDED


#include "cdr.h"
#include "cdr_snapshot.h"

#include "cdr_test.h"


#define EPOCH    1700000000000U
#define HEADER   32
#define CHUNK    65536
#define MAX      (64 * CHUNK)
#define SECRET   "the payload that nobody may read"


/* What is written, as a file; and what is to happen meanwhile. */

typedef struct {
    uint8_t          *data;
    size_t            len;
    unsigned          calls;
    unsigned          fail_at;
    unsigned          overwrites;   /* writes during which the log moves on */
    cdr_log_t        *log;
} disk_t;


/* What is read back. */

typedef struct {
    unsigned          events;
    unsigned          revoked;
    bool              right;
    uint64_t          first;        /* n of positions */
    uint64_t          last;
    unsigned          stop_at;
} back_t;


static const uint8_t  key[CDR_SNAPSHOT_KEY_LEN] = "a key of some bytes";
static const uint8_t  other[CDR_SNAPSHOT_KEY_LEN] = "another one of them";

static cdr_test_alloc_t   counted;
static const cdr_alloc_t  alloc = {
    cdr_test_alloc, cdr_test_free, &counted
};

static const cdr_snapshot_revoked_t  revoked[] = {
    { CDR_REVOKE_USER, { 1, 2 }, EPOCH + 5, EPOCH + 4 },
    { CDR_REVOKE_JTI, { 3, UINT64_MAX }, EPOCH + 7, EPOCH + 6 },
};


static void
append(cdr_log_t *log, unsigned n, size_t len)
{
    uint8_t           *p;
    cdr_str_t          type = cdr_str("task");
    cdr_log_tx_t       tx;
    cdr_log_fields_t   fields;

    while (n--) {
        memset(&fields, 0, sizeof(fields));

        fields.server = 11;
        fields.boot = 12;

        (void) cdr_log_begin(log, &tx, cdr_log_record_size(4, len), 1);

        fields.n = tx.seq;
        fields.time_ms = EPOCH + tx.seq;
        fields.flags = (uint32_t) tx.seq % 3;

        p = cdr_log_add(log, &tx, &fields, type, len);

        memset(p, (int) (tx.seq - 1), len);
        memcpy(p, SECRET, len < sizeof(SECRET) ? len : sizeof(SECRET));

        cdr_log_commit(log, &tx);
    }
}


static cdr_log_t
make_log(size_t size)
{
    void              *mem;
    cdr_log_t          log;
    cdr_log_params_t   params;

    memset(&params, 0, sizeof(params));

    params.size = size;
    params.events = 4096;
    params.epoch_ms = EPOCH;
    params.base.ms = EPOCH;

    mem = aligned_alloc(64, (cdr_log_size(&params) + 63) / 64 * 64);

    (void) cdr_log_init(mem, &params);
    (void) cdr_log_attach(&log, mem, cdr_log_size(&params));

    return log;
}


static int
disk_write(void *ctx, const uint8_t *data, size_t len)
{
    disk_t  *disk = ctx;

    if (++disk->calls == disk->fail_at) {
        return 77;
    }

    if (disk->overwrites) {
        disk->overwrites--;
        append(disk->log, 300, 1000);
    }

    if (len > MAX - disk->len) {
        return 78;
    }

    memcpy(disk->data + disk->len, data, len);
    disk->len += len;

    return CDR_OK;
}


static int
save(disk_t *disk, const cdr_log_t *log, const uint8_t *k)
{
    cdr_snapshot_t  s;

    memset(&s, 0, sizeof(s));

    s.head.kind = CDR_SNAPSHOT_EVENTS;
    s.head.time_ms = EPOCH + 99;
    s.head.boot = 12;
    s.head.epoch_ms = EPOCH;
    s.head.owner[0] = 13;
    s.head.owner[1] = 14;
    s.head.name.data = (const uint8_t *) "node-1a2b";
    s.head.name.len = 9;
    s.head.nepochs = 2;
    s.head.epochs[0].ms = EPOCH - 2;
    s.head.epochs[0].last_n = 5;
    s.head.epochs[1].ms = EPOCH - 1;
    s.head.epochs[1].last_n = 6;
    s.head.gap.ms = EPOCH - 1;
    s.head.gap.n = 3;
    s.head.final = (k != NULL);
    s.log = log;
    s.revoked = revoked;
    s.nrevoked = 2;
    s.key = k;
    memset(s.salt, 0x5a, sizeof(s.salt));

    disk->len = 0;
    disk->calls = 0;

    return cdr_snapshot_save(&s, disk_write, disk, &alloc);
}


/* Is the file refused, and nothing left behind? */

static bool
refused(const uint8_t *data, size_t len, const uint8_t *k)
{
    int                   rc;
    bool                  said;
    uint8_t              *copy;
    const char           *error;
    cdr_snapshot_file_t  *file;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);

    error = NULL;
    file = NULL;

    rc = cdr_snapshot_open(&file, copy, len, k, &alloc, &error);
    said = error && *error;

    free(copy);

    if (rc == CDR_OK) {
        cdr_snapshot_close(file);
    }

    return (rc == CDR_ERROR || rc == CDR_DECLINED) && said
           && counted.held == 0;
}


static int
on_event(void *ctx, const cdr_log_event_t *e)
{
    back_t            *back = ctx;
    cdr_log_fields_t   f = e->fields;

    if (++back->events == back->stop_at) {
        return 55;
    }

    if (back->events == 1) {
        back->first = f.pos.n;
    }

    back->right = back->right && f.pos.ms == EPOCH && f.pos.local == 0
                  && f.pos.n == back->first + back->events - 1
                  && e->seq == back->events
                  && f.n == f.pos.n && f.server == 11 && f.boot == 12
                  && f.time_ms == EPOCH + f.n && f.flags == f.n % 3
                  && e->type.len == 4 && memcmp(e->type.data, "task", 4) == 0
                  && memcmp(e->payload.data, SECRET, 8) == 0;

    back->last = f.pos.n;

    return CDR_OK;
}


static int
on_revoked(void *ctx, const cdr_snapshot_revoked_t *r)
{
    back_t                        *back = ctx;
    const cdr_snapshot_revoked_t  *own;

    own = &revoked[back->revoked++];

    back->right = back->right && own->kind == r->kind
                  && own->hash[0] == r->hash[0] && own->hash[1] == r->hash[1]
                  && own->until_ms == r->until_ms
                  && own->issued_ms == r->issued_ms;

    return CDR_OK;
}


static cdr_snapshot_file_t *
open_file(const disk_t *disk, const uint8_t *k)
{
    const char           *error;
    cdr_snapshot_file_t  *file;

    return cdr_snapshot_open(&file, disk->data, disk->len, k, &alloc, &error)
           == CDR_OK ? file : NULL;
}


static back_t
read_file(const cdr_snapshot_file_t *file)
{
    back_t                 back;
    cdr_snapshot_reader_t  reader = { on_event, on_revoked, &back };

    memset(&back, 0, sizeof(back));
    back.right = true;

    if (cdr_snapshot_read(file, &reader) != CDR_OK) {
        back.right = false;
    }

    return back;
}


#endif /* SNAPSHOT_TEST_H_INCLUDED */
