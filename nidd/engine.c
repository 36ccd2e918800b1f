/* The engine's own life: set-up, time, and what waits for the store. */
#include "nidd/configuration.h"

#include <stdlib.h>
#include <string.h>

#include "nidd/history.h"
#include "nidd/observation.h"
#include "nidd/policy.h"

#define SCRATCH_BYTES 256

struct blob *blob_new(const uint8_t header[COAP_HEADER_BYTES], struct bytes rest)
{
    struct blob *b = malloc(sizeof(*b) + COAP_HEADER_BYTES + rest.len);
    if (!b)
        return NULL;
    b->refs = 1;
    b->len = (uint32_t)(COAP_HEADER_BYTES + rest.len);
    memcpy(b->data, header, COAP_HEADER_BYTES);
    if (rest.len)
        memcpy(b->data + COAP_HEADER_BYTES, rest.data, rest.len);
    return b;
}

struct blob *blob_of(struct bytes message)
{
    return blob_new(message.data, bytes_from(message, COAP_HEADER_BYTES));
}

struct blob *blob_ref(struct blob *b)
{
    b->refs++;
    return b;
}

void blob_unref(struct blob *b)
{
    if (b && --b->refs == 0)
        free(b);
}

void engine_options_default(struct engine_options *o)
{
    *o = (struct engine_options){
        .ack_timeout_ms = 2000,
        .max_retransmit = 4,
        .exchange_lifetime_ms = 247000,
        .nidd_ack_timeout_ms = 10000,
        .nidd_max_retransmit = 4,
        .downlink = {.lifetime_ms = 24 * 3600 * 1000ULL, .priority = QUEUE_PRIORITY_DEFAULT},
        .answer_lifetime_ms = 247000,
        .retry_min_ms = 60 * 1000,
        .retry_max_ms = 3600 * 1000,
        .spool_lifetime_ms = 24 * 3600 * 1000ULL,
        .spool_max_messages = 64,
        .server_probe_ms = 5000,
        .queue = {.max_messages = 64, .max_bytes = 65536, .nstart = 1},
        .queue_total_messages = 1000000,
        .queue_total_bytes = 512ULL << 20,
        .spool_total_messages = 1000000,
        .spool_total_bytes = 512ULL << 20,
        .history_max = 16,
        .history_total_bytes = 16ULL << 20,
        .max_exchanges = 32,
        .configuration_window = 32,
        .identity_policy = ENGINE_IDENTITY_WARN,
    };
}

static struct bytes device_key(const void *value)
{
    return bytes_of_str(((const struct device *)value)->id);
}

static struct bytes msisdn_key(const void *value)
{
    return device_msisdn(value);
}

static struct bytes group_key(const void *value)
{
    return bytes_of_str(((const struct group *)value)->id);
}

enum error engine_new(const struct engine_options *o, const struct engine_ports *ports, uint64_t now_ms,
                      struct engine **out)
{
    struct engine *e = calloc(1, sizeof(*e));
    if (!e)
        return ERR_NO_MEMORY;
    e->o = *o;
    e->ports = *ports;
    e->now_ms = now_ms;
    e->route_age = 1;
    prng_seed(&e->prng, o->seed);
    map_init(&e->by_id, device_key, o->seed);
    map_init(&e->by_msisdn, msisdn_key, o->seed);
    map_init(&e->by_group_id, group_key, o->seed);
    map_init(&e->by_resource, admission_resource_key, o->seed);
    map_init(&e->by_leftover, leftover_key, o->seed);
    map_init(&e->watches_found, watch_found_key, o->seed);
    websockets_init(e, o->seed);
    slab_init(&e->devices, sizeof(struct device));
    slab_init(&e->configurations, sizeof(struct configuration));
    slab_init(&e->downlinks, sizeof(struct downlink));
    slab_init(&e->exchanges, sizeof(struct exchange));
    timer_wheel_init(&e->timers, now_ms);
    list_init(&e->recent);
    list_init(&e->storing);
    list_init(&e->unsaved);
    timer_init(&e->store_timer, TIMER_STORE);
    list_init(&e->leftovers);
    list_init(&e->history);
    /* Room for our own answers, which are owed when memory is short, too. */
    if (!buf_reserve(&e->scratch, SCRATCH_BYTES)) {
        engine_free(e);
        return ERR_NO_MEMORY;
    }
    *out = e;
    return OK;
}

