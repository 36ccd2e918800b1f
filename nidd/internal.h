/* What the rooms of the engine share. Not for anyone outside nidd/. */
#ifndef NIDD_INTERNAL_H
#define NIDD_INTERNAL_H

#include "base/map.h"
#include "base/prng.h"
#include "base/timer_wheel.h"
#include "nidd/block.h"
#include "nidd/engine.h"

#define NO_SERVER UINT32_MAX

/* An immutable message, shared by those who may have to send it again. */
struct blob {
    uint32_t refs;
    uint32_t len;
    uint8_t data[];
};
struct blob *blob_new(const uint8_t header[COAP_HEADER_BYTES], struct bytes rest); /* NULL: no memory */
struct blob *blob_of(struct bytes message);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* NULL is fine */
static inline struct bytes blob_bytes(const struct blob *b)
{
    return bytes_of(b->data, b->len);
}

enum timer_kind {
    TIMER_DEVICE_FLOW,
    TIMER_CONFIGURATION,
    TIMER_DOWNLINK_DEADLINE,
    TIMER_DOWNLINK_REPEAT,
    TIMER_EXCHANGE_REPEAT,
    TIMER_SERVER,
    TIMER_STORE,
    TIMER_HISTORY
};

/* Something that waits for the store; in the order of tickets. */
struct storing {
    struct list node;
    uint64_t ticket;
    enum {
        STORING_DOWNLINK,
        STORING_EXCHANGE,
        STORING_DELETION,
        STORING_DEVICE,
        STORING_GROUP,
        STORING_OBSERVATION
    } what;
};

/* The end of a record, until the store has let go of it. */
struct deletion {
    struct storing storing;
    handle then; /* the exchange whose reply to the device may go when it has; 0 = none */
    size_t key_len;
    uint8_t key[];
};

struct configuration; /* configuration.h */
struct group;
struct scef;

/* An uplink of a device that is being learned, until its record is stored. */
struct held {
    struct held *next;
    uint64_t uplink_ref;
    struct t8_rds_port rds_port;
    size_t len;
    uint8_t data[];
};

/* What most devices do not have: an idle one is to stay small. */
struct device_more {
    char *msisdn;      /* it is found by this, too; NULL: it has none */
    struct held *held; /* while it is being learned; oldest first */
    char *endpoint;    /* provisioned; NULL: none */
    struct observation *observations;
    struct registration *registrations;
    char *watch_link;        /* of the subscription that tells when it can be reached; NULL: none */
    uint64_t watch_until_ms; /* no other one is asked for before */
    uint16_t watch_scef;
    bool watch_asked;   /* the POST is under way */
    struct list finals; /* nidd/history.h; oldest first; zeroed: none yet */
    uint32_t final_count;
    uint32_t replaceable; /* downlinks in the engine's by_resource */
    uint64_t barrier_seq; /* those up to this one are not to be replaced */
};

struct device {
    char *id;                            /* External Identifier, or the MSISDN where there is none; NUL-terminated */
    struct configuration *configuration; /* its own or its group's; NULL: none can be, since the SCEF is not known */
    struct device *next_user;            /* of the same configuration */
    struct device_more *more;            /* NULL: nothing yet */
    struct queue queue;
    struct list awaiting;   /* downlinks that left the queue and wait for their answer only */
    struct list exchanges;  /* youngest last */
    struct storing storing; /* of its record */
    struct timer flow_timer;
    uint64_t last_uplink_ms;
    uint64_t closed_until_ms; /* the network has named a time (Retry-After): an uplink does not shorten it */
    uint32_t awaiting_count;
    uint32_t given_back; /* requests in its queue that are given back when it cannot be reached: ENGINE_BUFFER_SERVER */
    uint32_t uplink_count;
    uint32_t downlink_count;
    uint32_t leg;
    uint32_t server;   /* its own; ENGINE_NONE: the routes decide */
    uint32_t retry_ms; /* the pause after the next failure */
    uint16_t exchange_count;
    uint16_t spooled;
    uint16_t next_leg_mid;
    uint16_t next_device_mid;
    bool id_is_msisdn : 1;
    bool unsaved : 1;       /* the store has refused its record */
    bool indexed : 1;       /* its record is of the present version, and those of its leg and MSISDN are there */
    bool listed : 1;        /* its record says that it is in the configuration file */
    bool routed : 1;        /* it is in the configuration file, or learned */
    bool learned : 1;       /* from its first uplink */
    bool learning : 1;      /* the same, and its record is not stored yet: nothing of it is relayed before */
    bool reachable : 1;     /* false: nothing is submitted until an uplink or the flow timer */
    uint8_t route_age;      /* of the table that gave routed_server; 0: of none */
    uint16_t routed_server; /* by its identity */
    uint64_t seen[2]; /* by direction, a bit for each Message ID modulo 64 that an exchange may be remembered for */
};

