/* NiddDownlinkDataTransferPatch, TS 29.122 clause 5.6.2.1.17. */
#include "t8/nidd_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/data", OCTETS, nidd_downlink_patch, data),
    T8_ROW("/reliableDataService", FLAG, nidd_downlink_patch, reliable_data_service),
    T8_ROW("/rdsPort", OBJECT, nidd_downlink_patch, rds_port, .of = &t8_rds_port_fields),
    T8_ROW("/maximumLatency", UINT, nidd_downlink_patch, maximum_latency_s),
    T8_ROW("/priority", INT, nidd_downlink_patch, priority),
    T8_ROW("/pdnEstablishmentOption", WORD, nidd_downlink_patch, pdn_option, .words = &t8_pdn_option_words),
};
static const struct t8_fields fields = T8_FIELDS(list, nidd_downlink_patch);

enum error nidd_downlink_patch_decode_request(struct bytes body, struct nidd_downlink_patch *out, struct t8_problem *p)
{
    return t8_fields_decode(&fields, T8_READ_REQUEST, body, out, &out->doc, p);
}

enum error nidd_downlink_patch_encode(const struct nidd_downlink_patch *d, struct buf *out)
{
    return t8_fields_encode(&fields, d, out);
}

void nidd_downlink_patch_release(struct nidd_downlink_patch *d)
{
    t8_fields_release(&fields, d, d->doc);
}
