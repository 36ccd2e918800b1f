/* The SCEF of TS 29.122 clauses 4.4.5 and 5.6, pure: subscribers and their UEs, NIDD configurations, downlink by
 * reachability, buffering, groups, ports of the Reliable Data Service, and notifications with retry. The shell (HTTP,
 * air interfaces) or a test feeds inputs with the time; outputs go through the ports; no port may call an input. What a
 * port is given lasts until it returns; what an input gives back borrows from the model until the next input.
 *
 * Other models stand beside this one (device triggering, monitoring events). They watch UEs by an observer, reach them
 * by scef_ue_trigger, and notify by scef_notify. */
#ifndef SIM_SCEF_MODEL_H
#define SIM_SCEF_MODEL_H

#include "sim/radio.h"
#include "sim/ue_model.h"
#include "t8/dialect.h"
#include "t8/nidd.h"
#include "t8/nidd_configuration_patch.h"
#include "t8/nidd_rds.h"

struct scef_model;

/* ---- what came of a T8 request */

struct scef_answer {
    int http_status; /* 0: the SCEF restarted and the connection broke, there is no answer (deliveries only) */
    enum t8_cause cause;
    const char *invalid_param;     /* JSON pointer of the offender, of a 400; else NULL */
    uint32_t retry_after_s;        /* with 429 and QUOTA_EXCEEDED; 0 = not told */
    uint64_t retransmission_ms;    /* requestedRetransmissionTime of a 500, absolute UTC; 0 = not told */
    unsigned supported_ue_formats; /* a set, with SERIALIZATION_FORMAT_NOT_SUPPORTED */
};

/* ---- options */

struct scef_options {
    uint64_t seed;
    /* What links begin with, before "/{scsAsId}/configurations/...": "/3gpp-nidd/v1" by default. */
    const char *link_root;
    /* What the URIs of WebSockets begin with, "ws://127.0.0.1:8080/ws"; NULL: notifications go by POST only, and
     * NIDD_FEATURE_WEBSOCKET is not offered. */
    const char *websocket_root;
    enum t8_id_style configuration_ids, delivery_ids; /* PLAIN: "c1", "d1" */
    const char *nef_id;                               /* our name in configuration triggers: "scef" by default */
    uint64_t features;                                /* offered (TS 29.122 clause 5.6.4): all of them by default */
    uint32_t maximum_packet_size_bits;                /* told in configurations and enforced: 10864 by default */
    uint32_t default_latency_s;     /* how long to buffer when maximumLatency is absent; 0 = not at all */
    uint32_t buffer_messages;       /* for one UE at most; 0 = any number */
    bool low_priority_first;        /* the smaller number is the more urgent one; else the larger. T8 has no rule */
    uint32_t remember_s;            /* how long ended deliveries are known: 300 by default */
    enum t8_pdn_option pdn_option;  /* when neither delivery nor configuration has one: WAIT_FOR_UE by default */
    uint32_t trigger_validity_s;    /* of a trigger whose data is not buffered: 3600 by default */
    uint32_t trigger_retry_ms;      /* a trigger that the radio lost is sent again so much later: 10000 by default */
    uint32_t rds_attempts;          /* to send what wants an acknowledgement: 3 by default */
    uint32_t rds_timeout_ms;        /* until the next one: 10000 by default */
    uint32_t notification_retries;  /* after a failed callback */
    uint32_t notification_retry_ms; /* first pause; doubles */
    /* An MT whose way over the radio takes longer is reported as failed by TIMEOUT, though it may arrive later: the
     * network cannot know. 0 = never. */
    uint32_t submit_timeout_ms;
    uint32_t max_duration_s;       /* longest lifetime of a configuration, which a longer one is cut to; 0 = any */
    bool duplicate_conflicts;      /* creating a configuration again is 409; else it changes the one that is there */
    bool revocation_removes;       /* the configurations of a UE that loses its authorisation; else MT is 403 */
    bool tell_retransmission_time; /* requestedRetransmissionTime with *TEMPORARILY_NOT_REACHABLE, for UEs with a TAU
                                      period */
};
void scef_options_default(struct scef_options *o);
/* The number-th identifier of a kind of resource, NUL-terminated: "c7", or as the style has it. */
void scef_id_write(enum t8_id_style style, char letter, uint64_t number, char out[static T8_ID_BYTES]);

