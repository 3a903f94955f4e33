/* A JSON Web Token, signed by HS256. */

#include "bench.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <time.h>


static size_t bench_base64url(char *dst, const void *src, size_t len);


/* Every other user is an architect. */

size_t
bench_token(char *buf, const char *secret, int user)
{
    int            n;
    char          *p, claims[128];
    time_t         now;
    unsigned       len;
    unsigned char  mac[EVP_MAX_MD_SIZE];

    static const char  header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";

    now = time(NULL);

    n = snprintf(claims, sizeof(claims),
                 "{\"sub\":\"user-%d\",\"role\":\"%s\",\"iat\":%ld,"
                 "\"exp\":%ld}", user, user % 2 ? "architect" : "reviewer",
                 (long) now, (long) now + 86400);

    p = buf;
    p += bench_base64url(p, header, sizeof(header) - 1);
    *p++ = '.';
    p += bench_base64url(p, claims, (size_t) n);

    HMAC(EVP_sha256(), secret, (int) strlen(secret), (unsigned char *) buf,
         (size_t) (p - buf), mac, &len);

    *p++ = '.';
    p += bench_base64url(p, mac, len);
    *p = '\0';

    return (size_t) (p - buf);
}


static size_t
bench_base64url(char *dst, const void *src, size_t len)
{
    char  *p, *end;

    end = dst + EVP_EncodeBlock((unsigned char *) dst, src, (int) len);

    for (p = dst; p < end && *p != '='; p++) {
        *p = (*p == '+') ? '-' : (*p == '/') ? '_' : *p;
    }

    return (size_t) (p - dst);
}
