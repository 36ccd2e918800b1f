/* Tables of monitoring that its files share. Not for other folders. */
#ifndef T8_MONITORING_INTERNAL_H
#define T8_MONITORING_INTERNAL_H

#include "t8/json_fields.h"
#include "t8/monitoring.h"

extern const struct t8_words monitoring_type_words;
extern const struct t8_words monitoring_reachability_words;
extern const struct t8_fields monitoring_report_fields;
extern const struct t8_fields monitoring_notification_fields;

#endif
