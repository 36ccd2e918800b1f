/* Every operation of the three APIs: the request on the wire, each success, each error and its cause. */
#include "tests/t8/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/t8/scs_requests.h"

struct fixture {
    struct loop l;
    struct scs_client *c;
    struct raw_server peer;
    size_t count, items, nameless;
    uint64_t ref;
    /* the latest result, whatever its kind */
    enum t8_operation operation;
    int http_status;
    enum t8_cause cause;
    bool not_sent;
    uint32_t retry_after_s;
    uint64_t at_ms;
    unsigned formats;
    enum scs_shows shows;
    struct nidd_configuration_result configuration;
    struct nidd_submit_result submit;
    char link[128], more[256], words[128];
};

static void keep(char *out, size_t size, struct bytes text)
{
    snprintf(out, size, "%.*s", (int)text.len, (const char *)text.data);
}

static void on_configuration(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    struct fixture *f = ctx;
    f->count++;
    f->ref = ref;
    f->http_status = r->http_status;
    f->cause = r->cause;
    f->retry_after_s = r->retry_after_s;
    f->configuration = *r;
    keep(f->link, sizeof f->link, r->link);
    snprintf(f->more, sizeof f->more, "%.*s %.*s %.*s", (int)r->notification_destination.len,
             (const char *)r->notification_destination.data, (int)r->websocket_uri.len,
             (const char *)r->websocket_uri.data, (int)r->delivery_link.len, (const char *)r->delivery_link.data);
}

static void on_found(void *ctx, uint64_t ref, const struct nidd_configuration_found *found)
{
    struct fixture *f = ctx;
    (void)ref, (void)found;
    f->items++;
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    struct fixture *f = ctx;
    f->count++;
    f->ref = ref;
    f->http_status = r->http_status;
    f->cause = r->cause;
    f->retry_after_s = r->retry_after_s;
    f->at_ms = r->requested_retransmission_ms;
    f->not_sent = r->not_sent;
    f->submit = *r;
    keep(f->link, sizeof f->link, r->link);
}

/* What each type of resource is known by here. */
static void show(struct fixture *f, const struct scs_result *r)
{
    char text[64] = "";
    switch (r->shows) {
    case SCS_SHOWS_NOTHING:
        break;
    case SCS_SHOWS_DELIVERY:
        snprintf(text, sizeof text, "%s", t8_delivery_status_name(r->delivery->delivery_status));
        break;
    case SCS_SHOWS_PORT:
        keep(text, sizeof text, r->port->app_id);
        break;
    case SCS_SHOWS_TRANSACTION:
        snprintf(text, sizeof text, "result %d", (int)r->transaction->result);
        break;
    case SCS_SHOWS_SUBSCRIPTION:
        snprintf(text, sizeof text, "%s", monitoring_type_name(r->subscription->type));
        break;
    case SCS_SHOWS_REPORTS:
        snprintf(text, sizeof text, "%zu reports", r->reports->reports_count);
        break;
    }
    size_t used = strlen(f->more);
    snprintf(f->more + used, sizeof f->more - used, "%s%s", used ? "," : "", text);
    f->shows = r->shows;
}

static void on_item(void *ctx, uint64_t ref, const struct scs_result *r)
{
    struct fixture *f = ctx;
    (void)ref;
    assert_int_equal(r->http_status, 200);
    f->items++;
    if (r->link.len == 0)
        f->nameless++;
    show(f, r);
}

static void on_result(void *ctx, uint64_t ref, const struct scs_result *r)
{
    struct fixture *f = ctx;
    f->count++;
    f->ref = ref;
    f->operation = r->operation;
    f->http_status = r->http_status;
    f->cause = r->cause;
    f->retry_after_s = r->retry_after_s;
    f->at_ms = r->requested_retransmission_ms;
    f->not_sent = r->not_sent;
    f->formats = r->supported_ue_formats;
    snprintf(f->words, sizeof f->words, "%.*s|%.*s", (int)r->cause_text.len, (const char *)r->cause_text.data,
             (int)r->detail.len, (const char *)r->detail.data);
    keep(f->link, sizeof f->link, r->link);
    if (r->shows != SCS_SHOWS_NOTHING)
        show(f, r);
}

