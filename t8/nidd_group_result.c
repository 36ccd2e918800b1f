/* GmdNiddDownlinkDataDeliveryNotification and GmdResult, TS 29.122 clauses 5.6.2.1.7 and 5.6.2.1.11. */
#include "t8/nidd_internal.h"

static const struct t8_field result_list[] = {
    T8_ROW("/externalId", IDENTITY, nidd_group_member_result, id, .rules = T8_OPTIONAL_ID),
    T8_ROW("/deliveryStatus", WORD, nidd_group_member_result, delivery_status, .rules = T8_MANDATORY,
           .words = &t8_delivery_status_words, .old = "/status"), /* as one SCEF says elsewhere */
    T8_ROW("/deliveryStatus", TEXT, nidd_group_member_result, delivery_status_text, .rules = T8_DECODE_ONLY,
           .old = "/status"),
    T8_ROW("/requestedRetransmissionTime", TIME, nidd_group_member_result, requested_retransmission_ms),
};
static const struct t8_fields result = T8_FIELDS(result_list, nidd_group_member_result);

static const struct t8_field list[] = {
    T8_ROW("/niddDownlinkDataTransfer", TEXT, nidd_group_result, nidd_downlink_data_transfer, .rules = T8_MANDATORY),
    T8_ROW_ARRAY("/gmdResults", nidd_group_result, results, &result, .rules = T8_MANDATORY),
};
const struct t8_fields nidd_group_result_fields = T8_FIELDS(list, nidd_group_result);

enum error nidd_group_result_encode(const struct nidd_group_result *g, struct buf *out)
{
    for (size_t i = 0; i < g->results_count; i++) /* optional for the reader only */
        if (g->results[i].id.external_id.len == 0 && g->results[i].id.msisdn.len == 0)
            return ERR_IDENTITY;
    return t8_fields_encode(&nidd_group_result_fields, g, out);
}
