/* Questions about the history of presence, and their answers as JSON. */

#include "cdr.h"
#include "cdr_base64.h"
#include "cdr_history.h"
#include "cdr_json.h"
#include "cdr_registry.h"

#include <string.h>


/* What stands behind the items: "count" and the longest cursor. */

#define CDR_HISTORY_TAIL  (CDR_HISTORY_CURSOR + 64)


typedef struct {
    const cdr_history_ask_t  *ask;
    cdr_store_stop_pt         stop;
    void                     *ctx;
    cdr_json_out_t            out;
    size_t                    room;     /* for items */
    uint32_t                  items;
    bool                      more;
    bool                      none;     /* the last one was "no feature" */
    size_t                    last_len;
    uint8_t                   last[CDR_HISTORY_NAME];
} cdr_history_writer_t;


static void cdr_history_query(cdr_store_query_t *query,
    const cdr_history_ask_t *ask);
static bool cdr_history_row(void *ctx, const cdr_store_row_t *row);
static bool cdr_history_stop(void *ctx);
static void cdr_history_head(cdr_history_writer_t *w, uint64_t to_ms);
static void cdr_history_item(cdr_json_out_t *out,
    const cdr_history_ask_t *ask, const cdr_store_row_t *row, bool first);
static void cdr_history_tail(cdr_history_writer_t *w);


int
cdr_history_name(cdr_history_ask_t *ask, cdr_history_name_e which,
    cdr_str_t name)
{
    if (name.len > CDR_HISTORY_NAME) {
        return CDR_TOOBIG;
    }

    ask->given |= 1U << which;
    ask->len[which] = (uint32_t) name.len;

    if (name.len) {
        memcpy(ask->name[which], name.data, name.len);
    }

    return CDR_OK;
}


/* "0": after no feature; "1" and the name, which may be any bytes. */

int
cdr_history_cursor(cdr_history_ask_t *ask, cdr_str_t cursor)
{
    int        rc;
    size_t     len;
    cdr_str_t  name;

    if (cursor.len == 0) {
        return CDR_ERROR;
    }

    name.data = cursor.data + 1;
    name.len = cursor.len - 1;

    rc = cdr_base64url_decode(ask->name[CDR_HISTORY_AFTER], CDR_HISTORY_NAME,
                              &len, name);

    if (rc != CDR_OK || cursor.data[0] != (len ? '1' : '0')) {
        return CDR_ERROR;
    }

    ask->len[CDR_HISTORY_AFTER] = (uint32_t) len;
    ask->given |= 1U << CDR_HISTORY_AFTER;

    return CDR_OK;
}


int
cdr_history_answer(cdr_store_t *store, const cdr_history_ask_t *ask,
    uint64_t now_ms, cdr_store_stop_pt stop, void *ctx, uint8_t *dst,
    size_t size, size_t *len)
{
    int                   rc;
    cdr_store_query_t     query;
    cdr_history_writer_t  w;

    memset(&w, 0, sizeof(cdr_history_writer_t));

    w.ask = ask;
    w.stop = stop;
    w.ctx = ctx;
    w.out.dst = dst;
    w.room = size - CDR_HISTORY_TAIL;

    cdr_history_query(&query, ask);

    if (query.to_ms > now_ms) {
        query.to_ms = now_ms;
    }

    cdr_history_head(&w, query.to_ms);

    rc = cdr_store_history(store, &query, now_ms, cdr_history_row,
                           stop ? cdr_history_stop : NULL, &w);

    if (rc == CDR_TOOBIG && w.items) {
        w.more = true;
        rc = CDR_OK;
    }

    if (rc == CDR_OK) {
        cdr_history_tail(&w);
        *len = w.out.len;
    }

    return rc;
}


/* How many are counted here: those that are not told do not count. */

