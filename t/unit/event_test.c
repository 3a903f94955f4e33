/* The catalogue, the check of events, payloads and their encoding. */

#include <jansson.h>

#include "cdr_test.h"
#include "cdr_event.h"


#define MANY  500

#define DEEP(a, c)  "{\"type\":\"deep\", \"c\":" c ",\"a\" : " a "}"
#define C           "{\"d\":{\"e\":0}}"
#define MISSING     "a required field is missing"


typedef struct {
    const char  *text;
    const char  *error;         /* NULL: an event */
    const char  *field;
} check_t;


static const cdr_str_t  require[] = { cdr_str("text"), cdr_str("n") };
static const cdr_str_t  deep[] = { cdr_str("a.b"), cdr_str("c.d.e") };

static const cdr_event_type_t  types[] = {
    { cdr_str("free"), 0, 0, NULL },
    { cdr_str("note"), 1, 2, require },
    { cdr_str("quo\"te"), 2, 0, NULL },
    { cdr_str("deep"), 0, 2, deep }
};


static const check_t  checks[] = {
    { "{\"type\":\"free\"}", NULL, NULL },
    { "{\"type\":\"fr\\u0065e\"}", NULL, NULL },
    { "{\"typ\\u0065\":\"quo\\\"te\"}", NULL, NULL },
    { "{\"n\":0,\"text\":\"\",\"type\":\"note\"}", NULL, NULL },
    { "{\"n\":false,\"te\\u0078t\":[],\"type\":\"note\"}", NULL, NULL },
    { "{}", "the event has no type", "type" },
    { "{\"Type\":\"free\"}", "the event has no type", "type" },
    { "{\"type\":1}", "the type of the event is not a string", "type" },
    { "{\"type\":null}", "the type of the event is not a string", "type" },
    { "{\"type\":\"\"}", "the type of the event is unknown", "type" },
    { "{\"type\":\"Free\"}", "the type of the event is unknown", "type" },
    { "{\"type\":\"freee\"}", "the type of the event is unknown", "type" },
    { "{\"type\":\"note\",\"n\":1}", "a required field is missing", "text" },
    { "{\"type\":\"note\",\"text\":1}", "a required field is missing", "n" },
    { "{\"type\":\"note\",\"text\":1,\"n\":null}",
      "a required field is missing", "n" },
    { DEEP("{\"b\":0}", C), NULL, NULL },
    { DEEP("{ \"x\" : {\"b\":null} , \"\\u0062\" : [ ] }", C), NULL, NULL },
    { DEEP("[ {\"b\":1} , {\"x\":[1,2],\"b\":\"\"} ]", C), NULL, NULL },
    { DEEP("[ [ {\"b\":1} ] , [[{\"b\":2}],{\"b\":3}] ]", C), NULL, NULL },
    { DEEP("{\"b\":1}", "{\"d\":[{\"e\":[null]}]}"), NULL, NULL },
    { DEEP("0", C), MISSING, "a.b" },
    { DEEP("null", C), MISSING, "a.b" },
    { DEEP("\"b\"", C), MISSING, "a.b" },
    { DEEP("{ }", C), MISSING, "a.b" },
    { DEEP("[ ]", C), MISSING, "a.b" },
    { DEEP("{\"b\":null}", C), MISSING, "a.b" },
    { DEEP("{\"c\":{\"b\":1}}", C), MISSING, "a.b" },
    { DEEP("[{\"b\":1},{}]", C), MISSING, "a.b" },
    { DEEP("[{\"b\":1},2]", C), MISSING, "a.b" },
    { DEEP("[{\"b\":1},[]]", C), MISSING, "a.b" },
    { DEEP("[{\"b\":null},{\"b\":1}]", C), MISSING, "a.b" },
    { DEEP("{\"b\":1}", "{\"d\":{}}"), MISSING, "c.d.e" },
    { DEEP("{\"b\":1}", "{\"d\":1,\"e\":1}"), MISSING, "c.d.e" },
    { "{\"type\":\"deep\",\"a.b\":1,\"c.d.e\":1}", MISSING, "a.b" },
};


static uint16_t                slots[2048];
static cdr_event_catalogue_t   catalogue;
static cdr_json_member_t       members[CDR_EVENT_MAX_MEMBERS + 1];


