#include "tests/fuzz/fuzz_engine_world.h"

struct world w;

/* --- store ------------------------------------------------------------------------------------------- */

static void record_clear(struct record *r)
{
    buf_free(&r->key);
    buf_free(&r->value);
}

static struct record *committed_find(struct bytes key)
{
    for (size_t i = 0; i < w.committed_count; i++)
        if (bytes_equal(buf_bytes(&w.committed[i].key), key))
            return &w.committed[i];
    return NULL;
}

static bool is_downlink(const struct record *r, uint64_t seq)
{
    struct reader tail = {.rest = bytes_from(buf_bytes(&r->key), r->key.len - 8)};
    return r->key.data[0] == RECORD_DOWNLINK && reader_be64(&tail) == seq;
}

static bool is_answer(const struct record *r, uint64_t seq)
{
    struct record_message m;
    return r->key.data[0] == RECORD_UPLINK &&
           record_message_decode(buf_bytes(&r->key), buf_bytes(&r->value), &m) == OK && m.answers_seq == seq;
}

static bool stored(uint64_t seq)
{
    for (size_t i = 0; i < w.committed_count; i++)
        if (is_downlink(&w.committed[i], seq))
            return true;
    return false;
}

static bool owed(uint64_t seq)
{
    for (size_t i = 0; i < w.committed_count; i++)
        if (is_downlink(&w.committed[i], seq) || is_answer(&w.committed[i], seq))
            return true;
    return false;
}

static uint64_t operation(struct bytes key, struct bytes value, bool is_delete)
{
    fail_unless(w.inside && key.len > 0);
    if (w.pending_count == MAX_RECORDS) {
        w.dead = true;
        return ++w.tickets;
    }
    struct record *r = &w.pending[w.pending_count++];
    *r = (struct record){.ticket = ++w.tickets, .is_delete = is_delete};
    buf_add(&r->key, key);
    buf_add(&r->value, value);
    return r->ticket;
}

static uint64_t port_put(void *ctx, struct bytes key, struct bytes value)
{
    struct record_device d;
    struct record_message m;
    uint64_t reserved;
    (void)ctx;
    fail_unless(record_sequence_decode(key, value, &reserved) == OK || record_device_decode(key, value, &d) == OK ||
                record_message_decode(key, value, &m) == OK);
    return operation(key, value, false);
}

static uint64_t port_delete(void *ctx, struct bytes key)
{
    (void)ctx;
    return operation(key, (struct bytes){0}, true);
}

static void apply(struct record *op)
{
    struct record *r = committed_find(buf_bytes(&op->key));
    if (r) {
        record_clear(r);
        *r = w.committed[--w.committed_count];
    }
    if (op->is_delete || w.committed_count == MAX_RECORDS)
        record_clear(op);
    else
        w.committed[w.committed_count++] = *op;
}

void commit(size_t n, enum error err)
{
    if (n == 0 || w.pending_count == 0)
        return;
    n = n < w.pending_count ? n : w.pending_count;
    uint64_t ticket = w.pending[n - 1].ticket;
    for (size_t i = 0; i < n; i++) {
        if (err)
            record_clear(&w.pending[i]);
        else
            apply(&w.pending[i]);
    }
    w.pending_count -= n;
    memmove(w.pending, w.pending + n, w.pending_count * sizeof(*w.pending));
    w.inside = true;
    engine_stored(w.e, w.now_ms, ticket, err);
    world_checks();
}

/* --- what the engine tells ------------------------------------------------------------------------------ */

static struct fate *fate_of(uint64_t seq)
{
    size_t i = seq * 0x9e3779b97f4a7c15ULL >> 32 & (MAX_SEQS - 1);
    fail_unless(seq != 0);
    while (w.fates[i].seq && w.fates[i].seq != seq)
        i = (i + 1) & (MAX_SEQS - 1);
    if (!w.fates[i].seq) {
        w.fates[i].seq = seq;
        w.dead |= ++w.fate_count > MAX_SEQS / 2;
    }
    return &w.fates[i];
}

static void port_event(void *ctx, const struct engine_event *ev)
{
    (void)ctx;
    fail_unless(w.inside && ev->reason);
    if (ev->kind == ENGINE_ACCEPTED) {
        struct fate *f = fate_of(ev->seq);
        fail_unless(!f->accepted && !f->final && stored(ev->seq));
        f->accepted = true;
    } else if (ev->kind == ENGINE_FINAL) {
        struct fate *f = fate_of(ev->seq);
        fail_unless(!f->final && ev->final > FINAL_NONE && ev->final < FINAL_COUNT);
        for (size_t i = 0; i < w.pending_count && !f->accepted; i++) /* not accepted: never to be stored */
            fail_unless(w.pending[i].is_delete || !is_downlink(&w.pending[i], ev->seq));
        f->final = true;
    }
}

