/* Batches on their way: a group is one call of the script, the waits behind it, and what their replies say. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "buffering/store_redis_internal.h"

/* A script runs for some ten milliseconds at most; Redis does nothing else meanwhile. */
#define GROUP_BYTES_MAX (1u << 20)
#define LOG_PERIOD_MS   10000

void store_redis_batch_end(struct batch *b, enum error err)
{
    if (!b->ended) {
        b->ended = true;
        b->err = err;
    }
}

void store_redis_doom(struct store_redis *s, bool down, const char *format, ...)
{
    if (s->doomed)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(s->trouble, sizeof(s->trouble), format, args);
    va_end(args);
    s->doomed = true;
    s->doomed_down = down;
}

void store_redis_sent(struct store_redis *s)
{
    s->spoken_ms = redis_now_ms();
    if (s->outstanding++ == 0)
        s->progress_ms = s->spoken_ms;
}

void store_redis_answered(struct store_redis *s)
{
    if (s->outstanding > 0)
        s->outstanding--;
    s->progress_ms = redis_now_ms();
}

/* A full store may refuse every other batch for hours: a line from time to time says it. */
static void refused(struct store_redis *s, const char *why, uint64_t batches)
{
    const uint64_t now_ms = redis_now_ms();
    snprintf(s->trouble, sizeof(s->trouble), "%.200s", why);
    s->failing = true;
    s->refused_not_logged += batches;
    if (strcmp(s->logged, s->trouble) == 0 && now_ms - s->logged_ms < LOG_PERIOD_MS)
        return;
    log_write(LOG_ERROR, "store_failing", LOG_S("reason", s->trouble), LOG_I("batches", s->refused_not_logged));
    snprintf(s->logged, sizeof(s->logged), "%s", s->trouble);
    s->logged_ms = now_ms;
    s->refused_not_logged = 0;
}

static void group_end(struct store_redis *s, struct redis_group *g, enum error err, const char *why)
{
    uint64_t count = 0;
    for (struct batch *b = g->batches.first; b; b = b->next) {
        count += !b->ended;
        store_redis_batch_end(b, err);
    }
    if (err != OK)
        refused(s, why, count);
}

/* Pairs of batch and why. */
static void left_out(struct store_redis *s, struct redis_group *g, const redisReply *r)
{
    struct batch *b = g->batches.first;
    size_t number = 0;
    while (b && b->ended)
        b = b->next;
    for (size_t i = 0; i + 1 < r->elements; i += 2) {
        const redisReply *at = r->element[i], *why = r->element[i + 1];
        if (at->type != REDIS_REPLY_STRING || why->type != REDIS_REPLY_STRING)
            break;
        const size_t wanted = strtoul(at->str, NULL, 10);
        for (; b && number < wanted; number++)
            do
                b = b->next;
            while (b && b->ended);
        if (!b || number > wanted)
            break;
        b->err = ERR_STORE;
        b->cause = 1; /* told below: `ended` still counts the batches */
        refused(s, why->str, 1);
    }
    for (b = g->batches.first; b; b = b->next) {
        if (!b->ended && b->cause)
            b->ended = true;
    }
}

