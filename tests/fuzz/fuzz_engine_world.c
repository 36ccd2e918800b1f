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
    struct record_configuration c;
    struct record_observation o;
    struct record_final f;
    struct bytes id;
    uint64_t reserved;
    (void)ctx;
    fail_unless(record_index_decode(key, value, &id) == OK || record_count_decode(key, value, &reserved) == OK ||
                record_final_decode(key, value, &f) == OK || record_observation_decode(key, value, &o) == OK ||
                record_sequence_decode(key, value, &reserved) == OK || record_device_decode(key, value, &d) == OK ||
                record_message_decode(key, value, &m) == OK || record_configuration_decode(key, value, &c) == OK);
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
    w.store_failed |= err != OK;
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

/* Nobody hears of a learned device before it is stored. */
static void check_learned(uint32_t leg)
{
    struct engine_device_info d;
    uint8_t key[] = "ddev4@x";
    struct record *r = committed_find(bytes_of(key, sizeof(key))); /* with its NUL */
    struct record_device stored_device;
    if (!engine_device_find(w.e, world_id(4), &d) || !d.learned || d.leg != leg)
        return;
    fail_unless(r && record_device_decode(buf_bytes(&r->key), buf_bytes(&r->value), &stored_device) == OK);
    fail_unless(stored_device.leg == leg && (stored_device.flags & RECORD_DEVICE_LEARNED));
}

static void remember(uint8_t to[16], const uint8_t header[COAP_HEADER_BYTES], struct bytes rest)
{
    memset(to, 0, 16);
    memcpy(to, header, COAP_HEADER_BYTES);
    if (rest.len)
        memcpy(to + COAP_HEADER_BYTES, rest.data, rest.len < 12 ? rest.len : 12);
}

static uint8_t small(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* Read here by code of its own: "devN@x" with or without the prefix, the domain in any case; "4917"; dev2's other one.
 */
static bool name_is_of(unsigned device, struct bytes name)
{
    struct bytes id = world_id(device);
    if (device == 2 && bytes_equal(name, BYTES_LIT("node")))
        return true;
    if (device != 3 && name.len > 8 && memcmp(name.data, "urn:nai:", 8) == 0)
        name = bytes_from(name, 8);
    return name.len == id.len && memcmp(name.data, id.data, id.len - 1) == 0 &&
           small(name.data[id.len - 1]) == small(id.data[id.len - 1]);
}

static unsigned device_of_leg(uint32_t leg)
{
    struct engine_device_info d;
    for (unsigned i = 0; i < DEVICES; i++)
        if (engine_device_find(w.e, world_id(i), &d) && d.leg == leg)
            return i;
    return DEVICES;
}

/* No message is routed on an endpoint name that disagrees with the network's identity. */
static void check_name(uint32_t leg, const uint8_t header[COAP_HEADER_BYTES], struct bytes rest)
{
    uint8_t data[1500];
    struct coap_view v;
    struct coap_option o;
    struct coap_option_cursor c = {0};
    bool path = false;
    unsigned segments = 0, names = 0;
    unsigned device = device_of_leg(leg);
    fail_unless(rest.len <= sizeof(data) - COAP_HEADER_BYTES);
    memcpy(data, header, COAP_HEADER_BYTES);
    if (rest.len)
        memcpy(data + COAP_HEADER_BYTES, rest.data, rest.len);
    fail_unless(coap_view_parse(bytes_of(data, rest.len + COAP_HEADER_BYTES), &v) == OK);
    if (v.code != COAP_POST || device == DEVICES)
        return;
    while (coap_option_next(&v, &c, &o)) {
        if (o.number == COAP_OPTION_OSCORE)
            return;
        if (o.number == COAP_OPTION_URI_PATH && o.value.len) {
            segments++;
            path = bytes_equal(o.value, BYTES_LIT("rd")) || bytes_equal(o.value, BYTES_LIT("bs"));
        }
        if (o.number != COAP_OPTION_URI_QUERY || segments != 1 || !path || o.value.len < 3 ||
            memcmp(o.value.data, "ep=", 3) != 0)
            continue;
        names++;
        fail_unless(name_is_of(device, bytes_from(o.value, 3)));
    }
    /* A missing one is filled in; for a device without External Identifier there is none. */
    fail_unless(names || segments != 1 || !path || c.broken || device == 3);
}

static enum error port_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                            struct bytes rest)
{
    (void)ctx;
    fail_unless(w.inside && leg < DEVICES && server < SERVERS);
    if (payload_kind_of(bytes_of(header, COAP_HEADER_BYTES)) == PAYLOAD_DTLS) {
        fail_unless(w.transports[server] == ENGINE_TRANSPORT_UDP && rest.len > 0);
    } else {
        fail_unless(header[0] >> 6 == 1);
        fail_unless((header[0] & 15u) <= rest.len && (header[1] || rest.len == 0));
        /* A connection has no message layer. */
        fail_unless(w.transports[server] != ENGINE_TRANSPORT_RELIABLE ||
                    (header[1] && (header[0] >> 4 & 3) <= COAP_NON));
    }
    check_learned(leg);
    if (w.o.identity_policy == ENGINE_IDENTITY_ENFORCE)
        check_name(leg, header, rest);
    if (w.transports[server] != ENGINE_TRANSPORT_UDP && w.leg_down[leg][server])
        return ERR_UNREACHABLE;
    if (!w.send_err)
        remember(w.up[leg][w.up_at[leg]++ & 3].data, header, rest);
    return w.send_err;
}

