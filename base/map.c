/* Linear probing from hash & mask. Removal shifts the entries behind the hole back to it, so there are no
 * tombstones: a map through which short-lived entries stream for years stays as fast as a new one. Slots keep
 * the whole hash, so growing and shifting never touch the values. */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MIN_SLOTS 16
#define MAX_SLOTS ((size_t)1 << 31)
_Static_assert(sizeof(size_t) == 8, "the cursor of map_next holds two slot numbers");

struct map_slot {
    uint64_t hash;
    void *value; /* NULL: empty */
};

/* ---- SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF") ---- */

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t siphash(const uint64_t seed[2], struct bytes key)
{
    struct sip s = {
        .v0 = seed[0] ^ 0x736f6d6570736575u,
        .v1 = seed[1] ^ 0x646f72616e646f6du,
        .v2 = seed[0] ^ 0x6c7967656e657261u,
        .v3 = seed[1] ^ 0x7465646279746573u,
    };
    size_t whole = key.len / 8 * 8;
    for (size_t i = 0; i < whole; i += 8)
        sip_word(&s, load_le64(key.data + i));
    uint64_t last = (uint64_t)key.len << 56;
    for (size_t i = whole; i < key.len; i++)
        last |= (uint64_t)key.data[i] << (8 * (i - whole));
    sip_word(&s, last);
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* ---- the map ---- */

void map_init(struct map *m, map_key_fn key, uint64_t seed)
{
    /* The second half of the key is a mix of the first: the secret is the 64 bits of the seed. */
    uint64_t z = seed + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    *m = (struct map){.seed = {seed, z ^ (z >> 31)}, .key = key};
}

void map_free(struct map *m)
{
    free(m->slots);
    m->slots = NULL;
    m->mask = 0;
    m->count = 0;
}

/* The slot that holds key, or the empty one that ends its probe. */
static size_t find(const struct map *m, struct bytes key, uint64_t hash)
{
    size_t i = hash & m->mask;
    while (m->slots[i].value) {
        if (m->slots[i].hash == hash && bytes_equal(m->key(m->slots[i].value), key))
            break;
        i = (i + 1) & m->mask;
    }
    return i;
}

void *map_get(const struct map *m, struct bytes key)
{
    if (!m->slots)
        return NULL;
    return m->slots[find(m, key, siphash(m->seed, key))].value;
}

static void insert(struct map_slot *slots, size_t mask, struct map_slot entry)
{
    size_t i = entry.hash & mask;
    while (slots[i].value)
        i = (i + 1) & mask;
    slots[i] = entry;
}

static bool grow(struct map *m)
{
    size_t size = m->slots ? 2 * (m->mask + 1) : MIN_SLOTS;
    if (size > MAX_SLOTS)
        return false;
    struct map_slot *slots = calloc(size, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; m->slots && i <= m->mask; i++) {
        if (m->slots[i].value)
            insert(slots, size - 1, m->slots[i]);
    }
    free(m->slots);
    m->slots = slots;
    m->mask = size - 1;
    return true;
}

enum error map_put(struct map *m, void *value)
{
    assert(value);
    /* At most three quarters full: at least one slot is always empty and ends every probe. */
    if ((!m->slots || m->count >= (m->mask + 1) / 4 * 3) && !grow(m))
        return ERR_NO_MEMORY;
    struct bytes key = m->key(value);
    uint64_t hash = siphash(m->seed, key);
    size_t i = find(m, key, hash);
    assert(!m->slots[i].value);
    m->slots[i] = (struct map_slot){hash, value};
    m->count++;
    return OK;
}

void *map_remove(struct map *m, struct bytes key)
{
    if (!m->slots)
        return NULL;
    size_t hole = find(m, key, siphash(m->seed, key));
    void *value = m->slots[hole].value;
    if (!value)
        return NULL;
    for (size_t i = (hole + 1) & m->mask; m->slots[i].value; i = (i + 1) & m->mask) {
        /* An entry may move back to the hole unless it would come to stand before its home. */
        size_t from_home = (i - m->slots[i].hash) & m->mask;
        size_t from_hole = (i - hole) & m->mask;
        if (from_home >= from_hole) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){0};
    m->count--;
    return value;
}

/* Removal shifts entries down, only between two empty slots. So the walk goes down, round the whole table,
 * from an empty slot: what moves into the place just visited was visited before. The cursor holds the number
 * of that slot plus one in its high half (it need not stay the nearest empty slot, but no removal fills it),
 * and the steps made in its low half. */
void *map_next(const struct map *m, size_t *cursor)
{
    if (m->count == 0)
        return NULL;
    size_t start;
    if (*cursor == 0) {
        for (start = 0; m->slots[start].value; start++) {
        }
        *cursor = (start + 1) << 32;
    }
    start = (*cursor >> 32) - 1;
    while ((*cursor & UINT32_MAX) < m->mask) {
        ++*cursor;
        void *value = m->slots[(start - (*cursor & UINT32_MAX)) & m->mask].value;
        if (value)
            return value;
    }
    return NULL;
}