/* ---- notifications */

enum scef_notification_kind {
    SCEF_NOTIFY_UPLINK,
    SCEF_NOTIFY_DELIVERY_STATUS,
    SCEF_NOTIFY_CONFIGURATION_STATUS,
    SCEF_NOTIFY_GROUP_RESULT,
    SCEF_NOTIFY_MANAGED_PORTS,
    SCEF_NOTIFY_TEST,
    SCEF_NOTIFY_CONFIGURATION_TRIGGER, /* of its answers only 200 is a success (TS 29.522 clause 5.5) */
    SCEF_NOTIFY_TRIGGER_REPORT,
    SCEF_NOTIFY_MONITORING,
};
struct scef_notification {
    enum scef_notification_kind kind;
    const char *destination; /* URL */
    /* Link of the resource that it belongs to: a configuration, transaction or subscription. NULL: none, a
     * configuration trigger. */
    const char *self;
    const char *websocket_uri; /* NULL, or the resource's WebSocket, over which it goes instead of a POST */
    struct t8_identity id;     /* of the user or group it is about, for traces; may be none */
    struct bytes body;         /* JSON; the same for every attempt */
    unsigned attempt;          /* 1, then more; unused by scef_notify */
};

struct scef_ports {
    void *ctx;
    /* MT data reaches the UE (after the radio); `port` as it was sent. */
    void (*ue_deliver)(void *ctx, uint32_t ue, struct bytes data, struct t8_rds_port port);
    /* A device trigger, an SMS, reaches the UE. May be NULL. */
    void (*ue_trigger)(void *ctx, uint32_t ue, uint16_t application_port, struct bytes payload);
    /* The answer to scef_downlink(request_ref); `d` is NULL unless the status is 200 or 201. */
    void (*downlink_answer)(void *ctx, uint64_t request_ref, const struct scef_answer *a,
                            const struct nidd_downlink *d);
    /* Sends one notification; its fate comes back by scef_notification_result with the same ref. A retry has the ref of
     * the first attempt. */
    void (*notify)(void *ctx, uint64_t ref, const struct scef_notification *n);
    /* Evidence: every NAS message and what became of it: "sent", then "lost", or ("duplicated" and) "delivered" once
     * per arrival; "unreachable" for MT data that was not sent because the UE cannot be reached now. May be NULL. */
    void (*nas_event)(void *ctx, uint32_t ue, bool mo, struct bytes data, const char *what);
};

[[gnu::warn_unused_result]] enum error scef_model_new(const struct scef_options *o, const struct scef_ports *ports,
                                                      uint64_t now_ms, struct scef_model **out);
void scef_model_free(struct scef_model *m);

/* Starts a notification with the SCEF's retries: again after no answer, 429 and 5xx. Everything of *n is copied. Calls
 * the port `notify` at once. When memory is short the notification is given up. May be called by an observer. */
void scef_notify(struct scef_model *m, uint64_t now_ms, const struct scef_notification *n);
/* Is this the websocketUri of a configuration? */
bool scef_websocket_known(const struct scef_model *m, struct bytes uri);
/* 0 = no answer. */
void scef_notification_result(struct scef_model *m, uint64_t now_ms, uint64_t ref, int http_status);

/* ---- the SCS/ASs that have a contract, and their subscribers */

/* While none was added, every SCS/AS is known; else the requests of others are 404 (TS 29.122 clause 5.2.6). */
struct scef_as {
    const char *id;
    const char *configuration_trigger_url; /* NULL: it is not asked for configurations (TS 29.522 clause 5.5) */
};
[[gnu::warn_unused_result]] enum error scef_as_add(struct scef_model *m, const struct scef_as *as);
bool scef_as_known(const struct scef_model *m, struct bytes scs_as_id);

/* At most so many in a window, which begins with the first of them; 0 = any number. */
struct scef_limit {
    uint64_t most;
    uint32_t window_s;
};
struct scef_plmn {
    char mcc[4], mnc[4]; /* "262", "01"; "" = not told */
};
/* index = order of calls. external_id or msisdn or both. ERR_IDENTITY: none, or one that is there already. Their dice
 * are their own: what happens to one UE does not depend on the others. All zero is a UE that may do what it likes. */
