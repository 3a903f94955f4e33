/* What a location inherits of identity, and the policy that it makes. */

#include "ngx_conductor.h"


static ngx_int_t ngx_conductor_policy(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *conf);
static char *ngx_conductor_check_identity(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *conf);


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

    return ngx_conductor_check_identity(cf, conf);
}


static char *
ngx_conductor_check_identity(ngx_conf_t *cf, ngx_conductor_loc_conf_t *conf)
{
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
         || conf->endpoint == NGX_CONDUCTOR_PUBLISH
         || conf->endpoint == NGX_CONDUCTOR_ADMIN)
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
