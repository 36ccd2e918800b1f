/* Device triggering at the SCEF, in virtual time. */
#include "tests/sim/scef_beside_harness.h"

#define AS1 BYTES_LIT("as1")
#define DT  "/3gpp-device-triggering/v1/as1/transactions/"

static void begin(struct beside_test *t)
{
    assert_int_equal(beside_begin(t), OK);
}

/* For the user `id`: an External Identifier if it has an '@', else an MSISDN. */
static struct device_triggering trigger(const char *id, uint32_t validity_s, const char *payload)
{
    struct device_triggering d = {
        .validity_period_s = {true, validity_s},
        .priority = DEVICE_TRIGGERING_NO_PRIORITY,
        .application_port = 5683,
        .payload = {.present = true, .bytes = bytes_of_str(payload)},
        .notification_destination = BYTES_LIT("http://as/dt"),
    };
    *(strchr(id, '@') != NULL ? &d.id.external_id : &d.id.msisdn) = bytes_of_str(id);
    return d;
}

static void emit(const struct device_triggering *out)
{
    struct buf body = {0};
    assert_int_equal(device_triggering_encode(out, &body), OK);
    body_emit("TS29122_DeviceTriggering.yaml#/components/schemas/DeviceTriggering", "response", buf_bytes(&body));
    buf_free(&body);
}

static int create(struct beside_test *t, const struct device_triggering *d)
{
    struct device_triggering out;
    struct scef_answer a = scef_triggering_create(t->triggering, t->now_ms, AS1, d, &out);
    if (a.http_status == 201) {
        emit(&out);
        assert_int_equal(out.result, DEVICE_TRIGGERING_TRIGGERED);
    }
    return a.http_status;
}

static int submit(struct beside_test *t, const char *id, uint32_t validity_s, const char *payload)
{
    struct device_triggering d = trigger(id, validity_s, payload);
    return create(t, &d);
}

/* The result that a GET shows; UNSET when there is no such transaction. */
static enum device_triggering_result shown(struct beside_test *t, const char *id)
{
    struct device_triggering out;
    struct scef_answer a = scef_triggering_get(t->triggering, t->now_ms, AS1, bytes_of_str(id), &out);
    if (a.http_status == 404)
        return DEVICE_TRIGGERING_RESULT_UNSET;
    assert_int_equal(a.http_status, 200);
    emit(&out);
    return out.result;
}

static int recall(struct beside_test *t, const char *id, enum t8_cause *cause)
{
    struct device_triggering out;
    struct scef_answer a = scef_triggering_recall(t->triggering, t->now_ms, AS1, bytes_of_str(id), &out);
    *cause = a.cause;
    if (a.http_status == 200) {
        emit(&out);
        assert_int_equal(out.result, DEVICE_TRIGGERING_TERMINATE);
    }
    return a.http_status;
}

static void told_result(struct beside_test *t, const char *id, const char *result)
{
    char line[256];
    snprintf(line, sizeof line, "http://as/dt {\"transaction\":\"" DT "%s\",\"result\":\"%s\"}\n", id, result);
    assert_told(t, line);
}

