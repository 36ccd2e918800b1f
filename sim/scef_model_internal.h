/* What the files of the SCEF model share.
 *
 *   scef_model.c                the model, its clock, restart
 *   scef_model_subscriber.c     subscribers, groups, SCS/ASs
 *   scef_model_ue.c             radio flights, what UEs do, observers
 *   scef_model_trigger.c        device triggers
 *   scef_model_configuration.c  NIDD configurations
 *   scef_model_policy.c         features, limits, authorisation
 *   scef_model_downlink.c       MT data submitted: checks, and what they come to
 *   scef_model_buffer.c         MT data on the radio and in the buffer, how deliveries end
 *   scef_model_delivery.c       the resource of a delivery
 *   scef_model_group.c          group deliveries
 *   scef_model_rds.c            ports: who gets MO data, dynamic ports
 *   scef_model_notification.c   callbacks and their retries */
#ifndef SIM_SCEF_MODEL_INTERNAL_H
#define SIM_SCEF_MODEL_INTERNAL_H

#include "sim/scef_model.h"

#include "base/list.h"
#include "base/map.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "t8/nidd_group.h"

enum scef_timer {
    TIMER_FLIGHT,
    TIMER_DELIVERY,
    TIMER_NOTIFICATION,
    TIMER_CONFIGURATION,
    TIMER_TAU,
    TIMER_ASLEEP,
    TIMER_FLOW,
    TIMER_TRIGGER,
    TIMER_PORT
};

struct application_server {
    char *id;
    char *configuration_trigger_url; /* NULL: none */
};

struct group {
    char *id;
    uint32_t *members;
    size_t member_count, member_capacity;
    struct list configurations; /* struct configuration.of_owner */
};

/* A limit in use: the window begins with the first of it. */
struct meter {
    struct scef_limit limit;
    uint64_t window_ends_ms;
    uint64_t used;
};

struct subscriber {
    uint32_t index;
    char *external_id; /* NULL or set, as msisdn */
    char *msisdn;
    char **scs_as_ids; /* NULL: everybody */
    size_t scs_as_ids_count;
    struct group **groups;
    size_t groups_count;
    bool authorised, rds, covered;
    bool told_awake; /* what the observers know */
    uint16_t rds_ports_used;
    unsigned formats;
    struct scef_plmn home_plmn, plmn;
    struct meter quota, apn_rate, serving_plmn_rate;
    struct ue_model ue;
    struct radio_profile radio;
    struct prng prng;
    struct scef_counters counters;
    struct list configurations; /* struct configuration.of_owner */
    struct list buffered;       /* struct delivery.node, most urgent first, then oldest */
    struct delivery *under_way; /* the buffered delivery that is on the radio; one at a time keeps the order */
    struct list triggers;       /* struct trigger.node, oldest first */
    handle wakes_up;            /* the trigger that SEND_TRIGGER has sent */
    struct timer tau, asleep, flow;
};

struct configuration {
    struct list of_owner;
    struct subscriber *subscriber; /* NULL: of a group */
    struct group *group;           /* NULL: of a subscriber */
    char *id;
    char *self;
    char *scs_as_id;
    char *notification_destination;
    char *mtc_provider_id; /* NULL: none */
    char *websocket_uri;   /* NULL: notifications are POSTed */
    bool by_msisdn;        /* the AS named the user so, and is told so */
    bool reliable;         /* acknowledgements wanted */
    enum t8_flag reliable_told;
    enum t8_flag test_told;
    uint64_t duration_ms;
    enum t8_pdn_option pdn_option;
    enum t8_nidd_status status;
    bool has_supported_features;
    uint64_t features; /* negotiated */
    struct t8_rds_port *rds_ports;
    size_t rds_ports_count;
    struct list deliveries; /* struct delivery.of_configuration: with a resource, oldest first */
    struct list ports;      /* struct managed_port.node */
    struct timer expiry;
};

/* One MT delivery. Those from BUFFERED on have a resource, but for a group's parts:
 *
 *   ANSWERING: on the radio, the POST hangs
 *   BUFFERED -> (UE reachable) -> UNDER_WAY -> ENDED: a notification, then remembered
 *   GROUP: waits for its parts, one for each member -> ENDED */
