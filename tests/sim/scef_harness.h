/* A SCEF model under test: what came out of its ports, copied. */
#ifndef TESTS_SIM_SCEF_HARNESS_H
#define TESTS_SIM_SCEF_HARNESS_H

#include <stdio.h>

#include "sim/scef_model.h"
#include "t8/nidd_notification.h"
#include "tests/base/test.h"

struct scef_test {
    struct scef_model *model;
    uint64_t now_ms;
    struct scef_options options;
    bool memory_is_short; /* then a notification may be one that we cannot read */

    unsigned delivered;
    uint32_t delivered_ue;
    char delivered_data[64];
    struct t8_rds_port delivered_port;

    unsigned triggered;
    uint16_t triggered_port;
    char triggered_data[64];

    unsigned answers;
    uint64_t answer_ref;
    int answer_status;
    enum t8_cause answer_cause;
    enum t8_delivery_status answer_delivery;
    char answer_self[128];
    char answer_id[64];
    uint64_t answer_retransmission_ms;
    uint32_t answer_retry_after_s;

    unsigned notifications;
    bool notified_uplink;
    uint64_t notify_ref;
    char notify_destination[64], notify_link[128], notify_data[64], notify_external_id[64], notify_msisdn[32];
    char notify_self[128], notify_group[256], notify_ports[128];
    size_t notify_group_count;
    enum scef_notification_kind notify_kind;
    unsigned notify_attempt;
    bool notify_by_websocket;
    uint64_t notify_retransmission_ms;
    struct t8_rds_port notify_port;
    enum t8_flag notify_rds;
    enum t8_nidd_status notify_nidd_status;
    enum t8_delivery_status notify_status;

    char log[512]; /* kinds of the notifications since the last look: "uplink status:SUCCESS ..." */
    bool nas_unheard;
    char nas[8192]; /* "mo sent " ... since the last look */
};

static inline void text_copy(char *out, size_t size, struct bytes b)
{
    assert_true(b.len < size);
    if (b.len > 0)
        memcpy(out, b.data, b.len);
    out[b.len] = 0;
}
#define TEXT_COPY(out, b) text_copy((out), sizeof(out), (b))

static inline void on_ue_deliver(void *ctx, uint32_t ue, struct bytes data, struct t8_rds_port port)
{
    struct scef_test *t = ctx;
    t->delivered_port = port;
    t->delivered++;
    t->delivered_ue = ue;
    TEXT_COPY(t->delivered_data, data);
}

static inline void on_ue_trigger(void *ctx, uint32_t ue, uint16_t port, struct bytes payload)
{
    struct scef_test *t = ctx;
    (void)ue;
    t->triggered++;
    t->triggered_port = port;
    TEXT_COPY(t->triggered_data, payload);
}

static inline void on_downlink_answer(void *ctx, uint64_t ref, const struct scef_answer *a,
                                      const struct nidd_downlink *d)
{
    struct scef_test *t = ctx;
    t->answers++;
    t->answer_ref = ref;
    t->answer_status = a->http_status;
    t->answer_cause = a->cause;
    t->answer_retry_after_s = a->retry_after_s;
    assert_int_equal(d != NULL, a->http_status == 200 || a->http_status == 201);
    t->answer_delivery = d != NULL ? d->delivery_status : T8_DELIVERY_UNSET;
    TEXT_COPY(t->answer_self, d != NULL ? d->self : (struct bytes){0});
    TEXT_COPY(t->answer_id, d != NULL ? d->id.external_id : (struct bytes){0});
    t->answer_retransmission_ms = d != NULL ? d->requested_retransmission_ms : a->retransmission_ms;
}

static inline void told_status(struct scef_test *t, enum t8_delivery_status status)
{
    t->notify_status = status;
}

/* The members of a group result, "dev1@x=SUCCESS ..." */
static inline void told_group(struct scef_test *t, const struct nidd_group_result *g)
{
    t->notify_group[0] = 0;
    t->notify_group_count = g->results_count;
    for (size_t i = 0; i < g->results_count; i++) {
        const struct nidd_group_member_result *r = &g->results[i];
        struct bytes id = r->id.external_id.len > 0 ? r->id.external_id : r->id.msisdn;
        size_t len = strlen(t->notify_group);
        snprintf(t->notify_group + len, sizeof t->notify_group - len, "%.*s=%s ", (int)id.len, (const char *)id.data,
                 t8_delivery_status_name(r->delivery_status));
        t->notify_retransmission_ms = r->requested_retransmission_ms;
    }
}

