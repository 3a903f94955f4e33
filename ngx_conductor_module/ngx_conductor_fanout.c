/*
 * From the event log to the clients of this worker.
 *
 * Clients that see the same form a group.  What one turn brings is encoded
 * and framed once, put together once for each group, and goes out in one
 * write to each client: its own share of the work is a look at 16 bytes of
 * an array and that write.
 */

#include "ngx_conductor_session.h"

#include <cdr_reply.h>


#define NGX_CONDUCTOR_STAGE_EVENTS  64
#define NGX_CONDUCTOR_STAGE_SIZE    (256 * 1024)
#define NGX_CONDUCTOR_STAGE_KEEP    (1024 * 1024)
#define NGX_CONDUCTOR_HEADER_MAX    CDR_WS_HEADER_MAX


/* An event of this turn: its frame, and its compressed frame if made. */

typedef struct {
    uint64_t                      channel;    /* bit */
    size_t                        text;       /* offset of the payload */
    size_t                        text_len;
    size_t                        frame;
    size_t                        frame_len;
    size_t                        deflated;
    size_t                        deflated_len;   /* 0: none */
    uint8_t                       level;      /* tried so far */
} ngx_conductor_staged_t;


typedef struct {
    u_char                       *data;
    size_t                        len;
    size_t                        size;
    ngx_uint_t                    n;
    ngx_conductor_staged_t        events[NGX_CONDUCTOR_STAGE_EVENTS];
} ngx_conductor_stage_t;


static ngx_int_t ngx_conductor_stage_fill(ngx_conductor_hub_t *hub,
    ngx_uint_t *more);
static ngx_int_t ngx_conductor_stage_event(ngx_conductor_hub_t *hub,
    cdr_log_event_t *event);
static u_char *ngx_conductor_stage_room(size_t len);
static void ngx_conductor_stage_deflate(ngx_conductor_staged_t *ev,
    ngx_uint_t level);
static void ngx_conductor_stage_reset(void);
static ngx_conductor_buf_t *ngx_conductor_group_batch(
    ngx_conductor_group_t *g);
static ngx_uint_t ngx_conductor_group_deflates(ngx_conductor_group_t *g,
    ngx_conductor_staged_t *ev);
static void ngx_conductor_fanout_gap(ngx_conductor_hub_t *hub);


static ngx_conductor_stage_t  ngx_conductor_stage;


/* NGX_OK at the end of the log, NGX_AGAIN if there is more for a next turn. */

ngx_int_t
ngx_conductor_fanout(ngx_conductor_hub_t *hub)
{
    ngx_uint_t              more;
    ngx_queue_t            *q, *next;
    ngx_conductor_buf_t    *buf;
    ngx_conductor_group_t  *g;

    if (ngx_conductor_stage_fill(hub, &more) != NGX_OK) {
        ngx_conductor_fanout_gap(hub);
        return NGX_AGAIN;
    }

    if (ngx_conductor_stage.n == 0) {
        return more ? NGX_AGAIN : NGX_OK;
    }

    for (q = ngx_queue_head(&hub->groups);
         q != ngx_queue_sentinel(&hub->groups);
         q = next)
    {
        next = ngx_queue_next(q);
        g = ngx_queue_data(q, ngx_conductor_group_t, queue);

        buf = ngx_conductor_group_batch(g);

        if (buf) {
            ngx_conductor_group_send(g, buf);
            ngx_conductor_buf_unref(buf);
        }
    }

    ngx_conductor_stage_reset();

    return more ? NGX_AGAIN : NGX_OK;
}


/* Encodes the next events of the log.  NGX_DECLINED if some were missed. */

