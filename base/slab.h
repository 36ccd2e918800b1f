/* Fixed-size objects in chunks, named by handles that go stale when the object is freed.
 *
 * A handle is an index and a generation; slab_get on a stale handle gives NULL, so a late result of a request
 * (a T8 answer, a store reply) can never touch an object that took the same place. Objects never move. */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t handle; /* 0 is never valid */

struct slab {
    size_t object_size;
    struct slab_chunk **chunks;
    size_t chunk_count;
    uint32_t free_head;
    uint32_t live;
    uint32_t end; /* indexes handed out so far */
};

void slab_init(struct slab *s, size_t object_size);
void slab_free(struct slab *s); /* all memory, live objects included */
/* A zeroed object, and its handle in *h; NULL when memory is short. */
void *slab_new(struct slab *s, handle *h);
void *slab_get(const struct slab *s, handle h); /* NULL when stale */
void slab_delete(struct slab *s, handle h);     /* a stale handle is ignored */
/* Live objects in index order; start with *cursor = 0; NULL at the end. Objects may be deleted meanwhile. */
void *slab_next(const struct slab *s, uint32_t *cursor, handle *h);

#endif
