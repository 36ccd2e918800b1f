/* Where a record lies in Redis; pure.
 *
 *   PREFIX:{ID}    hash: the records of one device ('d', 'o', 'f', 'm', 'u'); field = kind, then the sequence in the
 *                  fewest bytes. The braces are the hash tag of Redis Cluster: all of a device is in one slot
 *
 *   PREFIX:p:XXXX  hash: devices with messages ('m', 'u'); field = ID, value = earliest deadline in ms, decimal. Of a
 *                  device that has none any more it may still tell; of one that has some it always does
 *
 *   PREFIX:l:XXXX  hash: the records of 64 server legs ('l' and a number of 4 bytes); field = number modulo 64
 *
 *   PREFIX:n:XXXX  hash: who has an MSISDN ('n')
 *
 *   PREFIX:r:XX    hash: all other records of one kind (its byte in hex); field = their whole key
 *
 *   PREFIX:owner   hash: epoch, name: who may write
 *
 * Values are the records' own. Hashes stay compact (listpack) while they have at most 512 fields of at most
 * hash-max-listpack-value bytes. */
#ifndef BUFFERING_STORE_REDIS_LAYOUT_H
#define BUFFERING_STORE_REDIS_LAYOUT_H

#include "base/bytes.h"

#define REDIS_PREFIX_MAX 64 /* letters, digits, '-', '_', '.' and ':' */

struct redis_place {
    struct buf key; /* reset before each use; freed by the caller */
    struct buf field;
    struct bytes device; /* slice of the record's key; empty: no record of a device */
    bool is_message;     /* 'm' or 'u': it counts for the index */
};
/* Memory is short: place->key or ->field has failed. */
void redis_place_find(const char *prefix, struct bytes key, struct redis_place *place);
void redis_place_free(struct redis_place *place);

/* Appends the key of the hash. */
void redis_device_key(const char *prefix, struct bytes device, struct buf *out);
void redis_index_key(const char *prefix, unsigned bucket, struct buf *out);
void redis_other_key(const char *prefix, uint8_t kind, struct buf *out);
void redis_owner_key(const char *prefix, struct buf *out);

#define REDIS_INDEX_BUCKETS 16384
unsigned redis_index_bucket(struct bytes device);

/* What a hash's key tells. False: no key of ours with records in it. */
struct redis_hash_name {
    enum { REDIS_HASH_DEVICE, REDIS_HASH_LEGS, REDIS_HASH_MSISDNS, REDIS_HASH_OTHER } what;
    struct bytes device; /* slice of the key */
    uint32_t first_leg;
};
bool redis_hash_parse(const char *prefix, struct bytes key, struct redis_hash_name *out);
/* Appends the record's key to out. False: no field of ours. */
bool redis_record_key(const struct redis_hash_name *name, struct bytes field, struct buf *out);

bool redis_kind_of_device(uint8_t kind);

#endif
