/* A connection as JSON. */

#include "cdr.h"
#include "cdr_conn_json.h"
#include "cdr_json.h"
#include "cdr_presence_json.h"


static void cdr_conn_string(cdr_json_out_t *o, const char *key,
    cdr_str_t value);
static void cdr_conn_number(cdr_json_out_t *o, const char *key,
    uint64_t value);
static void cdr_conn_rate(cdr_json_out_t *o, const char *key, uint32_t rate);
static void cdr_conn_who(cdr_json_out_t *o, const cdr_conn_copy_t *c,
    cdr_str_t server);
static void cdr_conn_look(cdr_json_out_t *o, const cdr_conn_look_t *look);


static const cdr_str_t  cdr_conn_protocols[] = {
    cdr_str("native"),
    cdr_str("echo"),
    cdr_str("socketio"),
    cdr_str("")
};


size_t
cdr_conn_object(uint8_t *dst, const cdr_conn_copy_t *c, cdr_str_t server,
    bool stale)
{
    cdr_json_out_t  o = { dst, 0 };

    cdr_conn_who(&o, c, server);
    cdr_conn_look(&o, &c->look);

    if (c->look.draining) {
        cdr_json_put_lit(&o, ",\"draining\":true");
    }

    if (stale) {
        cdr_json_put_lit(&o, ",\"stale\":true");
    }

    cdr_json_put_lit(&o, "}");

    return o.len;
}


static void
cdr_conn_who(cdr_json_out_t *o, const cdr_conn_copy_t *c, cdr_str_t server)
{
    uint8_t    id[CDR_CONN_ID_TEXT_LEN];
    cdr_str_t  text = { id, sizeof(id) };

    cdr_conn_id_print(id, c->conn.id);

    cdr_conn_string(o, "{\"connectionId\":", text);
    cdr_conn_string(o, ",\"userId\":", c->str[CDR_CONN_USER]);
    cdr_conn_string(o, ",\"role\":", c->str[CDR_CONN_ROLE]);
    cdr_conn_string(o, ",\"address\":", c->str[CDR_CONN_ADDRESS]);
    cdr_conn_string(o, ",\"server\":", server);
    cdr_conn_number(o, ",\"worker\":", (uint64_t) c->conn.owner.pid);
    cdr_conn_number(o, ",\"connectedAt\":", c->conn.connected_ms);
    cdr_conn_number(o, ",\"lastSeen\":", c->seen_ms);
    cdr_conn_string(o, ",\"status\":", cdr_status_name(c->conn.status));
    cdr_conn_string(o, ",\"currentFeature\":", c->str[CDR_CONN_FEATURE]);
}


static void
cdr_conn_look(cdr_json_out_t *o, const cdr_conn_look_t *look)
{
    cdr_json_put_lit(o, ",\"transport\":\"websocket\"");
    cdr_conn_string(o, ",\"protocol\":",
                    cdr_conn_protocols[look->protocol & 3]);
    cdr_conn_number(o, ",\"subscriptions\":", look->channels);

    cdr_conn_number(o, ",\"queue\":{\"bytes\":", look->queue_bytes);
    cdr_conn_number(o, ",\"messages\":", look->queue_messages);
    cdr_conn_rate(o, "},\"rate\":{\"received\":", look->rate_in);
    cdr_conn_rate(o, ",\"sent\":", look->rate_out);
    cdr_conn_number(o, "},\"received\":{\"messages\":", look->messages_in);
    cdr_conn_number(o, ",\"bytes\":", look->bytes_in);
    cdr_conn_number(o, "},\"sent\":{\"messages\":", look->messages_out);
    cdr_conn_number(o, ",\"bytes\":", look->bytes_out);

    if (look->latency) {
        cdr_conn_number(o, "},\"latencyMs\":", look->latency - 1);

    } else {
        cdr_json_put_lit(o, "},\"latencyMs\":null");
    }
}


static void
cdr_conn_string(cdr_json_out_t *o, const char *key, cdr_str_t value)
{
    cdr_json_put(o, key, strlen(key));

    if (value.len == 0) {
        cdr_json_put_lit(o, "null");
        return;
    }

    cdr_json_put_string(o, value);
}


static void
cdr_conn_number(cdr_json_out_t *o, const char *key, uint64_t value)
{
    cdr_json_put(o, key, strlen(key));
    cdr_json_put_u64(o, value);
}


/* With three decimals. */

static void
cdr_conn_rate(cdr_json_out_t *o, const char *key, uint32_t rate)
{
    uint8_t  frac[4];

    frac[0] = '.';
    frac[1] = (uint8_t) ('0' + rate / 100 % 10);
    frac[2] = (uint8_t) ('0' + rate / 10 % 10);
    frac[3] = (uint8_t) ('0' + rate % 10);

    cdr_conn_number(o, key, rate / 1000);
    cdr_json_put(o, frac, sizeof(frac));
}
