/*
 * Events as clients get them.  What a class of clients sees of an event is
 * encoded and framed at the first of them, and compressed at most once.
 */

#include "ngx_conductor_replay.h"

#include <cdr_filter.h>


#define NGX_CONDUCTOR_HEADER_MAX    CDR_WS_HEADER_MAX
#define NGX_CONDUCTOR_ENCODINGS     64


static ngx_int_t ngx_conductor_stage_copy(ngx_conductor_stage_t *st,
    ngx_conductor_hub_t *hub, cdr_log_event_t *event,
    ngx_conductor_staged_t *ev);
static u_char *ngx_conductor_stage_room(ngx_conductor_stage_t *st,
    size_t len);
static ngx_conductor_encoding_t *ngx_conductor_stage_targeted(
    ngx_conductor_stage_t *st, ngx_conductor_staged_t *ev,
    ngx_conductor_group_t *g, ngx_conductor_session_t *s, ngx_int_t *rc);
static ngx_conductor_encoding_t *ngx_conductor_stage_encoding(
    ngx_conductor_stage_t *st, ngx_conductor_staged_t *ev, uint32_t class,
    ngx_conductor_known_t *known);
static ngx_conductor_encoding_t *ngx_conductor_stage_new(
    ngx_conductor_stage_t *st);
static ngx_int_t ngx_conductor_stage_encode(ngx_conductor_stage_t *st,
    ngx_conductor_staged_t *ev, ngx_conductor_encoding_t *enc);
static void ngx_conductor_stage_deflate(ngx_conductor_stage_t *st,
    ngx_conductor_encoding_t *enc, ngx_uint_t level);


/*
 * Copies an event of the log behind what is staged.  NGX_OK, with no type if
 * nobody sees it; NGX_DECLINED if it was overwritten; NGX_ERROR without memory.
 */

ngx_int_t
ngx_conductor_stage_event(ngx_conductor_stage_t *st, ngx_conductor_hub_t *hub,
    cdr_log_event_t *event, ngx_conductor_staged_t *ev)
{
    cdr_str_t  name;
    u_char     buf[CDR_LOG_TYPE_MAX];

    /* the log may be overwritten meanwhile: all is copied, then checked */

    ngx_memcpy(buf, event->type.data, event->type.len);

    name.data = buf;
    name.len = event->type.len;

    ev->seq = event->seq;
    ev->pos = event->fields.pos;
    ev->lone = event->fields.lone;
    ev->server = event->fields.server;
    ev->n = event->fields.n;
    ev->timestamp = event->fields.time_ms;
    ev->marks = event->fields.flags
                & (NGX_CONDUCTOR_EVENT_OLD|NGX_CONDUCTOR_EVENT_GAP);
    ev->type = cdr_event_find(&hub->policy->catalogue, name);

    if (ev->type == NULL) {
        ev->flags = 0;
        ev->id_len = 0;

        /* these rules do not have it */

        return cdr_log_valid(&hub->log, event->seq) ? NGX_OK : NGX_DECLINED;
    }

    return ngx_conductor_stage_copy(st, hub, event, ev);
}


/* Its payload, and whom it is for. */

static ngx_int_t
ngx_conductor_stage_copy(ngx_conductor_stage_t *st, ngx_conductor_hub_t *hub,
    cdr_log_event_t *event, ngx_conductor_staged_t *ev)
{
    u_char          *p;
    size_t           len;
    cdr_str_t        payload, to;
    cdr_event_id_t   id;

    len = event->payload.len;

    p = ngx_conductor_stage_room(st, len + NGX_CONDUCTOR_TO_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, event->payload.data, len);

    if (!cdr_log_valid(&hub->log, event->seq)) {
        return NGX_DECLINED;
    }

    payload.data = p;
    payload.len = len;

    ev->flags = event->fields.flags & NGX_CONDUCTOR_TO;

    if (ev->flags) {

        if (ngx_conductor_targeted(&payload, p + len, &to) != NGX_OK) {
            ev->type = NULL;
            return NGX_OK;
        }

        ev->to = to.data - st->data;
        ev->to_len = to.len;
        len += to.len;
    }

    ev->payload = payload.data - st->data;
    ev->payload_len = payload.len;
    ev->encodings = 0;

    cdr_event_id_set(&id, &ev->pos, ev->lone);
    ev->id_len = (uint32_t) cdr_event_id_print(ev->id, &id);

    st->len += len;

    return NGX_OK;
}


/*
 * The frame of an event for a group: NGX_OK; NGX_DECLINED if the group does
 * not get it; NGX_ERROR without memory.
 */

