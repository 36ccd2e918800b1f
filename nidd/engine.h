/* The engine: devices, exchanges, uplink and downlink of the message-layer relay, without I/O and without a clock.
 *
 * The shell feeds inputs together with the time (milliseconds of UTC, never going back) and is called back through the
 * ports. An input may call any number of ports before it returns; no port may call an input. Results of what a port was
 * asked for come back as inputs. After each input, and at the time engine_next_wake names, the shell calls engine_wake.
 *
 * Contract of the relay: docs/architecture.md. */
#ifndef NIDD_ENGINE_H
#define NIDD_ENGINE_H

#include "base/slab.h"
#include "buffering/queue.h"
#include "buffering/record.h"
#include "nidd/coap_view.h"
#include "t8/nidd.h"
#include "t8/nidd_configuration_patch.h"

struct engine;

#define ENGINE_NONE UINT32_MAX /* no index of a server, SCEF or group */

/* What becomes of devices that are stored, but in the configuration no more: nothing; or their messages end as
 * `cancelled` and their NIDD configurations are deleted, unless more of them are gone than left, or in any case. */
enum engine_delete_removed { ENGINE_DELETE_REMOVED_NO, ENGINE_DELETE_REMOVED_YES, ENGINE_DELETE_REMOVED_ALL };

/* The endpoint name in a device's clear Register or Bootstrap-Request is not its own (nidd/identity.h): that is
 * nobody's business; ENGINE_AUDIT tells, and it passes; ENGINE_AUDIT tells, and the device gets 4.00, the server
 * nothing. */
enum engine_identity_policy { ENGINE_IDENTITY_OFF, ENGINE_IDENTITY_WARN, ENGINE_IDENTITY_ENFORCE };

/* Who holds a request that its device cannot be given now: the adapter; the SCEF (TS 29.122 clause 5.6.2.1.3,
 * maximumLatency), of which the adapter keeps a copy; the server itself, which is told so at once. */
enum engine_buffer { ENGINE_BUFFER_ADAPTER, ENGINE_BUFFER_SCEF, ENGINE_BUFFER_SERVER };

/* What becomes of a server's request to a device. */
struct engine_policy {
    uint64_t lifetime_ms; /* in the queue */
    enum engine_buffer buffer;
    uint8_t priority; /* 0 to QUEUE_PRIORITY_MAX: the greater goes first, and may displace the smaller */
    bool latest_wins; /* a newer PUT, GET or FETCH takes the place of the same one that was not submitted yet */
};

/* Every time in milliseconds. engine_options_default gives all of them. */
struct engine_options {
    uint64_t seed;
    uint64_t ack_timeout_ms; /* server leg, RFC 7252 clause 4.8: 2000, 1.5, 4 */
    uint32_t max_retransmit;
    uint64_t exchange_lifetime_ms; /* RFC 7252 clause 4.8.2: 247000 */
    uint64_t nidd_ack_timeout_ms;  /* NIDD leg: first repetition of a CON the device has not answered; doubles */
    uint32_t nidd_max_retransmit;
    struct engine_policy downlink; /* of requests for which engine_downlinks_replace says nothing else */
    uint64_t answer_lifetime_ms;   /* of an answer or acknowledgement in the queue */
    uint64_t retry_min_ms;         /* last resort when no report of the network makes the queue flow; doubles */
    uint64_t retry_max_ms;
    uint64_t spool_lifetime_ms;    /* of an uplink kept while its server is down */
    uint32_t spool_max_messages;   /* per device */
    uint64_t server_probe_ms;      /* how often a server that is down is tried */
    struct queue_limits queue;     /* per device */
    uint64_t queue_total_messages; /* over all devices: requests are refused beyond these */
    uint64_t queue_total_bytes;
    uint64_t spool_total_messages; /* the same for what is kept while servers are down */
    uint64_t spool_total_bytes;
    uint64_t history_ms;                /* how long final states are kept; 0 = not at all */
    uint32_t history_max;               /* of them per device; the oldest make room */
    uint64_t history_total_bytes;       /* over all devices, in memory */
    uint32_t max_exchanges;             /* remembered per device, for duplicates */
    uint32_t configuration_window;      /* configuration requests under way at once, per SCEF */
    uint32_t default_packet_size_bytes; /* while the SCEF has not told maximumPacketSize; 0 = unlimited */
    enum engine_delete_removed delete_removed;
    enum engine_identity_policy identity_policy; /* default: warn */
    bool
        fill_endpoint; /* a missing name is filled in: the provisioned one, else urn:nai: and the External Identifier */
};
void engine_options_default(struct engine_options *o);

