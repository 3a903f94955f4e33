/* Questions of workers that the keeper's database answers. */

#ifndef NGX_CONDUCTOR_QUESTION_H_INCLUDED
#define NGX_CONDUCTOR_QUESTION_H_INCLUDED


#include "ngx_conductor.h"

#include <cdr_history.h>
#include <cdr_question.h>


/* A question on its way through the keeper; about 35 KB. */

typedef struct {
    cdr_question_ticket_t         ticket;
    ngx_uint_t                    status;     /* of HTTP */
    cdr_history_ask_t             ask;
    size_t                        len;
    u_char                        answer[CDR_QUESTION_ANSWER];
} ngx_conductor_question_t;


/*
 * ngx_conductor_question.c
 *
 * In a worker: asks on behalf of a request, which is answered later, and holds
 * a reference to it meanwhile.  Returns what a content handler returns.
 */

ngx_int_t ngx_conductor_question_ask(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, cdr_history_ask_t *ask);

/* Sends the answers that have come.  Called in every turn. */

void ngx_conductor_question_turn(void);

/*
 * In the keeper's loop: the next question, as soon as it has handed the last
 * one's answer out.  NGX_OK, or NGX_DECLINED if there is none.
 */

ngx_int_t ngx_conductor_question_take(ngx_conductor_hub_t *hub,
    ngx_conductor_question_t *q);
void ngx_conductor_question_answer(ngx_conductor_hub_t *hub,
    ngx_conductor_question_t *q);

/*
 * In the keeper's thread, or anywhere: nothing of nginx is called.  "store" is
 * NULL while there is no database.  Takes a second at most.
 */

void ngx_conductor_question_run(ngx_conductor_question_t *q,
    cdr_store_t *store);


#endif /* NGX_CONDUCTOR_QUESTION_H_INCLUDED */
