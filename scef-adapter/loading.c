/* Loads under way, by what was asked for, and the inputs that wait for them:
 *
 *   leg 'l', MSISDN 'n' --store_get--> device 'd' --store_load_device--> engine --> the inputs, in their order
 *
 * An input comes again from its beginning: by then its device is here, or known not to be stored (`tried`). */
#include "scef-adapter/loading.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "scef-adapter/admin.h"
#include "scef-adapter/loading_internal.h"
#include "scef-adapter/slice.h"

#define INPUTS_PER_DEVICE_MAX 32
#define BYTES_PER_DEVICE_MAX  (128u << 10)
#define INPUTS_MAX            16384
#define BYTES_MAX             (32u << 20)

struct load {
    struct store_load read;
    struct loading *l;
    struct loading_line line;
    struct buf records; /* lengths of key and value, key, value */
    bool background;
    size_t key_len;
    uint8_t key[]; /* of the index's record; or 'd' and the identity */
};

static struct bytes load_key(const void *value)
{
    const struct load *d = value;
    return bytes_of(d->key, d->key_len);
}

/* ---- inputs that wait ---- */

static size_t input_bytes(const struct loading_input *in)
{
    const struct http_exchange *x = in->origin.from.exchange;
    return x ? http_exchange_request(x)->body.len : in->origin.data.len;
}

static bool has_room(const struct loading *l, const struct loading_line *line, size_t bytes)
{
    return line->count < INPUTS_PER_DEVICE_MAX && line->bytes + bytes <= BYTES_PER_DEVICE_MAX &&
           l->count < INPUTS_MAX && l->bytes + bytes <= BYTES_MAX;
}

static struct loading_input *input_new(const struct loading_origin *o, uint8_t bit)
{
    struct loading_input *in = malloc(sizeof(*in) + o->data.len);
    if (!in)
        return NULL;
    *in = (struct loading_input){.origin = *o, .bit = bit};
    in->origin.waits = false;
    if (o->data.len)
        memcpy(in->data, o->data.data, o->data.len);
    in->origin.data = bytes_of(in->data, o->data.len);
    return in;
}

static void line_init(struct loading_line *line)
{
    *line = (struct loading_line){.end = &line->first};
}

static void line_add(struct loading *l, struct loading_line *line, struct loading_input *in)
{
    *line->end = in;
    line->end = &in->next;
    line->count++;
    line->bytes += input_bytes(in);
    l->count++;
    l->bytes += input_bytes(in);
}

static struct loading_input *line_take(struct loading *l, struct loading_line *line)
{
    struct loading_input *in = line->first;
    if (!in)
        return NULL;
    line->first = in->next;
    if (!line->first)
        line->end = &line->first;
    line->count--;
    line->bytes -= input_bytes(in);
    l->count--;
    l->bytes -= input_bytes(in);
    in->next = NULL;
    return in;
}

static void refuse(struct adapter *a, const struct loading_origin *o, enum error err)
{
    if (o->kind == LOADING_DATAGRAM)
        metric_add(&a->metrics, METRIC_DROPPED, "not_loaded", 1);
    else
        scs_callbacks_answer(o->from, err);
}

static void again(struct adapter *a, const struct loading_origin *o)
{
    switch (o->kind) {
    case LOADING_CALLBACK:
        adapter_callback_take(a, o);
        break;
    case LOADING_WEBSOCKET:
        adapter_websocket_take(a, o);
        break;
    case LOADING_ADMIN:
        admin_take(a, o);
        break;
    case LOADING_DATAGRAM:
        adapter_datagram_take(a, o);
        break;
    }
}

void loading_line_release(struct loading *l, struct loading_line *line, enum error err)
{
    for (struct loading_input *in; (in = line_take(l, line));) {
        in->origin.tried |= in->bit;
        if (err)
            refuse(l->a, &in->origin, err == ERR_DRAINING ? err : ERR_STORE);
        else
            again(l->a, &in->origin);
        free(in);
    }
}

/* ---- loads ---- */

static void load_free(struct load *d)
{
    buf_free(&d->records);
    free(d);
}

/* From here on it may be asked for anew, also by one of its own inputs. */
static void load_end(struct load *d, enum error err)
{
    struct loading *l = d->l;
    struct loading_line line = d->line;
    const bool background = d->background;
    if (!line.first)
        line.end = &line.first;
    map_remove(&l->loads, load_key(d));
    load_free(d);
    loading_line_release(l, &line, err);
    if (background)
        loading_background_loaded(l, err);
}

static void on_record(struct store_load *read, struct bytes key, struct bytes value)
{
    struct load *d = (struct load *)(void *)read;
    const size_t lengths[2] = {key.len, value.len};
    buf_add(&d->records, bytes_of(lengths, sizeof(lengths)));
    buf_add(&d->records, key);
    buf_add(&d->records, value);
}

