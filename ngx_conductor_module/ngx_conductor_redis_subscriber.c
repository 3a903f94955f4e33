/* The connection for channels, which may be lost without the others. */

#include "ngx_conductor_link.h"


static void ngx_conductor_subscriber_lost(ngx_conductor_link_own_t *own,
    const char *reason);


/*
 * What was published while it was not there is heard by other servers, or by
 * nobody; the stream, which counts, is read all the same.
 */

void
ngx_conductor_link_subscriber(ngx_conductor_peer_t *peer, const char *reason)
{
    ngx_conductor_link_own_t  *own;

    own = peer->data;

    if (!own->link->up) {
        ngx_conductor_link_beside(peer, reason);
        return;
    }

    if (reason) {
        ngx_conductor_subscriber_lost(own, reason);
        return;
    }

    own->hears = ngx_current_msec;
    own->link->subscriber = peer->socket.ac;

    own->handlers->heard(own->data, (char *) own->missed);
}


/* Nothing is touched behind the handler. */

static void
ngx_conductor_subscriber_lost(ngx_conductor_link_own_t *own,
    const char *reason)
{
    u_char      text[NGX_CONDUCTOR_KEEPER_TEXT];
    ngx_msec_t  delay;
    ngx_uint_t  again;

    again = (own->link->subscriber == NULL);

    ngx_conductor_link_text(text, &own->subscriber.place, reason);

    ngx_conductor_peer_close(&own->subscriber);

    if (!again) {
        own->link->subscriber = NULL;

        (void) ngx_cpystrn(own->missed, text, sizeof(text));

        if (ngx_current_msec - own->hears >= NGX_CONDUCTOR_LINK_GOOD) {
            own->deaf = 0;
        }
    }

    delay = NGX_CONDUCTOR_LINK_FIRST << ngx_min(own->deaf,
                                                NGX_CONDUCTOR_LINK_STEPS);
    own->deaf++;

    ngx_add_timer(&own->again, ngx_min(delay, NGX_CONDUCTOR_REDIS_RETRY));

    if (again) {
        own->handlers->unheard(own->data, (char *) text);
    }
}


void
ngx_conductor_link_again(ngx_event_t *ev)
{
    ngx_conductor_link_own_t  *own;

    own = ev->data;

    ngx_conductor_peer_beside(&own->subscriber, &own->commands);
}


void
ngx_conductor_link_deaf(ngx_conductor_link_t *link, const char *reason)
{
    ngx_conductor_link_own_t  *own;

    own = link->own;

    if (link->up) {
        ngx_conductor_peer_fail(&own->subscriber, reason);
    }
}
