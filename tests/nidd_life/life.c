#include "tests/nidd_life/life.h"

#include <stdio.h>

struct life t;

static void keep_text(char *out, size_t size, struct bytes text)
{
    assert_true(text.len < size);
    if (text.len)
        memcpy(out, text.data, text.len);
    out[text.len] = '\0';
}

/* ---- ports */

static struct request *asked(enum what what, uint32_t scef, uint64_t ref, struct bytes link)
{
    assert_true(t.asked < REQUESTS);
    assert_true(scef < t.scef_count);
    struct request *r = &t.requests[t.asked++];
    *r = (struct request){.what = what, .scef = scef, .ref = ref};
    keep_text(r->link, sizeof(r->link), link);
    return r;
}

static void keep_identity(struct request *r, struct t8_identity id)
{
    struct bytes own = id.external_id.len ? id.external_id : id.msisdn;
    assert_int_equal((id.external_id.len != 0) + (id.msisdn.len != 0) + (id.external_group_id.len != 0), 1);
    if (id.external_group_id.len)
        snprintf(r->id, sizeof(r->id), "*%.*s", (int)id.external_group_id.len, (const char *)id.external_group_id.data);
    else
        keep_text(r->id, sizeof(r->id), own);
}

static enum error port_server_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                                   struct bytes rest)
{
    (void)ctx, (void)header, (void)rest;
    assert_true(t.sent < SENT);
    t.sent_to[t.sent] = server;
    t.sent_legs[t.sent++] = leg;
    return OK;
}

static void port_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    (void)ctx;
    keep_identity(asked(SUBMIT, s->scef, ref, s->configuration_link), s->id);
}

static void port_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)ctx;
    keep_identity(asked(CREATE, scef, ref, bytes_of(NULL, 0)), id);
}

static void port_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)ctx;
    (void)asked(GET, scef, ref, link);
}

static void port_patch(void *ctx, uint32_t scef, uint64_t ref, struct bytes link,
                       const struct nidd_configuration_patch *p)
{
    (void)ctx;
    struct request *r = asked(PATCH, scef, ref, link);
    r->has_duration = p->has_duration;
    r->duration_ms = p->duration_ms;
    keep_text(r->destination, sizeof(r->destination), p->notification_destination);
}

static void port_delete(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)ctx;
    (void)asked(DELETE_, scef, ref, link);
}

static void port_list(void *ctx, uint32_t scef)
{
    (void)ctx;
    t.lists++;
    t.listing = scef;
}

static void websocket_note(char sign, struct bytes uri)
{
    size_t len = strlen(t.websockets);
    snprintf(t.websockets + len, sizeof t.websockets - len, "%c%.*s", sign, (int)uri.len, (const char *)uri.data);
}

static bool port_websocket_begin(void *ctx, uint32_t scef, struct bytes uri)
{
    (void)ctx, (void)scef;
    if (!t.no_websockets)
        websocket_note('+', uri);
    return !t.no_websockets;
}

static void port_websocket_end(void *ctx, uint32_t scef, struct bytes uri)
{
    (void)ctx, (void)scef;
    websocket_note('-', uri);
}

static enum error port_device_added(void *ctx, uint32_t leg)
{
    (void)ctx;
    if (t.open_err)
        return t.open_err;
    assert_true(t.opened_count < SENT);
    t.opened[t.opened_count++] = leg;
    return OK;
}

static uint64_t operation(struct bytes key, struct bytes value, bool is_delete)
{
    assert_true(t.pending_count < OPERATIONS);
    struct operation *o = &t.pending[t.pending_count++];
    *o = (struct operation){.is_delete = is_delete};
    buf_add(&o->key, key);
    buf_add(&o->value, value);
    assert_false(o->key.failed || o->value.failed);
    return ++t.ticket;
}

static uint64_t port_store_put(void *ctx, struct bytes key, struct bytes value)
{
    (void)ctx;
    return operation(key, value, false);
}

static uint64_t port_store_delete(void *ctx, struct bytes key)
{
    (void)ctx;
    return operation(key, bytes_of(NULL, 0), true);
}

