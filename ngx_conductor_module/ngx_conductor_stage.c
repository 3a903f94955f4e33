/*
 * The events of a turn.  What a class of clients sees of an event is encoded
 * and framed at the first of them, and compressed at most once.
 */

#include "ngx_conductor_session.h"

#include <cdr_filter.h>


#define NGX_CONDUCTOR_STAGE_SIZE    (256 * 1024)
#define NGX_CONDUCTOR_STAGE_KEEP    (1024 * 1024)
#define NGX_CONDUCTOR_HEADER_MAX    CDR_WS_HEADER_MAX
#define NGX_CONDUCTOR_STAGE_LEVELS  9


/* What one class sees of an event: its frame, and that compressed if asked. */

typedef struct ngx_conductor_encoding_s  ngx_conductor_encoding_t;

struct ngx_conductor_encoding_s {
    uint32_t                      class;
    uint32_t                      next;       /* of the event, 0: none */
    size_t                        text;       /* offset of the payload */
    size_t                        text_len;
    ngx_conductor_piece_t         frame;
    uint32_t                      tried;      /* levels, a bit each */
    ngx_conductor_piece_t         deflated[NGX_CONDUCTOR_STAGE_LEVELS];
};


typedef struct {
    const cdr_event_type_t       *type;
    uint64_t                      timestamp;
    size_t                        payload;    /* offset of a copy */
    size_t                        payload_len;
    uint32_t                      encodings;  /* number + 1 of the first */
    uint32_t                      id_len;
    u_char                        id[CDR_EVENT_ID_LEN];
} ngx_conductor_staged_t;


typedef struct {
    u_char                       *data;
    size_t                        len;
    size_t                        size;
    ngx_uint_t                    n;
    uint32_t                      targeted;   /* flags of its one event, */
    cdr_str_t                     to;         /* and whom it is for */
    u_char                        to_text[NGX_CONDUCTOR_TO_MAX];
    ngx_uint_t                    nencodings;
    ngx_uint_t                    max_encodings;
    ngx_conductor_encoding_t     *encodings;
    ngx_conductor_staged_t        events[NGX_CONDUCTOR_STAGE_EVENTS];
} ngx_conductor_stage_t;


static ngx_int_t ngx_conductor_stage_event(ngx_conductor_hub_t *hub,
    cdr_log_event_t *event);
static u_char *ngx_conductor_stage_room(size_t len);
static ngx_conductor_encoding_t *ngx_conductor_stage_encoding(
    ngx_conductor_staged_t *ev, uint32_t class);
static ngx_conductor_encoding_t *ngx_conductor_stage_new(void);
static ngx_int_t ngx_conductor_stage_encode(ngx_conductor_staged_t *ev,
    ngx_conductor_encoding_t *enc);
static void ngx_conductor_stage_deflate(ngx_conductor_encoding_t *enc,
    ngx_uint_t level);


static ngx_conductor_stage_t  ngx_conductor_stage;


/*
 * Takes the next events of the log.  NGX_OK, with "more" if there may be
 * others; NGX_DECLINED if some were missed.
 */

ngx_int_t
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

        if (rc == CDR_OK && ngx_conductor_stage.n
            && (event.fields.flags & NGX_CONDUCTOR_TO))
        {
            /* it goes alone, after what came before */

            break;
        }

        /* an event may be younger than these rules */

        if (ngx_conductor_rules_changed(hub)) {

            if (ngx_conductor_stage.n) {
                break;
            }

            ngx_conductor_rules_update(hub);
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
        hub->last_id.len = 0;

        if (ngx_conductor_stage.targeted) {
            break;
        }
    }

    *more = 1;

    return NGX_OK;
}


ngx_uint_t
ngx_conductor_stage_count(void)
{
    return ngx_conductor_stage.n;
}


/*
 * The frame of an event for a group: NGX_OK; NGX_DECLINED if the group does
 * not get it; NGX_ERROR without memory.
 */

ngx_int_t
ngx_conductor_stage_piece(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g,
    ngx_uint_t i, ngx_conductor_piece_t *piece)
{
    size_t                     type;
    uint32_t                   class;
    cdr_str_t                  filter, text;
    ngx_conductor_staged_t    *ev;
    ngx_conductor_encoding_t  *enc;

    ev = &ngx_conductor_stage.events[i];

    if (!(g->channels >> ev->type->channel & 1)) {
        return NGX_DECLINED;
    }

    type = ev->type - hub->policy->catalogue.types;
    class = g->view->sees.classes[type];

    if (class == CDR_CLASS_NONE) {
        return NGX_DECLINED;
    }

    enc = ngx_conductor_stage_encoding(ev, class);

    if (enc == NULL) {
        return NGX_ERROR;
    }

    if (g->filters
        && ngx_conductor_filter(g->filters, ev->type->channel, &filter)
           == NGX_OK)
    {
        text.data = ngx_conductor_stage.data + enc->text;
        text.len = enc->text_len;

        if (!cdr_filter_match(filter, text)) {
            return NGX_DECLINED;
        }
    }

    *piece = enc->frame;

    if (g->level && cdr_pmd_fits(g->window, enc->text_len)) {
        ngx_conductor_stage_deflate(enc, g->level);

        if (enc->deflated[g->level - 1].len) {
            *piece = enc->deflated[g->level - 1];
        }
    }

    piece->figure = hub->sent[type];

    return NGX_OK;
}