static void remember(uint8_t to[16], const uint8_t header[COAP_HEADER_BYTES], struct bytes rest)
{
    memset(to, 0, 16);
    memcpy(to, header, COAP_HEADER_BYTES);
    if (rest.len)
        memcpy(to + COAP_HEADER_BYTES, rest.data, rest.len < 12 ? rest.len : 12);
}

static enum error port_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                            struct bytes rest)
{
    (void)ctx;
    fail_unless(w.inside && leg < DEVICES && server < SERVERS && header[0] >> 6 == 1);
    fail_unless((header[0] & 15u) <= rest.len && (header[1] || rest.len == 0));
    if (!w.send_err)
        remember(w.up[leg][w.up_at[leg]++ & 3].data, header, rest);
    return w.send_err;
}

static void port_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    (void)ctx;
    fail_unless(w.inside && s->configuration_link.len > 0 && s->data.len >= COAP_HEADER_BYTES);
    fail_unless((s->id.external_id.len == 0) != (s->id.msisdn.len == 0));
    unsigned device = s->id.external_id.len ? s->id.external_id.data[3] - '0' : DEVICES - 1u;
    fail_unless(device < DEVICES);
    remember(w.down[device][w.down_at[device]++ & 3].data, s->data.data, bytes_from(s->data, COAP_HEADER_BYTES));
    for (size_t i = 0; i < w.submit_count; i++)
        fail_unless(w.submits[i] != ref);
    if (w.submit_count == MAX_OPEN)
        w.dead = true;
    else
        w.submits[w.submit_count++] = ref;
}

static void port_configuration(uint64_t ref)
{
    fail_unless(w.inside && w.configuration_count < w.o.configuration_window);
    w.configurations[w.configuration_count++] = ref;
}

static void port_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)ctx, (void)scef;
    fail_unless((id.external_id.len == 0) != (id.msisdn.len == 0));
    port_configuration(ref);
}

static void port_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)ctx, (void)scef;
    fail_unless(link.len > 0);
    port_configuration(ref);
}

static void port_answer(void *ctx, uint64_t ref, enum error err)
{
    (void)ctx, (void)err;
    fail_unless(w.inside && ref <= MAX_OPS && w.later[ref] == 1);
    w.later[ref] = 0;
}

/* --- what must always hold -------------------------------------------------------------------------------- */

struct t8_identity world_identity(unsigned device)
{
    static const char *const ids[DEVICES] = {"dev0@x", "dev1@x", "4917"};
    struct bytes id = bytes_of_str(ids[device]);
    return device == DEVICES - 1 ? (struct t8_identity){.msisdn = id} : (struct t8_identity){.external_id = id};
}

void world_checks(void)
{
    struct engine_totals t, sum = {0};
    engine_wake(w.e, w.now_ms);
    w.inside = false;
    engine_totals_get(w.e, &t);
    for (unsigned i = 0; i < DEVICES; i++) {
        struct engine_device_info d;
        struct engine_message_info m;
        struct bytes id = i == DEVICES - 1 ? world_identity(i).msisdn : world_identity(i).external_id;
        unsigned in_flight = 0, requests = 0, answers = 0;
        fail_unless(engine_device_find(w.e, id, &d) && d.leg == i);
        for (uint64_t seq = 0; engine_message_next(w.e, id, &seq, &m);) {
            bool request = strcmp(m.class_, "request") == 0;
            bool storing = strcmp(m.state, "storing") == 0;
            const struct fate *f = fate_of(m.seq);
            fail_unless(m.seq == seq && !f->final);
            fail_unless(storing ? !f->accepted : f->accepted || !request);
            requests += request;
            answers += !request;
            in_flight += request && (!strcmp(m.state, "submitted") || !strcmp(m.state, "with_scef"));
            sum.queued_messages++;
            sum.queued_bytes += m.message.len;
        }
        fail_unless(in_flight <= w.o.queue.nstart);
        fail_unless(requests <= w.o.queue.max_messages);
        fail_unless(answers <= w.o.queue.max_messages + QUEUE_ANSWER_RESERVE);
        fail_unless(d.spooled_messages <= w.o.spool_max_messages);
        fail_unless(d.queue_messages == requests + answers);
        sum.spooled_messages += d.spooled_messages;
        sum.active_configurations += strcmp(d.configuration_state, "active") == 0;
    }
    fail_unless(t.devices == DEVICES && t.queued_messages == sum.queued_messages && t.queued_bytes == sum.queued_bytes);
    fail_unless(t.spooled_messages == sum.spooled_messages && t.active_configurations == sum.active_configurations);
    fail_unless(t.exchanges <= DEVICES * (w.o.max_exchanges + w.o.spool_max_messages + 2 * w.o.queue.max_messages +
                                          QUEUE_ANSWER_RESERVE));
}