struct scef_subscriber {
    const char *external_id;
    const char *msisdn;
    struct ue_profile ue;
    struct radio_profile radio;
    const char *const *scs_as_ids; /* who may use it; none = everybody */
    size_t scs_as_ids_count;
    const char *const *groups; /* External Group Identifiers */
    size_t groups_count;
    bool barred;                                   /* NIDD is not authorised */
    bool rds;                                      /* it has the Reliable Data Service */
    uint16_t rds_ports_used;                       /* bit n: its port n is not free for dynamic reservation */
    unsigned formats;                              /* serialization formats it has, a set; 0 = all */
    struct scef_limit quota;                       /* bytes of MT data, what is buffered included */
    struct scef_limit apn_rate, serving_plmn_rate; /* MT messages */
    struct scef_plmn home_plmn;                    /* where it is at first */
};
[[gnu::warn_unused_result]] enum error scef_subscriber_add(struct scef_model *m, const struct scef_subscriber *s);

/* The subscriber that an identity names, by External Identifier if it has one. */
bool scef_subscriber_lookup(const struct scef_model *m, const struct t8_identity *id, uint32_t *ue);
/* As an AS may call it: by External Identifier, by MSISDN when wanted or when there is nothing else. */
struct t8_identity scef_subscriber_identity(const struct scef_model *m, uint32_t ue, bool by_msisdn);
/* May this AS use the subscriber, and has it NIDD at all? */
bool scef_subscriber_admits(const struct scef_model *m, uint32_t ue, struct bytes scs_as_id);
/* false: no such group. In the order in which they were added. */
bool scef_group_members(const struct scef_model *m, struct bytes external_group_id, const uint32_t **ues,
                        size_t *count);

/* ---- NIDD configurations (TS 29.122 clause 4.4.5.2). A user's or group's configuration exists once per SCS/AS:
 * creating it again changes it and tells the same self, or is a conflict, as the options say (TS 29.122 leaves it
 * open). When its duration is over it is gone, silently. A user that is not a subscriber, or not this AS's, is 403
 * without cause: the NIDD API names none, and a 404 to a POST would blame the scsAsId. */

/* 201, 400, 403, 404, 409, 503. `downlinks` of *wanted, one at most, is delivered after this answer and ends by a
 * notification only. The test notification that was asked for has been started when this returns. */
struct scef_answer scef_configuration_create(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                             const struct nidd_configuration *wanted, struct nidd_configuration *out);
struct scef_answer scef_configuration_get(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                          struct bytes configuration_id, struct nidd_configuration *out);
/* The configurations of an SCS/AS, one after another from *cursor = 0 on; false at the end. */
bool scef_configuration_next(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, uint64_t *cursor,
                             struct nidd_configuration *out);
/* 200, 404, or 400 for a duration that is over. */
struct scef_answer scef_configuration_patch(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                            struct bytes configuration_id, const struct nidd_configuration_patch *p,
                                            struct nidd_configuration *out);
/* 204 or 404. What is buffered for it is dropped; what is on the radio goes its way. */
struct scef_answer scef_configuration_delete(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                             struct bytes configuration_id);

/* ---- MT data (clauses 4.4.5.3 and 5.6.3.4-5). A group's goes to all members, or to the one that the request names. */

/* Answered through the port exactly once, possibly during the call. */
void scef_downlink(struct scef_model *m, uint64_t now_ms, uint64_t request_ref, struct bytes scs_as_id,
                   struct bytes configuration_id, const struct nidd_downlink *d);
/* A delivery that was answered 201. It can be replaced, patched and cancelled while it waits; afterwards the answers
 * say what became of it, for as long as it is remembered. 200 with *out, 204, 403, 404, 409, 500. */
struct scef_answer scef_delivery_get(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                     struct bytes configuration_id, struct bytes delivery_id,
                                     struct nidd_downlink *out);
struct scef_answer scef_delivery_replace(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                         struct bytes configuration_id, struct bytes delivery_id,
                                         const struct nidd_downlink *d, struct nidd_downlink *out);
