/* The store's life: batches, groups, time-outs, connections.
 *
 *   put, delete -> open batch -- flush --> queue --> groups under way (up to 4) --> done -- told to the sink
 *                                            ^            |
 *                                            '-- connection lost: once more on the next one, until the time-out
 *
 * What is flushed while all groups are under way becomes the next group, so the number of round trips adapts to the
 * server. A batch that was sent and not answered may have taken effect or not. It is sent again on the next connection,
 * in the old order (to do it twice is to do it once); when its time is over it is told ERR_STORE_UNSURE. The script
 * refuses what still lies in the socket of an older connection, so nothing of it comes later.
 *
 * Connected, or an attempt under way in its thread, or waiting for the next attempt; `down` says that the last attempt
 * failed, or that the server stopped answering: then what is flushed fails at once, so that servers hear it soon.
 *
 * hiredis calls back from inside its reading and writing, where a connection cannot be freed: `doomed` asks for it. */
#include "buffering/store_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "buffering/store_redis_internal.h"

#define GROUP_BYTES_MAX                                                                                                \
    (1u << 20) /* a script runs for some ten milliseconds at most; Redis does nothing else meanwhile */
#define CLOSE_ROUNDS_MAX 16
#define BACKOFF_MIN_MS   50
#define BACKOFF_MAX_MS   2000
#define LOG_PERIOD_MS    10000
#define SETTLE_SLICE_MS  10
#define START_PAUSE_MS   100

static void on_changed(void *ctx);
static void work(struct store_redis *s);

/* --- telling ----------------------------------------------------------------------------------------- */

static void batch_end(struct batch *b, enum error err)
{
    if (!b->ended) {
        b->ended = true;
        b->err = err;
    }
}

/* Moves to `done` what has ended and has nothing before it that has not. */
static void collect(struct store_redis *s)
{
    while (s->under_way && s->groups[s->first].replies == 0) {
        for (struct batch *b; (b = batch_list_pop(&s->groups[s->first].batches));)
            batch_list_push(&s->done, b);
        s->first = (s->first + 1) % REDIS_GROUPS_MAX;
        s->under_way--;
    }
    while (!s->under_way && s->queue.first && s->queue.first->ended)
        batch_list_push(&s->done, batch_list_pop(&s->queue));
}

/* One call of the sink for each run of batches that ended alike. */
static void tell(struct store_redis *s)
{
    if (s->telling)
        return;
    s->telling = true;
    for (struct batch *b; (b = batch_list_pop(&s->done));) {
        const uint64_t ticket = b->ticket;
        const enum error err = b->err;
        batches_recycle(&s->batches, b);
        if (!s->done.first || s->done.first->err != err)
            s->base.sink.committed(s->base.sink.ctx, ticket, err);
    }
    store_redis_reads_tell(s);
    s->telling = false;
}

/* --- trouble ----------------------------------------------------------------------------------------- */

/* Said when it changes, not for each message. */
static void trouble_log(struct store_redis *s, const char *event)
{
    if (strcmp(s->logged, s->trouble) == 0)
        return;
    snprintf(s->logged, sizeof(s->logged), "%s", s->trouble);
    log_write(LOG_ERROR, event, LOG_S("reason", s->trouble));
}

/* What was never sent leaves no trace, and need not wait. */
static void unsent_fail(struct store_redis *s)
{
    for (struct batch *b = s->queue.first; b; b = b->next)
        if (!b->sent)
            batch_end(b, ERR_STORE);
}

/* All that is under way goes back to the head of the queue. */
static void retreat(struct store_redis *s)
{
    struct batch_list all = {0};
    for (; s->under_way; s->under_way--, s->first = (s->first + 1) % REDIS_GROUPS_MAX) {
        struct redis_group *g = &s->groups[s->first];
        g->replies = 0;
        for (struct batch *b; (b = batch_list_pop(&g->batches));)
            batch_list_push(&all, b);
    }
    for (struct batch *b; (b = batch_list_pop(&s->queue));)
        batch_list_push(&all, b);
    s->queue = all;
}