static bool record_next(const struct load *d, size_t *at, struct bytes *key, struct bytes *value)
{
    size_t lengths[2];
    if (*at >= d->records.len)
        return false;
    memcpy(lengths, d->records.data + *at, sizeof(lengths));
    const uint8_t *memory = d->records.data + *at + sizeof(lengths);
    *key = bytes_of(memory, lengths[0]);
    *value = bytes_of(memory + lengths[0], lengths[1]);
    *at += sizeof(lengths) + lengths[0] + lengths[1];
    return true;
}

/* All of it or nothing. */
static enum error device_restore(struct load *d)
{
    struct adapter *a = d->l->a;
    const struct bytes id = bytes_from(load_key(d), 1);
    struct bytes key;
    struct bytes value;
    if (d->records.failed)
        return ERR_NO_MEMORY;
    if (engine_knows_id(a->engine, id) || d->records.len == 0)
        return OK;
    for (size_t at = 0; record_next(d, &at, &key, &value);) {
        if (adapter_record_take(a, key, value) == ERR_NO_MEMORY) {
            engine_restore_undo(a->engine, id);
            return ERR_NO_MEMORY;
        }
    }
    d->l->loaded++;
    engine_restored(a->engine, adapter_now(a), id);
    return OK;
}

static struct load *load_new(struct loading *l, uint8_t kind, struct bytes rest)
{
    struct load *d = calloc(1, sizeof(*d) + 1 + rest.len);
    if (!d)
        return NULL;
    d->l = l;
    line_init(&d->line);
    d->read.record = on_record;
    d->key_len = 1 + rest.len;
    d->key[0] = kind;
    memcpy(d->key + 1, rest.data, rest.len);
    if (map_put(&l->loads, d) == OK)
        return d;
    free(d);
    return NULL;
}

static void on_device(struct store_load *read, enum error err)
{
    struct load *d = (struct load *)(void *)read;
    load_end(d, err ? err : device_restore(d));
}

/* Another process's devices are none of ours, whatever is stored of them here. */
static bool is_ours(const struct loading *l, struct bytes id)
{
    const struct config *c = l->a->config;
    return slice_of(id, c->slices.count) == c->slices.index;
}

static struct load *device_load(struct loading *l, struct bytes id)
{
    uint8_t memory[STORE_KEY_MAX];
    if (id.len + 1 > sizeof(memory))
        return NULL;
    memory[0] = RECORD_DEVICE;
    memcpy(memory + 1, id.data, id.len);
    struct load *d = map_get(&l->loads, bytes_of(memory, id.len + 1));
    if (d)
        return d;
    d = load_new(l, RECORD_DEVICE, id);
    if (!d)
        return NULL;
    d->read.done = on_device;
    store_load_device(l->a->store, bytes_from(load_key(d), 1), &d->read);
    l->a->store_open = true; /* a store that answers when it is flushed */
    return d;
}

/* Its inputs go on to the device's load. What does not fit there is refused. */
static enum error move_on(struct load *d, struct bytes id)
{
    struct loading *l = d->l;
    if (engine_knows_id(l->a->engine, id) || !is_ours(l, id))
        return OK;
    struct load *device = device_load(l, id);
    if (!device)
        return ERR_NO_MEMORY;
    for (struct loading_input *in; (in = line_take(l, &d->line));) {
        if (has_room(l, &device->line, input_bytes(in))) {
            line_add(l, &device->line, in);
        } else {
            refuse(l->a, &in->origin, ERR_QUEUE_FULL);
            free(in);
        }
    }
    return OK;
}

static void on_index(struct store_load *read, enum error err)
{
    struct load *d = (struct load *)(void *)read;
    struct bytes key;
    struct bytes value;
    struct bytes id;
    size_t at = 0;
    if (!err && d->records.failed)
        err = ERR_NO_MEMORY;
    if (!err && record_next(d, &at, &key, &value)) {
        const enum error damage = record_index_decode(key, value, &id);
        if (damage)
            adapter_set_aside(d->l->a, key, value, damage);
        else
            err = move_on(d, id);
    }
    load_end(d, err);
}

static struct load *index_load(struct loading *l, struct bytes key)
{
    struct load *d = map_get(&l->loads, key);
    if (d)
        return d;
    d = load_new(l, key.data[0], bytes_from(key, 1));
    if (!d)
        return NULL;
    d->read.done = on_index;
    store_get(l->a->store, load_key(d), &d->read);
    l->a->store_open = true;
    return d;
}

bool loading_begin(struct loading *l, struct bytes id)
{
    if (engine_knows_id(l->a->engine, id) || !is_ours(l, id))
        return true;
    struct load *d = device_load(l, id);
    if (d && !d->background) {
        d->background = true;
        l->under_way++;
    }
    return d != NULL;
}

/* ---- inputs that come in ---- */

static enum loading_verdict wait_in(struct loading *l, struct loading_line *line, struct loading_origin *o, uint8_t bit)
{
    const size_t bytes = o->from.exchange ? http_exchange_request(o->from.exchange)->body.len : o->data.len;
    struct loading_input *in = line && has_room(l, line, bytes) ? input_new(o, bit) : NULL;
    if (!in)
        return LOADING_REFUSED;
    line_add(l, line, in);
    o->waits = true;
    return LOADING_WAITS;
}

