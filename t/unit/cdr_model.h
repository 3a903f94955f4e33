/* What remains of an event, worked out on jansson's tree from the paths. */

#ifndef CDR_MODEL_H_INCLUDED
#define CDR_MODEL_H_INCLUDED


#include <stdbool.h>
#include <string.h>

#include <jansson.h>


#define MODEL_PATHS  16


/* The rests of paths below a value; "all" if it is shown as a whole. */

typedef struct {
    bool         all;
    unsigned     nshow;
    unsigned     nhide;
    const char  *show[MODEL_PATHS];
    const char  *hide[MODEL_PATHS];
} model_t;


/* The rest of a path behind that name, "" at its end, or NULL. */

static inline const char *
model_below(const char *path, const char *name)
{
    size_t  len;

    len = strlen(name);

    if (strncmp(path, name, len) != 0 || strchr(name, '.')) {
        return NULL;
    }

    return path[len] == '.' ? path + len + 1
           : path[len] == '\0' ? path + len : NULL;
}


/* False if the member of that name is hidden, or is not shown. */

static inline bool
model_enter(model_t *to, const model_t *from, const char *name)
{
    unsigned     i;
    const char  *rest;

    *to = (model_t) { .all = from->all };

    for (i = 0; i < from->nhide; i++) {
        rest = model_below(from->hide[i], name);

        if (rest && *rest == '\0') {
            return false;
        }

        if (rest) {
            to->hide[to->nhide++] = rest;
        }
    }

    for (i = 0; i < from->nshow; i++) {
        rest = model_below(from->show[i], name);

        if (rest && *rest == '\0') {
            to->all = true;

        } else if (rest) {
            to->show[to->nshow++] = rest;
        }
    }

    return to->all || to->nshow;
}


/* A new value, or NULL if nothing remains. */

static inline json_t *
model_prune(const json_t *v, const model_t *m)
{
    size_t       i;
    json_t      *to, *child;
    model_t      below;
    const char  *key;

    if (json_is_object(v)) {
        to = json_object();

        json_object_foreach((json_t *) v, key, child) {
            if (model_enter(&below, m, key)) {
                json_object_set_new(to, key, model_prune(child, &below));
            }
        }

        return to;
    }

    if (json_is_array(v)) {
        to = json_array();

        json_array_foreach(v, i, child) {
            json_array_append_new(to, model_prune(child, m));
        }

        return to;
    }

    return m->all ? json_deep_copy(v) : NULL;
}


#endif /* CDR_MODEL_H_INCLUDED */