static void attempt_soon(struct store_redis *s)
{
    uint64_t wait_ms = 0;
    if (s->failures > 0) {
        wait_ms = s->failures > 6 ? BACKOFF_MAX_MS : (uint64_t)BACKOFF_MIN_MS << (s->failures - 1);
        if (wait_ms > BACKOFF_MAX_MS)
            wait_ms = BACKOFF_MAX_MS;
        wait_ms = wait_ms / 2 + prng_below(&s->prng, wait_ms / 2 + 1);
    }
    s->failures++; /* until something was committed */
    s->attempt_at_ms = redis_now_ms() + wait_ms;
}

static void drop(struct store_redis *s)
{
    struct redis_connection *c = s->connection;
    s->connection = NULL;
    s->outstanding = 0;
    if (s->trouble[0] == 0)
        snprintf(s->trouble, sizeof(s->trouble), "connection lost: %.200s", c->why);
    s->down |= s->doomed_down;
    s->doomed = s->doomed_down = s->failing = false;
    retreat(s);
    redis_connection_free(c); /* answers reads under way with nothing */
    trouble_log(s, "store_lost");
    if (s->down)
        unsent_fail(s);
    attempt_soon(s);
}

[[gnu::format(printf, 3, 4)]] static void doom(struct store_redis *s, bool down, const char *format, ...)
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

/* --- groups ------------------------------------------------------------------------------------------ */

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
        batch_end(b, err);
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
        doom(s, true, "an answer that Redis does not give");
    } else if (cured_elsewhere(r)) {
        doom(s, false, "%.200s", r->str);
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
    doom(s, true, "%s: %lld of %u in time", what, have, wanted);
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
        doom(g->store, false, "WAITAOF: %.160s", r->type == REDIS_REPLY_ERROR ? r->str : "nonsense");
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
        doom(g->store, false, "WAIT: %.160s", r->type == REDIS_REPLY_ERROR ? r->str : "nonsense");
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

static void group_send(struct store_redis *s)
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
        doom(s, false, "%s", error_text(err));
    if (s->commit.out.cap > 2 * GROUP_BYTES_MAX)
        redis_commit_free(&s->commit);
}

/* --- connecting -------------------------------------------------------------------------------------- */

static void attempt_thread(void *arg)
{
    struct store_redis *s = arg;
    redis_setup(&s->o, &s->id, &s->attempt.limit, &s->attempt.ready);
    atomic_store(&s->attempt.finished, true);
    uv_async_send(&s->async);
}

static void attempt_start(struct store_redis *s)
{
    atomic_store(&s->attempt.finished, false);
    s->attempt.limit = (struct redis_limit){.until_ms = redis_now_ms() + s->o.timeout_ms, .cancel = &s->attempt.cancel};
    s->attempt.under_way = uv_thread_create(&s->attempt.thread, attempt_thread, s) == 0;
    if (!s->attempt.under_way)
        attempt_soon(s);
}

static void connected(struct store_redis *s, const struct redis_ready *r)
{
    s->connection = r->connection;
    memcpy(s->sha, r->sha, sizeof(s->sha));
    s->wait_disk = r->wait_disk;
    s->wait_replicas = r->wait_replicas;
    s->outstanding = 0;
    s->spoken_ms = redis_now_ms();
    s->down = s->failing = false;
    s->trouble[0] = s->logged[0] = 0;
    store_redis_reads_again(s);
    log_write(LOG_INFO, "store_connected", LOG_S("server", r->peer),
              LOG_S("durability", store_durability_name(s->o.durability)), LOG_I("epoch", s->id.epoch));
    if (r->bulky && !s->hinted)
        log_write(LOG_INFO, "store_hint",
                  LOG_S("hint", "hash-max-listpack-value 1024 there halves the memory it takes"));
    s->hinted = true;
    if (r->went_back)
        log_write(LOG_ERROR, "store_went_back", LOG_S("server", r->peer),
                  LOG_S("reason", "it does not know our last connection: it has lost what was written since"));
    if (redis_watch(s->connection, s->loop, on_changed, s) != OK)
        doom(s, true, "the operating system refused to watch the connection");
}

