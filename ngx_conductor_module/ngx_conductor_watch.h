/* What the files share that tell clients of presence. */

#ifndef NGX_CONDUCTOR_WATCH_H_INCLUDED
#define NGX_CONDUCTOR_WATCH_H_INCLUDED


#include "ngx_conductor_presence.h"

#include <cdr_presence_json.h>


#define NGX_CONDUCTOR_WATCH_MESSAGE  (256 * 1024)   /* bytes of a diff */
#define NGX_CONDUCTOR_WATCH_LIST     (4 * 1024 * 1024)
#define NGX_CONDUCTOR_WATCH_KEEP     (1024 * 1024)


/* Memory that grows; what lies in it may move. */

typedef struct {
    u_char                       *data;
    size_t                        len;
    size_t                        size;
} ngx_conductor_arena_t;


/* The bytes of those who see the same in the same form, and filter nothing. */

typedef struct {
    uint32_t                      hidden;
    uint8_t                       level;
    uint8_t                       window;
    ngx_conductor_buf_t          *buf;
} ngx_conductor_shared_t;


typedef struct {
    ngx_uint_t                    n;
    ngx_uint_t                    size;
    ngx_conductor_shared_t       *elts;
} ngx_conductor_shares_t;


#define ngx_conductor_watch_sees(g)                                           \
    ((g)->view->hidden != NGX_CONDUCTOR_UNSEEN                                \
     && ((g)->channels >> (g)->view->presence & 1))


/* ngx_conductor_watch_begin.c: which clients are told */

void ngx_conductor_watch_unlist(ngx_conductor_session_t *s);


/* ngx_conductor_watch_text.c: texts, frames, and who shares them */

extern const cdr_alloc_t  ngx_conductor_watch_alloc;

u_char *ngx_conductor_arena_room(ngx_conductor_arena_t *a, size_t len);
void ngx_conductor_arena_reset(ngx_conductor_arena_t *a);
ngx_int_t ngx_conductor_watch_frame(ngx_conductor_arena_t *a,
    ngx_conductor_group_t *g, u_char *text, size_t len);
ngx_conductor_shared_t *ngx_conductor_share(ngx_conductor_shares_t *shares,
    ngx_conductor_group_t *g);
void ngx_conductor_shares_reset(ngx_conductor_shares_t *shares);
void ngx_conductor_watch_reviewer(ngx_conductor_hub_t *hub, uint32_t hidden,
    cdr_reviewer_view_t *view);
ngx_uint_t ngx_conductor_watch_filter(ngx_conductor_group_t *g,
    cdr_str_t *filter);
ngx_uint_t ngx_conductor_watch_passes(ngx_conductor_group_t *g,
    cdr_str_t filter, cdr_reviewer_t *r, cdr_str_t object);


/*
 * ngx_conductor_watch_list.c: the list for a session, with a reference that
 * is the caller's; NULL without memory.
 */

ngx_conductor_buf_t *ngx_conductor_watch_list(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g);
void ngx_conductor_watch_list_reset(void);


/*
 * ngx_conductor_watch_stage.c: changes, a batch at a time
 *
 * Takes the next: NGX_OK; NGX_DONE if there are none; NGX_DECLINED if some
 * were missed.
 */

ngx_int_t ngx_conductor_watch_stage(ngx_conductor_hub_t *hub);

/*
 * What a group is to get of them, with a reference that is the caller's: its
 * messages, all of the type that CDR_SENT_... in "*type" names.  NGX_OK;
 * NGX_DECLINED if that is nothing; NGX_ERROR without memory.
 */

ngx_int_t ngx_conductor_watch_stage_buf(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, ngx_conductor_buf_t **buf, ngx_uint_t *type);
void ngx_conductor_watch_stage_reset(void);


#endif /* NGX_CONDUCTOR_WATCH_H_INCLUDED */
