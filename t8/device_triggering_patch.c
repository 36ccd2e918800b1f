/* DeviceTriggeringPatch, TS 29.122 clause 5.7.2.1.4. */
#include "t8/device_triggering_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/validityPeriod", UINT, device_triggering_patch, validity_period_s),
    T8_ROW("/priority", WORD, device_triggering_patch, priority, .words = &device_triggering_priority_words),
    T8_ROW("/applicationPortId", UINT, device_triggering_patch, application_port, .rules = T8_IS_PORT),
    T8_ROW("/appSrcPortId", UINT, device_triggering_patch, source_port, .rules = T8_IS_PORT),
    T8_ROW("/triggerPayload", OCTETS, device_triggering_patch, payload),
    T8_ROW("/notificationDestination", TEXT, device_triggering_patch, notification_destination),
    T8_ROW("/requestTestNotification", FLAG, device_triggering_patch, request_test_notification),
    T8_ROW("/websockNotifConfig", OBJECT, device_triggering_patch, websocket, .of = &t8_websocket_fields),
};
static const struct t8_fields fields = T8_FIELDS(list, device_triggering_patch);

enum error device_triggering_patch_decode_request(struct bytes body, struct device_triggering_patch *out,
                                                  struct t8_problem *p)
{
    return t8_fields_decode(&fields, T8_READ_REQUEST, body, out, &out->doc, p);
}

enum error device_triggering_patch_encode(const struct device_triggering_patch *t, struct buf *out)
{
    return t8_fields_encode(&fields, t, out);
}

void device_triggering_patch_release(struct device_triggering_patch *t)
{
    t8_fields_release(&fields, t, t->doc);
}