static void port_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    (void)ctx;
    fail_unless(w.inside && s->configuration_link.len > 0 && s->data.len >= COAP_HEADER_BYTES && s->scef < SCEFS);
    fail_unless((s->id.external_id.len == 0) != (s->id.msisdn.len == 0) && s->id.external_group_id.len == 0);
    unsigned device = s->id.external_id.len ? s->id.external_id.data[3] - '0' : 3u;
    fail_unless(device < DEVICES);
    remember(w.down[device][w.down_at[device]++ & 3].data, s->data.data, bytes_from(s->data, COAP_HEADER_BYTES));
    for (size_t i = 0; i < w.submit_count; i++)
        fail_unless(w.submits[i] != ref);
    if (w.submit_count == MAX_OPEN)
        w.dead = true;
    else
        w.submits[w.submit_count++] = ref;
}

static void port_configuration(uint32_t scef, uint64_t ref)
{
    unsigned under_way = 0;
    fail_unless(w.inside && scef < SCEFS);
    for (size_t i = 0; i < w.configuration_count; i++) {
        under_way += w.configuration_scefs[i] == scef;
        fail_unless(w.configurations[i] != ref); /* one request at a time for each */
    }
    fail_unless(under_way < w.o.configuration_window);
    w.configuration_scefs[w.configuration_count] = scef;
    w.configurations[w.configuration_count++] = ref;
}

static void port_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)ctx;
    fail_unless((id.external_id.len != 0) + (id.msisdn.len != 0) + (id.external_group_id.len != 0) == 1);
    fail_unless(id.external_group_id.len == 0 || !(w.file & (FILE_GROUP_FOREIGN | FILE_GROUP_GONE)));
    port_configuration(scef, ref);
}

static void port_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)ctx;
    fail_unless(link.len > 0);
    port_configuration(scef, ref);
}

static void port_patch(void *ctx, uint32_t scef, uint64_t ref, struct bytes link,
                       const struct nidd_configuration_patch *p)
{
    (void)ctx, (void)p;
    fail_unless(link.len > 0);
    port_configuration(scef, ref);
}

static void port_delete_configuration(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    port_get(ctx, scef, ref, link);
}

static void port_list(void *ctx, uint32_t scef)
{
    (void)ctx;
    fail_unless(w.inside && scef < SCEFS && !w.listing[scef]);
    w.listing[scef] = true;
}

static void port_delivery(void *ctx, uint64_t ref, const struct engine_delivery_request *q)
{
    (void)ctx;
    fail_unless(w.inside && q->scef < SCEFS && q->link.len > 0);
    fail_unless((q->operation == ENGINE_DELIVERY_PUT) == (q->data.len > 0));
    for (size_t i = 0; i < w.asked_count; i++)
        fail_unless(ref == 0 || w.asked[i].ref != ref); /* one question at a time for each message */
    if (w.asked_count == MAX_OPEN)
        w.dead = true;
    else
        w.asked[w.asked_count++] = (struct asked){ref, q->scef};
}

