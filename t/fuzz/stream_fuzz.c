/*
 * Any bytes are safe as an entry of a stream, and what is accepted says what
 * it was made from.  The input is lines: the id, then names and values.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cdr.h"
#include "cdr_stream.h"


#define FIELDS  32


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              n, len;
    cdr_str_t           line[FIELDS];
    const char         *error;
    const uint8_t      *p, *end;
    cdr_idem_answer_t   answer;
    cdr_stream_entry_t  e;
    uint8_t             text[CDR_STREAM_PLACE_LEN];

    n = 0;
    error = NULL;

    for (p = data; n < FIELDS && p < data + size; p = end + 1) {
        end = memchr(p, '\n', (size_t) (data + size - p));

        if (end == NULL) {
            end = data + size;
        }

        line[n].data = p;
        line[n++].len = (size_t) (end - p);
    }

    if (n == 0) {
        return 0;
    }

    (void) cdr_stream_answer(line[0], &answer);

    if (cdr_stream_entry(&e, line[0], line + 1, n - 1, &error) != CDR_OK) {
        assert(error != NULL);
        return 0;
    }

    len = cdr_stream_place_print(text, e.ms, e.n);

    assert(len == line[0].len && memcmp(text, line[0].data, len) == 0);
    assert(e.text.data >= data && e.text.data + e.text.len <= data + size);
    assert(e.number != 0);

    return 0;
}
