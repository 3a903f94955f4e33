/* What is kept of an outbox: it is read as it was written, or not at all. */

#include "cdr.h"
#include "cdr_outbox_file.h"

#include "cdr_test.h"


#define SIZE  CDR_OUTBOX_SIZE_MIN


static void what_is_written_is_read(const uint8_t *key);
static void the_end_may_be_missing(const uint8_t *key);
static void a_wrong_byte_is_found(const uint8_t *key);
static void what_is_none_is_refused(void);
static void every_allocation_may_fail(void);


static const cdr_outbox_file_head_t  head = { 7, { 100, 200 } };
static const uint8_t                 salt[CDR_SNAPSHOT_SALT_LEN] = { 1, 2 };
static const uint8_t                 secret[CDR_SNAPSHOT_KEY_LEN] = { 3 };
static const uint8_t                 other[CDR_SNAPSHOT_KEY_LEN] = { 4 };

static cdr_test_alloc_t              heap;
static cdr_alloc_t                   alloc;
static cdr_outbox_t                  ob;
static void                         *mem;
static uint8_t                       file[65536];
static size_t                        len;
static size_t                        ends[8];   /* of first bytes and chunks */
static unsigned                      nends;
static unsigned                      nread;
static uint64_t                      last;
static const char                   *error;


/* Three records, the second with a key, and the third to all servers. */

static void
fill(void)
{
    uint8_t           *p;
    unsigned           i;
    cdr_ticket_t       ticket;
    cdr_outbox_rec_t  *rec;

    cdr_str_t  type = cdr_str("note"), text = cdr_str("{\"type\":\"note\"");

    mem = aligned_alloc(64, (cdr_outbox_size(SIZE, 1) + 63) & ~(size_t) 63);

    (void) cdr_outbox_init(mem, SIZE, 1);
    (void) cdr_outbox_attach(&ob, mem, cdr_outbox_size(SIZE, 1));
    cdr_outbox_start(&ob, 500);

    for (i = 0; i < 3; i++) {
        (void) cdr_outbox_begin(&ob, cdr_outbox_item_size(type.len, text.len),
                                1, NULL, &rec, &p, &ticket);
        (void) cdr_outbox_put(p, i, type, text);

        rec->kind = (i == 2);
        rec->time_ms = 1000 + i;
        rec->keyed = (i == 1);
        rec->key.word[1] = 8 * i;
        rec->digest.word[0] = 9 * i;

        cdr_outbox_commit(&ob, rec);
    }
}


/* Each in a chunk of its own. */

static int
save(const uint8_t *key)
{
    int                   rc;
    size_t                size;
    uint8_t              *p;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_file_t    *f;
    cdr_outbox_cursor_t   cur;

    rc = cdr_outbox_file_new(&f, &head, key, salt, &alloc, file, &len);

    if (rc != CDR_OK) {
        return rc;
    }

    nends = 0;
    ends[nends++] = len;

    cdr_outbox_first(&ob, &cur);

    while (cdr_outbox_next(&ob, &cur, &rec) == CDR_OK) {
        p = file + len + CDR_OUTBOX_FILE_WORD;
        p = cdr_outbox_file_put(p, rec);

        rc = cdr_outbox_file_chunk(f, file + len, cdr_outbox_file_size(rec),
                                   &size);
        len += size;
        ends[nends++] = len;
    }

    cdr_outbox_file_del(f);

    return rc;
}


static int
record(void *ctx, const cdr_outbox_file_rec_t *rec)
{
    uint32_t           flags;
    cdr_str_t          type, text;
    cdr_outbox_iter_t  it = { rec->items };

    if (cdr_outbox_item(&it, &flags, &type, &text) != CDR_OK
        || flags != nread || rec->n != 501 + nread
        || rec->time_ms != 1000 + nread || rec->count != 1
        || rec->kind != (nread == 2) || rec->keyed != (nread == 1)
        || rec->key.word[1] != 8 * nread || rec->digest.word[0] != 9 * nread
        || type.len != 4 || text.len != 14)
    {
        return CDR_FULL;
    }

    nread++;
    last = rec->n;

    return ctx ? CDR_NOMEM : CDR_OK;
}


/* A copy, of so many bytes, flush against what must not be read. */