struct delivery {
    struct list node; /* in the model's `on_radio` or the subscriber's `buffered`; of its own otherwise */
    struct list of_configuration;
    struct timer timer;
    struct subscriber *subscriber;       /* NULL: a group's */
    struct configuration *configuration; /* NULL: ANSWERING, or it was deleted meanwhile */
    struct delivery *whole;              /* the group delivery that this is a part of; NULL: none */
    size_t part;                         /* its place in whole->parts */
    enum { DELIVERY_ANSWERING, DELIVERY_BUFFERED, DELIVERY_UNDER_WAY, DELIVERY_GROUP, DELIVERY_ENDED } state;
    bool fresh;     /* BUFFERED, came with its configuration and has not been looked at */
    bool timed_out; /* the radio takes longer than the network waits */
    bool reliable;  /* by RDS with acknowledgement */
    bool reached;   /* by RDS: the UE has it, and drops repetitions */
    bool acknowledged;
    uint32_t attempts; /* by RDS */
    bool by_msisdn;
    uint64_t request_ref;
    uint64_t number;            /* of the resource; 0: none */
    char *self;                 /* link of the resource, or NULL */
    struct nidd_downlink shown; /* what answers show; slices into this object and the subscriber */
    uint8_t *data;
    struct delivery_part *parts; /* of a group's */
    size_t part_count, parts_pending;
};
struct delivery_part {
    struct subscriber *subscriber;
    struct delivery *delivery; /* NULL: ended */
    enum t8_delivery_status status;
    uint64_t retransmission_ms;
};

/* One NAS message on the radio. */
struct flight {
    struct list node;
    struct timer timer;
    struct subscriber *subscriber;
    bool mo;
    bool reliable;
    struct t8_rds_port port;
    size_t len;
    uint8_t data[];
};

/* A port pair that is reserved, or being negotiated with the UE. */
struct managed_port {
    struct list node;
    struct timer timer; /* the UE's answer */
    struct configuration *configuration;
    struct t8_rds_port port;
    enum { PORT_ASKED, PORT_RESERVED, PORT_RELEASING } state;
    bool granted; /* what the UE's answer will be */
    bool by_ue;
    enum t8_flag skip_ue_inquiry;
    unsigned supported_formats;
    enum nidd_format format;
    char *app_id;
    char *self;
};

struct trigger {
    handle ref;
    struct list node;
    struct timer timer; /* the end of its validity; on the radio: its arrival */
    struct subscriber *subscriber;
    struct scef_trigger asked;
    uint64_t valid_until_ms, retry_at_ms;
    bool on_radio, lost;
    uint8_t *payload;
};

struct notification {
    handle ref;
    struct timer timer; /* of the next attempt */
    uint64_t pause_ms;
    struct scef_notification told; /* slices into `memory` */
    uint8_t *memory;
};

struct observer {
    void (*told)(void *ctx, const struct scef_ue_event *e);
    void *ctx;
};

