/* Batches of operations, on their way from the loop into a store: what every kind of store collects puts and deletes
 * in.
 *
 * A batch keeps its operations in one contiguous buffer. Ended batches are used again, memory included, so that a busy
 * store allocates next to nothing. */
#ifndef BUFFERING_BATCH_H
#define BUFFERING_BATCH_H

#include "base/bytes.h"

struct batch {
    struct batch *next;
    uint64_t ticket;
    struct buf ops;
    bool has_put;         /* else deletes only */
    bool failed;          /* an operation could not be taken: nothing of the batch counts */
    enum error err;       /* how it ended */
    int cause;            /* the store's own code for err, for the log */
    bool ended;           /* err tells; the store's worker sets it */
    bool sent;            /* a store elsewhere may have it */
    uint64_t deadline_ms; /* by when it is to be told; of a clock of the store's */
};

/* First in, first out. Zeroed is empty. */
struct batch_list {
    struct batch *first;
    struct batch *last;
};
void batch_list_push(struct batch_list *list, struct batch *b);
struct batch *batch_list_pop(struct batch_list *list); /* NULL when empty */

/* The open batch and the spare ones. Zeroed, then batches_init. */
struct batches {
    struct batch *open;
    struct batch *spare;
    unsigned spares;
    size_t bytes; /* in the open batch and in those closed but not recycled yet */
};
[[gnu::warn_unused_result]] enum error batches_init(struct batches *p);
void batches_free(struct batches *p); /* those in no list of the caller's */

/* Into the open batch, whose ticket they return. A key of 0 or more than STORE_KEY_MAX bytes (store.h), a value that a
 * store could not hold or shortage of memory makes the batch fail with ERR_STORE or ERR_NO_MEMORY. */
uint64_t batches_put(struct batches *p, struct bytes key, struct bytes value);
uint64_t batches_delete(struct batches *p, struct bytes key);
bool batches_pending(const struct batches *p); /* the open batch holds something, be it a failure */
/* Closes the open batch and hands it over; NULL when it holds nothing, or when there is no memory for the next one:
 * then it stays open, and closing it will work once a batch was recycled. */
struct batch *batches_close(struct batches *p);
void batches_recycle(struct batches *p, struct batch *b);

struct batch_op {
    struct bytes key; /* slices into the batch */
    struct bytes value;
    bool is_put;
};
/* The operations in order; start with *cursor = 0; false at the end. */
bool batch_next(const struct batch *b, size_t *cursor, struct batch_op *op);

#endif