static void delivered(void **state)
{
    (void)state;
    struct beside_test t;
    struct device_triggering d = trigger("dev2@x", 60, "up"), out;
    beside_options(&t);
    begin(&t);
    d.features = (struct t8_features){true, 0xff};
    d.source_port = (struct t8_uint){true, 7};
    assert_answer(scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out), 201, T8_CAUSE_NONE, NULL);
    assert_bytes_str(out.self, DT "t1");
    assert_bytes_str(out.id.external_id, "dev2@x");
    assert_int_equal(out.id.msisdn.len, 0);
    assert_int_equal(out.result, DEVICE_TRIGGERING_TRIGGERED);
    assert_int_equal(out.validity_period_s.value, 60);
    assert_int_equal(out.priority, DEVICE_TRIGGERING_NO_PRIORITY);
    assert_int_equal(out.application_port, 5683);
    assert_int_equal(out.source_port.value, 7);
    assert_bytes_str(out.payload.bytes, "up");
    assert_bytes_str(out.notification_destination, "http://as/dt");
    assert_int_equal(out.features.bits, DEVICE_TRIGGERING_FEATURE_TEST | DEVICE_TRIGGERING_FEATURE_PATCH);
    assert_false(out.websocket.present);
    emit(&out);
    assert_told(&t, "");
    beside_pass(&t, 99);
    assert_triggered(&t, "");
    beside_pass(&t, 1);
    assert_triggered(&t, "1:5683:up ");
    told_result(&t, "t1", "SUCCESS");
    assert_int_equal(t.kind, SCEF_NOTIFY_TRIGGER_REPORT);
    assert_string_equal(t.self, DT "t1");
    assert_int_equal(shown(&t, "t1"), DEVICE_TRIGGERING_SUCCESS);
    beside_pass(&t, 3599999);
    assert_int_equal(shown(&t, "t1"), DEVICE_TRIGGERING_SUCCESS);
    beside_pass(&t, 1);
    assert_int_equal(shown(&t, "t1"), DEVICE_TRIGGERING_RESULT_UNSET);
    assert_int_equal(scef_triggering_totals_of(t.triggering)->transactions, 0);
    assert_int_equal(scef_triggering_totals_of(t.triggering)->success, 1);
    beside_end(&t);
}

static void waits_for_the_ue(void **state)
{
    (void)state;
    struct beside_test t;
    beside_options(&t);
    begin(&t);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 2, false);
    assert_int_equal(submit(&t, "493", 60, "up"), 201);
    beside_pass(&t, 30000);
    assert_triggered(&t, "");
    assert_int_equal(shown(&t, "t1"), DEVICE_TRIGGERING_TRIGGERED);
    scef_ue_wake(t.model, t.now_ms, 2);
    beside_pass(&t, 100);
    assert_triggered(&t, "2:5683:up ");
    told_result(&t, "t1", "SUCCESS");
    struct scef_ue_state ue;
    assert_true(scef_ue_state(t.model, t.now_ms, 2, &ue));
    assert_true(ue.pdn_connected); /* what the trigger is for */
    beside_end(&t);
}

static void validity_ends(void **state)
{
    (void)state;
    struct beside_test t;
    beside_options(&t);
    t.triggering_options.max_validity_s = 10;
    begin(&t);
    assert_int_equal(submit(&t, "dev1@x", 5, "short"), 201);
    assert_int_equal(submit(&t, "dev1@x", 3600, "long"), 201); /* waits behind, and is cut to 10 s */
    beside_pass(&t, 4999);
    assert_told(&t, "");
    beside_pass(&t, 1);
    told_result(&t, "t1", "EXPIRED");
    assert_int_equal(shown(&t, "t1"), DEVICE_TRIGGERING_EXPIRED);
    beside_pass(&t, 4999);
    assert_told(&t, "");
    beside_pass(&t, 1);
    told_result(&t, "t2", "EXPIRED");
    enum t8_cause cause;
    assert_int_equal(recall(&t, "t2", &cause), 404);
    assert_int_equal(cause, T8_CAUSE_NONE); /* it was not delivered */
    scef_ue_wake(t.model, t.now_ms, 0);
    beside_pass(&t, 1000);
    assert_triggered(&t, "");
    assert_int_equal(scef_triggering_totals_of(t.triggering)->pending, 0);
    assert_int_equal(scef_triggering_totals_of(t.triggering)->expired, 2);
    beside_end(&t);
}

