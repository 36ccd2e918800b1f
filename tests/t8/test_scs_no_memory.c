/* Fails the first allocation of ours, then the second, and so on until none fails, while every operation is asked for
 * and every answer read: an orderly error, or exactly one result, and nothing left behind. */
#include "tests/t8/harness.h"
#include "tests/base/allocations.h"

#include <stdlib.h>

#include "t8/scs_protocol.h"
#include "tests/t8/scs_requests.h"

static size_t told;

static void on_configuration(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    (void)ctx, (void)ref, (void)r;
    told++;
}

static void on_found(void *ctx, uint64_t ref, const struct nidd_configuration_found *f)
{
    (void)ctx, (void)ref, (void)f;
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    (void)ctx, (void)ref, (void)r;
    told++;
}

static void on_item(void *ctx, uint64_t ref, const struct scs_result *r)
{
    (void)ctx, (void)ref, (void)r;
}

static void on_result(void *ctx, uint64_t ref, const struct scs_result *r)
{
    (void)ctx, (void)ref, (void)r;
    told++;
}

static const struct scs_client_sink sink = {.configuration_result = on_configuration,
                                            .submit_result = on_submit,
                                            .configuration_found = on_found,
                                            .configuration_listed = on_configuration,
                                            .item = on_item,
                                            .result = on_result};

/* ---- asking; nobody listens, so that no answer is part of it */

static void ask_once(enum t8_operation o)
{
    struct loop l;
    struct scs_client *c;
    const struct scs_client_options options = {
        .api_root = "http://127.0.0.1:1",
        .scs_as_id = "as1",
        .http = {.connect_timeout_ms = 1000, .timeout_ms = 1000, .max_connections = 1, .max_body_bytes = 65536}};
    assert_int_equal(loop_init(&l), OK);
    enum error err = scs_client_new(&l, &options, &sink, &c);
    if (!err) {
        size_t before = told;
        err = scs_ask(c, 0, o, NULL);
        if (!err)
            harness_wait(&l, &told, before + 1);
        assert_int_equal(told, before + !err);
    }
    assert_true(err == OK || err == ERR_NO_MEMORY);
    scs_client_free(c);
    loop_free(&l);
}

static void asking(void **state)
{
    (void)state;
    for (int o = 0; o < T8_OPERATION_COUNT; o++) {
        size_t n = 0;
        do {
            failed = false;
            until_failure = ++n;
            ask_once((enum t8_operation)o);
        } while (failed);
        until_failure = 0;
        assert_true(n > 10);
    }
}

/* ---- reading an answer that holds whatever can be held */

#define LINKS                                                                                                          \
    "\"self\":\"" NIDD D9 "\",\"externalId\":\"" EXT "\",\"notificationDestination\":\"http://as/\",\"websockNotif"    \
    "Config\":{\"websocketUri\":\"ws://s/1\"},\"niddDownlinkDataTransfers\":[{\"self\":\"" NIDD D9                     \
    "\",\"data\":\"YWJj\"}]"
#define MORE                                                                                                           \
    "\"data\":\"YWJj\",\"triggerPayload\":\"AQ==\",\"supportedFormats\":[\"CBOR\"],\"rdsPorts\":[{\"portUE\":1,"       \
    "\"portSCEF\":2}],\"monitoringEventReport\":{\"monitoringType\":\"PDN_CONNECTIVITY_STATUS\",\"pdnConnInfoList\":"  \
    "[{\"status\":\"CREATED\",\"pdnType\":\"NON_IP\"}]}"

static void read_once(enum t8_operation o, int status, const char *body)
{
    static const char origin[] = "http://scef.example.net";
    struct scs_site s = {.dialect = t8_dialect_at(0)};
    struct t8_link_base base = {.origin = BYTES_LIT(origin), .api_path = BYTES_LIT("/3gpp-nidd/v1")};
    for (int api = 0; api < T8_API_COUNT; api++)
        s.apis[api].base = base;
    const struct t8_answer answer = {.http_status = status,
                                     .body = bytes_of_str(body),
                                     .request_path = BYTES_LIT("/3gpp-nidd/v1/as1/configurations"),
                                     .base = &base};
    const struct scs_incoming in = {
        .operation = o, .answer = &answer, .moved = BYTES_LIT("http://scef.example.net/x"), .sink = &sink};
    size_t before = told;
    struct scs_meaning meaning = scs_t8_protocol.answer(&s, &in);
    assert_int_equal(told, before + 1);
    assert_int_equal(meaning.http_status, status);
    buf_free(&s.link);
    buf_free(&s.moved);
}

static void reading(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
    } rows[] = {
        {200, "{" LINKS "," MORE "}"},
        {200, "[{" LINKS "," MORE "},{" LINKS "}]"},
        {200, "{\"monitoringEventReports\":[{\"monitoringType\":\"ROAMING_STATUS\"},{\"monitoringType\":\"X\"}]}"},
        {500, "{\"problemDetail\":{\"cause\":\"TIMEOUT\"},\"supportedUeFormats\":[\"XML\"]}"},
    };
    size_t most = 0;
    for (int o = 0; o < T8_OPERATION_COUNT; o++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            size_t n = 0;
            do {
                failed = false;
                until_failure = ++n;
                read_once((enum t8_operation)o, rows[i].status, rows[i].body);
            } while (failed);
            until_failure = 0;
            most = n > most ? n : most;
        }
    }
    assert_true(most > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(asking), cmocka_unit_test(reading)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