/* A message to a device.
 *
 *   STORING --stored--> QUEUED --submit--> SUBMITTED --200--> SENT --(answer)--> ANSWERING --server ACK--> final
 *                          ^                 |    \--201--> WITH_SCEF --SUCCESS--^   |
 *                          |---- 500, 429 ---+-----------------| FAILURE            | empty ACK of the device,
 *                          |---- repeats used up, device silent -----SENT           | or sent as NON: AWAITING
 */
enum downlink_state {
    DOWNLINK_STORING,
    DOWNLINK_QUEUED,
    DOWNLINK_MARKING, /* to be submitted when its record says that it may have been: not idempotent (submit.c) */
    DOWNLINK_SUBMITTED,
    DOWNLINK_WITH_SCEF,
    DOWNLINK_SENT,
    DOWNLINK_AWAITING,
    DOWNLINK_ANSWERING
};

enum downlink_asked {
    ASKED_NOTHING,
    ASKED_STATUS,
    ASKED_FATE,
    ASKED_CANCEL,
    ASKED_REPLACE,
    ASKED_LIST
}; /* buffered.c */

struct downlink {
    handle h;
    handle from;            /* the exchange (DOWN) it came by, for the server's repetitions */
    struct queue_item item; /* its node is in the queue, or in the device's `awaiting` */
    struct storing storing;
    struct timer deadline;
    struct timer repeat;
    struct device *device;
    struct blob *message;  /* as it goes to the device */
    struct blob *resource; /* by which a newer request finds it, to take its place; NULL: none may */
    char *delivery_link;   /* while the SCEF holds it */
    handle replaces; /* an older one of the same resource that lies with the SCEF: it is to take its place there */
    uint64_t seq;
    uint64_t accepted_ms;
    uint64_t submitted_ms;
    uint64_t first_sent_ms; /* when it may first have reached the device; 0 = certainly not yet */
    uint64_t marked_ms;     /* the same as its record has it, written before the first POST; 0 = not there */
    uint32_t server;
    uint32_t attempts; /* since the device was last heard of */
    uint16_t server_mid;
    uint16_t device_mid;
    uint8_t server_type; /* enum coap_type it came with */
    uint8_t state;
    uint8_t link_age;  /* of the configuration it was submitted to last */
    uint8_t buffer;    /* enum engine_buffer, by its policy when it was accepted or restored */
    bool stored;       /* a record of it exists */
    bool acknowledged; /* by an empty ACK of the device */
    uint8_t asked;     /* enum downlink_asked: what the SCEF is asked about the delivery */
    bool declined;     /* the SCEF has not taken it: it waits here for the device or the flow timer */
    bool unsure;       /* the SCEF may have it in its buffer, under a link that nobody has told */
    bool to_replace;   /* what lies with the SCEF under its link may still be the one before it */
    bool orphan;       /* the connection it came by is gone: nobody is there to be told */
};

/* A message that was seen once, and what is known of its fate: for the answer, for duplicates, for repetition.
 * UP: from the device (or, without device_mid, the adapter's own) towards the server. DOWN: from the server. */
