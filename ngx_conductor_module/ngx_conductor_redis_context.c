/*
 * TLS to Redis, as far as it is the same for every connection: who is trusted,
 * and who this server is.  Made at configuration, by a process that may read
 * the files; the keeper uses it, workers give it up.
 */

#include "ngx_conductor_redis_conf.h"

#include <openssl/err.h>
#include <openssl/ssl.h>


static void ngx_conductor_redis_context_cleanup(void *data);
static char *ngx_conductor_redis_context_files(ngx_conf_t *cf,
    ngx_conductor_rcf_t *rcf);
static int ngx_conductor_redis_no_passphrase(char *buf, int size, int rwflag,
    void *data);
static char *ngx_conductor_redis_context_error(ngx_conf_t *cf,
    const char *what, ngx_str_t *file);


char *
ngx_conductor_redis_context(ngx_conf_t *cf, ngx_conductor_rcf_t *rcf)
{
    ngx_pool_cleanup_t  *cln;

    if (!rcf->tls) {
        return NGX_CONF_OK;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_conductor_redis_context_cleanup;
    cln->data = rcf;

    ERR_clear_error();

    rcf->ssl = SSL_CTX_new(TLS_client_method());

    if (rcf->ssl == NULL
        || SSL_CTX_set_min_proto_version(rcf->ssl, TLS1_2_VERSION) != 1)
    {
        return ngx_conductor_redis_context_error(cf, "make a TLS context",
                                                 NULL);
    }

    /* what is not written yet may move in memory */

    (void) SSL_CTX_set_mode(rcf->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE
                                      |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                      |SSL_MODE_RELEASE_BUFFERS);

    SSL_CTX_set_default_passwd_cb(rcf->ssl, ngx_conductor_redis_no_passphrase);
    SSL_CTX_set_verify(rcf->ssl, rcf->verify ? SSL_VERIFY_PEER
                                             : SSL_VERIFY_NONE, NULL);

    return ngx_conductor_redis_context_files(cf, rcf);
}


void
ngx_conductor_redis_context_free(ngx_conductor_rcf_t *rcf)
{
    SSL_CTX_free(rcf->ssl);
    rcf->ssl = NULL;
}


static void
ngx_conductor_redis_context_cleanup(void *data)
{
    ngx_conductor_redis_context_free(data);
}


static char *
ngx_conductor_redis_context_files(ngx_conf_t *cf, ngx_conductor_rcf_t *rcf)
{
    if (rcf->ca.len) {
        if (SSL_CTX_load_verify_locations(rcf->ssl, (char *) rcf->ca.data,
                                          NULL)
            != 1)
        {
            return ngx_conductor_redis_context_error(cf,
                       "load certificates of \"ca=\" from", &rcf->ca);
        }

    } else if (SSL_CTX_set_default_verify_paths(rcf->ssl) != 1) {
        return ngx_conductor_redis_context_error(cf,
                   "load the system's certificates", NULL);
    }

    if (rcf->cert.len == 0) {
        return NGX_CONF_OK;
    }

    if (SSL_CTX_use_certificate_chain_file(rcf->ssl, (char *) rcf->cert.data)
        != 1)
    {
        return ngx_conductor_redis_context_error(cf,
                   "load the certificate of \"cert=\" from", &rcf->cert);
    }

    if (SSL_CTX_use_PrivateKey_file(rcf->ssl, (char *) rcf->key.data,
                                    SSL_FILETYPE_PEM)
        != 1)
    {
        return ngx_conductor_redis_context_error(cf,
                   "load the key of \"key=\", which must be that of the "
                   "certificate and without a passphrase, from", &rcf->key);
    }

    return NGX_CONF_OK;
}


/* Nobody is there to be asked. */

static int
ngx_conductor_redis_no_passphrase(char *buf, int size, int rwflag, void *data)
{
    return 0;
}


static char *
ngx_conductor_redis_context_error(ngx_conf_t *cf, const char *what,
    ngx_str_t *file)
{
    ngx_err_t       err;
    const char     *why;
    ngx_str_t       none = ngx_null_string;
    unsigned long   n;

    err = ngx_errno;
    n = ERR_peek_error();
    why = n ? ERR_reason_error_string(n) : NULL;

    if (file == NULL) {
        file = &none;
    }

    /* without words of its own it is the system's */

    ngx_conf_log_error(NGX_LOG_EMERG, cf, why ? 0 : err,
                       "\"redis\" directive: cannot %s%s%V%s%s%s", what,
                       file->len ? " \"" : "", file, file->len ? "\"" : "",
                       why ? ": " : "", why ? why : "");

    ERR_clear_error();

    return NGX_CONF_ERROR;
}
