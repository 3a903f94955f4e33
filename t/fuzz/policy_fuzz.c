/*
 * What the check lets pass can be packed, always to the same bytes, and loaded
 * with what was configured; and any bytes are safe as a block.  An input that
 * begins with '#' is configuration, a line a directive; any other is a block.
 */

#include <assert.h>
#include <stdlib.h>

#include "cdr.h"
#include "cdr_policy.h"


#define MANY   8
#define WORDS  16


typedef struct {
    cdr_str_t           words[WORDS];
    size_t              n;
} line_t;


typedef struct {
    cdr_policy_conf_t   conf;
    cdr_channel_conf_t  channels[MANY];
    cdr_event_conf_t    events[MANY];
    cdr_redact_conf_t   redacts[MANY][MANY];
    line_t              lines[128];
    size_t              nlines;
} conf_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void *
get(void *ctx, size_t size)
{
    (void) ctx;

    return malloc(size);
}


static void
put(void *ctx, void *p)
{
    (void) ctx;

    free(p);
}


static const cdr_alloc_t  heap = { get, put, NULL };


/* Everything that can be asked of a policy. */

static void
use(const cdr_policy_t *p)
{
    size_t                   i, j;
    uint32_t                 roles;
    cdr_view_t              *view, *other;
    cdr_str_t                value = cdr_str("{\"b\":{\"c\":[1,{\"d\":2}]}}");
    cdr_json_out_t           out;
    const cdr_mask_t        *node;
    const cdr_event_type_t  *type;

    view = malloc(cdr_view_size(p));
    other = malloc(cdr_view_size(p));
    cdr_view_init(other, p, UINT32_MAX);

    for (roles = 0; roles < 16; roles++) {
        cdr_view_init(view, p, roles);
        (void) cdr_view_eq(view, other);
        assert(cdr_view_eq(view, view));
    }

    for (i = 0; i < p->nroles; i++) {
        assert(cdr_policy_roles(p, p->roles[i]) == (uint32_t) 1 << i);
    }

    for (i = 0; i < p->nchannels; i++) {
        assert(cdr_policy_channel(p, p->channels[i].name) == i);
    }

    for (i = 0; i < p->catalogue.ntypes; i++) {
        type = &p->catalogue.types[i];
        assert(cdr_event_find(&p->catalogue, type->name) == type);
        assert(type->channel < p->nchannels);

        for (j = 0; j < type->nrequire; j++) {
            assert(cdr_mask_path_check(type->require[j]) == CDR_OK);
        }

        if (cdr_mask_field(type->mask, cdr_event_class(type, 1),
                           (cdr_str_t) cdr_str("a"), value, &node))
        {
            out = (cdr_json_out_t) { NULL, 0 };
            cdr_mask_put(&out, node, cdr_event_class(type, 1), value);
        }
    }

    free(view);
    free(other);
}


static cdr_names_t
names(const line_t *line, size_t from)
{
    cdr_names_t  n = { NULL, 0 };

    if (line->n > from) {
        n.names = line->words + from;
        n.n = line->n - from;
    }

    return n;
}


static void
directive(conf_t *c, const line_t *line)
{
    cdr_event_conf_t    *ev;
    cdr_redact_conf_t   *r;
    cdr_channel_conf_t  *ch;

    if (line->words[0].len == 0) {
        return;
    }

    ev = c->conf.nevents ? &c->events[c->conf.nevents - 1] : NULL;

    switch (line->words[0].data[0]) {

    case 'c':

        if (c->conf.nchannels < MANY && line->n > 1) {
            ch = &c->channels[c->conf.nchannels++];
            ch->name = line->words[1];
            ch->on = line->words[0].len & 1;
            ch->roles = names(line, 2);
        }

        break;

    case 'e':

        if (c->conf.nevents < MANY && line->n > 1) {
            ev = &c->events[c->conf.nevents];
            ev->name = line->words[1];
            ev->channel = line->words[0].len - 1;
            ev->redacts = c->redacts[c->conf.nevents++];
        }

        break;

    case 'q':
        if (ev) {
            ev->require = names(line, 1);
        }
        break;

    case 'f':
        if (ev) {
            ev->fields = names(line, 1);
        }
        break;

    case 'r':
        if (ev) {
            ev->roles = names(line, 1);
        }
        break;

    case 'p':
        if (ev) {
            ev->publish_roles = names(line, 1);
        }
        break;

    /* "x" paths; "u" roles that the last one exempts */

    case 'x':
        if (ev && ev->nredacts < MANY) {
            r = &c->redacts[c->conf.nevents - 1][ev->nredacts++];
            r->paths = names(line, 1);
        }
        break;

    case 'u':
        if (ev && ev->nredacts) {
            r = &c->redacts[c->conf.nevents - 1][ev->nredacts - 1];
            r->unless = names(line, 1);
        }
        break;
    }
}


static void
configure(conf_t *c, const uint8_t *p, const uint8_t *end)
{
    line_t         *line;
    const uint8_t  *word;

    while (p < end && c->nlines < 128) {
        line = &c->lines[c->nlines++];

        for ( ;; ) {
            word = p;
            while (p < end && *p != ' ' && *p != '\n') { p++; }

            if (line->n < WORDS) {
                line->words[line->n++] =
                    (cdr_str_t) { word, (size_t) (p - word) };
            }

            if (p == end || *p++ == '\n') {
                break;
            }
        }

        directive(c, line);
    }

    c->conf.channels = c->channels;
    c->conf.events = c->events;
}


static void
check_conf(const uint8_t *data, size_t size)
{
    int                  rc;
    conf_t              *c;
    size_t               i, len;
    uint8_t             *block, *again;
    cdr_policy_t        *p;
    cdr_policy_error_t   err = { NULL, cdr_str_null, cdr_str_null };

    c = calloc(1, sizeof(conf_t));
    configure(c, data, data + size);

    rc = cdr_policy_check(&c->conf, &err);
    assert(rc == CDR_OK ? err.error == NULL : err.error != NULL);

    if (rc == CDR_OK) {
        len = cdr_policy_pack(NULL, &c->conf);
        block = malloc(len);
        again = malloc(len);
        assert(cdr_policy_pack(block, &c->conf) == len);
        assert(cdr_policy_pack(again, &c->conf) == len);
        assert(memcmp(block, again, len) == 0);

        p = cdr_policy_new(block, len, &heap);
        free(block);
        free(again);

        assert(p && p->nchannels == c->conf.nchannels);
        assert(p->catalogue.ntypes == c->conf.nevents);

        for (i = 0; i < c->conf.nevents; i++) {
            assert(p->catalogue.types[i].nrequire == c->events[i].require.n);
            assert((p->catalogue.types[i].publish_roles == 0)
                   == (c->events[i].publish_roles.n == 0));
        }

        use(p);
        cdr_policy_del(p);
    }

    free(c);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t       *block;
    cdr_policy_t  *p;

    if (size && data[0] == '#') {
        check_conf(data + 1, size - 1);
        return 0;
    }

    block = malloc(size ? size : 1);
    memcpy(block, data, size);
    p = cdr_policy_new(block, size, &heap);
    free(block);

    if (p) {
        use(p);
        cdr_policy_del(p);
    }

    return 0;
}
