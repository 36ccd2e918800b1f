/* Device triggering API data types and codecs (TS 29.122 clauses 4.4.6 and 5.7). */
#ifndef T8_DEVICE_TRIGGERING_H
#define T8_DEVICE_TRIGGERING_H

#include "t8/common.h"

#define DEVICE_TRIGGERING_FEATURE_WEBSOCKET T8_FEATURE(1) /* needs TEST */
#define DEVICE_TRIGGERING_FEATURE_TEST      T8_FEATURE(2)
#define DEVICE_TRIGGERING_FEATURE_PATCH     T8_FEATURE(3)

enum device_triggering_priority {
    DEVICE_TRIGGERING_PRIORITY_UNSET,
    DEVICE_TRIGGERING_NO_PRIORITY,
    DEVICE_TRIGGERING_PRIORITY,
    DEVICE_TRIGGERING_PRIORITY_OTHER
};

/* DeliveryResult (5.7.2.2.3). */
enum device_triggering_result {
    DEVICE_TRIGGERING_RESULT_UNSET,
    DEVICE_TRIGGERING_TRIGGERED, /* accepted, replaced, recalled: answers */
    DEVICE_TRIGGERING_REPLACED,
    DEVICE_TRIGGERING_TERMINATE,
    DEVICE_TRIGGERING_SUCCESS, /* the others: reports */
    DEVICE_TRIGGERING_UNKNOWN,
    DEVICE_TRIGGERING_FAILURE,
    DEVICE_TRIGGERING_EXPIRED,
    DEVICE_TRIGGERING_UNCONFIRMED,
    DEVICE_TRIGGERING_RESULT_OTHER
};

/* ---- DeviceTriggering (5.7.2.1.2) */
struct device_triggering {
    struct t8_doc *doc;
    struct t8_identity id;
    struct bytes self;
    struct t8_features features;
    struct t8_uint validity_period_s; /* 0: one attempt */
    enum device_triggering_priority priority;
    uint16_t application_port; /* where in the device: the SMS destination port */
    struct t8_uint source_port;
    struct t8_octets payload;
    struct bytes notification_destination;
    enum t8_flag request_test_notification;
    struct t8_websocket websocket;
    enum device_triggering_result result; /* in answers */
};
/* As a server reads POST and PUT. On error *p says what is wrong where. */
[[gnu::warn_unused_result]] enum error
device_triggering_decode_request(struct bytes body, struct device_triggering *out, struct t8_problem *p);
/* As a client reads an answer: everything is optional. */
[[gnu::warn_unused_result]] enum error device_triggering_decode(struct bytes body, struct device_triggering *out);
[[gnu::warn_unused_result]] enum error device_triggering_encode(const struct device_triggering *t, struct buf *out);
void device_triggering_release(struct device_triggering *t);

/* ---- DeviceTriggeringPatch (5.7.2.1.4): what is absent stays as it is. */
struct device_triggering_patch {
    struct t8_doc *doc;
    struct t8_uint validity_period_s;
    enum device_triggering_priority priority;
    struct t8_uint application_port;
    struct t8_uint source_port;
    struct t8_octets payload;
    struct bytes notification_destination;
    enum t8_flag request_test_notification;
    struct t8_websocket websocket;
};
[[gnu::warn_unused_result]] enum error
device_triggering_patch_decode_request(struct bytes body, struct device_triggering_patch *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error device_triggering_patch_encode(const struct device_triggering_patch *t,
                                                                      struct buf *out);
void device_triggering_patch_release(struct device_triggering_patch *t);

/* ---- DeviceTriggeringDeliveryReportNotification (5.7.2.1.3) */
struct device_triggering_report {
    struct t8_doc *doc;
    struct bytes transaction; /* link */
    enum device_triggering_result result;
    struct bytes result_text; /* the wire's word, read only; for values we do not know */
};
[[gnu::warn_unused_result]] enum error device_triggering_report_encode(const struct device_triggering_report *r,
                                                                       struct buf *out);

#endif