/* ---- what the engine tells: the ladder, the metrics, the log, later CDRs */

enum engine_event_kind {
    ENGINE_UPLINK,          /* a message of the device came in */
    ENGINE_TO_SERVER,       /* a message left on the server leg */
    ENGINE_FROM_SERVER,     /* a message of a server came in */
    ENGINE_SUBMIT,          /* a downlink POST begins */
    ENGINE_SUBMIT_RESULT,   /* what it came to: status, cause */
    ENGINE_DELIVERY_STATUS, /* a notification for a buffered delivery */
    ENGINE_ACCEPTED,        /* a downlink message is in the queue, durably if it was to be */
    ENGINE_FINAL,           /* it is in its final state */
    ENGINE_DROPPED,         /* a message was dropped; `reason` */
    ENGINE_DUPLICATE,       /* a repeated message was recognised; not forwarded again */
    ENGINE_SPOOLED,         /* an uplink was stored because its server is down */
    ENGINE_SERVER_STATE,    /* a server was found down or up: `up` */
    ENGINE_LEARNED,         /* an unknown device of a group is known from now on, durably */
    ENGINE_CONFIGURATION,   /* a NIDD configuration changed its state: `reason`; of a device, or of a group */
    ENGINE_REACHABLE,       /* the network says that a device can be reached: `reason` */
    ENGINE_AUDIT            /* a device has given an endpoint name that is not its own: `endpoint`, `reason` */
};

enum final_state {
    FINAL_NONE,
    FINAL_ANSWERED,
    FINAL_DELIVERED,
    FINAL_EXPIRED,
    FINAL_DISPLACED,
    FINAL_REJECTED,
    FINAL_FAILED,
    FINAL_CANCELLED,
    FINAL_COUNT
};
const char *final_state_name(enum final_state s);

struct engine_event {
    enum engine_event_kind kind;
    struct bytes device_id; /* empty when unknown */
    struct bytes group_id;  /* LEARNED, CONFIGURATION: the group it is about; else empty */
    uint32_t scef;          /* index: the SCEF of the device or group; ENGINE_NONE when there is none */
    uint32_t server;        /* index; ENGINE_NONE when none */
    struct bytes message;   /* the CoAP message or DTLS record as the ends wrote it; empty when none */
    struct bytes endpoint;  /* AUDIT: the name in the message; `device_id` is whom the network says it is from */
    uint8_t type;           /* with a CoAP message: enum coap_type and Message ID as they stand on this leg */
    uint16_t message_id;
    uint64_t seq; /* of the downlink message; 0 when none */
    enum final_state final;
    const char *reason; /* static text, "" when none */
    int http_status;    /* SUBMIT_RESULT, CONFIGURATION; 0 = no answer */
    enum t8_cause cause;
    enum t8_delivery_status delivery_status;
    uint64_t age_ms; /* FINAL: since acceptance */
    bool up;
};

/* ---- ports: all may be called during any input */
struct engine_submit {
    uint32_t scef;
    struct t8_identity id;
    struct bytes configuration_link;
    struct bytes data;
    uint32_t maximum_latency_s;
};

/* About what the SCEF has in its buffer (TS 29.122 clauses 5.6.3.4 and 5.6.3.5): a delivery, or with LIST all of a
 * configuration: engine_delivery_found for each. */
