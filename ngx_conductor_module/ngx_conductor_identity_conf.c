/* Directives of identity: keys, claims, where a token may stand. */

#include "ngx_conductor.h"


static char *ngx_conductor_jwt_key_add(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *lcf, cdr_jwk_t *jwk, ngx_str_t *alg);
static ngx_int_t ngx_conductor_keys(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *lcf);
static void ngx_conductor_keys_cleanup(void *data);
static ngx_int_t ngx_conductor_push_str(ngx_conf_t *cf, ngx_array_t **array,
    ngx_str_t *s);


char *
ngx_conductor_jwt_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    char            err[256];
    cdr_jwk_t      *jwk;
    cdr_str_t       name, secret, kid;
    ngx_str_t      *value, key, rest;
    cdr_jwt_alg_t   alg;

    value = cf->args->elts;

    name.data = value[1].data;
    name.len = value[1].len;

    if (cdr_jwt_alg_parse(name, &alg) != CDR_OK) {
        return ngx_conductor_conf_error(cf, &value[1],
            "the algorithm is one of HS256, HS384, HS512, RS256, RS384, "
            "RS512, ES256, ES384, EdDSA");
    }

    kid.data = NULL;
    kid.len = 0;

    if (cf->args->nelts == 4) {

        if (ngx_conductor_option(&value[3], "kid=", &rest) != NGX_OK
            || rest.len == 0)
        {
            return ngx_conductor_conf_error(cf, &value[3],
                                            "expected \"kid=NAME\"");
        }

        kid.data = rest.data;
        kid.len = rest.len;
    }

    if (ngx_conductor_key_source(cf, &value[2], cdr_jwt_alg_is_hmac(alg),
                                 &key)
        != NGX_OK
        || ngx_conductor_keys(cf, lcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    secret.data = key.data;
    secret.len = key.len;

    jwk = cdr_jwk_new(alg, secret, kid, err, sizeof(err));

    if (jwk == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the %V key in \"conductor_jwt_key\" directive "
                           "cannot be used: %s", &value[1], err);
        return NGX_CONF_ERROR;
    }

    return ngx_conductor_jwt_key_add(cf, lcf, jwk, &value[1]);
}