static void attempt_failed(struct store_redis *s, const struct redis_ready *r)
{
    snprintf(s->trouble, sizeof(s->trouble), "%s", r->why);
    s->down = true;
    s->taken = r->failure == REDIS_TAKEN;
    trouble_log(s, s->taken ? "store_taken" : "store_unreachable");
    unsent_fail(s);
    attempt_soon(s);
}

static void attempt_finish(struct store_redis *s)
{
    uv_thread_join(&s->attempt.thread);
    s->attempt.under_way = false;
    if (s->attempt.ready.connection)
        connected(s, &s->attempt.ready);
    else
        attempt_failed(s, &s->attempt.ready);
}

/* --- time -------------------------------------------------------------------------------------------- */

static struct batch *oldest(struct store_redis *s)
{
    for (unsigned i = 0; i < s->under_way; i++)
        for (struct batch *b = s->groups[(s->first + i) % REDIS_GROUPS_MAX].batches.first; b; b = b->next)
            if (!b->ended)
                return b;
    struct batch *b = s->queue.first;
    while (b && b->ended)
        b = b->next;
    return b;
}

/* Was it us who was late? The answer may be here, unread. */
static void read_first(struct store_redis *s)
{
    if (s->connection && !s->doomed)
        (void)redis_drive(s->connection, 0);
}

/* Those whose time is over; deadlines are in the order of the queue. */
static void expire(struct store_redis *s, uint64_t now_ms)
{
    const struct batch *b = oldest(s);
    if (!b || b->deadline_ms > now_ms)
        return;
    read_first(s);
    b = oldest(s);
    if (!b || b->deadline_ms > now_ms)
        return;
    if (s->under_way) { /* it does not answer */
        doom(s, true, "no answer in %u ms", s->o.timeout_ms);
        drop(s);
    }
    for (struct batch *at = s->queue.first; at && (at->ended || at->deadline_ms <= now_ms); at = at->next)
        batch_end(at, at->sent ? ERR_STORE_UNSURE : ERR_STORE);
}

static void on_pong(redisAsyncContext *ac, void *reply, void *privdata)
{
    (void)ac;
    if (!reply)
        return;
    store_redis_answered(privdata);
    freeReplyObject(reply);
}

/* Tells the server that we live, and us that it does. */
static void ping(struct store_redis *s)
{
    if (redis_send(s->connection, BYTES_LIT("*1\r\n$4\r\nPING\r\n"), on_pong, s) == OK)
        store_redis_sent(s);
    else
        doom(s, false, "no memory");
}

static uint64_t ping_at_ms(const struct store_redis *s)
{
    return s->outstanding ? s->progress_ms + s->o.timeout_ms : s->spoken_ms + s->o.timeout_ms / 2;
}

static uint64_t next_ms(struct store_redis *s)
{
    uint64_t at = UINT64_MAX;
    const struct batch *b = oldest(s);
    if (b)
        at = b->deadline_ms;
    if (s->connection && ping_at_ms(s) < at)
        at = ping_at_ms(s);
    if (!s->connection && !s->attempt.under_way && !s->taken && s->attempt_at_ms < at)
        at = s->attempt_at_ms;
    return at;
}

static void on_timer(uv_timer_t *timer)
{
    work(timer->data);
}

static void timer_renew(struct store_redis *s)
{
    const uint64_t at = next_ms(s), now_ms = redis_now_ms();
    uv_update_time(&s->loop->uv);
    if (at == UINT64_MAX)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, at > now_ms ? at - now_ms : 0, 0);
}

