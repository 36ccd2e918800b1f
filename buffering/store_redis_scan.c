/* Reading that blocks, for the start. */
#include <string.h>

#include "buffering/record.h"
#include "buffering/store_redis_found.h"
#include "buffering/store_redis_internal.h"

#define PAGE_KEYS 200 /* a script blocks Redis while it reads as many hashes */

static redisReply *call(struct store_redis *s, struct buf *command)
{
    const struct redis_limit limit = {.until_ms = redis_now_ms() + s->o.timeout_ms};
    if (command->failed || !s->connection || !s->connection->ac)
        return NULL;
    return redis_call(s->connection, buf_bytes(command), &limit);
}

static enum error scan_others(struct store_redis *s, struct redis_found *f)
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
        err = r ? redis_found_add(f, &name, r) : ERR_STORE;
        freeReplyObject(r);
    }
    buf_free(&key);
    buf_free(&command);
    return err;
}

static enum error page_add(struct store_redis *s, struct redis_found *f, const redisReply *r)
{
    enum error err = OK;
    for (size_t i = 1; err == OK && i + 1 < r->elements; i += 2) {
        struct redis_hash_name name;
        const redisReply *key = r->element[i];
        if (key->type == REDIS_REPLY_STRING && redis_hash_parse(s->o.prefix, bytes_of(key->str, key->len), &name) &&
            name.what != REDIS_HASH_OTHER)
            err = redis_found_add(f, &name, r->element[i + 1]);
    }
    return err;
}

/* pattern: what follows the prefix. */
static enum error scan_pages(struct store_redis *s, struct redis_found *f, const char *pattern)
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

static enum error collect(struct store_redis *s, struct redis_found *f)
{
    const bool all = f->prefix.len == 0;
    enum error err = scan_others(s, f);
    if (err == OK && (all || redis_kind_of_device(f->prefix.data[0])))
        err = scan_pages(s, f, ":{*");
    if (err == OK && (all || f->prefix.data[0] == RECORD_LEG))
        err = scan_pages(s, f, ":l:*");
    if (err == OK && (all || f->prefix.data[0] == RECORD_MSISDN))
        err = scan_pages(s, f, ":n:*");
    return err;
}

enum error store_redis_scan(struct store *base, struct bytes prefix, void *ctx,
                            enum error (*fn)(void *ctx, struct bytes key, struct bytes value))
{
    struct store_redis *s = store_redis_of(base);
    struct redis_found f = {.prefix = prefix};
    store_redis_settle(s, false);
    enum error err = collect(s, &f);
    redis_found_sort(&f);
    for (size_t i = 0; err == OK && i < f.count; i++)
        err = fn(ctx, redis_found_key(&f, i), redis_found_value(&f, i));
    redis_found_free(&f);
    uv_async_send(&s->async); /* what was held back meanwhile */
    return err;
}
