/* Every notification of TS 29.122 and TS 29.522 on every path: which function of the sink it reaches, what is answered.
 * They come by a function here, not by HTTP (tests/t8/test_scs_callbacks.c). */
#include "tests/base/test.h"

#include <stdio.h>

#include "t8/scs_callbacks.h"

struct fixture {
    struct scs_callbacks_sink sink;
    /* the sink */
    char told[32];
    size_t told_count;
    size_t counted;
    int kind;
    enum error err;
    enum scs_verdict verdict;
    enum error refusal;
    enum scs_callback_path tested;
    size_t members;
    struct scs_sender later;
    /* the sender */
    size_t answers;
    int status;
    char content_type[64];
    char body[512];
};

static enum scs_verdict told(struct fixture *f, const char *name, enum error *err)
{
    snprintf(f->told, sizeof f->told, "%s", name);
    f->told_count++;
    *err = f->refusal;
    return f->verdict;
}

static enum scs_verdict on_uplink(void *ctx, struct scs_sender from, const struct nidd_uplink *u, enum error *err)
{
    struct fixture *f = ctx;
    assert_true(u->data.len > 0);
    f->later = from;
    return told(f, "uplink", err);
}

static enum scs_verdict on_delivery_status(void *ctx, const struct nidd_delivery_status *s, enum error *err)
{
    assert_int_equal(s->delivery_status, T8_DELIVERY_SUCCESS);
    return told(ctx, "delivery_status", err);
}

static enum scs_verdict on_configuration_status(void *ctx, const struct nidd_configuration_status *s, enum error *err)
{
    assert_int_equal(s->status, T8_NIDD_ACTIVE);
    return told(ctx, "configuration_status", err);
}

static enum scs_verdict on_group_result(void *ctx, const struct nidd_group_result *g, enum error *err)
{
    struct fixture *f = ctx;
    f->members = g->results_count;
    return told(f, "group_result", err);
}

static enum scs_verdict on_managed_ports(void *ctx, const struct nidd_managed_ports *m, enum error *err)
{
    assert_int_equal(m->ports_count, 1);
    return told(ctx, "managed_ports", err);
}

static enum scs_verdict on_trigger_report(void *ctx, const struct device_triggering_report *r, enum error *err)
{
    assert_int_equal(r->result, DEVICE_TRIGGERING_EXPIRED);
    return told(ctx, "trigger_report", err);
}

static enum scs_verdict on_monitoring(void *ctx, const struct monitoring_notification *n, enum error *err)
{
    assert_int_equal(n->reports_count, 1);
    return told(ctx, "monitoring", err);
}

static enum scs_verdict on_test(void *ctx, enum scs_callback_path path, const struct t8_test_notification *t,
                                enum error *err)
{
    struct fixture *f = ctx;
    assert_true(t->subscription.len > 0);
    f->tested = path;
    return told(f, "test", err);
}

static enum scs_verdict on_configuration_trigger(void *ctx, const struct nidd_configuration_trigger *t, enum error *err)
{
    assert_bytes_str(t->id.external_id, "a@b");
    return told(ctx, "configuration_trigger", err);
}

static void on_counted(void *ctx, int kind, enum error err)
{
    struct fixture *f = ctx;
    f->counted++;
    f->kind = kind;
    f->err = err;
}

static void on_reply(void *ctx, const struct http_reply *r)
{
    struct fixture *f = ctx;
    f->answers++;
    f->status = r->status;
    snprintf(f->content_type, sizeof f->content_type, "%s", r->content_type ? r->content_type : "");
    snprintf(f->body, sizeof f->body, "%.*s", (int)r->body.len, (const char *)r->body.data);
}

static void start(struct fixture *f)
{
    *f = (struct fixture){.sink = {.ctx = f,
                                   .uplink = on_uplink,
                                   .delivery_status = on_delivery_status,
                                   .configuration_status = on_configuration_status,
                                   .group_result = on_group_result,
                                   .managed_ports = on_managed_ports,
                                   .trigger_report = on_trigger_report,
                                   .monitoring = on_monitoring,
                                   .test = on_test,
                                   .configuration_trigger = on_configuration_trigger,
                                   .counted = on_counted}};
}

/* Takes it, and sees to it that it is answered and counted once. */
static void take(struct fixture *f, struct bytes body, enum scs_callback_path path)
{
    const struct scs_sender from = {.reply = on_reply, .ctx = f};
    size_t answers = f->answers;
    size_t counted = f->counted;
    f->told[0] = '\0';
    scs_callbacks_take(&f->sink, from, body, path);
    assert_int_equal(f->answers, answers + (f->verdict != SCS_LATER));
    assert_int_equal(f->counted, counted + 1);
}

