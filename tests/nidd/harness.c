/* The rig's life, its time, and what must always hold. */
#include "tests/nidd/harness_internal.h"

#include <stdio.h>
#include <stdlib.h>

void rig_grow(void **data, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return;
    *capacity = *capacity ? 2 * *capacity : 16;
    *data = realloc(*data, *capacity * size);
    assert_non_null(*data);
}

/* --- ports ------------------------------------------------------------------------------------------- */

static enum error port_server_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                                   struct bytes rest)
{
    struct rig *r = ctx;
    assert_true(r->inside);
    assert_true(server < r->setup.servers && leg < r->legs);
    if (r->send_err[server])
        return r->send_err[server];
    struct rig_datagram *d = RIG_PUSH(r->datagrams);
    d->leg = leg;
    d->server = server;
    d->message.len = COAP_HEADER_BYTES + rest.len;
    assert_true(d->message.len <= MESSAGE_MAX);
    memcpy(d->message.data, header, COAP_HEADER_BYTES);
    if (rest.len)
        memcpy(d->message.data + COAP_HEADER_BYTES, rest.data, rest.len);
    return OK;
}

static void keep_link(char out[128], struct bytes link)
{
    assert_true(link.len < 128);
    if (link.len)
        memcpy(out, link.data, link.len);
    out[link.len] = '\0';
}

static void port_downlink_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    struct rig *r = ctx;
    assert_true(r->inside);
    struct rig_submission *n = RIG_PUSH(r->submissions);
    *n = (struct rig_submission){.ref = ref, .device = rig_device_of(r, s->id), .latency_s = s->maximum_latency_s};
    keep_link(n->link, s->configuration_link);
    assert_true(s->data.len <= MESSAGE_MAX);
    n->message.len = s->data.len;
    memcpy(n->message.data, s->data.data, s->data.len);
    r->nas[n->device]++;
    /* Two POSTs of one message under way at the same time would be two NAS messages. */
    for (size_t i = 0; i + 1 < r->submissions.count; i++)
        assert_false(!r->submissions.data[i].answered && r->submissions.data[i].ref == ref);
}

static void port_delivery_request(void *ctx, uint64_t ref, const struct engine_delivery_request *q)
{
    struct rig *r = ctx;
    assert_true(r->inside);
    struct rig_delivery_request *n = RIG_PUSH(r->asked);
    *n = (struct rig_delivery_request){.ref = ref, .operation = q->operation};
    assert_true(q->link.len && q->link.len < sizeof(n->link));
    memcpy(n->link, q->link.data, q->link.len);
    assert_true(q->data.len <= MESSAGE_MAX);
    n->message.len = q->data.len;
    if (q->data.len)
        memcpy(n->message.data, q->data.data, q->data.len);
}

static void port_watch_create(void *ctx, uint32_t scef, uint64_t ref, const struct engine_watch *w)
{
    struct rig *r = ctx;
    assert_true(r->inside && scef == 0);
    *RIG_PUSH(r->watches) =
        (struct rig_watch){.ref = ref, .device = rig_device_of(r, w->id), .pdn = w->pdn, .expire_ms = w->expire_ms};
}

static void port_watch_list(void *ctx, uint32_t scef)
{
    struct rig *r = ctx;
    assert_true(r->inside && scef == 0);
    r->watch_lists++;
}

static void ask_configuration(struct rig *r, uint64_t ref, unsigned device, bool create, struct bytes link)
{
    assert_true(r->inside);
    struct rig_configuration_request *q = calloc(1, sizeof(*q));
    assert_non_null(q);
    *q = (struct rig_configuration_request){.ref = ref, .device = device, .create = create};
    keep_link(q->link, link);
    *RIG_PUSH(r->requests) = q;
}

static void port_configuration_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)scef;
    struct rig *r = ctx;
    ask_configuration(r, ref, rig_device_of(r, id), true, (struct bytes){0});
}

