/* Fails the first allocation, then the second, and so on until everything succeeds: each time there must be an orderly
 * error, or an orderly result, and nothing left behind. Allocations inside the libraries are not reached. (jansson 2.14
 * does not survive the failure of one of its own: it loses letters of names, or crashes. Most notifications never reach
 * it.) */
#include "tests/t8/harness.h"
#include "tests/base/allocations.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t8/nidd_notification.h"
#include "t8/scef_nidd_server.h"
#include "t8/scs_callbacks.h"
#include "t8/scs_client.h"

static void assert_orderly(enum error err)
{
    if (err != OK && err != ERR_NO_MEMORY)
        fail_msg("%s", error_name(err));
}

static void codecs_once(void)
{
    struct t8_problem p;
    struct buf b = {0};
    struct nidd_notification n;
    const char *uplink =
        "{\"niddConfiguration\":\"\\/as1\\/configurations\\/c7\",\"externalId\":\"a@b\",\"data\":\"AQID\"}";
    enum error err = nidd_notification_decode(bytes_of_str(uplink), &n, &p);
    assert_orderly(err);
    if (!err) {
        assert_orderly(nidd_uplink_encode(&n.uplink, &b));
        nidd_notification_release(&n);
    }
    buf_free(&b);

    struct nidd_configuration c;
    const char *request = "{\"msisdn\":\"1\",\"notificationDestination\":\"http:\\/\\/as\\/\"}";
    err = nidd_configuration_decode_request(bytes_of_str(request), &c, &p);
    assert_orderly(err);
    if (!err) {
        assert_orderly(nidd_configuration_encode(&c, &b));
        nidd_configuration_release(&c);
    }
    buf_free(&b);

    const struct t8_link_base base = {.origin = BYTES_LIT("http://h"), .api_path = BYTES_LIT("/3gpp-nidd/v1")};
    const struct t8_answer a = {
        .http_status = 201,
        .body = BYTES_LIT("{\"self\":\"\\/x\",\"data\":\"AQID\",\"deliveryStatus\":\"BUFFERING\"}"),
        .location = BYTES_LIT("http://h/3gpp-nidd/v1/as1/configurations/c7/downlink-data-deliveries/d9"),
        .request_path = BYTES_LIT("/"),
        .base = &base,
    };
    struct nidd_submit_result submit;
    struct nidd_configuration_result configuration;
    nidd_submit_result_read(&a, &b, &submit);
    assert_int_equal(submit.outcome, NIDD_SUBMIT_PENDING); /* the status alone says so */
    nidd_configuration_result_read(&a, &b, &configuration);
    assert_int_equal(configuration.http_status, 201);
    buf_free(&b);

    uint64_t at_ms;
    struct t8_doc *doc;
    t8_problem_decode(BYTES_LIT("{\"problemDetail\":{\"cause\":\"TIMEOUT\"}}"), &p, &at_ms, &doc);
    assert_orderly(nidd_delivery_failure_encode(&p, 1, &b));
    t8_doc_free(doc);
    buf_free(&b);
}

/* Types whose arrays are allocated. */
static void tables_once(void)
{
    static const char *const bodies[] = {
        "{\"niddDownlinkDataTransfer\":\"/"
        "d\",\"gmdResults\":[{\"externalId\":\"a@b\",\"deliveryStatus\":\"SUCCESS\"}]}",
        "{\"niddConfiguration\":\"/c\",\"msisdn\":\"91\",\"managedPorts\":[{\"appId\":\"a\"},{\"appId\":\"b\"}]}",
        "{\"subscription\":\"/s\",\"addedMsisdns\":[\"91\"],\"appliedParam\":{\"msisdns\":[\"91\"]},"
        "\"configResults\":[{\"resultReason\":\"OTHER_REASON\",\"msisdns\":[\"91\"]}],\"monitoringEventReports\":[{"
        "\"monitoringType\":\"PDN_CONNECTIVITY_STATUS\",\"pdnConnInfoList\":[{\"status\":\"CREATED\",\"pdnType\":"
        "\"NON_IP\"}]}]}",
        "{\"afId\":\"a\",\"nefId\":\"n\",\"gpsi\":\"extid-a@b\"}",
    };
    struct t8_problem p;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct nidd_notification n;
        struct buf b = {0};
        enum error err = nidd_notification_decode(bytes_of_str(bodies[i]), &n, &p);
        assert_orderly(err);
        if (!err && n.kind == NIDD_NOTIFICATION_MONITORING)
            assert_orderly(monitoring_notification_encode(&n.monitoring, &b));
        if (!err && n.kind == NIDD_NOTIFICATION_CONFIGURATION_TRIGGER)
            assert_orderly(nidd_configuration_trigger_encode(&n.configuration_trigger, &b));
        nidd_notification_release(&n);
        buf_free(&b);
    }
    struct nidd_configuration c;
    const char *answer =
        "{\"rdsPorts\":[{\"portUE\":1,\"portSCEF\":2}],\"niddDownlinkDataTransfers\":[{\"data\":\"AQ==\"}]}";
    assert_orderly(nidd_configuration_decode(bytes_of_str(answer), &c));
    nidd_configuration_release(&c);
    struct device_triggering t;
    assert_orderly(device_triggering_decode(BYTES_LIT("{\"triggerPayload\":\"AQ==\"}"), &t));
    device_triggering_release(&t);
    struct monitoring_reports r;
    assert_orderly(monitoring_reports_decode(BYTES_LIT("[{\"monitoringType\":\"X\"}]"), &r, &p));
    monitoring_reports_release(&r);
}

static void codecs(void **state)
{
    (void)state;
    size_t n = 0;
    do {
        failed = false;
        until_failure = ++n;
        codecs_once();
        tables_once();
    } while (failed);
    until_failure = 0;
    assert_true(n > 5);
}