#define N         BIT(SCS_PATH_NIDD)
#define T         BIT(SCS_PATH_TRIGGERING)
#define M         BIT(SCS_PATH_MONITORING)
#define C         BIT(SCS_PATH_CONFIGURATION_TRIGGER)
#define BIT(path) (1u << (path))
static const struct notification {
    const char *body;
    int kind;
    const char *told; /* "" = nobody */
    unsigned paths;   /* besides SCS_PATH_ANY */
} notifications[] = {
    {"{\"niddConfiguration\":\"/as1/configurations/c\",\"externalId\":\"a@b\",\"data\":\"AQ==\"}",
     NIDD_NOTIFICATION_UPLINK, "uplink", N},
    {"{\"niddDownlinkDataTransfer\":\"/as1/configurations/c/downlink-data-deliveries/d\",\"deliveryStatus\":"
     "\"SUCCESS\"}",
     NIDD_NOTIFICATION_DELIVERY_STATUS, "delivery_status", N},
    {"{\"niddConfiguration\":\"/as1/configurations/c\",\"externalId\":\"a@b\",\"status\":\"ACTIVE\"}",
     NIDD_NOTIFICATION_CONFIGURATION_STATUS, "configuration_status", N},
    {"{\"niddDownlinkDataTransfer\":\"/as1/d\",\"gmdResults\":[{\"msisdn\":\"91\",\"deliveryStatus\":\"FAILURE\"}]}",
     NIDD_NOTIFICATION_GROUP_RESULT, "group_result", N},
    {"{\"niddConfiguration\":\"/as1/configurations/c\",\"externalId\":\"a@b\",\"managedPorts\":[{\"appId\":\"x\"}]}",
     NIDD_NOTIFICATION_MANAGED_PORTS, "managed_ports", N},
    {"{\"transaction\":\"/as1/transactions/t\",\"result\":\"EXPIRED\"}", NIDD_NOTIFICATION_TRIGGER_REPORT,
     "trigger_report", T},
    {"{\"subscription\":\"/as1/subscriptions/s\",\"monitoringEventReports\":[{\"monitoringType\":\"ROAMING_STATUS\"}]}",
     NIDD_NOTIFICATION_MONITORING, "monitoring", M},
    {"{\"subscription\":\"/as1/subscriptions/s\"}", NIDD_NOTIFICATION_TEST, "test", N | T | M},
    {"{\"afId\":\"as1\",\"nefId\":\"nef-3\",\"gpsi\":\"extid-a@b\",\"suppFeat\":\"0\"}",
     NIDD_NOTIFICATION_CONFIGURATION_TRIGGER, "configuration_trigger", C},
    {"{\"subscriptionId\":\"s\",\"consentsRevoked\":[{\"ucPurpose\":\"ANALYTICS\"}]}",
     NIDD_NOTIFICATION_CONSENT_REVOKED, "", M},
    {"{\"configuration\":\"/as1/np/1\"}", NIDD_NOTIFICATION_NETWORK_PARAMETERS, "", 0},
};
#define NOTIFICATIONS (sizeof notifications / sizeof *notifications)

static void every_kind_on_every_path(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < NOTIFICATIONS; i++) {
        const struct notification *n = &notifications[i];
        for (int path = SCS_PATH_ANY; path <= SCS_PATH_CONFIGURATION_TRIGGER; path++) {
            bool here = path == SCS_PATH_ANY || (n->paths & BIT(path));
            take(&f, bytes_of_str(n->body), (enum scs_callback_path)path);
            assert_int_equal(f.kind, n->kind);
            assert_string_equal(f.told, here ? n->told : "");
            if (!here) {
                assert_int_equal(f.status, 400);
                assert_string_equal(f.content_type, "application/problem+json");
                assert_non_null(strstr(f.body, "\"cause\":\"MANDATORY_IE_MISSING\""));
                assert_int_equal(f.err, ERR_MEMBER_MISSING);
            } else if (n->kind == NIDD_NOTIFICATION_CONFIGURATION_TRIGGER) {
                assert_int_equal(f.status, 200);
                assert_string_equal(f.content_type, "application/json");
                assert_string_equal(f.body, "{\"suppFeat\":\"0\"}");
            } else {
                assert_int_equal(f.status, 204);
                assert_string_equal(f.body, "");
            }
            if (n->kind == NIDD_NOTIFICATION_TEST && here)
                assert_int_equal(f.tested, path);
        }
    }
}

