#include "buffering/store_redis_setup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "buffering/store_redis_layout.h"

#define LISTPACK_BYTES  512
#define EVERYSEC_MIN_MS 3000 /* two syncs: that under way, and ours */
#define SILENT_MORE_MS  1000 /* CLIENT LIST counts whole seconds */

struct setup {
    const struct store_redis_options *o;
    struct redis_identity *id;
    const struct redis_limit *limit;
    struct redis_ready *out;
    struct redis_connection *c;
    bool sync_always; /* appendfsync always */
    bool aof;
};

void redis_identity_make(struct redis_identity *id)
{
    char host[32] = "";
    uint64_t random;
    *id = (struct redis_identity){0};
    if (gethostname(host, sizeof(host) - 1) != 0 || host[strcspn(host, " \n\r/")] != 0)
        snprintf(host, sizeof(host), "host");
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = uv_hrtime();
    snprintf(id->name, sizeof(id->name), "%s/%ld/%016" PRIx64, host, (long)getpid(), random);
}

uint64_t redis_wait_ms(const struct store_redis_options *o)
{
    return o->timeout_ms - o->timeout_ms / 4;
}

[[gnu::format(printf, 3, 4)]] static bool fail(struct setup *s, enum redis_failure failure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s->out->failure = failure;
    vsnprintf(s->out->why, sizeof(s->out->why), format, args);
    va_end(args);
    for (char *at = s->out->why; *at; at++)
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    return false;
}

/* No reply, or one that is an error: cured by time, or not. */
static bool fail_reply(struct setup *s, const char *what, const redisReply *r)
{
    static const char *const passing[] = {"LOADING",    "READONLY", "MASTERDOWN", "BUSY",       "MISCONF",
                                          "NOREPLICAS", "TRYAGAIN", "UNBLOCKED",  "CLUSTERDOWN"};
    if (!r)
        return fail(s, REDIS_AGAIN, "no answer to %s: %s", what, s->c->why);
    if (r->type != REDIS_REPLY_ERROR)
        return fail(s, REDIS_AGAIN, "%s: an answer that Redis does not give", what);
    if (redis_is_error(r, "FENCED"))
        return fail(s, REDIS_TAKEN, "another adapter has taken over store.prefix %s: %.100s", s->o->prefix, r->str + 7);
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (redis_is_error(r, passing[i]))
            return fail(s, REDIS_AGAIN, "%s: %.160s", what, r->str);
    return fail(s, REDIS_REFUSED, "%s: %.160s", what, r->str);
}

/* --- who is the master ------------------------------------------------------------------------------- */

static bool authenticate(struct setup *s, const char *username, const char *password)
{
    if (!password)
        return true;
    redisReply *r = username ? redis_call_words(s->c, s->limit, "AUTH", username, password, NULL)
                             : redis_call_words(s->c, s->limit, "AUTH", password, NULL);
    const bool done = r && r->type == REDIS_REPLY_STATUS;
    if (!done && r && !redis_is_error(r, "LOADING"))
        fail(s, REDIS_REFUSED, "name or password refused (store.username, store.password_file): %.100s",
             r->type == REDIS_REPLY_ERROR ? r->str : "nonsense");
    else if (!done)
        fail_reply(s, "AUTH", r);
    freeReplyObject(r);
    return done;
}

static bool connection_open(struct setup *s, const struct redis_address *at)
{
    char why[REDIS_WHY_MAX];
    redis_connection_free(s->c);
    s->c = redis_connect(at, &s->o->tls, s->limit, why);
    if (s->c)
        return true;
    return fail(s, REDIS_AGAIN, "%s", why);
}

