/* DeviceTriggeringDeliveryReportNotification, TS 29.122 clause 5.7.2.1.3. */
#include "t8/device_triggering_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/transaction", TEXT, device_triggering_report, transaction, .rules = T8_MANDATORY),
    T8_ROW("/result", WORD, device_triggering_report, result, .rules = T8_MANDATORY,
           .words = &device_triggering_result_words),
    T8_ROW("/result", TEXT, device_triggering_report, result_text, .rules = T8_DECODE_ONLY),
};
const struct t8_fields device_triggering_report_fields = T8_FIELDS(list, device_triggering_report);

enum error device_triggering_report_encode(const struct device_triggering_report *r, struct buf *out)
{
    return t8_fields_encode(&device_triggering_report_fields, r, out);
}
