/*
 * Fuzzes the negotiation of permessage-deflate: several lines mean what one
 * joined line means, what is agreed is in range, and our answer, taken as an
 * offer, is agreed to again.
 *
 * Input: lines of Sec-WebSocket-Extensions, separated by line feeds.
 */

#include "cdr_pmd.h"

#include <stdlib.h>
#include <string.h>


#define must(cond)  ((cond) ? (void) 0 : abort())


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int by_lines(cdr_str_t lines, cdr_pmd_t *pmd);
static int joined(cdr_str_t lines, cdr_pmd_t *pmd);
static bool same(const cdr_pmd_t *a, const cdr_pmd_t *b);
static void check(const cdr_pmd_t *pmd);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int        rc;
    cdr_str_t  lines;
    cdr_pmd_t  a, b;

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));

    lines.data = data;
    lines.len = size;

    rc = by_lines(lines, &a);

    must(rc == CDR_OK || rc == CDR_DECLINED || rc == CDR_ERROR);
    must(rc == joined(lines, &b));

    if (rc != CDR_ERROR) {
        must(same(&a, &b));
        must(a.on == (rc == CDR_OK));
        check(&a);
    }

    return 0;
}


static int
by_lines(cdr_str_t lines, cdr_pmd_t *pmd)
{
    int             rc;
    cdr_str_t       line;
    const uint8_t  *lf;

    do {
        line = lines;
        lf = lines.len ? memchr(lines.data, '\n', lines.len) : NULL;

        if (lf) {
            line.len = (size_t) (lf - line.data);
            lines.data = lf + 1;
            lines.len -= line.len + 1;
        }

        rc = cdr_pmd_negotiate(line, pmd);

    } while (lf && rc != CDR_ERROR);

    return rc;
}


static int
joined(cdr_str_t lines, cdr_pmd_t *pmd)
{
    int        rc;
    size_t     i;
    uint8_t   *p;
    cdr_str_t  line;

    p = malloc(lines.len ? lines.len : 1);
    must(p);

    for (i = 0; i < lines.len; i++) {
        p[i] = (uint8_t) (lines.data[i] == '\n' ? ',' : lines.data[i]);
    }

    line.data = p;
    line.len = lines.len;
    rc = cdr_pmd_negotiate(line, pmd);

    free(p);

    return rc;
}


static bool
same(const cdr_pmd_t *a, const cdr_pmd_t *b)
{
    return a->on == b->on
           && a->server_bits_offered == b->server_bits_offered
           && a->client_bits_offered == b->client_bits_offered
           && a->server_max_window_bits == b->server_max_window_bits
           && a->client_max_window_bits == b->client_max_window_bits;
}


static void
check(const cdr_pmd_t *pmd)
{
    size_t     len;
    uint8_t    answer[CDR_PMD_RESPONSE_MAX];
    cdr_pmd_t  again;
    cdr_str_t  offer;

    len = cdr_pmd_response(pmd, answer, sizeof(answer));

    must(len <= sizeof(answer) && (len > 0) == pmd->on);
    must(cdr_pmd_response(pmd, NULL, 0) == len);

    if (!pmd->on) {
        must(!cdr_pmd_may_compress(pmd, 0));
        return;
    }

    must(pmd->server_max_window_bits >= 8
         && pmd->server_max_window_bits <= 15);
    must(pmd->client_max_window_bits >= 8
         && pmd->client_max_window_bits <= 15);
    must(cdr_pmd_may_compress(pmd, 256));

    memset(&again, 0, sizeof(again));

    offer.data = answer;
    offer.len = len;

    must(cdr_pmd_negotiate(offer, &again) == CDR_OK && same(pmd, &again));
}
