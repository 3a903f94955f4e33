/* Filters of subscriptions: compiling them, and matching events. */

#include "cdr.h"
#include "cdr_filter.h"
#include "cdr_json.h"
#include "cdr_json_internal.h"
#include "cdr_mask.h"


/*
 * A compiled filter is made of strings, each behind its length as a native
 * uint16_t.  On the top level each is a field: first a string that holds the
 * wanted values as strings, then the names of the path.
 */

#define CDR_FILTER_LEN  sizeof(uint16_t)


typedef struct {
    cdr_str_t        path;          /* plain */
    cdr_str_t        value;         /* as it came */
} cdr_filter_field_t;


typedef struct {
    cdr_filter_t        *filter;
    unsigned             nfields;
    unsigned             nvalues;   /* in all fields */
    cdr_filter_field_t   fields[CDR_FILTER_MAX_FIELDS];
    cdr_str_t            values[CDR_FILTER_MAX_VALUES];     /* in one field */
    uint8_t             *p;         /* in the buffer, for decoded text */
    uint8_t              buf[2 * CDR_FILTER_MAX_SIZE];
} cdr_filter_compiler_t;


typedef struct {
    cdr_str_t         name;         /* the first of the path */
    cdr_str_t         names;        /* the rest */
    const cdr_str_t  *values;       /* sorted */
    unsigned          nvalues;
} cdr_filter_want_t;


typedef struct {
    const uint8_t            *end;
    const cdr_filter_want_t  *want;
    unsigned                  depth;
    bool                      found;
} cdr_filter_match_t;


static const char *cdr_filter_fields(cdr_filter_compiler_t *c,
    cdr_str_t object);
static const char *cdr_filter_field(cdr_filter_compiler_t *c, cdr_str_t key,
    cdr_str_t value);
static const char *cdr_filter_values(cdr_filter_compiler_t *c,
    cdr_str_t value, unsigned *n);
static const char *cdr_filter_value(cdr_filter_compiler_t *c, cdr_str_t value,
    unsigned *n);
static const char *cdr_filter_put_field(cdr_filter_compiler_t *c,
    const cdr_filter_field_t *field);
static size_t cdr_filter_begin(cdr_filter_t *filter);
static void cdr_filter_end(cdr_filter_t *filter, size_t start);
static int cdr_filter_cmp(cdr_str_t a, cdr_str_t b);
static unsigned cdr_filter_load(cdr_filter_want_t *want, cdr_str_t *values,
    cdr_str_t filter);
static bool cdr_filter_read(cdr_str_t *rest, cdr_str_t *str);
static const uint8_t *cdr_filter_try(cdr_filter_match_t *m, cdr_str_t names,
    const uint8_t *p);
static const uint8_t *cdr_filter_try_object(cdr_filter_match_t *m,
    cdr_str_t names, const uint8_t *p);
static const uint8_t *cdr_filter_try_array(cdr_filter_match_t *m,
    cdr_str_t names, const uint8_t *p);
static bool cdr_filter_wanted(const cdr_filter_want_t *want,
    cdr_str_t value);


int
cdr_filter_compile(cdr_filter_t *filter, cdr_str_t value, const char **error)
{
    unsigned               i;
    cdr_filter_compiler_t  c;

    filter->len = 0;

    c.filter = filter;
    c.nfields = 0;
    c.nvalues = 0;
    c.p = c.buf;

    *error = cdr_filter_fields(&c, value);

    for (i = 0; *error == NULL && i < c.nfields; i++) {
        *error = cdr_filter_put_field(&c, &c.fields[i]);
    }

    if (*error) {
        filter->len = 0;
        return CDR_ERROR;
    }

    return CDR_OK;
}


/* Each returns what is wrong, or NULL. */

static const char *
cdr_filter_fields(cdr_filter_compiler_t *c, cdr_str_t object)
{
    cdr_str_t       key, value;
    const char     *error;
    const uint8_t  *p, *end;

    if (object.len == 0 || object.data[0] != '{') {
        return "\"filter\" must be an object";
    }

    if (object.len > CDR_FILTER_MAX_SIZE) {
        return "a filter has at most 1024 bytes";
    }

    p = object.data + 1;
    end = object.data + object.len;

    while (cdr_json_walk_key(&p, end, &key)) {
        value.data = p;
        p = cdr_json_skip_value(p, end);
        value.len = (size_t) (p - value.data);

        error = cdr_filter_field(c, key, value);

        if (error) {
            return error;
        }

        if (!cdr_json_walk_comma(&p, end)) {
            break;
        }
    }

    return NULL;
}


/* Puts a field where it belongs in the order of paths. */