enum exchange_state {
    EXCHANGE_FORWARDED,    /* CON: repeated until the server reacts */
    EXCHANGE_ACKNOWLEDGED, /* the server has sent its empty ACK to a request */
    EXCHANGE_SPOOLED,      /* in the store, or on its way to it */
    EXCHANGE_DONE          /* kept for duplicates only */
};

struct exchange {
    handle h;
    struct list node; /* in its device */
    struct list
        recent_node; /* in the engine, in the order of the lifetimes' end; in the server's spool while SPOOLED */
    struct storing storing;
    struct timer repeat;
    struct device *device;
    struct blob *message;  /* UP: what to repeat to the server. DOWN: the reply to repeat to it */
    struct blob *reply;    /* UP: what the device got as its answer */
    handle reply_downlink; /* the reply's way down, while it lasts */
    uint64_t seen_ms;      /* when it came in */
    uint64_t expires_ms;
    uint64_t uplink_ref;  /* the T8 notification that waits for the store; with uplink_waits */
    uint64_t answers_seq; /* the downlink that this answers; 0 = none */
    uint64_t answers_accepted_ms;
    uint64_t spool_seq; /* of its record; 0 = none */
    uint64_t spool_deadline_ms;
    handle answers; /* the downlink in state ANSWERING; 0 = none */
    uint32_t server;
    uint32_t attempts;
    uint16_t device_mid;
    uint16_t leg_mid;
    uint8_t type; /* enum coap_type */
    uint8_t state;
    uint8_t code;
    uint8_t token_len;
    uint8_t token[COAP_TOKEN_MAX];
    struct block asked;  /* a request's Block2, with asks_block */
    uint8_t vain_rounds; /* of repetitions to a server that was heard of meanwhile */
    bool down;
    bool from_device;         /* UP with a device_mid that the device may repeat */
    bool reply_waits;         /* for the store; the device repeats itself meanwhile */
    bool device_acknowledged; /* the device got an empty ACK: its answer must come as a message of its own */
    bool uplink_waits;
    bool asks_block;
    bool awaits_leg; /* SPOOLED, and not to be tried before the leg is connected */
    bool orphan;     /* SPOOLED, a response by a token of a connection that is gone */
    bool sent;       /* to the server; maybe before a restart */
};

struct server {
    char *name;
    struct list spool;  /* exchanges, oldest first */
    struct timer timer; /* probe while down, flush while up */
    uint64_t heard_ms;
    enum engine_transport transport;
    bool up;
};

#define SEQUENCE_RESERVE 65536
#define STORE_AGAIN_MS   1000
#define STORE_AGAIN_MAX  10000 /* records in one round */
#define STORE_ROUND_MS   10    /* to the next, when there are more */
#define VAIN_ROUNDS_MAX  3     /* each of max_retransmit repetitions */

struct engine {
    struct engine_options o;
    struct engine_ports ports;
    uint64_t now_ms;
    struct prng prng;
    struct map by_id;
    struct map by_msisdn;
    struct map by_group_id;
    struct map websockets;    /* of configurations that have one (nidd/websocket.c) */
    struct map by_resource;   /* downlinks that a newer one may replace */
    struct map by_leftover;   /* what serves nobody, by whose it was and SCEF */
    struct map watches_found; /* subscriptions of devices that are not loaded yet, by identity (reachability.c) */
    struct slab devices;
    struct slab configurations;
    struct slab downlinks;
    struct slab exchanges;
    struct timer_wheel timers;
    struct list recent;  /* exchanges by the end of their lifetime */
    struct list storing; /* in ticket order */
    struct list unsaved; /* what the store has refused and must take in the end: deletions, devices, groups */
    struct timer store_timer;
    handle *legs; /* device by leg */
    uint32_t leg_count;
    uint32_t leg_capacity;
    uint32_t lowest_leg;  /* below it none is free */
    uint32_t legs_marked; /* stored: below it all may have been given out */
    uint32_t routed_devices;
    struct server *servers;
    uint32_t server_count;
    struct scef *scefs;
    uint32_t scef_count;
    struct group **groups; /* of the configuration file, by index */
    uint32_t group_count;
    struct list leftovers; /* configurations that serve nobody, as groups */
    uint64_t last_seq;
    uint64_t reserved_seq; /* in the store: a restart goes on above it */
    uint64_t restored_seq; /* this life began above it */
    uint64_t queued_messages, queued_bytes, spooled_messages, spooled_bytes;
    uint64_t queued_by_class[QUEUE_DTLS + 1];
    struct list history; /* nidd/history.h */
    uint64_t finals, history_bytes;
    uint64_t finals_ever; /* numbers them */
    struct buf key, value, scratch, filled;
    struct route_table *routes;    /* NULL: none, all go to server 0 */
    struct policy_table *policies; /* NULL: none but o.downlink */
    uint8_t route_age;             /* counts the tables, never 0 */
    bool draining;
    bool started;
    bool loading;  /* there are devices in the store that are not here yet */
    bool removing; /* what is not in the configuration file any more is deleted */
};

