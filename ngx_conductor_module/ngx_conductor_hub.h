/* What the files that read the "conductor_hub" block share. */

#ifndef NGX_CONDUCTOR_HUB_H_INCLUDED
#define NGX_CONDUCTOR_HUB_H_INCLUDED


#include "ngx_conductor.h"


#define NGX_CONDUCTOR_HUB_CONF      0x02000000
#define NGX_CONDUCTOR_CHANNEL_CONF  0x04000000
#define NGX_CONDUCTOR_EVENT_CONF    0x08000000


typedef struct {
    ngx_str_t                 name;
    ngx_str_t                 channel;
    ngx_array_t               require;    /* cdr_str_t */
} ngx_conductor_event_conf_t;


/* ngx_conductor_hub.c */

char *ngx_conductor_hub_parse(ngx_conf_t *cf, ngx_uint_t type,
    void *conf);
ngx_int_t ngx_conductor_name_valid(ngx_str_t *name);


/* ngx_conductor_hub_events.c: channels and events */

char *ngx_conductor_hub_catalogue(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub);
char *ngx_conductor_hub_channel(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_hub_event(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_channel_default(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_conductor_event_channel(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_event_require(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* NGX_CONDUCTOR_HUB_H_INCLUDED */