static void one_attempt(void **state)
{
    (void)state;
    struct beside_test t;
    beside_options(&t);
    begin(&t);
    assert_int_equal(submit(&t, "dev1@x", 0, "asleep"), 201);
    assert_told(&t, "");
    beside_pass(&t, 0);
    told_result(&t, "t1", "FAILURE");
    assert_int_equal(submit(&t, "dev2@x", 0, "awake"), 201);
    beside_pass(&t, 100);
    assert_triggered(&t, "1:5683:awake ");
    told_result(&t, "t2", "SUCCESS");
    beside_end(&t);
}

static void priority_first(void **state)
{
    (void)state;
    struct beside_test t;
    struct device_triggering urgent = trigger("dev1@x", 60, "c");
    urgent.priority = DEVICE_TRIGGERING_PRIORITY;
    beside_options(&t);
    begin(&t);
    assert_int_equal(submit(&t, "dev1@x", 60, "a"), 201);
    assert_int_equal(submit(&t, "dev1@x", 60, "b"), 201);
    assert_int_equal(create(&t, &urgent), 201);
    urgent.payload.bytes = BYTES_LIT("d");
    assert_int_equal(create(&t, &urgent), 201);
    scef_ue_wake(t.model, t.now_ms, 0);
    beside_pass(&t, 4000);
    assert_triggered(&t, "0:5683:c 0:5683:d 0:5683:a 0:5683:b ");
    assert_int_equal(scef_triggering_totals_of(t.triggering)->success, 4);
    beside_end(&t);
}

static void on_the_radio_nothing_overtakes(void **state)
{
    (void)state;
    struct beside_test t;
    struct device_triggering urgent = trigger("dev2@x", 60, "b");
    urgent.priority = DEVICE_TRIGGERING_PRIORITY;
    beside_options(&t);
    begin(&t);
    assert_int_equal(submit(&t, "dev2@x", 60, "a"), 201);
    assert_int_equal(create(&t, &urgent), 201);
    beside_pass(&t, 1000);
    assert_triggered(&t, "1:5683:a 1:5683:b ");
    beside_end(&t);
}

static struct scef_answer replace(struct beside_test *t, const char *id, const struct device_triggering *d)
{
    struct device_triggering out;
    struct scef_answer a = scef_triggering_replace(t->triggering, t->now_ms, AS1, bytes_of_str(id), d, &out);
    if (a.http_status == 200) {
        emit(&out);
        assert_int_equal(out.result, DEVICE_TRIGGERING_REPLACED);
        assert_true(bytes_equal(out.payload.bytes, d->payload.bytes));
    }
    return a;
}

static void replaced_while_pending(void **state)
{
    (void)state;
    struct beside_test t;
    struct device_triggering other = trigger("dev1@x", 100, "new"), stranger = trigger("dev2@x", 1, "x"),
                             by_msisdn = trigger("491", 100, "newer"), nobody = trigger("nobody@x", 1, "x");
    beside_options(&t);
    begin(&t);
    assert_int_equal(submit(&t, "dev1@x", 10, "old"), 201);
    assert_int_equal(submit(&t, "dev1@x", 10, "other"), 201);
    assert_answer(replace(&t, "t3", &other), 404, T8_CAUSE_NONE, NULL);
    assert_answer(replace(&t, "t1", &stranger), 400, T8_CAUSE_NONE, "/externalId");
    assert_answer(replace(&t, "t1", &nobody), 400, T8_CAUSE_NONE, "/externalId");
    beside_pass(&t, 5000);
    assert_answer(replace(&t, "t1", &other), 200, T8_CAUSE_NONE, NULL);
    assert_answer(replace(&t, "t1", &by_msisdn), 200, T8_CAUSE_NONE, NULL); /* the same user */
    assert_int_equal(shown(&t, "t1"), DEVICE_TRIGGERING_REPLACED);
    beside_pass(&t, 10000);
    told_result(&t, "t2", "EXPIRED"); /* the replaced one's validity began anew */
    scef_ue_wake(t.model, t.now_ms, 0);
    beside_pass(&t, 50);
    assert_answer(replace(&t, "t1", &other), 409, T8_CAUSE_SENDING, NULL);
    beside_pass(&t, 50);
    assert_triggered(&t, "0:5683:newer ");
    told_result(&t, "t1", "SUCCESS");
    assert_answer(replace(&t, "t1", &other), 404, T8_CAUSE_ALREADY_DELIVERED, NULL);
    beside_end(&t);
}

