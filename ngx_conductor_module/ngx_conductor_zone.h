/* The shared memory of a hub: what lies in it besides the core's tables. */

#ifndef NGX_CONDUCTOR_ZONE_H_INCLUDED
#define NGX_CONDUCTOR_ZONE_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <cdr_slots.h>
#include <cdr_snapshot.h>


#define NGX_CONDUCTOR_MAX_PARTS      24     /* of a zone */


typedef struct ngx_conductor_hub_s      ngx_conductor_hub_t;


/* The newest rules, as part of the zone: what nginx was last told. */

typedef struct {
    volatile uint64_t             generation;
    uint32_t                      size;
    uint32_t                      len;        /* 0: they do not fit */
    u_char                        block[];
} ngx_conductor_rules_t;


/* What the keeper tells, and its place; see ngx_conductor_keeper.c. */

#define NGX_CONDUCTOR_DATABASE_OFF     0    /* there is none */
#define NGX_CONDUCTOR_DATABASE_OK      1
#define NGX_CONDUCTOR_DATABASE_FAILED  2

#define NGX_CONDUCTOR_KEEPER_TEXT      192
#define NGX_CONDUCTOR_STREAM_NAME      40

typedef struct {
    _Atomic uint64_t              presence;   /* version that is committed */
    _Atomic uint64_t              file;       /* hash of the database's name,
                                                 0: none yet */
    _Atomic uint64_t              beat;       /* ngx_current_msec of its last
                                                 sign of life */
    _Atomic uint32_t              database;
    _Atomic uint64_t              failed_ms;  /* Unix, since when it fails */
    u_char                        error[NGX_CONDUCTOR_KEEPER_TEXT];
                                              /* why; under the lock */
} ngx_conductor_keeping_t;


/* What is known of earlier lives, and what is on disk of this one. */

typedef struct {
    uint32_t                      nepochs;
    cdr_snapshot_epoch_t          epochs[CDR_SNAPSHOT_EPOCHS];
                                              /* growing */
    cdr_log_pos_t                 gap;        /* events are missing before it;
                                                 0: none; fixed */
    _Atomic uint64_t              overtaken;  /* likewise by another server,
                                                 n in this life; 0: not */
    _Atomic uint64_t              head;       /* of the log, as it was saved */
    _Atomic uint64_t              tail;
    _Atomic uint32_t              revoked;    /* generation, likewise */
} ngx_conductor_lives_t;


/* How a hub with Redis is joined to it; see ngx_conductor_redis.h. */

typedef enum {
    NGX_CONDUCTOR_REDIS_OFF = 0,            /* there is none */
    NGX_CONDUCTOR_REDIS_ALONE,              /* out of reach: own order */
    NGX_CONDUCTOR_REDIS_RETURNING,          /* reachable; what was missed is
                                               being read, and what waits is
                                               being offered */
    NGX_CONDUCTOR_REDIS_JOINED              /* Redis orders */
} ngx_conductor_redis_e;


typedef struct {
    uint64_t                      server;   /* this one, among those of the
                                               hub: random, kept with an
                                               outbox that is not empty */
    _Atomic uint32_t              state;    /* ngx_conductor_redis_e */
    _Atomic uint32_t              owner;    /* slot + 1 of the keeper that is
                                               at it; 0: none; under the lock */
    _Atomic uint32_t              next;     /* likewise, who waits for it */
    _Atomic uint64_t              since_ms; /* Unix, of the state */
    _Atomic uint64_t              created_ms;     /* of this life */
    _Atomic uint64_t              read_ms;  /* Unix, when reading last had an
                                               answer */

    /* under the lock */

    uint64_t                      last_ms;  /* place in the stream that was */
    uint64_t                      last_n;   /* read; 0: nothing yet */
    uint64_t                      last_index;   /* which one that is; 0: it is
                                               not known */
    uint64_t                      lone_n;   /* the highest own number that was
                                               placed alone and has not come
                                               back; 0: none */
    uint64_t                      gap_told; /* of "dropped", to the others */
    uint32_t                      based;    /* "last" was read nowhere: it
                                               stands for our beginning */
    u_char                        run_id[48];
    u_char                        stream[NGX_CONDUCTOR_STREAM_NAME];
                                            /* its name in Redis */
    u_char                        error[NGX_CONDUCTOR_KEEPER_TEXT];

    /* told by the keeper */

    _Atomic uint64_t              lag_us;   /* of the last event: from its
                                               acceptance to this log */
    _Atomic uint64_t              reconnects;
    _Atomic uint64_t              dropped;  /* own events that others miss */
    _Atomic uint64_t              rejected; /* bad foreign messages */
    _Atomic uint32_t              servers;  /* that are there, this one too */
} ngx_conductor_joining_t;


