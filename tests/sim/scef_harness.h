/* A SCEF model under test: what came out of its ports, copied. */
#ifndef TESTS_SIM_SCEF_HARNESS_H
#define TESTS_SIM_SCEF_HARNESS_H

#include <stdio.h>

#include "sim/scef_model.h"
#include "tests/base/test.h"

struct scef_test {
    struct scef_model *model;
    uint64_t now_ms;
    struct scef_options options;

    unsigned delivered;
    uint32_t delivered_ue;
    char delivered_data[64];

    unsigned answers;
    uint64_t answer_ref;
    int answer_status;
    enum t8_cause answer_cause;
    enum t8_delivery_status answer_delivery;
    char answer_self[128];
    char answer_id[64];
    uint64_t answer_retransmission_ms;

    unsigned notifications;
    bool notified_uplink;
    uint64_t notify_ref;
    char notify_destination[64], notify_link[128], notify_data[64], notify_external_id[64], notify_msisdn[32];
    enum t8_delivery_status notify_status;

    char nas[256]; /* "mo sent " ... since the last look */
};

static inline void text_copy(char *out, size_t size, struct bytes b)
{
    assert_true(b.len < size);
    if (b.len > 0)
        memcpy(out, b.data, b.len);
    out[b.len] = 0;
}
#define TEXT_COPY(out, b) text_copy((out), sizeof(out), (b))

static inline void on_ue_deliver(void *ctx, uint32_t ue, struct bytes data)
{
    struct scef_test *t = ctx;
    t->delivered++;
    t->delivered_ue = ue;
    TEXT_COPY(t->delivered_data, data);
}

static inline void on_downlink_answer(void *ctx, uint64_t ref, int status, enum t8_cause cause,
                                      const struct nidd_downlink *d, uint64_t retransmission_ms)
{
    struct scef_test *t = ctx;
    t->answers++;
    t->answer_ref = ref;
    t->answer_status = status;
    t->answer_cause = cause;
    assert_int_equal(d != NULL, status == 200 || status == 201);
    t->answer_delivery = d != NULL ? d->delivery_status : T8_DELIVERY_UNSET;
    TEXT_COPY(t->answer_self, d != NULL ? d->self : (struct bytes){0});
    TEXT_COPY(t->answer_id, d != NULL ? d->id.external_id : (struct bytes){0});
    t->answer_retransmission_ms = retransmission_ms;
}

static inline void notified(struct scef_test *t, uint64_t ref, const char *destination, struct bytes link)
{
    t->notifications++;
    t->notify_ref = ref;
    TEXT_COPY(t->notify_destination, bytes_of_str(destination));
    TEXT_COPY(t->notify_link, link);
}

static inline void on_notify_uplink(void *ctx, uint64_t ref, const char *destination, const struct nidd_uplink *u)
{
    struct scef_test *t = ctx;
    notified(t, ref, destination, u->nidd_configuration);
    t->notified_uplink = true;
    TEXT_COPY(t->notify_data, u->data);
    TEXT_COPY(t->notify_external_id, u->id.external_id);
    TEXT_COPY(t->notify_msisdn, u->id.msisdn);
}

static inline void on_notify_delivery_status(void *ctx, uint64_t ref, const char *destination,
                                             const struct nidd_delivery_status *s)
{
    struct scef_test *t = ctx;
    notified(t, ref, destination, s->nidd_downlink_data_transfer);
    t->notified_uplink = false;
    t->notify_status = s->delivery_status;
}

static inline void on_nas_event(void *ctx, uint32_t ue, bool mo, struct bytes data, const char *what)
{
    struct scef_test *t = ctx;
    (void)ue;
    (void)data;
    size_t len = strlen(t->nas);
    assert_true(len + strlen(what) + 5 < sizeof t->nas);
    snprintf(t->nas + len, sizeof t->nas - len, "%s %s ", mo ? "mo" : "mt", what);
}

static inline void scef_test_new(struct scef_test *t)
{
    struct scef_ports ports = {
        t, on_ue_deliver, on_downlink_answer, on_notify_uplink, on_notify_delivery_status, on_nas_event};
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
    enum t8_cause cause;
    int status = scef_configuration_create(t->model, t->now_ms, bytes_of_str(as), &c, out, &cause);
    assert_int_equal(cause, T8_CAUSE_NONE);
    return status;
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

static inline void assert_nas(struct scef_test *t, const char *events)
{
    assert_string_equal(t->nas, events);
    t->nas[0] = 0;
}

#endif