static void start(struct fixture *f, const char *dialect, const struct raw_step *steps, size_t n)
{
    char root[64];
    *f = (struct fixture){0};
    assert_int_equal(loop_init(&f->l), OK);
    raw_server_start(&f->peer, &f->l, steps, n);
    snprintf(root, sizeof root, "http://127.0.0.1:%u", f->peer.port);
    const struct scs_client_options o = {
        .api_root = root,
        .scs_as_id = "as1",
        .dialect = t8_dialect_find(dialect),
        .http = {
            .connect_timeout_ms = 2000, .timeout_ms = 2000, .max_connections = 1, .max_body_bytes = T8_MAX_BODY_BYTES}};
    const struct scs_client_sink sink = {.ctx = f,
                                         .configuration_result = on_configuration,
                                         .submit_result = on_submit,
                                         .configuration_found = on_found,
                                         .configuration_listed = on_configuration,
                                         .item = on_item,
                                         .result = on_result};
    assert_int_equal(scs_client_new(&f->l, &o, &sink, &f->c), OK);
}

static void stop(struct fixture *f)
{
    scs_client_free(f->c);
    raw_server_stop(&f->peer);
    loop_free(&f->l);
    raw_server_release(&f->peer);
}

static void perform(struct fixture *f, enum t8_operation o)
{
    size_t before = f->count;
    f->more[0] = '\0';
    f->shows = SCS_SHOWS_NOTHING;
    f->items = 0;
    assert_int_equal(scs_ask(f->c, 42, o, NULL), OK);
    assert_int_equal(f->count, before);
    harness_wait(&f->l, &f->count, before + 1);
    assert_int_equal(f->ref, 42);
    assert_int_equal(scs_client_in_flight(f->c), 0);
}

static void assert_request(const char *got, const char *path, const char *method, const char *type, const char *body)
{
    char line[256];
    snprintf(line, sizeof line, "%s %s HTTP/1.1\r\n", method, path);
    if (strncmp(got, line, strlen(line)) != 0)
        fail_msg("'%s' is no '%s'", got, line);
    assert_string_equal(strstr(got, "\r\n\r\n") + 4, body);
    snprintf(line, sizeof line, "\r\nContent-Type: %s\r\n", type);
    if (type ? !strstr(got, line) : strstr(got, "\r\nContent-Type:") != NULL)
        fail_msg("'%s': %s", got, type ? type : "has a type");
}

#define EMPTY_200 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static void requests_on_the_wire(void **state)
{
    (void)state;
    const struct raw_step step = {EMPTY_200, 0, RAW_KEEP};
    struct fixture f;
    start(&f, "3gpp", &step, 1);
    for (int o = 0; o < T8_OPERATION_COUNT; o++) {
        perform(&f, (enum t8_operation)o);
        assert_int_equal(f.http_status, 200);
        assert_request(f.peer.requests[o], scs_wires[o].path, t8_operation_method((enum t8_operation)o),
                       scs_wires[o].type, scs_wires[o].body);
    }
    stop(&f);
}

/* ---- successes */

#define ANSWER(status, body) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n" END body
#define END                  "Connection: close\r\n\r\n"
#define LOCATION(link)       "201 Created\r\nLocation: " link
#define NO_CONTENT           "HTTP/1.1 204 No Content\r\n\r\n"
#define SUBSCRIBED           "{\"self\":\"" MON S1 "\"," DEST ",\"monitoringType\":\"ROAMING_STATUS\"}"
#define REPORT               "{\"monitoringType\":\"ROAMING_STATUS\",\"roamingStatus\":true}"

