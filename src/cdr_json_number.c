/* Whether JSON numbers fit int64_t or a double, to the last digit. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_json_internal.h"


/* an exponent beyond any text's number of digits */
#define CDR_JSON_HUGE_EXP  1000000000000


static int64_t cdr_json_exponent(const uint8_t *p, const uint8_t *end);


/* 2^1024 - 2^970, the least number that rounds to more than a double holds. */

static const char  cdr_json_overflow[] =
    "1797693134862315807937289714053034150799341327100378269361737789"
    "8044496829276475094664901797758720709633028641669288791094655554"
    "7851940402630657488671505820681908902000708383676273854845817711"
    "5317644757302700698555713669596228429148198608349364752927190741"
    "68444365510704342711559699508093042880177904174497792";


bool
cdr_json_integer_fits(const uint8_t *p, const uint8_t *end)
{
    const char  *max;

    max = "9223372036854775807";

    if (*p == '-') {
        max = "9223372036854775808";
        p++;
    }

    return end - p < 19 || (end - p == 19 && memcmp(p, max, 19) <= 0);
}


/*
 * Whether a real number is one that rounds to a finite double.  It is read as
 * 0.d1d2d3... * 10^mag with d1 not 0, and only a "mag" equal to that of the
 * least number that does not fit needs a look at the digits.
 */

bool
cdr_json_real_fits(const uint8_t *p, const uint8_t *end)
{
    size_t          i;
    int64_t         mag;
    const uint8_t  *point, *exp, *first;

    p += (*p == '-');

    point = cdr_json_skip_digits(p, end);
    exp = (point < end && *point == '.')
          ? cdr_json_skip_digits(point + 1, end) : point;

    for (first = p; first < exp; first++) {
        if (*first != '0' && *first != '.') {
            break;
        }
    }

    if (first == exp) {
        return true;
    }

    mag = (first < point) ? point - first : point + 1 - first;
    mag += cdr_json_exponent(exp, end);

    if (mag != (int64_t) sizeof(cdr_json_overflow) - 1) {
        return mag < (int64_t) sizeof(cdr_json_overflow) - 1;
    }

    for (i = 0; i < sizeof(cdr_json_overflow) - 1; first++) {

        if (first >= exp) {

            /* zeros follow, and the other number does not end in one */

            return true;
        }

        if (*first == '.') {
            continue;
        }

        if (*first != (uint8_t) cdr_json_overflow[i]) {
            return *first < (uint8_t) cdr_json_overflow[i];
        }

        i++;
    }

    return false;
}


/* The exponent in "e+12", or 0 in nothing; at most CDR_JSON_HUGE_EXP. */

static int64_t
cdr_json_exponent(const uint8_t *p, const uint8_t *end)
{
    bool     negative;
    int64_t  n;

    if (p == end) {
        return 0;
    }

    p++;
    negative = (*p == '-');
    p += (*p == '-' || *p == '+');
    n = 0;

    while (p < end && n < CDR_JSON_HUGE_EXP) {
        n = n * 10 + (*p++ - '0');
    }

    if (n > CDR_JSON_HUGE_EXP) {
        n = CDR_JSON_HUGE_EXP;
    }

    return negative ? -n : n;
}