static const char *
cdr_filter_field(cdr_filter_compiler_t *c, cdr_str_t key, cdr_str_t value)
{
    unsigned             i;
    cdr_str_t            path;
    cdr_filter_field_t  *f;

    if (c->nfields == CDR_FILTER_MAX_FIELDS) {
        return "a filter has at most 8 fields";
    }

    path.data = c->p;
    path.len = cdr_json_unescape(c->p, key);
    c->p += path.len;

    if (cdr_mask_path_check(path) != CDR_OK) {
        return "a field of a filter must be names with dots between them";
    }

    f = c->fields;

    for (i = c->nfields++; i && cdr_filter_cmp(f[i - 1].path, path) > 0; i--) {
        f[i] = f[i - 1];
    }

    f[i].path = path;
    f[i].value = value;

    return NULL;
}


static const char *
cdr_filter_put_field(cdr_filter_compiler_t *c,
    const cdr_filter_field_t *field)
{
    size_t         start, values;
    unsigned       i, n;
    cdr_str_t      path, name;
    const char    *error;
    cdr_filter_t  *filter;

    n = 0;
    error = cdr_filter_values(c, field->value, &n);

    if (error) {
        return error;
    }

    filter = c->filter;
    start = cdr_filter_begin(filter);
    values = cdr_filter_begin(filter);

    for (i = 0; i < n; i++) {
        (void) cdr_filter_begin(filter);
        memcpy(filter->data + filter->len, c->values[i].data,
               c->values[i].len);
        filter->len += c->values[i].len;
        cdr_filter_end(filter, filter->len - c->values[i].len);
    }

    cdr_filter_end(filter, values);

    for (path = field->path; path.len; /* void */) {
        name = cdr_mask_path_next(&path);
        values = cdr_filter_begin(filter);
        filter->len += cdr_json_escape(filter->data + filter->len, name);
        cdr_filter_end(filter, values);
    }

    cdr_filter_end(filter, start);

    return NULL;
}


/* The wanted values, sorted: one, or those of a list. */

static const char *
cdr_filter_values(cdr_filter_compiler_t *c, cdr_str_t value, unsigned *n)
{
    cdr_str_t       element;
    const char     *error;
    const uint8_t  *p, *end;

    if (value.data[0] != '[') {
        return cdr_filter_value(c, value, n);
    }

    end = value.data + value.len;
    p = cdr_json_skip_space(value.data + 1, end);

    if (p == end || *p == ']') {
        return NULL;
    }

    do {
        element.data = p;
        p = cdr_json_skip_value(p, end);
        element.len = (size_t) (p - element.data);

        error = cdr_filter_value(c, element, n);

    } while (error == NULL && cdr_json_walk_comma(&p, end));

    return error;
}


static const char *
cdr_filter_value(cdr_filter_compiler_t *c, cdr_str_t value, unsigned *n)
{
    int         cmp;
    unsigned    i;
    cdr_str_t  *v;

    if (value.data[0] == '{' || value.data[0] == '[') {
        return "a filter has strings, numbers, booleans and null";
    }

    if (c->nvalues++ == CDR_FILTER_MAX_VALUES) {
        return "a filter has at most 64 values";
    }

    value.len = cdr_json_canonical(c->p, value);
    value.data = c->p;
    c->p += value.len;

    v = c->values;
    cmp = 1;

    for (i = *n; i; i--) {
        cmp = cdr_filter_cmp(value, v[i - 1]);

        if (cmp >= 0) {
            break;
        }
    }

    if (i && cmp == 0) {
        return NULL;
    }

    memmove(&v[i + 1], &v[i], (*n - i) * sizeof(cdr_str_t));
    v[i] = value;
    *n += 1;

    return NULL;
}


/* A string that begins here, up to where it ends. */

static size_t
cdr_filter_begin(cdr_filter_t *filter)
{
    filter->len += CDR_FILTER_LEN;

    return filter->len;
}


static void
cdr_filter_end(cdr_filter_t *filter, size_t start)
{
    uint16_t  len;

    len = (uint16_t) (filter->len - start);
    memcpy(filter->data + start - CDR_FILTER_LEN, &len, CDR_FILTER_LEN);
}


static int
cdr_filter_cmp(cdr_str_t a, cdr_str_t b)
{
    int  cmp;

    cmp = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    return cmp ? cmp : (a.len > b.len) - (a.len < b.len);
}


