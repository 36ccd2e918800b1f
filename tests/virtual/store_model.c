#include "tests/virtual/store_model.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    size_t key_len, value_len;
    uint8_t data[]; /* key, then value */
};

struct op {
    struct op *next;
    uint64_t ticket;
    bool put;
    struct entry *entry;
};

struct store_model {
    struct map committed;
    struct op *first, *last; /* of all batches, in order */
    uint64_t open_ticket;    /* of the batch that is open */
    uint64_t closed;         /* the last closed one */
    uint64_t done;           /* the last committed one */
};

static struct bytes entry_key(const void *v)
{
    const struct entry *e = v;
    return bytes_of(e->data, e->key_len);
}

struct store_model *store_model_new(uint64_t seed)
{
    struct store_model *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    map_init(&s->committed, entry_key, seed);
    s->open_ticket = 1;
    return s;
}

static uint64_t add(struct store_model *s, bool put, struct bytes key, struct bytes value)
{
    struct op *op = calloc(1, sizeof(*op));
    struct entry *e = malloc(sizeof(*e) + key.len + value.len);
    if (!op || !e)
        abort();
    *op = (struct op){.ticket = s->open_ticket, .put = put, .entry = e};
    *e = (struct entry){.key_len = key.len, .value_len = value.len};
    memcpy(e->data, key.data, key.len);
    if (value.len)
        memcpy(e->data + key.len, value.data, value.len);
    if (s->last)
        s->last->next = op;
    else
        s->first = op;
    s->last = op;
    return op->ticket;
}

uint64_t store_model_put(struct store_model *s, struct bytes key, struct bytes value)
{
    return add(s, true, key, value);
}

uint64_t store_model_delete(struct store_model *s, struct bytes key)
{
    return add(s, false, key, (struct bytes){0});
}

uint64_t store_model_close_batch(struct store_model *s)
{
    if (!s->last || s->last->ticket != s->open_ticket)
        return 0;
    s->closed = s->open_ticket++;
    return s->closed;
}

static void apply(struct store_model *s, struct op *op)
{
    free(map_remove(&s->committed, entry_key(op->entry)));
    if (op->put) {
        if (map_put(&s->committed, op->entry) != OK)
            abort();
    } else {
        free(op->entry);
    }
}

uint64_t store_model_commit(struct store_model *s, bool succeeds)
{
    uint64_t ticket = s->first ? s->first->ticket : 0;
    while (s->first && s->first->ticket == ticket) {
        struct op *op = s->first;
        s->first = op->next;
        if (!s->first)
            s->last = NULL;
        if (succeeds)
            apply(s, op);
        else
            free(op->entry);
        free(op);
    }
    s->done = ticket;
    return ticket;
}

void store_model_crash(struct store_model *s, struct prng *p)
{
    while (s->first && s->first->ticket <= s->closed && prng_below(p, 2))
        store_model_commit(s, true);
    while (s->first) {
        struct op *op = s->first;
        s->first = op->next;
        free(op->entry);
        free(op);
    }
    s->last = NULL;
    s->open_ticket = s->closed + 1;
}

bool store_model_has(const struct store_model *s, struct bytes key)
{
    return map_get(&s->committed, key) != NULL;
}

static int by_key(const void *a, const void *b)
{
    struct bytes x = entry_key(*(const void *const *)a), y = entry_key(*(const void *const *)b);
    size_t n = x.len < y.len ? x.len : y.len;
    int c = memcmp(x.data, y.data, n);
    return c ? c : x.len < y.len ? -1 : x.len > y.len;
}

size_t store_model_count(const struct store_model *s, char kind)
{
    size_t cursor = 0, n = 0;
    for (struct entry *e; (e = map_next(&s->committed, &cursor));)
        n += e->data[0] == (uint8_t)kind;
    return n;
}

void store_model_scan(struct store_model *s, char kind, void *ctx, void (*fn)(void *, struct bytes, struct bytes))
{
    size_t n = 0, cursor = 0, count = store_model_count(s, kind);
    struct entry **all = calloc(count + 1, sizeof(struct entry *));
    if (!all)
        abort();
    for (struct entry *e; (e = map_next(&s->committed, &cursor));)
        if (e->data[0] == (uint8_t)kind)
            all[n++] = e;
    qsort(all, n, sizeof(*all), by_key);
    for (size_t i = 0; i < n; i++)
        fn(ctx, entry_key(all[i]), bytes_of(all[i]->data + all[i]->key_len, all[i]->value_len));
    free(all);
}

void store_model_free(struct store_model *s)
{
    size_t cursor = 0;
    for (struct entry *e; (e = map_next(&s->committed, &cursor));)
        free(e);
    map_free(&s->committed);
    while (s->first) {
        struct op *op = s->first;
        s->first = op->next;
        free(op->entry);
        free(op);
    }
    free(s);
}
