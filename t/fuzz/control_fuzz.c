/* Any bytes are safe as a wish, and what is read is written and read alike. */

#include <assert.h>
#include <string.h>

#include "cdr.h"
#include "cdr_control.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cdr_str_t          text = { data, size };
    cdr_control_t      a, b;
    cdr_revoke_kind_t  kind;
    uint64_t           hash[2];
    uint8_t            name[2][CDR_CONTROL_NAME_MAX], printed[2048];

    (void) cdr_control_field_parse(text, &kind, hash);

    if (cdr_control_parse(&a, text, name[0]) != CDR_OK) {
        return 0;
    }

    text.data = printed;
    text.len = cdr_control_print(NULL, &a);

    assert(text.len <= sizeof(printed));
    assert(cdr_control_print(printed, &a) == text.len);
    assert(cdr_control_parse(&b, text, name[1]) == CDR_OK);
    assert(a.kind == b.kind && a.on == b.on && a.revoked == b.revoked);
    assert(a.until_ms == b.until_ms && a.hash[0] == b.hash[0]);
    assert(a.name.len == b.name.len);
    assert(a.name.len == 0
           || memcmp(a.name.data, b.name.data, a.name.len) == 0);

    return 0;
}
