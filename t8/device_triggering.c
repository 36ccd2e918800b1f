/* DeviceTriggering, TS 29.122 clause 5.7.2.1.2. */
#include "t8/device_triggering.h"

#include "t8/device_triggering_internal.h"

static const char *const priorities[] = {
    [DEVICE_TRIGGERING_PRIORITY_UNSET] = "",
    [DEVICE_TRIGGERING_NO_PRIORITY] = "NO_PRIORITY",
    [DEVICE_TRIGGERING_PRIORITY] = "PRIORITY",
};
const struct t8_words device_triggering_priority_words = T8_WORDS(priorities);

static const char *const results[] = {
    [DEVICE_TRIGGERING_RESULT_UNSET] = "",           [DEVICE_TRIGGERING_TRIGGERED] = "TRIGGERED",
    [DEVICE_TRIGGERING_REPLACED] = "REPLACED",       [DEVICE_TRIGGERING_TERMINATE] = "TERMINATE",
    [DEVICE_TRIGGERING_SUCCESS] = "SUCCESS",         [DEVICE_TRIGGERING_UNKNOWN] = "UNKNOWN",
    [DEVICE_TRIGGERING_FAILURE] = "FAILURE",         [DEVICE_TRIGGERING_EXPIRED] = "EXPIRED",
    [DEVICE_TRIGGERING_UNCONFIRMED] = "UNCONFIRMED",
};
const struct t8_words device_triggering_result_words = T8_WORDS(results);

static const struct t8_field list[] = {
    T8_ROW("/self", TEXT, device_triggering, self),
    T8_ROW("/externalId", IDENTITY, device_triggering, id),
    T8_ROW("/supportedFeatures", FEATURES, device_triggering, features),
    T8_ROW("/validityPeriod", UINT, device_triggering, validity_period_s, .rules = T8_MANDATORY),
    T8_ROW("/priority", WORD, device_triggering, priority, .rules = T8_MANDATORY,
           .words = &device_triggering_priority_words),
    T8_ROW("/applicationPortId", PORT, device_triggering, application_port, .rules = T8_MANDATORY),
    T8_ROW("/appSrcPortId", UINT, device_triggering, source_port, .rules = T8_IS_PORT),
    T8_ROW("/triggerPayload", OCTETS, device_triggering, payload, .rules = T8_MANDATORY),
    T8_ROW("/notificationDestination", TEXT, device_triggering, notification_destination, .rules = T8_MANDATORY),
    T8_ROW("/requestTestNotification", FLAG, device_triggering, request_test_notification),
    T8_ROW("/websockNotifConfig", OBJECT, device_triggering, websocket, .of = &t8_websocket_fields),
    T8_ROW("/deliveryResult", WORD, device_triggering, result, .words = &device_triggering_result_words),
};
static const struct t8_fields fields = T8_FIELDS(list, device_triggering);

enum error device_triggering_decode_request(struct bytes body, struct device_triggering *out, struct t8_problem *p)
{
    return t8_fields_decode(&fields, T8_READ_REQUEST, body, out, &out->doc, p);
}

enum error device_triggering_decode(struct bytes body, struct device_triggering *out)
{
    return t8_fields_decode(&fields, T8_READ_ANSWER, body, out, &out->doc, NULL);
}

enum error device_triggering_encode(const struct device_triggering *t, struct buf *out)
{
    return t8_fields_encode(&fields, t, out);
}

void device_triggering_release(struct device_triggering *t)
{
    t8_fields_release(&fields, t, t->doc);
}
