#include "buffering/lmdb_reads.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "buffering/record.h"

#define READS_PER_GROUP  64
#define GROUPS_MAX       3    /* of the pool's four threads: one is left for names that are resolved */
#define WALK_DEVICES     512  /* named by one walk */
#define WALK_RECORDS_MAX 8192 /* looked at by one walk */

/* Written by the pool's thread, then, behind `read`, by the loop. */
struct read_group {
    uv_work_t work;
    struct lmdb_reads *reads;
    struct read_group *next;
    size_t count;
    bool read; /* the pool's thread has let go of everything; guarded by the mutex */
    bool told;
    struct store_load *loads[READS_PER_GROUP];
    enum error errors[READS_PER_GROUP];
    size_t ends[READS_PER_GROUP]; /* of each one's records in `records` */
    struct buf records;           /* lengths of key and value as size_t, key, value */
    struct buf cursor;            /* of a walk, which is a group of its own */
};

/* --- the pool's thread ------------------------------------------------------------------------------- */

static enum error record_add(struct read_group *g, struct bytes key, struct bytes value)
{
    const size_t lengths[2] = {key.len, value.len};
    if (!buf_reserve(&g->records, sizeof(lengths) + key.len + value.len))
        return ERR_NO_MEMORY;
    buf_add(&g->records, bytes_of(lengths, sizeof(lengths)));
    buf_add(&g->records, key);
    buf_add(&g->records, value);
    return OK;
}

static bool begins_with(struct bytes key, struct bytes prefix)
{
    return key.len >= prefix.len && memcmp(key.data, prefix.data, prefix.len) == 0;
}

static enum error read_prefix(struct read_group *g, struct lmdb_env_read *r, struct bytes prefix)
{
    struct bytes key;
    struct bytes value;
    bool found;
    enum error err = lmdb_env_read_seek(r, prefix, &key, &value, &found);
    while (!err && found && begins_with(key, prefix)) {
        err = record_add(g, key, value);
        if (!err)
            err = lmdb_env_read_next(r, &key, &value, &found);
    }
    return err;
}

static enum error read_device(struct read_group *g, struct lmdb_env_read *r, struct bytes id)
{
    static const enum record_kind kinds[] = {RECORD_DEVICE, RECORD_OBSERVATION, RECORD_FINAL, RECORD_DOWNLINK,
                                             RECORD_UPLINK};
    uint8_t memory[STORE_KEY_MAX];
    if (id.len == 0 || id.len > sizeof(memory) - 2 || memchr(id.data, 0, id.len))
        return OK; /* nobody's */
    memcpy(memory + 1, id.data, id.len);
    memory[1 + id.len] = 0;
    enum error err = OK;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !err; i++) {
        memory[0] = (uint8_t)kinds[i];
        err = read_prefix(g, r, bytes_of(memory, id.len + 2));
    }
    return err;
}

static enum error read_key(struct read_group *g, struct lmdb_env_read *r, struct bytes wanted)
{
    struct bytes key;
    struct bytes value;
    bool found;
    if (wanted.len == 0)
        return OK;
    const enum error err = lmdb_env_read_seek(r, wanted, &key, &value, &found);
    return !err && found && bytes_equal(key, wanted) ? record_add(g, key, value) : err;
}

/* The devices of one walk. The cursor is the last key that was looked at, and a NUL: the least that comes behind it. */
struct walk {
    struct read_group *group;
    struct lmdb_env_read *read;
    uint8_t id[STORE_KEY_MAX]; /* of the device that was not told yet */
    size_t id_len;
    uint64_t deadline_ms; /* its earliest */
    unsigned devices;
    unsigned records;
    bool pending; /* messages, not devices */
    bool full;
};

static enum error walk_tell(struct walk *w)
{
    uint8_t value[8];
    for (int i = 0; i < 8; i++)
        value[i] = (uint8_t)(w->deadline_ms >> (56 - 8 * i));
    const size_t id_len = w->id_len;
    w->id_len = 0;
    return id_len ? record_add(w->group, bytes_of(w->id, id_len), bytes_of(value, w->pending ? sizeof(value) : 0)) : OK;
}

