/* Events that are being encoded, for the fan-out and for replay. */

#ifndef NGX_CONDUCTOR_STAGE_H_INCLUDED
#define NGX_CONDUCTOR_STAGE_H_INCLUDED


#include "ngx_conductor_session.h"


#define NGX_CONDUCTOR_STAGE_LEVELS  9
#define NGX_CONDUCTOR_STAGE_EVENTS  64      /* of a turn of the fan-out */


/* A frame, or the text of one, among what is staged. */

typedef struct {
    size_t                        offset;
    size_t                        len;
    uint32_t                      figure;     /* that it counts in */
} ngx_conductor_piece_t;


/* What one class sees of an event: its frame, and that compressed if asked. */

typedef struct {
    uint32_t                      class;
    ngx_conductor_known_t        *known;      /* which its id says; NULL: none;
                                                 good while it is made */
    uint64_t                      serial;     /* of that; 0 */
    uint32_t                      next;       /* of the event, 0: none */
    size_t                        text;       /* offset of the payload */
    size_t                        text_len;
    ngx_conductor_piece_t         frame;
    uint32_t                      tried;      /* levels, a bit each */
    ngx_conductor_piece_t         deflated[NGX_CONDUCTOR_STAGE_LEVELS];
} ngx_conductor_encoding_t;


typedef struct {
    uint64_t                      seq;
    cdr_log_pos_t                 pos;
    uint64_t                      lone;
    uint64_t                      server;     /* its origin, */
    uint64_t                      n;          /* as its how-manieth */
    const cdr_event_type_t       *type;       /* NULL: nobody sees it */
    uint32_t                      marks;      /* NGX_CONDUCTOR_EVENT_... */
    uint32_t                      flags;      /* NGX_CONDUCTOR_TO: */
    size_t                        to;         /* whom it is for */
    size_t                        to_len;
    uint64_t                      timestamp;
    size_t                        payload;    /* offset of a copy */
    size_t                        payload_len;
    uint32_t                      encodings;  /* number + 1 of the first */
    uint32_t                      other;      /* an id that is not its own */
    uint32_t                      id_len;
    u_char                        id[CDR_EVENT_ID_LEN];
} ngx_conductor_staged_t;


/* Their bytes; offsets in it hold until it is cleared. */

typedef struct {
    u_char                       *data;
    size_t                        len;
    size_t                        size;
    ngx_uint_t                    nencodings;
    ngx_uint_t                    max_encodings;
    ngx_conductor_encoding_t     *encodings;
} ngx_conductor_stage_t;


/* The events of a turn of the fan-out. */

typedef struct {
    ngx_uint_t                    n;
    uint32_t                      marks;      /* of events that are not sent:
                                                 NGX_CONDUCTOR_EVENT_... */
    uint64_t                      old;        /* the last one of these; it is
                                                 before all that are sent */
    uint64_t                      server;     /* of the gap, */
    uint64_t                      number;     /* as its how-manieth event */
    ngx_conductor_stage_t         stage;
    ngx_conductor_staged_t        events[NGX_CONDUCTOR_STAGE_EVENTS];
} ngx_conductor_turn_t;


/* ngx_conductor_stage.c: what a turn of the fan-out brings */

ngx_int_t ngx_conductor_turn_fill(ngx_conductor_turn_t *turn,
    ngx_conductor_hub_t *hub, ngx_uint_t *more);
void ngx_conductor_turn_reset(ngx_conductor_turn_t *turn);

/* Is its one event for a role or a user only? */

#define ngx_conductor_turn_targeted(turn)                                     \
    ((turn)->n && (turn)->events[0].flags)


/* ngx_conductor_encode.c: an event, encoded for who sees it */

ngx_int_t ngx_conductor_stage_event(ngx_conductor_stage_t *st,
    ngx_conductor_hub_t *hub, cdr_log_event_t *event,
    ngx_conductor_staged_t *ev);
ngx_int_t ngx_conductor_stage_piece(ngx_conductor_stage_t *st,
    ngx_conductor_hub_t *hub, ngx_conductor_staged_t *ev,
    ngx_conductor_group_t *g, ngx_conductor_piece_t *piece);
ngx_int_t ngx_conductor_stage_single(ngx_conductor_stage_t *st,
    ngx_conductor_staged_t *ev, ngx_conductor_group_t *g,
    ngx_conductor_session_t *s, ngx_conductor_piece_t *piece);
ngx_int_t ngx_conductor_stage_text(ngx_conductor_stage_t *st,
    ngx_conductor_staged_t *ev, ngx_conductor_session_t *s,
    ngx_conductor_piece_t *text);
u_char *ngx_conductor_stage_bytes(ngx_conductor_stage_t *st,
    ngx_conductor_piece_t *piece);
void ngx_conductor_stage_clear(ngx_conductor_stage_t *st, size_t keep);


#endif /* NGX_CONDUCTOR_STAGE_H_INCLUDED */
