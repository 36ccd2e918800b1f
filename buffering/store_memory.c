/* Nodes in a hash map; a scan collects those with its prefix and sorts them. A batch takes effect as a whole: what an
 * operation displaced is kept in a journal until the last one has succeeded. */
#include "buffering/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "buffering/batch.h"
#include "buffering/record.h"

#define WALK_DEVICES     256
#define CLOSE_ROUNDS_MAX 16 /* the sink may put again when it is told, but not for ever */

struct node {
    struct bytes key; /* behind the node itself */
    uint8_t *value;   /* NULL: deleted by the batch under way */
    size_t value_len;
};

struct undo {
    struct node *node;
    uint8_t *value; /* what it had before; NULL: nothing */
    size_t value_len;
};

struct store_memory {
    struct store base;
    struct map nodes;
    struct batches batches;
    struct store_load *reads; /* oldest first */
    struct store_load **reads_end;
    bool flushing;
    bool flush_again;
};

static struct store_memory *of(struct store *s)
{
    return (struct store_memory *)(void *)s;
}

static struct bytes node_key(const void *value)
{
    return ((const struct node *)value)->key;
}

static void node_free(struct node *n)
{
    free(n->value);
    free(n);
}

/* --- one batch --------------------------------------------------------------------------------------- */

static struct node *node_get_or_add(struct store_memory *m, struct bytes key)
{
    struct node *n = map_get(&m->nodes, key);
    if (n)
        return n;
    n = malloc(sizeof(*n) + key.len);
    if (!n)
        return NULL;
    memcpy(n + 1, key.data, key.len);
    *n = (struct node){.key = bytes_of(n + 1, key.len)};
    if (map_put(&m->nodes, n) != OK) {
        free(n);
        return NULL;
    }
    return n;
}

static void node_drop_if_deleted(struct store_memory *m, struct bytes key)
{
    const struct node *n = map_get(&m->nodes, key);
    if (n && !n->value)
        node_free(map_remove(&m->nodes, key));
}

/* Does one operation; what it displaced is in *undo, whose node is NULL when there was nothing to do. */
static enum error op_apply(struct store_memory *m, const struct batch_op *op, struct undo *undo)
{
    struct node *n = op->is_put ? node_get_or_add(m, op->key) : map_get(&m->nodes, op->key);
    uint8_t *value = op->is_put ? bytes_dup(op->value) : NULL;
    if (op->is_put && (!n || !value)) {
        free(value);
        return ERR_NO_MEMORY;
    }
    *undo = (struct undo){.node = n};
    if (!n)
        return OK;
    undo->value = n->value;
    undo->value_len = n->value_len;
    n->value = value;
    n->value_len = op->value.len;
    return OK;
}

static enum error batch_apply(struct store_memory *m, const struct batch *b)
{
    struct batch_op op;
    size_t count = 0;
    size_t done = 0;
    for (size_t at = 0; batch_next(b, &at, &op);)
        count++;
    struct undo *journal = calloc(count + 1, sizeof(*journal));
    if (!journal)
        return ERR_NO_MEMORY;
    enum error err = OK;
    for (size_t at = 0; err == OK && batch_next(b, &at, &op);) {
        err = op_apply(m, &op, &journal[done]);
        done += err == OK;
    }
    while (done-- > 0) {
        const struct undo *u = &journal[done];
        if (err != OK && u->node) {
            free(u->node->value);
            u->node->value = u->value;
            u->node->value_len = u->value_len;
        } else {
            free(u->value);
        }
    }
    for (size_t at = 0; batch_next(b, &at, &op);)
        node_drop_if_deleted(m, op.key);
    free(journal);
    return err;
}

/* --- the store --------------------------------------------------------------------------------------- */

static uint64_t memory_put(struct store *s, struct bytes key, struct bytes value)
{
    return batches_put(&of(s)->batches, key, value);
}

static uint64_t memory_delete(struct store *s, struct bytes key)
{
    return batches_delete(&of(s)->batches, key);
}