/* What all processes of a hub share: one zone, laid out at its making. */

typedef struct {
    uint64_t                      magic;
    uint32_t                      version;
    uint32_t                      capacity;   /* connections */
    uint64_t                      boot;       /* random, names this zone */
    uint8_t                       secret[16]; /* of the hashed keys */
    volatile uint32_t             dirty;      /* inside a critical section */
    u_char                        label[64];  /* this server's, if generated */

    struct {
        size_t                    offset;
        uint32_t                  version;
    } parts[NGX_CONDUCTOR_MAX_PARTS];

    /* what workers are asked to do, see ngx_conductor_control.c */

    _Atomic uint32_t              drain;      /* odd: draining */
    _Atomic uint32_t              marked[CDR_SLOTS];  /* one more with every
                                                         connection marked */
    _Atomic uint32_t              asked[CDR_SLOTS];   /* its connections that
                                                         it is asked about */
    _Atomic uint32_t              watching[CDR_SLOTS];  /* wants to be woken
                                                           when presence
                                                           changes */

    _Atomic uint64_t              sent;       /* by all: number of an event */

    ngx_conductor_keeping_t       keeping;
    ngx_conductor_lives_t         lives;
    ngx_conductor_joining_t       joining;
} ngx_conductor_zone_t;


/* A part of the zone. */

typedef struct {
    const char                   *name;       /* as nginx -t prints it */
    uint32_t                      version;    /* of its layout */

    /* bytes for a hub with room for "n" connections */
    size_t                      (*size)(ngx_conductor_hub_t *hub,
                                        ngx_uint_t n);

    /* CDR_OK or another code */
    int                         (*init)(ngx_conductor_hub_t *hub,
                                        u_char *mem, ngx_uint_t n);
    int                         (*attach)(ngx_conductor_hub_t *hub,
                                          u_char *mem, size_t size);

    /* bytes that one more connection takes at most; NULL: none */
    size_t                      (*each)(ngx_conductor_hub_t *hub);
} ngx_conductor_part_t;


/* ngx_conductor_zone.c: the shared memory of a hub */

ngx_int_t ngx_conductor_zone_add(ngx_conf_t *cf, ngx_conductor_hub_t *hub);
void ngx_conductor_zone_lock(ngx_conductor_hub_t *hub);
void ngx_conductor_zone_unlock(ngx_conductor_hub_t *hub);
uint64_t ngx_conductor_zone_key(ngx_conductor_hub_t *hub, ngx_uint_t kind,
    u_char *data, size_t len);


/* ngx_conductor_zone_reload.c: is it as this configuration wants it? */

void ngx_conductor_zone_compare(ngx_conductor_hub_t *hub, ngx_log_t *log);
void ngx_conductor_zone_resized(ngx_conductor_hub_t *hub,
    ngx_shm_zone_t *shm_zone);


/* ngx_conductor_parts.c: what lies in it; ends with a name of NULL */

extern ngx_conductor_part_t  ngx_conductor_parts[];


#endif /* NGX_CONDUCTOR_ZONE_H_INCLUDED */
