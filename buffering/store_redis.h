/* A store in Redis 8 or Valkey 8: standalone, or a master that Sentinels watch over. See store.h for what it promises,
 * store_redis_layout.h for the keys.
 *
 * Loss windows, of what was committed:
 *   memory      all since Redis' last snapshot or sync, when Redis dies
 *   everysec    about a second (two under load), when the host of Redis dies; nothing when only Redis does
 *   fsync       none, if the disk keeps what it has synced
 *   replicated  as `fsync` or `everysec`, whichever Redis is configured for, when all hosts die at once; none while one
 *               of the replicas that were waited for lives and becomes the master
 * With Sentinels, all levels but `replicated` lose what had not reached the new master.
 *
 * Only the newest adapter with a prefix writes: it takes an epoch, which every command carries and Redis compares. One
 * that finds another alive is not opened; one that is overtaken takes nothing any more (ERR_STORE). */
#ifndef BUFFERING_STORE_REDIS_H
#define BUFFERING_STORE_REDIS_H

#include "buffering/store.h"
#include "buffering/store_redis_options.h"

/* Blocks until connected, at most twice options->timeout_ms and what a look-up of names takes. Errors: ERR_STORE;
 * `why`, of STORE_REDIS_WHY_MAX bytes, tells in one line what is wrong and which setting to change. ERR_NO_MEMORY,
 * ERR_SYSTEM. The store needs the loop until loop_free, and SIGPIPE ignored. */
#define STORE_REDIS_WHY_MAX 320
[[gnu::warn_unused_result]] enum error store_redis_open(struct loop *l, const struct store_redis_options *options,
                                                        struct store_sink sink, struct store **out, char *why);

#endif