enum engine_delivery_operation {
    ENGINE_DELIVERY_GET,
    ENGINE_DELIVERY_PUT,
    ENGINE_DELIVERY_DELETE,
    ENGINE_DELIVERY_LIST
};
struct engine_delivery_request {
    enum engine_delivery_operation operation;
    uint32_t scef;
    struct bytes link;          /* of the delivery; LIST: of the configuration */
    struct t8_identity id;      /* PUT: what it is to be from now on */
    struct bytes data;          /* the same */
    uint32_t maximum_latency_s; /* the same */
};
struct engine_delivery_answer {
    int http_status; /* 0 = no answer */
    enum t8_cause cause;
    enum t8_delivery_status delivery_status;
    uint64_t requested_retransmission_ms; /* absolute UTC; 0 = not told */
    uint32_t retry_after_s;               /* 0 = not told */
};

/* A subscription to one report: UE_REACHABILITY, or with `pdn` PDN_CONNECTIVITY_STATUS (TS 29.122 clause 5.3.2.4.3). */
struct engine_watch {
    struct t8_identity id;
    bool pdn;
    uint64_t expire_ms; /* UTC: then nobody waits for the report any more */
};
struct engine_watch_answer {
    int http_status; /* 0 = no answer */
    struct bytes link;
    uint64_t expire_ms; /* as granted; 0 = not told */
    uint32_t retry_after_s;
};

struct engine_ports {
    void *ctx;
    /* Message from the device's address `leg` to server `server`: 4 header bytes, then the rest. ERR_UNREACHABLE or
     * ERR_SYSTEM: it was not handed on. A leg that has to connect does so with the first message, which gets
     * ERR_UNREACHABLE; engine_leg_state tells when it is there. To a server by UDP it may be a DTLS record. */
    enum error (*server_send)(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                              struct bytes rest);
    /* Each of these ends in exactly one engine_*_result with the same ref. */
    void (*downlink_submit)(void *ctx, uint64_t ref, const struct engine_submit *s);
    void (*configuration_create)(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id); /* or a group's */
    void (*configuration_get)(void *ctx, uint32_t scef, uint64_t ref, struct bytes link);
    /* Store: the ticket by which engine_stored will tell. The slices are copied by the port. */
    uint64_t (*store_put)(void *ctx, struct bytes key, struct bytes value);
    uint64_t (*store_delete)(void *ctx, struct bytes key);
    /* The answer to an uplink that engine_uplink said was to be answered later. */
    void (*uplink_answer)(void *ctx, uint64_t uplink_ref, enum error err);
    void (*event)(void *ctx, const struct engine_event *e);
    /* As configuration_create. Without these (NULL) nothing is renewed, changed or deleted. */
    void (*configuration_patch)(void *ctx, uint32_t scef, uint64_t ref, struct bytes link,
                                const struct nidd_configuration_patch *p);
    void (*configuration_delete)(void *ctx, uint32_t scef, uint64_t ref, struct bytes link);
    /* All configurations of ours at the SCEF: engine_configuration_found for each, then engine_configuration_listed.
     * One at a time for each SCEF. Without it (NULL) a configuration that is said to exist already is refused, and one
     * of a group that is foreign is never found. */
    void (*configuration_list)(void *ctx, uint32_t scef);
    /* A device is about to be learned and gets this leg: its address is opened here, once more when it is open already.
     * An error: the device is not learned, and its uplink is refused with it. Without it (NULL) nothing is learned. */
    enum error (*device_added)(void *ctx, uint32_t leg);
    /* Ends in exactly one engine_delivery_result with the same ref, which may be 0. Without it (NULL) what the SCEF
     * buffers is never asked after: it is submitted anew after retry_max_ms without a word. */
    void (*delivery_request)(void *ctx, uint64_t ref, const struct engine_delivery_request *q);
    /* Ends in exactly one engine_watch_result with the same ref. And once at the start, to find those of before:
     * engine_watch_found for each, then engine_watch_listed. Without these (NULL) nothing is asked for. */
    void (*watch_create)(void *ctx, uint32_t scef, uint64_t ref, const struct engine_watch *w);
    void (*watch_list)(void *ctx, uint32_t scef);
    /* A configuration has this websocketUri (TS 29.122 clause 5.2.5.4), and has it no more: one `end` for each that was
     * taken (true). Several configurations may have the same. Without these (NULL) a URI is of no interest. */
    bool (*websocket_begin)(void *ctx, uint32_t scef, struct bytes uri);
    void (*websocket_end)(void *ctx, uint32_t scef, struct bytes uri);
};

