/* A table indexed by the low bits of the number: of consecutive numbers it holds the latest without any searching. It
 * begins small and doubles when it would lose something that still counts. */
#include "t8/websocket_inbox.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 16

static bool counts(const struct websocket_memory *m, uint64_t now_ms)
{
    return m->used && (!m->answered || now_ms < m->until_ms);
}

static void forget(struct websocket_memory *m)
{
    free(m->content_type);
    buf_free(&m->body);
    *m = (struct websocket_memory){.used = false};
}

static struct websocket_memory *slot_of(struct websocket_inbox *in, uint32_t number)
{
    return in->count ? &in->slots[number & (in->count - 1)] : NULL;
}

static bool grow(struct websocket_inbox *in)
{
    size_t count = in->count ? in->count * 2 : FIRST_SLOTS;
    struct websocket_memory *slots = count <= WEBSOCKET_INBOX_MAX ? calloc(count, sizeof *slots) : NULL;
    if (!slots)
        return false;
    for (size_t i = 0; i < in->count; i++) /* two that were apart stay apart */
        if (in->slots[i].used)
            slots[in->slots[i].number & (count - 1)] = in->slots[i];
    free(in->slots);
    in->slots = slots;
    in->count = count;
    return true;
}

enum websocket_novelty websocket_inbox_take(struct websocket_inbox *in, uint32_t number, struct bytes message,
                                            uint64_t now_ms, const struct websocket_memory **answer)
{
    uint32_t crc = crc32c(0, message);
    struct websocket_memory *m = slot_of(in, number);
    *answer = NULL;
    if (m && counts(m, now_ms) && m->number == number && m->crc == crc && m->len == message.len) {
        *answer = m->answered ? m : NULL;
        return m->answered ? WEBSOCKET_ANSWERED : WEBSOCKET_UNDER_WAY;
    }
    while (!m || (counts(m, now_ms) && m->number != number)) {
        if (!grow(in))
            break;
        m = slot_of(in, number);
    }
    if (m) {
        forget(m);
        *m = (struct websocket_memory){.used = true, .number = number, .crc = crc, .len = message.len};
    }
    return WEBSOCKET_NEW;
}

void websocket_inbox_answer(struct websocket_inbox *in, uint32_t number, uint32_t crc, uint64_t now_ms, int status,
                            const char *content_type, struct bytes body)
{
    struct websocket_memory *m = slot_of(in, number);
    if (!m || !m->used || m->answered || m->number != number || m->crc != crc)
        return;
    m->answered = true;
    m->until_ms = now_ms + in->interval_ms;
    m->status = status;
    if (body.len == 0 || body.len > WEBSOCKET_KEPT_BODY_MAX)
        return;
    m->content_type = content_type ? strdup(content_type) : NULL;
    buf_add(&m->body, body);
    if (m->body.failed)
        buf_free(&m->body);
}

void websocket_inbox_forget(struct websocket_inbox *in, uint32_t number)
{
    struct websocket_memory *m = slot_of(in, number);
    if (m && m->number == number)
        forget(m);
}

void websocket_inbox_free(struct websocket_inbox *in)
{
    for (size_t i = 0; i < in->count; i++)
        forget(&in->slots[i]);
    free(in->slots);
    in->slots = NULL;
    in->count = 0;
}