struct scef_answer scef_delivery_patch(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                       struct bytes configuration_id, struct bytes delivery_id,
                                       const struct nidd_downlink_patch *p, struct nidd_downlink *out);
struct scef_answer scef_delivery_cancel(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                        struct bytes configuration_id, struct bytes delivery_id);
/* The pending deliveries of a configuration, from *cursor = 0 on; false at the end, or when there is no such
 * configuration. */
bool scef_delivery_next(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, struct bytes configuration_id,
                        uint64_t *cursor, struct nidd_downlink *out);

/* ---- ports of RDS, managed dynamically (clauses 4.4.5.6 and 5.6.3.8-9). Without the negotiated feature there are no
 * such resources: 404. */

struct scef_answer scef_port_get(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                 struct bytes configuration_id, struct t8_rds_port port, struct nidd_managed_port *out);
bool scef_port_next(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, struct bytes configuration_id,
                    uint64_t *cursor, struct nidd_managed_port *out);
/* 201 with *out, or 202: the UE is asked, a notification follows. */
struct scef_answer scef_port_put(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                 struct bytes configuration_id, struct t8_rds_port port,
                                 const struct nidd_managed_port *wanted, struct nidd_managed_port *out);
/* 204, or 202 likewise. */
struct scef_answer scef_port_delete(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                    struct bytes configuration_id, struct t8_rds_port port);

/* ---- what UEs do */

/* The UE sends (before the radio). Its network knows it as awake, and with a PDN connection, once this has arrived. */
void scef_uplink(struct scef_model *m, uint64_t now_ms, uint32_t ue, struct bytes data);
/* The same by RDS, from and to these ports. */
void scef_uplink_rds(struct scef_model *m, uint64_t now_ms, uint32_t ue, struct bytes data, struct t8_rds_port port,
                     bool reliable);
/* The UE shows up without user data (TAU, service request): awake, what is buffered flows. */
void scef_ue_wake(struct scef_model *m, uint64_t now_ms, uint32_t ue);
/* Its PDN connection ends or begins (the latter also means awake). What is buffered with INDICATE_ERROR fails when it
 * ends. When it begins, the ASs that may use the UE and have no configuration for it are asked for one. */
void scef_ue_set_pdn_connected(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool connected);
/* It leaves and finds the coverage. Out of it nothing reaches it, and nothing of it arrives. */
void scef_ue_set_covered(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool covered);
void scef_ue_roam(struct scef_model *m, uint64_t now_ms, uint32_t ue, const struct scef_plmn *plmn);
/* A radio connection fails; the observers are told, nothing else happens. */
struct scef_failure {
    int32_t s1ap_cause, nas_cause; /* -1 = none */
};
void scef_ue_fail(struct scef_model *m, uint64_t now_ms, uint32_t ue, const struct scef_failure *f);
/* It turns out to have RDS, or not: its configurations' ASs are told rdsCapIndication. */
void scef_ue_set_rds(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool rds);
/* The UE reserves (app_id set) or releases (NULL) ports towards an AS, which is told by a ManagePortNotification.
 * false: it has no configuration with dynamic ports, or the pair is taken, or unknown. */
bool scef_ue_port(struct scef_model *m, uint64_t now_ms, uint32_t ue, struct bytes scs_as_id, struct t8_rds_port port,
                  const char *app_id, unsigned formats);

/* A device trigger (TS 23.682 clause 5.2), an SMS: it waits for the UE to be awake until its validity ends. The UE that
 * gets it makes a PDN connection if it has none. `done` is called once, never during scef_ue_trigger, and may not call
 * an input other than scef_notify. Payload is copied. A SCEF's restart does not touch triggers. */
struct scef_trigger {
    uint16_t application_port;
    struct bytes payload;
    uint32_t validity_s;                                                  /* 0: one attempt, now */
    void (*done)(void *ctx, uint64_t ref, uint64_t now_ms, bool reached); /* NULL: nobody asks */
    void *ctx;
    uint64_t ref;
};
/* ERR_UNKNOWN_DEVICE, ERR_NO_MEMORY. *out names the trigger. */
[[gnu::warn_unused_result]] enum error scef_ue_trigger(struct scef_model *m, uint64_t now_ms, uint32_t ue,
                                                       const struct scef_trigger *t, uint64_t *out);
