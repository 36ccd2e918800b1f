#include "buffering/store_redis_found.h"

#include <stdlib.h>
#include <string.h>

void redis_found_free(struct redis_found *f)
{
    free(f->records);
    buf_free(&f->text);
}

struct bytes redis_found_key(const struct redis_found *f, size_t i)
{
    return bytes_of(f->text.data + f->records[i].key_at, f->records[i].key_len);
}

struct bytes redis_found_value(const struct redis_found *f, size_t i)
{
    return bytes_of(f->text.data + f->records[i].value_at, f->records[i].value_len);
}

static struct redis_record *record_new(struct redis_found *f)
{
    if (f->count == f->capacity) {
        const size_t capacity = f->capacity ? f->capacity * 2 : 64;
        struct redis_record *more = realloc(f->records, capacity * sizeof(*more));
        if (!more)
            return NULL;
        f->records = more;
        f->capacity = capacity;
    }
    return &f->records[f->count++];
}

static enum error record_add(struct redis_found *f, const struct redis_hash_name *name, struct bytes field,
                             struct bytes value)
{
    const size_t start = f->text.len;
    const bool ours = redis_record_key(name, field, &f->text);
    if (f->text.failed)
        return ERR_NO_MEMORY;
    const struct bytes key = bytes_of(f->text.data + start, f->text.len - start);
    if (!ours || key.len < f->prefix.len || !bytes_equal(bytes_of(key.data, f->prefix.len), f->prefix)) {
        f->text.len = start;
        return OK;
    }
    struct redis_record *r = record_new(f);
    if (!r)
        return ERR_NO_MEMORY;
    *r = (struct redis_record){start, key.len, f->text.len, value.len};
    buf_add(&f->text, value);
    return f->text.failed ? ERR_NO_MEMORY : OK;
}

enum error redis_found_add(struct redis_found *f, const struct redis_hash_name *name, const redisReply *r)
{
    enum error err = OK;
    if (r->type != REDIS_REPLY_ARRAY)
        return ERR_STORE;
    for (size_t i = 0; err == OK && i + 1 < r->elements; i += 2) {
        const redisReply *field = r->element[i], *value = r->element[i + 1];
        if (field->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
            return ERR_STORE;
        err = record_add(f, name, bytes_of(field->str, field->len), bytes_of(value->str, value->len));
    }
    return err;
}

static int rank(const struct redis_found *f, const uint8_t *key)
{
    static const char order[] = "dofmu";
    const char *at = f->in_device_order ? strchr(order, key[0]) : NULL;
    return at ? (int)(at - order) : 0;
}

static int record_compare(const void *a, const void *b, void *found)
{
    const struct redis_record *x = a, *y = b;
    const struct redis_found *f = found;
    const uint8_t *x_key = f->text.data + x->key_at, *y_key = f->text.data + y->key_at;
    int order = rank(f, x_key) - rank(f, y_key);
    if (order == 0)
        order = memcmp(x_key, y_key, x->key_len < y->key_len ? x->key_len : y->key_len);
    return order ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

void redis_found_sort(struct redis_found *f)
{
    size_t kept = 0;
    if (f->count > 1)
        qsort_r(f->records, f->count, sizeof(*f->records), record_compare, f);
    for (size_t i = 0; i < f->count; i++)
        if (kept == 0 || record_compare(&f->records[kept - 1], &f->records[i], f) != 0)
            f->records[kept++] = f->records[i];
    f->count = kept;
}