static void deletions_free(struct list *l)
{
    LIST_EACH_SAFE (it, l) {
        struct storing *s = LIST_ENTRY(it, struct storing, node);
        if (s->what == STORING_DELETION)
            free(LIST_ENTRY(s, struct deletion, storing));
    }
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    uint32_t cursor = 0;
    handle h;
    /* These leave the lists that they are in; the others are not asked to. */
    LIST_EACH_SAFE (it, &e->leftovers)
        group_free(e, LIST_ENTRY(it, struct group, leftover_node));
    for (uint32_t i = 0; i < e->group_count; i++)
        group_free(e, e->groups[i]);
    history_free(e);
    deletions_free(&e->storing);
    deletions_free(&e->unsaved);
    for (struct exchange *x; (x = slab_next(&e->exchanges, &cursor, &h));) {
        blob_unref(x->message);
        blob_unref(x->reply);
    }
    cursor = 0;
    for (struct downlink *m; (m = slab_next(&e->downlinks, &cursor, &h));) {
        blob_unref(m->message);
        blob_unref(m->resource);
        free(m->delivery_link);
    }
    cursor = 0;
    for (struct device *d; (d = slab_next(&e->devices, &cursor, &h));) {
        free(d->id);
        device_more_free(d);
    }
    cursor = 0;
    for (struct configuration *c; (c = slab_next(&e->configurations, &cursor, &h));)
        free(c->link);
    slab_free(&e->exchanges);
    slab_free(&e->downlinks);
    slab_free(&e->configurations);
    slab_free(&e->devices);
    map_free(&e->by_id);
    map_free(&e->by_msisdn);
    map_free(&e->by_group_id);
    map_free(&e->by_resource);
    map_free(&e->by_leftover);
    watches_loaded(e);
    websockets_free(e);
    for (uint32_t i = 0; i < e->server_count; i++)
        free(e->servers[i].name);
    for (uint32_t i = 0; i < e->scef_count; i++) {
        free(e->scefs[i].name);
        free(e->scefs[i].notification_destination);
        map_free(&e->scefs[i].by_delivery_link);
        map_free(&e->scefs[i].watches);
        for (uint32_t n = 0; n < EARLY_STATUS_SLOTS; n++)
            free(e->scefs[i].early[n].link);
    }
    free(e->servers);
    free(e->scefs);
    free(e->groups);
    free(e->legs);
    buf_free(&e->key);
    buf_free(&e->value);
    buf_free(&e->scratch);
    buf_free(&e->filled);
    route_table_free(e->routes);
    policy_table_free(e->policies);
    free(e);
}

/* ------------------------------------------------------------------ records */

uint64_t engine_record_put(struct engine *e)
{
    if (e->key.failed || e->value.failed)
        return 0;
    return e->ports.store_put(e->ports.ctx, buf_bytes(&e->key), buf_bytes(&e->value));
}

uint64_t engine_next_seq(struct engine *e)
{
    /* Asked for so early that it is in the store long before its numbers are given out. */
    if (e->last_seq + SEQUENCE_RESERVE / 2 >= e->reserved_seq) {
        buf_reset(&e->key);
        buf_reset(&e->value);
        record_sequence_key(&e->key);
        record_sequence_encode(buf_bytes(&e->key), e->last_seq + SEQUENCE_RESERVE, &e->value);
        if (engine_record_put(e) != 0)
            e->reserved_seq = e->last_seq + SEQUENCE_RESERVE;
    }
    return ++e->last_seq;
}

