/* Reading that does not block: a command each, answered in their order by the connection of the commits. What a lost
 * connection left without an answer waits for the next one, as long as the store is not known to be down. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffering/store_redis_found.h"
#include "buffering/store_redis_internal.h"

#define WALK_DEVICES 500
#define ASKED_TWICE  0x80 /* in `what`: an answer that breaks connections is not asked for for ever */

struct redis_read {
    struct redis_read *next;
    struct store_redis *store;
    struct store_load *load;
    redisReply *reply; /* NULL: the connection was lost */
};

static unsigned what_of(const struct store_load *l)
{
    return l->what & (unsigned)~ASKED_TWICE;
}

/* --- asking ------------------------------------------------------------------------------------------ */

static void walk_command(const struct store_redis *s, const struct store_load *l, struct buf *out)
{
    const bool devices = what_of(l) == STORE_READ_WALK_DEVICES;
    const struct bytes cursor = l->cursor->len ? buf_bytes(l->cursor) : BYTES_LIT("0");
    struct buf name = {0};
    buf_addf(&name, devices ? "%s:{*" : "%s:p:", s->o.prefix);
    resp_command(out, 6);
    resp_arg_str(out, "EVAL");
    resp_arg_str(out, devices ? redis_script_devices : redis_script_pending);
    resp_arg_str(out, "0");
    resp_arg(out, cursor);
    resp_arg(out, buf_bytes(&name));
    resp_arg_number(out, WALK_DEVICES);
    out->failed |= name.failed;
    buf_free(&name);
}

static void record_command(const struct store_redis *s, struct bytes key, struct buf *out)
{
    struct redis_place place = {0};
    redis_place_find(s->o.prefix, key, &place);
    resp_command(out, 3);
    resp_arg_str(out, "HGET");
    resp_arg(out, buf_bytes(&place.key));
    resp_arg(out, buf_bytes(&place.field));
    out->failed |= place.key.failed || place.field.failed;
    redis_place_free(&place);
}

static void device_command(const struct store_redis *s, struct bytes device, struct buf *out)
{
    struct buf key = {0};
    redis_device_key(s->o.prefix, device, &key);
    resp_command(out, 2);
    resp_arg_str(out, "HGETALL");
    resp_arg(out, buf_bytes(&key));
    out->failed |= key.failed;
    buf_free(&key);
}

/* The callback of hiredis: what is found is told later, outside of it. */
static void on_reply(redisAsyncContext *ac, void *reply, void *privdata)
{
    struct redis_read *r = privdata;
    struct store_redis *s = r->store;
    (void)ac;
    r->reply = reply;
    if (reply)
        store_redis_answered(s);
    *s->reads_end = r;
    s->reads_end = &r->next;
}

static enum error ask(struct store_redis *s, struct store_load *l)
{
    if (!s->connection || s->doomed)
        return ERR_STORE;
    struct redis_read *r = calloc(1, sizeof(*r));
    struct buf command = {0};
    if (!r)
        return ERR_NO_MEMORY;
    *r = (struct redis_read){.store = s, .load = l};
    if (what_of(l) == STORE_READ_DEVICE)
        device_command(s, l->key, &command);
    else if (what_of(l) == STORE_READ_GET)
        record_command(s, l->key, &command);
    else
        walk_command(s, l, &command);
    const enum error err = command.failed ? ERR_NO_MEMORY : redis_send(s->connection, buf_bytes(&command), on_reply, r);
    buf_free(&command);
    if (err == OK)
        store_redis_sent(s);
    else
        free(r);
    return err;
}

static void wait_in_line(struct store_redis *s, struct store_load *l)
{
    l->next = NULL;
    *s->reads_waiting_end = l;
    s->reads_waiting_end = &l->next;
}

void store_redis_read(struct store *base, struct store_load *l)
{
    struct store_redis *s = store_redis_of(base);
    if (ask(s, l) == OK)
        return;
    wait_in_line(s, l);
    uv_async_send(&s->async);
}

static struct store_load *line_take(struct store_redis *s)
{
    struct store_load *line = s->reads_waiting;
    s->reads_waiting = NULL;
    s->reads_waiting_end = &s->reads_waiting;
    return line;
}

void store_redis_reads_again(struct store_redis *s)
{
    for (struct store_load *l = line_take(s), *next; l; l = next) {
        next = l->next;
        if (ask(s, l) != OK)
            wait_in_line(s, l);
    }
}

/* --- telling ----------------------------------------------------------------------------------------- */

