/* The shell around the engine in virtual time: HTTP, UDP and the store with their delays, losses and crashes. */
#include "tests/virtual/world_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world *world_of(void *ctx)
{
    return ctx;
}

static enum error port_server_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                                   struct bytes rest)
{
    struct world *w = world_of(ctx);
    (void)server;
    w->handed_on = true;
    if (leg >= w->o.ues || w->ue_of_leg[leg] == UINT32_MAX) {
        world_break(w, "address %u is no device's", leg);
        return OK;
    }
    for (int copies = world_chance(w, w->o.duplication) ? 2 : 1; copies > 0; copies--) {
        if (world_chance(w, w->o.udp_loss))
            continue;
        uint8_t *data = malloc(COAP_HEADER_BYTES + rest.len);
        if (!data)
            abort();
        memcpy(data, header, COAP_HEADER_BYTES);
        if (rest.len)
            memcpy(data + COAP_HEADER_BYTES, rest.data, rest.len);
        events_push(&w->events, (struct event){.at_ms = w->now_ms + world_between(w, 1, 40),
                                               .kind = EV_TO_SERVER,
                                               .who = w->ue_of_leg[leg],
                                               .data = data,
                                               .len = COAP_HEADER_BYTES + rest.len});
    }
    return OK;
}

static void port_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    struct world *w = world_of(ctx);
    struct event ev = {.at_ms = w->now_ms + world_between(w, 2, 60),
                       .kind = EV_SUBMIT,
                       .epoch = w->epoch,
                       .ref = ref,
                       .detail = (int)s->maximum_latency_s,
                       .data = bytes_dup(s->data),
                       .len = s->data.len,
                       .text = NULL};
    struct buf text = {0};
    buf_add(&text, s->configuration_link);
    buf_add_str(&text, " ");
    buf_add(&text, s->id.external_id);
    ev.text = bytes_dup_str(buf_bytes(&text));
    buf_free(&text);
    events_push(&w->events, ev);
}

static void configuration(struct world *w, uint64_t ref, bool create, struct bytes text)
{
    events_push(&w->events, (struct event){.at_ms = w->now_ms + world_between(w, 2, 60),
                                           .kind = EV_CONFIGURATION,
                                           .epoch = w->epoch,
                                           .ref = ref,
                                           .detail = create,
                                           .text = bytes_dup_str(text)});
}

static void port_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)scef; /* '*': a group */
    if (id.external_group_id.len > 0)
        configuration(world_of(ctx), ref, true, BYTES_LIT("*" GROUP_ID));
    else
        configuration(world_of(ctx), ref, true, id.external_id);
}

static void port_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)scef;
    configuration(world_of(ctx), ref, false, link);
}

static enum error port_device_added(void *ctx, uint32_t leg)
{
    return leg < world_of(ctx)->o.ues ? OK : ERR_QUEUE_FULL;
}

/* A device has an address, one of its own, and for ever. */
static void address_known(struct world *w, uint32_t ue)
{
    struct engine_device_info d;
    if (!engine_device_find(w->engine, bytes_of_str(w->ues[ue].id), &d)) {
        if (w->leg_of_ue[ue] != UINT32_MAX)
            world_break(w, "%s is forgotten", w->ues[ue].id);
        return;
    }
    bool kept = w->leg_of_ue[ue] == UINT32_MAX || w->leg_of_ue[ue] == d.leg;
    if (d.leg >= w->o.ues || !kept || (w->ue_of_leg[d.leg] != UINT32_MAX && w->ue_of_leg[d.leg] != ue)) {
        world_break(w, "%s has not kept its address", w->ues[ue].id);
        return;
    }
    w->leg_of_ue[ue] = d.leg;
    w->ue_of_leg[d.leg] = ue;
}

static uint64_t port_put(void *ctx, struct bytes key, struct bytes value)
{
    return store_model_put(world_of(ctx)->store, key, value);
}

static uint64_t port_delete(void *ctx, struct bytes key)
{
    return store_model_delete(world_of(ctx)->store, key);
}

static void notification_answer(struct world *w, uint64_t ref, int status)
{
    if (world_chance(w, w->o.http_loss))
        status = 0; /* it was handled, and the SCEF never hears so */
    events_push(&w->events, (struct event){.at_ms = w->now_ms + world_between(w, 2, 60),
                                           .kind = EV_NOTIFY_RESULT,
                                           .ref = ref,
                                           .status = status});
}

static void port_uplink_answer(void *ctx, uint64_t ref, enum error err)
{
    notification_answer(world_of(ctx), ref, error_http_status(err));
}

