/* Subscriptions and what is told of them, for the tests of monitoring. */
#ifndef TESTS_SIM_MONITORING_HARNESS_H
#define TESTS_SIM_MONITORING_HARNESS_H

#include "tests/sim/scef_beside_harness.h"

#define AS1    BYTES_LIT("as1")
#define ME     "/3gpp-monitoring-event/v1/as1/subscriptions/"
#define SCHEMA "TS29122_MonitoringEvent.yaml#/components/schemas/"

/* A one-time subscription to `type` for the user or group `id`, with the type's own feature. */
static inline struct monitoring_subscription subscribe(const char *id, enum monitoring_type type)
{
    struct monitoring_subscription s = {
        .features = {true, monitoring_type_feature(type)},
        .notification_destination = BYTES_LIT("http://as/me"),
        .type = type,
        .maximum_number_of_reports = {true, 1},
    };
    if (type == MONITORING_UE_REACHABILITY)
        s.reachability = MONITORING_REACHABLE_FOR_DATA;
    if (strchr(id, '@') == NULL)
        s.id.msisdn = bytes_of_str(id);
    else if (strstr(id, "s@") != NULL || strstr(id, "all@") != NULL)
        s.id.external_group_id = bytes_of_str(id);
    else
        s.id.external_id = bytes_of_str(id);
    return s;
}

/* The same, until cancelled or n reports are told (0 = any number, for an hour). */
static inline struct monitoring_subscription subscribe_to(const char *id, enum monitoring_type type, uint32_t n)
{
    struct monitoring_subscription s = subscribe(id, type);
    s.maximum_number_of_reports = (struct t8_uint){n > 0, n};
    s.expire_ms = n > 0 ? 0 : 4600000;
    return s;
}

static inline void emit_subscription(const struct monitoring_subscription *out)
{
    struct buf body = {0};
    assert_int_equal(monitoring_subscription_encode(out, &body), OK);
    body_emit(SCHEMA "MonitoringEventSubscription", "response", buf_bytes(&body));
    buf_free(&body);
}

/* Reports as text: "[report, report]", as they are answered. */
static inline void reports_text(const struct monitoring_reports *r, char *out, size_t size)
{
    struct buf body = {0};
    assert_true(r->reports_count > 0);
    assert_int_equal(monitoring_reports_encode(r, &body), OK);
    body_emit(SCHEMA "MonitoringEventReports", "response", buf_bytes(&body));
    text_of(out, size, buf_bytes(&body));
    buf_free(&body);
}

static inline struct scef_answer create_as(struct beside_test *t, const char *as,
                                           const struct monitoring_subscription *s, struct monitoring_subscription *out,
                                           struct monitoring_reports *reports)
{
    struct scef_answer a = scef_monitoring_create(t->monitoring, t->now_ms, bytes_of_str(as), s, out, reports);
    if (a.http_status == 201)
        emit_subscription(out);
    return a;
}

static inline struct scef_answer create(struct beside_test *t, const struct monitoring_subscription *s)
{
    struct monitoring_subscription out;
    struct monitoring_reports reports;
    return create_as(t, "as1", s, &out, &reports);
}

static inline void created(struct beside_test *t, const struct monitoring_subscription *s)
{
    assert_answer(create(t, s), 201, T8_CAUSE_NONE, NULL);
}

static inline bool exists(struct beside_test *t, const char *id)
{
    struct monitoring_subscription out;
    struct scef_answer a = scef_monitoring_get(t->monitoring, t->now_ms, AS1, bytes_of_str(id), &out);
    if (a.http_status == 200)
        emit_subscription(&out);
    else
        assert_int_equal(a.http_status, 404);
    return a.http_status == 200;
}

/* One notification with these reports (JSON), and with cancelInd or not. */
static inline void assert_reported(struct beside_test *t, const char *id, const char *reports, bool cancelled)
{
    char line[4096];
    snprintf(line, sizeof line, "http://as/me {\"subscription\":\"" ME "%s\"%s%s%s%s}\n", id,
             reports[0] != 0 ? ",\"monitoringEventReports\":[" : "", reports, reports[0] != 0 ? "]" : "",
             cancelled ? ",\"cancelInd\":true" : "");
    assert_told(t, line);
    assert_int_equal(t->kind, SCEF_NOTIFY_MONITORING);
}

static inline void wake(struct beside_test *t, uint32_t ue)
{
    scef_ue_wake(t->model, t->now_ms, ue);
    beside_pass(t, 0);
}

/* A communication failure of the UE, and what is told of it in the first second of the run. */
static inline void ue_fails(struct beside_test *t, uint32_t ue)
{
    scef_ue_fail(t->model, t->now_ms, ue, &(struct scef_failure){.s1ap_cause = 1, .nas_cause = -1});
    beside_pass(t, 0);
}
#define FAILED_AT_ONCE(id)                                                                                             \
    "{\"monitoringType\":\"COMMUNICATION_FAILURE\"," id                                                                \
    ",\"eventTime\":\"1970-01-01T00:16:40Z\",\"failureCause\":{\"s1ApCause\":1}}"
#define DEV1   "\"externalId\":\"dev1@x\""
#define DEV2   "\"externalId\":\"dev2@x\""
#define BY_493 "\"msisdn\":\"493\""

#endif