/* Is the one event of this turn for a role or a user only? */

ngx_uint_t
ngx_conductor_stage_targeted(void)
{
    return ngx_conductor_stage.targeted != 0;
}


/*
 * The text of such an event for a client that has its channel, whether its
 * role may see that or not: then without all that is hidden from anybody.
 * NGX_OK; NGX_DECLINED if it is not for it; NGX_ERROR without memory.
 */

ngx_int_t
ngx_conductor_stage_text(ngx_conductor_hub_t *hub,
    ngx_conductor_session_t *s, ngx_conductor_piece_t *text)
{
    size_t                     type;
    uint32_t                   class;
    ngx_conductor_staged_t    *ev;
    ngx_conductor_encoding_t  *enc;

    ev = &ngx_conductor_stage.events[0];

    if (!(s->group->channels >> ev->type->channel & 1)
        || !ngx_conductor_targeted_at(s, ngx_conductor_stage.targeted,
                                      ngx_conductor_stage.to))
    {
        return NGX_DECLINED;
    }

    type = ev->type - hub->policy->catalogue.types;
    class = s->group->view->sees.classes[type];

    if (class == CDR_CLASS_NONE) {
        class = UINT32_MAX;
    }

    enc = ngx_conductor_stage_encoding(ev, class);

    if (enc == NULL) {
        return NGX_ERROR;
    }

    text->offset = enc->text;
    text->len = enc->text_len;
    text->figure = hub->sent[type];

    return NGX_OK;
}


/* Until the next piece is asked for. */

u_char *
ngx_conductor_stage_bytes(ngx_conductor_piece_t *piece)
{
    return ngx_conductor_stage.data + piece->offset;
}


void
ngx_conductor_stage_reset(void)
{
    ngx_conductor_stage.n = 0;
    ngx_conductor_stage.len = 0;
    ngx_conductor_stage.targeted = 0;
    ngx_conductor_stage.nencodings = 0;

    if (ngx_conductor_stage.size > NGX_CONDUCTOR_STAGE_KEEP) {
        ngx_free(ngx_conductor_stage.data);
        ngx_conductor_stage.data = NULL;
        ngx_conductor_stage.size = 0;
    }
}


static ngx_int_t
ngx_conductor_stage_event(ngx_conductor_hub_t *hub, cdr_log_event_t *event)
{
    u_char                  *p;
    cdr_str_t                name, payload;
    cdr_event_id_t           id;
    const cdr_event_type_t  *type;
    ngx_conductor_staged_t  *ev;
    u_char                   buf[CDR_LOG_TYPE_MAX];

    /* the log may be overwritten meanwhile: all is copied, then checked */

    ngx_memcpy(buf, event->type.data, event->type.len);

    name.data = buf;
    name.len = event->type.len;

    type = cdr_event_find(&hub->policy->catalogue, name);

    if (type == NULL) {

        /* these rules do not have it: nobody sees it */

        return cdr_log_valid(&hub->log, event->seq) ? NGX_OK : NGX_DECLINED;
    }

    p = ngx_conductor_stage_room(event->payload.len);
    if (p == NULL) {
        return NGX_DECLINED;
    }

    ngx_memcpy(p, event->payload.data, event->payload.len);

    if (!cdr_log_valid(&hub->log, event->seq)) {
        return NGX_DECLINED;
    }

    payload.data = p;
    payload.len = event->payload.len;

    if (event->fields.flags & NGX_CONDUCTOR_TO) {

        if (ngx_conductor_targeted(&payload, ngx_conductor_stage.to_text,
                                   &ngx_conductor_stage.to)
            != NGX_OK)
        {
            return NGX_OK;
        }

        ngx_conductor_stage.targeted = event->fields.flags;
    }

    ev = &ngx_conductor_stage.events[ngx_conductor_stage.n++];

    ev->type = type;
    ev->timestamp = event->fields.time_ms;
    ev->payload = payload.data - ngx_conductor_stage.data;
    ev->payload_len = payload.len;
    ev->encodings = 0;

    cdr_event_id_set(&id, &event->fields.pos, event->fields.server);
    ev->id_len = (uint32_t) cdr_event_id_print(ev->id, &id);

    ngx_conductor_stage.len += event->payload.len;

    return NGX_OK;
}


