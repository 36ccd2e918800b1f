/* A scripted test of the engine: the ports record what the engine asks for, the test answers as SCEF, server, device
 * and store. Messages are written as text (message_text.h), so that a test reads like a transcript:
 *
 *     device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
 *     uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
 *     server_sends(r, 0, 0, "ACK 2.01 #%u tok 8=rd", mid);
 *     expect_delivered(r, 0, "ACK 2.01 #7 tok 8=rd");
 *
 * After each input the harness does what the shell does (commit, wake) and checks what must always hold: counters agree
 * with what inspection shows, records can be read, no message is in two final states or in one before it was accepted.
 * rig_end checks that nothing is left unsaid: no event, datagram or submission that the test has not looked at, and a
 * final state for each accepted message. */
#ifndef TESTS_NIDD_HARNESS_H
#define TESTS_NIDD_HARNESS_H

#include "nidd/engine.h"
#include "tests/base/test.h"
#include "tests/nidd/message_text.h"

#define RIG_START_MS 1800000000000ULL /* 2027-01-15 */
#define RIG_DEVICES  64
#define RIG_SERVERS  4
#define SECONDS      1000ULL
#define MINUTES      (60 * SECONDS)
#define HOURS        (60 * MINUTES)

struct rig;

struct rig_setup {
    unsigned devices; /* 0 = 1; device n is devN@example.com on leg n, its route is server 0 */
    unsigned servers; /* 0 = 1; server n is called serverN */
    void (*tune)(struct engine_options *o);
    void (*routes)(struct engine *e);                                       /* adds them; at a restart again */
    void (*device)(unsigned device, struct engine_device_options *options); /* changes them */
    bool hold_commits;                                                      /* the test commits */
    bool hold_configurations; /* the test answers configuration requests; else they are made and active at once */
    bool by_msisdn;           /* devices have no External Identifier: device n is 4917000000N */
    enum engine_transport transports[RIG_SERVERS];
    bool deliveries;  /* the SCEF shows and deletes what it buffers; the test answers */
    bool no_features; /* with `deliveries`: neither PUT nor DELETE */
    bool watch;       /* the SCEF is asked to tell when devices can be reached; the test answers */
    /* After a restart devices are loaded one by one; this comes in before the first of them. NULL: they are all there.
     */
    void (*unloaded)(struct engine *e, uint64_t now_ms);
    bool keep_seed; /* a restarted engine gets the seed of the one before */
};

struct rig *rig_new(struct rig_setup setup);
/* The scenario has ended: see above. */
void rig_end(struct rig *r);
/* The same in the middle of things: what is in the queues may stay there. */
void rig_abandon(struct rig *r);
/* The process dies, and a new one starts from what was committed. Unread records of the ports are forgotten. */
void rig_restart(struct rig *r);
void rig_restart_later(struct rig *r, uint64_t ms); /* nobody is there for so long */
void rig_restart_with_fewer_devices(struct rig *r,
                                    unsigned devices); /* the others are taken out of the configuration */
struct engine *rig_engine(struct rig *r);
uint64_t rig_now(const struct rig *r);
/* In steps of engine_next_wake. */
void advance(struct rig *r, uint64_t ms);
/* Passes time until the engine submits, sends to a server or asks for a configuration; fails after `max_ms`. Gives the
 * time it took. */
uint64_t advance_to_activity(struct rig *r, uint64_t max_ms);

