/* This server's reviewers as text: fields of a hash, and messages. */

#include "ngx_conductor_guests.h"


static ngx_int_t ngx_conductor_told_signed(ngx_conductor_guests_t *g,
    cdr_str_t text, u_char *p, ngx_str_t *message);


static ngx_conductor_arena_t  ngx_conductor_told_messages;


ngx_int_t
ngx_conductor_told_value(ngx_conductor_guests_t *g,
    ngx_conductor_told_t *told, u_char **p)
{
    u_char     what[512 + CDR_GUEST_FIELD_MAX];
    cdr_str_t  name, line;

    told->value = told->line;

    if (g->join->conf->secret.len == 0) {
        return NGX_OK;
    }

    name.data = what;
    name.len = ngx_snprintf(what, sizeof(what), "%V %V", &g->own,
                            &told->field)
               - what;

    line.data = told->line.data;
    line.len = told->line.len;

    if (cdr_sign_text(&g->sign, name, line, *p) != CDR_OK) {
        return NGX_ERROR;
    }

    told->value.data = *p;
    told->value.len = CDR_SIGN_LEN + 1 + line.len;
    *p += told->value.len;

    return NGX_OK;
}


ngx_int_t
ngx_conductor_told_message(ngx_conductor_guests_t *g,
    ngx_conductor_told_t *told, ngx_uint_t n, ngx_str_t *message)
{
    u_char            *p;
    size_t             len;
    cdr_str_t          text, id;
    ngx_uint_t         i, anonymous;
    cdr_guest_note_t   note;

    len = CDR_SIGN_LEN + 1 + 128;

    for (i = 0; i < n; i++) {
        len += 1 + ngx_max(told[i].line.len, 64 + 6 * told[i].field.len);
    }

    ngx_conductor_told_messages.len = 0;

    p = ngx_conductor_arena_room(&ngx_conductor_told_messages, len * 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&note, sizeof(cdr_guest_note_t));

    note.server = g->hub->zone->joining.server;
    note.version = g->version;
    note.all = (told == NULL);

    text.data = p;
    p += cdr_guest_note(p, &note);

    for (i = 0; i < n; i++) {
        *p++ = '\n';

        if (told[i].line.len) {
            p = ngx_cpymem(p, told[i].line.data, told[i].line.len);
            continue;
        }

        anonymous = (told[i].field.data[0] == 'c');
        id.data = told[i].field.data + 2;
        id.len = told[i].field.len - 2;
        p += cdr_guest_gone(p, id, anonymous);
    }

    text.len = p - text.data;

    return ngx_conductor_told_signed(g, text, p, message);
}


ngx_int_t
ngx_conductor_told_gone(ngx_conductor_guests_t *g, ngx_msec_t leave,
    ngx_str_t *message)
{
    u_char            *p;
    cdr_str_t          text;
    cdr_guest_note_t   note;

    ngx_conductor_told_messages.len = 0;

    p = ngx_conductor_arena_room(&ngx_conductor_told_messages,
                                 2 * (CDR_SIGN_LEN + 1 + 128));
    if (p == NULL) {
        return NGX_ERROR;
    }

    note.server = g->hub->zone->joining.server;
    note.version = g->version;
    note.all = 0;
    note.gone = 1;
    note.leave = leave;

    text.data = p;
    text.len = cdr_guest_note(p, &note);

    return ngx_conductor_told_signed(g, text, p + text.len, message);
}


/* With a secret, the text behind its signature is at "p". */

static ngx_int_t
ngx_conductor_told_signed(ngx_conductor_guests_t *g, cdr_str_t text,
    u_char *p, ngx_str_t *message)
{
    cdr_str_t  name;

    if (g->join->conf->secret.len) {
        name.data = g->channel.data;
        name.len = g->channel.len;

        if (cdr_sign_text(&g->sign, name, text, p) != CDR_OK) {
            return NGX_ERROR;
        }

        text.data = p;
        text.len += CDR_SIGN_LEN + 1;
    }

    message->data = (u_char *) text.data;
    message->len = text.len;

    return NGX_OK;
}
