/* What /metrics answers: numbers, labels, formats, and which is asked for. */

#include "cdr.h"
#include "cdr_metrics_text.h"

#include "cdr_test.h"


static const cdr_str_t  event = cdr_str("task-status-changed");
static const cdr_str_t  message = cdr_str("mes\"sa\\ge\n");


static struct {
    uint64_t          figures[CDR_FIGURES + 2];
    cdr_histogram_t   histograms[CDR_HISTOGRAMS + 2];
    char              text[256 * 1024];
} all;


static const char *
number(uint64_t n, uint32_t digits, bool point)
{
    static char     text[64];
    cdr_json_out_t  out = { (uint8_t *) text, 0 };

    cdr_metrics_number(&out, n, digits, point);
    text[out.len] = '\0';

    return text;
}


static void
test_numbers(void)
{
    ok(strcmp(number(0, 0, false), "0") == 0
       && strcmp(number(UINT64_MAX, 0, false), "18446744073709551615") == 0
       && strcmp(number(1000, 3, false), "1") == 0
       && strcmp(number(100, 3, false), "0.1") == 0
       && strcmp(number(2500, 3, false), "2.5") == 0
       && strcmp(number(1000001, 6, false), "1.000001") == 0,
       "numbers have as many decimals as they need");
    ok(strcmp(number(1000, 3, true), "1.0") == 0
       && strcmp(number(100, 6, true), "0.0001") == 0,
       "or one at least");
}


static const char *
answer(const cdr_metrics_t *m, cdr_metrics_format_e format)
{
    size_t  len;

    len = cdr_metrics_write(NULL, m, format);

    if (len >= sizeof(all.text)
        || cdr_metrics_write((uint8_t *) all.text, m, format) != len)
    {
        return "";
    }

    all.text[len] = '\0';

    return all.text;
}


#define has(text, line)  (strstr(text, line) != NULL)


static void
test_text(cdr_metrics_t *m)
{
    const char  *text;

    text = answer(m, CDR_METRICS_TEXT);

    ok(has(text, "# TYPE websocket_connections_count counter\n"
                 "websocket_connections_count{hub=\"h\"} 7\n"),
       "a figure is told with its hub");
    ok(has(text, "websocket_messages_sent_total{hub=\"h\","
                 "event=\"task-status-changed\"} 5\n"),
       "and the name of its cell");
    ok(has(text, "websocket_messages_received_total{hub=\"h\","
                 "event=\"mes\\\"sa\\\\ge\\n\"} 6\n"),
       "which is escaped");
    ok(has(text, "websocket_message_latency_ms_bucket{hub=\"h\","
                 "event=\"task-status-changed\",le=\"1\"} 1\n")
       && has(text, "event=\"task-status-changed\",le=\"+Inf\"} 2\n")
       && has(text, "websocket_message_latency_ms_sum{hub=\"h\","
                    "event=\"task-status-changed\"} 20000.7\n"),
       "buckets add up, in milliseconds");
    ok(has(text, "conductor_broadcast_seconds_sum{hub=\"h\"} 20.0007\n"),
       "and once more in seconds");
    ok(has(text, "conductor_start_time_seconds{hub=\"h\"} 1.5\n"),
       "a level is told in the unit of its name");
    ok(!has(text, "conductor_redis_up") && !has(text, "# EOF"),
       "what is not there is not told");

    text = answer(m, CDR_METRICS_OPEN);

    ok(has(text, "# TYPE websocket_connections_count unknown\n"
                 "websocket_connections_count{hub=\"h\"} 7\n")
       && has(text, "# TYPE conductor_events counter\n"
                    "conductor_events_total{hub=\"h\"} 0\n")
       && has(text, ",le=\"1.0\"} 1\n")
       && strcmp(text + strlen(text) - 6, "# EOF\n") == 0,
       "OpenMetrics differs in types, bounds and its end");
}