static void port_watch(void *ctx, uint32_t scef, uint64_t ref, const struct engine_watch *q)
{
    (void)ctx;
    fail_unless(w.inside && scef < SCEFS && q->expire_ms > w.now_ms);
    for (size_t i = 0; i < w.watch_count; i++)
        fail_unless(w.watches[i] != ref);
    if (w.watch_count == MAX_OPEN)
        w.dead = true;
    else
        w.watches[w.watch_count++] = ref;
}

static void port_watch_list(void *ctx, uint32_t scef)
{
    (void)ctx;
    fail_unless(w.inside && scef < SCEFS && !w.watches_listing[scef]);
    w.watches_listing[scef] = true;
}

static enum error port_device_added(void *ctx, uint32_t leg)
{
    (void)ctx;
    fail_unless(w.inside && leg < DEVICES);
    return w.send_err;
}

static void port_answer(void *ctx, uint64_t ref, enum error err)
{
    (void)ctx, (void)err;
    fail_unless(w.inside && ref <= MAX_OPS && w.later[ref] == 1);
    w.later[ref] = 0;
}

/* --- what must always hold -------------------------------------------------------------------------------- */

struct bytes world_id(unsigned device)
{
    static const char *const ids[DEVICES] = {"dev0@x", "dev1@x", "dev2@x", "4917", "dev4@x"};
    return bytes_of_str(ids[device]);
}

struct t8_identity world_identity(unsigned device)
{
    return device == 3 ? (struct t8_identity){.msisdn = world_id(device)}
                       : (struct t8_identity){.external_id = world_id(device)};
}

static bool is_member(unsigned device)
{
    return device == 2 && w.file & FILE_DEV2_MEMBER && !(w.file & FILE_GROUP_GONE);
}

uint32_t world_scef(unsigned device)
{
    bool in_group = is_member(device) || (device == 4 && !(w.file & FILE_DEV4_LISTED));
    return in_group      ? (w.file & FILE_GROUP_ELSEWHERE ? 1 : 0)
           : device == 0 ? (w.file & FILE_DEV0_ELSEWHERE ? 1 : 0)
                         : device & 1;
}

static bool counts_as_active(const char *state)
{
    return !strcmp(state, "active") || !strcmp(state, "changing");
}

struct finals_seen {
    uint64_t number;
    unsigned count;
};

static bool check_final(void *ctx, const struct engine_final_info *f)
{
    struct finals_seen *s = ctx;
    fail_unless(f->final != FINAL_NONE && f->final < FINAL_COUNT);
    fail_unless(f->number < s->number); /* the latest first */
    s->number = f->number;
    s->count++;
    return true;
}

static void check_device(unsigned i, struct engine_totals *sum)
{
    struct engine_device_info d;
    struct engine_message_info m;
    unsigned in_flight = 0, requests = 0, answers = 0;
    uint8_t priority = QUEUE_PRIORITY_MAX;
    if (!engine_device_find(w.e, world_id(i), &d)) {
        fail_unless(i == 1 || i == 4);
        return;
    }
    fail_unless(d.server < SERVERS && d.observation_count <= 64 && d.registration_count <= ENGINE_REGISTRATIONS_MAX);
    for (uint32_t n = 0; n < d.registration_count; n++)
        fail_unless(d.registrations[n].server < SERVERS &&
                    (d.registrations[n].until_ms == 0 || d.registrations[n].until_ms > w.now_ms));
    fail_unless(d.leg < DEVICES && (d.learned ? i == 4 : i != 4 || w.file & FILE_DEV4_LISTED));
    fail_unless(d.scef == world_scef(i) && (d.group == 0) == (is_member(i) || d.learned));
    for (uint64_t seq = 0; engine_message_next(w.e, world_id(i), &seq, &m);) {
        bool request = strcmp(m.class_, "request") == 0;
        bool storing = strcmp(m.state, "storing") == 0;
        const struct fate *f = fate_of(m.seq);
        fail_unless(m.seq == seq && !f->final);
        fail_unless(storing ? !f->accepted : f->accepted || !request);
        requests += request;
        answers += !request;
        in_flight += request && (!strcmp(m.state, "submitted") || !strcmp(m.state, "with_scef"));
        if (request && (storing || !strcmp(m.state, "queued") || !strcmp(m.state, "submitted"))) {
            fail_unless(m.priority <= priority);
            priority = m.priority;
        }
        fail_unless(m.waits_for[0] && m.age_ms <= w.now_ms);
        sum->queued_messages++;
        sum->queued_bytes += m.message.len;
    }
    struct finals_seen finals = {.number = UINT64_MAX};
    engine_finals_each(w.e, world_id(i), UINT64_MAX, check_final, &finals);
    fail_unless(finals.count <= w.o.history_max);
    fail_unless(in_flight <= w.o.queue.nstart);
    fail_unless(w.store_failed || requests <= w.o.queue.max_messages);
    fail_unless(answers <= w.o.queue.max_messages + QUEUE_ANSWER_RESERVE);
    fail_unless(w.store_failed || d.spooled_messages <= w.o.spool_max_messages);
    fail_unless(d.queue_messages == requests + answers);
    sum->spooled_messages += d.spooled_messages;
    sum->devices++;
    sum->active_configurations += d.group == ENGINE_NONE && counts_as_active(d.configuration_state);
}

