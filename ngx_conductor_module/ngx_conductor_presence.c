/* What becomes of connections in the table of reviewers. */

#include "ngx_conductor_presence.h"


/* ms at most until those are offline whose worker was killed */
#define NGX_CONDUCTOR_PRESENCE_LOST  2000


static void ngx_conductor_presence_done(ngx_conductor_hub_t *hub,
    uint32_t entry, int rc);
static void ngx_conductor_presence_mend(ngx_conductor_hub_t *hub);


/* Who comes back in time goes on with what was said last. */

void
ngx_conductor_presence_keep(ngx_conductor_hub_t *hub, cdr_conn_info_t *info)
{
    if (hub->reviewers.shm == NULL
        || (info->flags & NGX_CONDUCTOR_CONN_HIDDEN))
    {
        return;
    }

    (void) cdr_presence_kept(&hub->reviewers, info->identity.user,
                             &info->status, &info->feature);
}


void
ngx_conductor_presence_join(ngx_conductor_hub_t *hub, uint32_t entry)
{
    int                    rc;
    cdr_registry_entry_t  *e;

    e = cdr_registry_entry(&hub->registry, entry);

    if (hub->reviewers.shm == NULL
        || (e->conn.flags & NGX_CONDUCTOR_CONN_HIDDEN))
    {
        return;
    }

    rc = cdr_presence_join(&hub->reviewers, entry, ngx_conductor_now());

    ngx_conductor_presence_done(hub, entry, rc);
}


void
ngx_conductor_presence_changed(ngx_conductor_hub_t *hub, uint32_t entry)
{
    int  rc;

    if (hub->reviewers.shm == NULL) {
        return;
    }

    rc = cdr_presence_changed(&hub->reviewers, entry, ngx_conductor_now());

    ngx_conductor_presence_done(hub, entry, rc);
}


void
ngx_conductor_presence_role(ngx_conductor_hub_t *hub, uint32_t entry)
{
    int  rc;

    if (hub->reviewers.shm == NULL) {
        return;
    }

    rc = cdr_presence_role(&hub->reviewers, entry, ngx_conductor_now());

    ngx_conductor_presence_done(hub, entry, rc);
}


void
ngx_conductor_presence_leave(ngx_conductor_hub_t *hub, uint32_t entry,
    ngx_msec_t retry)
{
    int       rc;
    uint64_t  now, due;

    if (hub->reviewers.shm == NULL) {
        return;
    }

    now = ngx_conductor_now();
    due = now + hub->presence_leave + retry;

    rc = cdr_presence_leave(&hub->reviewers, entry, now, due);

    if (rc == CDR_ERROR) {

        /* the connection is in the registry, so that put it back */

        ngx_conductor_presence_mend(hub);
        rc = cdr_presence_leave(&hub->reviewers, entry, now, due);
    }

    ngx_conductor_presence_done(hub, entry, rc);
}


/* Nobody was told to come back, and rows are to be true soon. */

void
ngx_conductor_presence_lost(ngx_conductor_hub_t *hub, uint32_t entry)
{
    ngx_msec_t  leave;

    leave = hub->presence_leave;
    hub->presence_leave = ngx_min(leave, NGX_CONDUCTOR_PRESENCE_LOST);

    ngx_conductor_presence_leave(hub, entry, 0);

    hub->presence_leave = leave;
}


void
ngx_conductor_presence_expire(ngx_conductor_hub_t *hub)
{
    int       rc;
    uint32_t  n;
    uint64_t  now, forget;

    if (hub->reviewers.shm == NULL) {
        return;
    }

    now = ngx_conductor_now();
    forget = now - (uint64_t) hub->presence_ttl * 1000;

    do {
        ngx_conductor_zone_lock(hub);

        rc = cdr_presence_expire(&hub->reviewers, now, forget,
                                 NGX_CONDUCTOR_PRESENCE_EXPIRE, &n);

        if (rc == CDR_ERROR) {
            ngx_conductor_presence_mend(hub);
        }

        if (n) {
            ngx_conductor_watch_wake(hub);
        }

        ngx_conductor_zone_unlock(hub);

    } while (rc == CDR_AGAIN);
}


void
ngx_conductor_presence_repair(ngx_conductor_hub_t *hub)
{
    uint64_t  now;

    if (hub->reviewers.shm == NULL) {
        return;
    }

    now = ngx_conductor_now();

    cdr_presence_repair(&hub->reviewers, NGX_CONDUCTOR_CONN_HIDDEN, now,
                        now + ngx_min(hub->presence_leave,
                                      NGX_CONDUCTOR_PRESENCE_LOST));

    ngx_conductor_watch_wake(hub);
}


uint32_t
ngx_conductor_presence_live(ngx_conductor_hub_t *hub)
{
    cdr_presence_fill_t  fill;

    if (hub->reviewers.shm == NULL) {
        return 0;
    }

    ngx_conductor_zone_lock(hub);
    cdr_presence_fill(&hub->reviewers, &fill);
    ngx_conductor_zone_unlock(hub);

    return fill.live;
}


static void
ngx_conductor_presence_done(ngx_conductor_hub_t *hub, uint32_t entry, int rc)
{
    switch (rc) {

    case CDR_OK:
        break;

    case CDR_DECLINED:
        return;

    case CDR_FULL:

        if (!hub->unlisted) {
            hub->unlisted = 1;

            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "hub \"%V\" has no room for the long names or "
                          "features of more reviewers: presence is not "
                          "complete, enlarge \"zone\"", &hub->name);
        }

        break;

    default:
        ngx_conductor_presence_mend(hub);
    }

    ngx_conductor_watch_wake(hub);
}


/* Links are wrong though nobody died: better say it, and make them anew. */

static void
ngx_conductor_presence_mend(ngx_conductor_hub_t *hub)
{
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "the reviewers of hub \"%V\" were damaged: repairing them",
                  &hub->name);

    ngx_conductor_presence_repair(hub);
}