static void patched_by_feature_3(void **state)
{
    (void)state;
    struct beside_test t;
    struct device_triggering d = trigger("dev1@x", 10, "old"), out;
    struct device_triggering_patch p = {
        .payload = {.present = true, .bytes = BYTES_LIT("new")},
        .application_port = {true, 5684},
        .validity_period_s = {true, 100},
    };
    struct device_triggering_patch rest = {
        .priority = DEVICE_TRIGGERING_PRIORITY,
        .source_port = {true, 9},
        .notification_destination = BYTES_LIT("http://as/other"),
    };
    beside_options(&t);
    begin(&t);
    assert_int_equal(create(&t, &d), 201);
    d.features = (struct t8_features){true, DEVICE_TRIGGERING_FEATURE_PATCH};
    assert_int_equal(create(&t, &d), 201);
    assert_answer(scef_triggering_patch(t.triggering, t.now_ms, AS1, BYTES_LIT("t1"), &p, &out), 403,
                  T8_CAUSE_OPERATION_PROHIBITED, NULL);
    assert_answer(scef_triggering_patch(t.triggering, t.now_ms, AS1, BYTES_LIT("t9"), &p, &out), 404, T8_CAUSE_NONE,
                  NULL);
    assert_answer(scef_triggering_patch(t.triggering, t.now_ms, AS1, BYTES_LIT("t2"), &p, &out), 200, T8_CAUSE_NONE,
                  NULL);
    emit(&out);
    assert_int_equal(out.result, DEVICE_TRIGGERING_REPLACED);
    assert_bytes_str(out.payload.bytes, "new");
    assert_bytes_str(out.notification_destination, "http://as/dt");
    assert_answer(scef_triggering_patch(t.triggering, t.now_ms, AS1, BYTES_LIT("t2"), &rest, &out), 200, T8_CAUSE_NONE,
                  NULL);
    assert_bytes_str(out.payload.bytes, "new");
    assert_int_equal(out.validity_period_s.value, 100);
    assert_int_equal(out.priority, DEVICE_TRIGGERING_PRIORITY);
    assert_int_equal(out.source_port.value, 9);
    beside_pass(&t, 10000);
    told_result(&t, "t1", "EXPIRED");
    scef_ue_wake(t.model, t.now_ms, 0);
    beside_pass(&t, 100);
    assert_triggered(&t, "0:5684:new ");
    assert_told(&t, "http://as/other {\"transaction\":\"" DT "t2\",\"result\":\"SUCCESS\"}\n");
    assert_answer(scef_triggering_patch(t.triggering, t.now_ms, AS1, BYTES_LIT("t2"), &p, &out), 404,
                  T8_CAUSE_ALREADY_DELIVERED, NULL);
    beside_end(&t);
}