static void port_event(void *ctx, const struct engine_event *e)
{
    static const char *const names[] = {
        [ENGINE_UPLINK] = "uplink",
        [ENGINE_TO_SERVER] = "to_server",
        [ENGINE_FROM_SERVER] = "from_server",
        [ENGINE_SUBMIT] = "submit",
        [ENGINE_SUBMIT_RESULT] = "submit_result",
        [ENGINE_DELIVERY_STATUS] = "delivery_status",
        [ENGINE_ACCEPTED] = "accepted",
        [ENGINE_FINAL] = "final",
        [ENGINE_DROPPED] = "dropped",
        [ENGINE_DUPLICATE] = "duplicate",
        [ENGINE_SPOOLED] = "spooled",
        [ENGINE_SERVER_STATE] = "server_state",
        [ENGINE_LEARNED] = "learned",
        [ENGINE_CONFIGURATION] = "configuration",
        [ENGINE_REACHABLE] = "reachable",
        [ENGINE_AUDIT] = "audit",
    };
    struct world *w = world_of(ctx);
    if (e->kind == ENGINE_DUPLICATE || e->kind == ENGINE_DROPPED)
        w->handed_on = true; /* known already, or nobody's: there is nothing to hand on */
    if (e->kind == ENGINE_LEARNED)
        for (uint32_t ue = 0; ue < w->o.ues; ue++)
            if (bytes_equal(bytes_of_str(w->ues[ue].id), e->device_id))
                address_known(w, ue);
    promises_event(w, e);
    if (w->o.follow && bytes_equal(e->device_id, bytes_of_str(w->o.follow))) {
        char what[160];
        snprintf(what, sizeof(what), "%s seq=%llu status=%d cause=%s %s%s", names[e->kind], (unsigned long long)e->seq,
                 e->http_status, t8_cause_name(e->cause), e->kind == ENGINE_FINAL ? final_state_name(e->final) : "",
                 e->reason);
        world_story(w, "adapter", what, e->message);
    }
}

struct restore {
    struct world *world;
    struct bytes id; /* of this device only; empty: of all */
};

static void restore_one(void *ctx, struct bytes key, struct bytes value)
{
    struct restore *r = ctx;
    struct world *w = r->world;
    const enum record_kind kind = (enum record_kind)key.data[0];
    struct record_configuration c;
    struct record_device d;
    struct record_message m;
    struct record_final f;
    enum error err;
    uint64_t count = 0;
    if (r->id.len && !bytes_equal(record_key_id(key), r->id))
        return;
    if (kind == RECORD_SEQUENCE) {
        err = record_sequence_decode(key, value, &count);
        engine_restore_sequence(w->engine, count);
    } else if (kind == RECORD_LEGS) {
        err = record_count_decode(key, value, &count);
        engine_restore_legs(w->engine, count);
    } else if (kind == RECORD_LEARNED) {
        err = record_count_decode(key, value, &count);
        engine_restore_learned(w->engine, record_key_id(key), count);
    } else if (kind == RECORD_CONFIGURATION)
        err = record_configuration_decode(key, value, &c) ? ERR_STORE_CORRUPT
                                                          : engine_restore_configuration(w->engine, &c);
    else if (kind == RECORD_FINAL)
        err = record_final_decode(key, value, &f) ? ERR_STORE_CORRUPT : engine_restore_final(w->engine, &f);
    else if (kind == RECORD_DEVICE)
        err = record_device_decode(key, value, &d) ? ERR_STORE_CORRUPT : engine_restore_device(w->engine, &d);
    else
        err = record_message_decode(key, value, &m) ? ERR_STORE_CORRUPT : engine_restore_message(w->engine, kind, &m);
    if (err)
        world_break(w, "a stored record of kind %c was not taken back: %s", kind, error_text(err));
}

static void restore(struct world *w, const char *kinds, struct bytes id)
{
    for (; *kinds; kinds++)
        store_model_scan(w->store, *kinds, &(struct restore){w, id}, restore_one);
}

/* ---- a start that leaves the devices in the store */

#define LOAD_MIN_MS 100
#define LOAD_MAX_MS 20000

static bool is_listed(const struct world *w, uint32_t ue)
{
    return !w->o.group || ue % 2 == 0;
}

static void note_listed(void *ctx, struct bytes key, struct bytes value)
{
    struct record_device d;
    (void)key;
    if (record_device_decode(key, value, &d) == OK && d.indexed && d.flags & RECORD_DEVICE_LISTED)
        (*(uint32_t *)ctx)++;
}