static int node_compare(const void *a, const void *b)
{
    const struct bytes x = (*(const struct node *const *)a)->key;
    const struct bytes y = (*(const struct node *const *)b)->key;
    const int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

/* fn must not change the nodes. */
static enum error each(struct store_memory *m, struct bytes prefix, void *ctx,
                       enum error (*fn)(void *, struct bytes, struct bytes))
{
    struct node **found = calloc(m->nodes.count + 1, sizeof(struct node *));
    if (!found)
        return ERR_NO_MEMORY;
    size_t count = 0;
    size_t cursor = 0;
    for (struct node *n; (n = map_next(&m->nodes, &cursor));) {
        if (n->key.len >= prefix.len && bytes_equal(bytes_of(n->key.data, prefix.len), prefix))
            found[count++] = n;
    }
    qsort(found, count, sizeof(struct node *), node_compare);
    enum error err = OK;
    for (size_t i = 0; err == OK && i < count; i++)
        err = fn(ctx, found[i]->key, bytes_of(found[i]->value, found[i]->value_len));
    free(found);
    return err;
}

/* --- reads: all that were asked for before the flush ------------------------------------------------- */

static enum error tell_record(void *ctx, struct bytes key, struct bytes value)
{
    struct store_load *l = ctx;
    l->record(l, key, value);
    return OK;
}

static enum error read_device(struct store_memory *m, struct store_load *l)
{
    static const enum record_kind kinds[] = {RECORD_DEVICE, RECORD_OBSERVATION, RECORD_FINAL, RECORD_DOWNLINK,
                                             RECORD_UPLINK};
    enum error err = OK;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !err; i++) {
        struct buf prefix = {0};
        record_key_prefix(kinds[i], l->key, &prefix);
        if (!prefix.failed)
            err = each(m, buf_bytes(&prefix), l, tell_record);
        buf_free(&prefix);
    }
    return err;
}

struct walk {
    struct store_load *l;
    struct buf last; /* the key behind which the next walk goes on */
    uint64_t deadline_ms;
    unsigned devices;
    bool pending; /* of the device of `last` nothing was told yet */
    bool more;
};

static void walk_tell(struct walk *w)
{
    uint8_t value[8];
    for (int i = 0; i < 8; i++)
        value[i] = (uint8_t)(w->deadline_ms >> (56 - 8 * i));
    if (w->pending)
        w->l->record(w->l, record_key_id(buf_bytes(&w->last)),
                     bytes_of(value, w->l->what == STORE_READ_WALK_PENDING ? sizeof(value) : 0));
    w->pending = false;
}

static bool is_behind(struct bytes key, struct bytes last)
{
    const int order = memcmp(key.data, last.data, key.len < last.len ? key.len : last.len);
    return order > 0 || (order == 0 && key.len > last.len);
}

static enum error walk_one(void *ctx, struct bytes key, struct bytes value)
{
    struct walk *w = ctx;
    struct bytes from = buf_bytes(w->last.len ? &w->last : w->l->cursor);
    struct bytes id = record_key_id(key);
    const uint64_t deadline_ms = record_message_deadline(value);
    if ((from.len && !is_behind(key, from)) || !id.len || w->more)
        return OK;
    const bool same = w->pending && bytes_equal(id, record_key_id(buf_bytes(&w->last)));
    if (!same) {
        walk_tell(w);
        w->more = w->devices == WALK_DEVICES;
        if (w->more)
            return OK;
        w->devices++;
    }
    w->deadline_ms = same && w->deadline_ms < deadline_ms ? w->deadline_ms : deadline_ms;
    w->pending = true;
    buf_reset(&w->last);
    buf_add(&w->last, key);
    return w->last.failed ? ERR_NO_MEMORY : OK;
}

static enum error read_walk(struct store_memory *m, struct store_load *l)
{
    static const char kinds[][3] = {[STORE_READ_WALK_PENDING] = "mu", [STORE_READ_WALK_DEVICES] = "d"};
    struct walk w = {.l = l};
    enum error err = OK;
    for (const char *kind = kinds[l->what]; *kind && !err; kind++)
        err = each(m, bytes_of(kind, 1), &w, walk_one);
    if (!err)
        walk_tell(&w);
    if (!err) {
        buf_reset(l->cursor);
        buf_add(l->cursor, w.more ? buf_bytes(&w.last) : (struct bytes){0});
        err = l->cursor->failed ? ERR_NO_MEMORY : OK;
    }
    buf_free(&w.last);
    return err;
}