static void successes(void **state)
{
    (void)state;
    static const struct {
        enum t8_operation operation;
        const char *answer;
        int http_status;
        const char *link;
        enum scs_shows shows;
        size_t items;
        const char *more; /* NULL: not looked at */
    } rows[] = {
        {T8_CONFIGURATION_LIST, ANSWER("200 OK", "[]"), 200, "", 0, 0, NULL},
        {T8_CONFIGURATION_LIST, ANSWER("200 OK", "[{\"self\":\"" NIDD C7 "\"},{\"self\":\"" NIDD C7 "\"}]"), 200, "", 0,
         2, NULL},
        {T8_CONFIGURATION_CREATE,
         ANSWER(LOCATION(NIDD C7), "{" DEST ",\"websockNotifConfig\":{\"websocketUri\":\"wss://s/1\"},"
                                   "\"niddDownlinkDataTransfers\":[{\"self\":\"" NIDD D9 "\",\"externalId\":\"" EXT
                                   "\",\"data\":\"YWJj\"}]}"),
         201, C7, 0, 0, "http://as/cb wss://s/1 " D9},
        {T8_CONFIGURATION_CREATE, ANSWER(LOCATION(NIDD C7), ""), 201, C7, 0, 0, "  "},
        {T8_CONFIGURATION_GET, ANSWER("200 OK", "{\"self\":\"" NIDD C7 "\"," DEST "}"), 200, C7, 0, 0,
         "http://as/cb  "},
        {T8_CONFIGURATION_PATCH, ANSWER("200 OK", "{\"self\":\"" NIDD C7 "\"}"), 200, C7, 0, 0, NULL},
        {T8_CONFIGURATION_PATCH, NO_CONTENT, 204, "", 0, 0, NULL},
        {T8_CONFIGURATION_DELETE, NO_CONTENT, 204, "", 0, 0, NULL},
        {T8_CONFIGURATION_DELETE, ANSWER("200 OK", "{\"status\":\"TERMINATE\"}"), 200, "", 0, 0, NULL},

        {T8_DELIVERY_LIST, ANSWER("200 OK", "[]"), 200, "", 0, 0, ""},
        {T8_DELIVERY_LIST,
         ANSWER("200 OK", "[{\"self\":\"" NIDD D9 "\",\"deliveryStatus\":\"BUFFERING\"},7,{\"self\":\"" NIDD D9
                          "\",\"status\":\"TRIGGERED\"}]"),
         200, "", SCS_SHOWS_DELIVERY, 2, "BUFFERING,TRIGGERED"},
        {T8_DELIVERY_CREATE, ANSWER("200 OK", "{\"deliveryStatus\":\"SUCCESS\"}"), 200, "", 0, 0, NULL},
        {T8_DELIVERY_CREATE, ANSWER(LOCATION(NIDD D9), "{\"deliveryStatus\":\"BUFFERING\"}"), 201, D9, 0, 0, NULL},
        {T8_DELIVERY_GET, ANSWER("200 OK", "{\"self\":\"" NIDD D9 "\",\"deliveryStatus\":\"SENDING\"}"), 200, D9,
         SCS_SHOWS_DELIVERY, 0, "SENDING"},
        {T8_DELIVERY_PUT, ANSWER("200 OK", "{\"self\":\"" NIDD D9 "\",\"deliveryStatus\":\"BUFFERING\"}"), 200, D9,
         SCS_SHOWS_DELIVERY, 0, "BUFFERING"},
        {T8_DELIVERY_PUT, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},
        {T8_DELIVERY_PATCH, ANSWER("200 OK", "{\"deliveryStatus\":\"BUFFERING\"}"), 200, "", SCS_SHOWS_DELIVERY, 0,
         "BUFFERING"},
        {T8_DELIVERY_PATCH, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},
        {T8_DELIVERY_DELETE, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},

        {T8_PORT_LIST, ANSWER("200 OK", "[{\"self\":\"" NIDD P57 "\",\"appId\":\"a\"}]"), 200, "", SCS_SHOWS_PORT, 1,
         "a"},
        {T8_PORT_GET, ANSWER("200 OK", "{\"self\":\"" NIDD P57 "\",\"appId\":\"a\",\"manageEntity\":\"UE\"}"), 200, P57,
         SCS_SHOWS_PORT, 0, "a"},
        {T8_PORT_PUT, ANSWER(LOCATION(NIDD P57), "{\"appId\":\"a\"}"), 201, P57, SCS_SHOWS_PORT, 0, "a"},
        {T8_PORT_PUT, ANSWER("202 Accepted", ""), 202, "", SCS_SHOWS_NOTHING, 0, ""},
        {T8_PORT_DELETE, ANSWER("202 Accepted", ""), 202, "", SCS_SHOWS_NOTHING, 0, ""},
        {T8_PORT_DELETE, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},

        {T8_TRANSACTION_LIST, ANSWER("200 OK", "[{\"self\":\"" TRIG T1 "\"}]"), 200, "", SCS_SHOWS_TRANSACTION, 1,
         "result 0"},
        {T8_TRANSACTION_CREATE, ANSWER(LOCATION("http://10.0.0.1:1/x" TRIG T1), "{\"deliveryResult\":\"TRIGGERED\"}"),
         201, T1, SCS_SHOWS_TRANSACTION, 0, "result 1"},
        {T8_TRANSACTION_GET, ANSWER("200 OK", "{\"self\":\"" TRIG T1 "\",\"deliveryResult\":\"SUCCESS\"}"), 200, T1,
         SCS_SHOWS_TRANSACTION, 0, "result 4"},
        {T8_TRANSACTION_PUT, ANSWER("200 OK", "{\"self\":\"" TRIG T1 "\",\"deliveryResult\":\"REPLACED\"}"), 200, T1,
         SCS_SHOWS_TRANSACTION, 0, "result 2"},
        {T8_TRANSACTION_PUT, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},
        {T8_TRANSACTION_PATCH, ANSWER("200 OK", "{\"self\":\"" TRIG T1 "\"}"), 200, T1, SCS_SHOWS_TRANSACTION, 0,
         "result 0"},
        {T8_TRANSACTION_PATCH, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},
        {T8_TRANSACTION_DELETE, ANSWER("200 OK", "{\"self\":\"" TRIG T1 "\",\"deliveryResult\":\"TERMINATE\"}"), 200,
         T1, SCS_SHOWS_TRANSACTION, 0, "result 3"},
        {T8_TRANSACTION_DELETE, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},

        {T8_SUBSCRIPTION_LIST, ANSWER("200 OK", "[" SUBSCRIBED "," SUBSCRIBED "]"), 200, "", SCS_SHOWS_SUBSCRIPTION, 2,
         "ROAMING_STATUS,ROAMING_STATUS"},
        {T8_SUBSCRIPTION_CREATE, ANSWER(LOCATION(MON S1), SUBSCRIBED), 201, S1, SCS_SHOWS_SUBSCRIPTION, 0,
         "ROAMING_STATUS"},
        {T8_SUBSCRIPTION_CREATE, ANSWER("200 OK", REPORT), 200, "", SCS_SHOWS_REPORTS, 0, "1 reports"},
        {T8_SUBSCRIPTION_CREATE, ANSWER("200 OK", "{\"monitoringEventReports\":[" REPORT "," REPORT "]}"), 200, "",
         SCS_SHOWS_REPORTS, 0, "2 reports"},
        {T8_SUBSCRIPTION_CREATE, ANSWER("200 OK", SUBSCRIBED), 200, S1, SCS_SHOWS_SUBSCRIPTION, 0, "ROAMING_STATUS"},
        {T8_SUBSCRIPTION_GET, ANSWER("200 OK", SUBSCRIBED), 200, S1, SCS_SHOWS_SUBSCRIPTION, 0, "ROAMING_STATUS"},
        {T8_SUBSCRIPTION_PUT, ANSWER("200 OK", SUBSCRIBED), 200, S1, SCS_SHOWS_SUBSCRIPTION, 0, "ROAMING_STATUS"},
        {T8_SUBSCRIPTION_PUT, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},
        {T8_SUBSCRIPTION_PATCH, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},
        {T8_SUBSCRIPTION_DELETE, NO_CONTENT, 204, "", SCS_SHOWS_NOTHING, 0, ""},
        {T8_SUBSCRIPTION_DELETE, ANSWER("200 OK", "[" REPORT "," REPORT "]"), 200, "", SCS_SHOWS_REPORTS, 0,
         "2 reports"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct raw_step step = {rows[i].answer, 0, RAW_CLOSE};
        struct fixture f;
        start(&f, "3gpp", &step, 1);
        perform(&f, rows[i].operation);
        if (f.http_status != rows[i].http_status || f.cause != T8_CAUSE_NONE || strcmp(f.link, rows[i].link) != 0 ||
            f.shows != rows[i].shows || f.items != rows[i].items || f.nameless ||
            (rows[i].more && strcmp(f.more, rows[i].more) != 0))
            fail_msg("row %zu: %d cause %d link '%s' shows %d items %zu '%s'", i, f.http_status, (int)f.cause, f.link,
                     (int)f.shows, f.items, f.more);
        stop(&f);
    }
}

/* What is neither JSON nor a resource of that kind shows nothing, and the status stands. */
static void nonsense_in_a_success(void **state)
{
    (void)state;
    static const char *const bodies[] = {"<html>", "[]", "7", "{\"self\":7}", "{\"self\":[{}]}", "\"\"", "{"};
    for (int o = 0; o < T8_OPERATION_COUNT; o++) {
        for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
            char text[256];
            struct fixture f;
            const struct raw_step step = {text, 0, RAW_CLOSE};
            snprintf(text, sizeof text, ANSWER("200 OK", "%s"), bodies[i]);
            start(&f, "3gpp", &step, 1);
            perform(&f, (enum t8_operation)o);
            assert_int_equal(f.http_status, 200);
            assert_string_equal(f.link, "");
            stop(&f);
        }
    }
}

