/* How processes wake each other: one eventfd for each process slot. */

#include "ngx_conductor.h"

#include <sys/eventfd.h>


static void ngx_conductor_wake_slot(uint32_t i);


/*
 * Made once, in the master, before any worker: old and new workers of every
 * later configuration reach each other through them.
 */

static int         ngx_conductor_eventfds[CDR_SLOTS];
static ngx_uint_t  ngx_conductor_eventfds_made;


ngx_int_t
ngx_conductor_wake_create(ngx_log_t *log)
{
    int         fd;
    ngx_uint_t  i;

    if (ngx_conductor_eventfds_made) {
        return NGX_OK;
    }

    for (i = 0; i < CDR_SLOTS; i++) {
        fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (fd == -1) {
            ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                          "eventfd() failed: conductor needs %d descriptors "
                          "in each process", CDR_SLOTS);
            goto failed;
        }

        ngx_conductor_eventfds[i] = fd;
    }

    ngx_conductor_eventfds_made = 1;

    return NGX_OK;

failed:

    while (i--) {
        (void) close(ngx_conductor_eventfds[i]);
    }

    return NGX_ERROR;
}


/* Has this process a slot? */

ngx_uint_t
ngx_conductor_wake_possible(void)
{
    return ngx_conductor_eventfds_made && ngx_process_slot < CDR_SLOTS;
}


/*
 * Tells every worker of the hub that the log, or what is asked, has grown.
 * The keeper looks by itself.
 */

void
ngx_conductor_wake_all(ngx_conductor_hub_t *hub)
{
    uint32_t  i;

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        if (ngx_conductor_slot_is_keeper(&hub->slots.slots[i])) {
            continue;
        }

        ngx_conductor_wake_worker(hub, i);
    }
}


void
ngx_conductor_wake_worker(ngx_conductor_hub_t *hub, uint32_t i)
{
    if (i == hub->slot) {
        ngx_conductor_process_post();

    } else if (cdr_slot_wake(&hub->slots.slots[i])) {
        ngx_conductor_wake_slot(i);
    }
}


/* Tells the keeper, which otherwise looks every 100 ms. */

void
ngx_conductor_wake_keeper(ngx_conductor_hub_t *hub)
{
    uint32_t  i;

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        if (ngx_conductor_slot_is_keeper(&hub->slots.slots[i])
            && cdr_slot_wake(&hub->slots.slots[i]))
        {
            ngx_conductor_wake_slot(i);
        }
    }
}


/* Tells one process, whatever it is. */

void
ngx_conductor_wake_one(ngx_conductor_hub_t *hub, ngx_uint_t slot)
{
    if (slot < CDR_SLOTS && cdr_slot_wake(&hub->slots.slots[slot])) {
        ngx_conductor_wake_slot((uint32_t) slot);
    }
}


/* Has this process take a turn of its loop; from any of its threads. */

void
ngx_conductor_wake_me(void)
{
    uint64_t  one;

    one = 1;

    if (ngx_conductor_wake_possible()) {
        (void) !write(ngx_conductor_eventfds[ngx_process_slot], &one,
                      sizeof(uint64_t));
    }
}


/* Its eventfd, as a connection; NULL: it has no slot, or an error. */

ngx_connection_t *
ngx_conductor_wake_listen(ngx_cycle_t *cycle, ngx_event_handler_pt handler)
{
    ngx_connection_t  *c;

    if (!ngx_conductor_wake_possible()) {
        return NULL;
    }

    c = ngx_get_connection(ngx_conductor_eventfds[ngx_process_slot],
                           cycle->log);
    if (c == NULL) {
        return NULL;
    }

    c->log = cycle->log;
    c->read->log = cycle->log;
    c->write->log = cycle->log;
    c->read->handler = handler;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_free_connection(c);
        return NULL;
    }

    return c;
}


/* Takes what was written to an eventfd. */

void
ngx_conductor_wake_taken(ngx_event_t *ev)
{
    ssize_t            n;
    uint64_t           count;
    ngx_connection_t  *c;

    c = ev->data;

    n = read(c->fd, &count, sizeof(uint64_t));

    if (n == -1 && ngx_errno != NGX_EAGAIN) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, ngx_errno,
                      "read() from eventfd failed");
    }
}


static void
ngx_conductor_wake_slot(uint32_t i)
{
    uint64_t  one;

    one = 1;

    if (write(ngx_conductor_eventfds[i], &one, sizeof(uint64_t))
        != sizeof(uint64_t)
        && ngx_errno != NGX_EAGAIN)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "write() to eventfd of slot %uD failed", i);
    }
}