static void recalled(void **state)
{
    (void)state;
    struct beside_test t;
    enum t8_cause cause;
    struct device_triggering out;
    beside_options(&t);
    begin(&t);
    assert_int_equal(submit(&t, "dev1@x", 60, "a"), 201);
    assert_int_equal(submit(&t, "dev1@x", 60, "b"), 201);
    assert_int_equal(submit(&t, "dev1@x", 60, "c"), 201);
    assert_int_equal(recall(&t, "t1", &cause), 200); /* the SMS service has it */
    assert_int_equal(recall(&t, "t3", &cause), 200); /* in the queue */
    assert_int_equal(recall(&t, "t1", &cause), 404);
    assert_int_equal(cause, T8_CAUSE_NONE);
    assert_answer(scef_triggering_recall(t.triggering, t.now_ms, BYTES_LIT("as2"), BYTES_LIT("t2"), &out), 404,
                  T8_CAUSE_NONE, NULL);
    assert_int_equal(shown(&t, "t1"), DEVICE_TRIGGERING_RESULT_UNSET);
    scef_ue_wake(t.model, t.now_ms, 0);
    beside_pass(&t, 50);
    assert_int_equal(recall(&t, "t2", &cause), 409);
    assert_int_equal(cause, T8_CAUSE_SENDING);
    beside_pass(&t, 60000);
    assert_triggered(&t, "0:5683:b ");
    told_result(&t, "t2", "SUCCESS");
    assert_int_equal(recall(&t, "t2", &cause), 404);
    assert_int_equal(cause, T8_CAUSE_ALREADY_DELIVERED);
    assert_int_equal(scef_triggering_totals_of(t.triggering)->recalled, 2);
    assert_int_equal(scef_triggering_totals_of(t.triggering)->transactions, 1);
    beside_end(&t);
}

static void refusals(void **state)
{
    (void)state;
    struct beside_test t;
    struct device_triggering d = trigger("nobody@x", 60, "a"), out;
    beside_options(&t);
    begin(&t);
    assert_answer(scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out), 404, T8_CAUSE_UE_NOT_FOUND, NULL);
    d = trigger("dev4@x", 60, "a");
    assert_answer(scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out), 403, T8_CAUSE_NONE, NULL);
    assert_answer(scef_triggering_create(t.triggering, t.now_ms, BYTES_LIT("as3"), &d, &out), 404, T8_CAUSE_NONE, NULL);
    assert_answer(scef_triggering_create(t.triggering, t.now_ms, BYTES_LIT("as2"), &d, &out), 201, T8_CAUSE_NONE, NULL);
    assert_answer(scef_triggering_get(t.triggering, t.now_ms, AS1, BYTES_LIT("t1"), &out), 404, T8_CAUSE_NONE, NULL);
    d = trigger("dev2@x", 60, "a");
    d.websocket = (struct t8_websocket){.present = true, .uri = BYTES_LIT("ws://mine")};
    assert_answer(scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out), 400, T8_CAUSE_NONE,
                  "/websockNotifConfig/websocketUri");
    assert_int_equal(scef_triggering_totals_of(t.triggering)->accepted, 1);
    assert_told(&t, "");
    beside_end(&t);
}

static void quota_and_rate(void **state)
{
    (void)state;
    struct beside_test t;
    struct device_triggering d = trigger("dev2@x", 60, "a"), out;
    beside_options(&t);
    t.triggering_options.quota = (struct scef_limit){3, 3600};
    t.triggering_options.rate = (struct scef_limit){2, 10};
    begin(&t);
    assert_int_equal(create(&t, &d), 201);
    beside_pass(&t, 2500);
    assert_int_equal(create(&t, &d), 201);
    struct scef_answer a = scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out);
    assert_answer(a, 429, T8_CAUSE_NONE, NULL);
    assert_int_equal(a.retry_after_s, 8);
    assert_int_equal(scef_triggering_create(t.triggering, t.now_ms, BYTES_LIT("as2"), &d, &out).http_status, 201);
    beside_pass(&t, 7500);
    assert_int_equal(create(&t, &d), 201);
    a = scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out);
    assert_answer(a, 403, T8_CAUSE_QUOTA_EXCEEDED, NULL);
    assert_int_equal(a.retry_after_s, 3590);
    beside_pass(&t, 3590000);
    assert_int_equal(create(&t, &d), 201);
    beside_end(&t);
}