/* ---- errors */

static void errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *cause;
        enum t8_cause want;
    } rows[] = {
#define X(name, status) {status, #name, T8_CAUSE_##name},
        T8_CAUSE_TABLE(X)
#undef X
            {400, "MANDATORY_IE_MISSING", T8_CAUSE_OTHER},
        {401, "", T8_CAUSE_NONE},
        {403, "OF_A_LATER_RELEASE", T8_CAUSE_OTHER},
        {404, "", T8_CAUSE_NONE},
        {405, "", T8_CAUSE_NONE},
        {409, "", T8_CAUSE_NONE},
        {413, "", T8_CAUSE_NONE},
        {429, "NF_CONGESTION_RISK", T8_CAUSE_OTHER},
        {500, "", T8_CAUSE_NONE},
        {503, "NF_CONGESTION", T8_CAUSE_OTHER},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    static char texts[2 * ROWS][256];
    struct raw_step steps[2 * ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t nested = 0; nested < 2; nested++) { /* at the top, and as a delivery's 500 has it */
            char body[160];
            char *text = texts[2 * i + nested];
            snprintf(body, sizeof body, "%s{\"status\":%d,\"cause\":\"%s\"}%s",
                     nested ? "{\"requestedRetransmissionTime\":\"" AT_7 "\",\"problemDetail\":" : "", rows[i].status,
                     rows[i].cause, nested ? "}" : "");
            snprintf(text, sizeof texts[0], "HTTP/1.1 %d x\r\nRetry-After: 7\r\nContent-Length: %zu\r\n\r\n%s",
                     rows[i].status, strlen(body), body);
            steps[2 * i + nested] = (struct raw_step){text, 0, RAW_KEEP};
        }
    }
    for (int o = 0; o < T8_OPERATION_COUNT; o++) {
        struct fixture f;
        start(&f, "3gpp", steps, 2 * ROWS);
        for (size_t i = 0; i < 2 * ROWS; i++) {
            perform(&f, (enum t8_operation)o);
            if (f.http_status != rows[i / 2].status || f.cause != rows[i / 2].want || f.retry_after_s != 7 ||
                f.link[0] || f.not_sent)
                fail_msg("%s %s, row %zu: %d cause %d after %u", t8_operation_method((enum t8_operation)o),
                         t8_operation_resource((enum t8_operation)o), i, f.http_status, (int)f.cause, f.retry_after_s);
            bool timed = o >= T8_DELIVERY_LIST; /* a configuration's result has no such time */
            assert_int_equal(f.at_ms, timed && i % 2 ? AT_7_MS : 0);
        }
        stop(&f);
    }
}

