/* A directory with an LMDB environment: opening and locking it, committing groups of batches, scanning. No thread of
 * its own: calls must not overlap. */
#ifndef BUFFERING_LMDB_ENV_H
#define BUFFERING_LMDB_ENV_H

#include <lmdb.h>

#include "buffering/batch.h"

struct lmdb_env {
    char *path;
    size_t map_bytes;
    int lock_fd;
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

#endif