static void port_configuration_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)scef;
    struct rig *r = ctx;
    unsigned device = RIG_DEVICES;
    for (unsigned i = 0; i < r->setup.devices; i++) {
        struct engine_device_info info;
        char text[32];
        struct t8_identity id = rig_identity(r, i, text);
        if (engine_device_find(r->e, id.external_id.len ? id.external_id : id.msisdn, &info) &&
            bytes_equal(info.configuration_link, link)) /* another one may not be loaded yet */
            device = i;
    }
    assert_true(device < RIG_DEVICES);
    ask_configuration(r, ref, device, false, link);
}

static void port_uplink_answer(void *ctx, uint64_t ref, enum error err)
{
    struct rig *r = ctx;
    assert_true(r->inside);
    for (size_t i = 0; i < r->answers.count; i++)
        assert_true(r->answers.data[i].ref != ref); /* twice */
    *RIG_PUSH(r->answers) = (struct rig_uplink_answer){.ref = ref, .err = err};
}

/* --- identities -------------------------------------------------------------------------------------- */

struct t8_identity rig_identity(const struct rig *r, unsigned device, char text[32])
{
    if (r->setup.by_msisdn) {
        snprintf(text, 32, "491700000%02u", device);
        return (struct t8_identity){.msisdn = bytes_of_str(text)};
    }
    snprintf(text, 32, "dev%u@example.com", device);
    return (struct t8_identity){.external_id = bytes_of_str(text)};
}

unsigned rig_device_of(const struct rig *r, struct t8_identity id)
{
    for (unsigned i = 0; i < r->setup.devices; i++) {
        char text[32];
        struct t8_identity known = rig_identity(r, i, text);
        if (bytes_equal(known.external_id, id.external_id) && bytes_equal(known.msisdn, id.msisdn))
            return i; /* exactly one identity, the configured one */
    }
    fail_msg("a request names the identity \"%.*s\" and the MSISDN \"%.*s\"", (int)id.external_id.len,
             (const char *)id.external_id.data, (int)id.msisdn.len, (const char *)id.msisdn.data);
    return 0;
}

/* --- life -------------------------------------------------------------------------------------------- */

static void start_engine(struct rig *r)
{
    const struct engine_ports ports = {.ctx = r,
                                       .server_send = port_server_send,
                                       .downlink_submit = port_downlink_submit,
                                       .configuration_create = port_configuration_create,
                                       .configuration_get = port_configuration_get,
                                       .store_put = rig_store_put,
                                       .store_delete = rig_store_delete,
                                       .uplink_answer = port_uplink_answer,
                                       .event = rig_event,
                                       .delivery_request = r->setup.deliveries ? port_delivery_request : NULL,
                                       .watch_create = port_watch_create,
                                       .watch_list = port_watch_list};
    rig_begin_input(r);
    assert_int_equal(engine_new(&r->o, &ports, r->now_ms, &r->e), OK);
    for (unsigned i = 0; i < r->setup.servers; i++) {
        char name[24];
        snprintf(name, sizeof(name), "server%u", i);
        assert_int_equal(
            engine_server_add(r->e, &(struct engine_server_options){.name = name, .transport = r->setup.transports[i]}),
            OK);
    }
    assert_int_equal(
        engine_scef_add(r->e, &(struct engine_scef_options){.name = "scef0",
                                                            .supported_features = NIDD_FEATURE_MODIFICATION,
                                                            .watch = r->setup.watch}),
        OK);
    if (r->setup.routes)
        r->setup.routes(r->e);
    r->loading = (getenv("RIG_LOADING") || r->setup.unloaded) && stored_records(r, RECORD_DEVICE) == r->setup.devices;
    if (r->loading) {
        rig_store_restore_shared(r);
        engine_start_loading(r->e, r->now_ms, r->o.delete_removed != ENGINE_DELETE_REMOVED_NO);
        if (r->setup.unloaded)
            r->setup.unloaded(r->e, r->now_ms);
        rig_store_load(r);
        rig_end_input(r);
        return;
    }
    rig_store_restore(r);
    for (unsigned i = 0; i < r->setup.devices; i++) {
        char text[32];
        struct engine_device_options d = {.id = rig_identity(r, i, text), .group = ENGINE_NONE};
        if (r->setup.device)
            r->setup.device(i, &d);
        assert_int_equal(engine_device_add(r->e, &d), OK);
    }
    engine_start(r->e, r->now_ms);
    rig_end_input(r);
}