static cdr_str_t
str(const char *s)
{
    cdr_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


static size_t
scan(const char *text)
{
    cdr_json_scan_t  s = { .members = members, .max_depth = 32,
                           .max_members = CDR_EVENT_MAX_MEMBERS + 1 };

    return cdr_json_scan(&s, str(text)) == CDR_OK ? s.nmembers : 0;
}


/* The payload of a text, in memory of its exact size. */

static cdr_str_t
payload_of(const cdr_event_type_t *type, const char *text)
{
    size_t      n, size;
    uint8_t    *p;
    cdr_str_t   t;

    n = scan(text);
    size = cdr_event_payload_size(members, n);
    p = malloc(size ? size : 1);

    t.data = p;
    t.len = cdr_event_payload(p, type, members, n);

    if (t.len > size || (t.len < size && !type->hide_everyone)) {
        abort();
    }

    return t;
}


static cdr_str_t
payload(const char *text)
{
    return payload_of(&types[0], text);
}


static bool
encodes(const cdr_event_view_t *view, const char *want)
{
    bool        same;
    size_t      size;
    uint8_t    *p;
    cdr_str_t   got;

    size = cdr_event_encode_size(view);
    p = malloc(size);

    got.data = p;
    got.len = cdr_event_encode(p, view);

    same = got.len == size && cdr_json_eq(got, str(want));

    if (!same) {
        printf("# %.*s\n", (int) got.len, got.data);
    }

    free(p);

    return same;
}


static void
test_catalogue(void)
{
    int                     rc;
    char                    names[MANY][16];
    size_t                  i, wrong, missed;
    cdr_event_type_t        many[MANY], bad[2];
    cdr_event_catalogue_t   cat;

    memset(many, 0, sizeof(many));
    memset(bad, 0, sizeof(bad));

    for (i = 0; i < MANY; i++) {
        sprintf(names[i], "event-%zu", i);
        many[i].name = str(names[i]);
    }

    ok(cdr_event_catalogue_slots(MANY) <= 2048, "the slots are few");

    rc = cdr_event_catalogue_init(&cat, many, MANY, slots, &wrong);
    missed = 0;

    for (i = 0; i < MANY; i++) {
        missed += cdr_event_find(&cat, str(names[i])) != &many[i];
    }

    ok(rc == CDR_OK && missed == 0, "every type is found by its name");
    ok(cdr_event_find(&cat, str("event-500")) == NULL
       && cdr_event_find_text(&cat, str("event-\\u0037")) == &many[7],
       "another is not, and JSON text is decoded");

    many[MANY - 1].name = many[3].name;
    rc = cdr_event_catalogue_init(&cat, many, MANY, slots, &wrong);
    ok(rc == CDR_ERROR && wrong == MANY - 1,
       "a second type of a name is refused");

    bad[0].name = str("a");
    rc = cdr_event_catalogue_init(&cat, bad, 2, slots, &wrong);
    ok(rc == CDR_ERROR && wrong == 1, "an empty name is refused");

    rc = cdr_event_catalogue_init(&cat, many, CDR_EVENT_MAX_TYPES + 1, slots,
                                  &wrong);
    ok(rc == CDR_TOOBIG, "too many types are refused");

    rc = cdr_event_catalogue_init(&cat, NULL, 0, slots, &wrong);
    ok(rc == CDR_OK && cdr_event_find(&cat, str("a")) == NULL,
       "a catalogue may be empty");
}


static void
test_checks(void)
{
    int                      rc;
    size_t                   i;
    const check_t           *c;
    cdr_event_error_t        err;
    const cdr_event_type_t  *type;

    for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        c = &checks[i];
        rc = cdr_event_check(&catalogue, members, scan(c->text), &type, &err);

        if (c->error == NULL) {
            ok(rc == CDR_OK, "%s is an event", c->text);
            continue;
        }

        ok(rc == CDR_ERROR && strcmp(err.error, c->error) == 0
           && cdr_json_eq(err.field, str(c->field)),
           "%s: %s", c->text, c->error);
    }
}


/* An object of so many fields, and the three members that are none. */

static char *
fields(unsigned n)
{
    char      *text, *p;
    unsigned   i;

    text = malloc(n * 16 + 80);
    p = text + sprintf(text, "{\"eventId\":1,\"type\":\"free\"");

    for (i = 0; i < n; i++) {
        p += sprintf(p, ",\"f%u\":%u", i, i);
    }

    strcpy(p, ",\"timestamp\":2}");

    return text;
}


static void
test_limits(void)
{
    int                      rc;
    char                    *text;
    size_t                   n;
    cdr_str_t                p;
    cdr_event_iter_t         it;
    cdr_event_error_t        err;
    cdr_event_field_t        field;
    const cdr_event_type_t  *type;

    text = fields(CDR_EVENT_MAX_FIELDS);
    rc = cdr_event_check(&catalogue, members, scan(text), &type, &err);
    ok(rc == CDR_OK, "256 fields are not too many");

    p = payload(text);
    it = (cdr_event_iter_t) { p, 0 };

    for (n = 0; cdr_event_next(&it, &field) == CDR_OK; n++) { /* void */ }

    ok(n == CDR_EVENT_MAX_FIELDS && it.ordinal == n,
       "and all of them are in the payload");

    free((void *) p.data);
    free(text);

    text = fields(CDR_EVENT_MAX_FIELDS + 1);
    rc = cdr_event_check(&catalogue, members, scan(text), &type, &err);
    ok(rc == CDR_ERROR
       && strcmp(err.error, "the event has too many fields") == 0,
       "257 fields are too many");
    free(text);

    text = malloc(70000);
    memset(text, 'k', 70000);
    memcpy(text, "{\"type\":\"free\",\"", 16);
    strcpy(text + 16 + 65536, "\":1}");
    rc = cdr_event_check(&catalogue, members, scan(text), &type, &err);
    ok(rc == CDR_ERROR
       && strcmp(err.error, "the name of a field is too long") == 0,
       "the name of a field is at most 65,535 bytes");
    free(text);
}


