/* The reads of the embedded store: on libuv's thread pool, since a page that is not in memory must not stop the loop.
 *
 * What was asked for in one turn is read together, in transactions of at most some dozens of reads; results are copied
 * and told on the loop. All calls on the loop's thread. */
#ifndef BUFFERING_LMDB_READS_H
#define BUFFERING_LMDB_READS_H

#include <uv.h>

#include "buffering/lmdb_env.h"
#include "buffering/store.h"

struct lmdb_reads {
    uv_loop_t *loop;
    struct lmdb_env *env;
    struct store_load *first; /* not begun */
    struct store_load **end;
    struct read_group *groups; /* given to the pool, until their last callback */
    struct read_group *spare;  /* so that one can always be made */
    unsigned running;
    bool closed;
    void (*ended)(void *ctx); /* after close, when nothing is left in the pool */
    void *ctx;
    uv_mutex_t mutex;
    uv_cond_t read;
};
[[gnu::warn_unused_result]] enum error lmdb_reads_init(struct lmdb_reads *r, uv_loop_t *loop, struct lmdb_env *env);
void lmdb_reads_add(struct lmdb_reads *r, struct store_load *l); /* lmdb_reads_start is to follow */
void lmdb_reads_start(struct lmdb_reads *r);
/* Ends all reads with ERR_DRAINING, and lets go of the environment; `ended` is called now, or from the loop. */
void lmdb_reads_close(struct lmdb_reads *r, void (*ended)(void *), void *ctx);

#endif