/* ---- engine.c */
/* Stores the record in e->key and e->value; its ticket, 0 when memory was too short for it. */
uint64_t engine_record_put(struct engine *e);
void engine_store_later(struct engine *e);               /* what is in `unsaved` goes to the store again */
void engine_set_time(struct engine *e, uint64_t now_ms); /* each input's first act; time never goes back */

uint64_t engine_next_seq(struct engine *e);
/* Deletes the record whose key is in e->key. What has ended must not come back with a restart: should the store refuse,
 * it is asked again until it does. */
void engine_record_delete(struct engine *e);
/* The reply of x to the device, just made, goes only when the store has carried out the latest deletion. */
void engine_deletion_first(struct engine *e, struct exchange *x);
void engine_message_delete(struct engine *e, enum record_kind kind, const struct device *d, uint64_t seq);
/* A device with this identity on this leg; neither is taken. */
[[gnu::warn_unused_result]] enum error engine_device_new(struct engine *e, struct bytes id, uint32_t leg,
                                                         struct device **out);
uint32_t engine_lowest_free_leg(struct engine *e);

/* ---- event.c */
struct bytes device_id_bytes(const struct device *d);
struct t8_identity device_identity(const struct device *d);
void event_message(struct engine *e, enum engine_event_kind kind, const struct device *d, uint32_t server,
                   struct bytes message, const char *reason);
void event_drop(struct engine *e, const struct device *d, uint32_t server, struct bytes message, const char *reason);
void event_emit(struct engine *e, const struct device *d, struct engine_event *ev);

/* ---- device.c */
/* From now on the device has its group's configuration, or (group NULL) one of its own at this SCEF. What it had before
 * is left to be deleted. *changed is set when that is not what its record says. */
[[gnu::warn_unused_result]] enum error device_attach(struct engine *e, struct device *d, uint32_t scef,
                                                     struct group *group, bool *changed);
/* The device is served: it counts, and its group knows it. From the start on. */
void device_join(struct engine *e, struct device *d);
#define ID_MAX_BYTES                                                                                                   \
    ENGINE_ID_MAX_BYTES /* RFC 4282 clause 2.2: what every realm must support, and keys of the store hold */
/* An External (Group) Identifier with its domain in small letters: it is one of the DNS (TS 23.003 clause 19.7.2),
 * whose case does not count, and some SCEFs write capitals. The result lies in `memory`, or is a longer `id` itself. */