struct scef_model {
    struct scef_options options;
    char *link_root, *websocket_root, *nef_id;
    struct scef_ports ports;
    struct prng prng;
    uint64_t now_ms;
    struct timer_wheel wheel;
    struct subscriber **subscribers;
    uint32_t subscriber_count, subscriber_capacity;
    struct map by_external_id, by_msisdn; /* struct subscriber */
    struct group **groups;
    size_t group_count;
    struct map by_group_id; /* struct group */
    struct application_server *servers;
    size_t server_count;
    struct observer *observers;
    size_t observer_count;
    struct map configurations; /* struct configuration by id */
    struct map deliveries;     /* struct delivery by the end of self: those with a resource */
    struct list flights;
    struct list on_radio; /* deliveries sent at once: those that a POST waits for, and parts of groups' */
    struct slab notifications, triggers;
    struct nidd_downlink *shown; /* what a configuration shows of its deliveries */
    size_t shown_capacity;
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
static inline struct scef_answer scef_status(int http_status, enum t8_cause cause)
{
    return (struct scef_answer){.http_status = http_status, .cause = cause};
}

/* scef_model_subscriber.c */
struct subscriber *scef_subscriber_at(const struct scef_model *m, uint32_t ue); /* NULL: none */
struct subscriber *scef_subscriber_find(const struct scef_model *m, const struct t8_identity *id);
struct group *scef_group_find(const struct scef_model *m, struct bytes external_group_id);
bool scef_group_has(const struct group *g, const struct subscriber *s);
struct t8_identity scef_identity(const struct subscriber *s, bool by_msisdn);
bool scef_admits(const struct subscriber *s, struct bytes scs_as_id);
void scef_subscribers_free(struct scef_model *m);

/* scef_model_ue.c */
/* Puts MT data on the radio; when the sending side believes that it is through. */
uint64_t scef_radio_send(struct scef_model *m, struct subscriber *s, struct bytes data, struct t8_rds_port port);
/* The same by RDS: the UE takes it once (*reached). Whether and when its acknowledgement comes. */
bool scef_radio_send_reliable(struct scef_model *m, struct subscriber *s, struct bytes data, struct t8_rds_port port,
                              bool *reached, uint64_t *at_ms);
/* There and back without user data; false: lost. */
bool scef_radio_ask(struct scef_model *m, struct subscriber *s, uint64_t *at_ms);
void scef_nas_event(struct scef_model *m, const struct subscriber *s, bool mo, struct bytes data, const char *what);
bool scef_awake(const struct scef_model *m, const struct subscriber *s);
bool scef_reachable(const struct scef_model *m, const struct subscriber *s);
void scef_activity(struct scef_model *m, struct subscriber *s); /* after any activity of the UE: restarts its timers */
void scef_appears(struct scef_model *m, struct subscriber *s);  /* awake, with a PDN connection */
void scef_flows(struct scef_model *m, struct subscriber *s);    /* it may have become reachable */
void scef_pdn_set(struct scef_model *m, struct subscriber *s, bool connected);
void scef_tell(struct scef_model *m, const struct subscriber *s, enum scef_ue_happening what);
void scef_flight_arrives(struct scef_model *m, struct flight *f);
void scef_asleep_timer(struct scef_model *m, struct subscriber *s);

/* scef_model_trigger.c */
void scef_trigger_timer(struct scef_model *m, struct trigger *t);
void scef_triggers_flow(struct scef_model *m, struct subscriber *s);
void scef_wake_up(struct scef_model *m, struct subscriber *s, uint32_t validity_s); /* SEND_TRIGGER */
void scef_triggers_free(struct scef_model *m);

/* scef_model_configuration.c */
struct configuration *scef_configuration_find(const struct scef_model *m, struct bytes scs_as_id,
                                              struct bytes configuration_id);
/* The AS's own configuration for the subscriber, or that of one of its groups; NULL: none. */
struct configuration *scef_configuration_for(const struct subscriber *s, struct bytes scs_as_id);
void scef_configuration_remove(struct scef_model *m, struct configuration *c);
void scef_configurations_forget(struct scef_model *m);

/* scef_model_policy.c */
uint64_t scef_features(const struct scef_model *m, uint64_t wanted);
static inline bool scef_has(const struct configuration *c, uint64_t feature)
{
    return (c->features & feature) != 0;
}
/* The refusal that the limits ask for (checks 7 and 8 of an MT submission); status 0: none. */
struct scef_answer scef_limits(const struct scef_model *m, const struct subscriber *s, size_t len);
uint64_t scef_rates_until(const struct scef_model *m, const struct subscriber *s); /* 0: MT data may go now */
void scef_limits_use(const struct scef_model *m, struct subscriber *s, size_t len);

/* scef_model_downlink.c */
/* Checks 3 and 4 of a submission, and that it is for c's user; status 0: nothing is wrong. */
struct scef_answer scef_delivery_refused(const struct scef_model *m, const struct configuration *c,
                                         const struct nidd_downlink *d);
/* The one delivery that came with its configuration: it is looked at after the answer. false when memory is short. */
bool scef_delivery_piggyback(struct scef_model *m, struct configuration *c, const struct nidd_downlink *asked);
void scef_delivery_begin_fresh(struct scef_model *m, struct delivery *d);
/* Part of a group delivery: sent, buffered or ended. */
void scef_delivery_begin_part(struct scef_model *m, struct delivery *d, uint32_t latency_s);

/* scef_model_buffer.c */
/* NULL when memory is short. */
struct delivery *scef_delivery_new(struct subscriber *s, const struct configuration *c,
                                   const struct nidd_downlink *asked);
void scef_delivery_free(struct scef_model *m, struct delivery *d);
bool scef_delivery_name(struct scef_model *m, struct delivery *d, struct configuration *c); /* makes it a resource */
uint32_t scef_latency_s(const struct scef_model *m, const struct nidd_downlink *d);
uint64_t scef_retransmission_ms(const struct scef_model *m, const struct subscriber *s); /* 0: not told */
/* The delivery's own, the configuration's, ours. */
enum t8_pdn_option scef_pdn_option(const struct scef_model *m, const struct delivery *d, const struct configuration *c);
void scef_delivery_send(struct scef_model *m, struct delivery *d);
bool scef_buffer_room(struct scef_model *m, const struct delivery *d); /* the least urgent goes, if it is less so */
void scef_buffer_insert(struct scef_model *m, struct delivery *d);     /* at its place, also again */
void scef_buffer_enter(struct scef_model *m, struct delivery *d, enum t8_delivery_status status,
                       uint64_t retransmission_ms);
void scef_delivery_timer(struct scef_model *m, struct delivery *d);
void scef_deliveries_flow(struct scef_model *m, struct subscriber *s); /* the UE may have become reachable */
/* A delivery from BUFFERED on: its AS is told. It is remembered, or freed. */
void scef_delivery_end(struct scef_model *m, struct delivery *d, enum t8_delivery_status status);
void scef_deliveries_drop(struct scef_model *m, struct configuration *c); /* silently, all that is c's */
/* Ends by FAILURE what is buffered for s; with only_indicate_error just that which wants it without PDN connection. */
void scef_deliveries_fail(struct scef_model *m, struct subscriber *s, bool only_indicate_error);
void scef_deliveries_restart(struct scef_model *m); /* everything; hanging requests are answered with 0 */
void scef_deliveries_free(struct scef_model *m);    /* everything, without an answer */

/* scef_model_group.c */
void scef_group_downlink(struct scef_model *m, uint64_t request_ref, struct configuration *c,
                         const struct nidd_downlink *asked);
void scef_group_part_ends(struct scef_model *m, const struct delivery *d); /* d is about to be freed */
void scef_group_timer(struct scef_model *m, struct delivery *whole);
void scef_group_drop(struct scef_model *m, struct delivery *whole);

/* scef_model_rds.c */
/* Tells every AS that is to have it; how many there were. */
unsigned scef_uplink_notify(struct scef_model *m, struct subscriber *s, struct bytes data, struct t8_rds_port port,
                            bool reliable);
bool scef_port_known(const struct configuration *c, struct t8_rds_port port);
void scef_port_timer(struct scef_model *m, struct managed_port *p);
void scef_ports_free(struct scef_model *m, struct configuration *c);

/* scef_model_notification.c */
void scef_notify_uplink(struct scef_model *m, const struct configuration *c, const struct subscriber *s,
                        struct bytes data, struct t8_rds_port port, bool reliable);
void scef_notify_delivery_status(struct scef_model *m, const struct configuration *c, const struct delivery *d);
void scef_notify_configuration_status(struct scef_model *m, const struct configuration *c, const struct subscriber *s,
                                      enum t8_nidd_status status, enum t8_flag rds_capability, struct t8_rds_port port);
void scef_notify_test(struct scef_model *m, const struct configuration *c);
/* Takes over the body. `encoded` is what the codec said. */
void scef_notify_body(struct scef_model *m, const struct configuration *c, const struct t8_identity *id,
                      enum scef_notification_kind kind, struct buf *body, enum error encoded);
struct t8_identity scef_told_identity(const struct configuration *c, const struct subscriber *s);
void scef_notification_timer(struct scef_model *m, struct notification *n);
void scef_notifications_drop(struct scef_model *m);

#endif
