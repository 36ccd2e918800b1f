/* Reading. Redis knows no order of keys: a scan collects what it finds, and sorts it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffering/store_redis_internal.h"
#include "buffering/store_redis_layout.h"

#define PAGE_KEYS 200 /* a script blocks Redis while it reads as many hashes */

/* --- what was found ---------------------------------------------------------------------------------- */

struct found {
    struct redis_record {
        size_t key_at, key_len, value_at, value_len; /* in `text` */
    } *records;
    size_t count, capacity;
    struct buf text;
    struct bytes prefix;
};

static void found_free(struct found *f)
{
    free(f->records);
    buf_free(&f->text);
}

static struct redis_record *record_new(struct found *f)
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

static enum error record_add(struct found *f, const struct redis_hash_name *name, struct bytes field,
                             struct bytes value)
{
    const size_t start = f->text.len;
    if (!redis_record_key(name, field, &f->text)) {
        f->text.len = start;
        return OK; /* not ours */
    }
    const struct bytes key = bytes_of(f->text.data + start, f->text.len - start);
    if (f->text.failed)
        return ERR_NO_MEMORY;
    if (key.len < f->prefix.len || !bytes_equal(bytes_of(key.data, f->prefix.len), f->prefix)) {
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

static int record_compare(const void *a, const void *b, void *text)
{
    const struct redis_record *x = a, *y = b;
    const uint8_t *base = text;
    const size_t shorter = x->key_len < y->key_len ? x->key_len : y->key_len;
    const int order = memcmp(base + x->key_at, base + y->key_at, shorter);
    return order ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static void found_sort(struct found *f)
{
    if (f->count > 1)
        qsort_r(f->records, f->count, sizeof(*f->records), record_compare, f->text.data);
}

/* Fields and values of a hash. */
static enum error hash_add(struct found *f, const struct redis_hash_name *name, const redisReply *r)
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

/* --- scan -------------------------------------------------------------------------------------------- */

static redisReply *call(struct store_redis *s, struct buf *command)
{
    const struct redis_limit limit = {.until_ms = redis_now_ms() + s->o.timeout_ms};
    if (command->failed || !s->connection || !s->connection->ac)
        return NULL;
    return redis_call(s->connection, buf_bytes(command), &limit);
}

static enum error scan_others(struct store_redis *s, struct found *f)
{
    const unsigned from = f->prefix.len ? f->prefix.data[0] : 0, to = f->prefix.len ? from : UINT8_MAX;
    const struct redis_hash_name name = {.what = REDIS_HASH_OTHER};
    struct buf key = {0}, command = {0};
    enum error err = OK;
    for (unsigned kind = from; err == OK && kind <= to; kind++) {
        buf_reset(&key);
        buf_reset(&command);
        redis_other_key(s->o.prefix, (uint8_t)kind, &key);
        resp_command(&command, 2);
        resp_arg_str(&command, "HGETALL");
        resp_arg(&command, buf_bytes(&key));
        command.failed |= key.failed;
        redisReply *r = call(s, &command);
        err = r ? hash_add(f, &name, r) : ERR_STORE;
        freeReplyObject(r);
    }
    buf_free(&key);
    buf_free(&command);
    return err;
}

static enum error page_add(struct store_redis *s, struct found *f, const redisReply *r)
{
    enum error err = OK;
    for (size_t i = 1; err == OK && i + 1 < r->elements; i += 2) {
        struct redis_hash_name name;
        const redisReply *key = r->element[i];
        if (key->type == REDIS_REPLY_STRING && redis_hash_parse(s->o.prefix, bytes_of(key->str, key->len), &name) &&
            name.what != REDIS_HASH_OTHER)
            err = hash_add(f, &name, r->element[i + 1]);
    }
    return err;
}

/* pattern: what follows the prefix. */
static enum error scan_pages(struct store_redis *s, struct found *f, const char *pattern)
{
    struct buf match = {0}, command = {0};
    char cursor[32] = "0";
    enum error err = OK;
    buf_addf(&match, "%s%s", s->o.prefix, pattern);
    do {
        buf_reset(&command);
        resp_command(&command, 6);
        resp_arg_str(&command, "EVAL");
        resp_arg_str(&command, redis_script_page);
        resp_arg_str(&command, "0");
        resp_arg_str(&command, cursor);
        resp_arg(&command, buf_bytes(&match));
        resp_arg_number(&command, PAGE_KEYS);
        command.failed |= match.failed;
        redisReply *r = call(s, &command);
        const redisReply *next = r && r->type == REDIS_REPLY_ARRAY && r->elements > 0 ? r->element[0] : NULL;
        if (next && next->type == REDIS_REPLY_STRING && next->len < sizeof(cursor)) {
            memcpy(cursor, next->str, next->len + 1);
            err = page_add(s, f, r);
        } else {
            err = ERR_STORE;
        }
        freeReplyObject(r);
    } while (err == OK && strcmp(cursor, "0") != 0);
    buf_free(&match);
    buf_free(&command);
    return err;
}

static enum error collect(struct store_redis *s, struct found *f)
{
    const bool all = f->prefix.len == 0;
    enum error err = scan_others(s, f);
    if (err == OK && (all || redis_kind_of_device(f->prefix.data[0])))
        err = scan_pages(s, f, ":{*");
    if (err == OK && (all || f->prefix.data[0] == REDIS_KIND_LEG))
        err = scan_pages(s, f, ":l:*");
    return err;
}

enum error store_redis_scan(struct store *base, struct bytes prefix, void *ctx,
                            enum error (*fn)(void *ctx, struct bytes key, struct bytes value))
{
    struct store_redis *s = store_redis_of(base);
    struct found f = {.prefix = prefix};
    store_redis_settle(s, false);
    enum error err = collect(s, &f);
    found_sort(&f);
    for (size_t i = 0; err == OK && i < f.count; i++) {
        const struct redis_record *r = &f.records[i];
        if (i > 0 && record_compare(r - 1, r, f.text.data) == 0)
            continue; /* SCAN may name a key twice */
        err = fn(ctx, bytes_of(f.text.data + r->key_at, r->key_len), bytes_of(f.text.data + r->value_at, r->value_len));
    }
    found_free(&f);
    uv_async_send(&s->async); /* what was held back meanwhile */
    return err;
}