struct bytes id_canonical(struct bytes id, uint8_t memory[ID_MAX_BYTES]);
void *id_find(const struct map *m, struct bytes id); /* as it is written, else in its canonical form */
struct device *device_find(const struct engine *e, struct t8_identity id);
struct device *device_by_leg(const struct engine *e, uint32_t leg);
void device_free(struct engine *e, struct device *d);
struct bytes device_msisdn(const struct device *d); /* empty: it has none */
void device_msisdn_drop(struct engine *e, struct device *d);
/* It has this one (not empty) and no other from now on; nobody else may have it. */
[[gnu::warn_unused_result]] enum error device_msisdn_set(struct engine *e, struct device *d, struct bytes msisdn);
struct device_more *device_more(struct device *d);   /* made when it is not there; NULL: no memory */
void device_more_free(struct device *d);             /* no record is touched */
void device_put(struct engine *e, struct device *d); /* writes its record */
/* Before a record of one of its messages, which nobody could place without it. */
static inline void device_put_first(struct engine *e, struct device *d)
{
    if (d->unsaved)
        device_put(e, d);
}
uint32_t device_packet_size(const struct engine *e, const struct device *d); /* UINT32_MAX = unlimited */
/* The device is there now: downlink_flow will submit. */
void device_heard(struct engine *e, struct device *d);
/* Nothing is submitted for at least the pause (0: the device's own, doubling), unless the device is heard of. */
void device_hold(struct engine *e, struct device *d, uint64_t pause_ms);
/* Same, and an uplink does not end the pause: the network has said how long it takes no more. */
void device_close(struct engine *e, struct device *d, uint64_t pause_ms);
void device_timer(struct engine *e, struct device *d);
void device_alarm(struct engine *e, struct device *d, uint64_t at_ms); /* the flow timer, at the latest then */

/* ---- downlink.c: the life of a message to a device */
struct downlink_new {
    struct device *device;
    struct blob *message; /* the reference is taken over, also on error */
    enum queue_class class_;
    uint32_t server; /* NO_SERVER: the adapter's own */
    uint8_t server_type;
    uint16_t server_mid;
    handle from;
    bool store;
};
/* *h names it when not NULL. ERR_QUEUE_FULL, ERR_NO_MEMORY: nothing happened. */
[[gnu::warn_unused_result]] enum error downlink_add(struct engine *e, const struct downlink_new *n, handle *h);
void downlink_stored(struct engine *e, struct downlink *m, enum error err);
void downlink_not_accepted(struct engine *e, struct downlink *m, enum error err); /* `m` is gone afterwards */
/* The same for a request that is being stored, with this answer. */
void downlink_refuse(struct engine *e, struct downlink *m, uint8_t code, uint32_t max_age_s, const char *diagnostic);
/* The message that the device's ACK or RST with this Message ID speaks of; NULL when none waits for it. */
struct downlink *downlink_by_device_mid(struct device *d, uint16_t device_mid);
/* The request that this separate response answers; NULL for a notification. */
struct downlink *downlink_answered_by(struct device *d, const struct coap_view *response);
void downlink_acknowledged(struct engine *e, struct downlink *m); /* empty ACK of the device */
void downlink_answering(struct engine *e, struct downlink *m);    /* its answer is on the way to the server */
void downlink_unanswered(struct engine *e, struct downlink *m);   /* its answer could not be kept: it is still owed */
/* Ends it: record, queue, event. `m` is gone afterwards. */
void downlink_final(struct engine *e, struct downlink *m, enum final_state f, const char *reason, enum t8_cause cause);
/* Same, and the server is told by an error response of ours. */
void downlink_fail(struct engine *e, struct downlink *m, enum final_state f, uint8_t code, uint32_t max_age_s,
                   const char *reason, enum t8_cause cause);
void downlink_fail_requests(struct engine *e, struct device *d, const char *reason, enum t8_cause cause);
void downlink_free(struct engine *e, struct downlink *m); /* without a word */
bool downlink_is_request(const struct downlink *m);
/* Those of the queue that may have been submitted: start with a zeroed cursor; NULL at the end. The one it gave may be
 * removed meanwhile. */
