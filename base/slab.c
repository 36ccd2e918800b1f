/* Memory: chunks of a fixed number of objects behind a table of chunk pointers, so that objects never move.
 * Each object has a generation that is odd while the object lives and even while its place is free: the
 * handle carries the odd value, so one comparison tells stale, freed and never-used places apart, and no
 * handle is ever 0. A place would have to be reused 2^31 times for an old handle to fit again.
 *
 * Under AddressSanitizer free places are poisoned: a pointer kept over slab_delete is caught at its first
 * use. */
#include "base/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_POISON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SLAB_POISON 1
#endif
#ifdef SLAB_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)   ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

#define CHUNK_BITS    10
#define CHUNK_OBJECTS (1u << CHUNK_BITS)
#define INDEX_MAX     (UINT32_MAX - CHUNK_OBJECTS) /* leaves room for index + 1 and whole chunks in 32 bits */

struct slab_chunk {
    struct {
        uint32_t generation;
        uint32_t next_free; /* index + 1; 0 ends the list */
    } places[CHUNK_OBJECTS];
    _Alignas(max_align_t) unsigned char objects[];
};

void slab_init(struct slab *s, size_t object_size)
{
    size_t align = _Alignof(max_align_t);
    *s = (struct slab){.object_size = (object_size + align - 1) / align * align};
}

static struct slab_chunk *chunk_of(const struct slab *s, uint32_t index)
{
    return s->chunks[index >> CHUNK_BITS];
}

static void *object_at(const struct slab *s, uint32_t index)
{
    return chunk_of(s, index)->objects + (size_t)(index & (CHUNK_OBJECTS - 1)) * s->object_size;
}

static uint32_t *generation_at(const struct slab *s, uint32_t index)
{
    return &chunk_of(s, index)->places[index & (CHUNK_OBJECTS - 1)].generation;
}

static uint32_t *next_free_at(const struct slab *s, uint32_t index)
{
    return &chunk_of(s, index)->places[index & (CHUNK_OBJECTS - 1)].next_free;
}

void slab_free(struct slab *s)
{
    for (size_t i = 0; i < s->chunk_count; i++) {
        ASAN_UNPOISON_MEMORY_REGION(s->chunks[i]->objects, s->object_size * CHUNK_OBJECTS);
        free(s->chunks[i]);
    }
    free(s->chunks);
    *s = (struct slab){.object_size = s->object_size};
}

static bool add_chunk(struct slab *s)
{
    size_t n = s->chunk_count;
    if (s->end > INDEX_MAX)
        return false;
    if (s->object_size > (SIZE_MAX - sizeof(struct slab_chunk)) / CHUNK_OBJECTS)
        return false;
    if ((n & (n - 1)) == 0) { /* the table doubles whenever its length reaches a power of two */
        struct slab_chunk **chunks = realloc(s->chunks, (n ? 2 * n : 1) * sizeof(*chunks));
        if (!chunks)
            return false;
        s->chunks = chunks;
    }
    struct slab_chunk *chunk = calloc(1, sizeof(*chunk) + s->object_size * CHUNK_OBJECTS);
    if (!chunk)
        return false;
    ASAN_POISON_MEMORY_REGION(chunk->objects, s->object_size * CHUNK_OBJECTS);
    s->chunks[s->chunk_count++] = chunk;
    return true;
}

void *slab_new(struct slab *s, handle *h)
{
    uint32_t index;
    if (s->free_head) {
        index = s->free_head - 1;
        s->free_head = *next_free_at(s, index);
    } else {
        if ((size_t)s->end >> CHUNK_BITS == s->chunk_count && !add_chunk(s))
            return NULL;
        index = s->end++;
    }
    uint32_t generation = ++*generation_at(s, index);
    void *object = object_at(s, index);
    ASAN_UNPOISON_MEMORY_REGION(object, s->object_size);
    memset(object, 0, s->object_size);
    s->live++;
    *h = (handle)generation << 32 | index;
    return object;
}

static bool is_live(const struct slab *s, handle h)
{
    uint32_t index = (uint32_t)h;
    uint32_t generation = (uint32_t)(h >> 32);
    return index < s->end && (generation & 1) && *generation_at(s, index) == generation;
}

void *slab_get(const struct slab *s, handle h)
{
    return is_live(s, h) ? object_at(s, (uint32_t)h) : NULL;
}

void slab_delete(struct slab *s, handle h)
{
    if (!is_live(s, h))
        return;
    uint32_t index = (uint32_t)h;
    ++*generation_at(s, index);
    *next_free_at(s, index) = s->free_head;
    s->free_head = index + 1;
    s->live--;
    ASAN_POISON_MEMORY_REGION(object_at(s, index), s->object_size);
}

void *slab_next(const struct slab *s, uint32_t *cursor, handle *h)
{
    while (*cursor < s->end) {
        uint32_t index = (*cursor)++;
        uint32_t generation = *generation_at(s, index);
        if (generation & 1) {
            *h = (handle)generation << 32 | index;
            return object_at(s, index);
        }
    }
    return NULL;
}