/* What we have no name for is told as it came. */
static void words_of_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *words;
    } rows[] = {
        {"{\"cause\":\"REQUEST_NOT_AUTHORIZED\",\"detail\":\"not yours\"}", "REQUEST_NOT_AUTHORIZED|not yours"},
        {"{\"problemDetail\":{\"detail\":\"SCEF-ERR-403-105: Diameter\"}}",
         "SCEF-ERR-403-105|SCEF-ERR-403-105: Diameter"},
        {"{\"detail\":\"only this\"}", "|only this"},
        {"<h1>no</h1>", "|"},
        {"", "|"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        const struct raw_step step = {text, 0, RAW_CLOSE};
        struct fixture f;
        snprintf(text, sizeof text, ANSWER("403 Forbidden", "%s"), rows[i].body);
        start(&f, "3gpp", &step, 1);
        perform(&f, T8_TRANSACTION_CREATE);
        assert_int_equal(f.http_status, 403);
        assert_string_equal(f.words, rows[i].words);
        stop(&f);
    }
}

static void formats_of_a_ue(void **state)
{
    (void)state;
    const struct raw_step step = {"HTTP/1.1 500 x\r\nContent-Type: application/problem+json\r\n" END
                                  "{\"cause\":\"SERIALIZATION_FORMAT_NOT_SUPPORTED\",\"supportedUeFormats\":"
                                  "[\"JSON\",\"XML\"],\"requestedRetransmissionTime\":\"" AT_7 "\"}",
                                  0, RAW_CLOSE};
    struct fixture f;
    start(&f, "3gpp", &step, 1);
    perform(&f, T8_PORT_PUT);
    assert_int_equal(f.cause, T8_CAUSE_SERIALIZATION_FORMAT_NOT_SUPPORTED);
    assert_int_equal(f.formats, NIDD_FORMAT_BIT(NIDD_FORMAT_JSON) | NIDD_FORMAT_BIT(NIDD_FORMAT_XML));
    assert_int_equal(f.at_ms, AT_7_MS);
    stop(&f);
}

