/* What the tests of masks share. */

#ifndef MASK_TEST_H_INCLUDED
#define MASK_TEST_H_INCLUDED


#include "cdr_mask.h"
#include "cdr_test.h"


static cdr_str_t
str(const char *s)
{
    cdr_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


/* Each of the paths, in turn. */

static int
each(cdr_mask_t *mask, const char *paths, uint32_t hide)
{
    int          rc;
    cdr_str_t    path;

    rc = CDR_OK;

    while (rc == CDR_OK && paths && *paths) {
        path.data = (const uint8_t *) paths;
        path.len = strcspn(paths, " ");
        paths += path.len + (paths[path.len] == ' ');

        rc = hide ? cdr_mask_hide(mask, path, hide)
                  : cdr_mask_show(mask, path);
    }

    return rc;
}


#endif /* MASK_TEST_H_INCLUDED */
