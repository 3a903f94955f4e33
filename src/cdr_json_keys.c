/* Keys of JSON objects that are there twice. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_json_internal.h"


/* up to this many keys are compared each with each, more are sorted */
#define CDR_JSON_FEW_KEYS  12


static void cdr_json_sort(const uint8_t *start, cdr_json_key_t *keys,
    unsigned n);
static void cdr_json_sift(const uint8_t *start, cdr_json_key_t *keys,
    unsigned i, unsigned n);
static int cdr_json_key_cmp(const uint8_t *start, const cdr_json_key_t *a,
    const cdr_json_key_t *b);


/* CDR_ERROR if two keys of an object decode to the same; sorts the keys. */

int
cdr_json_unique(const uint8_t *start, cdr_json_key_t *keys, unsigned n,
    uint32_t *pos)
{
    unsigned  i, j, last;

    if (n > CDR_JSON_FEW_KEYS) {
        cdr_json_sort(start, keys, n);
    }

    for (i = 0; i + 1 < n; i++) {
        last = (n > CDR_JSON_FEW_KEYS) ? i + 1 : n - 1;

        for (j = i + 1; j <= last; j++) {

            if (keys[i].hash == keys[j].hash
                && cdr_json_key_cmp(start, &keys[i], &keys[j]) == 0)
            {
                if (keys[i].pos > keys[j].pos) {
                    j = i;
                }

                *pos = keys[j].pos;

                return CDR_ERROR;
            }
        }
    }

    return CDR_OK;
}


/* Heapsort: no memory, no recursion, and no order of keys makes it slow. */

static void
cdr_json_sort(const uint8_t *start, cdr_json_key_t *keys, unsigned n)
{
    unsigned        i;
    cdr_json_key_t  t;

    for (i = n / 2; i-- > 0; /* void */) {
        cdr_json_sift(start, keys, i, n);
    }

    for (i = n - 1; i > 0; i--) {
        t = keys[0];
        keys[0] = keys[i];
        keys[i] = t;

        cdr_json_sift(start, keys, 0, i);
    }
}


static void
cdr_json_sift(const uint8_t *start, cdr_json_key_t *keys, unsigned i,
    unsigned n)
{
    unsigned        child;
    cdr_json_key_t  t;

    t = keys[i];

    while ((child = 2 * i + 1) < n) {

        if (child + 1 < n
            && cdr_json_key_cmp(start, &keys[child], &keys[child + 1]) < 0)
        {
            child++;
        }

        if (cdr_json_key_cmp(start, &t, &keys[child]) >= 0) {
            break;
        }

        keys[i] = keys[child];
        i = child;
    }

    keys[i] = t;
}


/* By hash, and among equal hashes, which may be wilful, by decoded bytes. */

static int
cdr_json_key_cmp(const uint8_t *start, const cdr_json_key_t *a,
    const cdr_json_key_t *b)
{
    cdr_str_t  ta, tb;

    if (a->hash != b->hash) {
        return (a->hash < b->hash) ? -1 : 1;
    }

    ta.data = start + a->pos;
    ta.len = a->len;
    tb.data = start + b->pos;
    tb.len = b->len;

    return cdr_json_text_cmp(ta, tb);
}