static enum loading_verdict wait_for_device(struct loading *l, struct bytes id, struct loading_origin *o, uint8_t bit)
{
    struct load *d = device_load(l, id);
    return wait_in(l, d ? &d->line : NULL, o, bit);
}

static enum loading_verdict wait_for_index(struct loading *l, const struct buf *key, struct loading_origin *o,
                                           uint8_t bit)
{
    if (key->failed || key->len > STORE_KEY_MAX)
        return LOADING_HERE; /* nobody's */
    struct load *d = index_load(l, buf_bytes(key));
    return wait_in(l, d ? &d->line : NULL, o, bit);
}

/* An External Identifier as it is written, then with its domain in small letters. */
static enum loading_verdict external_id(struct loading *l, struct bytes id, struct loading_origin *o)
{
    uint8_t memory[ENGINE_ID_MAX_BYTES];
    const struct bytes canonical = engine_id_canonical(id, memory);
    if (id.len + 2 > STORE_KEY_MAX || memchr(id.data, 0, id.len) || engine_knows_id(l->a->engine, id) ||
        engine_knows_id(l->a->engine, canonical))
        return LOADING_HERE;
    if (!(o->tried & LOADING_TRIED_ID))
        return wait_for_device(l, id, o, LOADING_TRIED_ID);
    if (!(o->tried & LOADING_TRIED_CANONICAL) && !bytes_equal(id, canonical))
        return wait_for_device(l, canonical, o, LOADING_TRIED_CANONICAL);
    return LOADING_HERE;
}

static enum loading_verdict msisdn(struct loading *l, struct bytes number, struct loading_origin *o)
{
    if (engine_knows_msisdn(l->a->engine, number) || o->tried & LOADING_TRIED_MSISDN)
        return LOADING_HERE;
    struct buf key = {0};
    record_msisdn_key(number, &key);
    const enum loading_verdict verdict = wait_for_index(l, &key, o, LOADING_TRIED_MSISDN);
    buf_free(&key);
    return verdict;
}

enum loading_verdict loading_identity(struct adapter *a, struct t8_identity id)
{
    struct loading *l = a->loading;
    if (!l)
        return LOADING_HERE;
    enum loading_verdict verdict = LOADING_HERE;
    if (id.external_id.len)
        verdict = external_id(l, id.external_id, &a->origin);
    if (verdict == LOADING_HERE && id.msisdn.len)
        verdict = msisdn(l, id.msisdn, &a->origin);
    return verdict;
}

void loading_soon(struct adapter *a, struct t8_identity id)
{
    struct loading *l = a->loading;
    uint8_t memory[ENGINE_ID_MAX_BYTES];
    const struct bytes canonical = engine_id_canonical(id.external_id, memory);
    if (l && canonical.len && canonical.len + 2 <= STORE_KEY_MAX && l->loads.count < INPUTS_MAX)
        (void)loading_begin(l, canonical); /* in vain: its turn comes */
}

enum loading_verdict loading_delivery(struct adapter *a, uint32_t scef, struct bytes link)
{
    struct loading *l = a->loading;
    if (!l || l->phase > LOADING_PENDING || engine_knows_delivery(a->engine, scef, link))
        return LOADING_HERE;
    struct loading_line *line = &l->deliveries;
    const size_t bytes = a->origin.data.len;
    struct loading_input *in = l->count < INPUTS_MAX && l->bytes + bytes <= BYTES_MAX ? input_new(&a->origin, 0) : NULL;
    if (!in)
        return LOADING_REFUSED;
    line_add(l, line, in);
    a->origin.waits = true;
    return LOADING_WAITS;
}

enum loading_verdict loading_datagram(struct adapter *a, uint32_t leg, uint32_t server, struct bytes message)
{
    struct loading *l = a->loading;
    struct loading_origin o = {.kind = LOADING_DATAGRAM, .leg = leg, .server = server, .data = message};
    if (!l || engine_knows_leg(a->engine, leg))
        return LOADING_HERE;
    struct buf key = {0};
    record_leg_key(leg, &key);
    const enum loading_verdict verdict = wait_for_index(l, &key, &o, LOADING_TRIED_LEG);
    buf_free(&key);
    if (verdict == LOADING_REFUSED)
        refuse(a, &o, ERR_QUEUE_FULL);
    return verdict;
}

/* ---- life ---- */

size_t loading_waiting(const struct loading *l)
{
    return l ? l->count : 0;
}

enum error loading_start(struct adapter *a)
{
    struct loading *l = calloc(1, sizeof(*l));
    uint64_t seed;
    if (!l)
        return ERR_NO_MEMORY;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed = uv_hrtime();
    l->a = a;
    map_init(&l->loads, load_key, seed);
    line_init(&l->deliveries);
    l->started_ms = adapter_now(a);
    a->loading = l;
    return loading_background_start(l);
}

void loading_free(struct loading *l)
{
    if (!l)
        return;
    loading_line_release(l, &l->deliveries, ERR_DRAINING);
    loading_background_end(l);
    map_free(&l->loads);
    later_free(l->a->loop, &l->later, l);
}
