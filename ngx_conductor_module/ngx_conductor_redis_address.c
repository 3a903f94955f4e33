/* Names of Redis' hosts: the system is asked in threads, which may wait. */

#include "ngx_conductor_link.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>


#define NGX_CONDUCTOR_LOOKUP_THREADS  4
#define NGX_CONDUCTOR_LOOKUP_STACK    (512 * 1024)


struct ngx_conductor_lookup_s {
    u_char             name[NGX_CONDUCTOR_PEER_HOST];
    char               found[NGX_CONDUCTOR_PEER_FOUND]
                            [NGX_CONDUCTOR_PEER_TEXT];
    ngx_uint_t         n;
    int                rc;                  /* of getaddrinfo() */
    unsigned           done:1;
    unsigned           left:1;              /* nobody asks for it any more */
};


static int ngx_conductor_lookup_begin(ngx_conductor_lookup_t *l);
static void *ngx_conductor_lookup_thread(void *data);
static void ngx_conductor_lookup_ask(ngx_conductor_lookup_t *l);


/* Of all lookups, their "done" and "left" included. */

static pthread_mutex_t  ngx_conductor_lookup_mutex = PTHREAD_MUTEX_INITIALIZER;
static ngx_uint_t       ngx_conductor_lookups;


ngx_conductor_lookup_t *
ngx_conductor_lookup(u_char *name)
{
    ngx_conductor_lookup_t  *l;

    l = ngx_calloc(sizeof(ngx_conductor_lookup_t), ngx_cycle->log);
    if (l == NULL) {
        return NULL;
    }

    ngx_cpystrn(l->name, name, NGX_CONDUCTOR_PEER_HOST);

    (void) pthread_mutex_lock(&ngx_conductor_lookup_mutex);

    if (ngx_conductor_lookups == NGX_CONDUCTOR_LOOKUP_THREADS
        || ngx_conductor_lookup_begin(l) != 0)
    {
        (void) pthread_mutex_unlock(&ngx_conductor_lookup_mutex);
        ngx_free(l);
        return NULL;
    }

    ngx_conductor_lookups++;

    (void) pthread_mutex_unlock(&ngx_conductor_lookup_mutex);

    return l;
}


ngx_int_t
ngx_conductor_lookup_result(ngx_conductor_lookup_t *l,
    char found[][NGX_CONDUCTOR_PEER_TEXT], ngx_uint_t *n, const char **reason)
{
    ngx_uint_t  done;

    (void) pthread_mutex_lock(&ngx_conductor_lookup_mutex);
    done = l->done;
    (void) pthread_mutex_unlock(&ngx_conductor_lookup_mutex);

    if (!done) {
        return NGX_AGAIN;
    }

    if (l->n == 0) {
        *reason = l->rc ? gai_strerror(l->rc) : "the name has no address";
        return NGX_ERROR;
    }

    ngx_memcpy(found, l->found, sizeof(l->found));
    *n = l->n;

    return NGX_OK;
}


void
ngx_conductor_lookup_leave(ngx_conductor_lookup_t *l)
{
    ngx_uint_t  done;

    (void) pthread_mutex_lock(&ngx_conductor_lookup_mutex);

    done = l->done;
    l->left = 1;

    (void) pthread_mutex_unlock(&ngx_conductor_lookup_mutex);

    if (done) {
        ngx_free(l);
    }
}


ngx_uint_t
ngx_conductor_lookup_busy(void)
{
    ngx_uint_t  n;

    (void) pthread_mutex_lock(&ngx_conductor_lookup_mutex);
    n = ngx_conductor_lookups;
    (void) pthread_mutex_unlock(&ngx_conductor_lookup_mutex);

    return n != 0;
}


/* Signals are for the loop. */

static int
ngx_conductor_lookup_begin(ngx_conductor_lookup_t *l)
{
    int             err;
    sigset_t        all, old;
    pthread_t       id;
    pthread_attr_t  attr;

    err = pthread_attr_init(&attr);
    if (err) {
        return err;
    }

    (void) pthread_attr_setstacksize(&attr, NGX_CONDUCTOR_LOOKUP_STACK);
    (void) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);

    err = pthread_create(&id, &attr, ngx_conductor_lookup_thread, l);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void) pthread_attr_destroy(&attr);

    return err;
}


static void *
ngx_conductor_lookup_thread(void *data)
{
    ngx_uint_t               left;
    ngx_conductor_lookup_t  *l;

    l = data;

    ngx_conductor_lookup_ask(l);

    (void) pthread_mutex_lock(&ngx_conductor_lookup_mutex);

    left = l->left;
    l->done = 1;

    ngx_conductor_lookups--;

    (void) pthread_mutex_unlock(&ngx_conductor_lookup_mutex);

    if (left) {
        ngx_free(l);
    }

    return NULL;
}


static void
ngx_conductor_lookup_ask(ngx_conductor_lookup_t *l)
{
    struct addrinfo   hints, *list, *ai;

    ngx_memzero(&hints, sizeof(struct addrinfo));
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;

    list = NULL;
    l->rc = getaddrinfo((char *) l->name, NULL, &hints, &list);

    if (l->rc) {
        return;
    }

    for (ai = list; ai && l->n < NGX_CONDUCTOR_PEER_FOUND; ai = ai->ai_next) {

        if (getnameinfo(ai->ai_addr, ai->ai_addrlen, l->found[l->n],
                        NGX_CONDUCTOR_PEER_TEXT, NULL, 0, NI_NUMERICHOST)
            == 0)
        {
            l->n++;
        }
    }

    freeaddrinfo(list);
}