/* --- all that may have to be done -------------------------------------------------------------------- */

static void connection_work(struct store_redis *s, uint64_t now_ms)
{
    if (s->outstanding && now_ms >= ping_at_ms(s))
        read_first(s);
    if (s->connection && s->connection->ac && !s->doomed && now_ms >= ping_at_ms(s)) {
        if (s->outstanding)
            doom(s, true, "no answer in %u ms", s->o.timeout_ms);
        else
            ping(s);
    }
    if (s->connection && !s->connection->ac && !s->doomed) {
        s->trouble[0] = 0;
        s->doomed = true;
    }
    if (s->connection && s->doomed)
        drop(s);
    if (s->attempt.under_way && atomic_load(&s->attempt.finished))
        attempt_finish(s);
    if (!s->connection && !s->attempt.under_way && !s->taken && now_ms >= s->attempt_at_ms)
        attempt_start(s);
}

/* WAITAOF lets nothing of the connection through for up to a second: what is flushed meanwhile goes together. */
static unsigned groups_max(const struct store_redis *s)
{
    return s->wait_disk ? 1 : REDIS_GROUPS_MAX;
}

static void work_once(struct store_redis *s)
{
    const uint64_t now_ms = redis_now_ms();
    expire(s, now_ms);
    connection_work(s, now_ms);
    do {
        s->again = false;
        collect(s);
        while (s->connection && !s->doomed && s->queue.first && s->under_way < groups_max(s))
            group_send(s);
        collect(s);
        if (s->telling)
            break;
        tell(s);
        if (s->flush_waits)
            store_flush(&s->base);
    } while (s->again);
    if (s->connection)
        redis_write(s->connection); /* now, not when the loop comes by again */
}

/* Not from inside hiredis. */
static void work(struct store_redis *s)
{
    do
        work_once(s);
    while (s->connection && (s->doomed || !s->connection->ac));
    timer_renew(s);
}

static void on_changed(void *ctx)
{
    work(ctx);
}

static void on_async(uv_async_t *async)
{
    work(async->data);
}

void store_redis_settle(struct store_redis *s, bool tell_sink)
{
    const bool telling = s->telling;
    s->telling = telling || !tell_sink;
    for (work(s); oldest(s); work(s)) {
        if (s->connection)
            redis_drive(s->connection, SETTLE_SLICE_MS);
        else
            uv_sleep(1);
    }
    s->telling = telling;
}

/* --- the store's calls ------------------------------------------------------------------------------- */

static uint64_t redis_put(struct store *base, struct bytes key, struct bytes value)
{
    return batches_put(&store_redis_of(base)->batches, key, value);
}

static uint64_t redis_delete(struct store *base, struct bytes key)
{
    return batches_delete(&store_redis_of(base)->batches, key);
}

static void redis_flush(struct store *base)
{
    struct store_redis *s = store_redis_of(base);
    struct batch *b = batches_close(&s->batches);
    s->flush_waits = !b && batches_pending(&s->batches);
    if (!b)
        return;
    b->ended = b->failed;
    b->sent = false;
    b->cause = 0;
    b->deadline_ms = redis_now_ms() + s->o.timeout_ms;
    if (s->down)
        batch_end(b, ERR_STORE);
    batch_list_push(&s->queue, b);
    s->again = true;
    if (!s->telling)
        work(s);
}

static size_t redis_backlog_bytes(const struct store *base)
{
    return ((const struct store_redis *)(const void *)base)->batches.bytes;
}

static const char *redis_trouble(const struct store *base)
{
    const struct store_redis *s = (const struct store_redis *)(const void *)base;
    return s->down || s->failing ? s->trouble : NULL;
}

