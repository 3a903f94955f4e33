/*
 * Where Redis is, as a URL:
 *
 *     redis://[user[:password]@]host[:port][,host[:port]]...[/database]
 *     rediss://...                                         (with TLS)
 *     unix:/path[:database], redis+unix:/path[:database]
 *
 * The form is that of RFC 3986, but for the list: user, password and path may
 * have %XX for any byte but NUL; an IPv6 address stands in brackets; a user
 * that has no password after it is followed by "@" alone, and a password
 * without a user by ":" in front of it.  A Unix socket may also be written as
 * unix://[user[:password]@]/path, and any of them may end with "?db=N" in
 * place of its database.
 */

#ifndef CDR_REDIS_URL_H_INCLUDED
#define CDR_REDIS_URL_H_INCLUDED


#include "cdr.h"


#define CDR_REDIS_URL_HOSTS     16
#define CDR_REDIS_URL_LEN       4096
#define CDR_REDIS_URL_PATH      107         /* bytes of a Unix socket's name */
#define CDR_REDIS_URL_DATABASE  999999      /* the highest */


typedef struct {
    cdr_str_t             host;             /* without brackets */
    uint16_t              port;             /* 0: none was given */
    bool                  ipv6;             /* it had brackets */
} cdr_redis_host_t;


typedef struct {
    bool                  tls;
    cdr_str_t             user;             /* empty: none */
    cdr_str_t             password;         /* likewise */
    cdr_str_t             path;             /* of a Unix socket; then there
                                               are no hosts */
    cdr_redis_host_t      hosts[CDR_REDIS_URL_HOSTS];
    uint32_t              nhosts;
    uint32_t              database;
} cdr_redis_url_t;


/*
 * Parses "text".  "buf" has room for text.len bytes: what is decoded is written
 * there; all strings point into "text" or "buf".
 *
 * CDR_OK
 * CDR_ERROR   it is no such URL, *why says what is wrong, in words that show
 *             nothing of it; *url is undefined
 */
int cdr_redis_url_parse(cdr_redis_url_t *url, cdr_str_t text, uint8_t *buf,
    const char **why);


/*
 * Which part of the text may be a password, with the user: it is not to be
 * shown.  Also where the URL is wrong.  Empty if there is none.
 */
cdr_str_t cdr_redis_url_hidden(cdr_str_t text);


#endif /* CDR_REDIS_URL_H_INCLUDED */
