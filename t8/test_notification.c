/* TestNotification, TS 29.122 clause 5.2.1.2.9. */
#include "t8/nidd_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/subscription", TEXT, t8_test_notification, subscription, .rules = T8_MANDATORY),
};
const struct t8_fields t8_test_notification_fields = T8_FIELDS(list, t8_test_notification);

enum error t8_test_notification_encode(const struct t8_test_notification *t, struct buf *out)
{
    return t8_fields_encode(&t8_test_notification_fields, t, out);
}
