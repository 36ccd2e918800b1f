/* What fuzz_engine's files share: a world of tables around the engine, and what must always hold in it. */
#ifndef TESTS_FUZZ_ENGINE_WORLD_H
#define TESTS_FUZZ_ENGINE_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nidd/engine.h"

#define T0          1800000000000ULL
#define DEVICES     3
#define SERVERS     2
#define MAX_OPS     400
#define MAX_OPEN    256
#define MAX_RECORDS 256
#define MAX_SEQS    2048 /* a power of two */
#define MINUTE      60000ULL

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
    size_t submit_count, configuration_count;
    uint8_t later[MAX_OPS + 1]; /* by reference: 1 = to be answered */
    uint32_t later_ref;
    struct fate fates[MAX_SEQS];
    size_t fate_count;
    struct { /* the last messages to devices and servers, so that answers can fit them */
        uint8_t data[16];
    } down[DEVICES][4], up[DEVICES][4];
    uint8_t down_at[DEVICES], up_at[DEVICES];
    enum error send_err;
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
void world_start(void);   /* a new engine, from what was committed */
void world_end(void);     /* it dies, and what was not committed with it */
void world_restart(void); /* both, and looks whether something was lost */
void world_free(void);
void world_checks(void);               /* each input's last act: wakes the engine */
void world_pass(uint64_t ms);          /* time, in steps of engine_next_wake */
void commit(size_t n, enum error err); /* the first n pending operations become durable, or vanish */

#endif
