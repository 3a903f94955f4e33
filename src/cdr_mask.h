/*
 * What of an event is visible: a tree of the names in dotted paths, made once
 * when the configuration is read.
 *
 * A node says whether what it names is visible, and which rules hide it.  A
 * class is the set of rules that apply, a bit each, so one tree serves all
 * classes of an event type.  A path goes through arrays: "a.b" is the member
 * "b" of the object "a", or of every object in the array "a" (at any depth of
 * arrays).  A dot always separates, so a name with a dot in it cannot be
 * named.  Names are compared as they decode.
 *
 * An object of which nothing remains is {}, and an array keeps its length;
 * except that where only parts are visible, what has no parts is left out: of
 * {"a":[1,{"b":2,"c":3}]} the path "a.b" shows {"a":[{"b":2}]}, and nothing of
 * {"a":1}.  To hide beats to show.
 */

#ifndef CDR_MASK_H_INCLUDED
#define CDR_MASK_H_INCLUDED


#include "cdr.h"
#include "cdr_json.h"


#define CDR_MASK_MAX_DEPTH   16             /* names in a path */
#define CDR_MASK_MAX_NAME    255            /* bytes of a name */
#define CDR_MASK_RULES       31             /* rules that depend on roles */
#define CDR_MASK_EVERYONE    0x80000000u    /* the rule "from everyone" */


typedef struct cdr_mask_s  cdr_mask_t;


/*
 * A path is 1 to CDR_MASK_MAX_DEPTH names between dots, each of 1 to
 * CDR_MASK_MAX_NAME bytes of UTF-8 without control characters.  CDR_OK or
 * CDR_ERROR.
 */
int cdr_mask_path_check(cdr_str_t path);

/*
 * Takes the first name off a path, which is left with those behind its dot,
 * or empty.  An empty path gives an empty name.
 */
cdr_str_t cdr_mask_path_next(cdr_str_t *path);

/*
 * An empty tree, in which all is visible; then, first of all, the paths that
 * alone are visible (the first makes everything else invisible), then those
 * that a set of rules hides.  Paths are checked and are copied; the allocator
 * is kept.  NULL or CDR_NOMEM if there is no memory, CDR_ERROR for a path that
 * cannot be one; the tree is then only good for cdr_mask_del(), which takes
 * NULL as well.
 */
cdr_mask_t *cdr_mask_new(const cdr_alloc_t *alloc);
int cdr_mask_show(cdr_mask_t *mask, cdr_str_t path);
int cdr_mask_hide(cdr_mask_t *mask, cdr_str_t path, uint32_t rules);
void cdr_mask_del(cdr_mask_t *mask);

/*
 * Does any part of a member of an object remain under these rules?  "mask" is
 * the tree for top-level members, or the node of the object around; NULL hides
 * nothing.  "key" is canonical text; of the value only the first byte is
 * looked at.  When true, "*node" is the node of the member, or NULL if all of
 * it remains, so that its value may be taken as it is.
 */
bool cdr_mask_field(const cdr_mask_t *mask, uint32_t rules, cdr_str_t key,
    cdr_str_t value, const cdr_mask_t **node);

/*
 * Appends what remains of a canonical value under the node of its member.  The
 * output may be written over the value itself (out->dst + out->len no later
 * than value.data): it is never longer.  Nested deeper than
 * CDR_JSON_MAX_DEPTH, nothing remains.
 */
void cdr_mask_put(cdr_json_out_t *out, const cdr_mask_t *node, uint32_t rules,
    cdr_str_t value);


#endif /* CDR_MASK_H_INCLUDED */
