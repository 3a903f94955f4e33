/* What a back end is called with. */

#include "cdr.h"
#include "cdr_call.h"
#include "cdr_json.h"


#define CDR_X_CALL_KIND(symbol, kind)  cdr_str(kind),


static void cdr_call_put_text(cdr_json_out_t *out, cdr_str_t text);


static const cdr_str_t  cdr_call_kinds[] = { CDR_CALL_KINDS(CDR_X_CALL_KIND) };


cdr_str_t
cdr_call_kind(cdr_call_kind_e kind)
{
    return cdr_call_kinds[kind];
}


void
cdr_call_put(cdr_json_out_t *out, const cdr_call_t *call)
{
    cdr_json_put_lit(out, "{\"kind\":");
    cdr_json_put_string(out, cdr_call_kinds[call->kind]);
    cdr_json_put_lit(out, ",\"id\":");
    cdr_json_put_string(out, call->id);
    cdr_json_put_lit(out, ",\"hub\":");
    cdr_json_put_string(out, call->hub);
    cdr_json_put_lit(out, ",\"server\":");
    cdr_json_put_string(out, call->server);
    cdr_json_put_lit(out, ",\"connectionId\":");
    cdr_json_put_string(out, call->connection);
    cdr_json_put_lit(out, ",\"userId\":");
    cdr_call_put_text(out, call->user);
    cdr_json_put_lit(out, ",\"role\":");
    cdr_call_put_text(out, call->role);
    cdr_json_put_lit(out, ",\"address\":");
    cdr_json_put_string(out, call->address);
    cdr_json_put_lit(out, ",\"timestamp\":");
    cdr_json_put_u64(out, call->timestamp);
}


void
cdr_call_put_disconnect(cdr_json_out_t *out, cdr_str_t reason, uint32_t code,
    uint64_t duration_ms)
{
    cdr_json_put_lit(out, ",\"reason\":");
    cdr_json_put_string(out, reason);
    cdr_json_put_lit(out, ",\"code\":");
    cdr_json_put_u64(out, code);
    cdr_json_put_lit(out, ",\"durationMs\":");
    cdr_json_put_u64(out, duration_ms);
    cdr_json_put_lit(out, "}");
}


void
cdr_call_put_presence(cdr_json_out_t *out, const cdr_call_t *call,
    cdr_str_t status, cdr_str_t feature)
{
    cdr_json_put_lit(out, ",\"presence\":{\"userId\":");
    cdr_call_put_text(out, call->user);
    cdr_json_put_lit(out, ",\"role\":");
    cdr_call_put_text(out, call->role);
    cdr_json_put_lit(out, ",\"status\":");
    cdr_json_put_string(out, status);
    cdr_json_put_lit(out, ",\"currentFeature\":");
    cdr_call_put_text(out, feature);
    cdr_json_put_lit(out, "}}");
}


static void
cdr_call_put_text(cdr_json_out_t *out, cdr_str_t text)
{
    if (text.len) {
        cdr_json_put_string(out, text);

    } else {
        cdr_json_put_lit(out, "null");
    }
}
