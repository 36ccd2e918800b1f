/* How a group is committed:
 *
 *   together: all batches in one transaction. Nearly always the end of it.
 *   apart:    one transaction again, each batch in a nested one of its own, so that the bad ones are found and left out
 *             at the price of one sync: when the map is full this must stay fast, or refusals would pile up.
 *   each:     when even that commit failed (the disk refuses to write), every batch by itself: a batch that only
 * deletes needs no new room in the file and may succeed where others do not.
 *
 * LMDB writes by copying, so even a delete needs free pages. A transaction of deletes that finds none is done again
 * with the reserve: the map is made larger for as long as that transaction lasts. */
#include "buffering/lmdb_env.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffering/store.h"

#define RESERVE_SHARE     16
#define RESERVE_MIN_BYTES (256u << 10)
#define MAP_MIN_BYTES     (64u << 10)
#define LOCK_FILE         "adapter.lock"

/* --- open and close ---------------------------------------------------------------------------------- */

static size_t reserve_bytes(const struct lmdb_env *e)
{
    const size_t share = e->map_bytes / RESERVE_SHARE;
    return share > RESERVE_MIN_BYTES ? share : RESERVE_MIN_BYTES;
}

static void env_drop(struct lmdb_env *e)
{
    uv_rwlock_wrlock(&e->in_use);
    if (e->env)
        mdb_env_close(e->env);
    e->env = NULL;
    uv_rwlock_wrunlock(&e->in_use);
}

/* The end of every transaction comes before the next env_drop, map_resize or txn_begin of the same thread. */
static void txn_abort(struct lmdb_env *e, MDB_txn *txn)
{
    mdb_txn_abort(txn);
    uv_rwlock_rdunlock(&e->in_use);
}

static int txn_commit(struct lmdb_env *e, MDB_txn *txn)
{
    const int rc = mdb_txn_commit(txn);
    uv_rwlock_rdunlock(&e->in_use);
    return rc;
}

static int dbi_open(MDB_env *env, MDB_dbi *dbi)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = mdb_dbi_open(txn, NULL, 0, dbi);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* MDB_NOTLS: a scan belongs to its transaction, not to a thread. LMDB's own locks stay on: with them mdb_copy can back
 * up a store in use. Readers that died are swept out, or their pages could never be used again. */
static int env_make(struct lmdb_env *e)
{
    int dead;
    MDB_env *env;
    MDB_dbi dbi = 0;
    int rc = mdb_env_create(&env);
    if (rc)
        return rc;
    assert(mdb_env_get_maxkeysize(env) >= STORE_KEY_MAX);
    rc = mdb_env_set_mapsize(env, e->map_bytes);
    if (!rc)
        rc = mdb_env_open(env, e->path, MDB_NOTLS, 0600);
    if (!rc)
        rc = mdb_reader_check(env, &dead);
    if (!rc)
        rc = dbi_open(env, &dbi);
    if (rc) {
        mdb_env_close(env);
        return rc;
    }
    uv_rwlock_wrlock(&e->in_use);
    e->env = env;
    e->dbi = dbi;
    uv_rwlock_wrunlock(&e->in_use);
    return 0;
}

/* Nobody may be reading meanwhile. */
static int map_resize(struct lmdb_env *e, size_t bytes)
{
    uv_rwlock_wrlock(&e->in_use);
    const int rc = e->env ? mdb_env_set_mapsize(e->env, bytes) : 0;
    uv_rwlock_wrunlock(&e->in_use);
    return rc;
}

/* The name of a new file is on disk only when its directory is synced. */
static int directory_sync(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    const int rc = fsync(fd) ? errno : 0;
    close(fd);
    return rc;
}

static int directory_make(const char *path)
{
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? 0 : errno;
    char parent[PATH_MAX];
    if (snprintf(parent, sizeof(parent), "%s/..", path) >= (int)sizeof(parent))
        return ENAMETOOLONG;
    return directory_sync(parent);
}

static int directory_lock(struct lmdb_env *e)
{
    char file[PATH_MAX];
    if (snprintf(file, sizeof(file), "%s/%s", e->path, LOCK_FILE) >= (int)sizeof(file))
        return ENAMETOOLONG;
    e->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (e->lock_fd < 0)
        return errno;
    return flock(e->lock_fd, LOCK_EX | LOCK_NB) ? errno : 0;
}

static enum error error_of(int rc, const char **why)
{
    switch (rc) {
    case 0:
        *why = NULL;
        return OK;
    case EWOULDBLOCK:
        *why = "another process has the store open";
        return ERR_STORE;
    case EACCES:
    case EPERM:
    case EROFS:
        *why = "the store's directory or a file in it may not be written";
        return ERR_STORE;
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        *why = "the store's path cannot be a directory (is its parent there?)";
        return ERR_STORE;
    case ENOSPC:
    case EDQUOT:
        *why = "no space on the disk for the store";
        return ERR_STORE;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INCOMPATIBLE:
        *why = "data.mdb in the store's directory is damaged or no store of ours";
        return ERR_STORE_CORRUPT;
    case ENOMEM:
        *why = "no memory, or no address space for the store's map";
        return ERR_NO_MEMORY;
    default:
        *why = "the operating system refused to open the store";
        return ERR_SYSTEM;
    }
}

