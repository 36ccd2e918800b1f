#include "buffering/batch.h"

#include <stdlib.h>
#include <string.h>

#include "buffering/store.h"

#define SPARES_MAX      8
#define SPARE_BYTES_MAX (1u << 20) /* a buffer that a burst made larger is given back */

struct op_header {
    uint32_t value_len;
    uint16_t key_len;
    bool is_put;
};

void batch_list_push(struct batch_list *list, struct batch *b)
{
    b->next = NULL;
    if (list->last)
        list->last->next = b;
    else
        list->first = b;
    list->last = b;
}

struct batch *batch_list_pop(struct batch_list *list)
{
    struct batch *b = list->first;
    if (!b)
        return NULL;
    list->first = b->next;
    if (!list->first)
        list->last = NULL;
    b->next = NULL;
    return b;
}

static void batch_free(struct batch *b)
{
    if (!b)
        return;
    buf_free(&b->ops);
    free(b);
}

static struct batch *spare_take(struct batches *p)
{
    struct batch *b = p->spare;
    if (!b)
        return calloc(1, sizeof(*b));
    p->spare = b->next;
    p->spares--;
    b->next = NULL;
    return b;
}

enum error batches_init(struct batches *p)
{
    *p = (struct batches){.open = spare_take(p)};
    struct batch *second = spare_take(p); /* so that the first can always be closed */
    if (!p->open || !second) {
        free(second);
        batches_free(p);
        return ERR_NO_MEMORY;
    }
    p->open->ticket = 1;
    batches_recycle(p, second);
    return OK;
}

void batches_free(struct batches *p)
{
    batch_free(p->open);
    while (p->spare) {
        struct batch *b = p->spare;
        p->spare = b->next;
        batch_free(b);
    }
    *p = (struct batches){0};
}

static void fail(struct batch *b, enum error err)
{
    if (!b->failed)
        b->err = err;
    b->failed = true;
}

static uint64_t add(struct batches *p, struct bytes key, struct bytes value, bool is_put)
{
    struct batch *b = p->open;
    if (b->failed)
        return b->ticket;
    if (key.len == 0 || key.len > STORE_KEY_MAX || value.len > STORE_VALUE_MAX) {
        fail(b, ERR_STORE);
        return b->ticket;
    }
    const struct op_header header = {.value_len = (uint32_t)value.len, .key_len = (uint16_t)key.len, .is_put = is_put};
    if (!buf_reserve(&b->ops, sizeof(header) + key.len + value.len)) {
        fail(b, ERR_NO_MEMORY);
        return b->ticket;
    }
    buf_add(&b->ops, bytes_of(&header, sizeof(header)));
    buf_add(&b->ops, key);
    buf_add(&b->ops, value);
    p->bytes += sizeof(header) + key.len + value.len;
    b->has_put |= is_put;
    return b->ticket;
}

uint64_t batches_put(struct batches *p, struct bytes key, struct bytes value)
{
    return add(p, key, value, true);
}

uint64_t batches_delete(struct batches *p, struct bytes key)
{
    return add(p, key, (struct bytes){0}, false);
}

bool batches_pending(const struct batches *p)
{
    return p->open->ops.len > 0 || p->open->failed;
}

struct batch *batches_close(struct batches *p)
{
    if (!batches_pending(p))
        return NULL;
    struct batch *next = spare_take(p);
    if (!next)
        return NULL;
    struct batch *closed = p->open;
    next->ticket = closed->ticket + 1;
    p->open = next;
    return closed;
}

void batches_recycle(struct batches *p, struct batch *b)
{
    p->bytes -= b->ops.len;
    if (p->spares >= SPARES_MAX) {
        batch_free(b);
        return;
    }
    struct buf ops = b->ops;
    if (ops.failed || ops.cap > SPARE_BYTES_MAX)
        buf_free(&ops);
    buf_reset(&ops);
    *b = (struct batch){.ops = ops, .next = p->spare};
    p->spare = b;
    p->spares++;
}

bool batch_next(const struct batch *b, size_t *cursor, struct batch_op *op)
{
    if (*cursor >= b->ops.len)
        return false;
    struct op_header header;
    const uint8_t *at = b->ops.data + *cursor;
    memcpy(&header, at, sizeof(header));
    op->key = bytes_of(at + sizeof(header), header.key_len);
    op->value = bytes_of(op->key.data + header.key_len, header.value_len);
    op->is_put = header.is_put;
    *cursor += sizeof(header) + header.key_len + header.value_len;
    return true;
}
