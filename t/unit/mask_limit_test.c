/* Masks of whatever bytes, and without memory. */

#include "mask_test.h"


/* The output is as long as the size, and no longer than what came in. */

static void
test_any_bytes(void)
{
    size_t             n, wrong;
    uint8_t           *in, *to;
    cdr_str_t          value;
    cdr_mask_t        *mask;
    cdr_json_out_t     size, out;
    const cdr_mask_t  *node;
    cdr_test_alloc_t   counter = { 0 };
    cdr_alloc_t        alloc = { cdr_test_alloc, cdr_test_free, &counter };
    const char         text[] = "{\"b\":{\"c\":[{\"d\":\"\\\"\",\"e\":1},[2]],"
                                "\"f\":3},\"g\":null}";

    mask = cdr_mask_new(&alloc);
    each(mask, "a.b.c.d a.g", 1);
    (void) cdr_mask_field(mask, 1, str("a"), str("{"), &node);

    wrong = 0;

    for (n = 0; n < 256 * (sizeof(text) - 1) * 2; n++) {
        value.len = n / 256 % (sizeof(text) - 1) + 1;
        in = malloc(value.len);
        to = malloc(value.len);
        memcpy(in, text, value.len);

        if (n / 256 < sizeof(text) - 1) {
            in[value.len - 1] = (uint8_t) n;

        } else {
            in[n % value.len] = "[]{}\",:\\"[n % 8];
        }

        value.data = in;

        size = (cdr_json_out_t) { NULL, 0 };
        cdr_mask_put(&size, node, 1, value);

        if (size.len > value.len) {
            wrong++;

        } else {
            out = (cdr_json_out_t) { to, 0 };
            cdr_mask_put(&out, node, 1, value);
            wrong += out.len != size.len;

            out = (cdr_json_out_t) { in, 0 };
            cdr_mask_put(&out, node, 1, value);
            wrong += out.len != size.len || memcmp(in, to, out.len) != 0;
        }

        free(in);
        free(to);
    }

    ok(wrong == 0, "whatever the value is, sizes are right");

    cdr_mask_del(mask);
}


static void
test_memory(void)
{
    int                rc;
    unsigned           n;
    cdr_mask_t        *mask;
    cdr_test_alloc_t   counter = { 0 };
    cdr_alloc_t        alloc = { cdr_test_alloc, cdr_test_free, &counter };

    rc = CDR_NOMEM;

    for (n = 1; rc == CDR_NOMEM && n < 100; n++) {
        counter.fail_at = n;
        counter.calls = 0;

        mask = cdr_mask_new(&alloc);

        if (mask) {
            rc = each(mask, "a.b a.c d", 0);
        }

        if (rc == CDR_OK) {
            rc = each(mask, "a.b.e f", 1);
        }

        cdr_mask_del(mask);

        if (counter.held) {
            break;
        }

        rc = mask ? rc : CDR_NOMEM;
    }

    ok(rc == CDR_OK && n == 9 && counter.held == 0,
       "each of 7 allocations may fail");

    counter.fail_at = 0;
    mask = cdr_mask_new(&alloc);
    ok(cdr_mask_show(mask, str("a..b")) == CDR_ERROR
       && cdr_mask_hide(mask, str(""), 1) == CDR_ERROR,
       "a path that is none is refused");
    cdr_mask_del(mask);
}


int
main(void)
{
    test_any_bytes();
    test_memory();

    return done_testing();
}
