/* Snapshots: what was kept is there again, and nothing else is believed. */

#include "snapshot_test.h"


static void
test_kept(disk_t *disk, const uint8_t *k, const char *how)
{
    back_t                      back;
    cdr_log_t                   log;
    cdr_snapshot_file_t        *file;
    const cdr_snapshot_head_t  *h;

    log = make_log(4 * CHUNK);
    append(&log, 150, 1001);

    ok(save(disk, &log, k) == CDR_OK, "a log of 150 events is kept%s", how);

    file = open_file(disk, k);
    ok(file, "and opened again");

    h = cdr_snapshot_head(file);
    ok(h->kind == CDR_SNAPSHOT_EVENTS && h->time_ms == EPOCH + 99
       && h->encrypted == (k != NULL) && h->boot == 12
       && h->epoch_ms == EPOCH
       && h->owner[0] == 13 && h->owner[1] == 14
       && h->name.len == 9 && memcmp(h->name.data, "node-1a2b", 9) == 0,
       "it tells who made it");
    ok(h->nepochs == 2 && h->epochs[0].ms == EPOCH - 2
       && h->epochs[1].last_n == 6, "it tells the lives before");
    ok(h->gap.ms == EPOCH - 1 && h->gap.n == 3 && h->gap.local == 0,
       "it tells where something is missing");
    ok(h->final == (k != NULL), "it tells whether anything came behind it");
    ok(h->nevents == 150 && h->base.ms == EPOCH && h->base.n == 0
       && h->last.ms == EPOCH && h->last.n == 150,
       "it tells the positions before the first event and of the last");

    back = read_file(file);
    ok(back.right && back.events == 150 && back.first == 1,
       "every event is as it was, in order");
    ok(back.revoked == 2, "and so are the revocations");

    cdr_snapshot_close(file);
    free(log.shm);

    log = make_log(2 * CHUNK);
    append(&log, 500, 1000);
    (void) save(disk, &log, k);

    file = open_file(disk, k);
    back = read_file(file);
    h = cdr_snapshot_head(file);
    ok(back.right && back.first > 1 && back.last == 500
       && h->base.n == back.first - 1 && h->last.n == 500,
       "where events were dropped, it begins after the last of those");

    cdr_snapshot_close(file);

    (void) cdr_log_expire(&log, UINT64_MAX, SIZE_MAX);
    (void) save(disk, &log, k);

    file = open_file(disk, k);
    h = cdr_snapshot_head(file);
    ok(h->nevents == 0 && h->base.n == 500 && h->last.n == 500,
       "where all were dropped, it still tells the last position");

    cdr_snapshot_close(file);
    free(log.shm);
}


static void
test_damage(disk_t *disk, const uint8_t *k, const char *how)
{
    size_t     i, bad;
    cdr_log_t  log;

    log = make_log(4096);
    append(&log, 3, 40);
    (void) save(disk, &log, k);

    bad = 0;

    for (i = 0; i < disk->len; i++) {
        bad += !refused(disk->data, i, k);
    }

    ok(bad == 0, "no file cut off anywhere is believed%s", how);

    for (i = 0; i < 8 * disk->len; i++) {
        disk->data[i / 8] ^= (uint8_t) (1 << i % 8);
        bad += !refused(disk->data, disk->len, k);
        disk->data[i / 8] ^= (uint8_t) (1 << i % 8);
    }

    ok(bad == 0, "nor one with any bit flipped%s", how);

    disk->data[disk->len] = 0;
    ok(refused(disk->data, disk->len + 1, k), "nor one with more behind it");

    free(log.shm);
}


/* Chunks that are right, but not in their place. */

static void
test_places(disk_t *disk, const uint8_t *k, const char *how)
{
    size_t      size, i, bad;
    uint8_t    *copy;
    cdr_log_t   log;

    size = 4 + CHUNK + (k ? 16 : 32);
    log = make_log(4 * CHUNK);
    append(&log, 200, 1000);
    (void) save(disk, &log, k);

    copy = malloc(MAX);
    bad = 0;

    for (i = 1; HEADER + i * size < disk->len; i++) {
        bad += !refused(disk->data, HEADER + i * size, k);
        bad += !refused(disk->data, HEADER + i * size + 3, k);
        bad += !refused(disk->data, HEADER + i * size + 5, k);
    }

    ok(i > 3 && bad == 0, "no file that ends with a whole chunk, or near its "
       "end, is believed%s", how);

    memcpy(copy, disk->data, disk->len);
    memcpy(copy + HEADER, disk->data + HEADER + size, size);
    memcpy(copy + HEADER + size, disk->data + HEADER, size);
    ok(refused(copy, disk->len, k), "nor one with two chunks exchanged");

    memcpy(copy, disk->data, HEADER + size);
    memcpy(copy + HEADER + size, disk->data + HEADER + 2 * size,
           disk->len - HEADER - 2 * size);
    ok(refused(copy, disk->len - size, k), "nor one with a chunk left out");

    memcpy(copy, disk->data, disk->len);
    copy[HEADER - 1] ^= 1;
    ok(refused(copy, disk->len, k), "nor one with the salt of another file");

    free(copy);
    free(log.shm);
}


