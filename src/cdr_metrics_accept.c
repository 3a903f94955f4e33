/* Which text format of /metrics is asked for: the header Accept. */

#include <string.h>

#include "cdr.h"
#include "cdr_metrics.h"


#define CDR_Q_ONE  1000     /* q values have three decimals */


/* A media range: its type, how much it is wanted, and a version. */

typedef struct {
    cdr_str_t    type;
    cdr_str_t    version;
    uint32_t     q;
} cdr_range_t;


static bool cdr_range_next(cdr_str_t *text, cdr_range_t *range);
static cdr_str_t cdr_range_part(cdr_str_t *text, char end);
static void cdr_range_param(cdr_range_t *range, cdr_str_t param);
static uint32_t cdr_range_q(cdr_str_t text);
static cdr_str_t cdr_range_trim(cdr_str_t text);
static bool cdr_range_is(cdr_str_t text, const char *what);


/* The closest of the ranges that plain text is in says how much it is wanted */

cdr_metrics_format_e
cdr_metrics_accepted(cdr_str_t accept)
{
    uint32_t     open, plain, near, close;
    cdr_range_t  range;

    open = 0;
    plain = 0;
    near = 0;

    while (cdr_range_next(&accept, &range)) {

        if (cdr_range_is(range.type, "application/openmetrics-text")) {

            if ((range.version.len == 0
                 || cdr_range_is(range.version, "1.0.0"))
                && range.q > open)
            {
                open = range.q;
            }

            continue;
        }

        close = cdr_range_is(range.type, "text/plain") ? 3
                : cdr_range_is(range.type, "text/*") ? 2
                : cdr_range_is(range.type, "*/*") ? 1 : 0;

        if (close > near || (close && close == near && range.q > plain)) {
            near = close;
            plain = range.q;
        }
    }

    return (open && open >= plain) ? CDR_METRICS_OPEN : CDR_METRICS_TEXT;
}


/* Takes the next range off the text; false if there is none. */

static bool
cdr_range_next(cdr_str_t *text, cdr_range_t *range)
{
    cdr_str_t  item;

    if (text->len == 0) {
        return false;
    }

    memset(range, 0, sizeof(cdr_range_t));
    range->q = CDR_Q_ONE;

    item = cdr_range_part(text, ',');
    range->type = cdr_range_part(&item, ';');

    while (item.len) {
        cdr_range_param(range, cdr_range_part(&item, ';'));
    }

    return true;
}


/* Takes what stands before "end", which is none inside quotes. */

static cdr_str_t
cdr_range_part(cdr_str_t *text, char end)
{
    bool       quoted;
    size_t     i;
    cdr_str_t  part;

    quoted = false;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] == '"') {
            quoted = !quoted;

        } else if (quoted && text->data[i] == '\\') {
            i += (i + 1 < text->len);

        } else if (!quoted && text->data[i] == (uint8_t) end) {
            break;
        }
    }

    part.data = text->data;
    part.len = i;

    i += (i < text->len);
    text->data += i;
    text->len -= i;

    return cdr_range_trim(part);
}


static void
cdr_range_param(cdr_range_t *range, cdr_str_t param)
{
    cdr_str_t  name;

    name = cdr_range_part(&param, '=');
    param = cdr_range_trim(param);

    if (param.len > 1 && *param.data == '"') {
        param.data++;
        param.len -= 2;
    }

    if (cdr_range_is(name, "q")) {
        range->q = cdr_range_q(param);

    } else if (cdr_range_is(name, "version")) {
        range->version = param;
    }
}


/* RFC 9110, section 12.4.2; what is no such number is not wanted. */

static uint32_t
cdr_range_q(cdr_str_t text)
{
    size_t    i;
    uint32_t  q, unit;

    if (text.len == 0 || text.len > 5 || text.data[0] < '0'
        || text.data[0] > '1' || (text.len > 1 && text.data[1] != '.'))
    {
        return 0;
    }

    unit = CDR_Q_ONE;
    q = (uint32_t) (text.data[0] - '0') * unit;

    for (i = 2; i < text.len; i++) {

        if (text.data[i] < '0' || text.data[i] > '9') {
            return 0;
        }

        unit /= 10;
        q += (uint32_t) (text.data[i] - '0') * unit;
    }

    return (q > CDR_Q_ONE) ? 0 : q;
}


static cdr_str_t
cdr_range_trim(cdr_str_t text)
{
    while (text.len && (*text.data == ' ' || *text.data == '\t')) {
        text.data++;
        text.len--;
    }

    while (text.len && (text.data[text.len - 1] == ' '
                        || text.data[text.len - 1] == '\t'))
    {
        text.len--;
    }

    return text;
}


/* "what" is in lower case. */

static bool
cdr_range_is(cdr_str_t text, const char *what)
{
    size_t   i;
    uint8_t  c;

    if (text.len != strlen(what)) {
        return false;
    }

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }

        if (c != (uint8_t) what[i]) {
            return false;
        }
    }

    return true;
}
