/* The loop's side of the embedded store, and its writer thread.
 *
 *   loop    put, delete -> open batch -- flush --> queue --.                      .--> told to the sink, recycled
 *                                                          v                      |
 *   writer                                       group = all that waits -- commit --> done -- uv_async
 *
 * What arrives while the writer is busy with one group becomes the next group, so the number of syncs adapts to the
 * disk. The mutex guards the queue, the list of those done and the writer's state; nobody holds it over a system call.
 * The environment belongs to the writer while it is busy, and to the loop (scan, close) otherwise. */
#include "buffering/store.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "buffering/batch.h"
#include "buffering/lmdb_env.h"
#include "buffering/lmdb_reads.h"

#define GROUP_BYTES_MAX                                                                                                \
    (32u << 20) /* bounds the pages a transaction holds in memory, and the wait of the next group                      \
                 */

#define CLOSE_ROUNDS_MAX 16
#define LOG_PERIOD_MS    10000

struct store_lmdb {
    struct store base;
    uv_async_t async;
    uv_thread_t thread;

    /* the loop's */
    struct batches batches;
    bool flush_held;    /* a scan or the closing is under way */
    bool flush_waits;   /* for that to end, or for a batch to come back */
    uint64_t logged_ms; /* 0: no failure yet */
    uint64_t failures_not_logged;
    struct lmdb_reads reads;
    unsigned closing; /* what has still to end before the memory is freed */

    /* the writer's while it is busy */
    struct lmdb_env env;

    uv_mutex_t mutex;
    uv_cond_t work; /* queue or stop has changed */
    uv_cond_t idle; /* busy has become false with nothing in the queue */
    struct batch_list queue;
    struct batch_list done;
    bool busy;
    bool stop;
};

static struct store_lmdb *of(struct store *s)
{
    return (struct store_lmdb *)(void *)s;
}

/* --- writer thread ----------------------------------------------------------------------------------- */

static struct batch_list group_take(struct batch_list *queue)
{
    struct batch_list group = {0};
    size_t bytes = 0;
    while (queue->first && (!group.first || bytes + queue->first->ops.len <= GROUP_BYTES_MAX)) {
        bytes += queue->first->ops.len;
        batch_list_push(&group, batch_list_pop(queue));
    }
    return group;
}

static void writer(void *arg)
{
    struct store_lmdb *m = arg;
    uv_mutex_lock(&m->mutex);
    for (;;) {
        while (!m->queue.first && !m->stop)
            uv_cond_wait(&m->work, &m->mutex);
        if (!m->queue.first)
            break;
        struct batch_list group = group_take(&m->queue);
        m->busy = true;
        uv_mutex_unlock(&m->mutex);

        lmdb_env_commit(&m->env, &group);

        uv_mutex_lock(&m->mutex);
        m->busy = false;
        for (struct batch *b; (b = batch_list_pop(&group));)
            batch_list_push(&m->done, b);
        uv_async_send(&m->async);
        if (!m->queue.first)
            uv_cond_signal(&m->idle);
    }
    uv_mutex_unlock(&m->mutex);
}

/* Signals are the loop's. */
static enum error writer_start(struct store_lmdb *m)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = uv_thread_create(&m->thread, writer, m);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? ERR_SYSTEM : OK;
}

/* --- loop's side ------------------------------------------------------------------------------------- */

static uint64_t lmdb_put(struct store *s, struct bytes key, struct bytes value)
{
    return batches_put(&of(s)->batches, key, value);
}

static uint64_t lmdb_delete(struct store *s, struct bytes key)
{
    return batches_delete(&of(s)->batches, key);
}

static void lmdb_flush(struct store *s)
{
    struct store_lmdb *m = of(s);
    struct batch *b = m->flush_held ? NULL : batches_close(&m->batches);
    m->flush_waits = !b && batches_pending(&m->batches);
    if (!b)
        return;
    uv_mutex_lock(&m->mutex);
    batch_list_push(&m->queue, b);
    uv_cond_signal(&m->work);
    uv_mutex_unlock(&m->mutex);
}

static void wait_idle(struct store_lmdb *m)
{
    uv_mutex_lock(&m->mutex);
    while (m->busy || m->queue.first)
        uv_cond_wait(&m->idle, &m->mutex);
    uv_mutex_unlock(&m->mutex);
}

/* A full store may refuse every other batch for hours: a line from time to time says it. */
static void log_failure(struct store_lmdb *m, const struct batch *b)
{
    const uint64_t now_ms = uv_now(m->async.loop);
    m->failures_not_logged++;
    if (m->logged_ms && now_ms - m->logged_ms < LOG_PERIOD_MS)
        return;
    log_write(LOG_ERROR, "store_failing", LOG_S("reason", b->cause ? mdb_strerror(b->cause) : error_text(b->err)),
              LOG_I("batches", m->failures_not_logged), LOG_S("path", m->env.path));
    m->failures_not_logged = 0;
    m->logged_ms = now_ms;
}

/* One call of the sink for each run of batches that ended alike. */
static void tell(struct store_lmdb *m)
{
    uv_mutex_lock(&m->mutex);
    struct batch_list done = m->done;
    m->done = (struct batch_list){0};
    uv_mutex_unlock(&m->mutex);
    for (struct batch *b; (b = batch_list_pop(&done));) {
        const uint64_t ticket = b->ticket;
        const enum error err = b->err;
        if (err != OK)
            log_failure(m, b);
        batches_recycle(&m->batches, b);
        if (!done.first || done.first->err != err)
            m->base.sink.committed(m->base.sink.ctx, ticket, err);
    }
    if (m->flush_waits && !m->flush_held)
        lmdb_flush(&m->base);
}

