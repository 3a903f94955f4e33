/* What processes leave behind that are gone: it is given back. */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_errand.h"
#include "ngx_conductor_presence.h"


#define NGX_CONDUCTOR_RELEASE_MAX  1024     /* entries looked at in a hold */
#define NGX_CONDUCTOR_RELEASE_TELL 64       /* if they are told of */
#define NGX_CONDUCTOR_REAP_AGAIN   10       /* ms between two searches */
#define NGX_CONDUCTOR_RELEASE_WAIT 3000     /* ms that back ends may take for
                                               a thing, to be waited for, */
#define NGX_CONDUCTOR_RELEASE_LONG 60000    /* and for all that is left */


/* Connections that are given back, and those that the audit log is to tell. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    ngx_uint_t                    ending;
    ngx_uint_t                    n;
    cdr_conn_copy_t              *told;       /* NULL: none */
} ngx_conductor_release_t;


static void ngx_conductor_release_begin(ngx_conductor_hub_t *hub,
    ngx_conductor_release_t *rel, ngx_uint_t ending);
static void ngx_conductor_release(void *ctx, uint32_t index,
    const cdr_registry_entry_t *e);
static void ngx_conductor_release_tell(ngx_conductor_release_t *rel);
static ngx_uint_t ngx_conductor_release_waits(ngx_conductor_hub_t *hub);


/* The hub whose back ends this process waits for, and since when. */

static ngx_conductor_hub_t  *ngx_conductor_release_hub;
static ngx_msec_t            ngx_conductor_release_since;

static ngx_uint_t            ngx_conductor_release_now;  /* do not wait */


/* Gives back what processes held that are gone without a word. */

void
ngx_conductor_reap(ngx_conductor_hub_t *hub)
{
    uint32_t     i, incarnation;
    ngx_uint_t   rest;
    cdr_slot_t  *slot;

    rest = 0;

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        slot = &hub->slots.slots[i];

        if (i == hub->slot) {
            rest |= ngx_conductor_reap_behind(hub, i);
            continue;
        }

        incarnation = atomic_load(&slot->incarnation);

        if (!ngx_conductor_process_gone(slot)) {

            /* its own task, unless somebody would be refused for it */

            if (ngx_conductor_release_now) {
                (void) ngx_conductor_reap_behind(hub, i);
            }

            continue;
        }

        /* a new owner may have had half of it: wait until it has it all */

        ngx_conductor_zone_lock(hub);
        ngx_conductor_zone_unlock(hub);

        if (atomic_load(&slot->incarnation) != incarnation
            || !ngx_conductor_process_gone(slot))
        {
            continue;
        }

        if (ngx_conductor_give_back(hub, i, incarnation, CDR_ENDED_LOST)
            == NGX_OK)
        {
            ngx_conductor_slot_release(hub, i, incarnation);

        } else {
            rest = 1;
        }
    }

    if (!rest && ngx_conductor_release_hub == hub) {
        ngx_conductor_release_hub = NULL;
    }
}


/*
 * What owners of a slot before this one had, and could not be given back at
 * once.  Is there more of it?  Any process may do that, at the same time too.
 */

ngx_uint_t
ngx_conductor_reap_behind(ngx_conductor_hub_t *hub, ngx_uint_t slot)
{
    uint32_t           incarnation;
    _Atomic uint32_t  *behind;

    behind = &hub->slots.slots[slot].behind;
    incarnation = atomic_load(behind);

    if (incarnation == 0) {
        return 0;
    }

    if (ngx_conductor_give_back(hub, slot, incarnation, CDR_ENDED_LOST)
        == NGX_AGAIN)
    {
        return 1;
    }

    /* not if it has a new owner now, who is behind by one more */

    (void) atomic_compare_exchange_strong(behind, &incarnation, 0);

    return 0;
}


/*
 * NGX_OK, or NGX_DECLINED if that was done a moment ago: many may ask.  Who
 * would be refused does not wait for back ends.
 */