/* In steps as small as can be. */
static void check_survey(const struct engine_totals *t)
{
    struct engine_survey s = {.cursor = 0};
    uint64_t states = 0;
    while (engine_survey_go_on(w.e, &s, 1))
        ;
    fail_unless(s.all.messages == t->queued_messages && s.all.bytes == t->queued_bytes);
    fail_unless(!s.oldest_accepted_ms == !s.all.messages && s.oldest_accepted_ms <= w.now_ms);
    for (unsigned i = 0; i <= QUEUE_DTLS; i++)
        fail_unless(s.of_class[i].messages == t->queued_by_class[i]);
    for (unsigned i = 0; i < ENGINE_MESSAGE_STATES; i++)
        states += s.of_state[i].messages;
    fail_unless(states == s.all.messages && s.top_count <= ENGINE_SURVEY_TOP);
    for (uint32_t i = 1; i < s.top_count; i++)
        fail_unless(s.top[i].messages <= s.top[i - 1].messages);
}

void world_checks(void)
{
    struct engine_totals t, sum = {0};
    struct engine_group_info g;
    engine_wake(w.e, w.now_ms);
    w.inside = false;
    engine_totals_get(w.e, &t);
    check_survey(&t);
    for (unsigned i = 0; i < DEVICES; i++)
        check_device(i, &sum);
    if (engine_group_info_get(w.e, 0, &g)) {
        sum.active_configurations += counts_as_active(g.configuration_state);
        fail_unless(g.learned <= 1 && g.devices == g.learned + is_member(2));
    }
    fail_unless(t.devices == sum.devices && t.active_configurations == sum.active_configurations);
    /* Those of devices that are in the file no more are not shown. */
    fail_unless(t.queued_messages >= sum.queued_messages && t.queued_bytes >= sum.queued_bytes);
    fail_unless(t.spooled_messages >= sum.spooled_messages);
    fail_unless(sum.devices < DEVICES || t.queued_messages == sum.queued_messages);
    fail_unless(t.exchanges <= DEVICES * (w.o.max_exchanges + w.o.spool_max_messages + 2 * w.o.queue.max_messages +
                                          QUEUE_ANSWER_RESERVE));
}

void world_leg(unsigned device, unsigned server, bool up)
{
    w.leg_down[device][server] = !up;
    w.inside = true;
    engine_leg_state(w.e, w.now_ms, device, server, up);
    world_checks();
}

/* --- life --------------------------------------------------------------------------------------------------- */