/* false: it is not waiting any more, but on the radio or done. Of a recalled one `done` is not called. */
bool scef_ue_trigger_recall(struct scef_model *m, uint64_t trigger);

/* As the network sees it, now. */
struct scef_ue_state {
    bool pdn_connected;
    bool covered;
    bool awake;              /* and covered: an SMS reaches it */
    bool reachable;          /* and has a PDN connection: MT data reaches it */
    uint64_t awake_until_ms; /* UINT64_MAX: it never sleeps */
    uint64_t tau_at_ms;      /* UINT64_MAX: it has no period */
    struct ue_profile profile;
    struct scef_plmn plmn;
    bool roaming;
};
bool scef_ue_state(const struct scef_model *m, uint64_t now_ms, uint32_t ue, struct scef_ue_state *out);
bool scef_ue_awake(const struct scef_model *m, uint32_t ue, uint64_t now_ms);

/* ---- observers of UEs, in the order in which they were added */

enum scef_ue_happening {
    SCEF_UE_AWAKE,       /* it can be reached from now on */
    SCEF_UE_ASLEEP,      /* its active time is over */
    SCEF_UE_DDN_FAILURE, /* MT data for it met an unreachable UE */
    SCEF_UE_PDN_CREATED, /* the non-IP PDN connection to us */
    SCEF_UE_PDN_RELEASED,
    SCEF_UE_COVERAGE_LOST,
    SCEF_UE_COVERAGE_FOUND,
    SCEF_UE_PLMN_CHANGED,
    SCEF_UE_FAILED, /* communication failure */
};
struct scef_ue_event {
    enum scef_ue_happening what;
    uint32_t ue;
    uint64_t now_ms;
    const struct scef_plmn *plmn;       /* PLMN_CHANGED */
    const struct scef_failure *failure; /* FAILED */
};
/* Called while the model is at work: may call scef_notify and what takes the model as const, no other input. */
[[gnu::warn_unused_result]] enum error scef_observe(struct scef_model *m,
                                                    void (*told)(void *ctx, const struct scef_ue_event *e), void *ctx);

/* ---- what the operator does */

/* A UE's authorisation is revoked, or given back. Revoked: what is buffered for it fails, the ASs are told
 * TERMINATED_UE_NOT_AUTHORIZED, and its PDN connection is released (TS 29.122 clause 4.4.5.5). */
void scef_ue_set_authorised(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool authorised);
/* Ends a configuration: the AS is told TERMINATED. false: there is none. */
bool scef_configuration_terminate(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                  struct bytes configuration_id);
/* Asks for a configuration as when the UE connects; how many ASs were asked. */
unsigned scef_configuration_trigger(struct scef_model *m, uint64_t now_ms, uint32_t ue);

/* Faults. A restart loses what the SCEF buffers and its notifications, silently. */
void scef_restart(struct scef_model *m, uint64_t now_ms, bool forget_configurations);
/* Refuses nothing itself: the caller stops calling. Radio uplinks are dropped; notifications wait for their next turn.
 */
void scef_set_down(struct scef_model *m, bool down);

/* ---- time, and counters */

void scef_wake(struct scef_model *m, uint64_t now_ms);
uint64_t scef_next_wake(const struct scef_model *m); /* O(1); UINT64_MAX: nothing to do */

struct scef_counters { /* per UE */
    uint64_t mo_sent, mo_lost, mt_sent, mt_lost, mt_delivered;
    uint64_t triggers; /* that reached it */
};
const struct scef_counters *scef_counters_of(const struct scef_model *m, uint32_t ue);

struct scef_totals {
    uint64_t configurations;  /* now */
    uint64_t buffered;        /* deliveries, now */
    uint64_t expired;         /* deliveries that ended by FAILURE_TIMEOUT */
    uint64_t displaced;       /* deliveries that a more urgent one pushed out */
    uint64_t notifications;   /* begun */
    uint64_t notified;        /* answered 2xx */
    uint64_t retries;         /* further attempts */
    uint64_t given_up;        /* notifications that nobody took */
    uint64_t uplinks_dropped; /* arrived for a UE without configuration, or while the SCEF was down */
};
const struct scef_totals *scef_totals_of(const struct scef_model *m);

#endif
