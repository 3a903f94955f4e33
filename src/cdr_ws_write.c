/* The frames that a client gets (RFC 6455, section 5). */

#include "cdr.h"
#include "cdr_codes.h"
#include "cdr_ws.h"

#include <string.h>


size_t
cdr_ws_header(uint8_t dst[CDR_WS_HEADER_MAX], uint8_t first, uint64_t len)
{
    size_t  i, size;

    size = cdr_ws_header_size(len);

    dst[0] = first;
    dst[1] = (uint8_t) (size == 2 ? len
                        : size == 4 ? CDR_WS_LENGTH_16 : CDR_WS_LENGTH_64);

    for (i = size; i > 2; i--) {
        dst[i - 1] = (uint8_t) (len & 0xff);
        len >>= 8;
    }

    return size;
}


size_t
cdr_ws_header_size(uint64_t len)
{
    return len < CDR_WS_LENGTH_16 ? 2 : len <= 0xffff ? 4 : 10;
}


size_t
cdr_ws_messages(const uint8_t *p, size_t len)
{
    size_t    i, n, size;
    uint64_t  payload;

    n = 0;

    while (len >= 2) {
        size = p[1] < CDR_WS_LENGTH_16 ? 2 : p[1] == CDR_WS_LENGTH_16 ? 4 : 10;

        if (len < size) {
            break;
        }

        payload = (size == 2) ? p[1] : 0;

        for (i = 2; i < size; i++) {
            payload = payload << 8 | p[i];
        }

        if (payload > len - size) {
            break;
        }

        n += !(p[0] & CDR_WS_OP_CONTROL);

        p += size + (size_t) payload;
        len -= size + (size_t) payload;
    }

    return n;
}


size_t
cdr_ws_close_frame(uint8_t dst[2 + CDR_WS_CONTROL_MAX], uint16_t code,
    cdr_str_t reason)
{
    size_t  n;

    if (code == CDR_CLOSE_NO_STATUS) {
        return cdr_ws_header(dst, CDR_WS_FIN | CDR_WS_OP_CLOSE, 0);
    }

    n = reason.len;

    if (n > CDR_WS_REASON_MAX) {
        n = CDR_WS_REASON_MAX;

        while (n && (reason.data[n] & 0xc0) == 0x80) {
            n--;
        }
    }

    dst[0] = CDR_WS_FIN | CDR_WS_OP_CLOSE;
    dst[1] = (uint8_t) (2 + n);
    dst[2] = (uint8_t) (code >> 8);
    dst[3] = (uint8_t) (code & 0xff);

    if (n) {
        memcpy(dst + 4, reason.data, n);
    }

    return 4 + n;
}
