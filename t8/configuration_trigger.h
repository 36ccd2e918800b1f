/* NIDD configuration trigger (TS 29.522 clause 5.5): a UE has opened an unstructured PDU session, and the NEF asks the
 * AS for a NIDD configuration. Always answered 200 with a reply; the AS then creates the configuration. */
#ifndef T8_CONFIGURATION_TRIGGER_H
#define T8_CONFIGURATION_TRIGGER_H

#include "t8/common.h"

/* ---- NiddConfigurationTrigger (5.5.4.2.2) */
struct nidd_configuration_trigger {
    struct t8_doc *doc;
    struct bytes af_id;
    struct bytes nef_id;
    struct bytes gpsi;     /* as it came, "extid-dev1@example.org"; what is written is made of `id` */
    struct t8_identity id; /* what gpsi says without its prefix; none for a gpsi of another kind */
    struct t8_features features;
};
/* As the AS reads it, whose decoder of all notifications does so too. */
[[gnu::warn_unused_result]] enum error
nidd_configuration_trigger_decode(struct bytes body, struct nidd_configuration_trigger *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error nidd_configuration_trigger_encode(const struct nidd_configuration_trigger *t,
                                                                         struct buf *out);
void nidd_configuration_trigger_release(struct nidd_configuration_trigger *t);

/* ---- NiddConfigurationTriggerReply (5.5.4.2.3). No feature is defined: "0". */
[[gnu::warn_unused_result]] enum error nidd_configuration_trigger_reply_encode(uint64_t features, struct buf *out);
[[gnu::warn_unused_result]] enum error nidd_configuration_trigger_reply_decode(struct bytes body,
                                                                               struct t8_features *out);

/* gpsi: "msisdn-<digits>" or "extid-<local>@<domain>" (TS 29.571 clause 5.3.2); prefixes only live here. Without a
 * prefix the form decides. false: another kind. */
bool t8_gpsi_parse(struct bytes gpsi, struct t8_identity *out);

#endif
