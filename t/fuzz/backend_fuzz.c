/* Any bytes are safe as an answer, and what is made of them is JSON. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cdr.h"
#include "cdr_backend.h"


#define FIELDS  64


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* What is written has its length, and is an object. */

static void
object(uint8_t *text, size_t len)
{
    cdr_str_t        t = { text, len };
    cdr_json_scan_t  s = { 0 };

    s.max_depth = CDR_JSON_MAX_DEPTH;

    assert(cdr_json_scan(&s, t) == CDR_OK && s.type == CDR_JSON_OBJECT);
}


static void
emit(cdr_str_t list)
{
    size_t             len;
    uint8_t           *out;
    cdr_str_t          item;
    cdr_json_scan_t    s = { 0 };
    cdr_json_type_e    type;
    cdr_json_member_t  members[FIELDS];

    list = cdr_backend_list(list);

    while (cdr_backend_next(&list, &item, &type) == CDR_OK) {
        s.members = members;
        s.max_members = FIELDS;
        s.max_depth = CDR_COMMAND_MAX_DEPTH;

        if (type != CDR_JSON_OBJECT || cdr_json_scan(&s, item) != CDR_OK) {
            continue;
        }

        len = cdr_backend_emit(NULL, members, s.nmembers, 1);
        out = malloc(len);

        assert(out && cdr_backend_emit(out, members, s.nmembers, 1) == len);
        object(out, len);
        free(out);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                len;
    uint8_t              *out;
    cdr_str_t             text = { data, size };
    cdr_backend_answer_t  a;

    if (cdr_backend_answer(&a, text) != CDR_OK) {
        assert(a.error);
        return 0;
    }

    assert(a.close == 0 || a.close == 1000
           || (a.close >= 3000 && a.close < 5000));
    assert(strlen(a.reason) <= CDR_BACKEND_REASON_MAX);
    assert(a.user.len <= CDR_BACKEND_NAME_MAX);
    assert(a.role.len <= CDR_BACKEND_NAME_MAX);

    len = cdr_backend_ack(NULL, &a);
    out = malloc(len + 2);

    assert(out && cdr_backend_ack(out + 1, &a) == len);
    out[0] = '{';
    out[len + 1] = '}';
    object(out, len + 2);
    free(out);

    if (a.emit.data) {
        emit(a.emit);
    }

    return 0;
}
