/* A directory with an LMDB environment: opening and locking it, committing groups of batches, scanning. No thread of
 * its own: calls must not overlap, but for lmdb_env_read_begin to _end, which any thread may at any time between open
 * and close. */
#ifndef BUFFERING_LMDB_ENV_H
#define BUFFERING_LMDB_ENV_H

#include <lmdb.h>
#include <uv.h>

#include "buffering/batch.h"

struct lmdb_env {
    char *path;
    size_t map_bytes;
    int lock_fd;
    uv_rwlock_t in_use; /* read-held while a transaction is open: the map must not move, nor the environment go */
    uv_mutex_t opening; /* one opens it again */
    bool has_locks;
    MDB_env *env; /* NULL: closed after a failure that LMDB does not survive; opened again at the next use */
    MDB_dbi dbi;
};

/* As store_lmdb_open. After an error nothing is left to close. */
[[gnu::warn_unused_result]] enum error lmdb_env_open(struct lmdb_env *e, const char *path, uint64_t map_bytes,
                                                     const char **why);
void lmdb_env_close(struct lmdb_env *e);

/* Commits the batches of the list, in order, and says in each how it ended (err, cause, ended). Those that failed
 * before they came here are left out. In most cases one transaction and one sync for all. */
void lmdb_env_commit(struct lmdb_env *e, const struct batch_list *group);

[[gnu::warn_unused_result]] enum error lmdb_env_scan(struct lmdb_env *e, struct bytes prefix, void *ctx,
                                                     enum error (*fn)(void *, struct bytes, struct bytes));

/* A transaction that reads what was committed last, and a cursor in it. To be ended soon: meanwhile the pages that
 * commits let go of are not used again, and the map cannot grow. */
struct lmdb_env_read {
    struct lmdb_env *env;
    MDB_txn *txn;
    MDB_cursor *cursor;
};
[[gnu::warn_unused_result]] enum error lmdb_env_read_begin(struct lmdb_env *e, struct lmdb_env_read *r);
void lmdb_env_read_end(struct lmdb_env_read *r);
/* The first record at or behind `key`, or the one that follows; *found is false when there is none. */
[[gnu::warn_unused_result]] enum error lmdb_env_read_seek(struct lmdb_env_read *r, struct bytes key, struct bytes *k,
                                                          struct bytes *v, bool *found);
[[gnu::warn_unused_result]] enum error lmdb_env_read_next(struct lmdb_env_read *r, struct bytes *k, struct bytes *v,
                                                          bool *found);

#endif
