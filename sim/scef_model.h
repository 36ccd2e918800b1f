/* The SCEF of TS 29.122 clauses 4.4.5 and 5.6, pure: NIDD configurations, downlink by reachability, buffering, and
 * notifications with retry. The shell (HTTP, air interfaces) or a test feeds inputs with the time; outputs go through
 * the ports; no port may call an input. What a port is given lasts until it returns. */
#ifndef SIM_SCEF_MODEL_H
#define SIM_SCEF_MODEL_H

#include "sim/radio.h"
#include "sim/ue_model.h"
#include "t8/nidd.h"
#include "t8/nidd_configuration_patch.h"

struct scef_model;

struct scef_options {
    uint64_t seed;
    const char
        *link_root; /* what links begin with, before "/{scsAsId}/configurations/...": "/3gpp-nidd/v1" by default */
    uint32_t maximum_packet_size_bits; /* told in configurations and enforced: 10864 by default */
    uint32_t default_latency_s;        /* how long to buffer when maximumLatency is absent; 0 = not at all */
    uint32_t notification_retries;     /* after a failed callback */
    uint32_t notification_retry_ms;    /* first pause; doubles */
    /* An MT whose way over the radio takes longer is reported as failed by TIMEOUT, though it may arrive later: the
     * network cannot know. 0 = never. */
    uint32_t submit_timeout_ms;
    uint32_t max_duration_s;       /* longest lifetime of a configuration, which a longer one is cut to; 0 = any */
    bool duplicate_conflicts;      /* creating a configuration again is 409; else it changes the one that is there */
    bool tell_retransmission_time; /* requestedRetransmissionTime with *TEMPORARILY_NOT_REACHABLE, for UEs with a TAU
                                      period */
};
void scef_options_default(struct scef_options *o);

struct scef_ports {
    void *ctx;
    /* MT data reaches the UE (after the radio). */
    void (*ue_deliver)(void *ctx, uint32_t ue, struct bytes data);
    /* The answer to scef_downlink(request_ref): the same structure the HTTP side renders; `d` is NULL unless the status
     * is 200 or 201. Status 0: the SCEF restarted and the connection broke, there is no answer. */
    void (*downlink_answer)(void *ctx, uint64_t request_ref, int http_status, enum t8_cause cause,
                            const struct nidd_downlink *d, uint64_t requested_retransmission_ms);
    /* POST one notification to `destination`; its fate comes back by scef_notification_result with the same ref. A
     * retry has the ref of the first attempt. */
    void (*notify_uplink)(void *ctx, uint64_t ref, const char *destination, const struct nidd_uplink *u);
    void (*notify_delivery_status)(void *ctx, uint64_t ref, const char *destination,
                                   const struct nidd_delivery_status *s);
    /* Evidence: every NAS message and what became of it: "sent", then "lost", or ("duplicated" and) "delivered" once
     * per arrival; "unreachable" for MT data that was not sent because the UE cannot be reached now. May be NULL. */
    void (*nas_event)(void *ctx, uint32_t ue, bool mo, struct bytes data, const char *what);
};

[[gnu::warn_unused_result]] enum error scef_model_new(const struct scef_options *o, const struct scef_ports *ports,
                                                      uint64_t now_ms, struct scef_model **out);
void scef_model_free(struct scef_model *m);

/* Subscribers: index = order of calls. external_id or msisdn or both. ERR_IDENTITY: none, or one that is there already.
 * Their dice are their own: what happens to one UE does not depend on the others. */
struct scef_subscriber {
    const char *external_id;
    const char *msisdn;
    struct ue_profile ue;
    struct radio_profile radio;
};
[[gnu::warn_unused_result]] enum error scef_subscriber_add(struct scef_model *m, const struct scef_subscriber *s);

/* T8 requests. HTTP status is returned; *out borrows from the model until the next input. A user's configuration exists
 * once per SCS/AS: creating it again changes it and tells the same self, or is a conflict, as the options say
 * (TS 29.122 leaves it open). When its duration is over it is gone, silently. A user that is not a subscriber is 403
 * without cause: the NIDD API names none, and a 404 to a POST would blame the scsAsId. */
int scef_configuration_create(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                              const struct nidd_configuration *c, struct nidd_configuration *out, enum t8_cause *cause);
int scef_configuration_get(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, struct bytes configuration_id,
                           struct nidd_configuration *out);
/* The configurations of an SCS/AS, one after another from *cursor = 0 on; false at the end. */
bool scef_configuration_next(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, uint64_t *cursor,
                             struct nidd_configuration *out);
/* 200, 404, or 400 for a duration that is over. */
int scef_configuration_patch(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                             struct bytes configuration_id, const struct nidd_configuration_patch *p,
                             struct nidd_configuration *out);
/* 204 or 404. What is buffered for it is dropped; what is on the radio goes its way. */
int scef_configuration_delete(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                              struct bytes configuration_id);
/* Answered through the port exactly once, possibly during the call. */
void scef_downlink(struct scef_model *m, uint64_t now_ms, uint64_t request_ref, struct bytes scs_as_id,
                   struct bytes configuration_id, const struct nidd_downlink *d);
/* The UE sends (before the radio). Its network knows it as awake, and with a PDN connection, once this has arrived. */
void scef_uplink(struct scef_model *m, uint64_t now_ms, uint32_t ue, struct bytes data);
void scef_notification_result(struct scef_model *m, uint64_t now_ms, uint64_t ref, int http_status); /* 0 = no answer */

/* The UE shows up without user data (TAU, service request): awake, what is buffered flows. */
void scef_ue_wake(struct scef_model *m, uint64_t now_ms, uint32_t ue);
/* Its PDN connection ends or begins (the latter also means awake). */
void scef_ue_set_pdn_connected(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool connected);

/* Faults. A restart loses what the SCEF buffers and its notifications, silently. */
void scef_restart(struct scef_model *m, uint64_t now_ms, bool forget_configurations);
/* Refuses nothing itself: the caller stops calling. Radio uplinks are dropped; notifications wait for their next turn.
 */
void scef_set_down(struct scef_model *m, bool down);

void scef_wake(struct scef_model *m, uint64_t now_ms);
uint64_t scef_next_wake(const struct scef_model *m); /* O(1); UINT64_MAX: nothing to do */

struct scef_counters { /* per UE */
    uint64_t mo_sent, mo_lost, mt_sent, mt_lost, mt_delivered;
};
const struct scef_counters *scef_counters_of(const struct scef_model *m, uint32_t ue);
bool scef_ue_awake(const struct scef_model *m, uint32_t ue, uint64_t now_ms); /* as the network sees it */

struct scef_totals {
    uint64_t configurations;  /* now */
    uint64_t buffered;        /* deliveries, now */
    uint64_t expired;         /* deliveries that ended by FAILURE_TIMEOUT */
    uint64_t notifications;   /* begun */
    uint64_t notified;        /* answered 2xx */
    uint64_t retries;         /* further attempts */
    uint64_t given_up;        /* notifications that nobody took */
    uint64_t uplinks_dropped; /* arrived for a UE without configuration, or while the SCEF was down */
};
const struct scef_totals *scef_totals_of(const struct scef_model *m);

#endif
