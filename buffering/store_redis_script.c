#include "buffering/store_redis_script.h"

#include <stdio.h>
#include <string.h>

#include "buffering/record.h"
#include "buffering/store_redis_layout.h"

const char redis_script_take[] =
    "#!lua flags=allow-oom\n"
    "local held = redis.call('HMGET', KEYS[1], 'epoch', 'name')\n"
    "local before, had = tonumber(held[1] or 0), tonumber(ARGV[2])\n"
    "if had > 0 and held[2] and held[2] ~= ARGV[1] then return redis.error_reply('FENCED ' .. held[2]) end\n"
    "local epoch = math.max(before, had) + 1\n"
    "redis.call('HSET', KEYS[1], 'epoch', epoch, 'name', ARGV[1])\n"
    "return {epoch, before}\n";

/* ARGV: epoch; then each batch: P when it puts, else D; how many arguments follow; its operations:
 *
 *   S key field value                          put            key, bucket: places in KEYS
 *   D key field                                delete
 *   M key field value bucket device deadline   put a message
 *   X key field bucket device                  delete a message
 *
 * The first write is one that a full Redis refuses, so that it is known whether puts are possible before any is done:
 * after a first successful write a script's other ones are never refused. A key of a wrong type is looked for before
 * it could stop a batch half-way. */
const char redis_script_commit[] =
    "local owner = KEYS[1]\n"
    "if redis.call('HGET', owner, 'epoch') ~= ARGV[1] then\n"
    "  return redis.error_reply('FENCED ' .. (redis.call('HGET', owner, 'name') or ''))\n"
    "end\n"
    "local probe = redis.pcall('HSET', owner, 'probe', 1)\n"
    "local full = type(probe) == 'table' and probe.err\n"
    "if full and string.sub(full, 1, 3) ~= 'OOM' then return probe end\n"
    "local bad\n"
    "for k = 2, #KEYS do\n"
    "  local n = redis.pcall('HLEN', KEYS[k])\n"
    "  if type(n) == 'table' then bad = bad or {}; bad[k] = n.err end\n"
    "end\n"
    "local size = {S = 4, D = 3, M = 7, X = 5}\n"
    "local bucket = {M = 4, X = 3}\n"
    "local failed, left, a, b, n = {}, {}, 2, 0, #ARGV\n"
    "while a <= n do\n"
    "  local why, stop = ARGV[a] == 'P' and full, a + 2 + tonumber(ARGV[a + 1])\n"
    "  a = a + 2\n"
    "  local i = a\n"
    "  while bad and not why and i < stop do\n"
    "    local op = ARGV[i]\n"
    "    why = bad[tonumber(ARGV[i + 1])] or (bucket[op] and bad[tonumber(ARGV[i + bucket[op]])])\n"
    "    i = i + size[op]\n"
    "  end\n"
    "  if why then\n"
    "    failed[#failed + 1] = tostring(b)\n"
    "    failed[#failed + 1] = why\n"
    "    a = stop\n"
    "  end\n"
    "  while a < stop do\n"
    "    local op, k = ARGV[a], tonumber(ARGV[a + 1])\n"
    "    if op == 'S' then\n"
    "      redis.call('HSET', KEYS[k], ARGV[a + 2], ARGV[a + 3])\n"
    "      a = a + 4\n"
    "    elseif op == 'D' then\n"
    "      redis.call('HDEL', KEYS[k], ARGV[a + 2])\n"
    "      a = a + 3\n"
    "    elseif op == 'M' then\n"
    "      redis.call('HSET', KEYS[k], ARGV[a + 2], ARGV[a + 3])\n"
    "      local at, id, due = KEYS[tonumber(ARGV[a + 4])], ARGV[a + 5], ARGV[a + 6]\n"
    "      local known = redis.call('HGET', at, id)\n"
    "      if not known or tonumber(due) < tonumber(known) then redis.call('HSET', at, id, due) end\n"
    "      left[KEYS[k]] = nil\n"
    "      a = a + 7\n"
    "    else\n"
    "      redis.call('HDEL', KEYS[k], ARGV[a + 2])\n"
    "      left[KEYS[k]] = a\n"
    "      a = a + 5\n"
    "    end\n"
    "  end\n"
    "  b = b + 1\n"
    "end\n"
    "for key, at in pairs(left) do\n"
    "  local page = redis.call('HSCAN', key, '0', 'MATCH', '[mu]*', 'COUNT', 512, 'NOVALUES')\n"
    "  if page[1] == '0' and #page[2] == 0 then redis.call('HDEL', KEYS[tonumber(ARGV[at + 3])], ARGV[at + 4]) end\n"
    "end\n"
    "if #failed == 0 then return redis.status_reply('OK') end\n"
    "return failed\n";

const char redis_script_page[] =
    "#!lua flags=no-writes\n"
    "local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', 'hash')\n"
    "local out = {page[1]}\n"
    "for _, key in ipairs(page[2]) do\n"
    "  out[#out + 1] = key\n"
    "  out[#out + 1] = redis.call('HGETALL', key)\n"
    "end\n"
    "return out\n";

const char redis_script_devices[] =
    "#!lua flags=no-writes\n"
    "local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', 'hash')\n"
    "local out = {page[1]}\n"
    "for _, key in ipairs(page[2]) do\n"
    "  if redis.call('HEXISTS', key, 'd') == 1 then out[#out + 1] = key end\n"
    "end\n"
    "return out\n";