static enum error read_one(struct store_memory *m, struct store_load *l)
{
    if (l->what == STORE_READ_DEVICE)
        return read_device(m, l);
    if (l->what != STORE_READ_GET)
        return read_walk(m, l);
    const struct node *n = map_get(&m->nodes, l->key);
    if (n)
        l->record(l, n->key, bytes_of(n->value, n->value_len));
    return OK;
}

static struct store_load *reads_take(struct store_memory *m)
{
    struct store_load *first = m->reads;
    m->reads = NULL;
    m->reads_end = &m->reads;
    return first;
}

static void reads_serve(struct store_memory *m)
{
    for (struct store_load *l = reads_take(m), *next; l; l = next) {
        next = l->next;
        l->done(l, read_one(m, l));
    }
}

static void memory_read(struct store *s, struct store_load *l)
{
    struct store_memory *m = of(s);
    *m->reads_end = l;
    m->reads_end = &l->next;
}

/* The sink may put and flush again: that is done here afterwards, not inside its call, so that what it is told stays in
 * order and the stack does not grow. */
static void batches_apply(struct store_memory *m)
{
    struct store *s = &m->base;
    while (m->flush_again) {
        m->flush_again = false;
        struct batch *b = batches_close(&m->batches);
        if (!b)
            break;
        const enum error err = b->failed ? b->err : batch_apply(m, b);
        const uint64_t ticket = b->ticket;
        batches_recycle(&m->batches, b);
        s->sink.committed(s->sink.ctx, ticket, err);
    }
}

static void memory_flush(struct store *s)
{
    struct store_memory *m = of(s);
    m->flush_again = true;
    if (m->flushing)
        return;
    m->flushing = true;
    batches_apply(m);
    reads_serve(m);
    batches_apply(m); /* what they have flushed */
    m->flushing = false;
}

static enum error memory_scan(struct store *s, struct bytes prefix, void *ctx,
                              enum error (*fn)(void *, struct bytes, struct bytes))
{
    struct store_memory *m = of(s);
    const bool flushing = m->flushing; /* fn may flush: not under our feet */
    m->flushing = true;
    const enum error err = each(m, prefix, ctx, fn);
    m->flushing = flushing;
    if (!flushing && m->flush_again)
        memory_flush(s);
    return err;
}

static size_t memory_backlog_bytes(const struct store *s)
{
    return ((const struct store_memory *)(const void *)s)->batches.bytes;
}

static void memory_close(struct store *s)
{
    struct store_memory *m = of(s);
    for (int round = 0; batches_pending(&m->batches) && round < CLOSE_ROUNDS_MAX; round++)
        memory_flush(s);
    while (m->reads) {
        for (struct store_load *l = reads_take(m), *next; l; l = next) {
            next = l->next;
            l->done(l, ERR_DRAINING);
        }
    }
    size_t cursor = 0;
    for (struct node *n; (n = map_next(&m->nodes, &cursor));)
        node_free(n);
    map_free(&m->nodes);
    batches_free(&m->batches);
    free(m);
}

enum error store_memory_open(struct store_sink sink, struct store **out)
{
    static const struct store_ops ops = {
        .put = memory_put,
        .delete = memory_delete,
        .flush = memory_flush,
        .scan = memory_scan,
        .read = memory_read,
        .backlog_bytes = memory_backlog_bytes,
        .close = memory_close,
    };
    struct store_memory *m = calloc(1, sizeof(*m));
    *out = NULL;
    if (!m || batches_init(&m->batches) != OK) {
        free(m);
        return ERR_NO_MEMORY;
    }
    m->base = (struct store){.ops = &ops, .sink = sink};
    m->reads_end = &m->reads;
    map_init(&m->nodes, node_key, 0); /* nobody from outside chooses keys where only memory is asked for */
    *out = &m->base;
    return OK;
}
