/* Compression of single WebSocket messages: RFC 7692, sections 7.2.1, 7.2.2. */

#include "cdr.h"
#include "cdr_deflate.h"

#include <limits.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>


#define CDR_DEFLATE_WINDOW    (-15)    /* negative: raw, without a header */
#define CDR_DEFLATE_MEMORY    8
#define CDR_DEFLATE_TAIL_LEN  4

/* Of z_stream.data_type after inflate(): between blocks, unused bits. */

#define CDR_INFLATE_BOUNDARY  128
#define CDR_INFLATE_BITS      63

#define cdr_deflate_min(a, b)  ((a) < (b) ? (a) : (b))


struct cdr_deflater_s {
    z_stream     z;
    cdr_alloc_t  alloc;
};


struct cdr_inflater_s {
    z_stream     z;
    cdr_alloc_t  alloc;
    size_t       tail;      /* octets of the tail already given */
    bool         fresh;     /* nothing read since the start or BFINAL */
    bool         failed;
};


/* What one call of cdr_inflate() still has to read and to fill. */

typedef struct {
    const uint8_t  *in;
    size_t          len;
    uint8_t        *out;
    size_t          size;
} cdr_inflate_io_t;


static void cdr_zlib_init(z_stream *z, cdr_alloc_t *alloc);
static voidpf cdr_zlib_alloc(voidpf opaque, uInt items, uInt size);
static void cdr_zlib_free(voidpf opaque, voidpf p);
static int cdr_inflate_message(cdr_inflater_t *inf, cdr_inflate_io_t *io,
    bool last);
static int cdr_inflate_finish(cdr_inflater_t *inf, cdr_inflate_io_t *io);
static int cdr_inflate_piece(cdr_inflater_t *inf, cdr_inflate_io_t *io);
static int cdr_inflate_step(cdr_inflater_t *inf, cdr_inflate_io_t *io);


/* The end of a flush, an empty stored block less its header. */

static const uint8_t  cdr_deflate_tail[CDR_DEFLATE_TAIL_LEN] = {
    0x00, 0x00, 0xff, 0xff
};


static void
cdr_zlib_init(z_stream *z, cdr_alloc_t *alloc)
{
    memset(z, 0, sizeof(z_stream));

    z->zalloc = cdr_zlib_alloc;
    z->zfree = cdr_zlib_free;
    z->opaque = alloc;
}


static voidpf
cdr_zlib_alloc(voidpf opaque, uInt items, uInt size)
{
    cdr_alloc_t  *alloc = opaque;

    if (size && items > SIZE_MAX / size) {
        return NULL;
    }

    return alloc->alloc(alloc->ctx, (size_t) items * size);
}


static void
cdr_zlib_free(voidpf opaque, voidpf p)
{
    cdr_alloc_t  *alloc = opaque;

    alloc->free(alloc->ctx, p);
}


cdr_deflater_t *
cdr_deflater_new(const cdr_alloc_t *alloc, int level)
{
    cdr_deflater_t  *d;

    if (level < 1 || level > 9) {
        return NULL;
    }

    d = alloc->alloc(alloc->ctx, sizeof(cdr_deflater_t));

    if (d == NULL) {
        return NULL;
    }

    d->alloc = *alloc;
    cdr_zlib_init(&d->z, &d->alloc);

    if (deflateInit2(&d->z, level, Z_DEFLATED, CDR_DEFLATE_WINDOW,
                     CDR_DEFLATE_MEMORY, Z_DEFAULT_STRATEGY)
        != Z_OK)
    {
        alloc->free(alloc->ctx, d);
        return NULL;
    }

    return d;
}


void
cdr_deflater_del(cdr_deflater_t *d)
{
    cdr_alloc_t  alloc;

    if (d == NULL) {
        return;
    }

    alloc = d->alloc;

    (void) deflateEnd(&d->z);
    alloc.free(alloc.ctx, d);
}


/*
 * zlib's own bound for the worst parameters, and the flush: what comes out
 * does not depend on how a certain version of zlib stores what it cannot
 * compress.
 */

size_t
cdr_deflate_bound(size_t len)
{
    return len + len / 8 + len / 64 + 32;
}


int
cdr_deflate(cdr_deflater_t *d, const uint8_t *in, size_t len, uint8_t *out,
    size_t size, size_t *outlen)
{
    *outlen = 0;

    if (size == 0 || len > UINT_MAX) {
        return CDR_TOOBIG;
    }

    if (len == 0) {
        out[0] = 0x00;
        *outlen = 1;
        return CDR_OK;
    }

    d->z.next_in = in;
    d->z.avail_in = (uInt) len;
    d->z.next_out = out;
    d->z.avail_out = (uInt) cdr_deflate_min(size, UINT_MAX);

    if (deflateReset(&d->z) != Z_OK
        || deflate(&d->z, Z_SYNC_FLUSH) != Z_OK)
    {
        return CDR_ERROR;
    }

    /* only with room left is it certain that the flush is complete */

    if (d->z.avail_out == 0) {
        return CDR_TOOBIG;
    }

    *outlen = (size_t) (d->z.next_out - out) - CDR_DEFLATE_TAIL_LEN;

    return CDR_OK;
}