/* The ports of a ManagePortNotification, "ue1-ef2/app ..." */
static inline void told_ports(struct scef_test *t, const struct nidd_managed_ports *p)
{
    t->notify_ports[0] = 0;
    for (size_t i = 0; i < p->ports_count; i++) {
        struct t8_rds_port port;
        char id[16];
        size_t len = strlen(t->notify_ports);
        assert_true(nidd_port_id_parse(p->ports[i].self, &port));
        nidd_port_id_format(port, id);
        snprintf(t->notify_ports + len, sizeof t->notify_ports - len, "%s/%.*s ", id, (int)p->ports[i].app_id.len,
                 (const char *)p->ports[i].app_id.data);
    }
}

static inline struct bytes told_link(struct scef_test *t, const struct nidd_notification *n, struct t8_identity *id)
{
    switch (n->kind) {
    case NIDD_NOTIFICATION_UPLINK:
        *id = n->uplink.id;
        TEXT_COPY(t->notify_data, n->uplink.data);
        t->notify_port = n->uplink.rds_port;
        return n->uplink.nidd_configuration;
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
        told_status(t, n->delivery_status.delivery_status);
        t->notify_retransmission_ms = n->delivery_status.requested_retransmission_ms;
        return n->delivery_status.nidd_downlink_data_transfer;
    case NIDD_NOTIFICATION_CONFIGURATION_STATUS:
        *id = n->configuration_status.id;
        t->notify_nidd_status = n->configuration_status.status;
        t->notify_rds = n->configuration_status.rds_capability;
        t->notify_port = n->configuration_status.rds_port;
        return n->configuration_status.nidd_configuration;
    case NIDD_NOTIFICATION_GROUP_RESULT:
        told_group(t, &n->group_result);
        return n->group_result.nidd_downlink_data_transfer;
    case NIDD_NOTIFICATION_MANAGED_PORTS:
        *id = n->managed_ports.id;
        told_ports(t, &n->managed_ports);
        return n->managed_ports.nidd_configuration;
    case NIDD_NOTIFICATION_CONFIGURATION_TRIGGER:
        *id = n->configuration_trigger.id;
        return n->configuration_trigger.af_id;
    default:
        assert_int_equal(n->kind, NIDD_NOTIFICATION_TEST);
        return n->test.subscription;
    }
}

static inline void told_log(struct scef_test *t, const struct nidd_notification *n)
{
    static const char *const kinds[] = {
        [NIDD_NOTIFICATION_UPLINK] = "uplink",
        [NIDD_NOTIFICATION_DELIVERY_STATUS] = "status:",
        [NIDD_NOTIFICATION_CONFIGURATION_STATUS] = "configuration:",
        [NIDD_NOTIFICATION_TEST] = "test",
        [NIDD_NOTIFICATION_GROUP_RESULT] = "group",
        [NIDD_NOTIFICATION_MANAGED_PORTS] = "ports",
        [NIDD_NOTIFICATION_CONFIGURATION_TRIGGER] = "trigger",
    };
    static const char *const statuses[] = {"",           "ACTIVE",           "TERMINATED_UE_NOT_AUTHORIZED",
                                           "TERMINATED", "RDS_PORT_UNKNOWN", ""};
    const char *detail = "";
    if (n->kind == NIDD_NOTIFICATION_DELIVERY_STATUS)
        detail = t8_delivery_status_name(n->delivery_status.delivery_status);
    else if (n->kind == NIDD_NOTIFICATION_CONFIGURATION_STATUS)
        detail = statuses[n->configuration_status.status];
    size_t len = strlen(t->log);
    snprintf(t->log + len, sizeof t->log - len, "%s%s ", kinds[n->kind], detail);
}

/* Every body must be one that an AS understands. */
static inline void on_notify(void *ctx, uint64_t ref, const struct scef_notification *n)
{
    struct scef_test *t = ctx;
    struct nidd_notification told;
    struct t8_problem problem;
    struct t8_identity id = {0};
    t->notifications++;
    t->notify_ref = ref;
    enum error err = nidd_notification_decode(n->body, &told, &problem);
    if (err == ERR_NO_MEMORY && t->memory_is_short)
        return;
    assert_int_equal(err, OK);
    t->notify_kind = n->kind;
    t->notify_attempt = n->attempt;
    t->notify_by_websocket = n->websocket_uri != NULL;
    t->notified_uplink = told.kind == NIDD_NOTIFICATION_UPLINK;
    TEXT_COPY(t->notify_destination, bytes_of_str(n->destination));
    TEXT_COPY(t->notify_self, bytes_of_str(n->self));
    TEXT_COPY(t->notify_link, told_link(t, &told, &id));
    told_log(t, &told);
    TEXT_COPY(t->notify_external_id, id.external_id);
    TEXT_COPY(t->notify_msisdn, id.msisdn);
    nidd_notification_release(&told);
}