/* Only a delivery's PATCH has two media types: the other one is tried once. */
static void the_other_media_type(void **state)
{
    (void)state;
    static const char refusal[] = "HTTP/1.1 415 x\r\nContent-Length: 0\r\n\r\n";
    const struct raw_step helped[] = {{refusal, 0, RAW_KEEP}, {NO_CONTENT, 0, RAW_KEEP}};
    const struct raw_step refused = {refusal, 0, RAW_KEEP};
    struct fixture f;
    start(&f, "3gpp", helped, 2);
    perform(&f, T8_DELIVERY_PATCH);
    assert_int_equal(f.http_status, 204);
    assert_int_equal(f.peer.count, 2);
    assert_request(f.peer.requests[0], NIDD D9, "PATCH", "application/json", "{\"priority\":3}");
    assert_request(f.peer.requests[1], NIDD D9, "PATCH", "application/merge-patch+json", "{\"priority\":3}");
    stop(&f);
    for (int o = 0; o < T8_OPERATION_COUNT; o++) {
        start(&f, "3gpp", &refused, 1);
        perform(&f, (enum t8_operation)o);
        assert_int_equal(f.http_status, 415);
        assert_int_equal(f.peer.count, o == T8_DELIVERY_PATCH ? 2 : 1);
        stop(&f);
    }
}