/* What the record of the import says to the program: all of the configuration's devices are stored as they are. */
static bool all_listed(const struct world *w)
{
    uint32_t stored = 0;
    uint32_t listed = 0;
    store_model_scan(w->store, RECORD_DEVICE, &stored, note_listed);
    for (uint32_t i = 0; i < w->o.ues; i++)
        listed += is_listed(w, i);
    return stored == listed && store_model_count(w->store, RECORD_LEGS) == 1;
}

static void load_later(struct world *w)
{
    events_push(&w->events, (struct event){.at_ms = w->now_ms + world_between(w, LOAD_MIN_MS, LOAD_MAX_MS),
                                           .kind = EV_LOAD,
                                           .who = (uint32_t)world_between(w, 0, w->o.ues - 1),
                                           .epoch = w->epoch});
}

void adapter_load(struct world *w, uint32_t ue)
{
    struct bytes id = bytes_of_str(w->ues[ue].id);
    if (!w->loading || w->loaded[ue])
        return;
    w->loaded[ue] = true;
    if (engine_knows_id(w->engine, id))
        return; /* learned since the restart */
    restore(w, "dfmu", id);
    engine_restored(w->engine, w->now_ms, id);
    address_known(w, ue);
}

/* The one by chance, and the first that is missing: so that there is an end. */
void adapter_load_next(struct world *w, const struct event *ev)
{
    uint32_t missing = 0;
    if (!w->loading)
        return;
    adapter_load(w, ev->who);
    while (missing < w->o.ues && w->loaded[missing])
        missing++;
    if (missing < w->o.ues) {
        adapter_load(w, missing);
        load_later(w);
        return;
    }
    w->loading = false;
    engine_loaded(w->engine);
}

static void start_loading(struct world *w)
{
    memset(w->loaded, 0, w->o.ues * sizeof(*w->loaded));
    w->loading = true;
    restore(w, "scLg", (struct bytes){0});
    engine_start_loading(w->engine, w->now_ms, false);
    load_later(w);
}

static void start_with_all(struct world *w)
{
    restore(w, "scdfmu", (struct bytes){0});
    for (uint32_t i = 0; i < w->o.ues; i++)
        if (is_listed(w, i) &&
            engine_device_add(w->engine, &(struct engine_device_options){.id.external_id = bytes_of_str(w->ues[i].id),
                                                                         .group = w->o.group ? 0 : ENGINE_NONE}))
            abort();
    w->loading = false;
    engine_start(w->engine, w->now_ms);
    for (uint32_t i = 0; i < w->o.ues; i++)
        address_known(w, i);
}

void adapter_start(struct world *w)
{
    struct engine_options o;
    struct engine_ports ports = {.ctx = w,
                                 .server_send = port_server_send,
                                 .downlink_submit = port_submit,
                                 .configuration_create = port_create,
                                 .configuration_get = port_get,
                                 .store_put = port_put,
                                 .store_delete = port_delete,
                                 .uplink_answer = port_uplink_answer,
                                 .event = port_event,
                                 .device_added = port_device_added,
                                 .delivery_request = w->o.buffers ? deliveries_port : NULL};
    engine_options_default(&o);
    o.seed = w->o.seed + ++w->epoch;
    o.downlink.lifetime_ms = DOWNLINK_LIFETIME_MS;
    o.spool_lifetime_ms = 6 * 3600 * 1000ULL;
    if (w->o.priorities) {
        o.queue.max_messages = 4;
        o.queue_total_messages = 2 * w->o.ues;
        o.history_ms = 1800 * 1000;
        o.history_max = 8;
    }
    if (engine_new(&o, &ports, w->now_ms, &w->engine) ||
        engine_server_add(w->engine, &(struct engine_server_options){.name = "main"}) ||
        engine_scef_add(w->engine, &(struct engine_scef_options){.name = "scef",
                                                                 .configuration_check_ms = 4 * 3600 * 1000ULL,
                                                                 .supported_features = NIDD_FEATURE_MODIFICATION}))
        abort();
    if (w->o.buffers || w->o.priorities)
        deliveries_policies(w);
    if (w->o.group &&
        engine_group_add(w->engine, &(struct engine_group_options){.external_group_id = BYTES_LIT(GROUP_ID),
                                                                   .learn = true,
                                                                   .learn_max = w->o.ues}))
        abort();
    if (all_listed(w) && world_chance(w, 0.7))
        start_loading(w);
    else
        start_with_all(w);
    adapter_turn_end(w);
}