static bool master_of_sentinel(struct setup *s, const struct redis_address *sentinel, struct redis_address *out)
{
    const struct store_redis_options *o = s->o;
    if (!connection_open(s, sentinel) || !authenticate(s, NULL, o->sentinel_password))
        return false;
    redisReply *r = redis_call_words(s->c, s->limit, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", o->master_name, NULL);
    bool found = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[0]->type == REDIS_REPLY_STRING &&
                 r->element[1]->type == REDIS_REPLY_STRING && r->element[0]->len < sizeof(out->host);
    if (found) {
        const unsigned long port = strtoul(r->element[1]->str, NULL, 10);
        *out = (struct redis_address){.port = (uint16_t)port};
        memcpy(out->host, r->element[0]->str, r->element[0]->len);
        found = port > 0 && port <= UINT16_MAX;
    }
    if (!found && r && r->type == REDIS_REPLY_NIL)
        fail(s, REDIS_AGAIN, "a Sentinel knows no master %.60s (store.master_name)", o->master_name);
    else if (!found)
        fail_reply(s, "SENTINEL", r);
    freeReplyObject(r);
    return found;
}

static bool master_find(struct setup *s, struct redis_address *out)
{
    const struct store_redis_options *o = s->o;
    const struct redis_limit *whole = s->limit;
    if (o->sentinel_count == 0) {
        *out = o->address;
        return true;
    }
    for (unsigned i = 0; i < o->sentinel_count; i++) {
        const unsigned at = (s->id->sentinel + i) % o->sentinel_count;
        /* One that does not answer leaves time for the others. */
        const uint64_t now_ms = redis_now_ms();
        const uint64_t left_ms = whole->until_ms > now_ms ? whole->until_ms - now_ms : 0;
        const struct redis_limit share = {.until_ms = now_ms + left_ms / (o->sentinel_count - i + 1),
                                          .cancel = whole->cancel};
        s->limit = &share;
        const bool found = master_of_sentinel(s, &o->sentinels[at], out);
        s->limit = whole;
        if (found) {
            s->id->sentinel = at;
            return true;
        }
    }
    return false;
}

static bool role_is_master(struct setup *s)
{
    redisReply *r = redis_call_words(s->c, s->limit, "ROLE", NULL);
    bool master = r && r->type == REDIS_REPLY_ARRAY && r->elements > 0 && r->element[0]->type == REDIS_REPLY_STRING;
    if (!master) {
        fail_reply(s, "ROLE", r);
    } else if (strcmp(r->element[0]->str, "master") != 0) {
        master = fail(s, REDIS_AGAIN, "%s is a %.20s, not a master", s->out->peer, r->element[0]->str);
    }
    freeReplyObject(r);
    return master;
}

static void peer_name(struct setup *s, const struct redis_address *at)
{
    if (at->path[0])
        snprintf(s->out->peer, sizeof(s->out->peer), "unix:%s", at->path);
    else
        snprintf(s->out->peer, sizeof(s->out->peer), "%s:%u", at->host, at->port);
}

static bool master_connect(struct setup *s)
{
    struct redis_address master;
    char number[16];
    if (!master_find(s, &master))
        return false;
    peer_name(s, &master);
    if (!connection_open(s, &master) || !authenticate(s, s->o->username, s->o->password))
        return false;
    snprintf(number, sizeof(number), "%u", s->o->database);
    redisReply *r = redis_call_words(s->c, s->limit, "SELECT", number, NULL);
    const bool selected = r && r->type == REDIS_REPLY_STATUS;
    if (!selected)
        fail_reply(s, "SELECT", r);
    freeReplyObject(r);
    return selected && role_is_master(s);
}

/* --- what the server can give ------------------------------------------------------------------------ */

/* A line "name:value" of INFO; NULL when it is not there. Ends with the line. */
static const char *info_find(const redisReply *r, const char *name)
{
    const size_t len = strlen(name);
    if (!r || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_VERB))
        return NULL;
    for (const char *at = r->str; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        if (strncmp(at, name, len) == 0 && at[len] == ':')
            return at + len + 1;
    return NULL;
}

/* False: it may not be asked for. */
static bool setting_get(struct setup *s, const char *name, char out[32])
{
    redisReply *r = redis_call_words(s->c, s->limit, "CONFIG", "GET", name, NULL);
    const bool known = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
                       r->element[1]->type == REDIS_REPLY_STRING && r->element[1]->len < 32;
    if (known)
        memcpy(out, r->element[1]->str, r->element[1]->len + 1);
    freeReplyObject(r);
    return known;
}

static bool aof_check(struct setup *s)
{
    redisReply *r = redis_call_words(s->c, s->limit, "INFO", "persistence", NULL);
    const char *enabled = info_find(r, "aof_enabled");
    if (enabled)
        s->aof = *enabled == '1';
    else
        fail_reply(s, "INFO persistence", r);
    freeReplyObject(r);
    return enabled != NULL;
}

/* appendfsync, as far as it can be known; what cannot be known is waited for each time. */
static bool sync_check(struct setup *s)
{
    char value[32];
    const char *level = store_durability_name(s->o->durability);
    const bool known = setting_get(s, "appendfsync", value);
    if (known && strcmp(value, "no") == 0)
        return fail(s, REDIS_REFUSED,
                    "store.durability %s: %s syncs its file never: set 'appendfsync always' or 'everysec' there", level,
                    s->out->peer);
    s->sync_always = known && strcmp(value, "always") == 0;
    if (s->sync_always && setting_get(s, "no-appendfsync-on-rewrite", value) && strcmp(value, "yes") == 0)
        s->sync_always = false; /* not while it rewrites its file: so it is asked */
    return true;
}

static bool replicas_check(struct setup *s)
{
    redisReply *r = redis_call_words(s->c, s->limit, "INFO", "replication", NULL);
    bool enough = false;
    unsigned online = 0;
    if (!info_find(r, "role")) {
        fail_reply(s, "INFO replication", r);
    } else {
        for (const char *at = r->str; (at = strstr(at, "state=online")); at++)
            online++;
        enough = online >= s->o->replicas;
        if (!enough)
            fail(s, REDIS_AGAIN, "store.durability replicated: %s has %u replicas online, store.replicas wants %u",
                 s->out->peer, online, s->o->replicas);
    }
    freeReplyObject(r);
    return enough;
}

/* A cache throws away what it was given when it is full. */
static bool eviction_check(struct setup *s)
{
    redisReply *r = redis_call_words(s->c, s->limit, "INFO", "memory", NULL);
    const char *policy = info_find(r, "maxmemory_policy");
    const bool evicts = policy && strncmp(policy, "allkeys", 7) == 0;
    if (!r || !info_find(r, "used_memory"))
        fail_reply(s, "INFO memory", r);
    else if (evicts)
        fail(s, REDIS_REFUSED, "%s would throw messages away when it is full: set 'maxmemory-policy noeviction' there",
             s->out->peer);
    const bool good = r && info_find(r, "used_memory") && !evicts;
    freeReplyObject(r);
    return good;
}

static void memory_look(struct setup *s)
{
    char value[32];
    s->out->bulky = setting_get(s, "hash-max-listpack-value", value) && strtoul(value, NULL, 10) < LISTPACK_BYTES;
}

static bool durability_check(struct setup *s)
{
    const enum store_durability d = s->o->durability;
    if (d == STORE_MEMORY)
        return true;
    if (!eviction_check(s))
        return false;
    if (d == STORE_REPLICATED) {
        s->out->wait_replicas = s->o->replicas;
        return replicas_check(s);
    }
    if (!aof_check(s))
        return false;
    if (!s->aof)
        return fail(s, REDIS_REFUSED, "store.durability %s: %s keeps no append-only file: set 'appendonly yes' there",
                    store_durability_name(d), s->out->peer);
    if (!sync_check(s))
        return false;
    s->out->wait_disk = d == STORE_FSYNC && !s->sync_always;
    if (s->out->wait_disk && s->o->timeout_ms < EVERYSEC_MIN_MS)
        return fail(s, REDIS_REFUSED,
                    "store.timeout_ms %u: %s syncs once a second, so 3000 are needed, or 'appendfsync always' there",
                    s->o->timeout_ms, s->out->peer);
    return true;
}

/* --- script and epoch -------------------------------------------------------------------------------- */

static bool script_load(struct setup *s)
{
    redisReply *r = redis_call_words(s->c, s->limit, "SCRIPT", "LOAD", redis_script_commit, NULL);
    const bool loaded = r && r->type == REDIS_REPLY_STRING && r->len == REDIS_SHA_LEN;
    if (loaded)
        memcpy(s->out->sha, r->str, r->len + 1);
    else
        fail_reply(s, "SCRIPT LOAD", r);
    freeReplyObject(r);
    return loaded;
}

/* In CLIENT LIST, the seconds for which a connection with this name has been silent; -1: there is none. A living
 * adapter is never silent for half its time-out. */
static long silent_s(const redisReply *r, const char *name)
{
    char field[128];
    long least = -1;
    snprintf(field, sizeof(field), " name=%s ", name);
    for (const char *at = r->str; (at = strstr(at, field)); at++) {
        const char *idle = strstr(at, " idle=");
        const long s = idle ? strtol(idle + 6, NULL, 10) : 0;
        least = least < 0 || s < least ? s : least;
    }
    return least;
}

/* At the start only: whoever was the last to write must be gone. Where CLIENT LIST is forbidden the newest wins. */
static bool former_is_gone(struct setup *s, const char *owner_key)
{
    redisReply *owner = redis_call_words(s->c, s->limit, "HGET", owner_key, "name", NULL);
    bool gone = owner && (owner->type == REDIS_REPLY_NIL || owner->type == REDIS_REPLY_STRING);
    if (!gone)
        fail_reply(s, owner_key, owner);
    if (gone && owner->type == REDIS_REPLY_STRING && strcmp(owner->str, s->id->name) != 0) {
        redisReply *list = redis_call_words(s->c, s->limit, "CLIENT", "LIST", "TYPE", "normal", NULL);
        const bool told = list && (list->type == REDIS_REPLY_STRING || list->type == REDIS_REPLY_VERB);
        const long silent = told ? silent_s(list, owner->str) : -1;
        if (silent >= 0 && (uint64_t)silent * 1000 <= s->o->timeout_ms + SILENT_MORE_MS)
            gone = fail(s, REDIS_AGAIN, "another adapter uses store.prefix %s: %.90s; each needs one of its own",
                        s->o->prefix, owner->str);
        freeReplyObject(list);
    }
    freeReplyObject(owner);
    return gone;
}

static bool epoch_take(struct setup *s, const char *owner_key)
{
    char had[24];
    snprintf(had, sizeof(had), "%" PRIu64, s->id->epoch);
    redisReply *r = redis_call_words(s->c, s->limit, "EVAL", redis_script_take, "1", owner_key, s->id->name, had, NULL);
    const bool taken = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
                       r->element[0]->type == REDIS_REPLY_INTEGER && r->element[1]->type == REDIS_REPLY_INTEGER;
    if (taken) {
        s->out->went_back = (uint64_t)r->element[1]->integer < s->id->epoch;
        s->id->epoch = (uint64_t)r->element[0]->integer;
    } else {
        fail_reply(s, owner_key, r);
    }
    freeReplyObject(r);
    return taken;
}

static bool name_tell(struct setup *s)
{
    redisReply *r = redis_call_words(s->c, s->limit, "CLIENT", "SETNAME", s->id->name, NULL);
    const bool answered = r != NULL; /* it may be forbidden */
    if (!r)
        fail_reply(s, "CLIENT SETNAME", r);
    freeReplyObject(r);
    return answered;
}

/* A group of no batches, with all that follows one: what a commit would meet shows here. */
static bool commit_try(struct setup *s)
{
    struct redis_commit commit = {0};
    size_t count;
    char wait_ms[24], replicas[16];
    snprintf(wait_ms, sizeof(wait_ms), "%" PRIu64, redis_wait_ms(s->o));
    snprintf(replicas, sizeof(replicas), "%u", s->out->wait_replicas);
    redisReply *r = redis_commit_encode(&commit, s->o->prefix, s->out->sha, s->id->epoch, NULL, &count) == OK
                        ? redis_call(s->c, buf_bytes(&commit.out), s->limit)
                        : NULL;
    redis_commit_free(&commit);
    bool done = r && r->type == REDIS_REPLY_STATUS;
    if (!done)
        fail_reply(s, "a first commit", r);
    freeReplyObject(r);
    if (done && s->out->wait_disk) {
        r = redis_call_words(s->c, s->limit, "WAITAOF", "1", "0", wait_ms, NULL);
        done = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[0]->integer >= 1;
        if (!done && r && r->type == REDIS_REPLY_ARRAY)
            fail(s, REDIS_AGAIN, "the append-only file of %s was not synced in time", s->out->peer);
        else if (!done)
            fail_reply(s, "WAITAOF", r);
        freeReplyObject(r);
    }
    if (done && s->out->wait_replicas) {
        r = redis_call_words(s->c, s->limit, "WAIT", replicas, wait_ms, NULL);
        done = r && r->type == REDIS_REPLY_INTEGER && r->integer >= (long long)s->out->wait_replicas;
        if (!done && r && r->type == REDIS_REPLY_INTEGER)
            fail(s, REDIS_AGAIN, "%lld of %s replicas of %s follow in time", r->integer, replicas, s->out->peer);
        else if (!done)
            fail_reply(s, "WAIT", r);
        freeReplyObject(r);
    }
    return done;
}

static bool take_over(struct setup *s)
{
    struct buf key = {0};
    redis_owner_key(s->o->prefix, &key);
    buf_add_u8(&key, 0);
    bool done = !key.failed;
    if (!done)
        fail(s, REDIS_AGAIN, "no memory");
    const char *owner = (const char *)key.data;
    memory_look(s);
    done = done && name_tell(s) && (s->id->epoch > 0 || former_is_gone(s, owner)) && script_load(s) &&
           epoch_take(s, owner) && commit_try(s);
    buf_free(&key);
    return done;
}

void redis_setup(const struct store_redis_options *o, struct redis_identity *id, const struct redis_limit *limit,
                 struct redis_ready *out)
{
    struct setup s = {.o = o, .id = id, .limit = limit, .out = out};
    *out = (struct redis_ready){.failure = REDIS_AGAIN};
    if (master_connect(&s) && durability_check(&s) && take_over(&s))
        out->connection = s.c;
    else
        redis_connection_free(s.c);
}
