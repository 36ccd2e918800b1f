/* The engine's own life: set-up, time, and what waits for the store. */
#include "nidd/internal.h"

#include <stdlib.h>
#include <string.h>

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
        .downlink_lifetime_ms = 24 * 3600 * 1000ULL,
        .answer_lifetime_ms = 247000,
        .retry_min_ms = 60 * 1000,
        .retry_max_ms = 3600 * 1000,
        .spool_lifetime_ms = 24 * 3600 * 1000ULL,
        .spool_max_messages = 64,
        .server_probe_ms = 5000,
        .queue = {.max_messages = 64, .max_bytes = 65536, .nstart = 1},
        .max_exchanges = 32,
        .configuration_window = 32,
    };
}

static struct bytes device_key(const void *value)
{
    return bytes_of_str(((const struct device *)value)->id);
}

static struct bytes msisdn_key(const void *value)
{
    return bytes_of_str(((const struct device *)value)->msisdn);
}

static struct bytes delivery_link_key(const void *value)
{
    return t8_link_tail(bytes_of_str(((const struct downlink *)value)->delivery_link));
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
    prng_seed(&e->prng, o->seed);
    map_init(&e->by_id, device_key, o->seed);
    map_init(&e->by_msisdn, msisdn_key, o->seed);
    map_init(&e->by_delivery_link, delivery_link_key, o->seed);
    slab_init(&e->devices, sizeof(struct device));
    slab_init(&e->downlinks, sizeof(struct downlink));
    slab_init(&e->exchanges, sizeof(struct exchange));
    timer_wheel_init(&e->timers, now_ms);
    list_init(&e->recent);
    list_init(&e->storing);
    list_init(&e->unsaved);
    timer_init(&e->store_timer, TIMER_STORE);
    list_init(&e->configuration_line);
    list_init(&e->configuration_finding);
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
    deletions_free(&e->storing);
    deletions_free(&e->unsaved);
    for (struct exchange *x; (x = slab_next(&e->exchanges, &cursor, &h));) {
        blob_unref(x->message);
        blob_unref(x->reply);
    }
    cursor = 0;
    for (struct downlink *m; (m = slab_next(&e->downlinks, &cursor, &h));) {
        blob_unref(m->message);
        free(m->delivery_link);
    }
    cursor = 0;
    for (struct device *d; (d = slab_next(&e->devices, &cursor, &h));) {
        free(d->id);
        free(d->msisdn);
        free(d->link);
    }
    slab_free(&e->exchanges);
    slab_free(&e->downlinks);
    slab_free(&e->devices);
    map_free(&e->by_id);
    map_free(&e->by_msisdn);
    map_free(&e->by_delivery_link);
    for (uint32_t i = 0; i < e->server_count; i++)
        free(e->servers[i].name);
    for (uint32_t i = 0; i < EARLY_STATUS_SLOTS; i++)
        free(e->early[i].link);
    free(e->servers);
    free(e->legs);
    buf_free(&e->key);
    buf_free(&e->value);
    buf_free(&e->scratch);
    free(e);
}

/* ------------------------------------------------------------------ set-up */

enum error engine_server_add(struct engine *e, const char *name)
{
    struct server *s = realloc(e->servers, (e->server_count + 1) * sizeof(*s));
    if (!s)
        return ERR_NO_MEMORY;
    e->servers = s;
    s += e->server_count;
    *s = (struct server){.name = strdup(name), .up = true};
    if (!s->name)
        return ERR_NO_MEMORY;
    e->server_count++;
    /* The array has moved: the lists' heads, empty before the start, with it. */
    for (uint32_t i = 0; i < e->server_count; i++) {
        list_init(&e->servers[i].spool);
        timer_init(&e->servers[i].timer, TIMER_SERVER);
    }
    return OK;
}

static enum error legs_reserve(struct engine *e, uint32_t leg)
{
    if (leg < e->leg_capacity)
        return OK;
    uint32_t capacity = e->leg_capacity ? e->leg_capacity : 64;
    while (capacity <= leg)
        capacity *= 2;
    handle *legs = realloc(e->legs, capacity * sizeof(*legs));
    if (!legs)
        return ERR_NO_MEMORY;
    memset(legs + e->leg_capacity, 0, (capacity - e->leg_capacity) * sizeof(*legs));
    e->legs = legs;
    e->leg_capacity = capacity;
    return OK;
}

/* A device with this identity on this leg; neither is taken. */
static enum error device_new(struct engine *e, struct bytes id, uint32_t leg, struct device **out)
{
    handle h;
    enum error err = legs_reserve(e, leg);
    if (err)
        return err;
    struct device *d = slab_new(&e->devices, &h);
    if (!d)
        return ERR_NO_MEMORY;
    d->h = h;
    d->leg = leg;
    d->id = bytes_dup_str(id);
    d->retry_ms = (uint32_t)e->o.retry_min_ms;
    d->reachable = true;
    /* Random, so that neither a restart nor two devices meet the other's Message IDs at a server. */
    d->next_leg_mid = (uint16_t)prng_next(&e->prng);
    d->next_device_mid = (uint16_t)prng_next(&e->prng);
    queue_init(&d->queue);
    list_init(&d->awaiting);
    list_init(&d->exchanges);
    list_init(&d->configuration_node);
    list_init(&d->storing.node);
    timer_init(&d->flow_timer, TIMER_DEVICE_FLOW);
    timer_init(&d->configuration_timer, TIMER_DEVICE_CONFIGURATION);
    if (!d->id || map_put(&e->by_id, d) != OK) {
        device_free(e, d);
        return ERR_NO_MEMORY;
    }
    e->legs[leg] = h;
    if (leg >= e->leg_count)
        e->leg_count = leg + 1;
    *out = d;
    return OK;
}

