/* What the files that read the "conductor_hub" block share. */

#ifndef NGX_CONDUCTOR_HUB_H_INCLUDED
#define NGX_CONDUCTOR_HUB_H_INCLUDED


#include "ngx_conductor.h"


#define NGX_CONDUCTOR_HUB_CONF      0x02000000
#define NGX_CONDUCTOR_CHANNEL_CONF  0x04000000
#define NGX_CONDUCTOR_EVENT_CONF    0x08000000


/* Both begin with their name. */

typedef struct {
    ngx_str_t                 name;
    ngx_flag_t                on;             /* every client starts with it */
    ngx_array_t               roles;          /* cdr_str_t */
} ngx_conductor_channel_conf_t;


typedef struct {
    ngx_str_t                 name;
    ngx_str_t                 channel;
    ngx_array_t               require;        /* cdr_str_t */
    ngx_array_t               fields;         /* cdr_str_t */
    ngx_array_t               roles;          /* cdr_str_t */
    ngx_array_t               publish_roles;  /* cdr_str_t */
    ngx_array_t               redacts;        /* cdr_redact_conf_t */
} ngx_conductor_event_conf_t;


/* ngx_conductor_hub.c */

char *ngx_conductor_hub_parse(ngx_conf_t *cf, ngx_uint_t type,
    void *conf);
ngx_int_t ngx_conductor_name_valid(ngx_str_t *name);


/* ngx_conductor_hub_policy.c: the policy that is made of them */

char *ngx_conductor_hub_policy(ngx_conf_t *cf, ngx_conductor_hub_t *hub);
ngx_int_t ngx_conductor_hub_index(ngx_array_t *list, size_t size,
    ngx_str_t *name);
void ngx_conductor_hub_list(cdr_names_t *names, ngx_array_t *list);
void ngx_conductor_hub_str(cdr_str_t *dst, ngx_str_t *src);


/* ngx_conductor_hub_events.c: channels and events */

char *ngx_conductor_hub_default_channels(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub);
char *ngx_conductor_hub_builtin(ngx_conf_t *cf, ngx_conductor_hub_t *hub);
char *ngx_conductor_hub_channel(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_hub_event(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_channel_default(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_conductor_event_channel(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_event_paths(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_event_roles(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_event_redact(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_channel_roles(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* ngx_conductor_hub_history.c: "history" */

char *ngx_conductor_hub_history(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* ngx_conductor_backend_conf.c: messages that go to a back end */

ngx_int_t ngx_conductor_hub_backends(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub);
char *ngx_conductor_hub_message(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* ngx_conductor_hub_state.c: what is kept, and where */

char *ngx_conductor_hub_state(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_hub_presence(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_hub_state_defaults(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub);


/* ngx_conductor_hub_paths.c: NULL, or why it cannot be; is it one file? */

const char *ngx_conductor_database_check(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub);
const char *ngx_conductor_state_check(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_str_t *path);
ngx_uint_t ngx_conductor_same_file(ngx_str_t *a, ngx_str_t *b);


#endif /* NGX_CONDUCTOR_HUB_H_INCLUDED */