/* Room behind what is staged; what is staged may move. */

static u_char *
ngx_conductor_stage_room(size_t len)
{
    u_char  *p;
    size_t   size;

    size = ngx_conductor_stage.len + len;

    if (size > ngx_conductor_stage.size || ngx_conductor_stage.data == NULL) {
        size = ngx_max(size + 1, ngx_conductor_stage.size * 2);

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


/* An event as a class sees it; NULL without memory. */

static ngx_conductor_encoding_t *
ngx_conductor_stage_encoding(ngx_conductor_staged_t *ev, uint32_t class)
{
    uint32_t                   i;
    ngx_conductor_encoding_t  *enc;

    for (i = ev->encodings; i; i = enc->next) {
        enc = &ngx_conductor_stage.encodings[i - 1];

        if (enc->class == class) {
            return enc;
        }
    }

    enc = ngx_conductor_stage_new();
    if (enc == NULL) {
        return NULL;
    }

    enc->class = class;
    enc->tried = 0;

    if (ngx_conductor_stage_encode(ev, enc) != NGX_OK) {
        return NULL;
    }

    enc->next = ev->encodings;
    ev->encodings = (uint32_t) ++ngx_conductor_stage.nencodings;

    return enc;
}


static ngx_conductor_encoding_t *
ngx_conductor_stage_new(void)
{
    ngx_uint_t                 n;
    ngx_conductor_encoding_t  *enc;

    if (ngx_conductor_stage.nencodings == ngx_conductor_stage.max_encodings) {
        n = ngx_max(ngx_conductor_stage.max_encodings * 2,
                    NGX_CONDUCTOR_STAGE_EVENTS);

        enc = realloc(ngx_conductor_stage.encodings,
                      n * sizeof(ngx_conductor_encoding_t));
        if (enc == NULL) {
            return NULL;
        }

        ngx_conductor_stage.encodings = enc;
        ngx_conductor_stage.max_encodings = n;
    }

    return &ngx_conductor_stage.encodings[ngx_conductor_stage.nencodings];
}


static ngx_int_t
ngx_conductor_stage_encode(ngx_conductor_staged_t *ev,
    ngx_conductor_encoding_t *enc)
{
    u_char            *p;
    size_t             start;
    cdr_event_view_t   view;

    ngx_memzero(&view, sizeof(cdr_event_view_t));

    view.type = ev->type->name;
    view.payload.data = ngx_conductor_stage.data + ev->payload;
    view.payload.len = ev->payload_len;
    view.timestamp = ev->timestamp;
    view.id.data = ev->id;
    view.id.len = ev->id_len;
    view.mask = ev->type->mask;
    view.hidden = enc->class;

    enc->text_len = cdr_event_encode_size(&view);

    p = ngx_conductor_stage_room(NGX_CONDUCTOR_HEADER_MAX + enc->text_len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* it may have moved */

    view.payload.data = ngx_conductor_stage.data + ev->payload;

    start = ngx_conductor_stage.len;

    p += cdr_ws_header(p, CDR_WS_FIN|CDR_WS_OP_TEXT, enc->text_len);

    enc->text = p - ngx_conductor_stage.data;

    p += cdr_event_encode(p, &view);

    ngx_conductor_stage.len = p - ngx_conductor_stage.data;

    enc->frame.offset = start;
    enc->frame.len = ngx_conductor_stage.len - start;

    return NGX_OK;
}


/* At most once for a class and level, and for all clients. */

static void
ngx_conductor_stage_deflate(ngx_conductor_encoding_t *enc, ngx_uint_t level)
{
    u_char                 *p;
    ngx_str_t               out;
    ngx_conductor_piece_t  *piece;

    if (enc->tried >> level & 1) {
        return;
    }

    piece = &enc->deflated[level - 1];

    enc->tried |= 1u << level;
    piece->len = 0;

    if (ngx_conductor_deflate(level, ngx_conductor_stage.data + enc->text,
                              enc->text_len, &out)
        != NGX_OK)
    {
        return;
    }

    p = ngx_conductor_stage_room(NGX_CONDUCTOR_HEADER_MAX + out.len);
    if (p == NULL) {
        return;
    }

    piece->offset = ngx_conductor_stage.len;

    p += cdr_ws_header(p, CDR_WS_FIN|CDR_WS_RSV1|CDR_WS_OP_TEXT, out.len);
    p = ngx_cpymem(p, out.data, out.len);

    ngx_conductor_stage.len = p - ngx_conductor_stage.data;
    piece->len = ngx_conductor_stage.len - piece->offset;
}
