/* TLS to Redis. */

#include "ngx_conductor_link.h"

#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>


static ngx_int_t ngx_conductor_redis_tls_name(SSL *ssl,
    ngx_conductor_redis_conf_t *conf, char *name);
static const char *ngx_conductor_redis_tls_error(void);


const char *
ngx_conductor_redis_tls_begin(ngx_conductor_socket_t *s,
    ngx_conductor_redis_conf_t *conf, u_char *host)
{
    char         *name;
    const char   *reason;
    redisContext  plain;

    name = conf->tls_name.len ? (char *) conf->tls_name.data : (char *) host;
    plain = s->ac->c;

    ERR_clear_error();

    s->ssl = SSL_new(conf->ssl);
    if (s->ssl == NULL) {
        return "no memory for TLS";
    }

    if (ngx_conductor_redis_tls_name(s->ssl, conf, name) == NGX_OK
        && redisInitiateSSL(&s->ac->c, s->ssl) == REDIS_OK)
    {
        return NULL;
    }

    reason = ngx_conductor_redis_tls_reason(s);

    /* hiredis goes on with what it has until that is closed */

    s->ac->c.funcs = plain.funcs;

    SSL_free(s->ssl);
    s->ssl = NULL;

    return reason ? reason : "TLS cannot be had from it";
}


/* RFC 6066: no address is told; RFC 9525: but checked. */

static ngx_int_t
ngx_conductor_redis_tls_name(SSL *ssl, ngx_conductor_redis_conf_t *conf,
    char *name)
{
    struct in_addr      in;
    struct in6_addr     in6;
    X509_VERIFY_PARAM  *param;

    param = SSL_get0_param(ssl);

    if (inet_pton(AF_INET, name, &in) == 1
        || inet_pton(AF_INET6, name, &in6) == 1)
    {
        return !conf->verify || X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1
               ? NGX_OK : NGX_ERROR;
    }

    if (SSL_set_tlsext_host_name(ssl, name) != 1) {
        return NGX_ERROR;
    }

    if (!conf->verify) {
        return NGX_OK;
    }

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);

    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 ? NGX_OK
                                                            : NGX_ERROR;
}


const char *
ngx_conductor_redis_tls_reason(ngx_conductor_socket_t *s)
{
    long         rc;
    const char  *error;

    if (s->ssl == NULL) {
        return NULL;
    }

    rc = SSL_get_verify_result(s->ssl);

    if (rc != X509_V_OK && SSL_get_verify_mode(s->ssl) != SSL_VERIFY_NONE) {
        return X509_verify_cert_error_string(rc);
    }

    error = ngx_conductor_redis_tls_error();

    if (error) {
        return error;
    }

    return SSL_is_init_finished(s->ssl) ? NULL
                                        : "TLS cannot be had from it";
}


static const char *
ngx_conductor_redis_tls_error(void)
{
    unsigned long  error;

    error = ERR_peek_last_error();

    return error ? ERR_reason_error_string(error) : NULL;
}