static int
load(size_t n, const uint8_t *key, void *ctx, size_t wrong)
{
    int                      rc;
    uint8_t                 *copy;
    cdr_outbox_file_head_t   h;

    copy = malloc(n ? n : 1);
    memcpy(copy, file, n);

    if (wrong < n) {
        copy[wrong] ^= 0x40;
    }

    nread = 0;
    error = NULL;

    rc = cdr_outbox_file_read(copy, n, key, &h, record, ctx, &error);

    if (rc == CDR_OK && memcmp(&h, &head, sizeof(h)) != 0) {
        rc = CDR_TOOBIG;
    }

    free(copy);

    return rc;
}


int
main(void)
{
    alloc.alloc = cdr_test_alloc;
    alloc.free = cdr_test_free;
    alloc.ctx = &heap;

    fill();

    what_is_written_is_read(NULL);
    what_is_written_is_read(secret);
    the_end_may_be_missing(NULL);
    the_end_may_be_missing(secret);
    a_wrong_byte_is_found(NULL);
    a_wrong_byte_is_found(secret);
    what_is_none_is_refused();
    every_allocation_may_fail();

    free(mem);

    return done_testing();
}


static void
what_is_written_is_read(const uint8_t *key)
{
    cdr_outbox_file_head_t  h;

    ok(save(key) == CDR_OK && load(len, key, NULL, SIZE_MAX) == CDR_OK
       && nread == 3 && last == 503, "all records are read");
    ok(cdr_outbox_file_read(file, ends[0], key, &h, NULL, NULL, &error)
       == CDR_OK && h.server == 7 && h.owner[1] == 200,
       "whose they are, without them");

    (void) save(key);
    ok(load(len, key, &h, SIZE_MAX) == CDR_NOMEM && nread == 1,
       "who reads may give up");
}


static void
the_end_may_be_missing(const uint8_t *key)
{
    bool      good;
    size_t    n;
    unsigned  whole;

    (void) save(key);
    good = true;

    for (n = 0; n < len; n++) {

        for (whole = 0; whole < nends && ends[whole] <= n; whole++) {
            /* void */
        }

        good = good
               && (whole ? load(n, key, NULL, SIZE_MAX) == CDR_OK
                           && nread == whole - 1
                         : load(n, key, NULL, SIZE_MAX) != CDR_OK && error);
    }

    ok(good, "wherever it is cut off, what is whole before that is read");
}


static void
a_wrong_byte_is_found(const uint8_t *key)
{
    int       rc;
    bool      good;
    size_t    n;

    (void) save(key);
    good = true;

    for (n = 0; n < len; n++) {
        rc = load(len, key, NULL, n);
        good = good && (n < ends[0] ? rc != CDR_OK && error
                                    : rc == CDR_OK && nread < 3);
    }

    ok(good, "whichever byte is wrong, nothing wrong is read");
}


static void
what_is_none_is_refused(void)
{
    uint8_t                  chunk[128];
    size_t                   size;
    cdr_outbox_file_t       *f;

    (void) save(secret);
    ok(load(len, NULL, NULL, SIZE_MAX) == CDR_ERROR
       && strcmp(error, "is encrypted") == 0, "without the key it is secret");
    ok(load(len, other, NULL, SIZE_MAX) == CDR_ERROR,
       "with another key it is of no use");

    (void) save(NULL);
    ok(load(len, secret, NULL, SIZE_MAX) == CDR_OK && nread == 3,
       "what is not encrypted is read with a key, too");
    ok(load(len, NULL, NULL, 8) == CDR_DECLINED
       && strcmp(error, "is of another version") == 0
       && load(len, NULL, NULL, 0) == CDR_DECLINED
       && strcmp(error, "is no outbox") == 0,
       "another version and another file are not read");

    (void) cdr_outbox_file_new(&f, &head, NULL, salt, &alloc, file, &len);
    memset(chunk, 0xff, sizeof(chunk));
    ok(cdr_outbox_file_chunk(f, chunk, 0, &size) == CDR_ERROR,
       "a chunk is not empty");
    (void) cdr_outbox_file_chunk(f, chunk, 70, &size);
    memcpy(file + len, chunk, size);
    cdr_outbox_file_del(f);
    ok(load(len + size, NULL, NULL, SIZE_MAX) == CDR_ERROR && nread == 0
       && strcmp(error, "is damaged") == 0,
       "what is sealed may still be no record");
}


static void
every_allocation_may_fail(void)
{
    heap.fail_at = heap.calls + 1;
    ok(save(NULL) == CDR_NOMEM, "without memory nothing is begun");
    heap.fail_at = 0;

    cdr_outbox_file_del(NULL);
    ok(heap.held == 0, "and nothing is left");
}
