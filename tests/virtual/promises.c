/* The promises (docs/architecture.md), as seen from outside. */
#include "tests/virtual/world_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct told *told_of(struct world *w, uint64_t seq)
{
    if (seq >= w->told_cap) {
        uint64_t cap = w->told_cap ? w->told_cap : 4096;
        while (cap <= seq)
            cap *= 2;
        w->told = realloc(w->told, cap * sizeof(*w->told));
        if (!w->told)
            abort();
        memset(w->told + w->told_cap, 0, (cap - w->told_cap) * sizeof(*w->told));
        w->told_cap = cap;
    }
    if (seq > w->told_top)
        w->told_top = seq;
    return &w->told[seq];
}

static uint32_t ue_of(const struct world *w, struct bytes id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.data[i] >= '0' && id.data[i] <= '9')
            return (uint32_t)atoi((const char *)id.data + i) % w->o.ues;
    return 0;
}

static bool record_exists(struct world *w, enum record_kind kind, struct bytes id, uint64_t seq)
{
    struct buf key = {0};
    record_message_key(kind, id, seq, &key);
    bool has = store_model_has(w->store, buf_bytes(&key));
    buf_free(&key);
    return has;
}

void promises_event(struct world *w, const struct engine_event *e)
{
    if (e->kind != ENGINE_ACCEPTED && e->kind != ENGINE_FINAL)
        return;
    struct told *t = told_of(w, e->seq);
    if (e->kind == ENGINE_ACCEPTED) {
        if (t->accepted)
            world_break(w, "message %llu was accepted twice", (unsigned long long)e->seq);
        if (!record_exists(w, RECORD_DOWNLINK, e->device_id, e->seq))
            world_break(w, "promise 1: message %llu was accepted before it was stored", (unsigned long long)e->seq);
        t->accepted = true;
        t->accepted_ms = w->now_ms;
        t->accepted_epoch = w->epoch;
        t->ue = ue_of(w, e->device_id);
        if (e->message.len >= 8 && e->message.data[1] >> 5 == 0) {
            const uint8_t *k = e->message.data + 4;
            t->op = (uint32_t)k[0] << 24 | (uint32_t)k[1] << 16 | (uint32_t)k[2] << 8 | k[3];
        }
        return;
    }
    w->r.finals[e->final]++;
    if (t->final && t->epoch == w->epoch)
        world_break(w, "promise 2: message %llu ended twice: %s, then %s", (unsigned long long)e->seq,
                    final_state_name((enum final_state)t->final), final_state_name(e->final));
    /* Told before a crash and again after it: only when the crash came before the store had let go of it. */
    if (t->final && t->final_durable)
        world_break(w, "promise 2: message %llu ended again after a restart", (unsigned long long)e->seq);
    t->final = (uint8_t)e->final;
    t->epoch = w->epoch;
    struct server_op *op = server_model_op(w->server, t->op);
    if (op)
        op->final = (int)e->final;
}

void promises_crash(struct world *w)
{
    for (uint64_t seq = 1; seq <= w->told_top; seq++) {
        struct told *t = &w->told[seq];
        const struct bytes id = bytes_of_str(w->ues[t->ue].id);
        if (!t->accepted || !t->final || t->final_durable)
            continue;
        t->final_durable = !record_exists(w, RECORD_DOWNLINK, id, seq);
        if (!t->final_durable && record_exists(w, RECORD_FINAL, id, seq))
            world_break(w, "message %llu has ended, and is still there after a crash", (unsigned long long)seq);
    }
}

/* A newer request may stand where an older one stood, where the latest wins; but never before one that does
 * something. */
static bool keeps_its_place(const struct world *w, uint32_t ue, const struct engine_message_info *m)
{
    return !deliveries_latest_wins(w, ue) || m->message.data[1] == COAP_POST;
}

/* Requests of one priority stand in the order in which they were accepted, those of greater priority before them. */
struct order {
    uint64_t last_request[QUEUE_PRIORITY_MAX + 1], last_fixed[QUEUE_PRIORITY_MAX + 1];
    uint8_t priority;
};

static void check_order(struct world *w, uint32_t ue, struct order *o, const struct engine_message_info *m)
{
    const bool queued = strcmp(m->state, "queued") == 0 || strcmp(m->state, "storing") == 0;
    const bool fixed = keeps_its_place(w, ue, m);
    uint64_t *last_request = &o->last_request[m->priority], *last_fixed = &o->last_fixed[m->priority];
    if (m->priority > o->priority)
        world_break(w, "promise 4: %s: message %llu of priority %u stands behind %u", w->ues[ue].id,
                    (unsigned long long)m->seq, m->priority, o->priority);
    if (m->seq < (fixed ? *last_request : *last_fixed))
        world_break(w, "promise 4: %s: message %llu stands behind %llu", w->ues[ue].id, (unsigned long long)m->seq,
                    (unsigned long long)*last_request);
    /* What was answered before a crash, and its server had not confirmed, is in line again; what was submitted behind
     * it may still lie with the SCEF. */
    const bool before_a_crash = *last_request && told_of(w, *last_request)->accepted_epoch != w->epoch &&
                                told_of(w, m->seq)->accepted_epoch != w->epoch;
    if (!queued && *last_request && !before_a_crash)
        world_break(w, "promise 4: %s: message %llu overtook %llu", w->ues[ue].id, (unsigned long long)m->seq,
                    (unsigned long long)*last_request);
    if (queued && m->seq > *last_request)
        *last_request = m->seq;
    if (queued && fixed)
        *last_fixed = m->seq;
    o->priority = m->priority;
}

