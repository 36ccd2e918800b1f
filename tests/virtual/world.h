/* Adapter engine, SCEF model, radio, UEs with LwM2M clients and an LwM2M server in one process and in virtual time,
 * with faults, and the promises checked after every event (docs/architecture.md, promises 1 to 5). */
#ifndef VIRTUAL_WORLD_H
#define VIRTUAL_WORLD_H

#include <stdbool.h>
#include <stdint.h>

struct world;

struct world_options {
    uint64_t seed;
    uint32_t ues;
    uint64_t op_pause_ms;     /* mean time between two requests of the server to one device */
    uint32_t adapter_crashes; /* over the whole time */
    uint32_t scef_restarts;
    uint32_t server_outages;
    double radio_loss;
    double http_loss; /* of requests, and as many of answers */
    double udp_loss;
    double store_failure; /* of a batch */
    double duplication;   /* radio and UDP */
    double troubles;      /* of the network, for each UE and day; not 0: limits hold too */
    bool group;           /* all devices are one group, and every second one is learned from its first message */
    bool buffers;         /* by device the adapter, the SCEF or the server keeps what it is not there for */
    bool priorities;      /* small queues, a priority that changes all the time, and final states kept */
    const char *follow;   /* External Identifier whose story is printed; NULL = none */
};

struct world_result {
    uint64_t events;
    uint64_t finals[16];
    uint64_t nas_mo, nas_mt;
    uint64_t nas_needed; /* 2 for each confirmable exchange that was completed, 1 for each NON notification */
    uint64_t ops, ops_acknowledged, ops_answered, repeats_at_devices, executions;
    uint64_t notifications, crashes;
    uint64_t buffered;          /* by the SCEF */
    uint64_t replaced;          /* the same, there */
    uint64_t delivery_requests; /* about what the SCEF buffers */
    uint32_t registered;
    uint32_t unconfigured; /* devices of which the SCEF knows nothing at the end: it forgot, and nobody found out */
    char broken[512];      /* empty: every promise was kept; else what was broken, when and where */
};

struct world *world_new(const struct world_options *o);
/* Faults and new requests for busy_ms, then quiet until everything has ended (or quiet_ms are over). Stops at the first
 * broken promise. */
void world_run(struct world *w, uint64_t busy_ms, uint64_t quiet_ms);
void world_result_get(struct world *w, struct world_result *out);
void world_free(struct world *w);

#endif
