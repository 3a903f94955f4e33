/* The outgoing queue of a session, and its way to the socket. */

#include "ngx_conductor_session.h"


#define NGX_CONDUCTOR_BUF_MIN       512
#define NGX_CONDUCTOR_GATHER_SIZE   65536


static ngx_conductor_buf_t *ngx_conductor_output_tail(
    ngx_conductor_session_t *s, size_t size);
static ngx_int_t ngx_conductor_output_room(ngx_conductor_session_t *s,
    size_t size);
static ngx_int_t ngx_conductor_output_link(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf);
static void ngx_conductor_output_unlink(ngx_conductor_item_t *link);
static u_char *ngx_conductor_output_gather(ngx_conductor_session_t *s,
    size_t *len);
static void ngx_conductor_output_sent(ngx_conductor_session_t *s, size_t n);
static void ngx_conductor_output_queued(ngx_conductor_session_t *s,
    size_t queued, int64_t messages);
static ngx_uint_t ngx_conductor_output_unsent(ngx_conductor_buf_t *buf,
    size_t pos);
static void ngx_conductor_output_dropped(ngx_conductor_session_t *s,
    ngx_uint_t messages, size_t bytes);


static u_char  ngx_conductor_gather[NGX_CONDUCTOR_GATHER_SIZE];


/* A buffer with one reference, the caller's. */

ngx_conductor_buf_t *
ngx_conductor_buf_new(size_t size)
{
    ngx_conductor_buf_t  *buf;

    buf = ngx_alloc(sizeof(ngx_conductor_buf_t) + size, ngx_cycle->log);
    if (buf == NULL) {
        return NULL;
    }

    buf->len = 0;
    buf->size = size;
    buf->refs = 1;
    buf->messages = 0;
    buf->link.buf = NULL;

    return buf;
}


void
ngx_conductor_buf_unref(ngx_conductor_buf_t *buf)
{
    if (--buf->refs == 0) {
        ngx_free(buf);
    }
}


/*
 * Queues a frame and returns the place for its payload, or NULL: then the
 * client is being closed.  Nothing follows the close frame, RFC 6455 section
 * 5.5.1.
 */

u_char *
ngx_conductor_output_frame(ngx_conductor_session_t *s, ngx_uint_t first,
    size_t len)
{
    size_t                size;
    u_char               *p;
    ngx_uint_t            message;
    ngx_conductor_buf_t  *buf;

    if (s->state != NGX_CONDUCTOR_OPEN
        && (s->state != NGX_CONDUCTOR_CLOSING
            || first != (CDR_WS_FIN|CDR_WS_OP_CLOSE)))
    {
        return NULL;
    }

    size = cdr_ws_header_size(len) + len;

    if (ngx_conductor_output_room(s, size) != NGX_OK) {
        return NULL;
    }

    buf = ngx_conductor_output_tail(s, size);

    if (buf == NULL) {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        return NULL;
    }

    p = buf->data + buf->len;
    p += cdr_ws_header(p, (uint8_t) first, len);

    message = !(first & CDR_WS_OP_CONTROL);

    buf->len += size;
    buf->messages += message;

    ngx_conductor_output_queued(s, s->queued + size, message);

    return p;
}


/* The same for a message of the native protocol, CDR_SENT_... */

u_char *
ngx_conductor_output_message(ngx_conductor_session_t *s, ngx_uint_t type,
    size_t len)
{
    u_char  *p;

    p = ngx_conductor_output_frame(s, CDR_WS_FIN|CDR_WS_OP_TEXT, len);

    if (p) {
        ngx_conductor_count(s->hub, CDR_FIGURE_SENT + type, 1);
    }

    return p;
}


ngx_int_t
ngx_conductor_output(ngx_conductor_session_t *s, ngx_uint_t first,
    u_char *data, size_t len)
{
    u_char  *p;

    p = ngx_conductor_output_frame(s, first, len);

    if (p == NULL) {
        return NGX_ERROR;
    }

    if (len) {
        ngx_memcpy(p, data, len);
    }

    return NGX_OK;
}


/*
 * Queues a shared buffer of which "pos" bytes are sent already, which is
 * possible only if nothing is queued.
 */

ngx_int_t
ngx_conductor_output_buf(ngx_conductor_session_t *s, ngx_conductor_buf_t *buf,
    size_t pos)
{
    if (ngx_conductor_output_room(s, buf->len - pos) != NGX_OK) {
        ngx_conductor_output_lost(s, buf, pos);
        return NGX_ERROR;
    }

    if (ngx_conductor_output_link(s, buf) != NGX_OK) {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        ngx_conductor_output_lost(s, buf, pos);
        return NGX_ERROR;
    }

    buf->refs++;

    ngx_conductor_output_queued(s, s->queued + buf->len - pos, buf->messages);

    if (pos) {
        s->out_pos = pos;
    }

    return NGX_OK;
}


/*
 * Moves all that is queued, and of which nothing was offered to the socket,
 * into a buffer with room for it.
 */

