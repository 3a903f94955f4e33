/* What the server says to one client. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_reply.h"


#define CDR_REPLY_CODE(symbol, name)  cdr_str(name),


static void cdr_reply_limits(cdr_json_out_t *out,
    const cdr_reply_limits_t *limits);
static void cdr_reply_limit(cdr_json_out_t *out, const char **sep,
    cdr_str_t name, uint64_t n);
static void cdr_reply_string(cdr_json_out_t *out, cdr_str_t plain);
static void cdr_reply_id(cdr_json_out_t *out, cdr_str_t id);


static const cdr_str_t  cdr_reply_codes[] = {
    CDR_ERROR_CODES(CDR_REPLY_CODE)
};


size_t
cdr_reply_welcome(uint8_t *dst, const cdr_reply_welcome_t *w)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put_lit(&out, "{\"type\":\"welcome\",\"connectionId\":");
    cdr_reply_string(&out, w->connection);
    cdr_json_put_lit(&out, ",\"message\":");
    cdr_reply_string(&out, w->message);
    cdr_json_put_lit(&out, ",\"timestamp\":");
    cdr_json_put_u64(&out, w->timestamp);
    cdr_json_put_lit(&out, ",\"userId\":");
    cdr_reply_string(&out, w->user);
    cdr_json_put_lit(&out, ",\"role\":");
    cdr_reply_string(&out, w->role);
    cdr_json_put_lit(&out, ",\"server\":");
    cdr_reply_string(&out, w->server);
    cdr_json_put_lit(&out, ",\"lastEventId\":");
    cdr_reply_string(&out, w->last_event);
    cdr_json_put_lit(&out, ",\"pingMs\":");
    cdr_json_put_u64(&out, w->ping);
    cdr_json_put_lit(&out, ",\"limits\":{");
    cdr_reply_limits(&out, &w->limits);
    cdr_json_put_lit(&out, "}}");

    return out.len;
}


static void
cdr_reply_limits(cdr_json_out_t *out, const cdr_reply_limits_t *limits)
{
    uint64_t     per;
    const char  *sep;

    sep = "";
    per = (limits->messages || limits->bytes) ? limits->per : 0;

    cdr_reply_limit(out, &sep, (cdr_str_t) cdr_str("messages"),
                    limits->messages);
    cdr_reply_limit(out, &sep, (cdr_str_t) cdr_str("bytes"), limits->bytes);
    cdr_reply_limit(out, &sep, (cdr_str_t) cdr_str("per"), per);
    cdr_reply_limit(out, &sep, (cdr_str_t) cdr_str("maxMessage"),
                    limits->max_message);
    cdr_reply_limit(out, &sep, (cdr_str_t) cdr_str("maxQueue"),
                    limits->max_queue);
}


static void
cdr_reply_limit(cdr_json_out_t *out, const char **sep, cdr_str_t name,
    uint64_t n)
{
    if (n == 0) {
        return;
    }

    cdr_json_put(out, *sep, **sep ? 1 : 0);
    cdr_json_put_string(out, name);
    cdr_json_put_lit(out, ":");
    cdr_json_put_u64(out, n);

    *sep = ",";
}


size_t
cdr_reply_ack(uint8_t *dst, cdr_str_t id, cdr_str_t extra)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put_lit(&out, "{\"type\":\"ack\"");
    cdr_reply_id(&out, id);

    if (extra.len) {
        cdr_json_put_lit(&out, ",");
        cdr_json_put(&out, extra.data, extra.len);
    }

    cdr_json_put_lit(&out, "}");

    return out.len;
}


cdr_str_t
cdr_reply_code(unsigned code)
{
    return cdr_reply_codes[code];
}


size_t
cdr_reply_error(uint8_t *dst, cdr_str_t code, cdr_str_t error, cdr_str_t id)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put_lit(&out, "{\"type\":\"error\",\"code\":");
    cdr_reply_string(&out, code);
    cdr_json_put_lit(&out, ",\"error\":");
    cdr_reply_string(&out, error);
    cdr_reply_id(&out, id);
    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_reply_rate_limited(uint8_t *dst, uint64_t retry, cdr_str_t id)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put_lit(&out, "{\"type\":\"error\",\"code\":\"rate_limited\","
                           "\"error\":\"Rate limit exceeded. "
                           "Please slow down.\","
                           "\"rateLimited\":true,\"retryAfterMs\":");
    cdr_json_put_u64(&out, retry);
    cdr_reply_id(&out, id);
    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_reply_pong(uint8_t *dst, cdr_str_t id, uint64_t timestamp,
    cdr_str_t last_event)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put_lit(&out, "{\"type\":\"pong\"");
    cdr_reply_id(&out, id);
    cdr_json_put_lit(&out, ",\"timestamp\":");
    cdr_json_put_u64(&out, timestamp);
    cdr_json_put_lit(&out, ",\"lastEventId\":");
    cdr_reply_string(&out, last_event);
    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_reply_resumed(uint8_t *dst, bool recovered, uint64_t count,
    cdr_str_t last_event, cdr_str_t reason)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put_lit(&out, "{\"type\":\"resumed\",\"recovered\":");

    if (recovered) {
        cdr_json_put_lit(&out, "true");

    } else {
        cdr_json_put_lit(&out, "false");
    }

    cdr_json_put_lit(&out, ",\"count\":");
    cdr_json_put_u64(&out, count);
    cdr_json_put_lit(&out, ",\"lastEventId\":");
    cdr_reply_string(&out, last_event);

    if (reason.data) {
        cdr_json_put_lit(&out, ",\"reason\":");
        cdr_reply_string(&out, reason);
    }

    cdr_json_put_lit(&out, "}");

    return out.len;
}


static void
cdr_reply_string(cdr_json_out_t *out, cdr_str_t plain)
{
    if (plain.data == NULL) {
        cdr_json_put_lit(out, "null");
        return;
    }

    cdr_json_put_string(out, plain);
}


static void
cdr_reply_id(cdr_json_out_t *out, cdr_str_t id)
{
    if (id.data) {
        cdr_json_put_lit(out, ",\"id\":");
        cdr_json_put(out, id.data, id.len);
    }
}