bool
cdr_filter_match(cdr_str_t filter, cdr_str_t event)
{
    unsigned            i, n, left, done;
    cdr_str_t           key, values[CDR_FILTER_MAX_VALUES];
    const uint8_t      *p, *q;
    cdr_filter_want_t   want[CDR_FILTER_MAX_FIELDS];
    cdr_filter_match_t  m;

    n = cdr_filter_load(want, values, filter);

    if (n == 0 || event.len == 0 || event.data[0] != '{') {
        return filter.len == 0;
    }

    p = event.data + 1;
    left = n;
    done = 0;

    m.end = event.data + event.len;
    m.depth = 0;

    while (cdr_json_walk_key(&p, m.end, &key)) {
        q = NULL;

        for (i = 0; i < n; i++) {

            if ((done >> i & 1) || !cdr_json_eq(want[i].name, key)) {
                continue;
            }

            m.want = &want[i];
            m.found = false;

            q = cdr_filter_try(&m, want[i].names, p);

            if (!m.found) {
                return false;
            }

            if (--left == 0) {
                return true;
            }

            done |= 1u << i;
        }

        p = q ? q : cdr_json_skip_value(p, m.end);

        if (!cdr_json_walk_comma(&p, m.end)) {
            break;
        }
    }

    return false;
}


/*
 * Returns the number of fields; 0 as well for what is no filter.  There is
 * room for CDR_FILTER_MAX_VALUES values of all fields.
 */

static unsigned
cdr_filter_load(cdr_filter_want_t *want, cdr_str_t *values, cdr_str_t filter)
{
    unsigned    n, nvalues;
    cdr_str_t   field, list;

    nvalues = 0;

    for (n = 0; filter.len; n++) {

        if (n == CDR_FILTER_MAX_FIELDS
            || !cdr_filter_read(&filter, &field)
            || !cdr_filter_read(&field, &list)
            || !cdr_filter_read(&field, &want[n].name))
        {
            return 0;
        }

        want[n].names = field;
        want[n].values = &values[nvalues];

        while (nvalues < CDR_FILTER_MAX_VALUES
               && cdr_filter_read(&list, &values[nvalues]))
        {
            nvalues++;
        }

        want[n].nvalues = (unsigned) (&values[nvalues] - want[n].values);
    }

    return n;
}


static bool
cdr_filter_read(cdr_str_t *rest, cdr_str_t *str)
{
    uint16_t  len;

    if (rest->len < CDR_FILTER_LEN) {
        return false;
    }

    memcpy(&len, rest->data, CDR_FILTER_LEN);

    if (len > rest->len - CDR_FILTER_LEN) {
        return false;
    }

    str->data = rest->data + CDR_FILTER_LEN;
    str->len = len;

    rest->data += CDR_FILTER_LEN + len;
    rest->len -= CDR_FILTER_LEN + len;

    return true;
}


/* Looks for the rest of a path in the value at p; returns the byte behind. */

static const uint8_t *
cdr_filter_try(cdr_filter_match_t *m, cdr_str_t names, const uint8_t *p)
{
    cdr_str_t  value;

    if (m->depth < CDR_JSON_MAX_DEPTH
        && (*p == '[' || (*p == '{' && names.len)))
    {
        m->depth++;
        p = (*p == '[') ? cdr_filter_try_array(m, names, p + 1)
                        : cdr_filter_try_object(m, names, p + 1);
        m->depth--;

        return p + (p < m->end);
    }

    value.data = p;
    p = cdr_json_skip_value(p, m->end);
    value.len = (size_t) (p - value.data);

    if (!m->found && names.len == 0) {
        m->found = cdr_filter_wanted(m->want, value);
    }

    return p;
}


static const uint8_t *
cdr_filter_try_object(cdr_filter_match_t *m, cdr_str_t names,
    const uint8_t *p)
{
    cdr_str_t  name, key;

    if (!cdr_filter_read(&names, &name)) {
        return m->end;
    }

    while (cdr_json_walk_key(&p, m->end, &key)) {

        p = cdr_json_eq(name, key) ? cdr_filter_try(m, names, p)
                                   : cdr_json_skip_value(p, m->end);

        if (!cdr_json_walk_comma(&p, m->end)) {
            break;
        }
    }

    return p;
}


static const uint8_t *
cdr_filter_try_array(cdr_filter_match_t *m, cdr_str_t names,
    const uint8_t *p)
{
    if (p == m->end || *p == ']') {
        return p;
    }

    do {
        p = cdr_filter_try(m, names, p);
    } while (cdr_json_walk_comma(&p, m->end));

    return p;
}


/* An event may have thousands of elements to be looked for. */

static bool
cdr_filter_wanted(const cdr_filter_want_t *want, cdr_str_t value)
{
    int       cmp;
    unsigned  low, high, middle;

    low = 0;
    high = want->nvalues;

    while (low < high) {
        middle = (low + high) / 2;
        cmp = cdr_filter_cmp(value, want->values[middle]);

        if (cmp == 0) {
            return true;
        }

        if (cmp < 0) {
            high = middle;

        } else {
            low = middle + 1;
        }
    }

    return false;
}