static void
cdr_history_query(cdr_store_query_t *query, const cdr_history_ask_t *ask)
{
    size_t      i;
    cdr_str_t  *name[CDR_HISTORY_NAMES];

    memset(query, 0, sizeof(cdr_store_query_t));

    query->from_ms = ask->from_ms;
    query->to_ms = ask->to_ms;
    query->by = ask->by == CDR_STORE_BY_FEATURE ? CDR_STORE_BY_FEATURE
                                                : CDR_STORE_BY_REVIEWER;
    query->limit = UINT32_MAX;

    name[CDR_HISTORY_REVIEWER] = &query->reviewer;
    name[CDR_HISTORY_FEATURE] = &query->feature;
    name[CDR_HISTORY_ROLE] = &query->role;
    name[CDR_HISTORY_AFTER] = &query->after;

    for (i = 0; i < CDR_HISTORY_NAMES; i++) {

        if ((ask->given >> i & 1) && ask->len[i] <= CDR_HISTORY_NAME) {
            name[i]->data = ask->name[i];
            name[i]->len = ask->len[i];
        }
    }
}


/* A name that is too long for a cursor is none of ours. */

static bool
cdr_history_row(void *ctx, const cdr_store_row_t *row)
{
    cdr_history_writer_t  *w = ctx;

    uint8_t         id[CDR_CONN_ID_LEN];
    cdr_json_out_t  size;

    if (row->name.len > CDR_HISTORY_NAME) {
        return true;
    }

    if (w->ask->users && w->ask->by == CDR_STORE_BY_REVIEWER
        && cdr_conn_id_parse(id, row->name.data, row->name.len) == CDR_OK)
    {
        return true;
    }

    size.dst = NULL;
    size.len = w->out.len;

    cdr_history_item(&size, w->ask, row, w->items == 0);

    if (w->items == w->ask->limit || size.len > w->room) {
        w->more = true;
        return false;
    }

    cdr_history_item(&w->out, w->ask, row, w->items == 0);

    w->items++;
    w->none = row->name.data == NULL;
    w->last_len = row->name.len;

    if (row->name.len) {
        memcpy(w->last, row->name.data, row->name.len);
    }

    return true;
}


static bool
cdr_history_stop(void *ctx)
{
    cdr_history_writer_t  *w = ctx;

    return w->stop(w->ctx);
}


static void
cdr_history_head(cdr_history_writer_t *w, uint64_t to_ms)
{
    if (w->ask->by == CDR_STORE_BY_FEATURE) {
        cdr_json_put_lit(&w->out, "{\"by\":\"feature\",\"from\":");

    } else {
        cdr_json_put_lit(&w->out, "{\"by\":\"reviewer\",\"from\":");
    }

    cdr_json_put_u64(&w->out, w->ask->from_ms);
    cdr_json_put_lit(&w->out, ",\"to\":");
    cdr_json_put_u64(&w->out, to_ms);
    cdr_json_put_lit(&w->out, ",\"items\":[");
}


static void
cdr_history_item(cdr_json_out_t *out, const cdr_history_ask_t *ask,
    const cdr_store_row_t *row, bool first)
{
    if (!first) {
        cdr_json_put_lit(out, ",");
    }

    if (ask->by == CDR_STORE_BY_FEATURE) {
        cdr_json_put_lit(out, "{\"feature\":");

    } else {
        cdr_json_put_lit(out, "{\"reviewerId\":");
    }

    if (row->name.data) {
        cdr_json_put_string(out, row->name);

    } else {
        cdr_json_put_lit(out, "null");
    }

    cdr_json_put_lit(out, ",\"timeMs\":");
    cdr_json_put_u64(out, row->time_ms);
    cdr_json_put_lit(out, ",\"visits\":");
    cdr_json_put_u64(out, row->visits);
    cdr_json_put_lit(out, ",\"first\":");
    cdr_json_put_u64(out, row->first_ms);
    cdr_json_put_lit(out, ",\"last\":");
    cdr_json_put_u64(out, row->last_ms);
    cdr_json_put_lit(out, "}");
}


static void
cdr_history_tail(cdr_history_writer_t *w)
{
    cdr_str_t  last;

    cdr_json_put_lit(&w->out, "],\"count\":");
    cdr_json_put_u64(&w->out, w->items);

    if (w->more) {
        cdr_json_put_lit(&w->out, ",\"cursor\":\"");

        if (w->none) {
            cdr_json_put_lit(&w->out, "0");

        } else {
            cdr_json_put_lit(&w->out, "1");

            last.data = w->last;
            last.len = w->last_len;

            w->out.len += cdr_base64url_encode(w->out.dst + w->out.len, last);
        }

        cdr_json_put_lit(&w->out, "\"");
    }

    cdr_json_put_lit(&w->out, "}\n");
}
