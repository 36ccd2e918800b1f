/* Group deliveries (TS 29.122 clauses 4.4.5.3.2 and 5.6, feature 1): configuration and delivery name an
 * externalGroupId; a delivery is always answered 201, and one aggregated result follows. It can be neither replaced nor
 * cancelled, and its members' uplinks come as everybody's. */
#ifndef T8_NIDD_GROUP_H
#define T8_NIDD_GROUP_H

#include "t8/common.h"

/* ---- GmdResult (5.6.2.1.11), GmdNiddDownlinkDataDeliveryNotification (5.6.2.1.7) */
struct nidd_group_member_result {
    struct t8_identity id; /* none before V15.2.0 */
    enum t8_delivery_status delivery_status;
    struct bytes delivery_status_text;    /* the wire's word, read only; for values we do not know */
    uint64_t requested_retransmission_ms; /* absolute UTC; 0 = not told */
};
struct nidd_group_result {
    struct t8_doc *doc;
    struct bytes nidd_downlink_data_transfer; /* link */
    struct nidd_group_member_result *results;
    size_t results_count;
};
[[gnu::warn_unused_result]] enum error nidd_group_result_encode(const struct nidd_group_result *g, struct buf *out);

#endif
