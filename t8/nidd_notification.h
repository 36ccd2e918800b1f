/* What a SCEF posts to an AS. A notification names no type: its members tell. All NIDD notifications come
 * to one URL; those of the other APIs are understood there as well, whoever sends them there. */
#ifndef T8_NIDD_NOTIFICATION_H
#define T8_NIDD_NOTIFICATION_H

#include "t8/configuration_trigger.h"
#include "t8/device_triggering.h"
#include "t8/monitoring.h"
#include "t8/nidd.h"
#include "t8/nidd_group.h"
#include "t8/nidd_rds.h"

/* ---- TestNotification (5.2.1.2.9) */
struct t8_test_notification {
    struct t8_doc *doc;
    struct bytes subscription; /* link of the resource whose creator asked for a test */
};
[[gnu::warn_unused_result]] enum error t8_test_notification_encode(const struct t8_test_notification *t,
                                                                   struct buf *out);

/* ---- Acknowledgement (5.2.1.2.7): the body of a 200 to a notification. Anything at all acknowledges. */
[[gnu::warn_unused_result]] enum error t8_acknowledgement_encode(struct bytes details, struct buf *out);
struct t8_acknowledgement {
    struct t8_doc *doc;
    struct bytes details;
};
[[gnu::warn_unused_result]] enum error t8_acknowledgement_decode(struct bytes body, struct t8_acknowledgement *out);
void t8_acknowledgement_release(struct t8_acknowledgement *a);

/* ---- any of them */
struct nidd_notification {
    enum {
        NIDD_NOTIFICATION_UPLINK,
        NIDD_NOTIFICATION_DELIVERY_STATUS,
        NIDD_NOTIFICATION_CONFIGURATION_STATUS,
        NIDD_NOTIFICATION_TEST,
        NIDD_NOTIFICATION_GROUP_RESULT,
        NIDD_NOTIFICATION_MANAGED_PORTS,
        NIDD_NOTIFICATION_TRIGGER_REPORT,
        NIDD_NOTIFICATION_MONITORING,
        NIDD_NOTIFICATION_CONFIGURATION_TRIGGER, /* to be answered 200 with a body */
        NIDD_NOTIFICATION_CONSENT_REVOKED,       /* recognised only: nothing of these two is read */
        NIDD_NOTIFICATION_NETWORK_PARAMETERS
    } kind;
    union {
        struct nidd_uplink uplink;
        struct nidd_delivery_status delivery_status;
        struct nidd_configuration_status configuration_status;
        struct t8_test_notification test;
        struct nidd_group_result group_result;
        struct nidd_managed_ports managed_ports;
        struct device_triggering_report trigger_report;
        struct monitoring_notification monitoring;
        struct nidd_configuration_trigger configuration_trigger;
    };
};
[[gnu::warn_unused_result]] enum error nidd_notification_decode(struct bytes body, struct nidd_notification *out,
                                                                struct t8_problem *p);
void nidd_notification_release(struct nidd_notification *n);

#endif