/* ------------------------------------------------------------------ time and store */

void engine_set_time(struct engine *e, uint64_t now_ms)
{
    if (now_ms > e->now_ms)
        e->now_ms = now_ms;
}

static void deletion_send(struct engine *e, struct deletion *x)
{
    x->storing.ticket = e->ports.store_delete(e->ports.ctx, bytes_of(x->key, x->key_len));
    list_push_back(&e->storing, &x->storing.node);
}

void engine_message_delete(struct engine *e, enum record_kind kind, const struct device *d, uint64_t seq)
{
    buf_reset(&e->key);
    record_message_key(kind, device_id_bytes(d), seq, &e->key);
    engine_record_delete(e);
}

void engine_record_delete(struct engine *e)
{
    if (e->key.failed)
        return;
    struct deletion *x = malloc(sizeof(*x) + e->key.len);
    if (!x) { /* asked once, at least */
        (void)e->ports.store_delete(e->ports.ctx, buf_bytes(&e->key));
        return;
    }
    x->storing.what = STORING_DELETION;
    x->then = 0;
    x->key_len = e->key.len;
    memcpy(x->key, e->key.data, e->key.len);
    list_init(&x->storing.node);
    deletion_send(e, x);
}

void engine_deletion_first(struct engine *e, struct exchange *x)
{
    struct downlink *m = slab_get(&e->downlinks, x->reply_downlink);
    struct storing *s = list_empty(&e->storing) ? NULL : LIST_ENTRY(e->storing.prev, struct storing, node);
    if (!s || s->what != STORING_DELETION)
        return;
    x->reply_waits = true;
    LIST_ENTRY(s, struct deletion, storing)->then = x->h;
    if (m && m->state == DOWNLINK_QUEUED) {
        m->state = DOWNLINK_STORING;
        m->item.not_before_ms = UINT64_MAX;
    }
}

static void deletion_stored(struct engine *e, struct deletion *x, enum error err)
{
    if (err) {
        list_push_back(&e->unsaved, &x->storing.node);
        return;
    }
    struct exchange *answered = slab_get(&e->exchanges, x->then);
    free(x);
    if (!answered)
        return;
    answered->reply_waits = false;
    struct downlink *m = slab_get(&e->downlinks, answered->reply_downlink);
    if (!m || m->state != DOWNLINK_STORING) /* there was no room for it: the next repetition is answered */
        return;
    m->state = DOWNLINK_QUEUED;
    m->item.not_before_ms = 0;
    downlink_flow(e, m->device);
}

static void device_stored(struct engine *e, struct device *d, enum error err)
{
    d->unsaved = err != OK;
    if (err) {
        d->indexed = false; /* nor may its leg's record be there, nor the mark */
        e->legs_marked = e->legs_marked < d->leg ? e->legs_marked : d->leg;
        list_push_back(&e->unsaved, &d->storing.node);
    }
    if (d->learning)
        learn_stored(e, d, err);
}

static void stored(struct engine *e, struct storing *s, enum error err)
{
    switch (s->what) {
    case STORING_DOWNLINK:
        downlink_stored(e, LIST_ENTRY(s, struct downlink, storing), err);
        break;
    case STORING_EXCHANGE:
        spool_stored(e, LIST_ENTRY(s, struct exchange, storing), err);
        break;
    case STORING_DELETION:
        deletion_stored(e, LIST_ENTRY(s, struct deletion, storing), err);
        break;
    case STORING_DEVICE:
        device_stored(e, LIST_ENTRY(s, struct device, storing), err);
        break;
    case STORING_GROUP:
        LIST_ENTRY(s, struct group, storing)->unsaved = err != OK;
        if (err)
            list_push_back(&e->unsaved, &s->node);
        break;
    case STORING_OBSERVATION:
        observation_stored(e, s, err);
        break;
    }
}

