/*
 * What remains of an event is what a model on jansson's tree leaves; it is as
 * long as its size says and may be written over what it is of, whatever the
 * bytes are.  The input is a line of paths to show, a line of paths to hide,
 * and the event.
 */

#include <assert.h>
#include <stdlib.h>

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_mask.h"
#include "cdr_model.h"


#define MAX_MEMBERS  64


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void *
get(void *ctx, size_t size)
{
    (void) ctx;

    return malloc(size);
}


static void
put(void *ctx, void *p)
{
    (void) ctx;

    free(p);
}


/* Takes a line of paths, those that can be one; returns what follows it. */

static char *
paths(cdr_mask_t *mask, model_t *m, char *line, bool show)
{
    int        rc;
    char      *end, *p, *next;
    cdr_str_t  path;

    end = line + strcspn(line, "\n");
    next = end + (*end == '\n');
    *end = '\0';

    for (p = line; p < end; p += path.len + 1) {
        path.data = (uint8_t *) p;
        path.len = strcspn(p, " ");
        p[path.len] = '\0';

        if (m->nshow == MODEL_PATHS || m->nhide == MODEL_PATHS) {
            break;
        }

        rc = show ? cdr_mask_show(mask, path) : cdr_mask_hide(mask, path, 1);
        assert(rc == cdr_mask_path_check(path));

        if (rc == CDR_OK) {
            (show ? m->show : m->hide)[show ? m->nshow++ : m->nhide++] = p;
        }
    }

    return next;
}


/* Writes what remains in two ways; "text" is of an exact size. */

static cdr_str_t
remains(const cdr_mask_t *node, cdr_str_t value)
{
    uint8_t         *in, *to;
    cdr_str_t        left;
    cdr_json_out_t   size = { NULL, 0 }, out, over;

    cdr_mask_put(&size, node, 1, value);
    assert(size.len <= value.len);

    to = malloc(size.len ? size.len : 1);
    out = (cdr_json_out_t) { to, 0 };
    cdr_mask_put(&out, node, 1, value);
    assert(out.len == size.len);

    in = malloc(value.len ? value.len : 1);
    memcpy(in, value.data, value.len);
    value.data = in;
    over = (cdr_json_out_t) { in, 0 };
    cdr_mask_put(&over, node, 1, value);
    assert(over.len == out.len && memcmp(in, to, out.len) == 0);

    free(in);

    left.data = to;
    left.len = out.len;

    return left;
}


static void
check_event(const cdr_mask_t *mask, const model_t *m, cdr_str_t text)
{
    size_t              i;
    json_t             *was, *is, *want, *whole;
    uint8_t            *canonical;
    cdr_str_t           left, key;
    cdr_json_scan_t     s;
    const cdr_mask_t   *node;
    cdr_json_member_t   members[MAX_MEMBERS];

    was = json_loadb((char *) text.data, text.len, JSON_REJECT_DUPLICATES,
                     NULL);
    assert(was);

    canonical = malloc(text.len);
    text.len = cdr_json_canonical(canonical, text);
    text.data = canonical;

    s = (cdr_json_scan_t) { .members = members, .max_members = MAX_MEMBERS,
                            .max_depth = 64 };

    if (cdr_json_scan(&s, text) == CDR_OK) {
        is = json_object();

        for (i = 0; i < s.nmembers; i++) {
            key = members[i].key;

            if (!cdr_mask_field(mask, 1, key, members[i].value, &node)) {
                continue;
            }

            left = remains(node, members[i].value);
            whole = json_loadb((char *) left.data, left.len,
                               JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                               NULL);
            assert(whole);

            key.len = cdr_json_unescape(canonical + (key.data - canonical),
                                        key);
            json_object_setn_new_nocheck(is, (char *) key.data, key.len,
                                         whole);
            free((void *) left.data);
        }

        want = model_prune(was, m);
        assert(json_equal(is, want));

        json_decref(want);
        json_decref(is);
    }

    json_decref(was);
    free(canonical);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char              *text, *p;
    model_t            m = { 0 };
    uint8_t           *exact;
    cdr_str_t          event;
    cdr_mask_t        *mask;
    cdr_alloc_t        alloc = { get, put, NULL };
    cdr_json_scan_t    s = { .max_depth = 64 };

    text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    mask = cdr_mask_new(&alloc);
    p = paths(mask, &m, text, true);
    m.all = (m.nshow == 0);
    p = paths(mask, &m, p, false);

    event.len = (size_t) (text + size - p);
    exact = malloc(event.len ? event.len : 1);
    memcpy(exact, p, event.len);
    event.data = exact;

    free((void *) remains(mask, event).data);

    if (memchr(exact, '\0', event.len) == NULL
        && cdr_json_scan(&s, event) == CDR_OK && s.type == CDR_JSON_OBJECT)
    {
        check_event(mask, &m, event);
    }

    free(exact);
    cdr_mask_del(mask);
    free(text);

    return 0;
}