struct tried_cursor {
    struct queue_item *next;
    uint32_t untried; /* of the level, so far */
    bool begun;
};
struct downlink *downlink_tried_next(const struct device *d, struct tried_cursor *c);
/* It waits for its answer only, or this is on its way. */
void downlink_leave_queue(struct engine *e, struct downlink *m, enum downlink_state state);
/* As it goes to the device; a DTLS record counts as NON: nothing is expected of it here. */
enum coap_type downlink_type(const struct downlink *m);
/* Its answer was restored: the crash came between the two records' commits. 0 = none. */
void downlink_replaced(struct engine *e, struct device *d, uint64_t seq);
uint64_t downlink_put(struct engine *e, const struct downlink *m); /* writes its record; the ticket */
void downlink_forget_link(struct engine *e, struct downlink *m);   /* the SCEF does not hold it any more */
void downlink_forget_links(struct engine *e, struct device *d);    /* of this device; they are submitted anew */
[[gnu::warn_unused_result]] enum error downlink_restore(struct engine *e, struct device *d, uint32_t server,
                                                        const struct record_message *r);

/* ---- admission.c: who is let into a queue, and who makes room */
struct admission {
    struct queue_limits limits;
    struct downlink *older; /* whose place the newcomer takes; NULL: nobody's */
};
/* The newcomer has its number and its place in line, if there is one for it: ERR_QUEUE_FULL. Nobody has made room yet:
 * admission_settle, when its record is put. */
[[gnu::warn_unused_result]] enum error admission_enter(struct engine *e, struct downlink *m,
                                                       const struct engine_policy *p, struct admission *a);
void admission_settle(struct engine *e, struct downlink *m, const struct admission *a);
void admission_forget(struct engine *e, struct downlink *m); /* it ends, and nothing takes its place any more */
struct bytes admission_resource_key(const void *value);

/* ---- inspect.c */
/* By either name; one that is served before one that was, of whose name it may be the MSISDN now. */
struct device *device_named(const struct engine *e, struct bytes id);

/* ---- submit.c: through the SCEF to the device */
void downlink_flow(struct engine *e, struct device *d); /* submits what may be submitted */
/* It is about to be stored. If it can go as soon as it is, and must not be carried out twice, it gets its mark now. */
void downlink_mark_early(struct engine *e, struct downlink *m);
void downlink_marked(struct engine *e, struct downlink *m, enum error err); /* in the store, or not */
/* It was marked and did not go after all: the mark is taken back. */
void downlink_unmark(struct engine *e, struct downlink *m);
/* The device was heard of: what was sent long ago and not answered is sent again now, while it listens. */
void downlink_repeat_overdue(struct engine *e, struct device *d);
void downlink_timer(struct engine *e, struct downlink *m, enum timer_kind kind);
/* The POST's, or a buffered delivery's end. */
void downlink_settle(struct engine *e, struct downlink *m, enum t8_delivery_status status, uint64_t retransmission_ms);
bool downlink_goes_to_buffer(const struct downlink *m);                        /* the SCEF is to buffer it */
uint32_t downlink_latency_s(const struct engine *e, const struct downlink *m); /* for how long at most */
/* A message to this device would be submitted now, and not wait anywhere. */
bool downlink_reaches(const struct engine *e, const struct device *d);
uint32_t downlink_reach_pause_s(const struct engine *e, const struct device *d); /* when it is worth another try */

/* ---- buffered.c: what lies in the SCEF's buffer */
void buffered_begin(struct engine *e, struct downlink *m, struct bytes link); /* 201 */
/* The link is this message's from now on; false: it is none, another one's, or memory is short. */
bool buffered_known(struct engine *e, struct downlink *m, struct bytes link);
void buffered_restored(struct engine *e, struct downlink *m); /* it has its link */
void buffered_heard(struct engine *e, struct downlink *m);    /* the device was heard of */
/* The configuration is gone, and with it what was buffered for this device: it is submitted anew. */
void buffered_lost(struct engine *e, struct device *d);
bool buffered_ask(struct engine *e, struct downlink *m); /* false: that cannot be done here */
/* It is about to be submitted, and may have been before: does the SCEF have it? false: that cannot be asked. */
bool buffered_find(struct engine *e, struct downlink *m);
/* true: the SCEF is asked to let go of it; when it has, the message ends as `cancelled`, else it goes on. */
bool buffered_cancel(struct engine *e, struct downlink *m);
/* It is accepted now; what it replaces (m->replaces) is replaced at the SCEF too. */
void buffered_replace(struct engine *e, struct downlink *m);
void buffered_stored(struct engine *e, struct downlink *m, enum error err); /* the store knows of that, or not */
void buffered_drop(struct engine *e, const struct downlink *m); /* it is about to end: the SCEF need not send it */

