/* Fails the first allocation of the SCEF's side, then the second, and so on until everything succeeds: each request is
 * answered once, by what it is answered otherwise or by 503, and nothing is left behind. Allocations inside the
 * libraries are not reached. */
#include "tests/base/test.h"
#include "tests/base/allocations.h"

#include "tests/t8/fake_exchange.h"
#include "tests/t8/fake_scef.h"

#define NIDD          "/3gpp-nidd/v1/as1/configurations"
#define TRANSACTIONS  "/3gpp-device-triggering/v1/as1/transactions"
#define SUBSCRIPTIONS "/3gpp-monitoring-event/v1/as1/subscriptions"
#define ID            "\"externalId\":\"a@b\",\"notificationDestination\":\"http:\\/\\/as\\/cb\""

static const struct {
    const char *method;
    const char *path;
    const char *body;
    int status;
} rows[] = {
    {"GET", NIDD, NULL, 200},
    {"GET", NIDD "/c7", NULL, 200},
    {"POST", NIDD, "{" ID ",\"rdsPorts\":[{\"portUE\":1,\"portSCEF\":2}]}", 201},
    {"POST", NIDD, "{" ID ",\"duration\":7}", 400},
    {"POST", NIDD "/c7/downlink-data-deliveries", "{\"externalId\":\"a@b\",\"data\":\"AQID\"}", 201},
    {"PUT", NIDD "/c7/rds-ports/ue1-ef2", "{\"appId\":\"a\",\"supportedFormats\":[\"CBOR\"]}", 201},
    {"POST", TRANSACTIONS,
     "{" ID ",\"validityPeriod\":60,\"priority\":\"PRIORITY\",\"applicationPortId\":1,\"triggerPayload\":\"AQ==\"}",
     201},
    {"POST", SUBSCRIPTIONS, "{" ID ",\"monitoringType\":\"LOSS_OF_CONNECTIVITY\",\"maximumNumberOfReports\":2}", 201},
    {"DELETE", SUBSCRIPTIONS "/s1", NULL, 200},
    {"GET", "/nothing", NULL, 404},
    {"DELETE", NIDD, NULL, 405},
};

static void every_allocation_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = 0;
        do {
            struct fake_scef f;
            fake_scef_init(&f);
            f.status = rows[i].status;
            struct http_exchange x = {
                .request = {rows[i].method, rows[i].path, "application/json", bytes_of_str(rows[i].body)}};
            until_failure = ++n;
            failed = false;
            scef_server_handle(&f.server, &x);
            until_failure = 0;
            assert_int_equal(x.replies, 1);
            if (x.status != rows[i].status && !(failed && x.status == 503))
                fail_msg("%s %s: %d", rows[i].method, rows[i].path, x.status);
        } while (failed);
        assert_true(n > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
