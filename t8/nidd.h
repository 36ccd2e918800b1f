/* NIDD API data types and codecs (TS 29.122 clause 5.6). One .c file per type; bodies are appended to a buf. Groups
 * have t8/nidd_group.h, ports of RDS t8/nidd_rds.h; what arrives as a notification is told apart by
 * t8/nidd_notification.h. */
#ifndef T8_NIDD_H
#define T8_NIDD_H

#include "t8/common.h"

/* Features of the API (5.6.4). */
#define NIDD_FEATURE_GROUPS               T8_FEATURE(1) /* externalGroupId, group deliveries and their result */
#define NIDD_FEATURE_WEBSOCKET            T8_FEATURE(2) /* websockNotifConfig; needs TEST */
#define NIDD_FEATURE_TEST                 T8_FEATURE(3) /* requestTestNotification */
#define NIDD_FEATURE_MODIFICATION         T8_FEATURE(4) /* PUT and DELETE of a delivery */
#define NIDD_FEATURE_RDS_PORT_CHECK       T8_FEATURE(5) /* RDS_PORT_UNKNOWN */
#define NIDD_FEATURE_RDS_DYNAMIC_PORTS    T8_FEATURE(6) /* rds-ports (t8/nidd_rds.h) */
#define NIDD_FEATURE_SERIALIZATION_FORMAT T8_FEATURE(7) /* needs RDS_DYNAMIC_PORTS */
#define NIDD_FEATURE_PATCH                T8_FEATURE(8) /* PATCH of a delivery */

/* ---- NiddConfiguration (5.6.2.1.2) */
struct nidd_downlink;
struct nidd_configuration {
    struct t8_doc *doc;
    struct t8_identity id; /* or a group */
    struct bytes self;
    struct bytes mtc_provider_id;
    struct bytes notification_destination;
    bool has_supported_features;
    uint64_t supported_features;
    uint64_t duration_ms; /* absolute UTC; 0 = for ever */
    enum t8_pdn_option pdn_option;
    enum t8_flag reliable_data_service; /* acknowledgements wanted */
    struct t8_rds_port *rds_ports;
    size_t rds_ports_count;
    enum t8_flag request_test_notification;
    struct t8_websocket websocket;
    struct nidd_downlink *downlinks; /* one at most in a request, and none for a group */
    size_t downlinks_count;
    uint32_t maximum_packet_size_bits; /* 0 = not told */
    enum t8_nidd_status status;
};
/* As a server reads a POST: identity and notificationDestination are mandatory. On error *p says what is wrong where.
 */
[[gnu::warn_unused_result]] enum error
nidd_configuration_decode_request(struct bytes body, struct nidd_configuration *out, struct t8_problem *p);
/* As a client reads a response: everything is optional. */
[[gnu::warn_unused_result]] enum error nidd_configuration_decode(struct bytes body, struct nidd_configuration *out);
/* Absent members are left out; `self` and other read-only members are written when set. */
[[gnu::warn_unused_result]] enum error nidd_configuration_encode(const struct nidd_configuration *c, struct buf *out);
void nidd_configuration_release(struct nidd_configuration *c);

/* ---- NiddDownlinkDataTransfer (5.6.2.1.3) */
struct nidd_downlink {
    struct t8_doc *doc;
    struct buf data_memory; /* owns what `data` points to after decoding */
    struct t8_identity id;  /* or a group */
    struct bytes self;
    struct bytes data; /* decoded octets */
    enum t8_flag reliable_data_service;
    struct t8_rds_port rds_port;
    bool has_maximum_latency;
    uint32_t maximum_latency_s; /* 0 = must not be buffered */
    bool has_priority;
    int32_t priority;
    enum t8_pdn_option pdn_option;
    enum t8_delivery_status delivery_status;
    struct bytes delivery_status_text;    /* the wire's word, read only; for values we do not know */
    uint64_t requested_retransmission_ms; /* absolute UTC; 0 = not told */
};
[[gnu::warn_unused_result]] enum error nidd_downlink_decode_request(struct bytes body, struct nidd_downlink *out,
                                                                    struct t8_problem *p);
/* As a client reads a 200 or 201: `data` may be missing, `status` may stand for `deliveryStatus`. */
[[gnu::warn_unused_result]] enum error nidd_downlink_decode(struct bytes body, struct nidd_downlink *out);
[[gnu::warn_unused_result]] enum error nidd_downlink_encode(const struct nidd_downlink *d, struct buf *out);
void nidd_downlink_release(struct nidd_downlink *d);

