/* Hash map from byte strings to pointers. Open addressing over 16-byte slots {hash, value}: the key itself
 * lives in the value (the caller gives a function that shows it), so an entry costs no allocation and no copy
 * of the key. The hash is SipHash-1-3 under a key per map (random in programs, fixed by the seed in tests):
 * peers choose the keys. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/bytes.h"

typedef struct bytes (*map_key_fn)(const void *value);

struct map {
    struct map_slot *slots;
    size_t mask; /* slots - 1; 0 with slots NULL */
    size_t count;
    uint64_t seed[2];
    map_key_fn key;
};

void map_init(struct map *m, map_key_fn key, uint64_t seed);
void map_free(struct map *m);                         /* frees the slots, not the values */
void *map_get(const struct map *m, struct bytes key); /* NULL when absent */
/* Precondition: value is not NULL and its key is absent. ERR_NO_MEMORY leaves the map as it was. */
[[gnu::warn_unused_result]] enum error map_put(struct map *m, void *value);
void *map_remove(struct map *m, struct bytes key); /* the value, or NULL when absent */

/* Walks all values in no order; start with *cursor = 0; NULL at the end. The map must not change meanwhile,
 * except that the value just returned may be removed. */
void *map_next(const struct map *m, size_t *cursor);

uint64_t siphash(const uint64_t seed[2], struct bytes key);

#endif
