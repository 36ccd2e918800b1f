/* From nothing to a connection that may write at the level asked for: Sentinels, name and password, role, durability,
 * the script, the epoch. Blocks; in any thread. */
#ifndef BUFFERING_STORE_REDIS_SETUP_H
#define BUFFERING_STORE_REDIS_SETUP_H

#include "buffering/store_redis_connection.h"
#include "buffering/store_redis_script.h"

/* Who we are. */
struct redis_identity {
    char name[96];     /* "HOST/PID/RANDOM" of this process: no blanks */
    uint64_t epoch;    /* the last one taken; 0: none yet */
    unsigned sentinel; /* the one to ask first */
};

enum redis_failure {
    REDIS_AGAIN,   /* may be cured by itself: unreachable, loading, a replica ... */
    REDIS_REFUSED, /* by configuration, its or ours */
    REDIS_TAKEN    /* another adapter writes there */
};

struct redis_ready {
    struct redis_connection *connection;
    char sha[REDIS_SHA_LEN + 1];
    bool wait_disk;         /* each commit is followed by WAITAOF 1 0 */
    unsigned wait_replicas; /* and by WAIT, unless 0 */
    bool bulky;             /* hash-max-listpack-value is so small that records take twice the memory */
    bool went_back;         /* the server does not know our last epoch: it has lost writes */
    char peer[280];         /* for the log */
    /* when there is no connection */
    enum redis_failure failure;
    char why[STORE_REDIS_WHY_MAX];
};

void redis_identity_make(struct redis_identity *id);
/* out->connection is NULL when it failed. Else id->epoch is the new one. */
void redis_setup(const struct store_redis_options *o, struct redis_identity *id, const struct redis_limit *limit,
                 struct redis_ready *out);
/* How long WAIT and WAITAOF may take. */
uint64_t redis_wait_ms(const struct store_redis_options *o);

#endif
