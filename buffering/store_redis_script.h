/* What is said to Redis: scripts, and commands in its protocol (RESP); pure.
 *
 * A group of batches is one call of one script, so that it takes effect as a whole or, when the connection was
 * overtaken by a newer one, not at all. Within it a batch that cannot be done is left out as a whole. */
#ifndef BUFFERING_STORE_REDIS_SCRIPT_H
#define BUFFERING_STORE_REDIS_SCRIPT_H

#include "buffering/batch.h"

#define REDIS_SHA_LEN 40 /* of SCRIPT LOAD */

/* KEYS: owner. ARGV: name of who takes over, the epoch it had before (0: it is new). Gives {epoch, the one before}, or
 * the error FENCED and the name of whoever has taken over in between. Works in a full store. */
extern const char redis_script_take[];
/* KEYS and ARGV as redis_commit_encode makes them. Gives the status OK, or a list of what was left out: batch (from 0),
 * why, batch, why ... Errors that leave no trace: FENCED, and those that Redis has for a refused write. */
extern const char redis_script_commit[];
/* ARGV: cursor, pattern, count. Gives {cursor, key, {field, value ...}, key ...} of hashes. */
extern const char redis_script_page[];
/* Same; gives {cursor, key ...} of hashes that have a field 'd'. */
extern const char redis_script_devices[];
/* ARGV: first bucket, name of the buckets before their number, how many devices are enough. Gives
 * {next bucket or "", device, deadline ...}. */
extern const char redis_script_pending[];

/* A command: `count` arguments. */
void resp_command(struct buf *out, size_t count);
void resp_arg(struct buf *out, struct bytes arg);
void resp_arg_str(struct buf *out, const char *arg);
void resp_arg_number(struct buf *out, uint64_t arg);

/* Memory that is used again and again; zeroed is empty. */
struct redis_commit {
    struct buf keys, args;
    struct buf out;
};
void redis_commit_free(struct redis_commit *c);
#define REDIS_COMMIT_ARGS_MAX 1000000 /* what Redis takes in a command is a little more */
/* The batches from `first` on that have not ended, as EVALSHA `sha`, into c->out; *count: how many they are (0: nothing
 * was made). ERR_NO_MEMORY; ERR_STORE: more operations than Redis takes in one command. */
[[gnu::warn_unused_result]] enum error redis_commit_encode(struct redis_commit *c, const char *prefix, const char *sha,
                                                           uint64_t epoch, const struct batch *first, size_t *count);

#endif
