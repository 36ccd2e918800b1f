/* The devices that nobody has asked for yet. */
#include <stdlib.h>

#include "scef-adapter/loading.h"
#include "scef-adapter/loading_internal.h"

#define UNDER_WAY_MAX 128
#define PAUSE_MS      10   /* between two walks over all devices: inputs come first */
#define AGAIN_MS      1000 /* after a failure of the store */

/* ---- what the walks have named ---- */

static bool pending_add(struct loading *l, struct bytes id, uint64_t deadline_ms)
{
    if (l->pending_count == l->pending_capacity) {
        const size_t capacity = l->pending_capacity ? l->pending_capacity * 2 : 512;
        struct loading_pending *pending = realloc(l->pending, capacity * sizeof(*pending));
        if (!pending)
            return false;
        l->pending = pending;
        l->pending_capacity = capacity;
    }
    const size_t at = l->ids.len;
    buf_add(&l->ids, id);
    if (l->ids.failed)
        return false;
    l->pending[l->pending_count++] = (struct loading_pending){deadline_ms, at, id.len};
    return true;
}

static void pending_clear(struct loading *l)
{
    buf_free(&l->ids);
    free(l->pending);
    l->pending = NULL;
    l->pending_count = l->pending_capacity = l->at = 0;
}

static int by_deadline(const void *a, const void *b)
{
    const uint64_t x = ((const struct loading_pending *)a)->deadline_ms;
    const uint64_t y = ((const struct loading_pending *)b)->deadline_ms;
    return (x > y) - (x < y);
}

/* ---- pauses ---- */

static void on_alarm(void *ctx)
{
    struct loading *l = ctx;
    l->pausing = false;
    loading_background_go_on(l);
}

static void background_pause(struct loading *l, uint64_t ms)
{
    l->pausing = true;
    loop_alarm_set(&l->alarm, ms);
}

/* ---- walks ---- */

static struct loading *of_walk(struct store_load *walk)
{
    return (struct loading *)(void *)((char *)walk - offsetof(struct loading, walk));
}

static void on_walk_record(struct store_load *walk, struct bytes key, struct bytes value)
{
    struct loading *l = of_walk(walk);
    struct reader r = {.rest = value};
    const uint64_t deadline_ms = value.len ? reader_be64(&r) : 0;
    l->named = true;
    if (!engine_knows_id(l->a->engine, key) && !pending_add(l, key, deadline_ms))
        l->failed = true;
}

static void on_walk_done(struct store_load *walk, enum error err)
{
    struct loading *l = of_walk(walk);
    l->walking = false;
    if (err) {
        l->failed = true;
        background_pause(l, AGAIN_MS);
        return;
    }
    l->walk_ended = l->cursor.len == 0;
    loading_background_go_on(l);
}

static void walk_next(struct loading *l)
{
    l->walking = true;
    store_walk(l->a->store, l->phase == LOADING_WALK_PENDING ? STORE_WALK_PENDING : STORE_WALK_DEVICES, &l->cursor,
               &l->walk);
    l->a->store_open = true; /* a store that answers when it is flushed */
}

/* ---- loads ---- */

static void named_load(struct loading *l)
{
    for (; l->at < l->pending_count && l->under_way < UNDER_WAY_MAX; l->at++) {
        const struct loading_pending *p = &l->pending[l->at];
        if (!loading_begin(l, bytes_of(l->ids.data + p->id, p->id_len)))
            l->failed = true;
    }
}

/* All that the walks of this phase have named is here; or some of it is not, and the phase begins anew. */
static void phase_end(struct loading *l)
{
    const bool again = l->failed;
    l->walk_ended = l->failed = false;
    if (again) {
        if (l->phase == LOADING_PENDING)
            l->phase = LOADING_WALK_PENDING;
        buf_reset(&l->cursor);
        background_pause(l, AGAIN_MS);
    } else if (l->phase == LOADING_PENDING) {
        l->phase = LOADING_DEVICES;
        loading_line_release(l, &l->deliveries, OK);
    } else {
        l->phase = LOADING_DONE;
    }
}

void loading_background_go_on(struct loading *l)
{
    const bool stops = l->a->closing || l->a->stop_at_ms;
    if (stops || l->walking || l->pausing || l->phase == LOADING_DONE)
        return;
    if (l->phase == LOADING_WALK_PENDING && l->walk_ended) {
        if (l->pending_count)
            qsort(l->pending, l->pending_count, sizeof(*l->pending), by_deadline);
        l->phase = LOADING_PENDING;
    }
    if (l->phase != LOADING_WALK_PENDING) {
        named_load(l);
        if (l->under_way)
            return; /* its end leads here again */
        pending_clear(l);
        if (l->walk_ended)
            phase_end(l);
        else if (l->named && !l->hurried)
            background_pause(l, PAUSE_MS);
        l->named = false;
        if (l->pausing || l->phase == LOADING_DONE)
            return;
    }
    walk_next(l);
}

void loading_background_loaded(struct loading *l, enum error err)
{
    l->under_way--;
    if (err) {
        l->failed = true;
        background_pause(l, AGAIN_MS);
    } else {
        loading_background_go_on(l);
    }
}

void loading_hurry(struct loading *l)
{
    l->hurried = true;
}

/* ---- life ---- */

enum error loading_background_start(struct loading *l)
{
    l->walk.record = on_walk_record;
    l->walk.done = on_walk_done;
    const enum error err = loop_alarm_init(l->a->loop, &l->alarm, on_alarm, l);
    if (!err)
        loading_background_go_on(l);
    return err;
}

void loading_background_end(struct loading *l)
{
    loop_alarm_close(&l->alarm);
    pending_clear(l);
    buf_free(&l->cursor);
}

bool loading_turn_end(struct loading *l)
{
    if (l->phase != LOADING_DONE || l->loads.count)
        return false;
    engine_loaded(l->a->engine);
    log_write(LOG_INFO, "loaded", LOG_I("devices", l->loaded), LOG_I("ms", adapter_now(l->a) - l->started_ms));
    return true;
}
