/* Records read from Redis, whose hashes know no order: collected, then sorted. */
#ifndef BUFFERING_STORE_REDIS_FOUND_H
#define BUFFERING_STORE_REDIS_FOUND_H

#include <hiredis/hiredis.h>

#include "buffering/store_redis_layout.h"

struct redis_record {
    size_t key_at, key_len, value_at, value_len; /* in `text` */
};
struct redis_found { /* zeroed is empty */
    struct redis_record *records;
    size_t count, capacity;
    struct buf text;
    struct bytes prefix;  /* others are left out */
    bool in_device_order; /* 'd', 'o', 'f', 'm', 'u'; else by the keys alone */
};
void redis_found_free(struct redis_found *f);
/* The records of a hash, from its fields and values in turn. ERR_NO_MEMORY; ERR_STORE: not such a reply. */
[[gnu::warn_unused_result]] enum error redis_found_add(struct redis_found *f, const struct redis_hash_name *name,
                                                       const redisReply *r);
void redis_found_sort(struct redis_found *f); /* also takes out what was added twice */
struct bytes redis_found_key(const struct redis_found *f, size_t i);
struct bytes redis_found_value(const struct redis_found *f, size_t i);

#endif
