/* What the parts of the Redis store share. */
#ifndef BUFFERING_STORE_REDIS_INTERNAL_H
#define BUFFERING_STORE_REDIS_INTERNAL_H

#include "base/prng.h"
#include "buffering/store_redis_setup.h"

#define REDIS_GROUPS_MAX 4 /* under way at once */

/* Batches that go together, as one call of the script and the waits behind it. */
struct redis_group {
    struct store_redis *store; /* for the replies' callbacks */
    struct batch_list batches;
    unsigned replies; /* that are missing */
};

/* An attempt to connect, in a thread of its own. */
struct redis_attempt {
    bool under_way;
    uv_thread_t thread;
    struct redis_limit limit;
    struct redis_ready ready;
    atomic_bool cancel, finished;
};

struct store_redis {
    struct store base;
    struct loop *loop;
    struct store_redis_options o;
    struct redis_identity id;
    uv_async_t async; /* an attempt has finished, or something is to be told from the loop */
    uv_timer_t timer;
    struct prng prng;

    struct batches batches;
    struct batch_list queue; /* flushed; not under way */
    struct redis_group groups[REDIS_GROUPS_MAX];
    unsigned first, under_way;
    struct batch_list done; /* to be told */
    bool telling;           /* or it is not the time for it */
    bool again;             /* something was flushed meanwhile */
    bool flush_waits;       /* for a batch to come back */
    struct redis_commit commit;

    struct redis_connection *connection; /* NULL: none */
    char sha[REDIS_SHA_LEN + 1];
    bool wait_disk;
    unsigned wait_replicas;
    bool doomed;          /* the connection is to be dropped once hiredis lets us */
    bool doomed_down;     /* and the store counts as down at once */
    uint64_t outstanding; /* replies */
    uint64_t progress_ms; /* when the last one came, or the first of them was asked for */
    uint64_t spoken_ms;   /* when we said something last */

    struct redis_attempt attempt;
    bool down;              /* known to be: what is flushed fails at once */
    bool taken;             /* by another adapter, for good */
    unsigned failures;      /* attempts, and connections that took nothing, in a row */
    uint64_t attempt_at_ms; /* when to try next */
    char trouble[STORE_REDIS_WHY_MAX];
    bool hinted;
    bool failing;                     /* connected, but the last group was refused: `trouble` tells */
    char logged[STORE_REDIS_WHY_MAX]; /* the last trouble that was */
    uint64_t logged_ms;
    uint64_t refused_not_logged; /* batches */

    struct redis_read *reads; /* answered, to be told; in order */
    struct redis_read **reads_end;
    struct store_load *reads_waiting; /* for a connection, or to be refused; in order */
    struct store_load **reads_waiting_end;
    bool closing; /* reads are ended with ERR_DRAINING */

    unsigned handles; /* not closed yet */
};

static inline struct store_redis *store_redis_of(struct store *s)
{
    return (struct store_redis *)(void *)s;
}

/* store_redis_group.c */
void store_redis_batch_end(struct batch *b, enum error err); /* unless it has ended */
/* The connection is to be dropped, and why; `down`: nothing is to be expected of the next one. */
[[gnu::format(printf, 3, 4)]] void store_redis_doom(struct store_redis *s, bool down, const char *format, ...);
/* Sends the head of the queue; there is a connection, and room for a group. */
void store_redis_group_send(struct store_redis *s);
/* Counts what was sent, for the watch over silent connections. */
void store_redis_sent(struct store_redis *s);
void store_redis_answered(struct store_redis *s);
/* Waits, without the loop, until nothing flushed is left under way; tells the sink only when asked to. */
void store_redis_settle(struct store_redis *s, bool tell);

/* store_redis_load.c */
void store_redis_read(struct store *s, struct store_load *l);
bool store_redis_reads_waiting(const struct store_redis *s);
void store_redis_reads_tell(struct store_redis *s);  /* what was answered, and what is not to be answered */
void store_redis_reads_again(struct store_redis *s); /* on a new connection: those that wait for it */

/* store_redis_scan.c */
enum error store_redis_scan(struct store *s, struct bytes prefix, void *ctx,
                            enum error (*fn)(void *ctx, struct bytes key, struct bytes value));

#endif