const char redis_script_pending[] =
    "#!lua flags=no-writes\n"
    "local at, enough = tonumber(ARGV[1]), tonumber(ARGV[3]) * 2\n"
    "local out, stop = {''}, at + 4096\n"
    "while at < 16384 and at < stop and #out < enough do\n"
    "  for _, text in ipairs(redis.call('HGETALL', string.format('%s%04x', ARGV[2], at))) do out[#out + 1] = text end\n"
    "  at = at + 1\n"
    "end\n"
    "if at < 16384 then out[1] = tostring(at) end\n"
    "return out\n";

/* --- commands ---------------------------------------------------------------------------------------- */

void resp_command(struct buf *out, size_t count)
{
    buf_addf(out, "*%zu\r\n", count);
}

/* Without printf: this runs some ten times for each operation. */
static void length_add(struct buf *out, size_t len)
{
    char text[24];
    size_t at = sizeof(text);
    text[--at] = '\n';
    text[--at] = '\r';
    do {
        text[--at] = (char)('0' + len % 10);
        len /= 10;
    } while (len);
    text[--at] = '$';
    buf_add(out, bytes_of(text + at, sizeof(text) - at));
}

void resp_arg(struct buf *out, struct bytes arg)
{
    length_add(out, arg.len);
    buf_add(out, arg);
    buf_add(out, BYTES_LIT("\r\n"));
}

void resp_arg_str(struct buf *out, const char *arg)
{
    resp_arg(out, bytes_of_str(arg));
}

void resp_arg_number(struct buf *out, uint64_t arg)
{
    char text[24];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + arg % 10);
        arg /= 10;
    } while (arg);
    resp_arg(out, bytes_of(text + at, sizeof(text) - at));
}

/* --- a group ----------------------------------------------------------------------------------------- */

void redis_commit_free(struct redis_commit *c)
{
    buf_free(&c->keys);
    buf_free(&c->args);
    buf_free(&c->out);
}

struct encoding {
    struct redis_commit *c;
    const char *prefix;
    struct redis_place place;
    struct buf bucket_key;
    struct buf last_key; /* the hash of the operation before: often the same */
    size_t last_place;
    size_t key_count, arg_count;
};

static size_t key_place(struct encoding *e)
{
    const struct bytes key = buf_bytes(&e->place.key);
    if (e->last_place && bytes_equal(buf_bytes(&e->last_key), key))
        return e->last_place;
    resp_arg(&e->c->keys, key);
    buf_reset(&e->last_key);
    buf_add(&e->last_key, key);
    return e->last_place = ++e->key_count;
}

static size_t bucket_place(struct encoding *e)
{
    buf_reset(&e->bucket_key);
    redis_index_key(e->prefix, redis_index_bucket(e->place.device), &e->bucket_key);
    resp_arg(&e->c->keys, buf_bytes(&e->bucket_key));
    return ++e->key_count;
}

static void op_encode(struct encoding *e, const struct batch_op *op)
{
    struct buf *args = &e->c->args;
    redis_place_find(e->prefix, op->key, &e->place);
    if (e->place.key.failed || e->place.field.failed) {
        args->failed = true;
        return;
    }
    const bool is_message = e->place.is_message;
    resp_arg_str(args, is_message ? (op->is_put ? "M" : "X") : op->is_put ? "S" : "D");
    resp_arg_number(args, key_place(e));
    resp_arg(args, buf_bytes(&e->place.field));
    if (op->is_put)
        resp_arg(args, op->value);
    if (is_message) {
        resp_arg_number(args, bucket_place(e));
        resp_arg(args, e->place.device);
    }
    if (is_message && op->is_put)
        resp_arg_number(args, record_message_deadline(op->value));
}

static size_t op_size(const char *prefix, struct redis_place *place, const struct batch_op *op)
{
    redis_place_find(prefix, op->key, place);
    return (op->is_put ? 4u : 3u) + (place->is_message ? (op->is_put ? 3u : 2u) : 0u);
}

static void batch_encode(struct encoding *e, const struct batch *b)
{
    struct batch_op op;
    size_t args = 0;
    for (size_t at = 0; batch_next(b, &at, &op);)
        args += op_size(e->prefix, &e->place, &op);
    resp_arg_str(&e->c->args, b->has_put ? "P" : "D");
    resp_arg_number(&e->c->args, args);
    e->arg_count += args + 2;
    for (size_t at = 0; batch_next(b, &at, &op);)
        op_encode(e, &op);
}

enum error redis_commit_encode(struct redis_commit *c, const char *prefix, const char *sha, uint64_t epoch,
                               const struct batch *first, size_t *count)
{
    struct encoding e = {.c = c, .prefix = prefix, .key_count = 1, .arg_count = 1};
    struct buf owner = {0};
    *count = 0;
    buf_reset(&c->keys);
    buf_reset(&c->args);
    buf_reset(&c->out);
    redis_owner_key(prefix, &owner);
    resp_arg(&c->keys, buf_bytes(&owner));
    resp_arg_number(&c->args, epoch);
    for (const struct batch *b = first; b; b = b->next) {
        if (b->ended)
            continue;
        batch_encode(&e, b);
        ++*count;
    }
    resp_command(&c->out, 3 + e.key_count + e.arg_count);
    resp_arg_str(&c->out, "EVALSHA");
    resp_arg_str(&c->out, sha);
    resp_arg_number(&c->out, e.key_count);
    buf_add(&c->out, buf_bytes(&c->keys));
    buf_add(&c->out, buf_bytes(&c->args));
    const bool failed =
        owner.failed || e.bucket_key.failed || e.last_key.failed || c->keys.failed || c->args.failed || c->out.failed;
    redis_place_free(&e.place);
    buf_free(&e.bucket_key);
    buf_free(&e.last_key);
    buf_free(&owner);
    if (failed)
        return ERR_NO_MEMORY;
    return e.key_count + e.arg_count > REDIS_COMMIT_ARGS_MAX ? ERR_STORE : OK;
}