void adapter_crash(struct world *w)
{
    engine_free(w->engine);
    store_model_crash(w->store, &w->prng);
    w->r.crashes++;
    promises_crash(w);
    adapter_start(w);
}

void adapter_turn_end(struct world *w)
{
    if (!store_model_close_batch(w->store))
        return;
    uint64_t at = w->now_ms + world_between(w, 1, 10);
    if (at < w->last_commit_at_ms)
        at = w->last_commit_at_ms;
    w->last_commit_at_ms = at;
    events_push(&w->events, (struct event){.at_ms = at, .kind = EV_COMMIT, .epoch = w->epoch});
}

/* What arrives at the adapter. */
void adapter_event(struct world *w, struct event *ev)
{
    struct bytes data = bytes_of(ev->data, ev->len);
    bool of_device = ev->kind == EV_NOTIFY_UPLINK || ev->kind == EV_NOTIFY_CONFIGURATION || ev->kind == EV_TO_ADAPTER;
    if (of_device && ev->who < w->o.ues)
        adapter_load(w, ev->who);
    for (uint32_t i = 0; ev->kind == EV_NOTIFY_STATUS && i < w->o.ues; i++)
        adapter_load(w, i); /* whose it is only they know */
    switch (ev->kind) {
    case EV_SUBMIT_ANSWER: {
        struct nidd_submit_result r = {
            .http_status = ev->status, .retry_after_s = ev->retry_after_s, .link = bytes_of_str(ev->text)};
        r.outcome = ev->status == 200   ? NIDD_SUBMIT_DELIVERED
                    : ev->status == 201 ? NIDD_SUBMIT_PENDING
                    : ev->status        ? NIDD_SUBMIT_REFUSED
                                        : NIDD_SUBMIT_NO_ANSWER;
        if (ev->status == 200 || ev->status == 201)
            r.delivery_status = (enum t8_delivery_status)ev->detail;
        else
            r.cause = (enum t8_cause)ev->detail;
        engine_submit_result(w->engine, w->now_ms, ev->ref, &r);
        break;
    }
    case EV_CONFIGURATION_ANSWER:
        engine_configuration_result(
            w->engine, w->now_ms, ev->ref,
            &(struct nidd_configuration_result){.http_status = ev->status,
                                                .link = bytes_of_str(ev->text),
                                                .maximum_packet_size_bits = (uint32_t)ev->detail,
                                                .has_body = ev->status / 100 == 2,
                                                .supported_features = ev->len,
                                                .status = T8_NIDD_ACTIVE});
        break;
    case EV_NOTIFY_UPLINK: {
        enum error err = OK;
        struct nidd_uplink u = {.id.external_id = bytes_of_str(w->ues[ev->who].id),
                                .data = data,
                                .nidd_configuration = bytes_of_str(ev->text)};
        bool empty = ev->len == 4;
        w->handed_on =
            empty || data.data[0] >> 4 >= 6; /* empty messages and ACKs end here, unless they bear an answer */
        enum engine_verdict v = engine_uplink(w->engine, w->now_ms, 0, ev->ref, &u, &err);
        if (v == ENGINE_TAKEN && !w->handed_on)
            world_break(w, "promise 5: an uplink of %s was accepted and not handed on", w->ues[ev->who].id);
        if (v != ENGINE_LATER)
            notification_answer(w, ev->ref, v == ENGINE_TAKEN ? 204 : error_http_status(err));
        break;
    }
    case EV_NOTIFY_STATUS: {
        struct nidd_delivery_status s = {.nidd_downlink_data_transfer = bytes_of_str(ev->text),
                                         .delivery_status = (enum t8_delivery_status)ev->detail};
        notification_answer(w, ev->ref, error_http_status(engine_delivery_status(w->engine, w->now_ms, 0, &s)));
        break;
    }
    case EV_NOTIFY_CONFIGURATION: {
        struct nidd_configuration_status s = {.nidd_configuration = bytes_of_str(ev->text),
                                              .id.external_id = bytes_of_str(w->ues[ev->who].id),
                                              .status = (enum t8_nidd_status)ev->detail};
        notification_answer(w, ev->ref, error_http_status(engine_configuration_status(w->engine, w->now_ms, 0, &s)));
        break;
    }
    case EV_TO_ADAPTER:
        if (w->o.priorities)
            deliveries_policies(w);
        if (w->leg_of_ue[ev->who] != UINT32_MAX)
            engine_server_datagram(w->engine, w->now_ms, w->leg_of_ue[ev->who], 0, data);
        break;
    default:
        break;
    }
}
