/* NiddDownlinkDataDeliveryStatusNotification, TS 29.122 clause 5.6.2.1.5. */
#include "t8/nidd_internal.h"

enum error nidd_delivery_status_read(const struct t8_json_object *o, struct nidd_delivery_status *out,
                                     struct t8_problem *p)
{
    enum error err = t8_json_string_mandatory(o, "/niddDownlinkDataTransfer", &out->nidd_downlink_data_transfer, p);
    if (err)
        return err;
    out->delivery_status_text = t8_json_delivery_status(o);
    if (out->delivery_status_text.len == 0)
        return t8_json_string_mandatory(o, "/deliveryStatus", &out->delivery_status_text, p);
    out->delivery_status = t8_delivery_status_parse(out->delivery_status_text);
    return t8_json_time(o, "/requestedRetransmissionTime", T8_JSON_TOLERANT, &out->requested_retransmission_ms, p);
}

enum error nidd_delivery_status_encode(const struct nidd_delivery_status *s, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    const char *status = t8_delivery_status_name(s->delivery_status);
    if (s->nidd_downlink_data_transfer.len == 0 || !*status)
        return ERR_MEMBER_MISSING;
    t8_json_open(&w, out);
    t8_json_put_text(&w, "niddDownlinkDataTransfer", s->nidd_downlink_data_transfer);
    t8_json_put_str(&w, "deliveryStatus", status);
    t8_json_put_time(&w, "requestedRetransmissionTime", s->requested_retransmission_ms);
    return t8_json_finish(&w, start);
}