struct rig *rig_new(struct rig_setup setup)
{
    struct rig *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->setup = setup;
    r->setup.devices += setup.devices == 0;
    r->setup.servers += setup.servers == 0;
    r->legs = r->setup.devices;
    assert_true(r->setup.devices <= RIG_DEVICES && r->setup.servers <= RIG_SERVERS);
    r->now_ms = RIG_START_MS;
    engine_options_default(&r->o);
    r->o.seed = 42;
    if (setup.tune)
        setup.tune(&r->o);
    start_engine(r);
    return r;
}

void rig_restart_later(struct rig *r, uint64_t ms)
{
    r->now_ms += ms;
    rig_restart(r);
}

void rig_restart_with_fewer_devices(struct rig *r, unsigned devices)
{
    assert_true(devices <= r->setup.devices);
    r->legs = r->setup.devices; /* those that are left have them still */
    r->setup.devices = devices;
    rig_restart(r);
}

void rig_restart(struct rig *r)
{
    assert_false(r->inside);
    engine_free(r->e);
    rig_store_forget_pending(r);
    r->datagrams.read = r->datagrams.count;
    r->submissions.read = r->submissions.count;
    for (size_t i = 0; i < r->submissions.count; i++)
        r->submissions.data[i].answered = true;
    r->requests.read = r->requests.count;
    r->asked.read = r->asked.count;
    r->watches.read = r->watches.count;
    for (size_t i = 0; i < r->answers.count; i++)
        r->answers.data[i].seen = true;
    for (size_t i = 0; i < r->messages.count; i++)
        if (rig_message_open(&r->messages.data[i]))
            assert_true(rig_store_owes(r, r->messages.data[i].seq)); /* accepted once, accepted for good */
    if (!r->setup.keep_seed)
        r->o.seed++;
    start_engine(r);
}

static void rig_free(struct rig *r)
{
    engine_free(r->e);
    rig_store_free(r);
    for (size_t i = 0; i < r->requests.count; i++)
        free(r->requests.data[i]);
    free(r->datagrams.data);
    free(r->submissions.data);
    free(r->requests.data);
    free(r->asked.data);
    free(r->watches.data);
    free(r->answers.data);
    free(r->events.data);
    free(r->messages.data);
    free(r);
}

void rig_abandon(struct rig *r)
{
    expect_nothing_at_server(r);
    expect_no_submission(r);
    expect_no_delivery_request(r);
    expect_no_watch(r);
    for (size_t i = 0; i < r->answers.count; i++)
        assert_true(r->answers.data[i].seen);
    rig_free(r);
}

void rig_end(struct rig *r)
{
    struct engine_totals t = totals(r);
    assert_int_equal(t.queued_messages, 0);
    assert_int_equal(t.queued_bytes, 0);
    assert_int_equal(t.spooled_messages, 0);
    for (size_t i = 0; i < r->messages.count; i++)
        if (rig_message_open(&r->messages.data[i]))
            fail_msg("message %llu was accepted and never got a final state",
                     (unsigned long long)r->messages.data[i].seq);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 0);
    rig_abandon(r);
}

struct engine *rig_engine(struct rig *r)
{
    return r->e;
}

uint64_t rig_now(const struct rig *r)
{
    return r->now_ms;
}

/* --- what must always hold --------------------------------------------------------------------------- */

