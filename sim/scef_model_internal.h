/* What the files of the SCEF model share.
 *
 *   scef_model.c                subscribers, radio flights, wake
 *   scef_model_configuration.c  NIDD configurations
 *   scef_model_downlink.c       deliveries: checks, buffer
 *   scef_model_notification.c   callbacks and their retries */
#ifndef SIM_SCEF_MODEL_INTERNAL_H
#define SIM_SCEF_MODEL_INTERNAL_H

#include "sim/scef_model.h"

#include "base/list.h"
#include "base/map.h"
#include "base/slab.h"
#include "base/timer_wheel.h"

enum scef_timer { TIMER_FLIGHT, TIMER_DELIVERY, TIMER_NOTIFICATION, TIMER_CONFIGURATION, TIMER_TAU };

struct subscriber {
    uint32_t index;
    char *external_id; /* NULL or set, as msisdn */
    char *msisdn;
    struct ue_model ue;
    struct radio_profile radio;
    struct prng prng;
    struct scef_counters counters;
    struct list configurations; /* struct configuration.of_subscriber */
    struct list buffered;       /* struct delivery.node, oldest first */
    struct delivery *under_way; /* the buffered delivery that is on the radio; one at a time keeps the order */
    struct timer tau;
};

struct configuration {
    struct list of_subscriber;
    struct subscriber *subscriber;
    char *id;
    char *self;
    char *scs_as_id;
    char *notification_destination;
    bool by_msisdn; /* the AS named the user so, and is told so */
    uint64_t duration_ms;
    enum t8_pdn_option pdn_option;
    bool has_supported_features;
    struct timer expiry;
};

/* One MT delivery:
 *
 *   ANSWERING: on the radio, the POST hangs     BUFFERED -> (UE awake) -> UNDER_WAY, then a notification
 */
struct delivery {
    struct list node; /* in the model's `answering` or the subscriber's `buffered`; of its own while under way */
    struct timer timer;
    struct subscriber *subscriber;
    struct configuration *configuration; /* BUFFERED and UNDER_WAY only; NULL when it was deleted meanwhile */
    enum { DELIVERY_ANSWERING, DELIVERY_BUFFERED, DELIVERY_UNDER_WAY } state;
    bool timed_out; /* the radio takes longer than the network waits */
    bool by_msisdn;
    uint64_t request_ref;
    char *self;                 /* NULL unless buffered */
    struct nidd_downlink shown; /* what answers show; slices into this object and the subscriber */
    size_t len;
    uint8_t data[];
};

/* One NAS message on the radio. */
struct flight {
    struct list node;
    struct timer timer;
    struct subscriber *subscriber;
    bool mo;
    size_t len;
    uint8_t data[];
};

struct notification {
    handle ref;
    struct timer timer; /* of the next attempt */
    uint32_t attempts;
    uint64_t pause_ms;
    bool uplink;
    bool by_msisdn;
    const struct subscriber *subscriber;
    char *destination;
    char *link;
    uint8_t *data; /* uplink */
    size_t len;
    enum t8_delivery_status status;
};

struct scef_model {
    struct scef_options options;
    char *link_root;
    struct scef_ports ports;
    struct prng prng;
    uint64_t now_ms;
    struct timer_wheel wheel;
    struct subscriber **subscribers;
    uint32_t subscriber_count, subscriber_capacity;
    struct map by_external_id, by_msisdn; /* struct subscriber */
    struct map configurations;            /* struct configuration by id */
    struct list flights;
    struct list answering;
    struct slab notifications;
    uint64_t next_configuration, next_delivery;
    bool down;
    struct scef_totals totals;
};

/* Time never goes back, whatever the inputs say. */
static inline void scef_now(struct scef_model *m, uint64_t now_ms)
{
    if (now_ms > m->now_ms)
        m->now_ms = now_ms;
}

/* scef_model.c */
struct subscriber *scef_subscriber_find(const struct scef_model *m, const struct t8_identity *id);
struct t8_identity scef_identity(const struct subscriber *s, bool by_msisdn);
/* Puts data on the radio; when the sending side believes that it is through. */
uint64_t scef_radio_send(struct scef_model *m, struct subscriber *s, bool mo, struct bytes data);
void scef_nas_event(struct scef_model *m, const struct subscriber *s, bool mo, struct bytes data, const char *what);
/* After any activity of the UE: restarts its TAU timer. */
void scef_activity(struct scef_model *m, struct subscriber *s);

/* scef_model_configuration.c */
struct configuration *scef_configuration_find(const struct scef_model *m, struct bytes scs_as_id,
                                              struct bytes configuration_id);
void scef_configuration_remove(struct scef_model *m, struct configuration *c);

/* scef_model_downlink.c */
void scef_delivery_timer(struct scef_model *m, struct delivery *d);
void scef_deliveries_flow(struct scef_model *m, struct subscriber *s); /* the UE may have become reachable */
/* Drops, silently, what is buffered for c. */
void scef_deliveries_drop(struct scef_model *m, struct subscriber *s, const struct configuration *c);
void scef_deliveries_restart(struct scef_model *m); /* everything; hanging requests are answered with 0 */
void scef_deliveries_free(struct scef_model *m);    /* everything, without an answer */

/* scef_model_notification.c */
void scef_notify_uplink(struct scef_model *m, const struct configuration *c, struct bytes data);
void scef_notify_delivery_status(struct scef_model *m, const struct configuration *c, const char *link,
                                 enum t8_delivery_status status);
void scef_notification_timer(struct scef_model *m, struct notification *n);
void scef_notifications_drop(struct scef_model *m);

#endif