[[gnu::warn_unused_result]] enum error engine_new(const struct engine_options *o, const struct engine_ports *ports,
                                                  uint64_t now_ms, struct engine **out);
void engine_free(struct engine *e);

/* ---- set-up, before the first input, in this order: servers; SCEFs; groups; routes; what was stored: sequence,
 * configurations, devices, observations, messages; the devices of the configuration file; engine_start. A restored
 * record that cannot be used is refused (ERR_STORE_CORRUPT, ERR_UNKNOWN_DEVICE for a message of no device,
 * ERR_NOT_FOUND for one of no server) and is the caller's to report and set aside. Servers, SCEFs and groups are named
 * by the order of these calls, from 0. */

/* What a leg to the server moves the messages by. UDP: nothing is ever connected. DTLS: the same message layer, over a
 * session of each device. RELIABLE: a connection of each device (RFC 8323): nothing is repeated, acknowledged or reset
 * on it; what comes from it is NON with Message ID 0, what goes to it has a type and a Message ID that mean nothing. */
enum engine_transport { ENGINE_TRANSPORT_UDP, ENGINE_TRANSPORT_DTLS, ENGINE_TRANSPORT_RELIABLE };
struct engine_server_options {
    const char *name; /* copied */
    enum engine_transport transport;
};
[[gnu::warn_unused_result]] enum error engine_server_add(struct engine *e, const struct engine_server_options *o);

struct engine_scef_options {
    const char *name;                     /* what is stored names it so */
    uint64_t configuration_duration_ms;   /* what a renewal asks for, from then on; 0 = for ever */
    uint64_t configuration_check_ms;      /* how often one that nothing is heard of is asked after; 0 = never */
    uint64_t supported_features;          /* of the NIDD API, ours */
    const char *notification_destination; /* where the SCEF is to notify; NULL: not compared */
    bool watch;                           /* it is asked to tell when a device that was not there can be reached */
};
/* Texts are copied. ERR_MEMBER_TYPE: no name, or the name of another one. */
[[gnu::warn_unused_result]] enum error engine_scef_add(struct engine *e, const struct engine_scef_options *o);

/* An External Group Identifier (TS 23.003 clause 19.7.3): one NIDD configuration at the SCEF for all its devices. */
struct engine_group_options {
    struct bytes external_group_id;
    uint32_t scef;
    uint32_t server;    /* of the devices that are learned; ENGINE_NONE: the routes decide */
    bool learn;         /* an unknown device that speaks through the group's configuration becomes one of ours */
    uint32_t learn_max; /* so many of them */
    bool foreign;       /* another process makes, changes and deletes the configuration; this one finds and uses it */
};
/* Texts are copied. ERR_IDENTITY: no identifier. ERR_MEMBER_TYPE: it is listed twice. ERR_NOT_FOUND: no such SCEF or
 * server. */
[[gnu::warn_unused_result]] enum error engine_group_add(struct engine *e, const struct engine_group_options *o);

/* A route: which server gets a message of a device that has no server of its own. Exchanges and observations come
 * before it: what a server has asked for goes to that server. All matches that are given must hold; a route without any
 * matches everything, and without such a one that is server 0. Which comes first: nidd/route.h, which also finds routes
 * that stand in each other's way. */
struct engine_route {
    uint32_t server;
    bool has_rds_ue_port, has_rds_scef_port; /* of the uplink notification (TS 29.122 clause 5.6.2.1.8) */
    uint16_t rds_ue_port, rds_scef_port;
    struct bytes uri_host;    /* option of a request, readable under OSCORE too; empty: any */
    uint16_t uri_port;        /* the same; 0: any */
    bool bootstrap;           /* the bootstrap server: clear requests to /bs and /bspack */
    bool dtls;                /* DTLS records */
    struct bytes domain;      /* of the External Identifier; empty: any */
    struct bytes external_id; /* a pattern for it, with '*' and '?' (nidd/route_pattern.h); not with a domain */
};
/* Texts are copied. One more route. ERR_NOT_FOUND: no such server. ERR_MEMBER_TYPE: nidd/route.h. */
[[gnu::warn_unused_result]] enum error engine_route_add(struct engine *e, const struct engine_route *r);
/* At any time: these and no others from now on. Exchanges, observations, what is queued and what is spooled keep their
 * servers. On an error nothing has changed. */
