/* Directives of identity: keys, claims, where a token may stand. */

#include "ngx_conductor.h"


#define NGX_CONDUCTOR_KEY_FILE_MAX  (256 * 1024)


static ngx_int_t ngx_conductor_key_source(ngx_conf_t *cf, ngx_str_t *value,
    ngx_uint_t literal, ngx_str_t *key);
static ngx_int_t ngx_conductor_key_env(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *name, ngx_str_t *key);
static ngx_int_t ngx_conductor_read_file(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *name, ngx_str_t *content);
static ngx_int_t ngx_conductor_keys(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *lcf);
static void ngx_conductor_keys_cleanup(void *data);
static ngx_int_t ngx_conductor_push_str(ngx_conf_t *cf, ngx_array_t **array,
    ngx_str_t *s);
static ngx_int_t ngx_conductor_policy(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *conf);


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

    if (cdr_jwk_is_weak(jwk)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the %V key in \"conductor_jwt_key\" directive is "
                           "shorter than 32 bytes and can be guessed from "
                           "one token", &value[1]);
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


/* A location without an identity of its own takes that of the level above. */

char *
ngx_conductor_merge_identity(ngx_conf_t *cf, ngx_conductor_loc_conf_t *prev,
    ngx_conductor_loc_conf_t *conf)
{
    if (conf->auth == NGX_CONF_UNSET_UINT) {
        conf->keys = prev->keys;
        conf->user = prev->user;
        conf->role = prev->role;
        conf->expires = prev->expires;
        conf->auth = prev->auth;
    }

    ngx_conf_merge_ptr_value(conf->roles, prev->roles, NULL);
    ngx_conf_merge_ptr_value(conf->tokens, prev->tokens, NULL);

    if (conf->issuers == NGX_CONF_UNSET_PTR
        && conf->audiences == NGX_CONF_UNSET_PTR
        && conf->exp_required == NGX_CONF_UNSET)
    {
        conf->issuers = prev->issuers;
        conf->audiences = prev->audiences;
        conf->exp_required = prev->exp_required;
    }

    ngx_conf_merge_sec_value(conf->leeway, prev->leeway, 0);

    if (conf->user_claim.len == 0 && conf->role_claim.len == 0) {
        conf->user_claim = prev->user_claim;
        conf->role_claim = prev->role_claim;
    }

    if (ngx_conductor_policy(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->endpoint == NGX_CONDUCTOR_SOCKET
        && conf->auth == NGX_CONF_UNSET_UINT)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"conductor %V\" has no identity: add "
                      "\"conductor_jwt_key\", \"conductor_jwt_key_set\", "
                      "\"conductor_identity\" or \"conductor_auth off\" "
                      "in %s", &conf->hub->name,
                      cf->conf_file ? cf->conf_file->file.name.data
                                    : (u_char *) "the configuration");
        return NGX_CONF_ERROR;
    }

    if ((conf->endpoint == NGX_CONDUCTOR_SOCKET
         || conf->endpoint == NGX_CONDUCTOR_PUBLISH)
        && conf->roles
        && (conf->auth == NGX_CONDUCTOR_AUTH_OFF
            || conf->auth == NGX_CONF_UNSET_UINT))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"conductor_require_role\" can never be met with %s, "
                      "in a location of hub \"%V\"",
                      (conf->auth == NGX_CONDUCTOR_AUTH_OFF)
                      ? "\"conductor_auth off\"" : "no identity",
                      &conf->hub->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_conductor_policy(ngx_conf_t *cf, ngx_conductor_loc_conf_t *conf)
{
    cdr_jwt_policy_t  *policy;

    if (conf->auth != NGX_CONDUCTOR_AUTH_JWT) {
        return NGX_OK;
    }

    policy = ngx_pcalloc(cf->pool, sizeof(cdr_jwt_policy_t));
    if (policy == NULL) {
        return NGX_ERROR;
    }

    if (conf->issuers != NGX_CONF_UNSET_PTR && conf->issuers) {
        policy->iss = conf->issuers->elts;
        policy->niss = conf->issuers->nelts;
    }

    if (conf->audiences != NGX_CONF_UNSET_PTR && conf->audiences) {
        policy->aud = conf->audiences->elts;
        policy->naud = conf->audiences->nelts;
    }

    policy->exp_required = (conf->exp_required != 0);
    policy->leeway = conf->leeway;

    policy->user_claim.data = conf->user_claim.len ? conf->user_claim.data
                                                   : (u_char *) "sub";
    policy->user_claim.len = conf->user_claim.len ? conf->user_claim.len : 3;
    policy->role_claim.data = conf->role_claim.len ? conf->role_claim.data
                                                   : (u_char *) "role";
    policy->role_claim.len = conf->role_claim.len ? conf->role_claim.len : 4;

    conf->policy = policy;

    return NGX_OK;
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


/* The octets of a key: from the environment, a file, or as they stand. */

static ngx_int_t
ngx_conductor_key_source(ngx_conf_t *cf, ngx_str_t *value, ngx_uint_t literal,
    ngx_str_t *key)
{
    ngx_str_t  rest;

    if (ngx_conductor_option(value, "env:", &rest) == NGX_OK) {
        return ngx_conductor_key_env(cf, value, &rest, key);
    }

    if (ngx_conductor_option(value, "file:", &rest) == NGX_OK) {

        if (ngx_conductor_read_file(cf, value, &rest, key) != NGX_OK) {
            return NGX_ERROR;
        }

        if (literal) {

            /* a secret's file may end with a line feed, the secret does not */

            while (key->len && (key->data[key->len - 1] == LF
                                || key->data[key->len - 1] == CR))
            {
                key->len--;
            }
        }

    } else if (literal) {
        *key = *value;

    } else {
        ngx_conductor_conf_error(cf, value,
             "a public key is given as \"file:PATH\" or \"env:NAME\"");
        return NGX_ERROR;
    }

    if (key->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the key in \"%V\" directive is empty",
                           (ngx_str_t *) cf->args->elts);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The name is remembered: nginx passes it on to the binary that USR2 starts,
 * and workers forget it.
 */

static ngx_int_t
ngx_conductor_key_env(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *name,
    ngx_str_t *key)
{
    char                       *s;
    ngx_str_t                  *env;
    ngx_core_conf_t            *ccf;
    ngx_conductor_main_conf_t  *cmcf;

    s = name->len ? getenv((char *) name->data) : NULL;

    if (s == NULL || *s == '\0') {
        ngx_conductor_conf_error(cf, value,
                   "there is no such variable in nginx's environment, "
                   "or it is empty");
        return NGX_ERROR;
    }

    key->data = (u_char *) s;
    key->len = ngx_strlen(s);

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_conductor_module);

    env = ngx_array_push(&cmcf->env);
    if (env == NULL) {
        return NGX_ERROR;
    }

    *env = *name;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);
    env = ngx_array_push(&ccf->env);
    if (env == NULL) {
        return NGX_ERROR;
    }

    *env = *name;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_read_file(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *name,
    ngx_str_t *content)
{
    off_t             size;
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_int_t         rc;
    ngx_str_t         path;
    ngx_file_info_t   fi;

    path = *name;

    if (path.len == 0) {
        ngx_conductor_conf_error(cf, value, "a file has a name");
        return NGX_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a pipe would block */

    fd = ngx_open_file(path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "invalid value \"%V\" in \"%V\" directive: "
                           "cannot open \"%V\"", value,
                           (ngx_str_t *) cf->args->elts, &path);
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        ngx_conductor_conf_error(cf, value, "it is not a file");
        goto done;
    }

    size = ngx_file_size(&fi);

    if (size > NGX_CONDUCTOR_KEY_FILE_MAX) {
        ngx_conductor_conf_error(cf, value, "the file is larger than 256k");
        goto done;
    }

    content->data = ngx_pnalloc(cf->pool, (size_t) size + 1);
    if (content->data == NULL) {
        goto done;
    }

    n = ngx_read_fd(fd, content->data, (size_t) size);

    if (n != (ssize_t) size) {
        ngx_conductor_conf_error(cf, value, "the file cannot be read");
        goto done;
    }

    content->len = (size_t) size;
    rc = NGX_OK;

done:

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", &path);
    }

    return rc;
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
