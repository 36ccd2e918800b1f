/* A SCEF model with device triggering and monitoring beside it, under test. What the AS is sent is kept as text; every
 * body, of answers too, goes to the file $SCEF_BODIES, if there is one, as "schema<TAB>direction<TAB>body". */
#ifndef TESTS_SIM_SCEF_BESIDE_HARNESS_H
#define TESTS_SIM_SCEF_BESIDE_HARNESS_H

#include <stdio.h>
#include <stdlib.h>

#include "sim/scef_monitoring.h"
#include "sim/scef_triggering.h"
#include "t8/nidd_notification.h"
#include "tests/base/test.h"

struct beside_test {
    struct scef_options options;
    struct scef_triggering_options triggering_options;
    struct scef_monitoring_options monitoring_options;
    struct scef_model *model;
    struct scef_triggering *triggering;
    struct scef_monitoring *monitoring;
    uint64_t now_ms;
    bool memory_is_short;
    /* Also told of each notification; may be NULL. */
    void (*look)(struct beside_test *t, const struct scef_notification *n, const struct nidd_notification *told);

    unsigned notifications;
    char told[16384]; /* "destination body\n" ..., since the last look */
    enum scef_notification_kind kind;
    bool by_websocket;
    char self[128];

    char triggered[512]; /* "ue:port:payload " ..., since the last look */
};

static inline void text_of(char *out, size_t size, struct bytes b)
{
    snprintf(out, size, "%.*s", (int)b.len, b.len > 0 ? (const char *)b.data : "");
}

static inline void body_emit(const char *schema, const char *direction, struct bytes body)
{
    const char *path = getenv("SCEF_BODIES");
    FILE *f = path != NULL ? fopen(path, "a") : NULL;
    if (f == NULL)
        return;
    fprintf(f, "%s\t%s\t%.*s\n", schema, direction, (int)body.len, (const char *)body.data);
    fclose(f);
}

static inline const char *schema_of(enum scef_notification_kind kind)
{
    if (kind == SCEF_NOTIFY_TEST)
        return "TS29122_CommonData.yaml#/components/schemas/TestNotification";
    if (kind == SCEF_NOTIFY_MONITORING)
        return "TS29122_MonitoringEvent.yaml#/components/schemas/MonitoringNotification";
    return "TS29122_DeviceTriggering.yaml#/components/schemas/DeviceTriggeringDeliveryReportNotification";
}

/* Every body must be one that an AS understands. */
static inline void on_notify(void *ctx, uint64_t ref, const struct scef_notification *n)
{
    struct beside_test *t = ctx;
    struct nidd_notification told;
    struct t8_problem problem;
    (void)ref;
    t->notifications++;
    t->kind = n->kind;
    t->by_websocket = n->websocket_uri != NULL;
    text_of(t->self, sizeof t->self, bytes_of_str(n->self));
    if (t->memory_is_short)
        return;
    assert_int_equal(nidd_notification_decode(n->body, &told, &problem), OK);
    if (t->look != NULL)
        t->look(t, n, &told);
    nidd_notification_release(&told);
    body_emit(schema_of(n->kind), "notification", n->body);
    size_t len = strlen(t->told);
    snprintf(t->told + len, sizeof t->told - len, "%s %.*s\n", n->destination, (int)n->body.len,
             (const char *)n->body.data);
}

static inline void on_ue_trigger(void *ctx, uint32_t ue, uint16_t port, struct bytes payload)
{
    struct beside_test *t = ctx;
    size_t len = strlen(t->triggered);
    snprintf(t->triggered + len, sizeof t->triggered - len, "%u:%u:%.*s ", ue, port, (int)payload.len,
             (const char *)payload.data);
}

static inline void on_ue_deliver(void *ctx, uint32_t ue, struct bytes data, struct t8_rds_port port)
{
    (void)ctx, (void)ue, (void)data, (void)port;
}

static inline void on_downlink_answer(void *ctx, uint64_t ref, const struct scef_answer *a,
                                      const struct nidd_downlink *d)
{
    (void)ctx, (void)ref, (void)a, (void)d;
}

static inline void beside_options(struct beside_test *t)
{
    *t = (struct beside_test){.now_ms = 1000000};
    scef_options_default(&t->options);
    scef_triggering_options_default(&t->triggering_options);
    scef_monitoring_options_default(&t->monitoring_options);
}