/* What is kept says what was told last. */
static void check_finals(struct world *w, uint32_t ue)
{
    uint32_t cursor = 0, n = 0;
    for (struct engine_final_info f; engine_final_next(w->engine, bytes_of_str(w->ues[ue].id), &cursor, &f); n++) {
        const struct told *t = told_of(w, f.seq);
        if (t->final != f.final)
            world_break(w, "message %llu is kept as %s and was told as %s", (unsigned long long)f.seq,
                        final_state_name(f.final), final_state_name((enum final_state)t->final));
    }
    if (n > 8)
        world_break(w, "promise 9: %s has %u final states", w->ues[ue].id, n);
}

void promises_device(struct world *w, uint32_t ue)
{
    struct engine_message_info m;
    struct engine_device_info d;
    struct bytes id = bytes_of_str(w->ues[ue].id);
    struct order order = {.priority = QUEUE_PRIORITY_MAX};
    uint64_t seq = 0;
    unsigned in_flight = 0;
    if (!engine_device_find(w->engine, id, &d))
        return;
    if (d.queue_messages > 96 || d.queue_bytes > 70000)
        world_break(w, "promise 9: %s has %u messages queued", w->ues[ue].id, d.queue_messages);
    while (d.queue_messages && engine_message_next(w->engine, id, &seq, &m)) {
        if (strcmp(m.class_, "request") != 0 || strcmp(m.state, "acknowledged") == 0 ||
            strcmp(m.state, "answering") == 0)
            continue;
        in_flight += strcmp(m.state, "queued") != 0 && strcmp(m.state, "storing") != 0;
        check_order(w, ue, &order, &m);
        if (m.deadline_ms < w->now_ms)
            world_break(w, "promise 6: %s: message %llu outlived its lifetime", w->ues[ue].id,
                        (unsigned long long)m.seq);
    }
    if (in_flight > 1)
        world_break(w, "promise 3: %s has %u requests in flight", w->ues[ue].id, in_flight);
    if (w->o.priorities)
        check_finals(w, ue);
}

/* The devices never stop talking: what they said last may still be under way. */
#define UNDER_WAY_MS 600000

static void no_old_record(void *ctx, struct bytes key, struct bytes value)
{
    struct world *w = ctx;
    struct record_message m;
    if (record_message_decode(key, value, &m) == OK && w->now_ms - m.accepted_ms > UNDER_WAY_MS)
        world_break(w, "a record of kind %c, accepted at %llu, is left in the store", key.data[0],
                    (unsigned long long)(m.accepted_ms - T0_MS));
}

void promises_end(struct world *w)
{
    for (uint64_t seq = 1; seq <= w->told_top; seq++)
        if (w->told[seq].accepted && !w->told[seq].final && w->now_ms - w->told[seq].accepted_ms > UNDER_WAY_MS)
            world_break(w, "promise 2: message %llu of %s never ended", (unsigned long long)seq,
                        w->ues[w->told[seq].ue].id);
    for (uint32_t n = 1; n <= server_model_op_count(w->server); n++) {
        const struct server_op *op = server_model_op(w->server, n);
        w->r.ops++;
        w->r.ops_acknowledged += op->acknowledged;
        w->r.ops_answered += op->answer != 0;
        w->r.nas_needed += op->answer ? 2 : 0;
        if (op->executed > 1)
            world_break(w, "promise 3: request %u was executed %u times by %s", n, op->executed, w->ues[op->leg].id);
        if (op->acknowledged && op->final == 0)
            world_break(w, "promise 1: request %u to %s was acknowledged and lost", n, w->ues[op->leg].id);
        if (op->acknowledged && !op->answer && op->final == FINAL_ANSWERED && !op->gave_up)
            world_break(w, "request %u to %s is said to be answered, and the server has no answer", n,
                        w->ues[op->leg].id);
        if (op->answer >> 5 == 2 && op->kind == OP_EXECUTE && op->executed == 0)
            world_break(w, "request %u to %s was answered and never executed", n, w->ues[op->leg].id);
    }
    for (uint32_t i = 0; i < w->o.ues; i++) {
        w->r.executions += lwm2m_device_executions(w->ues[i].device);
        w->r.repeats_at_devices += lwm2m_device_repeats(w->ues[i].device);
    }
    store_model_scan(w->store, RECORD_DOWNLINK, w, no_old_record);
    store_model_scan(w->store, RECORD_UPLINK, w, no_old_record);
    struct engine_group_info g;
    if (w->o.group && (!engine_group_info_get(w->engine, 0, &g) || g.learned != w->o.ues / 2))
        world_break(w, "half of the devices should have been learned");
}
