/* The tree of what is visible, and what it leaves of a value. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_json_internal.h"
#include "cdr_mask.h"
#include "cdr_utf8.h"


#define cdr_mask_nested(b)  ((b) == '{' || (b) == '[')


struct cdr_mask_s {
    cdr_mask_t      *next;          /* beside it */
    cdr_mask_t      *first;         /* below it */
    cdr_str_t        key;           /* canonical text */
    uint32_t         hide;          /* the rules that hide it */
    uint32_t         below;         /* or anything below it */
    bool             shown;         /* as a whole, if no rule hides it */
    bool             some;          /* or some part of it */
};


typedef struct {
    cdr_mask_t       root;
    cdr_alloc_t      alloc;
} cdr_mask_tree_t;


typedef struct {
    cdr_json_out_t  *out;
    const uint8_t   *end;
    uint32_t         rules;
    unsigned         depth;
} cdr_mask_put_t;


static cdr_mask_t *cdr_mask_child(const cdr_mask_t *node, cdr_str_t key);
static cdr_mask_t *cdr_mask_need(cdr_mask_t *mask, cdr_mask_t *node,
    cdr_str_t name);
static void cdr_mask_show_all(cdr_mask_t *node);
static void cdr_mask_free(const cdr_alloc_t *alloc, cdr_mask_t *node);
static const uint8_t *cdr_mask_value(cdr_mask_put_t *c,
    const cdr_mask_t *node, const uint8_t *p);
static const uint8_t *cdr_mask_object(cdr_mask_put_t *c,
    const cdr_mask_t *node, const uint8_t *p);
static const uint8_t *cdr_mask_array(cdr_mask_put_t *c,
    const cdr_mask_t *node, const uint8_t *p);
static void cdr_mask_copy(cdr_json_out_t *out, const uint8_t *p,
    const uint8_t *end);


int
cdr_mask_path_check(cdr_str_t path)
{
    size_t      i;
    unsigned    n;
    cdr_str_t   name, rest;
    cdr_utf8_t  state;

    state = 0;

    if (cdr_utf8_check(&state, path.data, path.len) != CDR_OK
        || !cdr_utf8_done(&state)
        || path.len == 0
        || path.data[path.len - 1] == '.')
    {
        return CDR_ERROR;
    }

    for (i = 0; i < path.len; i++) {
        if (path.data[i] < 0x20 || path.data[i] == 0x7f) {
            return CDR_ERROR;
        }
    }

    rest = path;

    for (n = 0; rest.len; n++) {
        name = cdr_mask_path_next(&rest);

        if (name.len == 0
            || name.len > CDR_MASK_MAX_NAME
            || n == CDR_MASK_MAX_DEPTH)
        {
            return CDR_ERROR;
        }
    }

    return CDR_OK;
}


cdr_str_t
cdr_mask_path_next(cdr_str_t *path)
{
    cdr_str_t       name;
    const uint8_t  *dot;

    name = *path;
    dot = name.len ? memchr(name.data, '.', name.len) : NULL;

    if (dot == NULL) {
        path->data = NULL;
        path->len = 0;
        return name;
    }

    name.len = (size_t) (dot - name.data);
    path->data = dot + 1;
    path->len -= name.len + 1;

    return name;
}


cdr_mask_t *
cdr_mask_new(const cdr_alloc_t *alloc)
{
    cdr_mask_tree_t  *tree;

    tree = alloc->alloc(alloc->ctx, sizeof(cdr_mask_tree_t));

    if (tree == NULL) {
        return NULL;
    }

    memset(tree, 0, sizeof(cdr_mask_tree_t));

    tree->alloc = *alloc;
    tree->root.shown = true;
    tree->root.some = true;

    return &tree->root;
}


int
cdr_mask_show(cdr_mask_t *mask, cdr_str_t path)
{
    cdr_mask_t  *node;

    if (cdr_mask_path_check(path) != CDR_OK) {
        return CDR_ERROR;
    }

    mask->shown = false;

    for (node = mask; path.len; node->some = true) {
        node = cdr_mask_need(mask, node, cdr_mask_path_next(&path));

        if (node == NULL) {
            return CDR_NOMEM;
        }
    }

    cdr_mask_show_all(node);

    return CDR_OK;
}


int
cdr_mask_hide(cdr_mask_t *mask, cdr_str_t path, uint32_t rules)
{
    cdr_mask_t  *node;

    if (cdr_mask_path_check(path) != CDR_OK) {
        return CDR_ERROR;
    }

    for (node = mask; path.len; node->below |= rules) {
        node = cdr_mask_need(mask, node, cdr_mask_path_next(&path));

        if (node == NULL) {
            return CDR_NOMEM;
        }
    }

    node->hide |= rules;

    return CDR_OK;
}


void
cdr_mask_del(cdr_mask_t *mask)
{
    cdr_alloc_t  alloc;

    if (mask) {
        alloc = ((cdr_mask_tree_t *) mask)->alloc;
        cdr_mask_free(&alloc, mask);
    }
}


static cdr_mask_t *
cdr_mask_child(const cdr_mask_t *node, cdr_str_t key)
{
    cdr_mask_t  *child;

    for (child = node->first; child; child = child->next) {
        if (cdr_json_eq(child->key, key)) {
            break;
        }
    }

    return child;
}


/* The child of a name, made if there is none: it is then as its parent is. */

