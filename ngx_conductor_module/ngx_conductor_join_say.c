/* What may happen often, and is said now and then; never under the lock. */

#include "ngx_conductor_join_own.h"


ngx_uint_t
ngx_conductor_join_say(ngx_conductor_join_said_t *said, u_char *times)
{
    if (said->said
        && ngx_current_msec - said->at < NGX_CONDUCTOR_JOIN_SAY)
    {
        said->n++;
        return 0;
    }

    *times = '\0';

    if (said->n) {
        *ngx_sprintf(times, "; more such, %ui times, were not logged",
                     said->n) = '\0';
    }

    said->said = 1;
    said->at = ngx_current_msec;
    said->n = 0;

    return 1;
}


ngx_uint_t
ngx_conductor_join_say_why(ngx_conductor_join_own_t *own, const char *reason)
{
    uint32_t                   hash;
    ngx_uint_t                 i;
    ngx_conductor_join_why_t  *why;

    hash = ngx_crc32_short((u_char *) reason, ngx_strlen(reason));
    why = NULL;

    for (i = 0; i < ngx_min(own->nsaid, NGX_CONDUCTOR_JOIN_WHYS); i++) {
        if (own->said[i].hash == hash) {
            why = &own->said[i];
        }
    }

    if (why
        && (ngx_conductor_join_state(own->join.hub)
            == NGX_CONDUCTOR_REDIS_ALONE
            || ngx_current_msec - why->at < NGX_CONDUCTOR_JOIN_SAY))
    {
        return 0;
    }

    if (why == NULL) {
        why = &own->said[own->nsaid++ % NGX_CONDUCTOR_JOIN_WHYS];
    }

    why->hash = hash;
    why->at = ngx_current_msec;

    return 1;
}


/* Why there was no answer in time. */

const char *
ngx_conductor_join_silent(ngx_conductor_join_own_t *own)
{
    return own->linked ? "Redis did not answer in time"
           : own->why[0] ? (char *) own->why
           : "Redis cannot be reached";
}


void
ngx_conductor_join_tell_log(ngx_conductor_join_own_t *own)
{
    u_char                times[NGX_CONDUCTOR_JOIN_TIMES];
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    if (own->gap && ngx_conductor_join_say(&own->said_gap, times)) {
        ngx_log_error(NGX_LOG_ERR, own->join.log, 0,
                      "hub \"%V\": events of others are missing: %s%s",
                      &hub->name, own->gap, times);
    }

    own->gap = NULL;

    if (own->lost_event && ngx_conductor_join_say(&own->said_lost, times)) {
        ngx_log_error(NGX_LOG_ERR, own->join.log, 0,
                      "hub \"%V\": an event is lost: %s%s",
                      &hub->name, own->lost_event, times);
    }

    own->lost_event = NULL;

    if (own->bad && !own->said_bad) {
        own->said_bad = 1;
        ngx_log_error(NGX_LOG_ERR, own->join.log, 0,
                      "hub \"%V\": the entry %uL-%uL of the stream %Vlog "
                      "is skipped, it %s; more such are counted only",
                      &hub->name, own->bad_ms, own->bad_n,
                      &own->join.conf->base, own->bad);
    }

    own->bad = NULL;
}


void
ngx_conductor_join_listen(ngx_conductor_join_own_t *own)
{
    ngx_conductor_join_hook_t  **hook;

    for (hook = ngx_conductor_join_hooks; *hook; hook++) {
        if ((*hook)->listen) {
            (*hook)->listen(&own->join);
        }
    }
}


void
ngx_conductor_join_heard(void *data, const char *reason)
{
    ngx_conductor_join_own_t *own = data;

    u_char  times[NGX_CONDUCTOR_JOIN_TIMES];

    if (ngx_conductor_join_say(&own->said_deaf, times)) {
        ngx_log_error(NGX_LOG_WARN, own->join.log, 0,
                      "hub \"%V\" may have missed what other programs have "
                      "published in Redis, its connection for that was made "
                      "anew: %s%s", &own->join.hub->name, reason, times);
    }

    if (own->join.up) {
        ngx_conductor_join_listen(own);
    }
}


void
ngx_conductor_join_unheard(void *data, const char *reason)
{
    ngx_conductor_join_own_t *own = data;

    u_char  times[NGX_CONDUCTOR_JOIN_TIMES];

    if (ngx_conductor_join_say(&own->said_deaf, times)) {
        ngx_log_error(NGX_LOG_ERR, own->join.log, 0,
                      "hub \"%V\" does not hear what other programs publish "
                      "in Redis: %s%s", &own->join.hub->name, reason, times);
    }
}