static void test_and_websocket(void **state)
{
    (void)state;
    struct beside_test t;
    struct device_triggering d = trigger("dev1@x", 60, "a"), out;
    d.features = (struct t8_features){true, 0x7};
    d.request_test_notification = T8_FLAG_TRUE;
    d.websocket = (struct t8_websocket){.present = true, .request_uri = T8_FLAG_TRUE};
    beside_options(&t);
    t.triggering_options.websocket_root = "ws://scef/ws";
    begin(&t);
    assert_answer(scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out), 201, T8_CAUSE_NONE, NULL);
    assert_told(&t, "http://as/dt {\"subscription\":\"" DT "t1\"}\n");
    assert_true(t.by_websocket);
    assert_int_equal(t.kind, SCEF_NOTIFY_TEST);
    assert_int_equal(out.request_test_notification, T8_FLAG_TRUE);
    assert_bytes_str(out.websocket.uri, "ws://scef/ws" DT "t1");
    emit(&out);
    assert_answer(replace(&t, "t1", &d), 400, T8_CAUSE_NONE, "/websockNotifConfig/requestWebsocketUri");
    d.websocket.present = false;
    assert_answer(replace(&t, "t1", &d), 200, T8_CAUSE_NONE, NULL);
    assert_told(&t, "http://as/dt {\"subscription\":\"" DT "t1\"}\n");
    d.request_test_notification = T8_FLAG_FALSE;
    assert_answer(replace(&t, "t1", &d), 200, T8_CAUSE_NONE, NULL);
    scef_ue_wake(t.model, t.now_ms, 0);
    beside_pass(&t, 50);
    beside_pass(&t, 50);
    told_result(&t, "t1", "SUCCESS");
    assert_true(t.by_websocket);
    /* a WebSocket asked for later, and not granted while the SMS is on the radio */
    d = trigger("dev2@x", 60, "a");
    d.features = (struct t8_features){true, 0x7};
    assert_int_equal(create(&t, &d), 201);
    d.websocket = (struct t8_websocket){.present = true, .request_uri = T8_FLAG_TRUE};
    assert_answer(replace(&t, "t2", &d), 409, T8_CAUSE_SENDING, NULL);
    beside_pass(&t, 100);
    assert_false(t.by_websocket);
    told_result(&t, "t2", "SUCCESS");
    /* what was not agreed upon is ignored */
    d = trigger("dev1@x", 60, "a");
    d.features = (struct t8_features){true, DEVICE_TRIGGERING_FEATURE_WEBSOCKET};
    d.request_test_notification = T8_FLAG_TRUE;
    d.websocket = (struct t8_websocket){.present = true, .request_uri = T8_FLAG_TRUE};
    assert_answer(scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out), 201, T8_CAUSE_NONE, NULL);
    assert_int_equal(out.request_test_notification, T8_FLAG_UNSET);
    assert_false(out.websocket.present);
    assert_told(&t, "");
    beside_end(&t);
}

/* The one result there is when the SMS service always behaves so. */
static void service_result(double unconfirmed, double failure, double unknown, const char *triggered,
                           const char *result)
{
    struct beside_test t;
    enum t8_cause cause;
    beside_options(&t);
    t.triggering_options.unconfirmed = unconfirmed;
    t.triggering_options.failure = failure;
    t.triggering_options.unknown = unknown;
    begin(&t);
    assert_int_equal(submit(&t, "dev2@x", 60, "a"), 201);
    assert_int_equal(recall(&t, "t1", &cause), 409);
    assert_told(&t, "");
    beside_pass(&t, 100);
    assert_triggered(&t, triggered);
    told_result(&t, "t1", result);
    assert_int_equal(scef_triggering_totals_of(t.triggering)->pending, 0);
    beside_end(&t);
}

static void unsure_services(void **state)
{
    (void)state;
    service_result(1, 0, 0, "1:5683:a ", "UNCONFIRMED");
    service_result(0, 1, 0, "", "FAILURE");
    service_result(0, 0, 1, "", "UNKNOWN");
}