/* ---- reachability.c */
/* The device was not there for m: the network is asked to tell when it is. `pdn`: it has no PDN connection. */
void watch_wanted(struct engine *e, const struct downlink *m, bool pdn);
void watch_forget(struct engine *e, struct device *d); /* in memory only */
struct bytes watch_key(const void *device);
void watches_start(struct engine *e);
void watch_restored(struct engine *e,
                    struct device *d); /* it is here now: the list may have told of its subscription */
void watches_loaded(struct engine *e); /* all are: whose else the list has told of is nobody's */
struct bytes watch_found_key(const void *found);

/* ---- exchange.c */
struct exchange *exchange_new(struct engine *e, struct device *d, uint32_t server, const struct coap_view *v,
                              bool down);
void exchange_free(struct engine *e, struct exchange *x);
/* x has its Message IDs: repetitions of its message will be found from now on. */
void exchange_seen(struct exchange *x);
struct exchange *exchange_by_device_mid(struct device *d, const struct coap_view *v);
/* A Message ID that is free towards the server: the device's own, where it may be. So a server recognises a repetition
 * even when we cannot any more, after a restart (RFC 7252 clause 4.5). NULL: a message of ours. */
uint16_t exchange_leg_mid(struct device *d, uint32_t server, const struct coap_view *from_device);
struct exchange *exchange_by_leg_mid(struct device *d, uint32_t server, uint16_t leg_mid);
struct exchange *exchange_by_token(struct device *d, uint32_t server, struct bytes token); /* an open request */
struct exchange *exchange_down(struct device *d, uint32_t server, const struct coap_view *v);
void exchange_done(struct engine *e, struct exchange *x);     /* stops repetition; stays for duplicates */
void exchange_sent_non(struct engine *e, struct exchange *x); /* a NON has left: nothing will confirm it */
void exchange_expire(struct engine *e);                       /* those whose lifetime has ended */
void exchange_timer(struct engine *e, struct exchange *x);
/* Sends x->message to its server, now and, for a CON, until the server reacts. */
enum error exchange_send(struct engine *e, struct exchange *x);
/* The final word on the downlink that x answers, if it answers one. */
void exchange_tell_answered(struct engine *e, struct exchange *x, enum final_state f, const char *reason);

/* ---- set_up.c */
uint32_t server_by_name(const struct engine *e, struct bytes name); /* ENGINE_NONE: there is none */
uint32_t scef_by_name(const struct engine *e, struct bytes name);   /* the same */

/* ---- server.c: what comes from and goes to servers */
enum error server_send(struct engine *e, struct device *d, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                       struct bytes rest, const char *why);
void server_send_empty(struct engine *e, struct device *d, uint32_t server, enum coap_type type, uint16_t message_id);
/* A response of the adapter's own to a request that was acknowledged before (CON) or came as NON. */
void server_send_error(struct engine *e, struct device *d, uint32_t server, const struct coap_view *request,
                       uint8_t request_type, uint8_t code, uint32_t max_age_s, const char *diagnostic);
/* Says no to a message that was not accepted: piggybacked on the ACK, or as NON. Remembered in y (may be NULL) for the
 * server's repetitions. `how` gives code, Max-Age, Block1 and diagnostic; the rest is filled in. */
void server_refuse(struct engine *e, struct device *d, uint32_t server, const struct coap_view *request,
                   uint8_t request_type, struct exchange *y, const struct coap_error *how);
