/* A store of records with group commit. All calls on the loop's thread; work that blocks runs elsewhere.
 *
 * Puts and deletes go into the open batch, whose number they return: their ticket, 1 and upwards. store_flush closes
 * the batch and sends it to be committed; `committed` tells, in order, how far the store has come. Operations take
 * effect in the order of the calls, a batch as a whole. An operation is durable (at the store's level) exactly when
 * `committed` has named its ticket or a later one with OK, and no earlier call has named it with an error. */
#ifndef BUFFERING_STORE_H
#define BUFFERING_STORE_H

#include "base/bytes.h"
#include "base/loop.h"

struct store;

/* A read that does not block. The struct is the caller's (a member of his own, mostly), and so are the key and the
 * cursor he gives with it: they stay in place until `done`. `record` is called for each record found, in the order
 * promised; then `done`, exactly once, after which the store has let go of the struct. Both are called from the loop or
 * from inside store_flush, never from inside the call that asks, and may put, delete, flush and read again. They see
 * all that `committed` has told before the call, and nothing that was not flushed; one read sees the store as it is at
 * one moment. The slices are valid during the call. An error of done (ERR_STORE, ERR_NO_MEMORY; ERR_DRAINING: the store
 * was closed before) says that records may be missing; the read may be tried again. */
struct store_load {
    void (*record)(struct store_load *l, struct bytes key, struct bytes value);
    void (*done)(struct store_load *l, enum error err);
    /* the store's while it is under way */
    struct store_load *next;
    struct bytes key;
    struct buf *cursor;
    uint8_t what; /* enum store_read */
};
enum store_read { STORE_READ_DEVICE, STORE_READ_GET, STORE_READ_WALK_PENDING, STORE_READ_WALK_DEVICES };
enum store_walk { STORE_WALK_PENDING = STORE_READ_WALK_PENDING, STORE_WALK_DEVICES = STORE_READ_WALK_DEVICES };

struct store_sink {
    void *ctx;
    /* All batches up to `ticket` that were not told before have ended as `err` says. Never called from inside put or
     * delete; may be called from inside store_flush and is from store_close. It may put, delete and flush. After an
     * error its deletes have not happened and are the caller's to do again (a batch of deletes alone finds room in a
     * full store). ERR_STORE (full, down, or the disk refused) and ERR_NO_MEMORY: the batch left no trace.
     * ERR_STORE_UNSURE: a store elsewhere did not answer in time; nothing was accepted, and yet some or all of it may
     * be there: the caller deletes what must not come back with a restart. */
    void (*committed)(void *ctx, uint64_t ticket, enum error err);
};

#define STORE_KEY_MAX   511 /* bytes, at least 1: what LMDB takes; ours are below 420 */
#define STORE_VALUE_MAX (1u << 30)

struct store_ops { /* what a kind of store brings */
    uint64_t (*put)(struct store *s, struct bytes key, struct bytes value);
    uint64_t (*delete)(struct store *s, struct bytes key);
    void (*flush)(struct store *s);
    enum error (*scan)(struct store *s, struct bytes prefix, void *ctx,
                       enum error (*fn)(void *ctx, struct bytes key, struct bytes value));
    void (*read)(struct store *s, struct store_load *l); /* what, key and cursor say which */
    size_t (*backlog_bytes)(const struct store *s);
    const char *(*trouble)(const struct store *s); /* NULL: such a store never has any that a commit does not tell */
    void (*close)(struct store *s);
};
struct store {
    const struct store_ops *ops;
    struct store_sink sink;
};

/* Key and value are copied. An operation that cannot be taken (memory is short: ERR_NO_MEMORY; key or value is too
 * long: ERR_STORE) makes its whole batch fail. */