static void port_uplink_answer(void *ctx, uint64_t ref, enum error err)
{
    (void)ctx;
    assert_true(ref < SENT && !t.uplink_answered[ref]);
    t.uplink_answered[ref] = true;
    t.uplink_err[ref] = err;
}

static void port_event(void *ctx, const struct engine_event *ev)
{
    (void)ctx;
    if (ev->kind == ENGINE_CONFIGURATION) {
        keep_text(t.reason, sizeof(t.reason), bytes_of_str(ev->reason));
        keep_text(t.group, sizeof(t.group), ev->group_id);
    }
    if (ev->kind == ENGINE_LEARNED) {
        assert_true(ev->device_id.len && ev->group_id.len && ev->scef < t.scef_count);
        t.learned++;
    }
    t.finals += ev->kind == ENGINE_FINAL;
    t.cancelled += ev->kind == ENGINE_FINAL && ev->final == FINAL_CANCELLED;
    t.dropped += ev->kind == ENGINE_DROPPED && strcmp(ev->reason, "device_removed") == 0;
}

/* ---- store */

static void operation_clear(struct operation *o)
{
    buf_free(&o->key);
    buf_free(&o->value);
}

static void apply(struct operation *o)
{
    unsigned i = 0;
    while (i < t.record_count && !bytes_equal(buf_bytes(&t.records[i].key), buf_bytes(&o->key)))
        i++;
    if (i < t.record_count) {
        operation_clear(&t.records[i]);
        t.records[i] = t.records[--t.record_count];
    }
    if (o->is_delete) {
        operation_clear(o);
        return;
    }
    assert_true(t.record_count < RECORDS);
    t.records[t.record_count++] = *o;
}

void commit(enum error err)
{
    for (unsigned i = 0; i < t.pending_count; i++) {
        if (err)
            operation_clear(&t.pending[i]);
        else
            apply(&t.pending[i]);
    }
    t.pending_count = 0;
    engine_stored(t.e, t.now_ms, t.ticket, err);
    engine_wake(t.e, t.now_ms);
}

void settle(void)
{
    for (unsigned i = 0; i < 4; i++) {
        if (!t.hold_commits)
            commit(OK);
        engine_wake(t.e, t.now_ms);
    }
}

static void restore(enum record_kind kind)
{
    for (unsigned i = 0; i < t.record_count; i++) {
        struct bytes key = buf_bytes(&t.records[i].key), value = buf_bytes(&t.records[i].value);
        struct record_configuration c;
        struct record_device d;
        struct record_message m;
        uint64_t reserved;
        if (key.data[0] != kind)
            continue;
        if (kind == RECORD_SEQUENCE) {
            assert_int_equal(record_sequence_decode(key, value, &reserved), OK);
            engine_restore_sequence(t.e, reserved);
        } else if (kind == RECORD_CONFIGURATION) {
            assert_int_equal(record_configuration_decode(key, value, &c), OK);
            assert_int_equal(engine_restore_configuration(t.e, &c), OK);
        } else if (kind == RECORD_DEVICE) {
            assert_int_equal(record_device_decode(key, value, &d), OK);
            assert_int_equal(engine_restore_device(t.e, &d), OK);
        } else {
            assert_int_equal(record_message_decode(key, value, &m), OK);
            assert_int_equal(engine_restore_message(t.e, kind, &m), OK);
        }
    }
}

unsigned records(enum record_kind kind)
{
    unsigned n = 0;
    for (unsigned i = 0; i < t.record_count; i++)
        n += t.records[i].key.data[0] == kind;
    return n;
}

/* ---- the configuration file */

void file_no_devices(void)
{
    t.device_count = 0;
}

void file_device(const char *id, uint32_t scef, uint32_t group)
{
    assert_true(t.device_count < sizeof(t.devices) / sizeof(*t.devices));
    unsigned n = t.device_count++;
    snprintf(t.names[n], sizeof(t.names[n]), "%s", id);
    t.devices[n] =
        (struct engine_device_options){.id = {.external_id = bytes_of_str(t.names[n])}, .scef = scef, .group = group};
}