/* --- devices: NAS messages in both directions are counted */
void device_sends(struct rig *r, unsigned device, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Verdict LATER; the reference for expect_uplink_answered. */
uint64_t device_sends_later(struct rig *r, unsigned device, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void device_sends_refused(struct rig *r, unsigned device, enum error why, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
enum engine_verdict device_sends_bytes(struct rig *r, unsigned device, struct bytes data, enum error *err);
/* Any notification, with a reference of the harness's. */
enum engine_verdict rig_uplink(struct rig *r, const struct nidd_uplink *u, enum error *err);
void expect_uplink_answered(struct rig *r, uint64_t uplink_ref, enum error err);
struct t8_identity rig_identity(const struct rig *r, unsigned device, char text[32]);
unsigned nas_messages(const struct rig *r, unsigned device); /* since the start */

/* --- SCEF: expect_submitted gives the number of the submission, to be answered by it. Text NULL: any message, here and
 * at the servers. */
unsigned expect_submitted_at(struct rig *r, unsigned device, const char *text, const char *file, int line);
#define expect_submitted(r, device, text) expect_submitted_at(r, device, text, __FILE__, __LINE__)
void expect_no_submission_at(struct rig *r, const char *file, int line);
#define expect_no_submission(r) expect_no_submission_at(r, __FILE__, __LINE__)
uint16_t submission_mid(const struct rig *r, unsigned submission);
struct bytes submission_message(const struct rig *r, unsigned submission);
struct bytes submission_link(const struct rig *r, unsigned submission); /* of the configuration */
uint32_t submission_latency_s(const struct rig *r, unsigned submission);
void submit_delivered(struct rig *r, unsigned submission); /* 200 */
void submit_pending(struct rig *r, unsigned submission,
                    const char *delivery); /* 201; the link's last segment, NULL: none */
void submit_refused(struct rig *r, unsigned submission, int status, enum t8_cause cause);
void submit_result(struct rig *r, unsigned submission, struct nidd_submit_result result);
void submit_unanswered(struct rig *r, unsigned submission);
/* Submitted and answered 200; gives the Message ID. */
uint16_t expect_delivered_at(struct rig *r, unsigned device, const char *text, const char *file, int line);
#define expect_delivered(r, device, text) expect_delivered_at(r, device, text, __FILE__, __LINE__)
void delivery_status(struct rig *r, unsigned device, const char *delivery, enum t8_delivery_status status);
void delivery_status_of(struct rig *r, struct bytes link, enum t8_delivery_status status);

/* With `deliveries`: what is asked about buffered deliveries. */
struct rig_delivery_request {
    uint64_t ref;
    enum engine_delivery_operation operation;
    char link[160];
    struct message message; /* PUT */
};
/* The next one, of this delivery's last segment (LIST: the configuration's); gives its number. */
unsigned expect_delivery_request_at(struct rig *r, enum engine_delivery_operation o, const char *name, const char *file,
                                    int line);
#define expect_delivery_request(r, o, name) expect_delivery_request_at(r, o, name, __FILE__, __LINE__)
void expect_no_delivery_request_at(struct rig *r, const char *file, int line);
#define expect_no_delivery_request(r) expect_no_delivery_request_at(r, __FILE__, __LINE__)
struct bytes delivery_request_data(const struct rig *r, unsigned request); /* good until the next request */
void delivery_answer(struct rig *r, unsigned request, struct engine_delivery_answer answer);
void delivery_found(struct rig *r, unsigned request, unsigned device, const char *delivery, struct bytes data);

/* With `watch`: the next subscription that is asked for. `pdn` as it is to be. */
struct rig_watch {
    uint64_t ref;
    unsigned device;
    bool pdn;
    uint64_t expire_ms;
};
unsigned expect_watch_at(struct rig *r, unsigned device, bool pdn, const char *file, int line);
#define expect_watch(r, device, pdn) expect_watch_at(r, device, pdn, __FILE__, __LINE__)
void expect_no_watch_at(struct rig *r, const char *file, int line);
#define expect_no_watch(r) expect_no_watch_at(r, __FILE__, __LINE__)
void watch_answer(struct rig *r, unsigned watch, struct engine_watch_answer answer);
unsigned watch_lists(const struct rig *r); /* how often the list of subscriptions was asked for */
/* The network says that the device can be reached; false: it is unknown. */
bool device_reachable(struct rig *r, unsigned device, uint32_t scef);

/* --- configurations: with hold_configurations */
struct rig_configuration_request {
    uint64_t ref;
    unsigned device;
    bool create; /* else GET of `link` */
    char link[128];
    bool answered;
};
/* The next request of any device, unread so far. */
struct rig_configuration_request *expect_configuration_request_at(struct rig *r, bool create, const char *file,
                                                                  int line);
#define expect_configuration_create(r) expect_configuration_request_at(r, true, __FILE__, __LINE__)
#define expect_configuration_get(r)    expect_configuration_request_at(r, false, __FILE__, __LINE__)
void expect_no_configuration_request_at(struct rig *r, const char *file, int line);
#define expect_no_configuration_request(r) expect_no_configuration_request_at(r, __FILE__, __LINE__)
void configuration_answer(struct rig *r, struct rig_configuration_request *q, struct nidd_configuration_result result);
/* 201 or 200 with the link /as/configurations/NAME and a packet size (0: not told). */
void configuration_granted(struct rig *r, struct rig_configuration_request *q, const char *name, uint32_t packet_bits);
enum error configuration_status(struct rig *r, unsigned device, const char *name, enum t8_nidd_status status);
/* An uplink through these ports of reliable data service. */
void device_sends_by_ports(struct rig *r, unsigned device, uint16_t ue, uint16_t scef, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* A NEF asks for the configuration; false: it is told that the device is not its. */
bool configuration_trigger(struct rig *r, unsigned device, uint32_t scef);
const char *configuration_state(struct rig *r, unsigned device);

/* --- servers */
void server_sends(struct rig *r, unsigned device, unsigned server, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void server_sends_bytes(struct rig *r, unsigned device, unsigned server, struct bytes data);
/* The next datagram that was sent to a server; gives its Message ID. */
uint16_t expect_at_server_at(struct rig *r, unsigned device, unsigned server, const char *text, const char *file,
                             int line);
#define expect_at_server(r, device, server, text) expect_at_server_at(r, device, server, text, __FILE__, __LINE__)
struct bytes last_at_server(const struct rig *r); /* the datagram that was looked at last */
struct bytes peek_at_server(const struct rig *r); /* the one to be looked at next */
bool peek_is_ping(const struct rig *r);           /* there is one, and it is an empty CON */
bool at_server(const struct rig *r);              /* there is one */
void skip_at_server(struct rig *r);               /* those that came so far do not matter */
void skip_submissions(struct rig *r);
void skip_uplink_answers(struct rig *r);
void expect_nothing_at_server_at(struct rig *r, const char *file, int line);
#define expect_nothing_at_server(r) expect_nothing_at_server_at(r, __FILE__, __LINE__)
/* The next ping, which server 0 answers. */
void server_comes_back_at(struct rig *r, unsigned device, const char *file, int line);
#define server_comes_back(r, device) server_comes_back_at(r, device, __FILE__, __LINE__)
/* Server 0 gets this CON and acknowledges it. */
void server_takes_at(struct rig *r, unsigned device, const char *text, const char *file, int line);
#define server_takes(r, device, text) server_takes_at(r, device, text, __FILE__, __LINE__)
void server_unreachable(struct rig *r, unsigned server, enum error err); /* what server_send gives; OK = reachable */

void leg_state(struct rig *r, unsigned device, unsigned server, bool up);

/* --- store */
void commit(struct rig *r);                       /* all that was asked for is durable; told at once */
void commit_fails(struct rig *r, enum error err); /* none of it is; all of it, unbeknown, with ERR_STORE_UNSURE */
void store_broken(struct rig *r, enum error err); /* from now on each commit fails so, until OK */
unsigned stored_records(struct rig *r, enum record_kind kind);
unsigned downlink_puts(const struct rig *r); /* of records of downlink messages, asked for since the start */
/* The n-th record of this kind in key order, as committed. */
void stored_message(struct rig *r, enum record_kind kind, unsigned n, struct record_message *out);

/* --- events */
unsigned event_count(const struct rig *r, enum engine_event_kind kind, const char *reason); /* NULL: any; since start */
unsigned audit_count(const struct rig *r, unsigned device, const char *endpoint, const char *reason);
uint64_t last_accepted(const struct rig *r); /* sequence number */
/* This message is in this final state, and was told so exactly once. */
void expect_final_at(struct rig *r, uint64_t seq, enum final_state f, const char *reason, const char *file, int line);
#define expect_final(r, seq, f, reason) expect_final_at(r, seq, f, reason, __FILE__, __LINE__)
bool is_final(const struct rig *r, uint64_t seq);
void expect_message_state_at(struct rig *r, unsigned device, uint64_t seq, const char *state, const char *file,
                             int line);
#define expect_message_state(r, device, seq, state) expect_message_state_at(r, device, seq, state, __FILE__, __LINE__)
struct engine_device_info device_info(struct rig *r, unsigned device);
struct engine_totals totals(struct rig *r);

#endif