static enum error walk_record(struct walk *w, struct bytes key, struct bytes value)
{
    const struct bytes id = record_key_id(key);
    const uint64_t deadline_ms = w->pending ? record_message_deadline(value) : 0;
    if (id.len == 0)
        return OK;
    if (w->id_len && bytes_equal(id, bytes_of(w->id, w->id_len))) {
        w->deadline_ms = w->deadline_ms < deadline_ms ? w->deadline_ms : deadline_ms;
        return OK;
    }
    const enum error err = walk_tell(w);
    memcpy(w->id, id.data, id.len);
    w->id_len = id.len;
    w->deadline_ms = deadline_ms;
    w->devices++;
    return err;
}

static enum error walk_kind(struct walk *w, struct bytes from, struct bytes kind)
{
    struct bytes key;
    struct bytes value;
    bool found;
    enum error err = lmdb_env_read_seek(w->read, from, &key, &value, &found);
    while (!err && found && begins_with(key, kind)) {
        err = walk_record(w, key, value);
        w->full = ++w->records == WALK_RECORDS_MAX || w->devices == WALK_DEVICES;
        if (err || w->full)
            break;
        err = lmdb_env_read_next(w->read, &key, &value, &found);
    }
    if (w->full && !err) {
        buf_add(&w->group->cursor, key);
        buf_add_u8(&w->group->cursor, 0);
        err = w->group->cursor.failed ? ERR_NO_MEMORY : OK;
    }
    return err;
}

static enum error read_walk(struct read_group *g, struct lmdb_env_read *r, const struct store_load *l)
{
    struct walk w = {.group = g, .read = r, .pending = l->what == STORE_READ_WALK_PENDING};
    struct bytes from = buf_bytes(l->cursor);
    enum error err = OK;
    for (const char *kind = w.pending ? "mu" : "d"; *kind && !err && !w.full; kind++) {
        struct bytes prefix = bytes_of(kind, 1);
        if (from.len && from.data[0] > prefix.data[0])
            continue; /* it was walked through */
        err = walk_kind(&w, from.len && from.data[0] == prefix.data[0] ? from : prefix, prefix);
    }
    return err ? err : walk_tell(&w);
}

static enum error read_one(struct read_group *g, struct lmdb_env_read *r, const struct store_load *l)
{
    switch ((enum store_read)l->what) {
    case STORE_READ_DEVICE:
        return read_device(g, r, l->key);
    case STORE_READ_GET:
        return read_key(g, r, l->key);
    case STORE_READ_WALK_PENDING:
    case STORE_READ_WALK_DEVICES:
        break;
    }
    return read_walk(g, r, l);
}

static void group_read(struct read_group *g)
{
    struct lmdb_env_read r;
    enum error begun = lmdb_env_read_begin(g->reads->env, &r);
    for (size_t i = 0; i < g->count; i++) {
        const size_t start = g->records.len;
        g->errors[i] = begun ? begun : read_one(g, &r, g->loads[i]);
        if (g->errors[i]) {
            g->records.len = start;
            g->records.failed = false;
        }
        g->ends[i] = g->records.len;
    }
    if (!begun)
        lmdb_env_read_end(&r);
}

static void on_work(uv_work_t *work)
{
    struct read_group *g = work->data;
    group_read(g);
    uv_mutex_lock(&g->reads->mutex);
    g->read = true;
    uv_cond_signal(&g->reads->read);
    uv_mutex_unlock(&g->reads->mutex);
}

/* --- the loop's thread ------------------------------------------------------------------------------- */

static void group_free(struct read_group *g)
{
    if (!g)
        return;
    buf_free(&g->records);
    buf_free(&g->cursor);
    free(g);
}

static void load_tell(struct read_group *g, size_t i, size_t at)
{
    struct store_load *l = g->loads[i];
    while (at < g->ends[i]) {
        size_t lengths[2];
        memcpy(lengths, g->records.data + at, sizeof(lengths));
        const uint8_t *key = g->records.data + at + sizeof(lengths);
        at += sizeof(lengths) + lengths[0] + lengths[1];
        l->record(l, bytes_of(key, lengths[0]), bytes_of(key + lengths[0], lengths[1]));
    }
    enum error err = g->errors[i];
    if (!err && l->cursor) {
        buf_reset(l->cursor);
        buf_add(l->cursor, buf_bytes(&g->cursor));
        err = l->cursor->failed ? ERR_NO_MEMORY : OK;
    }
    l->done(l, err);
}