ngx_int_t
ngx_conductor_stage_piece(ngx_conductor_stage_t *st, ngx_conductor_hub_t *hub,
    ngx_conductor_staged_t *ev, ngx_conductor_group_t *g,
    ngx_conductor_piece_t *piece)
{
    size_t                     type;
    uint32_t                   class;
    cdr_str_t                  filter, text;
    ngx_conductor_encoding_t  *enc;

    if (ev->type == NULL || !(g->channels >> ev->type->channel & 1)) {
        return NGX_DECLINED;
    }

    type = ev->type - hub->policy->catalogue.types;
    class = g->view->sees.classes[type];

    if (class == CDR_CLASS_NONE) {
        return NGX_DECLINED;
    }

    if (g->known && ngx_conductor_known_had(g->known, ev->server, ev->n)) {
        return NGX_DECLINED;
    }

    enc = ngx_conductor_stage_encoding(st, ev, class, g->known);

    if (enc == NULL) {
        return NGX_ERROR;
    }

    if (g->filters
        && ngx_conductor_filter(g->filters, ev->type->channel, &filter)
           == NGX_OK)
    {
        text.data = st->data + enc->text;
        text.len = enc->text_len;

        if (!cdr_filter_match(filter, text)) {
            return NGX_DECLINED;
        }
    }

    *piece = enc->frame;

    if (g->level && cdr_pmd_fits(g->window, enc->text_len)) {
        ngx_conductor_stage_deflate(st, enc, g->level);

        if (enc->deflated[g->level - 1].len) {
            *piece = enc->deflated[g->level - 1];
        }
    }

    piece->figure = hub->sent[type];

    return NGX_OK;
}


/* The same for one client, which an event may be for alone. */

ngx_int_t
ngx_conductor_stage_single(ngx_conductor_stage_t *st,
    ngx_conductor_staged_t *ev, ngx_conductor_group_t *g,
    ngx_conductor_session_t *s, ngx_conductor_piece_t *piece)
{
    ngx_int_t                  rc;
    ngx_conductor_encoding_t  *enc;

    if (ev->type == NULL || !ev->flags) {
        return ngx_conductor_stage_piece(st, s->hub, ev, g, piece);
    }

    enc = ngx_conductor_stage_targeted(st, ev, g, s, &rc);

    if (enc) {
        *piece = enc->frame;
        piece->figure =
                 s->hub->sent[ev->type - s->hub->policy->catalogue.types];
    }

    return rc;
}


/* The text of an event that is for a role or a user only. */

ngx_int_t
ngx_conductor_stage_text(ngx_conductor_stage_t *st,
    ngx_conductor_staged_t *ev, ngx_conductor_session_t *s,
    ngx_conductor_piece_t *text)
{
    ngx_int_t                  rc;
    ngx_conductor_encoding_t  *enc;

    enc = ngx_conductor_stage_targeted(st, ev, s->group, s, &rc);

    if (enc) {
        text->offset = enc->text;
        text->len = enc->text_len;
        text->figure =
                 s->hub->sent[ev->type - s->hub->policy->catalogue.types];
    }

    return rc;
}


/* Until the next piece is asked for. */

u_char *
ngx_conductor_stage_bytes(ngx_conductor_stage_t *st,
    ngx_conductor_piece_t *piece)
{
    return st->data + piece->offset;
}


/* Forgets all events, and gives memory back but for so much. */

void
ngx_conductor_stage_clear(ngx_conductor_stage_t *st, size_t keep)
{
    st->len = 0;
    st->nencodings = 0;

    if (st->size > keep) {
        free(st->data);
        st->data = NULL;
        st->size = 0;
    }

    if (st->max_encodings * sizeof(ngx_conductor_encoding_t) > keep) {
        free(st->encodings);
        st->encodings = NULL;
        st->max_encodings = 0;
    }
}


/*
 * Such an event is for a client that has its channel, whether its role may
 * see that or not: then without all that is hidden from anybody.  NULL with
 * NGX_DECLINED if it is not for it, with NGX_ERROR without memory.
 */

static ngx_conductor_encoding_t *
ngx_conductor_stage_targeted(ngx_conductor_stage_t *st,
    ngx_conductor_staged_t *ev, ngx_conductor_group_t *g,
    ngx_conductor_session_t *s, ngx_int_t *rc)
{
    uint32_t                   class;
    cdr_str_t                  to;
    ngx_conductor_encoding_t  *enc;

    to.data = st->data + ev->to;
    to.len = ev->to_len;

    *rc = NGX_DECLINED;

    if (!(g->channels >> ev->type->channel & 1)
        || !ngx_conductor_targeted_at(s, ev->flags, to)
        || (g->known
            && ngx_conductor_known_had(g->known, ev->server, ev->n)))
    {
        return NULL;
    }

    class = g->view->sees.classes[ev->type
                                  - s->hub->policy->catalogue.types];

    if (class == CDR_CLASS_NONE) {
        class = UINT32_MAX;
    }

    enc = ngx_conductor_stage_encoding(st, ev, class, g->known);

    *rc = enc ? NGX_OK : NGX_ERROR;

    return enc;
}