/* It has what the device said, no request: acknowledged, or handed to the connection. `reason` of the final state. */
void server_took(struct engine *e, struct exchange *x, const char *reason);
/* By a connection (RFC 8323): no message layer. */
static inline bool server_is_reliable(const struct engine *e, uint32_t server)
{
    return server < e->server_count && e->servers[server].transport == ENGINE_TRANSPORT_RELIABLE;
}
/* Each device has its own leg to it, which may be down while others are up. */
static inline bool server_has_legs(const struct engine *e, uint32_t server)
{
    return server < e->server_count && e->servers[server].transport != ENGINE_TRANSPORT_UDP;
}
void server_heard(struct engine *e, uint32_t server);
void server_silent(struct engine *e, uint32_t server);
void server_timer(struct engine *e, uint32_t server);

/* ---- opaque.c: DTLS between device and server: carried as it is, in order, and dropped where it cannot be */
void opaque_from_device(struct engine *e, struct device *d, uint32_t server, struct bytes record);
void opaque_from_server(struct engine *e, struct device *d, uint32_t server, struct bytes record);

/* ---- spool.c: uplinks kept while their server is down */
/* x->message is put into the store; false when the device's bound or memory forbids it. */
[[gnu::warn_unused_result]] bool spool_put(struct engine *e, struct exchange *x);
void spool_stored(struct engine *e, struct exchange *x, enum error err);
void spool_remove(struct engine *e, struct exchange *x);  /* x leaves the spool and its record goes */
void spool_back(struct engine *e, struct exchange *x);    /* sent once more in vain: back to its place in line */
bool spool_answers(const struct device *d, uint64_t seq); /* the answer to this downlink is there */
/* Something of this device waits in line for the server: what comes now stands behind it. */
bool spool_holds(const struct device *d, uint32_t server);
[[gnu::warn_unused_result]] enum error spool_restore(struct engine *e, struct device *d, uint32_t server,
                                                     const struct record_message *r);
void spool_flush(struct engine *e, uint32_t server); /* sends some; the server's timer asks for the rest */
void spool_expire(struct engine *e, uint32_t server);
/* What this device has in line for the server waits for its leg. */
void spool_await_leg(struct device *d, uint32_t server);
void spool_flush_leg(struct engine *e, struct device *d, uint32_t server); /* the leg is there: all that waits goes */

/* ---- leg.c */
/* x was handed to the connection of a server that is reliable. */
void leg_took(struct engine *e, struct exchange *x);

/* ---- uplink.c */
/* What a device says that is known and served. */
enum engine_verdict uplink_take(struct engine *e, struct device *d, uint64_t uplink_ref, struct bytes data,
                                struct t8_rds_port rds_port, enum error *err);
/* An ACK or RST to the device: at once, before requests. Gives a reference to the message, for the exchange's memory
 * (NULL: no memory), and in *way, when not NULL, its way down. */
struct blob *uplink_reply_empty(struct engine *e, struct device *d, enum coap_type type, uint16_t device_mid,
                                handle *way);
void uplink_reply_empty_unkept(struct engine *e, struct device *d, enum coap_type type, uint16_t device_mid,
                               handle *way);

/* ---- route_engine.c */
struct route_message;
/* The server of a message that nothing else has decided about. */
uint32_t route_find(struct engine *e, struct device *d, const struct route_message *m);
/* An index of a server; or ENGINE_NONE, so that the routes decide, which need one. */
bool route_is_possible(const struct engine *e, uint32_t server);
uint32_t route_of_identity(const struct engine *e, const struct device *d); /* without a message */

/* ---- policy_engine.c */
/* What becomes of this server's requests to the device. Valid until the policies are replaced. */
const struct engine_policy *policy_of(const struct engine *e, const struct device *d, uint32_t server);

/* ---- identity.c, the rest in identity.h */
[[gnu::warn_unused_result]] enum error identity_endpoint_set(struct device *d, struct bytes endpoint);

#endif
