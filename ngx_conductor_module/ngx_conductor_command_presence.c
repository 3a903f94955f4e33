/* The command "presence-update": what a reviewer says of itself. */

#include "ngx_conductor_errand.h"
#include "ngx_conductor_presence.h"


typedef struct {
    cdr_str_t                     name;
    cdr_status_t                  status;
} ngx_conductor_status_t;


static const char *ngx_conductor_presence_status(cdr_command_t *cmd,
    cdr_status_t *status);
static const char *ngx_conductor_presence_feature(cdr_command_t *cmd,
    u_char *buf, cdr_str_t *feature);
static int ngx_conductor_presence_store(ngx_conductor_session_t *s,
    cdr_status_t status, cdr_str_t feature);


static const cdr_str_t  ngx_conductor_status_key = cdr_str("status");
static const cdr_str_t  ngx_conductor_feature_key = cdr_str("currentFeature");

static const ngx_conductor_status_t  ngx_conductor_statuses[] = {
    { cdr_str("online"), CDR_STATUS_ONLINE },
    { cdr_str("away"),   CDR_STATUS_AWAY },
    { cdr_str("busy"),   CDR_STATUS_BUSY }
};


/* What it does not mention stays as it is. */

void
ngx_conductor_command_presence(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    const char    *wrong;
    cdr_str_t      feature;
    cdr_status_t   status;
    u_char         buf[CDR_CONN_FEATURE_MAX];

    if (!s->hub->presence) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "this hub has no presence");
        return;
    }

    if (cdr_command_member(cmd, ngx_conductor_status_key) == NULL
        && cdr_command_member(cmd, ngx_conductor_feature_key) == NULL)
    {
        ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE,
                            "\"status\" or \"currentFeature\" is needed");
        return;
    }

    status = ngx_conductor_session_entry(s)->conn.status;
    feature = cdr_registry_string(&s->hub->registry, s->entry,
                                  CDR_CONN_FEATURE);

    wrong = ngx_conductor_presence_status(cmd, &status);

    if (wrong == NULL) {
        wrong = ngx_conductor_presence_feature(cmd, buf, &feature);
    }

    if (wrong) {
        ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE, wrong);
        return;
    }

    if (ngx_conductor_presence_store(s, status, feature) != CDR_OK) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no room for it");
        return;
    }

    ngx_conductor_ack(s, cmd, NULL);
}


/* Its status, unless it is not there; or what is wrong with it. */

static const char *
ngx_conductor_presence_status(cdr_command_t *cmd, cdr_status_t *status)
{
    int         rc;
    u_char      buf[16];
    cdr_str_t   text;
    ngx_uint_t  i;

    if (cdr_command_member(cmd, ngx_conductor_status_key) == NULL) {
        return NULL;
    }

    rc = cdr_command_string(cmd, ngx_conductor_status_key, buf, sizeof(buf),
                            &text);

    for (i = 0;
         rc == CDR_OK
         && i < sizeof(ngx_conductor_statuses)
                / sizeof(ngx_conductor_statuses[0]);
         i++)
    {
        if (cdr_json_eq(ngx_conductor_statuses[i].name, text)) {
            *status = ngx_conductor_statuses[i].status;
            return NULL;
        }
    }

    if (rc == CDR_OK && text.len == 7
        && ngx_memcmp(text.data, "offline", 7) == 0)
    {
        return "\"status\" is \"offline\" only when the connection has ended";
    }

    return "\"status\" must be \"online\", \"away\" or \"busy\"";
}


/* No feature and an empty one are the same. */

static const char *
ngx_conductor_presence_feature(cdr_command_t *cmd, u_char *buf,
    cdr_str_t *feature)
{
    const cdr_json_member_t  *m;

    m = cdr_command_member(cmd, ngx_conductor_feature_key);

    if (m == NULL) {
        return NULL;
    }

    if (m->type == CDR_JSON_NULL) {
        feature->len = 0;
        return NULL;
    }

    switch (cdr_command_string(cmd, ngx_conductor_feature_key, buf,
                               CDR_CONN_FEATURE_MAX, feature))
    {
    case CDR_OK:
        return NULL;

    case CDR_TOOBIG:
        return "\"currentFeature\" is longer than 128 bytes";

    default:
        return "\"currentFeature\" must be a string or null";
    }
}


static int
ngx_conductor_presence_store(ngx_conductor_session_t *s, cdr_status_t status,
    cdr_str_t feature)
{
    int                   rc;
    uint64_t              now;
    ngx_conductor_hub_t  *hub;

    hub = s->hub;

    ngx_conductor_zone_lock(hub);

    now = cdr_guest_time(&hub->reviewers, s->entry, ngx_conductor_now());

    rc = cdr_registry_set_feature(&hub->registry, s->entry, s->generation,
                                  status, feature, now);

    if (rc == CDR_OK) {
        ngx_conductor_presence_changed(hub, s->entry);

        if (s->conf->presence_tag) {
            ngx_conductor_errand_presence(hub, s->entry,
                                          s->conf->presence_tag);
        }
    }

    ngx_conductor_zone_unlock(hub);

    return rc;
}