static bool locks_init(struct lmdb_env *e)
{
    if (uv_rwlock_init(&e->in_use) != 0)
        return false;
    if (uv_mutex_init(&e->opening) == 0)
        return true;
    uv_rwlock_destroy(&e->in_use);
    return false;
}

enum error lmdb_env_open(struct lmdb_env *e, const char *path, uint64_t map_bytes, const char **why)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *e = (struct lmdb_env){.lock_fd = -1};
    if (map_bytes > SIZE_MAX / 2)
        return error_of(ENOMEM, why);
    e->map_bytes = (size_t)(map_bytes < MAP_MIN_BYTES ? MAP_MIN_BYTES : map_bytes) / page * page;
    e->path = strdup(path);
    e->has_locks = locks_init(e);
    int rc = e->path && e->has_locks ? directory_make(path) : ENOMEM;
    if (!rc)
        rc = directory_lock(e);
    if (!rc)
        rc = env_make(e);
    if (!rc)
        rc = directory_sync(path);
    if (rc)
        lmdb_env_close(e);
    return error_of(rc, why);
}

void lmdb_env_close(struct lmdb_env *e)
{
    if (e->has_locks) {
        env_drop(e);
        uv_rwlock_destroy(&e->in_use);
        uv_mutex_destroy(&e->opening);
    }
    e->has_locks = false;
    if (e->lock_fd >= 0)
        close(e->lock_fd);
    e->lock_fd = -1;
    free(e->path);
    e->path = NULL;
}

/* --- commit ------------------------------------------------------------------------------------------ */

/* After a failed write of its meta page LMDB refuses to go on (MDB_PANIC) until the environment is opened again.
 * Nothing is lost by that: the batches of that transaction are done again, and to do them twice is to do them once. */
static int txn_try(struct lmdb_env *e, unsigned flags, MDB_txn **txn)
{
    uv_rwlock_rdlock(&e->in_use);
    const int rc = e->env ? mdb_txn_begin(e->env, NULL, flags, txn) : MDB_PANIC;
    if (rc)
        uv_rwlock_rdunlock(&e->in_use);
    return rc;
}

static int txn_begin(struct lmdb_env *e, unsigned flags, MDB_txn **txn)
{
    int rc = txn_try(e, flags, txn);
    if (rc != MDB_PANIC)
        return rc;
    uv_mutex_lock(&e->opening);
    rc = txn_try(e, flags, txn); /* another thread may have done it */
    if (rc == MDB_PANIC) {
        env_drop(e);
        rc = env_make(e);
        if (!rc)
            rc = txn_try(e, flags, txn);
    }
    uv_mutex_unlock(&e->opening);
    return rc;
}

static MDB_val val_of(struct bytes b)
{
    return (MDB_val){.mv_size = b.len, .mv_data = (void *)(uintptr_t)b.data};
}

static int batch_apply(const struct lmdb_env *e, MDB_txn *txn, const struct batch *b)
{
    struct batch_op op;
    int rc = 0;
    for (size_t at = 0; !rc && batch_next(b, &at, &op);) {
        MDB_val key = val_of(op.key);
        MDB_val value = val_of(op.value);
        rc = op.is_put ? mdb_put(txn, e->dbi, &key, &value, 0) : mdb_del(txn, e->dbi, &key, NULL);
        if (rc == MDB_NOTFOUND && !op.is_put)
            rc = 0;
    }
    return rc;
}

static void batch_end(struct batch *b, int rc)
{
    b->cause = rc;
    b->err = rc == 0 ? OK : rc == ENOMEM ? ERR_NO_MEMORY : ERR_STORE;
    b->ended = true;
}

/* The batches of [first, end) that have not ended, in one transaction; they end only when it succeeds. */
static int commit_once(struct lmdb_env *e, struct batch *first, const struct batch *end)
{
    MDB_txn *txn;
    int rc = txn_begin(e, 0, &txn);
    if (rc)
        return rc;
    for (struct batch *b = first; !rc && b != end; b = b->next)
        rc = b->ended ? 0 : batch_apply(e, txn, b);
    if (rc) {
        txn_abort(e, txn);
        return rc;
    }
    rc = txn_commit(e, txn);
    for (struct batch *b = first; !rc && b != end; b = b->next) {
        if (!b->ended)
            batch_end(b, 0);
    }
    return rc;
}

static bool has_put(const struct batch *first, const struct batch *end)
{
    for (const struct batch *b = first; b != end; b = b->next) {
        if (!b->ended && b->has_put)
            return true;
    }
    return false;
}

