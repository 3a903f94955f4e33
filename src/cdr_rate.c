/* The message window of a connection. */

#include "cdr.h"
#include "cdr_rate.h"


static bool cdr_rate_passes(const cdr_rate_t *rate,
    const cdr_rate_limits_t *limits, size_t size);
static uint64_t cdr_rate_close_after(const cdr_rate_limits_t *limits);


int
cdr_rate_check(cdr_rate_t *rate, const cdr_rate_limits_t *limits,
    uint64_t now_ms, size_t size, uint64_t *retry_ms)
{
    *retry_ms = 0;

    if (limits->per_ms == 0) {
        return CDR_OK;
    }

    if (rate->start_ms == 0 || (now_ms >= rate->start_ms
                                && now_ms - rate->start_ms >= limits->per_ms))
    {
        rate->start_ms = now_ms;
        rate->bytes = 0;
        rate->count = 0;
        rate->refused = 0;

    } else if (now_ms < rate->start_ms) {
        rate->start_ms = now_ms;
    }

    if (cdr_rate_passes(rate, limits, size)) {
        rate->count += (rate->count != UINT32_MAX);
        rate->bytes += size;
        return CDR_OK;
    }

    rate->refused += (rate->refused != UINT32_MAX);
    *retry_ms = limits->per_ms - (now_ms - rate->start_ms);

    return rate->refused >= cdr_rate_close_after(limits) ? CDR_TOOBIG
                                                         : CDR_DECLINED;
}


static bool
cdr_rate_passes(const cdr_rate_t *rate, const cdr_rate_limits_t *limits,
    size_t size)
{
    if (limits->messages && rate->count >= limits->messages) {
        return false;
    }

    if (limits->bytes == 0) {
        return size <= UINT64_MAX - rate->bytes;
    }

    return rate->bytes <= limits->bytes && size <= limits->bytes - rate->bytes;
}


static uint64_t
cdr_rate_close_after(const cdr_rate_limits_t *limits)
{
    if (limits->close_after) {
        return limits->close_after;
    }

    return limits->messages ? 10 * (uint64_t) limits->messages : UINT64_MAX;
}