static void group_tell(struct read_group *g)
{
    size_t start = 0;
    g->told = true;
    for (size_t i = 0; i < g->count; i++) {
        load_tell(g, i, start);
        start = g->ends[i];
    }
}

static void group_drop(struct read_group *g, enum error err)
{
    if (g->told)
        return;
    g->told = true;
    for (size_t i = 0; i < g->count; i++)
        g->loads[i]->done(g->loads[i], err);
}

static void group_unlink(struct lmdb_reads *r, const struct read_group *g)
{
    struct read_group **at = &r->groups;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    r->running--;
}

static void on_worked(uv_work_t *work, int status)
{
    struct read_group *g = work->data;
    struct lmdb_reads *r = g->reads;
    (void)status; /* cancelled only by the closing, which has told them */
    if (!g->told)
        group_tell(g);
    group_unlink(r, g);
    if (r->spare || r->closed) {
        group_free(g);
    } else {
        buf_free(&g->records);
        buf_free(&g->cursor);
        r->spare = g;
    }
    if (!r->closed)
        lmdb_reads_start(r);
    else if (r->running == 0)
        r->ended(r->ctx);
}

enum error lmdb_reads_init(struct lmdb_reads *r, uv_loop_t *loop, struct lmdb_env *env)
{
    *r = (struct lmdb_reads){.loop = loop, .env = env};
    r->end = &r->first;
    r->spare = calloc(1, sizeof(*r->spare));
    if (!r->spare)
        return ERR_NO_MEMORY;
    if (uv_mutex_init(&r->mutex) != 0) {
        free(r->spare);
        return ERR_SYSTEM;
    }
    if (uv_cond_init(&r->read) != 0) {
        uv_mutex_destroy(&r->mutex);
        free(r->spare);
        return ERR_SYSTEM;
    }
    return OK;
}

void lmdb_reads_add(struct lmdb_reads *r, struct store_load *l)
{
    *r->end = l;
    r->end = &l->next;
}

static struct store_load *load_take(struct lmdb_reads *r)
{
    struct store_load *l = r->first;
    if (l)
        r->first = l->next;
    if (!r->first)
        r->end = &r->first;
    return l;
}

/* Fills a group, and gives it to the pool. */
static void group_start(struct lmdb_reads *r, struct read_group *g)
{
    *g = (struct read_group){.reads = r, .next = r->groups};
    g->work.data = g;
    r->groups = g;
    r->running++;
    while (r->first && g->count < READS_PER_GROUP && !(r->first->cursor && g->count)) {
        g->loads[g->count++] = load_take(r);
        if (g->loads[g->count - 1]->cursor)
            break;
    }
    sigset_t all;
    sigset_t before;
    sigfillset(&all); /* the pool's threads begin with the first work: signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    (void)uv_queue_work(r->loop, &g->work, on_work, on_worked); /* fails without a function only */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void lmdb_reads_start(struct lmdb_reads *r)
{
    while (r->first && r->running < GROUPS_MAX) {
        struct read_group *g = r->spare ? r->spare : malloc(sizeof(*g));
        r->spare = NULL;
        if (!g)
            return; /* one is running: it goes on after that */
        group_start(r, g);
    }
}

static void wait_read(struct lmdb_reads *r, const struct read_group *g)
{
    uv_mutex_lock(&r->mutex);
    while (!g->read)
        uv_cond_wait(&r->read, &r->mutex);
    uv_mutex_unlock(&r->mutex);
}

void lmdb_reads_close(struct lmdb_reads *r, void (*ended)(void *), void *ctx)
{
    r->closed = true;
    r->ended = ended;
    r->ctx = ctx;
    for (struct read_group *g = r->groups; g; g = g->next) {
        if (uv_cancel((uv_req_t *)&g->work) != 0 && !g->told)
            wait_read(r, g);
        group_drop(g, ERR_DRAINING);
    }
    for (struct store_load *l; (l = load_take(r));)
        l->done(l, ERR_DRAINING);
    group_free(r->spare);
    r->spare = NULL;
    uv_cond_destroy(&r->read);
    uv_mutex_destroy(&r->mutex);
    if (r->running == 0)
        ended(ctx);
}