void file_devices(unsigned devices)
{
    file_no_devices();
    for (unsigned i = 0; i < devices; i++) {
        char id[32];
        snprintf(id, sizeof(id), "dev%u@x", i);
        file_device(id, 0, ENGINE_NONE);
    }
}

void file_scef(const char *name)
{
    t.scefs[t.scef_count++] =
        (struct engine_scef_options){.name = name, .notification_destination = OURS, .supported_features = 0x0c};
}

void file_group(const char *id, uint32_t scef)
{
    t.groups[t.group_count++] = (struct engine_group_options){.external_group_id = bytes_of_str(id), .scef = scef};
}

/* ---- life */

void life_begin(void)
{
    struct engine_ports ports = {.server_send = port_server_send,
                                 .downlink_submit = port_submit,
                                 .configuration_create = port_create,
                                 .configuration_get = port_get,
                                 .store_put = port_store_put,
                                 .store_delete = port_store_delete,
                                 .uplink_answer = port_uplink_answer,
                                 .event = port_event,
                                 .device_added = port_device_added,
                                 .websocket_begin = port_websocket_begin,
                                 .websocket_end = port_websocket_end};
    if (!t.without_life_ports) {
        ports.configuration_patch = port_patch;
        ports.configuration_delete = port_delete;
        ports.configuration_list = port_list;
    }
    t.asked = t.looked_at = t.lists = t.sent = t.opened_count = 0;
    t.uplink_ref = 0;
    memset(t.uplink_answered, 0, sizeof(t.uplink_answered));
    assert_int_equal(engine_new(&t.o, &ports, t.now_ms, &t.e), OK);
    assert_int_equal(engine_server_add(t.e, &(struct engine_server_options){.name = "main"}), OK);
    assert_int_equal(engine_server_add(t.e, &(struct engine_server_options){.name = "second"}), OK);
    for (unsigned i = 0; i < t.scef_count; i++)
        assert_int_equal(engine_scef_add(t.e, &t.scefs[i]), OK);
    for (unsigned i = 0; i < t.group_count; i++)
        assert_int_equal(engine_group_add(t.e, &t.groups[i]), OK);
    static const enum record_kind kinds[] = {RECORD_SEQUENCE, RECORD_CONFIGURATION, RECORD_DEVICE, RECORD_DOWNLINK,
                                             RECORD_UPLINK};
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
        restore(kinds[k]);
    for (unsigned i = 0; i < t.device_count; i++)
        assert_int_equal(engine_device_add(t.e, &t.devices[i]), OK);
    engine_start(t.e, t.now_ms);
    settle();
}

void life_restart(void)
{
    engine_free(t.e);
    for (unsigned i = 0; i < t.pending_count; i++)
        operation_clear(&t.pending[i]);
    t.pending_count = 0;
    life_begin();
}

void begin(unsigned devices)
{
    file_devices(devices);
    life_begin();
}

void restart(unsigned devices)
{
    file_devices(devices);
    life_restart();
}

int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    engine_options_default(&t.o);
    t.o.seed = 7;
    t.now_ms = START_MS;
    file_scef("scef0");
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    engine_free(t.e);
    for (unsigned i = 0; i < t.record_count; i++)
        operation_clear(&t.records[i]);
    for (unsigned i = 0; i < t.pending_count; i++)
        operation_clear(&t.pending[i]);
    return 0;
}

/* ---- SCEF */

struct request *next_at(enum what what, int line)
{
    if (t.looked_at == t.asked)
        fail_msg("line %d: nothing was asked", line);
    struct request *r = &t.requests[t.looked_at++];
    if (r->what != what)
        fail_msg("line %d: %d was asked, not %d", line, r->what, what);
    return r;
}

void nothing_asked_at(int line)
{
    if (t.looked_at < t.asked)
        fail_msg("line %d: %d was asked", line, t.requests[t.looked_at].what);
}

void answer(const struct request *r, struct nidd_configuration_result result)
{
    engine_configuration_result(t.e, t.now_ms, r->ref, &result);
    settle();
}