static char *
ngx_conductor_jwt_key_add(ngx_conf_t *cf, ngx_conductor_loc_conf_t *lcf,
    cdr_jwk_t *jwk, ngx_str_t *alg)
{
    if (cdr_jwk_is_weak(jwk)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the %V key in \"conductor_jwt_key\" directive is "
                           "shorter than 32 bytes and can be guessed from "
                           "one token", alg);
    }

    if (cdr_jwks_add(lcf->keys, jwk) != CDR_OK) {
        cdr_jwk_del(jwk);
        return "holds too many keys";
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_jwt_key_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    char        err[256];
    size_t      n;
    cdr_str_t   json;
    ngx_str_t  *value, content;

    value = cf->args->elts;

    if (ngx_conductor_read_file(cf, &value[1], &value[1], &content) != NGX_OK
        || ngx_conductor_keys(cf, lcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    json.data = content.data;
    json.len = content.len;

    err[0] = '\0';
    n = cdr_jwks_count(lcf->keys);

    if (cdr_jwks_load(lcf->keys, json, err, sizeof(err)) != CDR_OK) {
        return ngx_conductor_conf_error(cf, &value[1], err);
    }

    if (err[0] != '\0') {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "a key of \"%V\" is passed over: %s", &value[1],
                           err);
    }

    for ( /* void */ ; n < cdr_jwks_count(lcf->keys); n++) {
        if (cdr_jwk_is_weak(cdr_jwks_get(lcf->keys, n))) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "a secret in \"%V\" is shorter than 32 bytes "
                               "and can be guessed from one token",
                               &value[1]);
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_jwt_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t   *value, rest;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_conductor_option(&value[i], "iss=", &rest) == NGX_OK
            && rest.len)
        {
            if (ngx_conductor_push_str(cf, &lcf->issuers, &rest) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        if (ngx_conductor_option(&value[i], "aud=", &rest) == NGX_OK
            && rest.len)
        {
            if (ngx_conductor_push_str(cf, &lcf->audiences, &rest) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        if (ngx_strcmp(value[i].data, "exp=off") == 0) {
            lcf->exp_required = 0;
            continue;
        }

        if (ngx_strcmp(value[i].data, "exp=on") == 0) {
            lcf->exp_required = 1;
            continue;
        }

        return ngx_conductor_conf_error(cf, &value[i],
                      "expected \"iss=NAME\", \"aud=NAME\" or \"exp=on|off\"");
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_jwt_leeway(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (lcf->leeway != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_parse_time(&value[1], 1);

    if (n == NGX_ERROR || n > 86400) {
        return ngx_conductor_conf_error(cf, &value[1],
                  "it is a time of at most a day: more would make expiry void");
    }

    lcf->leeway = n;

    return NGX_CONF_OK;
}


char *
ngx_conductor_jwt_claims(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t   *value, rest;
    ngx_uint_t   i;

    if (lcf->user_claim.len || lcf->role_claim.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_conductor_option(&value[i], "user=", &rest) == NGX_OK
            && rest.len)
        {
            lcf->user_claim = rest;
            continue;
        }

        if (ngx_conductor_option(&value[i], "role=", &rest) == NGX_OK
            && rest.len)
        {
            lcf->role_claim = rest;
            continue;
        }

        return ngx_conductor_conf_error(cf, &value[i],
                                 "expected \"user=CLAIM\" or \"role=CLAIM\"");
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_identity_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t                  *value, rest;
    ngx_uint_t                  i;
    ngx_http_complex_value_t  **cv;

    if (lcf->auth != NGX_CONF_UNSET_UINT) {
        return (lcf->auth == NGX_CONDUCTOR_AUTH_VARIABLE) ? "is duplicate"
               : "stands beside another way of identity";
    }

    lcf->auth = NGX_CONDUCTOR_AUTH_VARIABLE;
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_conductor_option(&value[i], "user=", &rest) == NGX_OK) {
            cv = &lcf->user;

        } else if (ngx_conductor_option(&value[i], "role=", &rest)
                   == NGX_OK)
        {
            cv = &lcf->role;

        } else if (ngx_conductor_option(&value[i], "expires=", &rest)
                   == NGX_OK)
        {
            cv = &lcf->expires;

        } else {
            return ngx_conductor_conf_error(cf, &value[i],
                   "expected \"user=$var\", \"role=$var\" or \"expires=$var\"");
        }

        if (rest.len == 0 || *cv != NULL) {
            return ngx_conductor_conf_error(cf, &value[i],
                                            "it is empty or given twice");
        }

        if (ngx_conductor_complex_value(cf, &rest, cv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        /* a forgotten "$" would make everyone the same user, or expired */

        if ((*cv)->lengths == NULL && cv != &lcf->role) {
            return ngx_conductor_conf_error(cf, &value[i],
                                            "it contains no variable");
        }
    }

    if (lcf->user == NULL) {
        return "needs \"user=$var\"";
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->auth != NGX_CONF_UNSET_UINT) {
        return (lcf->auth == NGX_CONDUCTOR_AUTH_OFF) ? "is duplicate"
               : "stands beside another way of identity";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") != 0) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "it can only be \"off\"");
    }

    lcf->auth = NGX_CONDUCTOR_AUTH_OFF;

    return NGX_CONF_OK;
}


char *
ngx_conductor_token(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    u_char                 *p;
    ngx_str_t              *value;
    ngx_uint_t              i;
    ngx_conductor_token_t  *token;

    if (lcf->tokens != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    lcf->tokens = ngx_array_create(cf->pool, 2, sizeof(ngx_conductor_token_t));
    if (lcf->tokens == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len < 2 || value[i].data[0] != '$') {
            return ngx_conductor_conf_error(cf, &value[i],
                       "expected a variable such as $arg_token or "
                       "$cookie_token");
        }

        token = ngx_array_push(lcf->tokens);
        if (token == NULL) {
            return NGX_CONF_ERROR;
        }

        /* nginx knows its variables in either case */

        p = value[i].data;

        token->cookie = (ngx_strcasestrn(p, "$cookie_", 8 - 1)
                         || ngx_strcasestrn(p, "${cookie_", 9 - 1)
                         || ngx_strcasestrn(p, "$http_cookie", 12 - 1)
                         || ngx_strcasestrn(p, "${http_cookie", 13 - 1));

        if (ngx_conductor_complex_value(cf, &value[i], &token->value)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_require_role(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t   *value, *role;
    ngx_uint_t   i;

    if (lcf->roles == NGX_CONF_UNSET_PTR) {
        lcf->roles = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
        if (lcf->roles == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 0
            || ngx_strlchr(value[i].data, value[i].data + value[i].len, ',')
               != NULL)
        {
            return ngx_conductor_conf_error(cf, &value[i],
                            "a role is not empty and contains no comma; "
                            "several roles are separated by spaces");
        }

        role = ngx_array_push(lcf->roles);
        if (role == NULL) {
            return NGX_CONF_ERROR;
        }

        *role = value[i];
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_conductor_keys(ngx_conf_t *cf, ngx_conductor_loc_conf_t *lcf)
{
    ngx_pool_cleanup_t  *cln;

    if (lcf->auth != NGX_CONF_UNSET_UINT
        && lcf->auth != NGX_CONDUCTOR_AUTH_JWT)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" stands beside another way of identity",
                           (ngx_str_t *) cf->args->elts);
        return NGX_ERROR;
    }

    lcf->auth = NGX_CONDUCTOR_AUTH_JWT;

    if (lcf->keys) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    lcf->keys = cdr_jwks_new();
    if (lcf->keys == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_conductor_keys_cleanup;
    cln->data = lcf->keys;

    return NGX_OK;
}


static void
ngx_conductor_keys_cleanup(void *data)
{
    cdr_jwks_t *keys = data;

    cdr_jwks_del(keys);
}


static ngx_int_t
ngx_conductor_push_str(ngx_conf_t *cf, ngx_array_t **array, ngx_str_t *s)
{
    cdr_str_t  *str;

    if (*array == NGX_CONF_UNSET_PTR || *array == NULL) {
        *array = ngx_array_create(cf->pool, 2, sizeof(cdr_str_t));
        if (*array == NULL) {
            return NGX_ERROR;
        }
    }

    str = ngx_array_push(*array);
    if (str == NULL) {
        return NGX_ERROR;
    }

    str->data = s->data;
    str->len = s->len;

    return NGX_OK;
}
