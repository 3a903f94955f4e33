/* Unit tests of the opening handshake's header fields. */

#include "cdr_test.h"
#include "cdr_handshake.h"


#define str(s)  ((cdr_str_t) { (const uint8_t *) (s), strlen(s) })


static void test_tchar(void);
static void test_list(void);
static void test_key(void);
static void test_accept(void);
static void test_version(void);
static void test_iterator(void);
static int walk(const char *value, const char *expected);
static void test_offers(void);
static void test_wrong_offers(void);
static void test_many_offers(void);
static int offer(const char *line, const char *more,
    cdr_ws_subprotocols_t *out);
static cdr_str_t flush_right(const char *s, uint8_t **mem);


int
main(void)
{
    test_tchar();
    test_list();
    test_key();
    test_accept();
    test_version();
    test_iterator();
    test_offers();
    test_wrong_offers();
    test_many_offers();

    return done_testing();
}


static void
test_tchar(void)
{
    int          ch, wrong;
    const char  *set;

    set = "!#$%&'*+-.^_`|~0123456789"
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    for (wrong = 0, ch = 0; ch < 256; ch++) {
        wrong += cdr_is_tchar((uint8_t) ch) != (ch && strchr(set, ch));
    }

    ok(wrong == 0, "of all 256 octets, those of RFC 9110 make a token");
}


