/* NiddConfigurationTriggerReply, TS 29.522 clause 5.5.4.2.3. */
#include "t8/configuration_trigger.h"

#include "t8/json_fields.h"

struct reply {
    struct t8_features features;
};
static const struct t8_field list[] = {
    T8_ROW("/suppFeat", FEATURES, reply, features, .rules = T8_MANDATORY),
};
static const struct t8_fields fields = T8_FIELDS(list, reply);

enum error nidd_configuration_trigger_reply_encode(uint64_t features, struct buf *out)
{
    return t8_fields_encode(&fields, &(struct reply){{.present = true, .bits = features}}, out);
}

enum error nidd_configuration_trigger_reply_decode(struct bytes body, struct t8_features *out)
{
    struct reply r;
    struct t8_doc *doc = NULL;
    enum error err = t8_fields_decode(&fields, T8_READ_ANSWER, body, &r, &doc, NULL);
    *out = r.features;
    t8_doc_free(doc);
    return err;
}
