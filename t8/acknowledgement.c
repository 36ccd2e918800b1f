/* Acknowledgement, TS 29.122 clause 5.2.1.2.7. */
#include "t8/json_fields.h"
#include "t8/nidd_notification.h"

static const struct t8_field list[] = {
    T8_ROW("/details", TEXT, t8_acknowledgement, details, .rules = T8_MANDATORY),
};
static const struct t8_fields fields = T8_FIELDS(list, t8_acknowledgement);

enum error t8_acknowledgement_encode(struct bytes details, struct buf *out)
{
    return t8_fields_encode(&fields, &(struct t8_acknowledgement){.details = details}, out);
}

enum error t8_acknowledgement_decode(struct bytes body, struct t8_acknowledgement *out)
{
    return t8_fields_decode(&fields, T8_READ_ANSWER, body, out, &out->doc, NULL);
}

void t8_acknowledgement_release(struct t8_acknowledgement *a)
{
    t8_fields_release(&fields, a, a->doc);
}