static enum error tell_device(struct store_load *l, const redisReply *r)
{
    const struct redis_hash_name name = {.what = REDIS_HASH_DEVICE, .device = l->key};
    struct redis_found f = {.in_device_order = true};
    const enum error err = redis_found_add(&f, &name, r);
    redis_found_sort(&f);
    for (size_t i = 0; err == OK && i < f.count; i++)
        l->record(l, redis_found_key(&f, i), redis_found_value(&f, i));
    redis_found_free(&f);
    return err;
}

static enum error tell_one(struct store_load *l, const redisReply *r)
{
    if (r->type != REDIS_REPLY_NIL && r->type != REDIS_REPLY_STRING)
        return ERR_STORE;
    if (r->type == REDIS_REPLY_STRING)
        l->record(l, l->key, bytes_of(r->str, r->len));
    return OK;
}

static enum error cursor_set(struct store_load *l, const char *text)
{
    struct buf next = {0};
    buf_add_str(&next, text);
    if (next.failed)
        return ERR_NO_MEMORY;
    buf_free(l->cursor);
    *l->cursor = next;
    return OK;
}

static void tell_pending(struct store_load *l, const redisReply *r)
{
    for (size_t i = 1; i + 1 < r->elements; i += 2) {
        const redisReply *device = r->element[i], *due = r->element[i + 1];
        if (device->type != REDIS_REPLY_STRING || due->type != REDIS_REPLY_STRING)
            continue;
        uint64_t deadline_ms = strtoull(due->str, NULL, 10);
        uint8_t value[8];
        for (size_t at = sizeof(value); at-- > 0; deadline_ms >>= 8)
            value[at] = (uint8_t)deadline_ms;
        l->record(l, bytes_of(device->str, device->len), bytes_of(value, sizeof(value)));
    }
}

static void tell_devices(const struct store_redis *s, struct store_load *l, const redisReply *r)
{
    for (size_t i = 1; i < r->elements; i++) {
        struct redis_hash_name name;
        const redisReply *key = r->element[i];
        if (key->type == REDIS_REPLY_STRING && redis_hash_parse(s->o.prefix, bytes_of(key->str, key->len), &name) &&
            name.what == REDIS_HASH_DEVICE)
            l->record(l, name.device, (struct bytes){0});
    }
}

/* SCAN is through at "0", the walk over buckets at "". */
static enum error tell_walk(const struct store_redis *s, struct store_load *l, const redisReply *r)
{
    if (r->type != REDIS_REPLY_ARRAY || r->elements == 0 || r->element[0]->type != REDIS_REPLY_STRING)
        return ERR_STORE;
    const char *next = r->element[0]->str;
    if (what_of(l) == STORE_READ_WALK_PENDING)
        tell_pending(l, r);
    else
        tell_devices(s, l, r);
    return cursor_set(l, strcmp(next, "0") == 0 ? "" : next);
}

static enum error tell_reply(const struct store_redis *s, struct store_load *l, const redisReply *r)
{
    switch (what_of(l)) {
    case STORE_READ_DEVICE:
        return tell_device(l, r);
    case STORE_READ_GET:
        return tell_one(l, r);
    default:
        return tell_walk(s, l, r);
    }
}

bool store_redis_reads_waiting(const struct store_redis *s)
{
    return s->reads || s->reads_waiting;
}

static void answered_tell(struct store_redis *s)
{
    struct redis_read *answered = s->reads;
    s->reads = NULL;
    s->reads_end = &s->reads;
    while (answered) {
        struct redis_read *r = answered;
        struct store_load *l = r->load;
        answered = r->next;
        const bool lost = !r->reply;
        const enum error err = lost ? ERR_STORE : tell_reply(s, l, r->reply);
        freeReplyObject(r->reply);
        free(r);
        if (!lost || (l->what & ASKED_TWICE)) {
            l->done(l, err);
            continue;
        }
        l->what |= ASKED_TWICE;
        wait_in_line(s, l);
    }
}

/* Memory was short, or there is no connection: with one, or one to come, it is tried again. */
void store_redis_reads_tell(struct store_redis *s)
{
    answered_tell(s);
    if (s->connection && !s->doomed && !s->closing)
        store_redis_reads_again(s);
    const bool awaited = !s->down && !s->closing && (!s->connection || s->doomed);
    if (awaited)
        return;
    for (struct store_load *l = line_take(s), *next; l; l = next) {
        next = l->next;
        l->done(l, s->closing ? ERR_DRAINING : s->connection ? ERR_NO_MEMORY : ERR_STORE);
    }
}