/*  0  dev1@x, 491   PSM, listens for 5 s, shows up every 1000 s      group all@x
 *  1  dev2@x, 492   always reachable                                 group all@x
 *  2  493           PSM, listens for 5 s                             group all@x
 *  3  dev4@x        always reachable; as2's only                     groups all@x, as2s@x
 *  100 ms one way, no faults. */
static inline enum error beside_subscribers(struct beside_test *t)
{
    static const char *const all[] = {"all@x"}, *const as2s[] = {"all@x", "as2s@x"}, *const as2[] = {"as2"};
    const struct ue_profile psm = {.psm = true, .active_time_ms = 5000, .pdn_connected = true};
    struct ue_profile tau = psm;
    tau.tau_period_ms = 1000000;
    const struct radio_profile radio = {.delay_min_ms = 100, .delay_max_ms = 100};
    const struct scef_plmn home = {"262", "01"};
    const struct scef_subscriber subscribers[] = {
        {.external_id = "dev1@x", .msisdn = "491", .ue = tau, .groups = all, .groups_count = 1},
        {.external_id = "dev2@x", .msisdn = "492", .ue = {.pdn_connected = true}, .groups = all, .groups_count = 1},
        {.msisdn = "493", .ue = psm, .groups = all, .groups_count = 1},
        {.external_id = "dev4@x",
         .ue = {.pdn_connected = true},
         .groups = as2s,
         .groups_count = 2,
         .scs_as_ids = as2,
         .scs_as_ids_count = 1},
    };
    enum error err = OK;
    for (size_t i = 0; i < sizeof subscribers / sizeof *subscribers && !err; i++) {
        struct scef_subscriber s = subscribers[i];
        s.radio = radio;
        s.home_plmn = home;
        err = scef_subscriber_add(t->model, &s);
    }
    for (const char *as = "as1"; as != NULL && !err; as = strcmp(as, "as1") == 0 ? "as2" : NULL)
        err = scef_as_add(t->model, &(struct scef_as){.id = as});
    return err;
}

static inline enum error beside_begin(struct beside_test *t)
{
    struct scef_ports ports = {.ctx = t,
                               .ue_deliver = on_ue_deliver,
                               .ue_trigger = on_ue_trigger,
                               .downlink_answer = on_downlink_answer,
                               .notify = on_notify};
    enum error err = scef_model_new(&t->options, &ports, t->now_ms, &t->model);
    if (!err)
        err = beside_subscribers(t);
    if (!err)
        err = scef_triggering_new(&t->triggering_options, t->model, t->now_ms, &t->triggering);
    if (!err)
        err = scef_monitoring_new(&t->monitoring_options, t->model, t->now_ms, &t->monitoring);
    return err;
}

static inline void beside_end(struct beside_test *t)
{
    scef_monitoring_free(t->monitoring);
    scef_triggering_free(t->triggering);
    scef_model_free(t->model);
}

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Does all that is due until `until_ms`, each at its time. */
static inline void beside_run(struct beside_test *t, uint64_t until_ms)
{
    for (;;) {
        uint64_t next = least(scef_next_wake(t->model), least(scef_triggering_next_wake(t->triggering),
                                                              scef_monitoring_next_wake(t->monitoring)));
        if (next > until_ms)
            break;
        t->now_ms = next > t->now_ms ? next : t->now_ms;
        scef_wake(t->model, t->now_ms);
        scef_triggering_wake(t->triggering, t->now_ms);
        scef_monitoring_wake(t->monitoring, t->now_ms);
    }
    t->now_ms = until_ms;
}

static inline void beside_pass(struct beside_test *t, uint64_t ms)
{
    beside_run(t, t->now_ms + ms);
}

/* All that was told since the last look; each notification a line. */
static inline void assert_told(struct beside_test *t, const char *text)
{
    assert_string_equal(t->told, text);
    t->told[0] = 0;
}

static inline void assert_triggered(struct beside_test *t, const char *text)
{
    assert_string_equal(t->triggered, text);
    t->triggered[0] = 0;
}

static inline void assert_answer(struct scef_answer a, int http_status, enum t8_cause cause, const char *param)
{
    assert_int_equal(a.http_status, http_status);
    assert_int_equal(a.cause, cause);
    if (param == NULL)
        assert_null(a.invalid_param);
    else
        assert_string_equal(a.invalid_param, param);
}

#endif