ngx_int_t
ngx_conductor_reap_again(ngx_conductor_hub_t *hub)
{
    if (ngx_current_msec - hub->reaped < NGX_CONDUCTOR_REAP_AGAIN) {
        return NGX_DECLINED;
    }

    hub->reaped = ngx_current_msec;

    ngx_conductor_release_now = 1;
    ngx_conductor_reap(hub);
    ngx_conductor_release_now = 0;

    return NGX_OK;
}


void
ngx_conductor_slot_release(ngx_conductor_hub_t *hub, ngx_uint_t slot,
    uint32_t incarnation)
{
    ngx_conductor_zone_lock(hub);

    if (cdr_slots_release(&hub->slots, slot, incarnation) == CDR_OK) {

        /* of whom it was asked about, none can be on two lists */

        while (cdr_registry_asked(&hub->registry, &hub->zone->asked[slot])
               != UINT32_MAX)
        {
            /* void */
        }
    }

    ngx_conductor_zone_unlock(hub);
}


/*
 * What the owner of a slot and those before it have left, in small steps; it
 * counts as ended like that.  NGX_AGAIN: the rest of what is lost is to come
 * later, when back ends have taken what they are told of it.
 */

ngx_int_t
ngx_conductor_give_back(ngx_conductor_hub_t *hub, ngx_uint_t slot,
    uint32_t incarnation, ngx_uint_t ending)
{
    int                       rc;
    uint32_t                  cursor, live, n, keys;
    ngx_conductor_release_t   rel;

    n = 0;
    cursor = 0;
    rc = CDR_AGAIN;

    ngx_conductor_release_begin(hub, &rel, ending);

    ngx_conductor_zone_lock(hub);

    if (cdr_idem_release_owner(&hub->idem, slot, incarnation, &keys)
        != CDR_OK)
    {
        ngx_conductor_idem_repair(hub);
        (void) cdr_idem_release_owner(&hub->idem, slot, incarnation, &keys);
    }

    if (hub->redis) {
        cdr_ticket_release_owner(&hub->outbox, (uint32_t) slot, incarnation);
    }

    ngx_conductor_errands_release(hub, slot, incarnation);

    ngx_conductor_zone_unlock(hub);

    while (rc == CDR_AGAIN
           && (ending != CDR_ENDED_LOST || !ngx_conductor_release_waits(hub)))
    {
        ngx_conductor_zone_lock(hub);

        live = cdr_registry_live(&hub->registry);

        rc = cdr_registry_release_owner(&hub->registry, (uint16_t) slot,
                                        incarnation, &cursor,
                                        (rel.told || hub->errands)
                                        ? NGX_CONDUCTOR_RELEASE_TELL
                                        : NGX_CONDUCTOR_RELEASE_MAX,
                                        ngx_conductor_release, &rel);

        live -= cdr_registry_live(&hub->registry);
        n += live;

        ngx_conductor_count_locked(hub, CDR_FIGURE_ENDED + ending, live);

        ngx_conductor_zone_unlock(hub);

        ngx_conductor_release_tell(&rel);
    }

    ngx_free(rel.told);

    if (n) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "hub \"%V\": %uD connections of a worker that is gone "
                      "were given back", &hub->name, n);
    }

    return (rc == CDR_AGAIN) ? NGX_AGAIN : NGX_OK;
}


/*
 * Is the outbox for back ends nearly full, and do they make room there?  What
 * they are not told yet lies in the registry, but not for ever: it is in the
 * way of others there.
 */

static ngx_uint_t
ngx_conductor_release_waits(ngx_conductor_hub_t *hub)
{
    cdr_outbox_fill_t  fill;

    if (hub->errands == NULL || ngx_conductor_release_now) {
        return 0;
    }

    cdr_outbox_fill(&hub->errand_box, &fill);

    if (fill.used <= fill.size / 4 * 3
        || ngx_current_msec - (ngx_msec_t) atomic_load(&hub->errands->moved)
           >= NGX_CONDUCTOR_RELEASE_WAIT)
    {
        return 0;
    }

    if (ngx_conductor_release_hub == NULL) {
        ngx_conductor_release_hub = hub;
        ngx_conductor_release_since = ngx_current_msec;
    }

    return ngx_current_msec - ngx_conductor_release_since
           < NGX_CONDUCTOR_RELEASE_LONG;
}