void answer_status(const struct request *r, int http_status)
{
    answer(r, (struct nidd_configuration_result){.http_status = http_status});
}

struct nidd_configuration_result granted(int status, const char *link, uint64_t end_ms)
{
    return (struct nidd_configuration_result){.http_status = status,
                                              .link = bytes_of_str(link),
                                              .duration_ms = end_ms,
                                              .has_body = true,
                                              .supported_features = 0x84,
                                              .notification_destination = BYTES_LIT(OURS)};
}

void found(const char *id, const char *link)
{
    struct nidd_configuration_found f = {.id = {.external_id = bytes_of_str(id)}, .result = granted(200, link, 0)};
    engine_configuration_found(t.e, t.now_ms, 0, &f);
}

void found_group(uint32_t scef, const char *id, const char *link)
{
    struct nidd_configuration_found f = {.id = {.external_group_id = bytes_of_str(id)},
                                         .result = granted(200, link, 0)};
    engine_configuration_found(t.e, t.now_ms, scef, &f);
}

void listed(int status)
{
    engine_configuration_listed(t.e, t.now_ms, t.listing, &(struct nidd_configuration_result){.http_status = status});
    settle();
}

void submitted(const struct request *r, struct nidd_submit_result result)
{
    engine_submit_result(t.e, t.now_ms, r->ref, &result);
    settle();
}

enum error status_of(uint32_t scef, struct t8_identity id, const char *link, enum t8_nidd_status status)
{
    const struct nidd_configuration_status s = {.nidd_configuration = bytes_of_str(link), .id = id, .status = status};
    enum error err = engine_configuration_status(t.e, t.now_ms, scef, &s);
    settle();
    return err;
}

enum engine_verdict uplink(uint32_t scef, struct t8_identity id, const char *link, struct bytes data, enum error *err)
{
    const struct nidd_uplink u = {.nidd_configuration = bytes_of_str(link), .id = id, .data = data};
    *err = OK;
    assert_true(t.uplink_ref + 1 < SENT);
    enum engine_verdict v = engine_uplink(t.e, t.now_ms, scef, ++t.uplink_ref, &u, err);
    settle();
    return v;
}

struct bytes request_bytes(uint8_t mid)
{
    static uint8_t post[] = {0x41, 0x02, 0x12, 0x00, 0x77, 0xb2, 'r', 'd'};
    post[3] = mid;
    return bytes_of(post, sizeof(post));
}

/* ---- what can be seen */

bool known(const char *id)
{
    struct engine_device_info d;
    return engine_device_find(t.e, bytes_of_str(id), &d);
}

struct engine_device_info info(const char *id)
{
    struct engine_device_info d;
    assert_true(engine_device_find(t.e, bytes_of_str(id), &d));
    return d;
}

struct engine_group_info group_info(uint32_t group)
{
    struct engine_group_info g;
    assert_true(engine_group_info_get(t.e, group, &g));
    return g;
}

void assert_state(const char *id, const char *state)
{
    assert_string_equal(info(id).configuration_state, state);
}

uint64_t wait_for_request(uint64_t max_ms)
{
    uint64_t begin_ms = t.now_ms;
    while (t.looked_at == t.asked) {
        uint64_t at = engine_next_wake(t.e);
        if (at > begin_ms + max_ms)
            fail_msg("nothing was asked within %llu ms", (unsigned long long)max_ms);
        t.now_ms = at > t.now_ms ? at : t.now_ms + 1;
        settle();
    }
    return t.now_ms - begin_ms;
}

void pass(uint64_t ms)
{
    uint64_t end_ms = t.now_ms + ms;
    for (uint64_t at; (at = engine_next_wake(t.e)) <= end_ms;) {
        t.now_ms = at > t.now_ms ? at : t.now_ms + 1;
        settle();
    }
    t.now_ms = end_ms;
    settle();
}

void server_asks(uint32_t leg)
{
    static uint8_t get[] = {0x41, 0x01, 0x12, 0x34, 0x77, 0xb1, '3'};
    get[3]++;
    engine_server_datagram(t.e, t.now_ms, leg, 0, bytes_of(get, sizeof(get)));
    settle();
}