static void
test_json(cdr_metrics_t *m)
{
    int               rc;
    cdr_str_t         text;
    const char       *json;
    cdr_json_scan_t   scan;
    cdr_json_member_t members[128];

    json = answer(m, CDR_METRICS_JSON);

    text.data = (const uint8_t *) json;
    text.len = strlen(json);

    scan.members = members;
    scan.max_members = 128;
    scan.max_depth = 8;

    rc = cdr_json_scan(&scan, text);

    ok(rc == CDR_OK && scan.type == CDR_JSON_OBJECT && scan.nmembers > 20,
       "JSON is one object");
    ok(has(json, "\"websocket_message_latency_ms\":{\"count\":2,"
                 "\"sum\":20000.7,\"p50\":1,\"p95\":10000,\"p99\":10000,"
                 "\"event\":{\"task-status-changed\":{"),
       "a histogram has quantiles");
    ok(has(json, "\"conductor_database_commit_seconds\":{\"count\":0,"
                 "\"sum\":0,\"p50\":null,"),
       "of nothing there are none");
    ok(has(json, ",\"mes\\\"sa\\\\ge\\n\":6}"), "names are escaped");
}


static cdr_metrics_format_e
accepted(const char *header)
{
    cdr_str_t  text;

    text.data = (const uint8_t *) header;
    text.len = strlen(header);

    return cdr_metrics_accepted(text);
}


static void
test_accept(void)
{
    size_t                    i;
    static const char *const  open[] = {
        "application/openmetrics-text",
        "text/plain;q=0.5, Application/OpenMetrics-Text ; version=1.0.0",
        "application/openmetrics-text;version=1.0.0;q=0.8,"
        "application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text;q=0.001",
        "application/openmetrics-text;q=0.5,*/*;q=0.9,text/plain;q=0.1",
        "application/openmetrics-text;version=\"1.0.0\";q=1.000",
        "application/openmetrics-text;escaping=\"a,b;q=0\""
    };
    static const char *const  text[] = {
        "", ",", ";;,=", "*/*", "text/plain", "application/json",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=1.1",
        "application/openmetrics-text;q=x",
        "application/openmetrics-text;q=",
        "application/openmetrics-text;q=0.5, text/plain",
        "application/openmetrics-text;q=0.5, text/*;q=0.6, */*;q=0.1",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text2", "\"application/openmetrics-text",
        "application/openmetrics-text;q=0\\", "\"\\"
    };

    for (i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        ok(accepted(open[i]) == CDR_METRICS_OPEN, "OpenMetrics: %s", open[i]);
    }

    for (i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
        ok(accepted(text[i]) == CDR_METRICS_TEXT, "text: %s", text[i]);
    }
}


int
main(void)
{
    void           *mem;
    uint32_t        i;
    cdr_metrics_t   m;

    mem = aligned_alloc(64, (cdr_cells_size(2) + 63) & ~(size_t) 63);

    (void) cdr_cells_init(mem, 2);
    (void) cdr_cells_attach(&m.cells, mem, cdr_cells_size(2));
    (void) cdr_cells_add(&m.cells, CDR_CELL_SENT, event);
    (void) cdr_cells_add(&m.cells, CDR_CELL_RECEIVED, message);

    m.hub = (cdr_str_t) cdr_str("h");
    m.server = m.version = m.nginx = m.hub;
    m.figures = all.figures;
    m.histograms = all.histograms;
    m.nhistograms = CDR_HISTOGRAMS + 2;

    for (i = 0; i < CDR_LEVEL_N; i++) {
        m.levels[i] = CDR_LEVEL_NONE;
    }

    m.levels[CDR_LEVEL_STARTED] = 1500;

    all.figures[CDR_FIGURE_CONNECTIONS] = 7;
    all.figures[CDR_FIGURES] = 5;
    all.figures[CDR_FIGURES + 1] = 6;

    all.histograms[CDR_HISTOGRAMS].count = 2;
    all.histograms[CDR_HISTOGRAMS].sum = 20000700;
    all.histograms[CDR_HISTOGRAMS].buckets[3] = 1;
    all.histograms[CDR_HISTOGRAMS].buckets[CDR_HISTOGRAM_BOUNDS] = 1;

    test_numbers();
    test_text(&m);
    test_json(&m);
    test_accept();

    free(mem);

    return done_testing();
}