static void
test_key(disk_t *disk)
{
    size_t      i, found;
    uint8_t     derived[CDR_SNAPSHOT_KEY_LEN];
    cdr_log_t   log;
    cdr_str_t   secret = cdr_str("a secret");

    cdr_snapshot_file_t  *file;

    static const uint8_t  expected[] = {
        0x54, 0xf1, 0xd2, 0x80, 0xc4, 0xfd, 0x01, 0x04,
        0xc4, 0x24, 0x18, 0xc8, 0x44, 0x50, 0x1b, 0x62,
        0xe9, 0x99, 0xff, 0x6f, 0x71, 0x51, 0xb7, 0xf6,
        0xac, 0xdc, 0xab, 0x33, 0x6f, 0x2c, 0xb7, 0x65
    };

    log = make_log(4096);
    append(&log, 3, 40);
    (void) save(disk, &log, key);

    found = 0;

    for (i = 0; i + 8 <= disk->len; i++) {
        found += memcmp(disk->data + i, SECRET, 8) == 0
                 || memcmp(disk->data + i, "node-1a2", 8) == 0;
    }

    ok(found == 0, "nothing of an encrypted file can be read");
    ok(refused(disk->data, disk->len, other), "another key opens it not");
    ok(refused(disk->data, disk->len, NULL), "and no key neither");

    (void) save(disk, &log, NULL);
    file = open_file(disk, key);
    ok(file, "a file from before there was a key is read with one");
    cdr_snapshot_close(file);

    ok(cdr_snapshot_key(derived, secret) == CDR_OK
       && memcmp(derived, expected, sizeof(expected)) == 0,
       "the key follows from a secret by HKDF");

    free(log.shm);
}


static void
test_overwritten(disk_t *disk)
{
    back_t                back;
    cdr_log_t             log;
    cdr_snapshot_file_t  *file;

    log = make_log(2 * CHUNK);
    append(&log, 200, 1000);

    disk->log = &log;
    disk->overwrites = 2;

    ok(save(disk, &log, NULL) == CDR_OK && disk->overwrites == 0,
       "a log that is overwritten while it is read is kept");

    file = open_file(disk, NULL);
    back = read_file(file);

    ok(back.right && back.events > 50 && back.last == 800
       && cdr_snapshot_head(file)->base.n == back.first - 1,
       "as what it has in the end, without a hole");

    cdr_snapshot_close(file);

    disk->overwrites = 1000;
    ok(save(disk, &log, NULL) == CDR_AGAIN && counted.held == 0,
       "one that is always overwritten is given up");

    disk->overwrites = 0;
    free(log.shm);
}


static void
test_failures(disk_t *disk)
{
    int        rc;
    unsigned   i, bad;
    cdr_log_t  log;

    log = make_log(4 * CHUNK);
    append(&log, 200, 1000);

    bad = 0;

    for (i = 1; i < 100; i++) {
        disk->fail_at = i;
        rc = save(disk, &log, key);

        if (rc == CDR_OK) {
            break;
        }

        bad += (rc != 77) || disk->calls != i || counted.held;
    }

    disk->fail_at = 0;
    ok(i > 4 && i < 100 && bad == 0, "a write that fails ends it");

    for (i = 1; i < 100; i++) {
        counted.calls = 0;
        counted.fail_at = i;
        rc = save(disk, &log, key);

        if (rc == CDR_OK) {
            break;
        }

        bad += (rc != CDR_NOMEM) || counted.held;
    }

    counted.fail_at = 0;
    ok(i == 2 && bad == 0, "so does an allocation");

    free(log.shm);
}


static void
test_read_failures(disk_t *disk)
{
    int                     rc;
    back_t                  back;
    unsigned                i, bad;
    cdr_log_t               log;
    const char             *error;
    cdr_snapshot_file_t    *file;
    cdr_snapshot_reader_t   reader = { on_event, NULL, &back };

    log = make_log(4 * CHUNK);
    append(&log, 200, 1000);

    bad = (save(disk, &log, key) != CDR_OK);

    for (i = 1; i < 100; i++) {
        counted.calls = 0;
        counted.fail_at = i;
        rc = cdr_snapshot_open(&file, disk->data, disk->len, key, &alloc,
                               &error);

        if (rc == CDR_OK) {
            break;
        }

        bad += (rc != CDR_NOMEM) || counted.held;
    }

    counted.fail_at = 0;
    ok(i == 3 && bad == 0, "an allocation may fail when it is read, too");

    memset(&back, 0, sizeof(back));
    back.stop_at = 3;
    ok(cdr_snapshot_read(file, &reader) == 55 && back.events == 3,
       "a reader that has enough gets no more");

    cdr_snapshot_close(file);
    cdr_snapshot_close(NULL);
    free(log.shm);
}


int
main(void)
{
    disk_t  disk;

    memset(&disk, 0, sizeof(disk));
    disk.data = malloc(MAX);

    test_kept(&disk, NULL, "");
    test_kept(&disk, key, ", encrypted");
    test_damage(&disk, NULL, "");
    test_damage(&disk, key, ", encrypted");
    test_places(&disk, NULL, "");
    test_places(&disk, key, ", encrypted");
    test_key(&disk);
    test_overwritten(&disk);
    test_failures(&disk);
    test_read_failures(&disk);

    ok(counted.held == 0, "no memory is left behind");

    free(disk.data);

    return done_testing();
}
