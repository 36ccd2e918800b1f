/* What the harness's files share. */
#ifndef TESTS_NIDD_HARNESS_INTERNAL_H
#define TESTS_NIDD_HARNESS_INTERNAL_H

#include "tests/nidd/harness.h"

struct rig_datagram {
    uint32_t leg;
    uint32_t server;
    struct message message;
};

struct rig_submission {
    uint64_t ref;
    unsigned device;
    bool answered;
    uint32_t latency_s;
    char link[128];
    struct message message;
};

struct rig_uplink_answer {
    uint64_t ref;
    enum error err;
    bool seen;
};

struct rig_record {
    struct buf key;
    struct buf value;
    uint64_t ticket;
    bool is_delete;
};

struct rig_event {
    enum engine_event_kind kind;
    char reason[64];
    char device_id[32]; /* AUDIT */
    char endpoint[64];
};

/* A downlink message by its sequence number. */
struct rig_message {
    uint64_t seq;
    bool accepted;
    enum final_state final;
    char reason[64];
};

/* A growing array; `data` moves. */
#define RIG_ARRAY(type)                                                                                                \
    struct {                                                                                                           \
        type *data;                                                                                                    \
        size_t count, capacity, read;                                                                                  \
    }
#define RIG_PUSH(a) (rig_grow((void **)&(a).data, &(a).capacity, (a).count, sizeof(*(a).data)), &(a).data[(a).count++])
void rig_grow(void **data, size_t *capacity, size_t count, size_t size);

struct rig {
    struct engine *e;
    struct rig_setup setup;
    struct engine_options o;
    unsigned legs;
    uint64_t now_ms;
    bool inside; /* an input is under way: ports may be called */
    RIG_ARRAY(struct rig_datagram) datagrams;
    RIG_ARRAY(struct rig_submission) submissions;
    RIG_ARRAY(struct rig_configuration_request *) requests;
    RIG_ARRAY(struct rig_delivery_request) asked;
    RIG_ARRAY(struct rig_watch) watches;
    unsigned watch_lists;
    RIG_ARRAY(struct rig_uplink_answer) answers;
    RIG_ARRAY(struct rig_event) events;
    RIG_ARRAY(struct rig_message) messages;
    RIG_ARRAY(struct rig_record) pending;   /* store operations, in order */
    RIG_ARRAY(struct rig_record) committed; /* by key */
    uint64_t tickets;
    unsigned downlink_puts;
    uint64_t uplink_refs;
    uint64_t last_accepted;
    enum error store_err;
    enum error send_err[RIG_SERVERS];
    unsigned nas[RIG_DEVICES];
    unsigned links; /* of configurations given */
    bool loading;   /* RIG_LOADING is in the environment: after a restart devices are loaded one by one */
};

#define RIG_FAIL(file, line, ...)                                                                                      \
    do {                                                                                                               \
        print_error(__VA_ARGS__);                                                                                      \
        print_error("\n");                                                                                             \
        _fail(file, line);                                                                                             \
    } while (0)

void rig_begin_input(struct rig *r);
void rig_end_input(struct rig *r); /* commits, wakes, answers configurations, checks */
unsigned rig_device_of(const struct rig *r, struct t8_identity id);
struct rig_message *rig_message_by_seq(struct rig *r, uint64_t seq); /* NULL: unknown */
void rig_store_forget_pending(struct rig *r);
void rig_store_restore(struct rig *r);
void rig_store_restore_shared(struct rig *r);
void rig_store_load(struct rig *r); /* after engine_start_loading */
void rig_store_free(struct rig *r);
bool rig_store_has_message(struct rig *r, uint64_t seq, bool committed_only);
bool rig_store_has_answer(struct rig *r, uint64_t seq);
bool rig_store_owes(struct rig *r, uint64_t seq); /* a record bears it, or an uplink's that tells its answer */
static inline bool rig_message_open(const struct rig_message *m)
{
    return m->accepted && !m->final;
}
uint64_t rig_store_put(void *ctx, struct bytes key, struct bytes value);
uint64_t rig_store_delete(void *ctx, struct bytes key);
void rig_event(void *ctx, const struct engine_event *e);

#endif