static void
test_payload(void)
{
    size_t             i, wrong;
    cdr_str_t          p;
    cdr_event_iter_t   it;
    cdr_event_field_t  f;

    p = payload(" { \"type\" : \"free\", \"a\\u0062\" : [ 1, {} ] ,"
                "\"timestamp\":1,\"eventId\":2,\"\\u0022\":\"\\/\"}");
    it = (cdr_event_iter_t) { p, 0 };

    ok(cdr_event_next(&it, &f) == CDR_OK
       && cdr_json_eq(f.key, str("ab"))
       && cdr_json_eq(f.value, str("[1,{}]")),
       "the first field is there, in canonical form");
    ok(cdr_event_next(&it, &f) == CDR_OK && it.ordinal == 2
       && cdr_json_eq(f.key, str("\\\"")) && cdr_json_eq(f.value, str("\"/\"")),
       "the second one follows");
    ok(cdr_event_next(&it, &f) == CDR_DECLINED,
       "type, timestamp and eventId are no fields");

    wrong = 0;

    for (i = 1; i < p.len; i++) {
        it = (cdr_event_iter_t) { { p.data, i }, 0 };

        while (cdr_event_next(&it, &f) == CDR_OK) { /* void */ }

        wrong += it.rest.len ? cdr_event_next(&it, &f) != CDR_ERROR
                             : i != sizeof(uint16_t) + sizeof(uint32_t) + 8;
    }

    ok(wrong == 0, "a payload that is cut anywhere is noticed");
    free((void *) p.data);
}


static bool
opens(cdr_str_t type, cdr_str_t fields, const char *want)
{
    bool      same;
    size_t    size;
    uint8_t  *p;

    size = cdr_event_open(NULL, type, fields);
    p = malloc(size);

    same = cdr_event_open(p, type, fields) == size && size == strlen(want)
           && memcmp(p, want, size) == 0;

    free(p);

    return same;
}


static void
test_encode(void)
{
    cdr_str_t         p;
    cdr_event_view_t  v;

    p = payload("{\"a\":1,\"type\":\"free\",\"b\":{\"x\":[]},"
                "\"c\":\"\\u00e4\"}");

    v.type = str("free");
    v.payload = p;
    v.timestamp = 1700000000000;
    v.id = str("1700000000000-3");
    v.mask = NULL;
    v.hidden = CDR_MASK_EVERYONE;
    v.skip = 0;

    ok(encodes(&v, "{\"type\":\"free\",\"a\":1,\"b\":{\"x\":[]},"
                   "\"c\":\"\xc3\xa4\",\"timestamp\":1700000000000,"
                   "\"eventId\":\"1700000000000-3\"}"),
       "an event is encoded with the fields in their order");

    v.skip = 1;

    ok(encodes(&v, "{\"type\":\"free\",\"b\":{\"x\":[]},"
                   "\"c\":\"\xc3\xa4\",\"timestamp\":1700000000000,"
                   "\"eventId\":\"1700000000000-3\"}"),
       "leading fields are skipped");

    v.skip = 0;

    v.type = str("quo\"te");
    v.payload = (cdr_str_t) cdr_str_null;
    v.timestamp = 0;

    ok(encodes(&v, "{\"type\":\"quo\\\"te\",\"timestamp\":0,"
                   "\"eventId\":\"1700000000000-3\"}"),
       "an event may have no fields and a name that is escaped");

    ok(opens(str("free"), p, "{\"type\":\"free\",\"a\":1,\"b\":{\"x\":[]},"
                             "\"c\":\"\xc3\xa4\"")
       && opens(str("quo\"te"), (cdr_str_t) cdr_str_null,
                "{\"type\":\"quo\\\"te\""),
       "servers tell each other of it without its end");

    free((void *) p.data);
}