/* ---- an AS and a SCEF, both ours, in one loop */

struct fixture {
    struct scs_callbacks_sink callbacks;
    struct scef_nidd_sink nidd;
    struct scef_server scef;
    size_t done;
};

static void on_create(void *ctx, const struct scef_path *path, const struct nidd_configuration *c, struct scef_reply *a)
{
    (void)ctx, (void)path;
    a->status = 201;
    a->configuration = *c;
    a->configuration.self = BYTES_LIT("/3gpp-nidd/v1/as1/configurations/c7");
}

static void on_downlink(void *ctx, struct http_exchange *x, const struct scef_path *path, const struct nidd_downlink *d,
                        struct scef_reply *a)
{
    (void)ctx, (void)x, (void)path;
    a->status = 200;
    a->delivery = *d;
}

static enum scs_verdict on_uplink(void *ctx, struct scs_sender from, const struct nidd_uplink *u, enum error *err)
{
    (void)ctx, (void)from, (void)u, (void)err;
    return SCS_ACCEPTED;
}

static void on_counted(void *ctx, int kind, enum error err)
{
    (void)ctx, (void)kind, (void)err;
}

static void handler(void *ctx, struct http_exchange *x)
{
    struct fixture *f = ctx;
    const char *path = http_exchange_request(x)->path;
    if (strcmp(path, "/token") == 0)
        http_reply(x, &(struct http_reply){.status = 200,
                                           .content_type = "application/json",
                                           .body = BYTES_LIT("{\"access_token\":\"a1\",\"expires_in\":60}")});
    else if (strcmp(path, "/cb") == 0)
        scs_callbacks_handle(&f->callbacks, x, SCS_PATH_ANY);
    else
        scef_server_handle(&f->scef, x);
}

static void on_configuration(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    (void)ref, (void)r;
    ((struct fixture *)ctx)->done++;
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    (void)ref, (void)r;
    ((struct fixture *)ctx)->done++;
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    (void)ref, (void)err, (void)a;
    ((struct fixture *)ctx)->done++;
}

static void talk(struct loop *l, struct fixture *f, struct http_server *s, struct scs_client *scs,
                 struct http_client *c)
{
    const struct t8_identity id = {.external_id = BYTES_LIT("a@b")};
    const struct http_request_options r = {
        .method = "POST",
        .content_type = "application/json",
        .body =
            BYTES_LIT("{\"niddConfiguration\":\"/as1/configurations/c7\",\"externalId\":\"a@b\",\"data\":\"AQID\"}")};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/cb", http_server_port(s));
    struct http_request_options with_url = r;
    with_url.url = url;
    size_t expected = 0;
    for (int round = 0; round < 3; round++) {
        enum error err = scs_configuration_create(scs, 0, id, "http://as/");
        assert_orderly(err);
        expected += err == OK;
        err = scs_downlink_submit(scs, 0, BYTES_LIT("/as1/configurations/c7"), id, BYTES_LIT("x"), 0);
        assert_orderly(err);
        expected += err == OK;
        err = http_client_send(c, &with_url, on_answer, f, 0);
        assert_orderly(err);
        expected += err == OK;
        harness_wait(l, &f->done, expected);
    }
}

static void shells_once(const char *secret_file)
{
    struct loop l;
    struct fixture f = {.callbacks = {.uplink = on_uplink, .counted = on_counted},
                        .nidd = {.configuration_create = on_create, .delivery_create = on_downlink}};
    f.scef.nidd = &f.nidd;
    struct http_server *s = NULL;
    struct http_client *c = NULL;
    struct scs_client *scs = NULL;
    const struct http_server_options so = {"127.0.0.1", 0, 65536, 100, 30, .tls = {.ca_file = NULL}};
    const struct http_client_options co = {1000, 1000, 1, 65536, .tls = {.ca_file = "none"}};
    assert_int_equal(loop_init(&l), OK);
    enum error err = http_server_new(&l, &so, handler, &f, &s);
    assert_orderly(err);
    if (!err) {
        char root[64], token_url[80];
        snprintf(root, sizeof root, "http://127.0.0.1:%u", http_server_port(s));
        snprintf(token_url, sizeof token_url, "%s/token", root);
        const struct oauth_options oauth = {
            .token_url = token_url, .client_id = "as1", .secret_file = secret_file, .scope = "a", .http = co};
        const struct scs_client_options o = {
            .api_root = root,
            .api_name = "3gpp-nidd",
            .scs_as_id = "as1",
            .http = co,
            .oauth = secret_file ? &oauth : NULL,
        };
        const struct scs_client_sink sink = {
            .ctx = &f, .configuration_result = on_configuration, .submit_result = on_submit};
        err = scs_client_new(&l, &o, &sink, &scs);
        assert_orderly(err);
    }
    if (!err) {
        err = http_client_new(&l, &co, &c);
        assert_orderly(err);
    }
    if (!err)
        talk(&l, &f, s, scs, c);
    http_client_free(c);
    scs_client_free(scs);
    http_server_free(s);
    loop_free(&l);
}

static void shells_until_success(const char *secret_file)
{
    size_t n = 0;
    do {
        failed = false;
        until_failure = ++n;
        shells_once(secret_file);
    } while (failed);
    until_failure = 0;
    assert_true(n > 20);
}

static void shells(void **state)
{
    (void)state;
    shells_until_success(NULL);
}

static void shells_with_tokens(void **state)
{
    (void)state;
    char name[] = "/tmp/test_t8_no_memory.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0 && write(fd, "secret\n", 7) == 7);
    close(fd);
    shells_until_success(name);
    unlink(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codecs),
        cmocka_unit_test(shells),
        cmocka_unit_test(shells_with_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