static inline uint64_t store_put(struct store *s, struct bytes key, struct bytes value)
{
    return s->ops->put(s, key, value);
}
/* To delete what is not there is fine. */
static inline uint64_t store_delete(struct store *s, struct bytes key)
{
    return s->ops->delete(s, key);
}
/* Once per turn of the loop; nothing happens when the batch is empty. */
static inline void store_flush(struct store *s)
{
    s->ops->flush(s);
}
/* Records whose key begins with prefix, in key order (as by memcmp, the shorter first), as of the last store_flush;
 * blocks: for the start only. fn's error ends the scan and is returned. The slices are valid during the call. fn may
 * put, delete and flush: that takes effect after the scan. */
[[gnu::warn_unused_result]] static inline enum error store_scan(struct store *s, struct bytes prefix, void *ctx,
                                                                enum error (*fn)(void *, struct bytes, struct bytes))
{
    return s->ops->scan(s, prefix, ctx, fn);
}
static inline void store_read(struct store *s, enum store_read what, struct bytes key, struct buf *cursor,
                              struct store_load *l)
{
    l->next = NULL;
    l->what = (uint8_t)what;
    l->key = key;
    l->cursor = cursor;
    s->ops->read(s, l);
}
/* All records of one device (record.h): its own ('d'), then 'o', 'f', 'm' and 'u' in key order each. */
static inline void store_load_device(struct store *s, struct bytes id, struct store_load *l)
{
    store_read(s, STORE_READ_DEVICE, id, NULL, l);
}
/* One record, or none. */
static inline void store_get(struct store *s, struct bytes key, struct store_load *l)
{
    store_read(s, STORE_READ_GET, key, NULL, l);
}
/* Some hundreds of devices, `record` being called with their identity as the key:
 *   DEVICES  all that have a record of their own; the value is empty
 *   PENDING  those with a message ('m', 'u'); the value is its earliest deadline in ms, 8 bytes, big-endian (0 where
 *            the message is damaged)
 * The cursor is the store's own text: empty at the beginning, and empty again in `done` when all devices were named.
 * After an error it is what it was. A device may be named twice; one that is put or deleted between two calls may be
 * missing or named. */
static inline void store_walk(struct store *s, enum store_walk which, struct buf *cursor, struct store_load *l)
{
    store_read(s, (enum store_read)which, (struct bytes){0}, cursor, l);
}
/* Memory held by operations that were not told yet. It grows without bound when a disk stalls: who accepts messages
 * asks here whether to refuse them. */
static inline size_t store_backlog_bytes(const struct store *s)
{
    return s->ops->backlog_bytes(s);
}
/* What keeps the store from taking anything now, as far as it knows without a commit: a text, valid until the next
 * call; NULL: nothing. */
static inline const char *store_trouble(const struct store *s)
{
    return s->ops->trouble ? s->ops->trouble(s) : NULL;
}
/* Flushes, waits for all commits (telling them), ends all reads with ERR_DRAINING (who is told that asks for no more),
 * and frees. NULL is fine. Not from inside the sink's or a scan's calls. */
static inline void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

/* For tests: nothing survives. Batches are committed at store_flush, and reads answered there: each as it is asked for
 * wants a flush to follow. */
[[gnu::warn_unused_result]] enum error store_memory_open(struct store_sink sink, struct store **out);

/* Embedded, on LMDB: one writer thread, one transaction and one sync per group of batches; a batch that fails does not
 * take its neighbours along. `path` is a directory, made when absent (its parent is not), readable to its owner only;
 * it is locked against a second process. *why, static text, says what is wrong; NULL when OK. map_bytes bounds the
 * file; deletes may use a sixteenth more (at least 256 KiB), so that a full store can be emptied. The store needs the
 * loop until loop_free, which runs its last callback. Errors: ERR_STORE, ERR_STORE_CORRUPT (the file is no store of
 * ours), ERR_NO_MEMORY, ERR_SYSTEM.
 *
 * Loss window: none for what was committed, whether the process or the machine dies, if the disk keeps what it has
 * synced. */
[[gnu::warn_unused_result]] enum error store_lmdb_open(struct loop *l, const char *path, uint64_t map_bytes,
                                                       struct store_sink sink, struct store **out, const char **why);

#endif
