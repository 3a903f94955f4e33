/* The frames of a client, put together for the tests of what reads them. */

#ifndef CDR_FRAMES_H_INCLUDED
#define CDR_FRAMES_H_INCLUDED


#include <stdlib.h>
#include <string.h>

#include "cdr_ws.h"


/* Bytes that grow. */

typedef struct {
    uint8_t  *data;
    size_t    len;
    size_t    size;
} bytes_t;


static const uint8_t  mask_key[4] = { 0x37, 0xfa, 0x21, 0x3d };


static inline void
add(bytes_t *b, const void *data, size_t len)
{
    if (b->len + len > b->size) {
        b->size = 2 * (b->len + len);
        b->data = realloc(b->data, b->size);
    }

    if (len) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
}


static inline void
add_text(bytes_t *b, const char *text)
{
    add(b, text, strlen(text));
}


/* Adds a client's frame: masked, its length in the shortest form. */

static inline void
add_frame(bytes_t *b, int first, const void *payload, size_t len)
{
    size_t          i;
    uint8_t         h[CDR_WS_HEADER_MAX];
    const uint8_t  *p = payload;

    i = cdr_ws_header(h, (uint8_t) first, len);
    h[1] |= 0x80;

    add(b, h, i);
    add(b, mask_key, 4);
    add(b, payload, len);

    for (i = 0; i < len; i++) {
        b->data[b->len - len + i] = (uint8_t) (p[i] ^ mask_key[i % 4]);
    }
}


#endif /* CDR_FRAMES_H_INCLUDED */