static cdr_mask_t *
cdr_mask_need(cdr_mask_t *mask, cdr_mask_t *node, cdr_str_t name)
{
    uint8_t       buf[2 * CDR_MASK_MAX_NAME];
    cdr_str_t     key;
    cdr_mask_t   *child;
    cdr_alloc_t  *alloc;

    /* without control characters, only quote and backslash take two bytes */

    key.data = buf;
    key.len = cdr_json_escape(buf, name);

    child = cdr_mask_child(node, key);

    if (child) {
        return child;
    }

    alloc = &((cdr_mask_tree_t *) mask)->alloc;
    child = alloc->alloc(alloc->ctx, sizeof(cdr_mask_t) + key.len);

    if (child == NULL) {
        return NULL;
    }

    memset(child, 0, sizeof(cdr_mask_t));
    memcpy(child + 1, buf, key.len);

    child->key.data = (uint8_t *) (child + 1);
    child->key.len = key.len;
    child->shown = node->shown;
    child->some = node->shown;

    child->next = node->first;
    node->first = child;

    return child;
}


/* No deeper than a path has names; so too below. */

static void
cdr_mask_show_all(cdr_mask_t *node)
{
    cdr_mask_t  *child;

    node->shown = true;
    node->some = true;

    for (child = node->first; child; child = child->next) {
        cdr_mask_show_all(child);
    }
}


static void
cdr_mask_free(const cdr_alloc_t *alloc, cdr_mask_t *node)
{
    cdr_mask_t  *child, *next;

    for (child = node->first; child; child = next) {
        next = child->next;
        cdr_mask_free(alloc, child);
    }

    alloc->free(alloc->ctx, node);
}


bool
cdr_mask_field(const cdr_mask_t *mask, uint32_t rules, cdr_str_t key,
    cdr_str_t value, const cdr_mask_t **node)
{
    const cdr_mask_t  *child;

    *node = NULL;

    if (mask == NULL) {
        return true;
    }

    child = cdr_mask_child(mask, key);

    if (child == NULL) {
        return mask->shown;
    }

    if ((child->hide & rules) || !child->some) {
        return false;
    }

    if (child->shown && (child->below & rules) == 0) {
        return true;
    }

    *node = child;

    return child->shown || (value.len && cdr_mask_nested(value.data[0]));
}


void
cdr_mask_put(cdr_json_out_t *out, const cdr_mask_t *node, uint32_t rules,
    cdr_str_t value)
{
    cdr_mask_put_t  c = { out, NULL, rules, 0 };

    if (value.len) {
        c.end = value.data + value.len;
        (void) cdr_mask_value(&c, node, value.data);
    }
}


/* Returns the byte behind the value at p. */

static const uint8_t *
cdr_mask_value(cdr_mask_put_t *c, const cdr_mask_t *node, const uint8_t *p)
{
    const uint8_t  *q;

    if (node == NULL || !cdr_mask_nested(*p)) {
        q = cdr_json_skip_value(p, c->end);
        cdr_mask_copy(c->out, p, q);
        return q;
    }

    if (c->depth == CDR_JSON_MAX_DEPTH) {
        return cdr_json_skip_value(p, c->end);
    }

    cdr_mask_copy(c->out, p, p + 1);

    c->depth++;
    p = (*p == '{') ? cdr_mask_object(c, node, p + 1)
                    : cdr_mask_array(c, node, p + 1);
    c->depth--;

    if (p == c->end) {
        return p;
    }

    cdr_mask_copy(c->out, p, p + 1);

    return p + 1;
}


/* From behind the bracket to the other one. */

static const uint8_t *
cdr_mask_object(cdr_mask_put_t *c, const cdr_mask_t *node, const uint8_t *p)
{
    bool               comma;
    cdr_str_t          key, value;
    const cdr_mask_t  *child;

    comma = false;

    while (cdr_json_walk_key(&p, c->end, &key)) {
        value.data = p;
        value.len = (size_t) (c->end - p);

        if (cdr_mask_field(node, c->rules, key, value, &child)) {

            if (comma) {
                cdr_json_put_lit(c->out, ",");
            }

            cdr_mask_copy(c->out, key.data - 1, p);
            p = cdr_mask_value(c, child, p);
            comma = true;

        } else {
            p = cdr_json_skip_value(p, c->end);
        }

        if (!cdr_json_walk_comma(&p, c->end)) {
            break;
        }
    }

    return p;
}


static const uint8_t *
cdr_mask_array(cdr_mask_put_t *c, const cdr_mask_t *node, const uint8_t *p)
{
    bool  comma;

    comma = false;

    if (p == c->end || *p == ']') {
        return p;
    }

    do {

        if (!node->shown && !cdr_mask_nested(*p)) {
            p = cdr_json_skip_value(p, c->end);
            continue;
        }

        if (comma) {
            cdr_json_put_lit(c->out, ",");
        }

        p = cdr_mask_value(c, node, p);
        comma = true;

    } while (cdr_json_walk_comma(&p, c->end));

    return p;
}


/* They may overlap. */

static void
cdr_mask_copy(cdr_json_out_t *out, const uint8_t *p, const uint8_t *end)
{
    if (out->dst) {
        memmove(out->dst + out->len, p, (size_t) (end - p));
    }

    out->len += (size_t) (end - p);
}