static ngx_int_t
ngx_conductor_stage_fill(ngx_conductor_hub_t *hub, ngx_uint_t *more)
{
    int               rc;
    cdr_log_event_t   event;
    cdr_log_cursor_t  cursor;

    *more = 0;

    while (ngx_conductor_stage.n < NGX_CONDUCTOR_STAGE_EVENTS
           && ngx_conductor_stage.len < NGX_CONDUCTOR_STAGE_SIZE)
    {
        cursor = hub->cursor;

        rc = cdr_log_next(&hub->log, &cursor, &event);

        if (rc == CDR_AGAIN) {
            return NGX_OK;
        }

        if (rc != CDR_OK
            || ngx_conductor_stage_event(hub, &event) != NGX_OK)
        {
            if (ngx_conductor_stage.n == 0) {
                return NGX_DECLINED;
            }

            /* first what came before */

            break;
        }

        hub->lost = 0;
        hub->cursor = cursor;
        hub->last_ms = event.fields.pos.ms;
        hub->last_n = event.fields.pos.n;
    }

    *more = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_stage_event(ngx_conductor_hub_t *hub, cdr_log_event_t *event)
{
    size_t                   len, mark;
    u_char                  *p;
    cdr_event_id_t           id;
    cdr_event_view_t         view;
    const cdr_event_type_t  *type;
    ngx_conductor_staged_t  *ev;
    u_char                   name[CDR_LOG_TYPE_MAX];
    u_char                   text[CDR_EVENT_ID_LEN];

    /* the log may be overwritten meanwhile: names are copied, then checked */

    ngx_memcpy(name, event->type.data, event->type.len);

    view.type.data = name;
    view.type.len = event->type.len;
    view.payload = event->payload;
    view.timestamp = event->fields.time_ms;
    view.mask = NULL;
    view.hidden = CDR_MASK_EVERYONE;
    view.skip = 0;

    cdr_event_id_set(&id, &event->fields.pos, event->fields.server);
    view.id.data = text;
    view.id.len = cdr_event_id_print(text, &id);

    type = cdr_event_find(&hub->catalogue, view.type);

    if (type == NULL) {

        /* this configuration does not have it: its clients do not see it */

        return cdr_log_valid(&hub->log, event->seq) ? NGX_OK : NGX_DECLINED;
    }

    mark = ngx_conductor_stage.len;
    len = cdr_event_encode_size(&view);

    if (!cdr_log_valid(&hub->log, event->seq)) {
        return NGX_DECLINED;
    }

    p = ngx_conductor_stage_room(NGX_CONDUCTOR_HEADER_MAX + len
                                 + event->payload.len);
    if (p == NULL) {
        return NGX_DECLINED;
    }

    /* a copy to encode from: the sizes of its fields cannot change then */

    p += NGX_CONDUCTOR_HEADER_MAX + len;
    ngx_memcpy(p, event->payload.data, event->payload.len);

    if (!cdr_log_valid(&hub->log, event->seq)) {
        return NGX_DECLINED;
    }

    view.payload.data = p;

    ev = &ngx_conductor_stage.events[ngx_conductor_stage.n++];

    ev->channel = (uint64_t) 1 << type->channel;
    ev->frame = mark;
    ev->text_len = len;
    ev->deflated_len = 0;
    ev->level = 0;

    p = ngx_conductor_stage.data + mark;
    p += cdr_ws_header(p, CDR_WS_FIN|CDR_WS_OP_TEXT, len);

    ev->text = p - ngx_conductor_stage.data;

    p += cdr_event_encode(p, &view);

    ev->frame_len = p - (ngx_conductor_stage.data + mark);
    ngx_conductor_stage.len = mark + ev->frame_len;

    return NGX_OK;
}


/* Room behind what is staged; what is staged may move. */

static u_char *
ngx_conductor_stage_room(size_t len)
{
    u_char  *p;
    size_t   size;

    size = ngx_conductor_stage.len + len;

    if (size > ngx_conductor_stage.size) {
        size = ngx_max(size, ngx_conductor_stage.size * 2);

        p = realloc(ngx_conductor_stage.data, size);
        if (p == NULL) {
            ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, ngx_errno,
                          "realloc(%uz) failed", size);
            return NULL;
        }

        ngx_conductor_stage.data = p;
        ngx_conductor_stage.size = size;
    }

    return ngx_conductor_stage.data + ngx_conductor_stage.len;
}


/* At most once for an event and level, and for all clients. */

static void
ngx_conductor_stage_deflate(ngx_conductor_staged_t *ev, ngx_uint_t level)
{
    u_char     *p;
    ngx_str_t   out;

    if (ev->level == level) {
        return;
    }

    ev->level = (uint8_t) level;
    ev->deflated_len = 0;

    if (ngx_conductor_deflate(level, ngx_conductor_stage.data + ev->text,
                              ev->text_len, &out)
        != NGX_OK)
    {
        return;
    }

    p = ngx_conductor_stage_room(NGX_CONDUCTOR_HEADER_MAX + out.len);
    if (p == NULL) {
        return;
    }

    ev->deflated = ngx_conductor_stage.len;

    p += cdr_ws_header(p, CDR_WS_FIN|CDR_WS_RSV1|CDR_WS_OP_TEXT, out.len);
    p = ngx_cpymem(p, out.data, out.len);

    ev->deflated_len = p - (ngx_conductor_stage.data + ev->deflated);
    ngx_conductor_stage.len += ev->deflated_len;
}


