/* NiddConfigurationPatch (TS 29.122 clause 5.6.2.1.9): what a PATCH of a configuration carries, as
 * application/merge-patch+json (RFC 7396). A member that is absent stays as it is; null takes it back. */
#ifndef T8_NIDD_CONFIGURATION_PATCH_H
#define T8_NIDD_CONFIGURATION_PATCH_H

#include "t8/common.h"

struct nidd_configuration_patch {
    struct t8_doc *doc;
    bool has_duration;
    uint64_t duration_ms; /* absolute UTC; 0 = for ever, null on the wire */
    bool has_pdn_option;
    enum t8_pdn_option pdn_option; /* UNSET = null on the wire */
    bool has_reliable_data_service;
    bool reliable_data_service;    /* null on the wire reads as false */
    struct t8_rds_port *rds_ports; /* instead of all there are; none: absent. Owned after decoding */
    size_t rds_ports_count;
    struct bytes notification_destination; /* empty: absent. Since Rel-17 only */
};

/* As a server reads it: unknown members are passed over, those of a configuration that cannot be changed are
 * ERR_MEMBER_TYPE, and *p names them. */
[[gnu::warn_unused_result]] enum error
nidd_configuration_patch_decode(struct bytes body, struct nidd_configuration_patch *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error nidd_configuration_patch_encode(const struct nidd_configuration_patch *c,
                                                                       struct buf *out);
void nidd_configuration_patch_release(struct nidd_configuration_patch *c);

#endif