static void
test_list(void)
{
    size_t     i;
    uint8_t   *mem;
    cdr_str_t  value;

    static const struct {
        const char  *value, *token;
        bool         has;
        const char  *name;
    } t[] = {
        { "websocket", "websocket", true, "a list of one has it" },
        { "WebSocket", "websocket", true, "the case of the list is ignored" },
        { "upgrade", "UPGRADE", true, "the case of the token is ignored" },
        { "keep-alive, Upgrade", "upgrade", true, "the last member counts" },
        { "Upgrade,keep-alive", "upgrade", true, "no space is needed" },
        { " \t upgrade \t , x", "upgrade", true, "spaces and tabs go away" },
        { ",, ,upgrade,", "upgrade", true, "empty members are skipped" },
        { "websocket/13", "websocket", false, "a version is not dropped" },
        { "xwebsocket", "websocket", false, "a suffix is no member" },
        { "websocketx", "websocket", false, "a prefix is no member" },
        { "web socket", "websocket", false, "space inside is kept" },
        { "web, socket", "websocket", false, "members are not joined" },
        { "h2c;websocket", "websocket", false, "\";\" does not separate" },
        { "", "websocket", false, "an empty value has nothing" },
        { ",", "", false, "an empty token is never a member" },
        { "\"websocket\"", "websocket", false, "quotes are not taken off" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        value = flush_right(t[i].value, &mem);

        ok(cdr_list_has(value, str(t[i].token)) == t[i].has, "list: %s",
           t[i].name);

        free(mem);
    }

    value.data = NULL;
    value.len = 0;

    ok(!cdr_list_has(value, str("x")), "list: no value has nothing");

    value.data = (const uint8_t *) "upgrade\0";
    value.len = 8;

    ok(!cdr_list_has(value, str("upgrade")), "list: a NUL is a character");
}


static void
test_key(void)
{
    int        ch, wrong;
    size_t     i;
    uint8_t   *mem, key[24];
    cdr_str_t  value;

    static const struct {
        const char  *key;
        int          rc;
        const char  *name;
    } t[] = {
        { "dGhlIHNhbXBsZSBub25jZQ==", CDR_OK, "that of the RFC" },
        { "AAAAAAAAAAAAAAAAAAAAAA==", CDR_OK, "all zeroes" },
        { "/////////////////////w==", CDR_OK, "all ones" },
        { "+/+/+/+/+/+/+/+/+/+/+/==", CDR_OK, "unused bits are ignored" },
        { "dGhlIHNhbXBsZSBub25jZQ=", CDR_ERROR, "one \"=\" is missing" },
        { "dGhlIHNhbXBsZSBub25jZQ", CDR_ERROR, "no padding" },
        { "dGhlIHNhbXBsZSBub25jZQ===", CDR_ERROR, "too much padding" },
        { "dGhlIHNhbXBsZSBub25jZ===", CDR_ERROR, "15 octets, wrong padding" },
        { "dGhlIHNhbXBsZSBub25jZTE=", CDR_ERROR, "17 octets" },
        { "dGhlIHNhbXBsZSBub25jZTEy", CDR_ERROR, "18 octets" },
        { "dGhlIHNhbXBsZSBub25jZ_==", CDR_ERROR, "base64url" },
        { "dGhlIHNhbXBsZSBub25j Q==", CDR_ERROR, "white space inside" },
        { "dGhlIHNhbXBs=SBub25jZQ==", CDR_ERROR, "\"=\" inside" },
        { "", CDR_ERROR, "empty" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        value = flush_right(t[i].key, &mem);
        ok(cdr_ws_key_check(value) == t[i].rc, "key: %s", t[i].name);
        free(mem);
    }

    value.data = key;
    value.len = sizeof(key);

    for (wrong = 0, ch = 0; ch < 256; ch++) {
        memcpy(key, "dGhlIHNhbXBsZSBub25jZQ==", sizeof(key));
        key[5] = (uint8_t) ch;

        wrong += (cdr_ws_key_check(value) == CDR_OK)
                 != (ch && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "0123456789+/", ch));
    }

    ok(wrong == 0, "key: of all 256 octets, those of base64 make one");
}


static void
test_accept(void)
{
    uint8_t  dst[CDR_WS_ACCEPT_LEN + 1];

    dst[CDR_WS_ACCEPT_LEN] = 0x5a;

    ok(cdr_ws_accept(str("dGhlIHNhbXBsZSBub25jZQ=="), dst) == CDR_OK
       && memcmp(dst, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28) == 0,
       "accept: the example of RFC 6455, section 1.3");

    ok(cdr_ws_accept(str("x3JJHMbDL1EzLkh9GBhXDw=="), dst) == CDR_OK
       && memcmp(dst, "HSmrc0sMlYUkAGmm5OPpG2HaGWk=", 28) == 0,
       "accept: another known pair");

    ok(dst[CDR_WS_ACCEPT_LEN] == 0x5a, "accept: writes no NUL behind it");

    ok(cdr_ws_accept(str("short"), dst) == CDR_ERROR,
       "accept: refuses a key of another length");
}


static void
test_version(void)
{
    size_t     i;
    uint8_t   *mem;
    cdr_str_t  value;

    static const struct {
        const char  *value;
        int          rc;
    } t[] = {
        { "13", CDR_OK },
        { "0", CDR_DECLINED }, { "8", CDR_DECLINED }, { "12", CDR_DECLINED },
        { "14", CDR_DECLINED }, { "99", CDR_DECLINED },
        { "130", CDR_DECLINED }, { "255", CDR_DECLINED },
        { "256", CDR_ERROR }, { "999", CDR_ERROR }, { "1313", CDR_ERROR },
        { "", CDR_ERROR }, { "013", CDR_ERROR }, { "00", CDR_ERROR },
        { "+13", CDR_ERROR }, { "-1", CDR_ERROR }, { "1 3", CDR_ERROR },
        { "13 ", CDR_ERROR }, { "13, 8", CDR_ERROR }, { "8,13", CDR_ERROR },
        { "0xd", CDR_ERROR }, { "13a", CDR_ERROR }, { "1/", CDR_ERROR },
        { "1:", CDR_ERROR }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        value = flush_right(t[i].value, &mem);

        ok(cdr_ws_version_check(value) == t[i].rc, "version: \"%s\" is %s",
           t[i].value, t[i].rc == CDR_OK ? "ours"
           : t[i].rc == CDR_DECLINED ? "another" : "wrong");

        free(mem);
    }
}


static void
test_iterator(void)
{
    ok(walk("a , b\t,c", "[a][b][c]") == CDR_DECLINED,
       "iterator: each entry without the space around it, then the end");

    ok(walk("a", "[a]") == CDR_DECLINED, "iterator: a single entry");

    ok(walk("", "") == CDR_ERROR,
       "iterator: an empty value is an empty entry");

    ok(walk("a,", "[a]") == CDR_ERROR,
       "iterator: a comma at the end makes an empty entry");

    ok(walk("a,b c,d", "[a]") == CDR_ERROR,
       "iterator: stops at what is no token");
}


/* What ends the walk; CDR_OK if its entries are not the expected ones. */

static int
walk(const char *value, const char *expected)
{
    int        rc;
    char       got[64];
    size_t     n;
    uint8_t   *mem;
    cdr_str_t  rest, entry;

    rest = flush_right(value, &mem);
    n = 0;

    for ( ;; ) {
        rc = cdr_ws_subprotocol_next(&rest, &entry);

        if (rc != CDR_OK) {
            break;
        }

        n += (size_t) snprintf(got + n, sizeof(got) - n, "[%.*s]",
                               (int) entry.len, (const char *) entry.data);
    }

    got[n] = '\0';

    if (rc == CDR_DECLINED
        && cdr_ws_subprotocol_next(&rest, &entry) != CDR_DECLINED)
    {
        rc = CDR_OK;
    }

    free(mem);

    return strcmp(got, expected) == 0 ? rc : CDR_OK;
}


static void
test_offers(void)
{
    cdr_ws_subprotocols_t  s;

    ok(offer("conductor.v1", NULL, &s) == CDR_OK && s.conductor
       && s.count == 1 && s.bearer.data == NULL,
       "subprotocols: the wanted one alone");

    ok(offer("conductor.v1, bearer.abc.def.ghi", NULL, &s) == CDR_OK
       && s.conductor && s.count == 2 && s.bearer.len == 11
       && memcmp(s.bearer.data, "abc.def.ghi", 11) == 0,
       "subprotocols: a bearer token beside it");

    ok(offer("bearer.t", "conductor.v1", &s) == CDR_OK && s.conductor
       && s.bearer.len == 1 && s.count == 2,
       "subprotocols: two lines make one offer");

    ok(offer("mqtt, graphql-ws", NULL, &s) == CDR_OK && !s.conductor
       && s.count == 2, "subprotocols: only others");

    ok(offer("Conductor.v1", NULL, &s) == CDR_OK && !s.conductor,
       "subprotocols: another case is another protocol");

    ok(offer("conductor.v1, CONDUCTOR.V1", NULL, &s) == CDR_OK
       && s.conductor && s.count == 2,
       "subprotocols: and so not a duplicate");

    ok(offer("conductor.v10", "conductor.v", &s) == CDR_OK && !s.conductor,
       "subprotocols: longer and shorter names are others");

    ok(offer("Bearer.x", "bearer", &s) == CDR_OK && s.bearer.data == NULL,
       "subprotocols: \"Bearer.x\" and \"bearer\" hold no token");

    ok(offer("bearer.bearer.x", NULL, &s) == CDR_OK && s.bearer.len == 8,
       "subprotocols: the prefix is taken off once");
}


static void
test_wrong_offers(void)
{
    size_t                 i;
    cdr_ws_subprotocols_t  s;

    static const struct {
        const char  *line, *more, *name;
    } t[] = {
        { "", NULL, "an empty value" },
        { " ", NULL, "a blank value" },
        { ",", NULL, "only a comma" },
        { "conductor.v1,", NULL, "a comma at the end" },
        { ",conductor.v1", NULL, "a comma at the start" },
        { "conductor.v1,,x", NULL, "an empty entry inside" },
        { "conductor.v1", "", "an empty second line" },
        { "a b", NULL, "a space inside an entry" },
        { "a/b", NULL, "a \"/\"" },
        { "a;b", NULL, "a \";\"" },
        { "\"a\"", NULL, "a quoted string" },
        { "a\x7f", NULL, "a control character" },
        { "caf\xc3\xa9", NULL, "an octet above 127" },
        { "a,b,a", NULL, "a duplicate" },
        { "a,b", "b", "a duplicate in another line" },
        { "conductor.v1, conductor.v1", NULL, "the wanted one twice" },
        { "bearer.", NULL, "a bearer entry without a token" },
        { "bearer.a, bearer.b", NULL, "two bearer entries" },
        { "bearer.a", "bearer.a", "the same bearer entry twice" },
        { "bearer.a=", NULL, "a token with padding" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ok(offer(t[i].line, t[i].more, &s) == CDR_ERROR,
           "subprotocols: refuses %s", t[i].name);
    }
}


static void
test_many_offers(void)
{
    int                    rc;
    char                   lines[CDR_WS_SUBPROTOCOLS_MAX + 1][8];
    size_t                 i;
    cdr_ws_subprotocols_t  s;

    memset(&s, 0, sizeof(s));

    for (i = 0; i < CDR_WS_SUBPROTOCOLS_MAX; i++) {
        snprintf(lines[i], sizeof(lines[i]), "p%d", (int) i);
        rc = cdr_ws_subprotocols(str(lines[i]), str("p31"), &s);

        if (rc != CDR_OK) {
            break;
        }
    }

    ok(s.count == CDR_WS_SUBPROTOCOLS_MAX && s.conductor,
       "subprotocols: %d entries are taken", CDR_WS_SUBPROTOCOLS_MAX);

    rc = cdr_ws_subprotocols(str("more"), str("p31"), &s);

    ok(rc == CDR_ERROR, "subprotocols: one more is refused");
}


static int
offer(const char *line, const char *more, cdr_ws_subprotocols_t *out)
{
    int  rc;

    memset(out, 0, sizeof(cdr_ws_subprotocols_t));

    rc = cdr_ws_subprotocols(str(line), str("conductor.v1"), out);

    if (rc == CDR_OK && more) {
        rc = cdr_ws_subprotocols(str(more), str("conductor.v1"), out);
    }

    return rc;
}


/* A copy without a NUL, so that the sanitizer sees a read past its end. */

static cdr_str_t
flush_right(const char *s, uint8_t **mem)
{
    cdr_str_t  copy;

    copy.len = strlen(s);
    *mem = malloc(copy.len ? copy.len : 1);
    memcpy(*mem, s, copy.len);
    copy.data = *mem;

    return copy;
}