[[gnu::warn_unused_result]] enum error engine_routes_replace(struct engine *e, const struct engine_route *routes,
                                                             size_t count);
/* Requests of this server to devices of this domain, or whose External Identifier matches this pattern. At least one of
 * the three is given, not both of the latter. Which entry counts, of several that fit: nidd/policy.h. */
struct engine_downlink {
    uint32_t server;          /* ENGINE_NONE: of any */
    struct bytes domain;      /* empty: any */
    struct bytes external_id; /* a pattern (nidd/route_pattern.h); empty: any */
    struct engine_policy policy;
};
/* At any time, also before the start: these policies and no others from now on, and `otherwise` for all else. What is
 * queued keeps lifetime, priority and place. Texts are copied. ERR_NOT_FOUND: no such server. ERR_MEMBER_TYPE:
 * nidd/policy.h. On an error nothing has changed. */
[[gnu::warn_unused_result]] enum error engine_downlinks_replace(struct engine *e, const struct engine_policy *otherwise,
                                                                const struct engine_downlink *entries, size_t count);
/* At any time, the same for the devices that a group has learned and will learn. ERR_NOT_FOUND. */
[[gnu::warn_unused_result]] enum error engine_group_reroute(struct engine *e, uint32_t group, uint32_t server);
/* At any time, the policy from now on. */
void engine_identity_set(struct engine *e, enum engine_identity_policy policy, bool fill_endpoint);

/* Sequence numbers go on above what was reserved before: none is ever given out twice. */
void engine_restore_sequence(struct engine *e, uint64_t reserved);
/* A configuration that stands in no device's record: a group's, or what is left at a SCEF to be deleted. */
[[gnu::warn_unused_result]] enum error engine_restore_configuration(struct engine *e,
                                                                    const struct record_configuration *r);
[[gnu::warn_unused_result]] enum error engine_restore_device(struct engine *e, const struct record_device *r);
[[gnu::warn_unused_result]] enum error engine_restore_observation(struct engine *e, const struct record_observation *r);
[[gnu::warn_unused_result]] enum error engine_restore_message(struct engine *e, enum record_kind kind,
                                                              const struct record_message *r);
/* A final state of before, by the key's sequence. Before the device's messages. */
[[gnu::warn_unused_result]] enum error engine_restore_final(struct engine *e, const struct record_final *r);
/* A device of the configuration file. Restored state is kept; a new one gets the lowest free leg. In a group it has no
 * NIDD configuration of its own, and its SCEF is the group's, whatever `scef` says. ERR_MEMBER_TYPE: it is listed
 * twice. ERR_NOT_FOUND: no such server, SCEF or group. */
struct engine_device_options {
    struct t8_identity id;
    uint32_t server; /* all its messages go there; ENGINE_NONE: the routes decide */
    uint32_t scef;
    uint32_t group;        /* ENGINE_NONE: none */
    struct bytes endpoint; /* the name that it was provisioned with, beside those by its identity; empty: none */
};
[[gnu::warn_unused_result]] enum error engine_device_add(struct engine *e, const struct engine_device_options *d);
/* At any time: a device of the configuration file gets this server and this endpoint name; the rest of the options does
 * not count. ERR_UNKNOWN_DEVICE, ERR_NOT_FOUND (no such server). */
[[gnu::warn_unused_result]] enum error engine_device_change(struct engine *e, const struct engine_device_options *d);
/* Instead of all devices at the start: they are restored one by one while the engine works, after
 *   engine_restore_legs, _learned   what records of those kinds say, and as before sequence and configurations
 *   engine_start_loading            `removing`: what engine_is_removing said at the start that has seen all
 * each by engine_restore_device, _observation and _message, at once after each other, and engine_restored: from then on
 * it is served, if its record says that it is in the configuration file. Who gives an input about a device has to see
 * that it was restored: engine_knows_*, which tell of devices that are not served, too. engine_loaded: that was all. */