/* How often each result comes of 1000, by this seed. */
static void dice(void **state)
{
    (void)state;
    struct beside_test t;
    beside_options(&t);
    t.triggering_options.unconfirmed = 0.2;
    t.triggering_options.failure = 0.1;
    t.triggering_options.unknown = 0.1;
    begin(&t);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(submit(&t, "dev2@x", 600, "a"), 201);
        beside_pass(&t, 200);
        t.told[0] = t.triggered[0] = 0;
    }
    const struct scef_triggering_totals *n = scef_triggering_totals_of(t.triggering);
    assert_int_equal(n->success + n->failure + n->unknown + n->unconfirmed, 1000);
    assert_in_range(n->failure, 70, 130);
    assert_in_range(n->unknown, 70, 130);
    assert_in_range(n->unconfirmed, 120, 200);
    beside_end(&t);
}

static void lost_on_the_radio(void **state)
{
    (void)state;
    struct beside_test t;
    beside_options(&t);
    begin(&t);
    struct scef_subscriber s = {.external_id = "far@x", .ue = {.pdn_connected = true}, .radio = {.loss = 1}};
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    assert_int_equal(submit(&t, "far@x", 60, "a"), 201);
    assert_int_equal(submit(&t, "far@x", 0, "b"), 201);
    beside_pass(&t, 100);
    told_result(&t, "t2", "FAILURE");
    beside_pass(&t, 60000);
    told_result(&t, "t1", "EXPIRED");
    assert_triggered(&t, "");
    beside_end(&t);
}

static unsigned listed(struct beside_test *t, struct bytes as)
{
    uint64_t cursor = 0;
    struct device_triggering out;
    unsigned count = 0;
    while (scef_triggering_next(t->triggering, t->now_ms, as, &cursor, &out)) {
        emit(&out);
        count++;
    }
    return count;
}

static void list_and_restart(void **state)
{
    (void)state;
    struct beside_test t;
    enum t8_cause cause;
    struct device_triggering d = trigger("dev2@x", 60, "x"), out;
    beside_options(&t);
    begin(&t);
    assert_int_equal(listed(&t, AS1), 0);
    assert_int_equal(submit(&t, "dev1@x", 60, "a"), 201);
    assert_int_equal(submit(&t, "dev1@x", 60, "b"), 201);
    assert_int_equal(submit(&t, "dev2@x", 60, "c"), 201);
    assert_int_equal(scef_triggering_create(t.triggering, t.now_ms, BYTES_LIT("as2"), &d, &out).http_status, 201);
    assert_int_equal(listed(&t, AS1), 3);
    assert_int_equal(listed(&t, BYTES_LIT("as2")), 1);
    assert_int_equal(recall(&t, "t1", &cause), 200);
    assert_int_equal(listed(&t, AS1), 2);
    scef_triggering_restart(t.triggering, t.now_ms);
    assert_int_equal(listed(&t, AS1), 0);
    scef_ue_wake(t.model, t.now_ms, 0);
    beside_pass(&t, 100000);
    assert_told(&t, "");
    assert_triggered(&t, "1:5683:c "); /* was on the radio: nobody is told */
    assert_int_equal(submit(&t, "dev2@x", 60, "e"), 201);
    beside_pass(&t, 100);
    assert_triggered(&t, "1:5683:e ");
    told_result(&t, "t5", "SUCCESS");
    beside_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivered),
        cmocka_unit_test(waits_for_the_ue),
        cmocka_unit_test(validity_ends),
        cmocka_unit_test(one_attempt),
        cmocka_unit_test(priority_first),
        cmocka_unit_test(on_the_radio_nothing_overtakes),
        cmocka_unit_test(replaced_while_pending),
        cmocka_unit_test(patched_by_feature_3),
        cmocka_unit_test(recalled),
        cmocka_unit_test(refusals),
        cmocka_unit_test(quota_and_rate),
        cmocka_unit_test(test_and_websocket),
        cmocka_unit_test(unsure_services),
        cmocka_unit_test(dice),
        cmocka_unit_test(lost_on_the_radio),
        cmocka_unit_test(list_and_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