cdr_inflater_t *
cdr_inflater_new(const cdr_alloc_t *alloc)
{
    cdr_inflater_t  *inf;

    inf = alloc->alloc(alloc->ctx, sizeof(cdr_inflater_t));

    if (inf == NULL) {
        return NULL;
    }

    inf->alloc = *alloc;
    cdr_zlib_init(&inf->z, &inf->alloc);

    if (inflateInit2(&inf->z, CDR_DEFLATE_WINDOW) != Z_OK) {
        alloc->free(alloc->ctx, inf);
        return NULL;
    }

    /* zlib makes its window at first need, and a dictionary is one */

    if (inflateSetDictionary(&inf->z, cdr_deflate_tail, CDR_DEFLATE_TAIL_LEN)
        != Z_OK)
    {
        cdr_inflater_del(inf);
        return NULL;
    }

    cdr_inflater_reset(inf);

    return inf;
}


void
cdr_inflater_del(cdr_inflater_t *inf)
{
    cdr_alloc_t  alloc;

    if (inf == NULL) {
        return;
    }

    alloc = inf->alloc;

    (void) inflateEnd(&inf->z);
    alloc.free(alloc.ctx, inf);
}


void
cdr_inflater_reset(cdr_inflater_t *inf)
{
    inf->tail = 0;
    inf->fresh = true;
    inf->failed = (inflateReset(&inf->z) != Z_OK);
}


int
cdr_inflate(cdr_inflater_t *inf, const uint8_t *in, size_t len, size_t *used,
    bool last, uint8_t *out, size_t size, size_t *outlen)
{
    int               rc;
    uint8_t           none;
    cdr_inflate_io_t  io;

    io.in = in;
    io.len = len;
    io.out = size ? out : &none;
    io.size = size;

    rc = cdr_inflate_message(inf, &io, last);

    *used = len - io.len;
    *outlen = size - io.size;

    if (rc == CDR_OK && last) {
        cdr_inflater_reset(inf);

    } else if (rc == CDR_ERROR) {
        inf->failed = true;
    }

    return rc;
}


static int
cdr_inflate_message(cdr_inflater_t *inf, cdr_inflate_io_t *io, bool last)
{
    int  rc;

    /* once the tail is begun, nothing can come before it */

    if (inf->failed || (inf->tail && (io->len || !last))) {
        return CDR_ERROR;
    }

    if (inf->tail == 0) {
        rc = cdr_inflate_piece(inf, io);

        if (rc != CDR_OK || !last) {
            return rc;
        }

        if (inf->fresh) {
            return CDR_OK;
        }
    }

    return cdr_inflate_finish(inf, io);
}


/* Gives the stream its tail, after which it must be between two blocks. */

static int
cdr_inflate_finish(cdr_inflater_t *inf, cdr_inflate_io_t *io)
{
    int               rc, bits;
    cdr_inflate_io_t  tail;

    tail = *io;
    tail.in = cdr_deflate_tail + inf->tail;
    tail.len = CDR_DEFLATE_TAIL_LEN - inf->tail;

    rc = cdr_inflate_piece(inf, &tail);

    inf->tail = CDR_DEFLATE_TAIL_LEN - tail.len;
    io->out = tail.out;
    io->size = tail.size;

    if (rc != CDR_OK) {
        return rc;
    }

    bits = inf->z.data_type & (CDR_INFLATE_BOUNDARY | CDR_INFLATE_BITS);

    if (inf->fresh || bits == CDR_INFLATE_BOUNDARY) {
        return CDR_OK;
    }

    return io->size == 0 ? CDR_AGAIN : CDR_ERROR;
}


/* Returns CDR_OK if all input is read, CDR_AGAIN if there is no room left. */

static int
cdr_inflate_piece(cdr_inflater_t *inf, cdr_inflate_io_t *io)
{
    int  rc;

    do {
        if (inf->fresh && io->len == 0) {
            return CDR_OK;
        }

        rc = cdr_inflate_step(inf, io);

    } while (rc == CDR_OK && io->len);

    return rc;
}


static int
cdr_inflate_step(cdr_inflater_t *inf, cdr_inflate_io_t *io)
{
    int        rc;
    uInt       in, out;
    z_stream  *z;

    in = (uInt) cdr_deflate_min(io->len, UINT_MAX);
    out = (uInt) cdr_deflate_min(io->size, UINT_MAX);

    z = &inf->z;
    z->next_in = io->in;
    z->avail_in = in;
    z->next_out = io->out;
    z->avail_out = out;

    rc = inflate(z, Z_SYNC_FLUSH);

    io->len -= in - z->avail_in;
    io->in = z->next_in;
    io->size -= out - z->avail_out;
    io->out = z->next_out;
    inf->fresh = false;

    switch (rc) {

    case Z_STREAM_END:
        /* keeps the window, unlike inflateReset() */
        inf->fresh = true;
        return inflateResetKeep(z) == Z_OK ? CDR_OK : CDR_ERROR;

    case Z_OK:
    case Z_BUF_ERROR:
        if (z->avail_in == 0) {
            return CDR_OK;
        }

        if (io->size == 0) {
            return CDR_AGAIN;
        }

        return rc == Z_OK ? CDR_OK : CDR_ERROR;

    default:
        return CDR_ERROR;
    }
}