/* --- life --------------------------------------------------------------------------------------------------- */

void world_start(void)
{
    const struct engine_ports ports = {.server_send = port_send,
                                       .downlink_submit = port_submit,
                                       .configuration_create = port_create,
                                       .configuration_get = port_get,
                                       .store_put = port_put,
                                       .store_delete = port_delete,
                                       .uplink_answer = port_answer,
                                       .event = port_event};
    w.inside = true;
    fail_unless(engine_new(&w.o, &ports, w.now_ms, &w.e) == OK);
    fail_unless(engine_server_add(w.e, "server0") == OK && engine_server_add(w.e, "server1") == OK);
    fail_unless(engine_scef_add(w.e, &(struct engine_scef_options){.name = "scef0"}) == OK);
    static const char kinds[] = {RECORD_SEQUENCE, RECORD_DEVICE, RECORD_DOWNLINK, RECORD_UPLINK};
    for (unsigned k = 0; k < 4; k++) {
        for (size_t i = 0; i < w.committed_count; i++) {
            struct bytes key = buf_bytes(&w.committed[i].key);
            struct bytes value = buf_bytes(&w.committed[i].value);
            struct record_device d;
            struct record_message m;
            uint64_t reserved;
            if (key.data[0] != kinds[k])
                continue;
            if (k == 0 && record_sequence_decode(key, value, &reserved) == OK)
                engine_restore_sequence(w.e, reserved);
            else if (k == 1 && record_device_decode(key, value, &d) == OK)
                fail_unless(engine_restore_device(w.e, &d) == OK);
            else if (record_message_decode(key, value, &m) == OK)
                fail_unless(engine_restore_message(w.e, (enum record_kind)kinds[k], &m) == OK);
            else
                abort();
        }
    }
    for (unsigned i = 0; i < DEVICES; i++)
        fail_unless(engine_device_add(w.e, &(struct engine_device_options){.id = world_identity(i),
                                                                           .server = i % SERVERS,
                                                                           .group = ENGINE_NONE}) == OK);
    engine_start(w.e, w.now_ms);
    world_checks();
}

void world_end(void)
{
    w.inside = true;
    engine_free(w.e);
    for (size_t i = 0; i < w.pending_count; i++)
        record_clear(&w.pending[i]);
    w.pending_count = w.submit_count = w.configuration_count = 0;
}

void world_restart(void)
{
    world_end();
    memset(w.later, 0, sizeof(w.later));
    for (size_t i = 0; i < MAX_SEQS; i++) {
        struct fate *f = &w.fates[i];
        if (!f->seq)
            continue;
        fail_unless(!f->accepted || f->final || owed(f->seq) || w.dead); /* accepted once, accepted for good */
        if (f->accepted)
            f->final = f->final && !owed(f->seq); /* told before the store had let go of it: told again */
        else if (!f->final && stored(f->seq))
            f->accepted = true; /* stored, and killed before that was said */
        else
            f->final = false; /* numbers of what is not stored may come again, if the reservation was not stored yet */
    }
    w.o.seed++;
    world_start();
}

void world_pass(uint64_t ms)
{
    uint64_t until = w.now_ms + ms;
    for (unsigned i = 0; w.now_ms < until && !w.dead; i++) {
        uint64_t next = engine_next_wake(w.e);
        fail_unless(i < 200000);
        w.now_ms = next > until ? until : next > w.now_ms ? next : w.now_ms;
        w.inside = true;
        world_checks();
        if (ms > MINUTE)
            commit(MAX_RECORDS, OK);
    }
}

void world_free(void)
{
    for (size_t i = 0; i < w.committed_count; i++)
        record_clear(&w.committed[i]);
    w.committed_count = 0;
}
