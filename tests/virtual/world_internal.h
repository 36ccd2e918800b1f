#ifndef VIRTUAL_WORLD_INTERNAL_H
#define VIRTUAL_WORLD_INTERNAL_H

#include "nidd/engine.h"
#include "sim/lwm2m_device.h"
#include "sim/scef_model.h"
#include "tests/virtual/events.h"
#include "tests/virtual/server_model.h"
#include "tests/virtual/store_model.h"
#include "tests/virtual/world.h"

#define T0_MS                1800000000000ULL
#define SCS_AS_ID            "as1"
#define GROUP_ID             "fleet@example.org"
#define DOWNLINK_LIFETIME_MS (6 * 3600 * 1000ULL)

enum event_kind {
    EV_UE_WAKE,
    EV_UE_DELIVER,    /* MT data at the UE */
    EV_SUBMIT,        /* a downlink POST arrives at the SCEF */
    EV_SUBMIT_ANSWER, /* its answer at the adapter */
    EV_CONFIGURATION, /* a configuration request arrives at the SCEF; detail: 1 = create, 0 = get */
    EV_CONFIGURATION_ANSWER,
    EV_NOTIFY_UPLINK, /* a callback arrives at the adapter */
    EV_NOTIFY_STATUS,
    EV_NOTIFY_CONFIGURATION, /* detail: its status */
    EV_NOTIFY_RESULT,        /* its answer at the SCEF */
    EV_TO_SERVER,
    EV_TO_ADAPTER,
    EV_COMMIT,
    EV_SERVER_WAKE,
    EV_ADAPTER_CRASH,
    EV_SCEF_DOWN,
    EV_SCEF_UP, /* detail: 1 = and has forgotten its configurations */
    EV_SERVER_DOWN,
    EV_SERVER_UP,
    EV_LOAD,           /* one more device of those that the adapter has not loaded since its restart */
    EV_NETWORK,        /* detail: network.c's */
    EV_DELIVERY,       /* a request about a buffered delivery arrives at the SCEF; detail: what */
    EV_DELIVERY_FOUND, /* of its list, at the adapter */
    EV_DELIVERY_ANSWER
};

struct world_ue {
    struct world *world;
    uint32_t index;
    char id[40];
    struct lwm2m_device *device;
    uint64_t wake_ms; /* the earliest EV_UE_WAKE that is under way; 0 = none */
};

/* What is known of a downlink message the engine has accepted; by its sequence number. */
struct told {
    uint64_t accepted_ms;
    uint32_t ue;
    uint32_t op;    /* of the server; 0: not a request */
    uint32_t epoch; /* incarnation that told the final state */
    uint32_t accepted_epoch;
    uint8_t final;
    bool accepted;
    bool final_durable; /* the record was gone from the store at the latest then */
};

struct world {
    struct world_options o;
    uint64_t now_ms;
    struct prng prng;
    struct events events;
    struct engine *engine;
    uint32_t epoch; /* incarnation of the adapter */
    struct scef_model *scef;
    struct server_model *server;
    struct store_model *store;
    struct slab requests; /* of the adapter, under way at the SCEF */
    struct world_ue *ues;
    bool *loaded;                    /* by ue, while `loading` */
    bool loading;                    /* the engine has started without the devices */
    uint32_t *ue_of_leg, *leg_of_ue; /* UINT32_MAX: none yet */
    struct told *told;
    uint64_t told_cap, told_top;
    bool scef_down, server_down, quiet;
    /* promise 5: what happened to the uplink that is being handled */
    bool handed_on;
    uint64_t last_commit_at_ms;
    struct world_result r;
};

[[gnu::format(printf, 2, 3)]] void world_break(struct world *w, const char *fmt, ...);
bool world_followed(const struct world *w, uint32_t ue);
void world_story(struct world *w, const char *who, const char *what, struct bytes message);
bool world_chance(struct world *w, double p);
uint64_t world_between(struct world *w, uint64_t low, uint64_t high);
uint32_t world_ue_of(struct bytes external_id);

/* promises.c */
void promises_event(struct world *w, const struct engine_event *e);
void promises_device(struct world *w, uint32_t ue);
void promises_crash(struct world *w);
void promises_end(struct world *w);

/* network.c */
void network_limits(const struct world *w, uint32_t ue, struct scef_subscriber *s);
void network_plan(struct world *w, uint64_t busy_ms);
void network_event(struct world *w, const struct event *ev);

/* deliveries.c */
void deliveries_policies(struct world *w);
bool deliveries_latest_wins(const struct world *w, uint32_t ue);
void deliveries_port(void *ctx, uint64_t ref, const struct engine_delivery_request *q);
/* What is submitted now is not in its buffer already. */
void deliveries_once(struct world *w, struct bytes configuration_id, const struct nidd_downlink *d);
void deliveries_at_scef(struct world *w, const struct event *ev);
void deliveries_at_adapter(struct world *w, const struct event *ev);

/* adapter.c: the shell around the engine */
void adapter_start(struct world *w);
void adapter_crash(struct world *w);
void adapter_turn_end(struct world *w);
void adapter_event(struct world *w, struct event *ev);
void adapter_load(struct world *w, uint32_t ue); /* unless it is there */
void adapter_load_next(struct world *w, const struct event *ev);

#endif