void engine_restore_legs(struct engine *e, uint64_t below);
void engine_restore_learned(struct engine *e, struct bytes external_group_id, uint64_t count);
void engine_start_loading(struct engine *e, uint64_t now_ms, bool removing);
void engine_restored(struct engine *e, uint64_t now_ms, struct bytes id);
void engine_restore_undo(struct engine *e, struct bytes id); /* instead of engine_restored: not all could be */
void engine_loaded(struct engine *e);
bool engine_knows_id(const struct engine *e, struct bytes id); /* as written in its record */
bool engine_knows_msisdn(const struct engine *e, struct bytes msisdn);
bool engine_knows_leg(const struct engine *e, uint32_t leg);
bool engine_knows_delivery(const struct engine *e, uint32_t scef, struct bytes link);
#define ENGINE_ID_MAX_BYTES 253
/* The External Identifier as the engine also looks for it: its domain in small letters, in `memory`. */
struct bytes engine_id_canonical(struct bytes id, uint8_t memory[ENGINE_ID_MAX_BYTES]);
bool engine_is_removing(const struct engine *e);
/* Nothing waits to be given to the store once more. */
bool engine_is_saved(const struct engine *e);

/* All devices are there: restored devices that are in no configuration stay unrouted and unserved; configurations at
 * the SCEF begin to be found or made; queues begin to flow. */
void engine_start(struct engine *e, uint64_t now_ms);

/* ---- inputs. `scef` is the SCEF that speaks: the devices and configurations of another one are unknown to it. */
enum engine_verdict { ENGINE_TAKEN, ENGINE_LATER, ENGINE_REFUSED };
/* An uplink notification. TAKEN: it may be answered 204 now. LATER: uplink_answer(uplink_ref) follows. REFUSED: *err.
 */
enum engine_verdict engine_uplink(struct engine *e, uint64_t now_ms, uint32_t scef, uint64_t uplink_ref,
                                  const struct nidd_uplink *u, enum error *err);
/* A datagram or message from server `server` to the device's address `leg`. */
void engine_server_datagram(struct engine *e, uint64_t now_ms, uint32_t leg, uint32_t server, struct bytes message);
/* The leg of the device's address to this server has connected, or has lost its connection. Not for UDP. */
void engine_leg_state(struct engine *e, uint64_t now_ms, uint32_t leg, uint32_t server, bool up);
void engine_submit_result(struct engine *e, uint64_t now_ms, uint64_t ref, const struct nidd_submit_result *r);
[[gnu::warn_unused_result]] enum error engine_delivery_status(struct engine *e, uint64_t now_ms, uint32_t scef,
                                                              const struct nidd_delivery_status *s);
void engine_delivery_found(struct engine *e, uint64_t now_ms, uint32_t scef, uint64_t ref,
                           const struct nidd_downlink *d);
void engine_delivery_result(struct engine *e, uint64_t now_ms, uint32_t scef, uint64_t ref,
                            const struct engine_delivery_answer *r);
void engine_configuration_result(struct engine *e, uint64_t now_ms, uint64_t ref,
                                 const struct nidd_configuration_result *r);
void engine_configuration_found(struct engine *e, uint64_t now_ms, uint32_t scef,
                                const struct nidd_configuration_found *f);
void engine_configuration_listed(struct engine *e, uint64_t now_ms, uint32_t scef,
                                 const struct nidd_configuration_result *r);
/* The SCEF says that there is no such WebSocket: the configurations that have it are asked after. */
void engine_websocket_gone(struct engine *e, uint64_t now_ms, uint32_t scef, struct bytes uri);
[[gnu::warn_unused_result]] enum error engine_configuration_status(struct engine *e, uint64_t now_ms, uint32_t scef,
                                                                   const struct nidd_configuration_status *s);
/* A report of the network, or a device trigger that got there: the device can be reached, now. What waits for it flows
 * as if it had spoken; a time that the network has named with 429 or 503 is kept. `reason` is static text. false: no
 * device of that SCEF. */