void engine_restore_sequence(struct engine *e, uint64_t reserved)
{
    e->last_seq = e->reserved_seq = reserved;
}

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

enum error engine_restore_device(struct engine *e, const struct record_device *r)
{
    struct device *d;
    /* Two devices on one address, or one device twice: the store does not make such things. */
    if (r->leg >= 1u << 30 || device_by_leg(e, r->leg) || map_get(&e->by_id, r->id))
        return ERR_STORE_CORRUPT;
    enum error err = device_new(e, r->id, r->leg, &d);
    if (err)
        return err;
    d->packet_size_bytes = r->maximum_packet_size_bytes;
    if (r->configuration_link.len) {
        d->link = bytes_dup_str(r->configuration_link);
        if (!d->link)
            return ERR_NO_MEMORY;
    }
    return OK;
}

enum error engine_restore_message(struct engine *e, enum record_kind kind, const struct record_message *r)
{
    struct device *d = map_get(&e->by_id, r->device_id);
    if (!d)
        return ERR_UNKNOWN_DEVICE;
    uint32_t server = e->server_count;
    for (uint32_t i = 0; i < e->server_count; i++)
        if (bytes_equal(bytes_of_str(e->servers[i].name), r->server))
            server = i;
    if (server == e->server_count)
        return ERR_NOT_FOUND;
    if (r->seq > e->last_seq)
        e->last_seq = r->seq;
    return kind == RECORD_UPLINK ? spool_restore(e, d, server, r) : downlink_restore(e, d, server, r);
}

/* Legs are never given back: the search goes on where it ended. */
static uint32_t lowest_free_leg(struct engine *e)
{
    while (device_by_leg(e, e->lowest_leg))
        e->lowest_leg++;
    return e->lowest_leg;
}

enum error engine_device_add(struct engine *e, const struct engine_device_options *o)
{
    bool by_msisdn = o->id.external_id.len == 0;
    struct bytes id = by_msisdn ? o->id.msisdn : o->id.external_id;
    if (id.len == 0)
        return ERR_IDENTITY;
    if (o->server >= e->server_count)
        return ERR_NOT_FOUND;
    struct device *d = map_get(&e->by_id, id);
    bool is_new = !d;
    if (d && d->routed)
        return ERR_MEMBER_TYPE;
    if (o->id.msisdn.len && map_get(&e->by_msisdn, o->id.msisdn))
        return ERR_MEMBER_TYPE;
    if (is_new) {
        enum error err = device_new(e, id, lowest_free_leg(e), &d);
        if (err)
            return err;
    }
    if (o->id.msisdn.len) {
        d->msisdn = bytes_dup_str(o->id.msisdn);
        if (!d->msisdn || map_put(&e->by_msisdn, d) != OK)
            return ERR_NO_MEMORY;
    }
    d->id_is_msisdn = by_msisdn;
    d->server = o->server;
    d->routed = true;
    d->order = e->device_order++;
    if (is_new)
        device_put(e, d);
    return OK;
}

void engine_start(struct engine *e, uint64_t now_ms)
{
    engine_set_time(e, now_ms);
    e->started = true;
    for (uint32_t leg = 0; leg < e->leg_count; leg++) {
        struct device *d = device_by_leg(e, leg);
        if (!d || !d->routed)
            continue;
        configuration_line_up(e, d);
        downlink_flow(e, d);
    }
    removal_start(e);
    for (uint32_t i = 0; i < e->server_count; i++)
        if (!list_empty(&e->servers[i].spool))
            spool_flush(e, i);
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

void engine_record_delete(struct engine *e, enum record_kind kind, const struct device *d, uint64_t seq)
{
    buf_reset(&e->key);
    record_message_key(kind, device_id_bytes(d), seq, &e->key);
    if (e->key.failed)
        return;
    struct deletion *x = malloc(sizeof(*x) + e->key.len);
    if (!x) { /* asked once, at least */
        (void)e->ports.store_delete(e->ports.ctx, buf_bytes(&e->key));
        return;
    }
    x->storing.what = STORING_DELETION;
    x->key_len = e->key.len;
    memcpy(x->key, e->key.data, e->key.len);
    list_init(&x->storing.node);
    deletion_send(e, x);
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
        if (err)
            list_push_back(&e->unsaved, &s->node);
        else
            free(LIST_ENTRY(s, struct deletion, storing));
        break;
    case STORING_DEVICE:
        LIST_ENTRY(s, struct device, storing)->unsaved = err != OK;
        if (err)
            list_push_back(&e->unsaved, &s->node);
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

/* Records that have ended, and devices that must keep their addresses: the store gets them again until it takes them.
 */
static void store_again(struct engine *e)
{
    struct list refused;
    list_init(&refused);
    while (!list_empty(&e->unsaved)) {
        struct list *node = e->unsaved.next;
        list_remove(node);
        list_push_back(&refused, node);
    }
    while (!list_empty(&refused)) {
        struct storing *s = LIST_ENTRY(refused.next, struct storing, node);
        list_remove(&s->node);
        if (s->what == STORING_DELETION)
            deletion_send(e, LIST_ENTRY(s, struct deletion, storing));
        else
            device_put(e, LIST_ENTRY(s, struct device, storing));
    }
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
        case TIMER_DEVICE_CONFIGURATION:
            configuration_renew_timer(e, LIST_ENTRY(t, struct device, configuration_timer));
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
