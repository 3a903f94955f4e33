/*
 * What went over a connection.  The fan-out does not touch a client for this:
 * what all members of a group are sent is counted in the group, and who has
 * not taken all of it is counted for itself.
 */

#include "ngx_conductor_session.h"


static uint32_t ngx_conductor_traffic_per(uint32_t n, uint32_t time);


void
ngx_conductor_traffic(ngx_conductor_session_t *s, ngx_conductor_traffic_t *t)
{
    *t = s->traffic;

    if (ngx_conductor_live(s)) {
        t->out.messages += s->group->sent.messages - s->joined.messages;
        t->out.bytes += s->group->sent.bytes - s->joined.bytes;
    }
}


/* It takes with it what it had as a member, if it is one. */

void
ngx_conductor_traffic_leave(ngx_conductor_session_t *s)
{
    if (ngx_conductor_live(s)) {
        ngx_conductor_traffic(s, &s->traffic);
        s->joined = s->group->sent;
    }
}


/* At the beginning, and with each ping. */

void
ngx_conductor_traffic_sample(ngx_conductor_session_t *s)
{
    ngx_conductor_sample_t   *sample;
    ngx_conductor_traffic_t   t;

    ngx_conductor_traffic(s, &t);

    sample = s->samples;

    if (sample[1].time) {
        sample[0] = sample[1];
    }

    sample[1].time = (uint32_t) ngx_current_msec | 1;
    sample[1].in = (uint32_t) t.in.messages;
    sample[1].out = (uint32_t) t.out.messages;

    if (sample[0].time == 0) {
        sample[0] = sample[1];
    }
}


void
ngx_conductor_traffic_rate(ngx_conductor_session_t *s, uint32_t *in,
    uint32_t *out)
{
    uint32_t                  time;
    ngx_conductor_traffic_t   t;

    ngx_conductor_traffic(s, &t);

    time = (uint32_t) ngx_current_msec - s->samples[0].time;

    /* what came in less is not yet a rate */

    if ((int32_t) time < 1000) {
        time = 1000;
    }

    *in = ngx_conductor_traffic_per((uint32_t) t.in.messages
                                    - s->samples[0].in, time);
    *out = ngx_conductor_traffic_per((uint32_t) t.out.messages
                                     - s->samples[0].out, time);
}


static uint32_t
ngx_conductor_traffic_per(uint32_t n, uint32_t time)
{
    uint64_t  rate;

    rate = (uint64_t) n * 1000000 / time;

    return (uint32_t) ngx_min(rate, UINT32_MAX);
}