bool engine_device_reachable(struct engine *e, uint64_t now_ms, uint32_t scef, struct t8_identity id,
                             const char *reason);
/* Whom the subscription is about; no identity: it is not known any more. */
struct t8_identity engine_watch_result(struct engine *e, uint64_t now_ms, uint64_t ref,
                                       const struct engine_watch_answer *r);
/* This subscription of ours has told what it was for, or was ended by the SCEF: whom it is about; no identity: it is
 * none of ours. */
struct t8_identity engine_watch_over(struct engine *e, uint32_t scef, struct bytes link);
void engine_watch_found(struct engine *e, uint64_t now_ms, uint32_t scef, struct t8_identity id, struct bytes link,
                        uint64_t expire_ms);
void engine_watch_listed(struct engine *e, uint32_t scef);
/* A NEF asks for the configuration of a device (TS 29.522 clause 5.5): one that waits for its next try, or that the
 * SCEF did not want, is lined up at once. false: no device of that SCEF. */
bool engine_configuration_trigger(struct engine *e, uint64_t now_ms, uint32_t scef, struct t8_identity id);
void engine_stored(struct engine *e, uint64_t now_ms, uint64_t ticket, enum error err);
/* No new messages are taken from servers (5.03), no new requests go to the SCEF; what is queued stays stored. */
void engine_drain(struct engine *e);

void engine_wake(struct engine *e, uint64_t now_ms);
uint64_t engine_next_wake(const struct engine *e); /* UINT64_MAX = never */

/* ---- what an operator may do with queues. Devices by either name; ERR_UNKNOWN_DEVICE. ERR_NOT_FOUND: no such message
 * waits, or its answer is under way to the server already. */

/* Ends it as `cancelled`; the server of a request gets 5.03. */
[[gnu::warn_unused_result]] enum error engine_message_cancel(struct engine *e, uint64_t now_ms, struct bytes device_id,
                                                             uint64_t seq);
/* The same for all messages of the device, or of all devices (device_id empty), at most `max`; how many there were.
 * Fewer than `max`: none is left but those whose answer is under way. */
uint32_t engine_queue_purge(struct engine *e, uint64_t now_ms, struct bytes device_id, uint32_t max);
/* The message is tried now: all pauses of its device end, those that the network has asked for too, and so does the
 * message's own. It keeps its place: what stands before it goes before it. One that was sent and not answered is
 * repeated. What has ended cannot be replayed: its server was told, and nothing but its state is kept. */
[[gnu::warn_unused_result]] enum error engine_message_replay(struct engine *e, uint64_t now_ms, struct bytes device_id,
                                                             uint64_t seq);

/* ---- inspection (admin, tests) */

/* A registration at a server, as far as it could be read: not under OSCORE or DTLS, and not from before a restart. */
struct engine_registration_info {
    uint32_t server;
    uint32_t lifetime_s; /* 0 = for ever; ENGINE_NONE: an update was seen, the Register was not */
    uint64_t until_ms;   /* UTC: when its lifetime ends; 0 = never, or not known */
    const char *binding; /* as the device wrote it; "" when it did not */
    const char *version; /* of LwM2M; the same */
    bool queue_mode;
};
#define ENGINE_REGISTRATIONS_MAX 4 /* watched per device; the oldest makes room */