static void restore_record(enum record_kind kind, struct bytes key, struct bytes value)
{
    struct record_configuration c;
    struct record_device d;
    struct record_message m;
    struct record_observation o;
    struct record_final f;
    uint64_t reserved;
    if (kind == RECORD_OBSERVATION && record_observation_decode(key, value, &o) == OK)
        fail_unless(engine_restore_observation(w.e, &o) == OK);
    else if (kind == RECORD_SEQUENCE && record_sequence_decode(key, value, &reserved) == OK)
        engine_restore_sequence(w.e, reserved);
    else if (kind == RECORD_CONFIGURATION && record_configuration_decode(key, value, &c) == OK)
        fail_unless(engine_restore_configuration(w.e, &c) == OK);
    else if (kind == RECORD_DEVICE && record_device_decode(key, value, &d) == OK)
        fail_unless(engine_restore_device(w.e, &d) == OK);
    else if (kind == RECORD_FINAL && record_final_decode(key, value, &f) == OK)
        fail_unless(engine_restore_final(w.e, &f) == OK);
    else if (record_message_decode(key, value, &m) == OK)
        fail_unless(engine_restore_message(w.e, kind, &m) == OK);
    else
        abort();
}

static void restore(void)
{
    static const enum record_kind kinds[] = {RECORD_SEQUENCE, RECORD_CONFIGURATION, RECORD_DEVICE, RECORD_OBSERVATION,
                                             RECORD_FINAL,    RECORD_DOWNLINK,      RECORD_UPLINK};
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
        for (size_t i = 0; i < w.committed_count; i++)
            if (w.committed[i].key.data[0] == (uint8_t)kinds[k])
                restore_record(kinds[k], buf_bytes(&w.committed[i].key), buf_bytes(&w.committed[i].value));
}

static const struct engine_route routes[] = {{.server = 0},
                                             {.server = 1, .domain = BYTES_LIT("X")},
                                             {.server = 0, .external_id = BYTES_LIT("dev?@x")},
                                             {.server = 1, .external_id = BYTES_LIT("*1@*")},
                                             {.server = 1, .uri_host = BYTES_LIT("h")},
                                             {.server = 0, .uri_port = 7, .domain = BYTES_LIT("x")},
                                             {.server = 1, .bootstrap = true},
                                             {.server = 1, .has_rds_ue_port = true, .rds_ue_port = 1}};

void world_route(unsigned choice)
{
    struct engine_route some[8];
    struct route_table *t;
    struct route_finding found[8];
    size_t n = 0;
    for (unsigned i = 0; i < 8; i++)
        if (choice >> i & 1)
            some[n++] = routes[i];
    fail_unless(route_table_new(some, n, &t) == OK);
    size_t count = route_table_check(t, found, 8);
    for (size_t i = 0; i < count; i++)
        fail_unless(found[i].flaw == ROUTE_AMBIGUOUS && found[i].first < n && found[i].second < n);
    route_table_free(t);
    fail_unless(engine_routes_replace(w.e, some, n) == OK);
}

static void policies(unsigned choice)
{
    const struct engine_policy otherwise = {.lifetime_ms = w.o.downlink.lifetime_ms,
                                            .latest_wins = w.o.downlink.latest_wins,
                                            .priority = (uint8_t)(choice & QUEUE_PRIORITY_MAX)};
    struct engine_downlink entries[] = {{.server = 1, .policy = otherwise},
                                        {.server = ENGINE_NONE, .domain = BYTES_LIT("X"), .policy = otherwise},
                                        {.server = 0, .external_id = BYTES_LIT("dev?@x"), .policy = otherwise}};
    for (unsigned i = 0; i < 3; i++) {
        entries[i].policy.priority = (uint8_t)((choice >> i) & QUEUE_PRIORITY_MAX);
        entries[i].policy.buffer = (enum engine_buffer)((choice >> (4 + i) & 1) + (choice & 1));
    }
    fail_unless(engine_downlinks_replace(w.e, &otherwise, entries, choice & 128 ? 3 : 1) == OK);
}