/* ---- NiddDownlinkDataTransferPatch (5.6.2.1.17): what is absent stays as it is. */
struct nidd_downlink_patch {
    struct t8_doc *doc;
    struct t8_octets data;
    enum t8_flag reliable_data_service;
    struct t8_rds_port rds_port;
    struct t8_uint maximum_latency_s;
    struct t8_int priority;
    enum t8_pdn_option pdn_option;
};
[[gnu::warn_unused_result]] enum error
nidd_downlink_patch_decode_request(struct bytes body, struct nidd_downlink_patch *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error nidd_downlink_patch_encode(const struct nidd_downlink_patch *d, struct buf *out);
void nidd_downlink_patch_release(struct nidd_downlink_patch *d);

/* ---- NiddUplinkDataNotification (5.6.2.1.4) */
struct nidd_uplink {
    struct t8_doc *doc;
    struct buf data_memory;
    struct bytes nidd_configuration; /* link */
    struct t8_identity id;
    struct bytes data;
    enum t8_flag reliable_data_service;
    struct t8_rds_port rds_port;
};
[[gnu::warn_unused_result]] enum error nidd_uplink_encode(const struct nidd_uplink *u, struct buf *out);

/* ---- NiddDownlinkDataDeliveryStatusNotification (5.6.2.1.5) */
struct nidd_delivery_status {
    struct t8_doc *doc;
    struct bytes nidd_downlink_data_transfer; /* link */
    enum t8_delivery_status delivery_status;
    struct bytes delivery_status_text; /* as above */
    uint64_t requested_retransmission_ms;
};
[[gnu::warn_unused_result]] enum error nidd_delivery_status_encode(const struct nidd_delivery_status *s,
                                                                   struct buf *out);

/* ---- NiddConfigurationStatusNotification (5.6.2.1.6) */
struct nidd_configuration_status {
    struct t8_doc *doc;
    struct bytes nidd_configuration; /* link */
    struct t8_identity id;
    enum t8_nidd_status status;
    enum t8_flag rds_capability; /* is RDS enabled in the network? */
    struct t8_rds_port rds_port; /* with T8_NIDD_RDS_PORT_UNKNOWN */
};
[[gnu::warn_unused_result]] enum error nidd_configuration_status_encode(const struct nidd_configuration_status *s,
                                                                        struct buf *out);

/* ---- errors: application/problem+json at top level, and the body of a delivery's 500 (5.6.2.1.13), application/json
 * with the problem nested. The reader takes either, whatever the media type, or a cause inside `detail`. */
[[gnu::warn_unused_result]] enum error t8_problem_encode(const struct t8_problem *p, struct buf *out);
[[gnu::warn_unused_result]] enum error
nidd_delivery_failure_encode(const struct t8_problem *p, uint64_t requested_retransmission_ms, struct buf *out);
/* Any body at all: what cannot be read is an empty problem. *doc owns the slices. */
void t8_problem_decode(struct bytes body, struct t8_problem *p, uint64_t *requested_retransmission_ms,
                       struct t8_doc **doc);

/* ---- what a downlink submission came to, seen by the AS */
struct nidd_submit_result {
    enum {
        NIDD_SUBMIT_DELIVERED, /* 200: done, no notification will follow */
        NIDD_SUBMIT_PENDING,   /* 201: the SCEF keeps it, a notification will follow for `link` */
        NIDD_SUBMIT_REFUSED,   /* any other status: see cause */
        NIDD_SUBMIT_NO_ANSWER  /* connection refused, reset, timed out: may or may not have been taken */
    } outcome;
    int http_status; /* 0 with NO_ANSWER */
    bool not_sent;   /* with NO_ANSWER: nothing of it left us, so sending it again cannot make a duplicate */
    enum t8_cause cause;
    enum t8_delivery_status delivery_status;
    uint64_t requested_retransmission_ms; /* absolute UTC; 0 = not told */
    uint32_t retry_after_s;               /* 0 = not told */
    struct bytes link; /* of the pending delivery, compact (t8/common.h); empty when the SCEF named none */
    struct bytes configuration_link; /* where the configuration has moved to, compact (308); empty: it has not */
};

/* What a configuration request came to. */
struct nidd_configuration_result {
    int http_status; /* 0 = no answer */
    enum t8_cause cause;
    uint32_t retry_after_s;
    struct bytes link; /* Location, else self, compact (t8/common.h); after 200/201 */
    uint32_t maximum_packet_size_bits;
    uint64_t duration_ms; /* absolute UTC; 0 = for ever, or not told: see has_body */
    enum t8_nidd_status status;
    bool has_body; /* the configuration was shown, so that what is absent is so at the SCEF too */
    uint64_t supported_features;
    struct bytes notification_destination; /* empty: not told */
    struct bytes websocket_uri;            /* empty: none */
    struct bytes delivery_link;            /* of the delivery that came with the request, compact; empty: none */
};
/* One of a list. */
struct nidd_configuration_found {
    struct t8_identity id;
    struct nidd_configuration_result result;
};

/* Any answer at all means something: there is no error. An error code in the text decides about the status too.
 * `link` lies in *memory, which is reset first. A failure that an old SCEF tells in a 2xx body (before V15.2.0) reads
 * as the status and cause of today. */
void nidd_submit_result_read(const struct t8_answer *a, struct buf *memory, struct nidd_submit_result *out);
void nidd_configuration_result_read(const struct t8_answer *a, struct buf *memory,
                                    struct nidd_configuration_result *out);
/* The same for a configuration that is there already, decoded: what an answer with it in its body would say. */
void nidd_configuration_result_of(const struct t8_answer *a, const struct nidd_configuration *c, struct buf *memory,
                                  struct nidd_configuration_result *out);

#endif
