/* A real redis-server or valkey-server of a test's own: on a Unix socket, in a directory of its own, gone with the test
 * whatever becomes of it. Needs no port. */
#ifndef TESTS_BUFFERING_REDIS_SERVER_H
#define TESTS_BUFFERING_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <sys/types.h>

#include "buffering/store_redis.h"

struct redis_server {
    const char *program; /* "redis-server", "valkey-server" */
    pid_t pid;
    char dir[64];
    char socket[96];
};

/* With `appendonly yes`, `appendfsync always` and what the words say (ended by NULL), which count more. Waits until it
 * answers. */
void redis_server_start(struct redis_server *s, const char *program, ...) __attribute__((sentinel));
/* Once more in the same directory, after a stop by signal. */
void redis_server_restart(struct redis_server *s, ...) __attribute__((sentinel));
void redis_server_end(struct redis_server *s, int signal); /* waits until it is gone; the directory stays */
void redis_server_free(struct redis_server *s);            /* ends it, removes the directory */

/* With these words alone, the program first; `dir` and `socket` are the caller's. */
void redis_server_launch(struct redis_server *s, const char *const *words);
unsigned redis_server_free_port(void);                        /* of 127.0.0.1, just now */
void redis_server_replica_wait(const struct redis_server *s); /* until a replica follows this master */

/* Makes it also listen on a port of 127.0.0.1 that was free, for a replica or a Sentinel. */
unsigned redis_server_listen(const struct redis_server *s);

/* The caller frees the reply, which is there. */
redisReply *redis_server_command(const struct redis_server *s, const char *format, ...);
void redis_server_do(const struct redis_server *s, const char *format, ...); /* must not be refused */

/* For this server: prefix "t", durability fsync, time-out 5 s. */
void redis_server_options(const struct redis_server *s, struct store_redis_options *o);

#endif