/* Same; deletes that find the map full get the reserve. */
static int commit_together(struct lmdb_env *e, struct batch *first, const struct batch *end)
{
    int rc = commit_once(e, first, end);
    if (rc != MDB_MAP_FULL || has_put(first, end))
        return rc;
    rc = map_resize(e, e->map_bytes + reserve_bytes(e));
    if (!rc)
        rc = commit_once(e, first, end);
    /* A map that could be neither grown nor shrunk may be no map at all. */
    if (map_resize(e, e->map_bytes) != 0)
        env_drop(e);
    return rc;
}

static int batch_apply_nested(const struct lmdb_env *e, MDB_txn *parent, const struct batch *b)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(e->env, parent, 0, &txn);
    if (rc)
        return rc;
    rc = batch_apply(e, txn, b);
    if (!rc)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

/* On success those have not ended that only delete and found no room: to be done once more, with the reserve. For what
 * came after the first of them no put was let through, so that the order of operations is kept. */
static int commit_apart(struct lmdb_env *e, struct batch *first)
{
    MDB_txn *txn;
    int rc = txn_begin(e, 0, &txn);
    if (rc)
        return rc;
    bool deletes_wait = false;
    for (struct batch *b = first; b; b = b->next) {
        if (b->ended)
            continue;
        b->cause = deletes_wait ? MDB_MAP_FULL : batch_apply_nested(e, txn, b);
        deletes_wait |= b->cause == MDB_MAP_FULL && !b->has_put;
    }
    rc = txn_commit(e, txn);
    if (rc)
        return rc;
    for (struct batch *b = first; b; b = b->next) {
        if (!b->ended && (b->cause != MDB_MAP_FULL || b->has_put))
            batch_end(b, b->cause);
    }
    return 0;
}

void lmdb_env_commit(struct lmdb_env *e, const struct batch_list *group)
{
    size_t count = 0;
    for (struct batch *b = group->first; b; b = b->next) {
        b->ended = b->failed;
        count += !b->ended;
    }
    if (count == 0 || commit_together(e, group->first, NULL) == 0)
        return;
    if (count > 1 && commit_apart(e, group->first) == 0 && commit_together(e, group->first, NULL) == 0)
        return;
    for (struct batch *b = group->first; b; b = b->next) {
        if (b->ended)
            continue;
        const int rc = commit_together(e, b, b->next);
        if (rc)
            batch_end(b, rc);
    }
}

/* --- read -------------------------------------------------------------------------------------------- */

static enum error found_of(int rc, const MDB_val *key, const MDB_val *value, struct bytes *k, struct bytes *v,
                           bool *found)
{
    const char *why;
    *found = rc == 0;
    if (rc)
        return rc == MDB_NOTFOUND ? OK : error_of(rc, &why);
    *k = bytes_of(key->mv_data, key->mv_size);
    *v = bytes_of(value->mv_data, value->mv_size);
    return OK;
}

static enum error cursor_open(struct lmdb_env *e, struct lmdb_env_read *r)
{
    const char *why;
    r->env = e;
    const int rc = mdb_cursor_open(r->txn, e->dbi, &r->cursor);
    if (rc)
        txn_abort(e, r->txn);
    return error_of(rc, &why);
}

enum error lmdb_env_read_begin(struct lmdb_env *e, struct lmdb_env_read *r)
{
    const char *why;
    const int rc = txn_begin(e, MDB_RDONLY, &r->txn);
    return rc ? error_of(rc, &why) : cursor_open(e, r);
}

void lmdb_env_read_end(struct lmdb_env_read *r)
{
    mdb_cursor_close(r->cursor);
    txn_abort(r->env, r->txn);
}

enum error lmdb_env_read_seek(struct lmdb_env_read *r, struct bytes key, struct bytes *k, struct bytes *v, bool *found)
{
    MDB_val at = val_of(key);
    MDB_val value;
    const int rc = mdb_cursor_get(r->cursor, &at, &value, key.len ? MDB_SET_RANGE : MDB_FIRST);
    return found_of(rc, &at, &value, k, v, found);
}

enum error lmdb_env_read_next(struct lmdb_env_read *r, struct bytes *k, struct bytes *v, bool *found)
{
    MDB_val key;
    MDB_val value;
    const int rc = mdb_cursor_get(r->cursor, &key, &value, MDB_NEXT);
    return found_of(rc, &key, &value, k, v, found);
}

enum error lmdb_env_scan(struct lmdb_env *e, struct bytes prefix, void *ctx,
                         enum error (*fn)(void *, struct bytes, struct bytes))
{
    struct lmdb_env_read r;
    enum error err = lmdb_env_read_begin(e, &r);
    if (err)
        return err;
    struct bytes key;
    struct bytes value;
    bool found;
    err = lmdb_env_read_seek(&r, prefix, &key, &value, &found);
    while (!err && found && key.len >= prefix.len && bytes_equal(bytes_of(key.data, prefix.len), prefix)) {
        err = fn(ctx, key, value);
        if (!err)
            err = lmdb_env_read_next(&r, &key, &value, &found);
    }
    lmdb_env_read_end(&r);
    return err;
}
