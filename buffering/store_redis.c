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

#define CLOSE_ROUNDS_MAX 16
#define BACKOFF_MIN_MS   50
#define BACKOFF_MAX_MS   2000
#define SETTLE_SLICE_MS  10
#define START_PAUSE_MS   100

static void on_changed(void *ctx);
static void work(struct store_redis *s);

/* --- telling ----------------------------------------------------------------------------------------- */

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
            store_redis_batch_end(b, ERR_STORE);
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
        store_redis_doom(s, true, "the operating system refused to watch the connection");
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
        store_redis_doom(s, true, "no answer in %u ms", s->o.timeout_ms);
        drop(s);
    }
    for (struct batch *at = s->queue.first; at && (at->ended || at->deadline_ms <= now_ms); at = at->next)
        store_redis_batch_end(at, at->sent ? ERR_STORE_UNSURE : ERR_STORE);
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
        store_redis_doom(s, false, "no memory");
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
            store_redis_doom(s, true, "no answer in %u ms", s->o.timeout_ms);
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
            store_redis_group_send(s);
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
        store_redis_batch_end(b, ERR_STORE);
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
