/* One connection to a Redis server, or a Sentinel, by hiredis' asynchronous API.
 *
 * It is driven in one of two ways: by whoever waits for a reply (redis_call, redis_drive: poll(2), in any thread; one
 * at a time), or by the loop it was given to (redis_watch). Setting it up takes several replies and a look-up of names,
 * so that is done by calls in a thread of its own, and the loop gets the connection when it is ready. */
#ifndef BUFFERING_STORE_REDIS_CONNECTION_H
#define BUFFERING_STORE_REDIS_CONNECTION_H

#include <hiredis/async.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/loop.h"
#include "buffering/store_redis.h"

#define REDIS_WHY_MAX 256

struct redis_connection {
    redisAsyncContext *ac;   /* NULL: lost, or closed */
    struct ssl_st *ssl;      /* NULL: not by TLS */
    char why[REDIS_WHY_MAX]; /* it was lost */
    bool wants_read, wants_write;
    uv_poll_t poll;
    bool watched;
    void (*changed)(void *ctx); /* after each turn that read or wrote something, or lost the connection */
    void *ctx;
};

/* When to give up. */
struct redis_limit {
    uint64_t until_ms;         /* of redis_now_ms */
    const atomic_bool *cancel; /* NULL: nobody can cancel */
};
uint64_t redis_now_ms(void); /* monotonic */

/* Begins to connect: a reply to the first command shows that it did. Looks a name up, which may take seconds. NULL: it
 * cannot; `why` tells. */
struct redis_connection *redis_connect(const struct redis_address *at, const struct redis_tls *tls,
                                       const struct redis_limit *limit, char why[REDIS_WHY_MAX]);
/* Closes and frees; what was sent and not answered gets its callback with NULL. Not from inside a callback. NULL is
 * fine. */
void redis_connection_free(struct redis_connection *c);

/* `command` is RESP; fn gets the reply and frees it by freeReplyObject, or NULL when the connection is lost. ERR_STORE:
 * the connection is lost already; ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] enum error redis_send(struct redis_connection *c, struct bytes command, redisCallbackFn *fn,
                                                  void *privdata);
/* Sends and waits. The caller frees the reply. NULL: c->why tells. */
redisReply *redis_call(struct redis_connection *c, struct bytes command, const struct redis_limit *limit);
/* The same, of words; ended by NULL. */
redisReply *redis_call_words(struct redis_connection *c, const struct redis_limit *limit, ...)
    __attribute__((sentinel));
/* Waits up to wait_ms for something to read or write, and does that; false when the connection is lost. */
bool redis_drive(struct redis_connection *c, uint64_t wait_ms);

/* Writes what waits to be written, as far as that is possible at once. Not from inside a callback. */
void redis_write(struct redis_connection *c);

/* From now on the loop drives it. */
[[gnu::warn_unused_result]] enum error redis_watch(struct redis_connection *c, struct loop *l, void (*changed)(void *),
                                                   void *ctx);

/* The reply is an error whose first word is this. */
bool redis_is_error(const redisReply *r, const char *word);

#endif
