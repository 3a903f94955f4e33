/* The end of a server: the others of its hub are told, as they need not wait
 * until it is missed. */

#include "ngx_conductor_guests.h"


#define NGX_CONDUCTOR_LEAVE_TIME  200       /* ms at most */

/*
 * KEYS   servers, names, versions, this server's reviewers
 * ARGV   server, channel, message
 */

#define NGX_CONDUCTOR_LUA_LEAVE                                               \
    "redis.call('ZREM', KEYS[1], ARGV[1])\n"                                  \
    "redis.call('HDEL', KEYS[2], ARGV[1])\n"                                  \
    "redis.call('HDEL', KEYS[3], ARGV[1])\n"                                  \
    "redis.call('DEL', KEYS[4])\n"                                            \
    "redis.call('PUBLISH', ARGV[2], ARGV[3])\n"


/*
 * Workers that drain have clients yet, each of which is told to come to another
 * server within the hub's "drain".
 */

void
ngx_conductor_leave(ngx_conductor_guests_t *g)
{
    ngx_str_t             argv[10];
    ngx_conductor_hub_t  *hub;

    hub = g->hub;

    if (ngx_conductor_join_followed(hub)) {
        return;
    }

    g->version++;

    if (ngx_conductor_told_gone(g, ngx_terminate ? 0 : hub->drain, &argv[9])
        != NGX_OK)
    {
        return;
    }

    /* nobody waits for an answer that the script be not known */

    ngx_str_set(&argv[0], "EVAL");
    ngx_str_set(&argv[1], NGX_CONDUCTOR_LUA_LEAVE);
    ngx_str_set(&argv[2], "4");
    argv[3] = g->servers;
    argv[4] = g->names;
    argv[5] = g->versions;
    argv[6] = g->own;
    argv[7] = g->id;
    argv[8] = g->channel;

    if (ngx_conductor_join_command(g->join, NULL, NULL, 10, argv) == NGX_OK) {
        ngx_conductor_link_flush(g->join->link, NGX_CONDUCTOR_LEAVE_TIME);
    }
}