/* Room behind what is staged; what is staged may move. */

static u_char *
ngx_conductor_stage_room(ngx_conductor_stage_t *st, size_t len)
{
    u_char  *p;
    size_t   size;

    size = st->len + len;

    if (size > st->size || st->data == NULL) {
        size = ngx_max(size + 1, st->size * 2);

        p = realloc(st->data, size);
        if (p == NULL) {
            ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, ngx_errno,
                          "realloc(%uz) failed", size);
            return NULL;
        }

        st->data = p;
        st->size = size;
    }

    return st->data + st->len;
}


/* An event as a class sees it, for who had that; NULL without memory. */

static ngx_conductor_encoding_t *
ngx_conductor_stage_encoding(ngx_conductor_stage_t *st,
    ngx_conductor_staged_t *ev, uint32_t class, ngx_conductor_known_t *known)
{
    uint32_t                   i;
    ngx_conductor_encoding_t  *enc;

    for (i = ev->encodings; i; i = enc->next) {
        enc = &st->encodings[i - 1];

        if (enc->class == class
            && enc->serial == (known ? known->serial : 0))
        {
            return enc;
        }
    }

    enc = ngx_conductor_stage_new(st);
    if (enc == NULL) {
        return NULL;
    }

    enc->class = class;
    enc->known = known;
    enc->serial = known ? known->serial : 0;
    enc->tried = 0;

    if (ngx_conductor_stage_encode(st, ev, enc) != NGX_OK) {
        return NULL;
    }

    enc->next = ev->encodings;
    ev->encodings = (uint32_t) ++st->nencodings;

    return enc;
}


static ngx_conductor_encoding_t *
ngx_conductor_stage_new(ngx_conductor_stage_t *st)
{
    ngx_uint_t                 n;
    ngx_conductor_encoding_t  *enc;

    if (st->nencodings == st->max_encodings) {
        n = ngx_max(st->max_encodings * 2, NGX_CONDUCTOR_ENCODINGS);

        enc = realloc(st->encodings, n * sizeof(ngx_conductor_encoding_t));
        if (enc == NULL) {
            return NULL;
        }

        st->encodings = enc;
        st->max_encodings = n;
    }

    return &st->encodings[st->nencodings];
}


static ngx_int_t
ngx_conductor_stage_encode(ngx_conductor_stage_t *st,
    ngx_conductor_staged_t *ev, ngx_conductor_encoding_t *enc)
{
    u_char            *p;
    size_t             start;
    cdr_event_view_t   view;
    u_char             id[CDR_EVENT_ID_LEN];

    ngx_memzero(&view, sizeof(cdr_event_view_t));

    view.type = ev->type->name;
    view.payload.data = st->data + ev->payload;
    view.payload.len = ev->payload_len;
    view.timestamp = ev->timestamp;
    view.id.data = ev->id;
    view.id.len = ev->id_len;
    view.mask = ev->type->mask;
    view.hidden = enc->class;

    if (enc->known) {
        view.id.data = id;
        view.id.len = ngx_conductor_known_id(enc->known, id, &ev->pos,
                                             ev->lone);
    }

    enc->text_len = cdr_event_encode_size(&view);

    p = ngx_conductor_stage_room(st, NGX_CONDUCTOR_HEADER_MAX + enc->text_len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* it may have moved */

    view.payload.data = st->data + ev->payload;

    start = st->len;

    p += cdr_ws_header(p, CDR_WS_FIN|CDR_WS_OP_TEXT, enc->text_len);

    enc->text = p - st->data;

    p += cdr_event_encode(p, &view);

    st->len = p - st->data;

    enc->frame.offset = start;
    enc->frame.len = st->len - start;

    return NGX_OK;
}


/* At most once for a class and level, and for all clients. */

static void
ngx_conductor_stage_deflate(ngx_conductor_stage_t *st,
    ngx_conductor_encoding_t *enc, ngx_uint_t level)
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

    if (ngx_conductor_deflate(level, st->data + enc->text, enc->text_len, &out)
        != NGX_OK)
    {
        return;
    }

    p = ngx_conductor_stage_room(st, NGX_CONDUCTOR_HEADER_MAX + out.len);
    if (p == NULL) {
        return;
    }

    piece->offset = st->len;

    p += cdr_ws_header(p, CDR_WS_FIN|CDR_WS_RSV1|CDR_WS_OP_TEXT, out.len);
    p = ngx_cpymem(p, out.data, out.len);

    st->len = p - st->data;
    piece->len = st->len - piece->offset;
}
