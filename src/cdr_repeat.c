/* What is told so often, and then counted. */

#include "cdr.h"
#include "cdr_repeat.h"


cdr_repeat_thing_t *
cdr_repeat_find(cdr_repeat_t *t, uint64_t key, uint64_t now_ms,
    uint64_t per_ms)
{
    unsigned             i;
    cdr_repeat_thing_t  *set, *thing;

    set = &t->thing[key % CDR_REPEAT_SETS * CDR_REPEAT_WAYS];
    thing = NULL;

    for (i = 0; i < CDR_REPEAT_WAYS; i++) {

        if (set[i].start_ms && set[i].key == key) {
            return &set[i];
        }

        if (thing == NULL && cdr_repeat_over(&set[i], now_ms, per_ms)) {
            thing = &set[i];
        }
    }

    return thing ? thing : &t->rest;
}


bool
cdr_repeat_over(const cdr_repeat_thing_t *thing, uint64_t now_ms,
    uint64_t per_ms)
{
    return thing->start_ms == 0 || now_ms < thing->start_ms
           || now_ms - thing->start_ms >= per_ms;
}


int
cdr_repeat_count(cdr_repeat_t *t, cdr_repeat_thing_t *thing, uint64_t key,
    uint64_t now_ms, uint64_t per_ms, uint32_t most)
{
    if (cdr_repeat_over(thing, now_ms, per_ms)) {
        thing->start_ms = now_ms;
        thing->told = 0;
    }

    thing->key = (thing == &t->rest) ? 0 : key;

    if (thing->told < most) {
        thing->told++;
        return CDR_OK;
    }

    thing->untold += (thing->untold != UINT32_MAX);

    return CDR_DECLINED;
}
