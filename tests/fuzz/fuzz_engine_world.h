/* What fuzz_engine's files share: a world of tables around the engine, and what must always hold in it. */
#ifndef TESTS_FUZZ_ENGINE_WORLD_H
#define TESTS_FUZZ_ENGINE_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nidd/route.h"

#define T0          1800000000000ULL
#define DEVICES     5 /* dev0@x, dev1@x, dev2@x (may be of the group), 4917, dev4@x (in no file, may be learned) */
#define SERVERS     2
#define SCEFS       2
#define GROUP       "g@x"
#define MAX_OPS     400
#define MAX_OPEN    256
#define MAX_RECORDS 256
#define MAX_SEQS    2048 /* a power of two */
#define MINUTE      60000ULL

/* What the configuration file says; a restart may find another one. */
enum file_bits {
    FILE_DEV0_ELSEWHERE = 1, /* dev0@x at the second SCEF */
    FILE_DEV1_GONE = 2,
    FILE_DEV2_MEMBER = 4,
    FILE_GROUP_GONE = 8,
    FILE_GROUP_ELSEWHERE = 16,
    FILE_GROUP_FOREIGN = 32,
    FILE_DEV4_LISTED = 64
};

struct record {
    struct buf key, value;
    uint64_t ticket; /* of a pending operation */
    bool is_delete;
};

struct fate {
    uint64_t seq;
    bool accepted, final;
};

struct world {
    struct engine *e;
    struct engine_options o;
    uint64_t now_ms;
    bool inside, dead; /* dead: a table of ours is full, the input ends */
    struct record pending[MAX_RECORDS], committed[MAX_RECORDS];
    size_t pending_count, committed_count;
    uint64_t tickets;
    uint64_t submits[MAX_OPEN], configurations[MAX_OPEN];
    uint32_t configuration_scefs[MAX_OPEN];
    size_t submit_count, configuration_count;
    bool listing[SCEFS];
    unsigned file;              /* enum file_bits */
    uint8_t later[MAX_OPS + 1]; /* by reference: 1 = to be answered */
    uint32_t later_ref;
    struct fate fates[MAX_SEQS];
    size_t fate_count;
    struct { /* the last messages to devices and servers, so that answers can fit them */
        uint8_t data[16];
    } down[DEVICES][4], up[DEVICES][4];
    uint8_t down_at[DEVICES], up_at[DEVICES];
    enum error send_err;
    enum engine_transport transports[SERVERS];
    bool store_failed;               /* once: a restart may find what it should have deleted */
    bool leg_down[DEVICES][SERVERS]; /* where the transport has legs */
    bool routed;                     /* devices have no servers of their own */
};
extern struct world w;

#define fail_unless(ok)                                                                                                \
    do {                                                                                                               \
        if (!(ok)) {                                                                                                   \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #ok);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct t8_identity world_identity(unsigned device);
struct bytes world_id(unsigned device);
uint32_t world_scef(unsigned device); /* as the file says */
void world_start(void);               /* a new engine, from what was committed */
void world_end(void);                 /* it dies, and what was not committed with it */
void world_restart(void);             /* both, and looks whether something was lost */
void world_free(void);
void world_checks(void); /* each input's last act: wakes the engine */
void world_leg(unsigned device, unsigned server, bool up);
void world_route(unsigned choice);   /* other routes: a bit for each of a few */
void world_reroute(unsigned device); /* it gets a server of its own, or has none any more */
/* Cancel, replay or purge at a device of the choice, or other policies from now on. */
void world_operator(unsigned what, unsigned choice);
void world_pass(uint64_t ms);          /* time, in steps of engine_next_wake */
void commit(size_t n, enum error err); /* the first n pending operations become durable, or vanish */

#endif