static void
ngx_conductor_stage_reset(void)
{
    ngx_conductor_stage.n = 0;
    ngx_conductor_stage.len = 0;

    if (ngx_conductor_stage.size > NGX_CONDUCTOR_STAGE_KEEP) {
        ngx_free(ngx_conductor_stage.data);
        ngx_conductor_stage.data = NULL;
        ngx_conductor_stage.size = 0;
    }
}


/* What this turn brings to a group, or NULL. */

static ngx_conductor_buf_t *
ngx_conductor_group_batch(ngx_conductor_group_t *g)
{
    size_t                   len;
    u_char                  *p;
    ngx_uint_t               i;
    ngx_conductor_buf_t     *buf;
    ngx_conductor_staged_t  *ev;

    if (g->n == 0) {
        return NULL;
    }

    len = 0;

    for (i = 0; i < ngx_conductor_stage.n; i++) {
        ev = &ngx_conductor_stage.events[i];

        if (g->channels & ev->channel) {
            len += ngx_conductor_group_deflates(g, ev) ? ev->deflated_len
                                                       : ev->frame_len;
        }
    }

    if (len == 0) {
        return NULL;
    }

    buf = ngx_conductor_buf_new(len);
    if (buf == NULL) {

        /* they must not go on without what they miss */

        while (g->n) {
            ngx_conductor_session_dead(g->members[g->n - 1].session,
                                       CDR_CLOSE_INTERNAL);
        }

        return NULL;
    }

    p = buf->data;

    for (i = 0; i < ngx_conductor_stage.n; i++) {
        ev = &ngx_conductor_stage.events[i];

        if (!(g->channels & ev->channel)) {
            continue;
        }

        if (ngx_conductor_group_deflates(g, ev)) {
            p = ngx_cpymem(p, ngx_conductor_stage.data + ev->deflated,
                           ev->deflated_len);

        } else {
            p = ngx_cpymem(p, ngx_conductor_stage.data + ev->frame,
                           ev->frame_len);
        }
    }

    buf->len = len;

    return buf;
}


static ngx_uint_t
ngx_conductor_group_deflates(ngx_conductor_group_t *g,
    ngx_conductor_staged_t *ev)
{
    if (g->level == 0 || !cdr_pmd_fits(g->window, ev->text_len)) {
        return 0;
    }

    ngx_conductor_stage_deflate(ev, g->level);

    return ev->deflated_len != 0;
}


/*
 * This worker was so far behind that events were overwritten: its clients
 * are told, and it goes on with the oldest event there is.
 */

static void
ngx_conductor_fanout_gap(ngx_conductor_hub_t *hub)
{
    u_char                   *p;
    size_t                    len;
    cdr_str_t                 id, reason;
    ngx_queue_t              *q, *next;
    cdr_log_cursor_t          oldest;
    ngx_conductor_session_t  *s;
    u_char                    text[CDR_EVENT_ID_LEN];

    cdr_slot_add(&hub->slots.slots[hub->slot],
                 NGX_CONDUCTOR_FIGURE_OVERRUNS, 1);

    if (!hub->overrun) {
        hub->overrun = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "hub \"%V\": events were overwritten before this "
                      "worker had sent them; enlarge \"history\"",
                      &hub->name);
    }

    id.data = text;
    id.len = ngx_conductor_event_id(hub, text);
    reason.data = (u_char *) "gap";
    reason.len = 3;

    len = cdr_reply_resumed(NULL, false, 0, id, reason);

    for (q = ngx_queue_head(&hub->sessions);
         q != ngx_queue_sentinel(&hub->sessions);
         q = next)
    {
        next = ngx_queue_next(q);
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        if (s->group == NULL) {
            continue;
        }

        p = ngx_conductor_output_frame(s, CDR_WS_FIN|CDR_WS_OP_TEXT, len);

        if (p) {
            (void) cdr_reply_resumed(p, false, 0, id, reason);
            (void) ngx_conductor_output_flush(s);
        }
    }

    cdr_log_cursor_oldest(&hub->log, &oldest);

    /* twice in a row is no overrun but damage, and none is want of memory */

    if (hub->lost || oldest.seq <= hub->cursor.seq) {
        cdr_log_cursor_end(&hub->log, &hub->cursor);

    } else {
        hub->cursor = oldest;
    }

    hub->lost = 1;
}