static void
ngx_conductor_release_begin(ngx_conductor_hub_t *hub,
    ngx_conductor_release_t *rel, ngx_uint_t ending)
{
    rel->hub = hub;
    rel->ending = ending;
    rel->n = 0;
    rel->told = NULL;

    if (ngx_conductor_audited(hub, CDR_AUDIT_DISCONNECT)) {
        rel->told = ngx_alloc(NGX_CONDUCTOR_RELEASE_TELL
                              * sizeof(cdr_conn_copy_t), ngx_cycle->log);
    }
}


static void
ngx_conductor_release(void *ctx, uint32_t index,
    const cdr_registry_entry_t *e)
{
    ngx_conductor_release_t *rel = ctx;

    ngx_conductor_hub_t  *hub;

    hub = rel->hub;

    if (rel->told
        && cdr_registry_snapshot(&hub->registry, index, &rel->told[rel->n])
           == CDR_OK)
    {
        rel->n++;
    }

    ngx_conductor_errand_disconnect(hub, index, rel->ending,
                                    CDR_CLOSE_ABNORMAL, NULL);
    ngx_conductor_presence_lost(hub, index);

    (void) cdr_counter_dec(&hub->counters, e->conn.conn_key,
                           ngx_current_msec);
    (void) cdr_counter_dec(&hub->counters, e->conn.user_key,
                           ngx_current_msec);
}


/* No file is written under the lock. */

static void
ngx_conductor_release_tell(ngx_conductor_release_t *rel)
{
    ngx_uint_t  i;

    for (i = 0; i < rel->n; i++) {
        ngx_conductor_audit_lost(rel->hub, &rel->told[i]);
    }

    rel->n = 0;
}


/* A process id alone proves nothing: it may have been given out again. */

ngx_uint_t
ngx_conductor_process_gone(cdr_slot_t *slot)
{
    uint64_t   start, recorded;
    ngx_pid_t  pid;

    pid = atomic_load_explicit(&slot->pid, memory_order_relaxed);
    recorded = atomic_load_explicit(&slot->start, memory_order_relaxed);

    if (kill(pid, 0) == -1 && ngx_errno == ESRCH) {
        return 1;
    }

    if (recorded == 0) {
        return 0;
    }

    if (ngx_conductor_process_start_time(pid, &start) != NGX_OK) {

        /* was it a zombie, whose parent has just taken notice? */

        return kill(pid, 0) == -1 && ngx_errno == ESRCH;
    }

    return start != recorded;
}


/*
 * The start time of a process in clock ticks, field 22 of /proc/PID/stat;
 * 1, which no process has, if it is a zombie.
 */

ngx_int_t
ngx_conductor_process_start_time(ngx_pid_t pid, uint64_t *start)
{
    int         fd;
    char       *p, *end;
    ssize_t     n;
    ngx_uint_t  i;
    char        buf[1024];

    (void) ngx_sprintf((u_char *) buf, "/proc/%P/stat%Z", pid);

    fd = open(buf, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        return NGX_ERROR;
    }

    n = read(fd, buf, sizeof(buf) - 1);

    (void) close(fd);

    if (n <= 0) {
        return NGX_ERROR;
    }

    buf[n] = '\0';

    /* the name, in parentheses, may contain anything */

    p = strrchr(buf, ')');

    if (p == NULL || p[1] != ' ') {
        return NGX_ERROR;
    }

    p += 2;

    if (*p == 'Z' || *p == 'X') {
        *start = 1;
        return NGX_OK;
    }

    for (i = 3; i < 22; i++) {
        p = strchr(p, ' ');

        if (p == NULL) {
            return NGX_ERROR;
        }

        p++;
    }

    *start = strtoull(p, &end, 10);

    return (end == p) ? NGX_ERROR : NGX_OK;
}