static void check_device(struct rig *r, unsigned device, struct engine_totals *sum, uint64_t *accepted)
{
    char text[32];
    struct t8_identity id = rig_identity(r, device, text);
    struct engine_device_info info = device_info(r, device);
    struct engine_message_info m;
    uint32_t messages = 0;
    for (uint64_t seq = 0; engine_message_next(r->e, id.external_id.len ? id.external_id : id.msisdn, &seq, &m);) {
        const struct rig_message *known = rig_message_by_seq(r, m.seq);
        assert_int_equal(m.seq, seq);
        assert_true(m.message.len >= COAP_HEADER_BYTES);
        assert_false(known && known->final);
        if (strcmp(m.state, "storing") == 0) {
            assert_false(known && known->accepted);
        } else {
            /* Acknowledgements and answers that are not stored come and go without being accepted. */
            assert_true((known && known->accepted) || !rig_store_has_message(r, m.seq, false));
            *accepted += known && known->accepted;
        }
        messages++;
        sum->queued_bytes += m.message.len;
    }
    assert_int_equal(messages, info.queue_messages);
    assert_int_equal(info.leg, device);
    sum->queued_messages += messages;
    sum->spooled_messages += info.spooled_messages;
    sum->active_configurations += strcmp(info.configuration_state, "active") == 0;
}

static void check_totals(struct rig *r)
{
    struct engine_totals t = totals(r);
    struct engine_totals sum = {0};
    uint64_t accepted = 0;
    for (unsigned i = 0; i < r->setup.devices; i++)
        check_device(r, i, &sum, &accepted);
    assert_int_equal(t.devices, r->setup.devices);
    assert_int_equal(t.queued_messages, sum.queued_messages);
    assert_int_equal(t.queued_bytes, sum.queued_bytes);
    assert_int_equal(t.spooled_messages, sum.spooled_messages);
    assert_int_equal(t.active_configurations, sum.active_configurations);
    for (size_t i = 0; i < r->messages.count; i++)
        accepted -= rig_message_open(&r->messages.data[i]);
    for (size_t i = 0; i < r->messages.count && accepted; i++)
        accepted += rig_message_open(&r->messages.data[i]) && rig_store_has_answer(r, r->messages.data[i].seq);
    assert_int_equal(accepted, 0); /* what is open is in a queue, or its answer is in the spool */
}

void rig_begin_input(struct rig *r)
{
    assert_false(r->inside);
    r->inside = true;
}

static void wake(struct rig *r)
{
    rig_begin_input(r);
    engine_wake(r->e, r->now_ms);
    r->inside = false;
}

/* What a store that fails is asked for again comes later: once a turn. */
static void commit_broken(struct rig *r)
{
    if (r->store_err && !r->setup.hold_commits)
        commit(r);
}

void rig_end_input(struct rig *r)
{
    r->inside = false;
    if (!r->setup.hold_commits)
        while (r->pending.count && !r->store_err)
            commit(r);
    commit_broken(r);
    wake(r);
    if (!r->setup.hold_configurations) {
        while (r->requests.read < r->requests.count) {
            struct rig_configuration_request *q = r->requests.data[r->requests.read++];
            char name[24];
            snprintf(name, sizeof(name), "c%u", r->links++);
            configuration_granted(r, q, name, 0);
        }
    }
    if (!r->setup.hold_commits)
        while (r->pending.count && !r->store_err)
            commit(r);
    commit_broken(r);
    check_totals(r);
}

/* --- time -------------------------------------------------------------------------------------------- */

/* One step towards `until`; true when it was reached. */
static bool step(struct rig *r, uint64_t until)
{
    uint64_t next = engine_next_wake(r->e);
    if (next > until)
        next = until;
    if (next > r->now_ms)
        r->now_ms = next;
    rig_begin_input(r);
    engine_wake(r->e, r->now_ms);
    rig_end_input(r);
    return r->now_ms >= until;
}

void advance(struct rig *r, uint64_t ms)
{
    uint64_t until = r->now_ms + ms;
    unsigned steps = 0;
    while (!step(r, until))
        assert_true(++steps < 1000000); /* else it asks to be woken for ever */
}

static size_t activity(const struct rig *r)
{
    return r->datagrams.count + r->submissions.count + r->requests.count + r->asked.count;
}

uint64_t advance_to_activity(struct rig *r, uint64_t max_ms)
{
    uint64_t start = r->now_ms;
    size_t before = activity(r);
    while (activity(r) == before)
        if (step(r, start + max_ms) && activity(r) == before)
            fail_msg("nothing happened in %llu ms", (unsigned long long)max_ms);
    return r->now_ms - start;
}