static inline void on_nas_event(void *ctx, uint32_t ue, bool mo, struct bytes data, const char *what)
{
    struct scef_test *t = ctx;
    (void)ue;
    (void)data;
    if (t->nas_unheard)
        return;
    size_t len = strlen(t->nas);
    assert_true(len + strlen(what) + 5 < sizeof t->nas);
    snprintf(t->nas + len, sizeof t->nas - len, "%s %s ", mo ? "mo" : "mt", what);
}

static inline struct scef_ports scef_test_ports(struct scef_test *t)
{
    return (struct scef_ports){.ctx = t,
                               .ue_deliver = on_ue_deliver,
                               .ue_trigger = on_ue_trigger,
                               .downlink_answer = on_downlink_answer,
                               .notify = on_notify,
                               .nas_event = on_nas_event};
}

static inline void scef_test_new(struct scef_test *t)
{
    struct scef_ports ports = scef_test_ports(t);
    t->now_ms = 1000000;
    assert_int_equal(scef_model_new(&t->options, &ports, t->now_ms, &t->model), OK);
}

/* UE 0: dev1@x and 491, PSM with 5 s, 100 ms one way, no faults. UE 1: only MSISDN 492, always awake. */
static inline void scef_test_subscribers(struct scef_test *t)
{
    struct scef_subscriber s = {
        .external_id = "dev1@x",
        .msisdn = "491",
        .ue = {.psm = true, .active_time_ms = 5000, .pdn_connected = true},
        .radio = {.delay_min_ms = 100, .delay_max_ms = 100},
    };
    assert_int_equal(scef_subscriber_add(t->model, &s), OK);
    s = (struct scef_subscriber){.msisdn = "492", .ue = {.pdn_connected = true}, .radio = s.radio};
    assert_int_equal(scef_subscriber_add(t->model, &s), OK);
}

/* Does all that is due until `until_ms`, each at its time. */
static inline void scef_test_run(struct scef_test *t, uint64_t until_ms)
{
    for (uint64_t next; (next = scef_next_wake(t->model)) <= until_ms;) {
        t->now_ms = next > t->now_ms ? next : t->now_ms;
        scef_wake(t->model, t->now_ms);
    }
    t->now_ms = until_ms;
}

static inline int scef_test_configure(struct scef_test *t, const char *as, const char *external_id, const char *msisdn,
                                      struct nidd_configuration *out)
{
    struct nidd_configuration c = {
        .id = {.external_id = bytes_of_str(external_id), .msisdn = bytes_of_str(msisdn)},
        .notification_destination = BYTES_LIT("http://as/t8"),
        .has_supported_features = true,
        .supported_features = 0x8c,
    };
    struct scef_answer a = scef_configuration_create(t->model, t->now_ms, bytes_of_str(as), &c, out);
    assert_int_equal(a.cause, T8_CAUSE_NONE);
    return a.http_status;
}

/* The configuration c{n} of as1 for dev1@x with these features. */
static inline void scef_test_features(struct scef_test *t, uint64_t features, struct nidd_configuration *out)
{
    struct nidd_configuration c = {.id = {.external_id = BYTES_LIT("dev1@x")},
                                   .notification_destination = BYTES_LIT("http://as/t8"),
                                   .has_supported_features = true,
                                   .supported_features = features};
    assert_int_equal(scef_configuration_create(t->model, t->now_ms, BYTES_LIT("as1"), &c, out).http_status, 201);
}

static inline void scef_test_uplink(struct scef_test *t, const char *data)
{
    scef_uplink(t->model, t->now_ms, 0, bytes_of_str(data));
    scef_test_run(t, t->now_ms + 100);
}

/* latency_s < 0: absent. */
static inline void scef_test_post(struct scef_test *t, uint64_t ref, const char *configuration, const char *data,
                                  int64_t latency_s)
{
    struct nidd_downlink d = {
        .id = {.external_id = BYTES_LIT("dev1@x")},
        .data = bytes_of_str(data),
        .has_maximum_latency = latency_s >= 0,
        .maximum_latency_s = latency_s >= 0 ? (uint32_t)latency_s : 0,
    };
    scef_downlink(t->model, t->now_ms, ref, BYTES_LIT("as1"), bytes_of_str(configuration), &d);
}

static inline void assert_answered(struct scef_test *t, uint64_t ref, int status, enum t8_cause cause)
{
    assert_int_equal(t->answers, 1);
    assert_int_equal(t->answer_ref, ref);
    assert_int_equal(t->answer_status, status);
    assert_int_equal(t->answer_cause, cause);
    t->answers = 0;
}

static inline void assert_log(struct scef_test *t, const char *kinds)
{
    assert_string_equal(t->log, kinds);
    t->log[0] = 0;
}

static inline void assert_nas(struct scef_test *t, const char *events)
{
    assert_string_equal(t->nas, events);
    t->nas[0] = 0;
}

#endif