static void
test_class(void)
{
    uint32_t          unless[CDR_MASK_RULES] = { 1, 6 };
    cdr_event_type_t  type = { .nrules = 2, .unless = unless };

    ok(cdr_event_class(&types[0], 7) == CDR_MASK_EVERYONE,
       "the class of a type without rules is that of everyone");
    ok(cdr_event_class(&type, 0) == (CDR_MASK_EVERYONE | 3)
       && cdr_event_class(&type, 8) == (CDR_MASK_EVERYONE | 3)
       && cdr_event_class(&type, 1) == (CDR_MASK_EVERYONE | 2)
       && cdr_event_class(&type, 4) == (CDR_MASK_EVERYONE | 1)
       && cdr_event_class(&type, 3) == CDR_MASK_EVERYONE,
       "a rule hides from those without one of its roles");

    type.nrules = CDR_MASK_RULES;
    ok(cdr_event_class(&type, 0) == UINT32_MAX, "there may be 31 rules");

    ok(cdr_event_reserved(str("type")) && cdr_event_reserved(str("eventId.a"))
       && cdr_event_reserved(str("timestamp"))
       && !cdr_event_reserved(str("typ")) && !cdr_event_reserved(str("a.type"))
       && !cdr_event_reserved(str("types")),
       "paths to type, timestamp and eventId are known");
}


/* An event as the log has it, then as it is for a class. */

static bool
seen(const cdr_event_type_t *type, const char *text, uint32_t hidden,
    const char *want)
{
    bool               same;
    char               full[512];
    cdr_str_t          p;
    cdr_event_view_t   v = { .type = str("free"), .timestamp = 7,
                             .id = str("7-1") };

    sprintf(full, "{\"type\":\"free\"%s%s,\"timestamp\":7,"
            "\"eventId\":\"7-1\"}", *want ? "," : "", want);

    p = payload_of(type, text);

    v.payload = p;
    v.mask = hidden ? type->mask : NULL;
    v.hidden = hidden;

    same = encodes(&v, full);
    free((void *) p.data);

    return same;
}


static void
test_hidden(void)
{
    cdr_mask_t        *mask;
    cdr_test_alloc_t   counter = { 0 };
    cdr_alloc_t        alloc = { cdr_test_alloc, cdr_test_free, &counter };
    cdr_event_type_t   type = { .name = str("free") };

    static const char  text[] =
        "{\"\\u0061\" : { \"b\": [1, {\"\\u0063\":\"\\/\", \"d\":2 } ],"
        "\"e\":3}, \"type\":\"free\", \"f\":4, \"g\\u002e\":5 }";

    mask = cdr_mask_new(&alloc);
    cdr_mask_hide(mask, str("a.b.c"), CDR_MASK_EVERYONE);
    cdr_mask_hide(mask, str("f"), CDR_MASK_EVERYONE);
    cdr_mask_hide(mask, str("a.e"), 1);
    cdr_mask_hide(mask, str("a.b.d"), 2);
    type.mask = mask;

    ok(seen(&type, text, 0, "\"a\":{\"b\":[1,{\"c\":\"/\",\"d\":2}],\"e\":3},"
            "\"f\":4,\"g.\":5"),
       "nothing is left out of the log for a type that hides from nobody");

    type.hide_everyone = true;

    ok(seen(&type, text, 0, "\"a\":{\"b\":[1,{\"d\":2}],\"e\":3},"
            "\"g.\":5"),
       "what is hidden from everyone is not in the log, nor is a part");
    ok(seen(&type, text, CDR_MASK_EVERYONE,
            "\"a\":{\"b\":[1,{\"d\":2}],\"e\":3},\"g.\":5"),
       "what a rule hides is in the log, and seen by those without the rule");
    ok(seen(&type, text, CDR_MASK_EVERYONE | 1,
            "\"a\":{\"b\":[1,{\"d\":2}]},\"g.\":5")
       && seen(&type, text, CDR_MASK_EVERYONE | 3,
               "\"a\":{\"b\":[1,{}]},\"g.\":5"),
       "and not by others");

    cdr_mask_del(mask);

    mask = cdr_mask_new(&alloc);
    cdr_mask_show(mask, str("a.e"));
    cdr_mask_show(mask, str("f"));
    cdr_mask_hide(mask, str("f"), 1);
    type.mask = mask;

    ok(seen(&type, text, 0, "\"a\":{\"e\":3},\"f\":4"),
       "what is not among the visible fields is not in the log");
    ok(seen(&type, text, CDR_MASK_EVERYONE | 1, "\"a\":{\"e\":3}"),
       "and a rule may hide a field of these");
    ok(seen(&type, "{\"type\":\"free\",\"g\":1,\"a\":2}", 0, ""),
       "a payload may be left empty");

    cdr_mask_del(mask);
}


int
main(void)
{
    size_t  wrong;

    test_catalogue();

    ok(cdr_event_catalogue_init(&catalogue, types, 4, slots, &wrong) == CDR_OK,
       "a catalogue is made");

    test_checks();
    test_limits();
    test_payload();
    test_encode();
    test_class();
    test_hidden();

    return done_testing();
}
