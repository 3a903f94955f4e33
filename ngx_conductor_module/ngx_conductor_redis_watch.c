/* Is the Redis of a hub still one to work with, and does it answer at all? */

#include "ngx_conductor_link.h"


static void ngx_conductor_link_plain(redisReply *reply);
static void ngx_conductor_link_sentinel(ngx_conductor_link_own_t *own);


ngx_int_t
ngx_conductor_link_error(ngx_conductor_link_t *link, redisReply *reply)
{
    ngx_uint_t                 i;
    ngx_conductor_link_own_t  *own;

    static const char  *again[] = {
        "READONLY ", "LOADING ", "MOVED ", "CLUSTERDOWN ", "NOAUTH ",
        "WRONGPASS ", "MASTERDOWN ", "UNBLOCKED ", NULL
    };

    static const char  *busy[] = {
        "OOM ", "MISCONF ", "NOREPLICAS ", "BUSY ", "TRYAGAIN ", "ASK ",
        "NOPERM ", NULL
    };

    own = link->own;

    if (reply->type != REDIS_REPLY_ERROR) {
        return NGX_OK;
    }

    ngx_conductor_link_plain(reply);

    for (i = 0; busy[i]; i++) {
        if (ngx_strncmp(reply->str, busy[i], ngx_strlen(busy[i])) == 0) {
            return NGX_BUSY;
        }
    }

    for (i = 0; again[i]; i++) {

        if (ngx_strncmp(reply->str, again[i], ngx_strlen(again[i])) != 0) {
            continue;
        }

        if (link->up && !own->commands.failed) {
            (void) ngx_conductor_find_moved(own, reply->str);
            ngx_conductor_link_fail(link, reply->str);
        }

        return NGX_AGAIN;
    }

    return NGX_OK;
}


/*
 * What a script died of, without the script.  Redis 7 has that behind the
 * error, "OOM text script: HASH, on @user_script:85.", Redis 6 before it, "ERR
 * Error running script (call to f_HASH): @user_script:85: @user_script: 85:
 * -OOM text".
 */

static void
ngx_conductor_link_plain(redisReply *reply)
{
    char  *p;

    p = strstr(reply->str, " script: ");

    if (p) {
        *p = '\0';
    }

    p = strstr(reply->str, ": -");

    if (p && strstr(reply->str, "@user_script:")) {
        ngx_memmove(reply->str, p + 3, ngx_strlen(p + 3) + 1);
    }

    reply->len = ngx_strlen(reply->str);

    while (reply->len && reply->str[reply->len - 1] == ' ') {
        reply->str[--reply->len] = '\0';
    }
}


void
ngx_conductor_link_fail(ngx_conductor_link_t *link, const char *reason)
{
    ngx_conductor_link_own_t  *own;

    own = link->own;

    if (link->up) {
        ngx_conductor_peer_fail(&own->commands, reason);
    }
}


void
ngx_conductor_link_tick(ngx_event_t *ev)
{
    ngx_conductor_link_own_t  *own;

    own = ev->data;

    ngx_add_timer(&own->tick, NGX_CONDUCTOR_LINK_TICK);

    if (!own->link->up) {
        return;
    }

    ngx_conductor_peer_probe(&own->commands, 0);
    ngx_conductor_peer_probe(&own->subscriber, 0);
    ngx_conductor_peer_probe(&own->reader, 1);

    if (own->conf->sentinel.len) {
        ngx_conductor_link_sentinel(own);
    }
}


/* Is it still the master?  One Sentinel after the other is asked. */

static void
ngx_conductor_link_sentinel(ngx_conductor_link_own_t *own)
{
    switch (own->sentinel.state) {

    case NGX_CONDUCTOR_PEER_CLOSED:
        own->watch = (own->watch + 1) % own->nseeds;
        ngx_conductor_peer_open(&own->sentinel, &own->seeds[own->watch]);
        break;

    case NGX_CONDUCTOR_PEER_READY:
        ngx_conductor_peer_probe(&own->sentinel, 1);

        if (own->asked == 0 && !own->sentinel.failed) {
            (void) ngx_conductor_find_ask(own);
        }

        break;

    default:
        break;
    }
}