static void on_async(uv_async_t *async)
{
    struct store_lmdb *m = async->data;
    tell(m);
    lmdb_reads_start(&m->reads);
}

static void lmdb_read(struct store *s, struct store_load *l)
{
    struct store_lmdb *m = of(s);
    lmdb_reads_add(&m->reads, l);
    uv_async_send(&m->async); /* with the others of this turn */
}

static enum error lmdb_scan(struct store *s, struct bytes prefix, void *ctx,
                            enum error (*fn)(void *, struct bytes, struct bytes))
{
    struct store_lmdb *m = of(s);
    const bool held = m->flush_held;
    wait_idle(m);
    m->flush_held = true;
    const enum error err = lmdb_env_scan(&m->env, prefix, ctx, fn);
    m->flush_held = held;
    if (m->flush_waits && !held)
        lmdb_flush(s);
    return err;
}

static size_t lmdb_backlog_bytes(const struct store *s)
{
    return ((const struct store_lmdb *)(const void *)s)->batches.bytes;
}

/* --- open and close ---------------------------------------------------------------------------------- */

static void closed(void *ctx)
{
    struct store_lmdb *m = ctx;
    if (--m->closing > 0)
        return;
    batches_free(&m->batches);
    free(m);
}

static void on_closed(uv_handle_t *handle)
{
    closed(handle->data);
}

static void locks_free(struct store_lmdb *m)
{
    uv_cond_destroy(&m->idle);
    uv_cond_destroy(&m->work);
    uv_mutex_destroy(&m->mutex);
}

static void lmdb_close(struct store *s)
{
    struct store_lmdb *m = of(s);
    /* What the sink puts when it is told goes along, unless it tries for ever on a disk that takes nothing. */
    for (int round = 0; round == 0 || (batches_pending(&m->batches) && round < CLOSE_ROUNDS_MAX); round++) {
        m->flush_held = false;
        lmdb_flush(s);
        wait_idle(m);
        m->flush_held = true;
        tell(m);
    }
    uv_mutex_lock(&m->mutex);
    m->stop = true;
    uv_cond_signal(&m->work);
    uv_mutex_unlock(&m->mutex);
    uv_thread_join(&m->thread);
    locks_free(m);
    lmdb_reads_close(&m->reads, closed, m);
    lmdb_env_close(&m->env);
    uv_close((uv_handle_t *)&m->async, on_closed);
}

static enum error locks_init(struct store_lmdb *m)
{
    if (uv_mutex_init(&m->mutex))
        return ERR_SYSTEM;
    if (uv_cond_init(&m->work)) {
        uv_mutex_destroy(&m->mutex);
        return ERR_SYSTEM;
    }
    if (uv_cond_init(&m->idle)) {
        uv_cond_destroy(&m->work);
        uv_mutex_destroy(&m->mutex);
        return ERR_SYSTEM;
    }
    return OK;
}

static enum error start(struct store_lmdb *m)
{
    if (locks_init(m) != OK)
        return ERR_SYSTEM;
    if (writer_start(m) != OK) {
        locks_free(m);
        return ERR_SYSTEM;
    }
    return OK;
}

enum error store_lmdb_open(struct loop *l, const char *path, uint64_t map_bytes, struct store_sink sink,
                           struct store **out, const char **why)
{
    static const struct store_ops ops = {
        .put = lmdb_put,
        .delete = lmdb_delete,
        .flush = lmdb_flush,
        .scan = lmdb_scan,
        .read = lmdb_read,
        .backlog_bytes = lmdb_backlog_bytes,
        .close = lmdb_close,
    };
    *out = NULL;
    *why = "no memory";
    struct store_lmdb *m = calloc(1, sizeof(*m));
    if (!m)
        return ERR_NO_MEMORY;
    m->base = (struct store){.ops = &ops, .sink = sink};
    m->async.data = m;
    enum error err = batches_init(&m->batches);
    if (err != OK)
        goto fail_memory;
    err = lmdb_env_open(&m->env, path, map_bytes, why);
    if (err != OK)
        goto fail_batches;
    *why = "the operating system refused a lock, a thread or an event";
    err = lmdb_reads_init(&m->reads, &l->uv, &m->env);
    if (err != OK)
        goto fail_env;
    err = ERR_SYSTEM;
    m->closing = 2;
    if (uv_async_init(&l->uv, &m->async, on_async) != 0) {
        lmdb_env_close(&m->env);
        m->closing = 1;
        lmdb_reads_close(&m->reads, closed, m);
        return err;
    }
    if (start(m) != OK) {
        lmdb_env_close(&m->env);
        lmdb_reads_close(&m->reads, closed, m);
        uv_close((uv_handle_t *)&m->async, on_closed); /* frees the rest when the loop has let go of it */
        return err;
    }
    *out = &m->base;
    *why = NULL;
    return OK;

fail_env:
    lmdb_env_close(&m->env);
fail_batches:
    batches_free(&m->batches);
fail_memory:
    free(m);
    return err;
}