void engine_stored(struct engine *e, uint64_t now_ms, uint64_t ticket, enum error err)
{
    engine_set_time(e, now_ms);
    while (!list_empty(&e->storing)) {
        struct storing *s = LIST_ENTRY(e->storing.next, struct storing, node);
        if (s->ticket > ticket)
            break;
        list_remove(&s->node);
        stored(e, s, err);
    }
    if (err) {
        e->reserved_seq = e->last_seq + SEQUENCE_RESERVE / 2; /* the reservation may have been in that batch */
        engine_store_later(e);
    }
}

void engine_store_later(struct engine *e)
{
    if (!timer_running(&e->store_timer))
        timer_start(&e->timers, &e->store_timer, e->now_ms + STORE_AGAIN_MS);
}

/* Records that have ended, devices that must keep their addresses, links: the store gets them again until it takes
 * them.
 */
static void store_again(struct engine *e)
{
    struct list refused;
    list_init(&refused);
    unsigned count = 0; /* what does not fit into one batch waits for the next round */
    while (!list_empty(&e->unsaved) && count++ < STORE_AGAIN_MAX) {
        struct list *node = e->unsaved.next;
        list_remove(node);
        list_push_back(&refused, node);
    }
    if (!list_empty(&e->unsaved))
        timer_start(&e->timers, &e->store_timer, e->now_ms + STORE_ROUND_MS);
    while (!list_empty(&refused)) {
        struct storing *s = LIST_ENTRY(refused.next, struct storing, node);
        list_remove(&s->node);
        if (s->what == STORING_DELETION)
            deletion_send(e, LIST_ENTRY(s, struct deletion, storing));
        else if (s->what == STORING_GROUP)
            group_put(e, LIST_ENTRY(s, struct group, storing));
        else if (s->what == STORING_OBSERVATION)
            observation_put_again(e, s);
        else
            device_put(e, LIST_ENTRY(s, struct device, storing));
    }
}

void engine_identity_set(struct engine *e, enum engine_identity_policy policy, bool fill_endpoint)
{
    e->o.identity_policy = policy;
    e->o.fill_endpoint = fill_endpoint;
}

void engine_drain(struct engine *e)
{
    e->draining = true;
}

void engine_wake(struct engine *e, uint64_t now_ms)
{
    engine_set_time(e, now_ms);
    for (struct timer *t; (t = timer_wheel_advance(&e->timers, e->now_ms));) {
        switch ((enum timer_kind)t->kind) {
        case TIMER_DEVICE_FLOW:
            device_timer(e, LIST_ENTRY(t, struct device, flow_timer));
            break;
        case TIMER_CONFIGURATION:
            configuration_timer(e, LIST_ENTRY(t, struct configuration, timer));
            break;
        case TIMER_DOWNLINK_DEADLINE:
            downlink_timer(e, LIST_ENTRY(t, struct downlink, deadline), TIMER_DOWNLINK_DEADLINE);
            break;
        case TIMER_DOWNLINK_REPEAT:
            downlink_timer(e, LIST_ENTRY(t, struct downlink, repeat), TIMER_DOWNLINK_REPEAT);
            break;
        case TIMER_EXCHANGE_REPEAT:
            exchange_timer(e, LIST_ENTRY(t, struct exchange, repeat));
            break;
        case TIMER_SERVER:
            server_timer(e, (uint32_t)(LIST_ENTRY(t, struct server, timer) - e->servers));
            break;
        case TIMER_STORE:
            store_again(e);
            break;
        case TIMER_HISTORY:
            history_timer(e, t);
            break;
        }
    }
    exchange_expire(e);
}

uint64_t engine_next_wake(const struct engine *e)
{
    uint64_t at = timer_wheel_next(&e->timers);
    if (!list_empty(&e->recent)) {
        uint64_t expiry = LIST_ENTRY(e->recent.next, const struct exchange, recent_node)->expires_ms;
        at = expiry < at ? expiry : at;
    }
    return at;
}