void world_operator(unsigned what, unsigned choice)
{
    struct engine_message_info m;
    const struct bytes id = world_id(choice % DEVICES);
    uint64_t seq = 0;
    const bool found = engine_message_next(w.e, id, &seq, &m);
    for (unsigned n = choice >> 5; n && engine_message_next(w.e, id, &seq, &m);)
        n--;
    w.inside = true;
    if (what == 0) {
        const bool waits = found && strcmp(m.state, "storing") != 0 && strcmp(m.state, "answering") != 0;
        const enum error err = engine_message_cancel(w.e, w.now_ms, id, seq);
        fail_unless(!found || (err == OK) == waits);
    } else if (what == 1) {
        const enum error err = engine_message_replay(w.e, w.now_ms, id, seq);
        fail_unless(found || err);
    } else if (what == 2) {
        struct engine_purge p = {.device_id = choice & 128 ? id : (struct bytes){0},
                                 .server = choice & 64 ? ENGINE_NONE : choice & 1,
                                 .accepted_until_ms = choice & 32 ? UINT64_MAX : w.now_ms};
        (void)engine_queue_purge(w.e, w.now_ms, &p, choice >> 4);
        fail_unless(p.cancelled + p.asked <= choice >> 4);
    } else {
        policies(choice);
    }
    world_checks();
}

void world_reroute(unsigned device)
{
    struct engine_device_info d;
    struct engine_device_options o = {.id = world_identity(device), .server = ENGINE_NONE};
    if (!w.routed)
        return;
    if (device == 2)
        o.endpoint = BYTES_LIT("node");
    if (engine_device_find(w.e, world_id(device), &d) && !d.learned && d.server == 0)
        o.server = 1;
    w.inside = true;
    enum error err = engine_device_change(w.e, &o);
    fail_unless(err == OK || device == 1 || device == 4);
    world_checks();
}

void world_start(void)
{
    const struct engine_ports ports = {.server_send = port_send,
                                       .downlink_submit = port_submit,
                                       .configuration_create = port_create,
                                       .configuration_get = port_get,
                                       .configuration_patch = port_patch,
                                       .configuration_delete = port_delete_configuration,
                                       .configuration_list = port_list,
                                       .device_added = port_device_added,
                                       .delivery_request = port_delivery,
                                       .watch_create = port_watch,
                                       .watch_list = port_watch_list,
                                       .store_put = port_put,
                                       .store_delete = port_delete,
                                       .uplink_answer = port_answer,
                                       .event = port_event};
    w.inside = true;
    fail_unless(engine_new(&w.o, &ports, w.now_ms, &w.e) == OK);
    static const char *const servers[SERVERS] = {"server0", "server1"};
    for (unsigned i = 0; i < SERVERS; i++) {
        const struct engine_server_options s = {.name = servers[i], .transport = w.transports[i]};
        fail_unless(engine_server_add(w.e, &s) == OK);
    }
    const struct engine_scef_options scefs[SCEFS] = {{.name = "scef0",
                                                      .notification_destination = "http://as/t8",
                                                      .configuration_duration_ms = 60 * MINUTE,
                                                      .supported_features = NIDD_FEATURE_MODIFICATION,
                                                      .watch = true},
                                                     {.name = "scef1"}};
    for (unsigned i = 0; i < SCEFS; i++)
        fail_unless(engine_scef_add(w.e, &scefs[i]) == OK);
    if (!(w.file & FILE_GROUP_GONE))
        fail_unless(engine_group_add(w.e, &(struct engine_group_options){.external_group_id = BYTES_LIT(GROUP),
                                                                         .scef = w.file & FILE_GROUP_ELSEWHERE ? 1 : 0,
                                                                         .foreign = w.file & FILE_GROUP_FOREIGN,
                                                                         .learn = true,
                                                                         .learn_max = 1}) == OK);
    if (w.routed)
        for (unsigned i = 0; i < 8; i++)
            fail_unless(engine_route_add(w.e, &routes[i]) == OK);
    restore();
    for (unsigned i = 0; i < DEVICES; i++) {
        if ((i == 4 && !(w.file & FILE_DEV4_LISTED)) || (i == 1 && w.file & FILE_DEV1_GONE))
            continue;
        const struct engine_device_options d = {.id = world_identity(i),
                                                .server = w.routed ? ENGINE_NONE : i % SERVERS,
                                                .endpoint = i == 2 ? BYTES_LIT("node") : (struct bytes){0},
                                                .scef = world_scef(i),
                                                .group = is_member(i) ? 0 : ENGINE_NONE};
        fail_unless(engine_device_add(w.e, &d) == OK);
    }
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
    w.asked_count = w.watch_count = 0;
    w.listing[0] = w.listing[1] = w.watches_listing[0] = w.watches_listing[1] = false;
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