static void refused_by_the_sink(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.verdict = SCS_REFUSED;
    for (size_t i = 0; i < NOTIFICATIONS; i++) {
        f.refusal = ERR_UNKNOWN_CONFIGURATION;
        take(&f, bytes_of_str(notifications[i].body), SCS_PATH_ANY);
        bool anybody = notifications[i].told[0] != '\0';
        assert_int_equal(f.status, anybody ? 404 : 204);
        assert_int_equal(f.err, anybody ? ERR_UNKNOWN_CONFIGURATION : OK);
        if (anybody)
            assert_non_null(strstr(f.body, "RESOURCE_CONTEXT_NOT_FOUND"));
    }
}

/* A sink that wants nothing understands and accepts all the same. */
static void nobody_cares(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.sink = (struct scs_callbacks_sink){.ctx = &f, .counted = on_counted};
    for (size_t i = 0; i < NOTIFICATIONS; i++) {
        take(&f, bytes_of_str(notifications[i].body), SCS_PATH_ANY);
        assert_int_equal(f.status, notifications[i].kind == NIDD_NOTIFICATION_CONFIGURATION_TRIGGER ? 200 : 204);
        assert_int_equal(f.err, OK);
    }
    take(&f, BYTES_LIT("{\"weather\":\"fine\"}"), SCS_PATH_ANY);
    assert_int_equal(f.status, 400);
    assert_int_equal(f.kind, -1);
    assert_int_equal(f.told_count, 0);
}

static void answered_later(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.verdict = SCS_LATER;
    take(&f, bytes_of_str(notifications[0].body), SCS_PATH_NIDD);
    assert_int_equal(f.err, OK);
    scs_callbacks_answer(f.later, ERR_QUEUE_FULL);
    assert_int_equal(f.answers, 1);
    assert_int_equal(f.status, 503);
    assert_non_null(strstr(f.body, "INSUFFICIENT_RESOURCES"));
    take(&f, bytes_of_str(notifications[0].body), SCS_PATH_NIDD);
    scs_callbacks_answer(f.later, OK);
    assert_int_equal(f.answers, 2);
    assert_int_equal(f.status, 204);
    assert_string_equal(f.body, "");
}

/* A group may have 3,000 members and more, each with a long name and a time. */
static void group_results(void **state)
{
    (void)state;
    static const struct {
        size_t members;
        size_t id_len;
        int status;
    } rows[] = {{3000, 24, 204}, {3000, 64, 204}, {4096, 24, 204}, {4097, 24, 413}, {4096, 253, 413}};
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nidd_group_result g = {.nidd_downlink_data_transfer =
                                          BYTES_LIT("/3gpp-nidd/v1/as1/configurations/c/downlink-data-deliveries/d"),
                                      .results_count = rows[i].members};
        char(*ids)[256] = test_calloc(rows[i].members, sizeof *ids);
        g.results = test_calloc(rows[i].members, sizeof *g.results);
        for (size_t m = 0; m < rows[i].members; m++) {
            int len = snprintf(ids[m], sizeof ids[m], "device-%06zu@", m);
            memset(ids[m] + len, 'd', rows[i].id_len - (size_t)len);
            g.results[m] =
                (struct nidd_group_member_result){.id = {.external_id = bytes_of(ids[m], rows[i].id_len)},
                                                  .delivery_status = T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE,
                                                  .requested_retransmission_ms = 1795158000000};
        }
        struct buf body = {0};
        assert_int_equal(nidd_group_result_encode(&g, &body), OK);
        take(&f, buf_bytes(&body), SCS_PATH_NIDD);
        if (f.status != rows[i].status)
            fail_msg("%zu members with %zu characters, %zu bytes: %d", rows[i].members, rows[i].id_len, body.len,
                     f.status);
        if (f.status == 204)
            assert_int_equal(f.members, rows[i].members);
        print_message("%zu members, identifiers of %zu characters: %zu bytes, %d\n", rows[i].members, rows[i].id_len,
                      body.len, f.status);
        buf_free(&body);
        test_free(g.results);
        test_free(ids);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_on_every_path),
        cmocka_unit_test(refused_by_the_sink),
        cmocka_unit_test(nobody_cares),
        cmocka_unit_test(answered_later),
        cmocka_unit_test(group_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