/* --- open and close ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct store_redis *s = handle->data;
    if (--s->handles > 0)
        return;
    batches_free(&s->batches);
    redis_commit_free(&s->commit);
    free(s);
}

static void redis_close(struct store *base)
{
    struct store_redis *s = store_redis_of(base);
    /* What the sink puts when it is told goes along, unless it tries for ever. */
    for (int round = 0; round == 0 || (batches_pending(&s->batches) && round < CLOSE_ROUNDS_MAX); round++) {
        redis_flush(base);
        store_redis_settle(s, true);
    }
    if (s->attempt.under_way) {
        atomic_store(&s->attempt.cancel, true);
        uv_thread_join(&s->attempt.thread);
        redis_connection_free(s->attempt.ready.connection);
    }
    redis_connection_free(s->connection);
    s->connection = NULL;
    s->closing = true;
    while (store_redis_reads_waiting(s))
        store_redis_reads_tell(s);
    uv_close((uv_handle_t *)&s->async, on_closed);
    uv_close((uv_handle_t *)&s->timer, on_closed);
}

/* What may pass is waited for: a Redis that is being started at the same time. */
static enum error connect_first(struct store_redis *s, char *why)
{
    const uint64_t last_ms = redis_now_ms() + s->o.timeout_ms; /* to begin an attempt */
    struct redis_ready ready;
    for (;;) {
        const struct redis_limit limit = {.until_ms = redis_now_ms() + s->o.timeout_ms};
        redis_setup(&s->o, &s->id, &limit, &ready);
        if (ready.connection)
            break;
        snprintf(why, STORE_REDIS_WHY_MAX, "%s", ready.why);
        if (ready.failure != REDIS_AGAIN || redis_now_ms() + START_PAUSE_MS >= last_ms)
            return ERR_STORE;
        uv_sleep(START_PAUSE_MS);
    }
    connected(s, &ready);
    if (!s->doomed)
        return OK;
    snprintf(why, STORE_REDIS_WHY_MAX, "%s", s->trouble);
    redis_connection_free(s->connection);
    return ERR_SYSTEM;
}

static const struct store_ops ops = {
    .put = redis_put,
    .delete = redis_delete,
    .flush = redis_flush,
    .scan = store_redis_scan,
    .read = store_redis_read,
    .backlog_bytes = redis_backlog_bytes,
    .trouble = redis_trouble,
    .close = redis_close,
};

enum error store_redis_open(struct loop *l, const struct store_redis_options *options, struct store_sink sink,
                            struct store **out, char *why)
{
    *out = NULL;
    struct store_redis *s = calloc(1, sizeof(*s));
    snprintf(why, STORE_REDIS_WHY_MAX, "%s", error_text(ERR_NO_MEMORY));
    if (!s)
        return ERR_NO_MEMORY;
    s->base = (struct store){.ops = &ops, .sink = sink};
    s->loop = l;
    s->o = *options;
    enum error err = batches_init(&s->batches);
    if (err != OK) {
        free(s);
        return err;
    }
    s->reads_end = &s->reads;
    s->reads_waiting_end = &s->reads_waiting;
    redis_identity_make(&s->id);
    prng_seed(&s->prng, uv_hrtime());
    uv_timer_init(&l->uv, &s->timer); /* it cannot fail */
    s->timer.data = s->async.data = s;
    s->handles = 1;
    snprintf(why, STORE_REDIS_WHY_MAX, "%s", error_text(ERR_SYSTEM));
    err = uv_async_init(&l->uv, &s->async, on_async) == 0 ? OK : ERR_SYSTEM;
    s->handles += err == OK;
    if (err == OK)
        err = connect_first(s, why);
    if (err != OK) {
        if (s->handles > 1)
            uv_close((uv_handle_t *)&s->async, on_closed);
        uv_close((uv_handle_t *)&s->timer, on_closed); /* frees the rest when the loop has let go of it */
        return err;
    }
    timer_renew(s);
    *out = &s->base;
    why[0] = 0;
    return OK;
}