struct engine_device_info {
    struct t8_identity id;
    struct bytes configuration_link;
    /* "none", "creating", "checking", "active", "changing", "finding", "replacing", "waiting", "refused" */
    const char *configuration_state;
    uint64_t configuration_end_ms; /* UTC; 0 = for ever, or not known */
    uint32_t supported_features;   /* what both sides can do */
    uint32_t leg;
    uint32_t server; /* where messages go that nothing but the device's identity decides about */
    uint32_t scef;
    struct bytes endpoint;                                                   /* provisioned; empty: none */
    struct engine_registration_info registrations[ENGINE_REGISTRATIONS_MAX]; /* youngest first */
    uint32_t registration_count;
    uint32_t observation_count; /* remembered; none when there is one server only */
    uint32_t group;             /* ENGINE_NONE: none, it has a configuration of its own */
    bool learned;               /* from its first uplink, not from the configuration file */
    bool reachable;             /* the last word was an uplink or a successful delivery */
    uint64_t last_uplink_ms;    /* 0 = never */
    uint32_t maximum_packet_size_bytes;
    uint32_t queue_messages, queue_bytes;
    uint32_t spooled_messages;
    uint64_t uplink_count, downlink_count; /* NAS messages as far as the adapter sees them */
};
struct engine_message_info {
    uint64_t seq;
    const char *class_; /* "answer", "ack", "dtls", "request" */
    const char *state;  /* "storing", "queued", "submitted", "with_scef", "sent", "acknowledged", "answering" */
    /* "store", "line" (others before it), "device" (not reachable), "network" (it has named a time), "configuration",
     * "scef" (its answer, or what it buffers), "answer" (of the device), "retry", "server" (its ACK), "shutdown" */
    const char *waits_for;
    uint64_t until_ms; /* UTC: when that ends at the latest; 0 = not known */
    uint32_t server;
    uint64_t accepted_ms, deadline_ms;
    uint64_t age_ms;
    uint32_t attempts;
    uint8_t priority; /* of a request */
    struct bytes message;
};
/* A message in its final state. */
struct engine_final_info {
    uint64_t seq;
    const char *class_;
    uint8_t code;      /* of CoAP; 0: not known */
    struct bytes path; /* "/3/0?pmin=1" of a request in clear, at most 64 bytes of it */
    struct bytes server;
    uint64_t accepted_ms, final_ms;
    enum final_state final;
    struct bytes reason; /* with the cause that T8 gave, if it gave one */
    uint32_t attempts;   /* since the device was last heard of */
    uint32_t bytes;      /* of the message */
};
struct engine_totals {
    uint64_t devices, active_configurations;
    uint64_t queued_messages, queued_bytes;
    uint64_t queued_by_class[4]; /* enum queue_class; those that wait for their answer only are counted too */
    uint64_t spooled_messages, spooled_bytes;
    uint64_t exchanges;
    uint64_t finals; /* final states kept */
};
void engine_totals_get(const struct engine *e, struct engine_totals *out);
/* Devices in the order of the configuration, `limit` at a time: start with *cursor = 0; false at the end. */
bool engine_device_next(const struct engine *e, uint32_t *cursor, struct engine_device_info *out);
bool engine_device_find(const struct engine *e, struct bytes id, struct engine_device_info *out);
/* Messages of a device in queue order, after the one with *seq (0 = from the start). */
bool engine_message_next(const struct engine *e, struct bytes device_id, uint64_t *seq,
                         struct engine_message_info *out);
/* When the message that waits longest was accepted; 0 = none waits. After that one has ended, it looks at all. */
uint64_t engine_oldest_accepted_ms(struct engine *e);
/* Final states of a device, oldest first: start with *cursor = 0; false at the end. */
bool engine_final_next(const struct engine *e, struct bytes device_id, uint32_t *cursor, struct engine_final_info *out);
struct engine_scef_info {
    const char *name;
    uint32_t devices;
    uint32_t active_configurations;
    uint32_t requests_under_way; /* of the configurations, the list aside */
    uint32_t in_line;            /* configurations that wait for the window, or for the list */
    bool listing;                /* the list has been asked for */
};
bool engine_scef_info_get(const struct engine *e, uint32_t scef, struct engine_scef_info *out); /* false: no such */
struct engine_group_info {
    struct bytes external_group_id;
    struct bytes configuration_link;
    const char *configuration_state; /* as a device's */
    uint64_t configuration_end_ms;
    uint32_t scef;
    uint32_t server;
    uint32_t devices; /* the learned ones included */
    uint32_t learned;
    uint32_t learn_max;
    bool learn;
    bool foreign;
};
bool engine_group_info_get(const struct engine *e, uint32_t group, struct engine_group_info *out); /* false: no such */
const char *engine_server_name(const struct engine *e, uint32_t server);
uint32_t engine_server_count(const struct engine *e);
bool engine_server_up(const struct engine *e, uint32_t server);

#endif