static void redirected(void **state)
{
    (void)state;
    char to[256];
    const struct raw_step steps[] = {{to, 0, RAW_KEEP}, {EMPTY_200, 0, RAW_KEEP}};
    for (int o = 0; o < T8_OPERATION_COUNT; o++) {
        for (int status = 307; status <= 308; status++) {
            struct fixture f;
            start(&f, "3gpp", steps, 2);
            snprintf(to, sizeof to, "HTTP/1.1 %d x\r\nLocation: http://127.0.0.1:%u/b%s\r\nContent-Length: 0\r\n\r\n",
                     status, f.peer.port, scs_wires[o].path);
            perform(&f, (enum t8_operation)o);
            assert_int_equal(f.http_status, 200);
            char path[160];
            snprintf(path, sizeof path, "/b%s", scs_wires[o].path);
            assert_request(f.peer.requests[1], path, t8_operation_method((enum t8_operation)o), scs_wires[o].type,
                           scs_wires[o].body);
            const char *resource = t8_operation_resource((enum t8_operation)o);
            bool collection = resource[strlen(resource) - 1] == 's';
            assert_string_equal(f.link, status == 308 && !collection ? path : ""); /* where it is from now on */
            stop(&f);
        }
    }
}

/* ---- no answer, and refusals of our own */

static void no_answer(void **state)
{
    (void)state;
    const struct raw_step none = {NULL, 0, RAW_CLOSE};
    for (int o = 0; o < T8_OPERATION_COUNT; o++) {
        struct fixture f;
        start(&f, "3gpp", &none, 1);
        perform(&f, (enum t8_operation)o);
        assert_int_equal(f.http_status, 0);
        assert_int_equal(f.cause, T8_CAUSE_NONE);
        assert_false(f.not_sent);
        raw_server_stop(&f.peer); /* nobody listens */
        harness_pump(&f.l, 2);
        perform(&f, (enum t8_operation)o);
        assert_int_equal(f.http_status, 0);
        assert_int_equal(f.not_sent, o >= T8_DELIVERY_LIST);
        assert_int_equal(f.shows, SCS_SHOWS_NOTHING);
        scs_client_free(f.c);
        loop_free(&f.l);
        raw_server_release(&f.peer);
    }
}

static void refused_here(void **state)
{
    (void)state;
    const struct raw_step none = {EMPTY_200, 0, RAW_KEEP};
    struct fixture f;
    start(&f, "3gpp", &none, 1);
    const struct t8_rds_port high = {.ue = 16, .scef = 1};
    struct nidd_downlink two[2] = {scs_delivery, scs_delivery};
    const struct nidd_configuration many = {
        .id = scs_device, .notification_destination = BYTES_LIT("http://as/"), .downlinks = two, .downlinks_count = 2};
    const struct nidd_configuration group = {.id = {.external_group_id = BYTES_LIT("all@example.org")},
                                             .notification_destination = BYTES_LIT("http://as/"),
                                             .downlinks = two,
                                             .downlinks_count = 1};
    const struct monitoring_patch empty = {0};
    const struct monitoring_subscription endless = {.id = scs_device, .type = MONITORING_ROAMING_STATUS};
    const struct device_triggering nobody = {.validity_period_s = {true, 1}};
    assert_int_equal(scs_port_get(f.c, 1, BYTES_LIT(C7), high), ERR_MEMBER_TYPE);
    assert_int_equal(scs_configuration_create_with(f.c, 1, &many), ERR_MEMBER_TYPE);
    assert_int_equal(scs_configuration_create_with(f.c, 1, &group), ERR_MEMBER_TYPE);
    assert_int_equal(scs_subscription_patch(f.c, 1, BYTES_LIT(S1), &empty), ERR_MEMBER_MISSING);
    assert_int_equal(scs_subscription_create(f.c, 1, &endless), ERR_MEMBER_MISSING);
    assert_int_equal(scs_transaction_create(f.c, 1, &nobody), ERR_IDENTITY);
    assert_int_equal(scs_transaction_get(f.c, 1, BYTES_LIT("")), ERR_UNKNOWN_CONFIGURATION);
    assert_int_equal(scs_delivery_delete(f.c, 1, BYTES_LIT("//evil/as1/configurations/c")), ERR_UNKNOWN_CONFIGURATION);
    harness_pump(&f.l, 5);
    assert_int_equal(f.count + f.peer.count, 0);
    stop(&f);
}