/* A refusal that leaves no trace and may be cured on another connection, or to another server. */
static bool cured_elsewhere(const redisReply *r)
{
    static const char *const words[] = {"NOSCRIPT", "READONLY",    "LOADING", "MASTERDOWN", "BUSY",  "NOAUTH",
                                        "NOPERM",   "CLUSTERDOWN", "MOVED",   "TRYAGAIN",   "FENCED"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (redis_is_error(r, words[i]))
            return true;
    return false;
}

static void committed(struct store_redis *s, struct redis_group *g, const redisReply *r)
{
    if (r->type == REDIS_REPLY_ARRAY) {
        left_out(s, g, r);
    } else if (r->type == REDIS_REPLY_STATUS) {
        s->failing = false;
    } else if (r->type != REDIS_REPLY_ERROR) {
        store_redis_doom(s, true, "an answer that Redis does not give");
    } else if (cured_elsewhere(r)) {
        store_redis_doom(s, false, "%.200s", r->str);
    } else if (redis_is_error(r, "MISCONF") || redis_is_error(r, "OOM") || redis_is_error(r, "NOREPLICAS")) {
        group_end(s, g, ERR_STORE, r->str);
    } else {
        group_end(s, g, ERR_STORE_UNSURE, r->str); /* the script may have stopped half-way */
    }
}

/* Nothing more is missing: what has not ended is committed. */
static void reply_counted(struct store_redis *s, struct redis_group *g)
{
    store_redis_answered(s);
    if (s->doomed || --g->replies > 0)
        return;
    group_end(s, g, OK, NULL);
    s->failures = 0;
}

static void on_commit(redisAsyncContext *ac, void *reply, void *privdata)
{
    struct redis_group *g = privdata;
    struct store_redis *s = g->store;
    (void)ac;
    if (!reply)
        return;
    if (!s->doomed)
        committed(s, g, reply);
    reply_counted(s, g);
    freeReplyObject(reply);
}

/* How many have it: too few, and the batches have left traces, but are not committed. */
static void waited(struct store_redis *s, struct redis_group *g, long long have, unsigned wanted, const char *what)
{
    if (have >= (long long)wanted)
        return;
    group_end(s, g, ERR_STORE_UNSURE, what);
    store_redis_doom(s, true, "%s: %lld of %u in time", what, have, wanted);
}

static void on_disk(redisAsyncContext *ac, void *reply, void *privdata)
{
    struct redis_group *g = privdata;
    const redisReply *r = reply;
    (void)ac;
    if (!r)
        return;
    if (g->store->doomed)
        ;
    else if (r->type == REDIS_REPLY_ARRAY && r->elements == 2)
        waited(g->store, g, r->element[0]->integer, 1, "WAITAOF: the file of Redis was not synced");
    else
        store_redis_doom(g->store, false, "WAITAOF: %.160s", r->type == REDIS_REPLY_ERROR ? r->str : "nonsense");
    reply_counted(g->store, g);
    freeReplyObject(reply);
}

static void on_replicas(redisAsyncContext *ac, void *reply, void *privdata)
{
    struct redis_group *g = privdata;
    const redisReply *r = reply;
    (void)ac;
    if (!r)
        return;
    if (g->store->doomed)
        ;
    else if (r->type == REDIS_REPLY_INTEGER)
        waited(g->store, g, r->integer, g->store->wait_replicas, "WAIT: replicas did not follow");
    else
        store_redis_doom(g->store, false, "WAIT: %.160s", r->type == REDIS_REPLY_ERROR ? r->str : "nonsense");
    reply_counted(g->store, g);
    freeReplyObject(reply);
}

static enum error words_send(struct store_redis *s, redisCallbackFn *fn, void *privdata, const char *word, uint64_t a,
                             uint64_t b, bool three)
{
    struct buf command = {0};
    resp_command(&command, three ? 4 : 3);
    resp_arg_str(&command, word);
    resp_arg_number(&command, a);
    if (three)
        resp_arg_number(&command, b);
    resp_arg_number(&command, redis_wait_ms(&s->o));
    const enum error err =
        command.failed ? ERR_NO_MEMORY : redis_send(s->connection, buf_bytes(&command), fn, privdata);
    buf_free(&command);
    return err;
}

/* From the queue's head, bounded; a batch alone may be larger. */
static struct batch_list group_take(struct store_redis *s)
{
    struct batch_list taken = {0};
    size_t bytes = 0;
    while (s->queue.first && (!taken.first || bytes + s->queue.first->ops.len <= GROUP_BYTES_MAX)) {
        bytes += s->queue.first->ops.len;
        batch_list_push(&taken, batch_list_pop(&s->queue));
    }
    return taken;
}

void store_redis_group_send(struct store_redis *s)
{
    struct redis_group *g = &s->groups[(s->first + s->under_way) % REDIS_GROUPS_MAX];
    size_t count;
    *g = (struct redis_group){.store = s, .batches = group_take(s)};
    s->under_way++;
    enum error err = redis_commit_encode(&s->commit, s->o.prefix, s->sha, s->id.epoch, g->batches.first, &count);
    if (err != OK) {
        group_end(s, g, err, error_text(err));
        return;
    }
    if (count == 0)
        return;
    err = redis_send(s->connection, buf_bytes(&s->commit.out), on_commit, g);
    if (err != OK) {
        group_end(s, g, err, error_text(err));
        return;
    }
    for (struct batch *b = g->batches.first; b; b = b->next)
        b->sent = true;
    g->replies = 1;
    store_redis_sent(s);
    if (s->wait_disk && !err) {
        err = words_send(s, on_disk, g, "WAITAOF", 1, 0, true);
        g->replies += !err;
        store_redis_sent(s);
    }
    if (s->wait_replicas && !err) {
        err = words_send(s, on_replicas, g, "WAIT", s->wait_replicas, 0, false);
        g->replies += !err;
        store_redis_sent(s);
    }
    if (err != OK)
        store_redis_doom(s, false, "%s", error_text(err));
    if (s->commit.out.cap > 2 * GROUP_BYTES_MAX)
        redis_commit_free(&s->commit);
}