void
ngx_conductor_output_move(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf)
{
    int64_t                n;
    ngx_conductor_item_t  *link;

    n = 0;

    while (s->out) {
        link = s->out;
        s->out = link->next;
        n += link->buf->messages;

        ngx_memcpy(buf->data + buf->len, link->buf->data, link->buf->len);

        buf->len += link->buf->len;
        buf->messages += link->buf->messages;

        ngx_conductor_output_unlink(link);
    }

    s->last = &s->out;

    ngx_conductor_output_queued(s, 0, -n);
}


/*
 * Sends what is queued.  NGX_OK if nothing is left, NGX_AGAIN if the socket
 * is full, NGX_ERROR if the connection is lost.
 */

ngx_int_t
ngx_conductor_output_flush(ngx_conductor_session_t *s)
{
    size_t             len;
    u_char            *p;
    ssize_t            n;
    ngx_connection_t  *c;

    c = s->connection;

    while (s->out) {

        if (!c->write->ready) {
            ngx_conductor_group_blocked(s, 1);
            return NGX_AGAIN;
        }

        p = ngx_conductor_output_gather(s, &len);

        n = c->send(c, p, len);

        ngx_log_debug3(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                       "conductor output: %z of %uz bytes, %uz queued", n, len,
                       s->queued);

        s->offered = (n == NGX_AGAIN && ngx_conductor_tls(c)) ? len : 0;

        if (n == NGX_AGAIN) {

            if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
                n = NGX_ERROR;

            } else {
                ngx_conductor_group_blocked(s, 1);
                return NGX_AGAIN;
            }
        }

        if (n == NGX_ERROR) {
            ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
            return NGX_ERROR;
        }

        ngx_conductor_output_sent(s, n);

        if ((size_t) n < len && ngx_handle_write_event(c->write, 0) != NGX_OK)
        {
            ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
            return NGX_ERROR;
        }
    }

    if (s->blocked) {
        ngx_conductor_group_blocked(s, 0);
    }

    return NGX_OK;
}


/*
 * Forgets what is queued: all of it, or all but the first buffer, which may
 * be sent in part and ends, as every buffer, with a whole frame.  Over TLS
 * all that was offered in vain stays: OpenSSL has encrypted, and perhaps
 * sent, some of it, does not say how much, and wants the same again.
 */

void
ngx_conductor_output_drop(ngx_conductor_session_t *s, ngx_uint_t all)
{
    size_t                 pos, queued, left;
    int64_t                messages;
    ngx_uint_t             n;
    ngx_conductor_item_t  *link, *next;

    link = s->out;

    if (link == NULL) {
        return;
    }

    n = 0;
    messages = 0;
    pos = all ? s->out_pos : 0;
    queued = s->queued;

    if (all) {
        s->out = NULL;
        s->last = &s->out;
        s->out_pos = 0;
        left = 0;

    } else {
        left = link->buf->len - s->out_pos;

        while (left < s->offered && link->next) {
            link = link->next;
            left += link->buf->len;
        }

        s->last = &link->next;
        link = link->next;
        *s->last = NULL;
    }

    for ( /* void */ ; link; link = next) {
        next = link->next;
        n += ngx_conductor_output_unsent(link->buf, pos);
        messages += link->buf->messages;
        pos = 0;
        ngx_conductor_output_unlink(link);
    }

    ngx_conductor_output_queued(s, left, -messages);
    ngx_conductor_output_dropped(s, n, queued - left);
}


/* What is queued now, and how many messages more that are. */

static void
ngx_conductor_output_queued(ngx_conductor_session_t *s, size_t queued,
    int64_t messages)
{
    ngx_conductor_gauge(s->hub, CDR_GAUGE_QUEUED_BYTES,
                        (int64_t) (queued - s->queued));
    ngx_conductor_gauge(s->hub, CDR_GAUGE_QUEUED_MESSAGES, messages);
    ngx_conductor_gauge(s->hub, CDR_GAUGE_BEHIND,
                        (queued != 0) - (s->queued != 0));

    s->queued = queued;
    s->queued_n += messages;
}


/* What a client does not get, of a buffer that was not queued for it. */

void
ngx_conductor_output_lost(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf, size_t pos)
{
    ngx_conductor_output_dropped(s, ngx_conductor_output_unsent(buf, pos),
                                 buf->len - pos);
}


/* The messages of a buffer that are not sent whole when "pos" bytes are. */

static ngx_uint_t
ngx_conductor_output_unsent(ngx_conductor_buf_t *buf, size_t pos)
{
    return buf->messages - (pos ? cdr_ws_messages(buf->data, pos) : 0);
}


static void
ngx_conductor_output_dropped(ngx_conductor_session_t *s, ngx_uint_t messages,
    size_t bytes)
{
    ngx_uint_t  reason;

    reason = (ngx_conductor_session_ending(s) == CDR_ENDED_CDR_CLOSE_TOO_SLOW)
             ? CDR_DROP_SLOW : CDR_DROP_GONE;

    ngx_conductor_count(s->hub, CDR_FIGURE_DROPPED + reason, messages);
    ngx_conductor_count(s->hub, CDR_FIGURE_DROPPED_BYTES + reason, bytes);
}