/* ---- dialects */

static void dialects(void **state)
{
    (void)state;
    static const struct {
        const char *dialect;
        enum t8_operation operation;
        const char *path; /* NULL: there is no such operation */
    } rows[] = {
        {"oracle-8.3", T8_CONFIGURATION_CREATE, "/3gpp_t8_nidd/v1/as1/configurations"},
        {"oracle-8.3", T8_DELIVERY_CREATE, "/3gpp_t8_nidd/v1" C7 "/downlink-data-deliveries"},
        {"oracle-8.3", T8_TRANSACTION_CREATE, "/3gpp_t8_device_triggering/v1/as1/transactions"},
        {"oracle-8.3", T8_TRANSACTION_GET, "/3gpp_t8_device_triggering/v1" T1},
        {"oracle-8.3", T8_SUBSCRIPTION_CREATE, "/3gpp_t8_monitoring_event/v1/as1/subscriptions/"},
        {"oracle-8.3", T8_SUBSCRIPTION_DELETE, "/3gpp_t8_monitoring_event/v1" S1},
        {"oracle-8.3", T8_TRANSACTION_DELETE, NULL},
        {"oracle-8.3", T8_SUBSCRIPTION_PUT, NULL},
        {"oracle-8.4", T8_SUBSCRIPTION_CREATE, MON "/as1/subscriptions/"},
        {"oracle-8.4", T8_TRANSACTION_PUT, NULL},
        {"mts", T8_DELIVERY_CREATE, NIDD C7 "/downlink-data-deliveries"},
        {"mts", T8_PORT_LIST, NULL},
        {"in", T8_DELIVERY_PATCH, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct raw_step step = {EMPTY_200, 0, RAW_KEEP};
        struct fixture f;
        start(&f, rows[i].dialect, &step, 1);
        if (rows[i].path) {
            perform(&f, rows[i].operation);
            assert_request(f.peer.requests[0], rows[i].path, t8_operation_method(rows[i].operation),
                           scs_wires[rows[i].operation].type, scs_wires[rows[i].operation].body);
        } else {
            assert_int_equal(scs_ask(f.c, 42, rows[i].operation, NULL), ERR_NOT_OFFERED);
            assert_int_equal(scs_ask(f.c, 42, rows[i].operation, NULL), ERR_NOT_OFFERED);
            harness_pump(&f.l, 2);
            assert_int_equal(f.count + f.peer.count, 0);
        }
        stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_on_the_wire),
        cmocka_unit_test(successes),
        cmocka_unit_test(nonsense_in_a_success),
        cmocka_unit_test(errors),
        cmocka_unit_test(words_of_an_error),
        cmocka_unit_test(formats_of_a_ue),
        cmocka_unit_test(the_other_media_type),
        cmocka_unit_test(redirected),
        cmocka_unit_test(no_answer),
        cmocka_unit_test(refused_here),
        cmocka_unit_test(dialects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
