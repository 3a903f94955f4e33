/*
 * A command is accepted by its rules as jansson would check them, an answer to
 * it is JSON, and what it reports survives being read again.
 */

#include <assert.h>
#include <stdlib.h>

#include <jansson.h>

#include "cdr.h"
#include "cdr_command.h"
#include "cdr_reply.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static size_t
characters(const json_t *s)
{
    size_t       n;
    const char  *p;

    n = 0;

    for (p = json_string_value(s); *p; p++) {
        n += ((*p & 0xc0) != 0x80);
    }

    return n;
}


static bool
text_is_fine(const json_t *s, size_t min)
{
    return json_is_string(s) && characters(s) >= min && characters(s) <= 64;
}


/* Whether the message follows the rules; the text of a number is not seen. */

static bool
message_is_fine(const json_t *j, bool number_id)
{
    json_t  *id, *key;

    id = json_object_get(j, "id");
    key = json_object_get(j, "key");

    return json_object_size(j) <= CDR_COMMAND_MAX_MEMBERS
           && text_is_fine(json_object_get(j, "type"), 1)
           && (key == NULL || text_is_fine(key, 0))
           && (id == NULL || text_is_fine(id, 0)
               || (json_is_number(id) && number_id));
}


static void
check_plain(const json_t *j, const char *name, cdr_str_t plain)
{
    json_t  *s;

    s = json_object_get(j, name);

    assert((s == NULL) == (plain.data == NULL));

    if (s) {
        assert(json_string_length(s) == plain.len);
        assert(memcmp(json_string_value(s), plain.data, plain.len) == 0);
    }
}


/* The id goes out as it came in, in answers of an exact size. */

static void
check_answer(const json_t *j, const cdr_command_t *cmd)
{
    size_t    size;
    json_t   *answer;
    uint8_t  *dst;

    size = cdr_reply_error(NULL, cdr_reply_code(cmd->code), cmd->error,
                           cmd->id);
    dst = malloc(size);
    assert(cdr_reply_error(dst, cdr_reply_code(cmd->code), cmd->error,
                           cmd->id)
           == size);

    answer = json_loadb((char *) dst, size, JSON_REJECT_DUPLICATES, NULL);
    assert(answer);
    assert((cmd->id.data == NULL) == (json_object_get(answer, "id") == NULL));

    if (cmd->id.data && j) {
        assert(json_equal(json_object_get(answer, "id"),
                          json_object_get(j, "id")));
    }

    json_decref(answer);
    free(dst);
}


static void
check_members(const json_t *j, const cdr_command_t *cmd)
{
    int          rc;
    size_t       len;
    json_t      *v;
    int64_t      n;
    uint8_t     *buf;
    cdr_str_t    name, value;
    const char  *key;

    json_object_foreach((json_t *) j, key, v) {
        name.data = (const uint8_t *) key;
        name.len = strlen(key);

        assert(cdr_command_member(cmd, name));

        rc = cdr_command_integer(cmd, name, &n);
        assert((rc == CDR_OK) == json_is_integer(v));
        assert((rc == CDR_DECLINED) == json_is_null(v));
        assert(rc != CDR_OK || n == json_integer_value(v));

        len = json_is_string(v) ? json_string_length(v) : 0;
        buf = malloc(len ? len : 1);

        rc = cdr_command_string(cmd, name, buf, len, &value);
        assert((rc == CDR_OK) == json_is_string(v));
        assert(rc != CDR_OK
               || (value.len == len
                   && memcmp(value.data, json_string_value(v), len) == 0));

        if (len) {
            assert(cdr_command_string(cmd, name, buf, len - 1, &value)
                   == CDR_TOOBIG);
        }

        free(buf);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             rc;
    json_t         *j;
    uint8_t        *copy;
    cdr_str_t       text;
    cdr_command_t  *cmd;

    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    text.data = copy;
    text.len = size;

    cmd = malloc(sizeof(cdr_command_t));
    rc = cdr_command_parse(cmd, text);

    j = json_loadb((char *) copy, size, JSON_REJECT_DUPLICATES, NULL);

    if (rc == CDR_OK) {
        assert(json_is_object(j) && message_is_fine(j, true));
        assert(cmd->nmembers == json_object_size(j));

        check_plain(j, "type", cmd->name);
        check_plain(j, "key", cmd->key);
        check_members(j, cmd);

        assert((cmd->type == CDR_COMMAND_AGENT) == (cmd->agent.data != NULL));

    } else {
        assert(rc == CDR_ERROR && cmd->error.len);
        assert(cmd->code == CDR_ERR_BAD_JSON
               || cmd->code == CDR_ERR_BAD_MESSAGE);

        /* only a number's length can be wrong without jansson seeing it */

        assert(cmd->code == CDR_ERR_BAD_JSON || !json_is_object(j)
               || !message_is_fine(j, false));
    }

    check_answer(json_is_object(j) ? j : NULL, cmd);

    json_decref(j);
    free(cmd);
    free(copy);

    return 0;
}