/*
 * A client that is too far behind what is being written to it is given up:
 * everything it waits for is dropped and it is told so.  A close frame always
 * has room.
 */

static ngx_int_t
ngx_conductor_output_room(ngx_conductor_session_t *s, size_t size)
{
    size_t  behind;

    if (s->out == NULL || s->state != NGX_CONDUCTOR_OPEN) {
        return NGX_OK;
    }

    behind = s->queued - (s->out->buf->len - s->out_pos);

    if (behind + size <= s->conf->max_queue) {
        return NGX_OK;
    }

    /* perhaps it is only this turn that brought so much */

    if (s->connection->write->ready) {

        if (ngx_conductor_output_flush(s) == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (s->out == NULL) {
            return NGX_OK;
        }

        behind = s->queued - (s->out->buf->len - s->out_pos);

        if (behind + size <= s->conf->max_queue) {
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_INFO, &s->log, 0,
                  "conductor: the client is %uz bytes behind", s->queued);

    s->code = CDR_CLOSE_TOO_SLOW;

    ngx_conductor_output_drop(s, 0);
    ngx_conductor_session_close(s, CDR_CLOSE_TOO_SLOW, "too slow");

    return NGX_ERROR;
}


/* The last buffer, if it is ours alone and has room, or a new one. */

static ngx_conductor_buf_t *
ngx_conductor_output_tail(ngx_conductor_session_t *s, size_t size)
{
    ngx_conductor_buf_t   *buf;
    ngx_conductor_item_t  *link;

    if (s->out) {
        link = (ngx_conductor_item_t *)
               ((u_char *) s->last - offsetof(ngx_conductor_item_t, next));
        buf = link->buf;

        if (buf->refs == 1 && buf->size - buf->len >= size) {
            return buf;
        }
    }

    buf = ngx_conductor_buf_new(s->out ? ngx_max(size, NGX_CONDUCTOR_BUF_MIN)
                                       : size);
    if (buf == NULL) {
        return NULL;
    }

    if (ngx_conductor_output_link(s, buf) != NGX_OK) {
        ngx_free(buf);
        return NULL;
    }

    return buf;
}


static ngx_int_t
ngx_conductor_output_link(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf)
{
    ngx_conductor_item_t  *link;

    link = &buf->link;

    if (link->buf) {

        /* somebody else has it */

        link = ngx_alloc(sizeof(ngx_conductor_item_t), &s->log);
        if (link == NULL) {
            return NGX_ERROR;
        }
    }

    link->buf = buf;
    link->next = NULL;

    *s->last = link;
    s->last = &link->next;

    return NGX_OK;
}


/* A link that is in no queue any more, and its reference. */

static void
ngx_conductor_output_unlink(ngx_conductor_item_t *link)
{
    ngx_conductor_buf_t  *buf;

    buf = link->buf;

    if (link == &buf->link) {
        link->buf = NULL;

    } else {
        ngx_free(link);
    }

    ngx_conductor_buf_unref(buf);
}


/*
 * What goes into the next write: a large buffer as it is, small ones copied
 * together, since a write costs more than the copy.
 */

static u_char *
ngx_conductor_output_gather(ngx_conductor_session_t *s, size_t *len)
{
    size_t                 n, pos;
    u_char                *p;
    ngx_conductor_item_t  *link;

    link = s->out;
    pos = s->out_pos;
    n = link->buf->len - pos;

    if (link->next == NULL || n >= NGX_CONDUCTOR_GATHER_SIZE / 2) {
        *len = n;
        return link->buf->data + pos;
    }

    p = ngx_conductor_gather;

    while (link) {
        n = ngx_min(link->buf->len - pos,
                    (size_t) (ngx_conductor_gather + NGX_CONDUCTOR_GATHER_SIZE
                              - p));
        if (n == 0) {
            break;
        }

        p = ngx_cpymem(p, link->buf->data + pos, n);

        link = link->next;
        pos = 0;
    }

    *len = p - ngx_conductor_gather;

    return ngx_conductor_gather;
}


static void
ngx_conductor_output_sent(ngx_conductor_session_t *s, size_t n)
{
    size_t                 rest, left;
    int64_t                messages;
    ngx_conductor_item_t  *link;

    left = s->queued - n;
    messages = 0;
    s->traffic.out.bytes += n;

    while (n) {
        link = s->out;
        rest = link->buf->len - s->out_pos;

        if (n < rest) {
            s->out_pos += n;
            break;
        }

        n -= rest;
        messages += link->buf->messages;
        s->out_pos = 0;
        s->out = link->next;

        if (s->out == NULL) {
            s->last = &s->out;
        }

        ngx_conductor_output_unlink(link);
    }

    s->traffic.out.messages += messages;

    ngx_conductor_output_queued(s, left, -messages);
}
