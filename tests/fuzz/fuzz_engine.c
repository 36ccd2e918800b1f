/* The engine under a stream of random inputs: uplinks, datagrams, answers of the SCEF with any outcome, commits that
 * fail, time, restarts from what was committed. Checks: no message in two final states, none before it was accepted,
 * none lost or forgotten; records can be read; counters agree; bounds hold; each uplink that waits is answered once; no
 * server gets an endpoint name that is not the device's; what is stored of observations is what is known of them. */
#include "tests/fuzz/fuzz_engine_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- inputs -------------------------------------------------------------------------------------------------- */

static struct reader in;

static unsigned u8(void)
{
    return in.rest.len ? reader_u8(&in) : 0;
}

/* A message out of small pools, so that Message IDs and tokens meet, or any bytes. */
static size_t compose(unsigned device, bool to_device, uint8_t out[600])
{
    static const uint8_t codes[] = {0x00, 0x01, 0x02, 0x03, 0x05, 0x45, 0x44, 0x41, 0x84, 0xa3, 0x21, 0x02};
    static const char *const options[] = {"",
                                          "\x60",
                                          "\x61\x01",
                                          "\x61\x05",
                                          "\xb2rd",
                                          "\xf1",
                                          "\xff"
                                          "12345",
                                          "\xb1"
                                          "3\xff"
                                          "1"};
    static const char *const lwm2m[] = {"",
                                        "\x60\x51"
                                        "3", /* Observe 0 */
                                        "\x61\x01\x51"
                                        "3",
                                        "\x31h\x82rd\x49"
                                        "ep=dev1@x",
                                        "\xb2rd\x49"
                                        "ep=dev0@x\x05lt=60",
                                        "\xb2rd\x4d\x04"
                                        "ep=urn:nai:dev2@X",
                                        "\xb2"
                                        "bs\x47"
                                        "ep=node\x07"
                                        "ep=4917",
                                        "\xb2rd\x01"
                                        "5",
                                        "\xb2rd\x20\xff<1/0>",
                                        "\x82rd\x01"
                                        "5",
                                        "\x71\x07\x42"
                                        "bs",
                                        "\x91\x01\x22rd"};
    unsigned how = u8();
    const uint8_t(*pool)[16] = (const void *)(to_device ? w.up[device] : w.down[device]);
    const uint8_t *seen = pool[how >> 2 & 3];
    if ((how & 3) == 3) { /* raw */
        size_t len = u8() % 64;
        struct bytes raw = reader_bytes(&in, len < in.rest.len ? len : in.rest.len);
        if (raw.len)
            memcpy(out, raw.data, raw.len);
        if (how & 128 && raw.len)
            out[0] = 0x16; /* DTLS */
        return raw.len;
    }
    unsigned type = u8();
    unsigned code = codes[type >> 4 < 12 ? type >> 4 : 0];
    unsigned shape = u8();
    size_t len = COAP_HEADER_BYTES;
    out[0] = (uint8_t)(0x40 | (type & 3) << 4);
    out[1] = (uint8_t)code;
    out[2] = how & 1 ? seen[2] : 0;
    out[3] = how & 1 ? seen[3] : (uint8_t)(shape >> 5);
    if (code == 0)
        return len;
    size_t token_len = how & 2 ? (seen[0] & 15u) : shape & 3;
    token_len = token_len > 8 ? 8 : token_len;
    memcpy(out + len, how & 2 ? (const char *)seen + COAP_HEADER_BYTES : "tok", how & 2 ? token_len : token_len & 3);
    out[0] |= (uint8_t)token_len;
    len += token_len;
    const char *o = how >> 4 < 12 && how >> 4 ? lwm2m[how >> 4] : options[shape >> 2 & 7];
    memcpy(out + len, o, strlen(o));
    len += strlen(o);
    if (type & 4) {
        size_t more = type & 8 ? 400 : 20;
        out[len++] = 0xff;
        memset(out + len, 'x', more);
        len += more;
    }
    return len;
}

static void input_uplink(unsigned device)
{
    uint8_t *data = malloc(600); /* of its own, so that reading beyond its end is seen */
    uint8_t composed[600];
    size_t len = compose(device, false, composed);
    fail_unless(data);
    memcpy(data, composed, len);
    data = realloc(data, len ? len : 1);
    struct engine_group_info g;
    struct nidd_uplink u = {.id = world_identity(device), .data = bytes_of(data, len)};
    enum error err = OK;
    uint32_t scef = world_scef(device) ^ (len % 16 == 15); /* now and then another one */
    if (len % 3 == 1)
        u.rds_port = (struct t8_rds_port){.present = true, .ue = len & 1};
    if (device == 4 && engine_group_info_get(w.e, 0, &g))
        u.nidd_configuration = g.configuration_link;
    uint32_t ref = ++w.later_ref;
    w.later[ref] = 1;
    w.inside = true;
    enum engine_verdict v = engine_uplink(w.e, w.now_ms, scef, ref, &u, &err);
    if (v != ENGINE_LATER) {
        fail_unless(w.later[ref] == 1);
        w.later[ref] = 0;
    }
    fail_unless(v != ENGINE_REFUSED || err != OK);
    world_checks();
    free(data);
}

static void input_datagram(unsigned device, unsigned server)
{
    uint8_t composed[600];
    size_t len = compose(device, true, composed);
    uint8_t *data = bytes_dup(bytes_of(composed, len));
    fail_unless(data);
    w.inside = true;
    engine_server_datagram(w.e, w.now_ms, device, server, bytes_of(data, len));
    world_checks();
    free(data);
}

static const char *const links[] = {"/as/configurations/c0",
                                    "/as/configurations/c0/downlink-data-deliveries/d1",
                                    "/as/configurations/c1/downlink-data-deliveries/d2",
                                    "http://h/p/as/configurations/c0/",
                                    "nonsense",
                                    ""};

static struct bytes link_of(unsigned choice)
{
    return bytes_of_str(links[choice % 6]);
}

static void input_submit_result(unsigned how)
{
    static const int statuses[] = {500, 404, 429, 403, 400, 503, 504, 401};
    if (w.submit_count == 0)
        return;
    size_t i = how % w.submit_count;
    uint64_t ref = w.submits[i];
    w.submits[i] = w.submits[--w.submit_count];
    unsigned what = u8();
    struct nidd_submit_result r = {
        .outcome = NIDD_SUBMIT_DELIVERED, .http_status = 200, .delivery_status = what >> 2 & 31};
    if ((what & 3) == 1)
        r = (struct nidd_submit_result){.outcome = NIDD_SUBMIT_PENDING, .http_status = 201, .link = link_of(what >> 2)};
    if ((what & 3) == 2)
        r = (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                        .http_status = statuses[what >> 5],
                                        .cause = (enum t8_cause)((what >> 2 & 7) * 2 % (T8_CAUSE_OTHER + 1)),
                                        .retry_after_s = what & 16 ? 30 : 0,
                                        .requested_retransmission_ms = what & 8 ? w.now_ms + 40000 : 0};
    if ((what & 3) == 3)
        r = (struct nidd_submit_result){.outcome = NIDD_SUBMIT_NO_ANSWER};
    r.delivery_status %= T8_DELIVERY_OTHER_FAILURE + 1;
    w.inside = true;
    engine_submit_result(w.e, w.now_ms, ref, &r);
    world_checks();
}

/* What the SCEF says of its buffer; of a list's question it may show what it likes first. */
static void input_delivery_answer(unsigned how)
{
    static const int statuses[] = {200, 204, 404, 409, 500, 0, 403, 503};
    static const enum t8_cause causes[] = {T8_CAUSE_NONE, T8_CAUSE_ALREADY_DELIVERED, T8_CAUSE_TIMEOUT,
                                           T8_CAUSE_SENDING};
    if (w.asked_count == 0)
        return;
    size_t i = how % w.asked_count;
    const struct asked q = w.asked[i];
    w.asked[i] = w.asked[--w.asked_count];
    unsigned what = u8();
    const uint8_t *seen = w.down[what % DEVICES][what >> 6].data;
    const struct nidd_downlink d = {
        .id = world_identity(what % DEVICES), .self = link_of(what >> 3), .data = bytes_of(seen, 4 + what % 12)};
    w.inside = true;
    if (what & 128)
        engine_delivery_found(w.e, w.now_ms, q.scef, q.ref, &d);
    engine_delivery_result(
        w.e, w.now_ms, q.scef, q.ref,
        &(struct engine_delivery_answer){.http_status = statuses[what & 7],
                                         .cause = causes[what >> 3 & 3],
                                         .retry_after_s = what & 32 ? 60 : 0,
                                         .delivery_status = what & 64 ? T8_DELIVERY_SUCCESS : T8_DELIVERY_BUFFERING});
    world_checks();
}

/* A word of the network about a device, or an answer about our subscriptions. */
static void input_report(unsigned device, unsigned what)
{
    static const int statuses[] = {201, 403, 0, 200};
    const uint32_t scef = what >> 4 & 1;
    w.inside = true;
    if (what & 1) {
        (void)engine_device_reachable(w.e, w.now_ms, scef, world_identity(device), "report");
    } else if (what & 2) {
        (void)engine_watch_over(w.e, scef, link_of(what >> 5));
    } else if (what & 4 && w.watch_count) {
        const struct engine_watch_answer a = {.http_status = statuses[what >> 6], .link = link_of(what >> 3)};
        (void)engine_watch_result(w.e, w.now_ms, w.watches[--w.watch_count], &a);
    } else if (w.watches_listing[scef]) {
        w.watches_listing[scef] = false;
        engine_watch_found(w.e, w.now_ms, scef, world_identity(device), link_of(what >> 5), w.now_ms + 5 * MINUTE);
        engine_watch_listed(w.e, scef);
    }
    world_checks();
}

/* The list shows some of the devices, and the group perhaps. */
static void input_listed(uint32_t scef)
{
    static const int statuses[] = {200, 200, 503, 404};
    if (!w.listing[scef])
        return;
    unsigned what = u8();
    w.listing[scef] = false;
    w.inside = true;
    for (unsigned i = 0; i <= DEVICES; i++) {
        struct nidd_configuration_found f = {
            .id = i < DEVICES ? world_identity(i) : (struct t8_identity){.external_group_id = BYTES_LIT(GROUP)},
            .result = {.http_status = 200, .link = link_of(i ? 0 : 3), .status = T8_NIDD_ACTIVE}};
        if (what >> i & 1)
            engine_configuration_found(w.e, w.now_ms, scef, &f);
    }
    const struct nidd_configuration_result r = {.http_status = statuses[what >> 6]};
    engine_configuration_listed(w.e, w.now_ms, scef, &r);
    world_checks();
}

static void input_configuration_result(unsigned how)
{
    static const int statuses[] = {201, 200, 404, 403, 500, 0, 409, 204};
    if (how & 8) {
        input_listed(how & 1);
        return;
    }
    if (w.configuration_count == 0)
        return;
    size_t i = how % w.configuration_count;
    uint64_t ref = w.configurations[i];
    w.configurations[i] = w.configurations[--w.configuration_count];
    w.configuration_scefs[i] = w.configuration_scefs[w.configuration_count];
    unsigned what = u8();
    const struct nidd_configuration_result r = {.http_status = statuses[what & 7],
                                                .link = what & 8 ? link_of(what >> 4) : link_of(0),
                                                .status = what & 64 ? T8_NIDD_TERMINATED : T8_NIDD_ACTIVE,
                                                .has_body = what & 32,
                                                .duration_ms = what & 128 ? w.now_ms + 30 * MINUTE : 0,
                                                .supported_features = what & 32 ? NIDD_FEATURE_MODIFICATION : 0,
                                                .notification_destination = link_of(what >> 5),
                                                .maximum_packet_size_bits = what & 128 ? 8 * 60 : 0};
    w.inside = true;
    engine_configuration_result(w.e, w.now_ms, ref, &r);
    world_checks();
}

static void input_status(unsigned device, unsigned what)
{
    enum error err;
    uint32_t scef = world_scef(device) ^ (what >> 7);
    w.inside = true;
    if (what & 1) {
        const struct nidd_delivery_status s = {.nidd_downlink_data_transfer = link_of(what >> 1),
                                               .delivery_status = (what >> 4) % (T8_DELIVERY_OTHER_FAILURE + 1)};
        err = engine_delivery_status(w.e, w.now_ms, scef, &s);
    } else {
        const struct nidd_configuration_status s = {
            .nidd_configuration = link_of(what >> 1),
            .id = what & 64 ? (struct t8_identity){.external_group_id = BYTES_LIT(GROUP)} : world_identity(device),
            .status = (what >> 4) % (T8_NIDD_STATUS_OTHER + 1)};
        err = engine_configuration_status(w.e, w.now_ms, scef, &s);
    }
    fail_unless(err < ERROR_COUNT);
    world_checks();
}

/* As many observations are stored as are known, of the devices that are shown; less those at servers by connections,
 * which end with these. */
static void check_observations(void)
{
    unsigned reliable = 0;
    for (unsigned i = 0; i < SERVERS; i++)
        reliable += w.transports[i] == ENGINE_TRANSPORT_RELIABLE;
    for (unsigned i = 0; i < DEVICES; i++) {
        struct engine_device_info d;
        struct bytes id = world_id(i);
        uint32_t stored = 0;
        bool shown = engine_device_find(w.e, id, &d);
        if (!shown && w.o.delete_removed != ENGINE_DELETE_REMOVED_ALL)
            continue;
        for (size_t n = 0; n < w.committed_count; n++) {
            const struct buf *key = &w.committed[n].key;
            stored += key->data[0] == RECORD_OBSERVATION && key->len > id.len + 1 &&
                      memcmp(key->data + 1, id.data, id.len) == 0 && key->data[id.len + 1] == 0;
        }
        const uint32_t known = shown ? d.observation_count : 0;
        fail_unless(reliable == SERVERS ? stored == 0 : reliable ? stored <= known : stored == known);
    }
}

/* Everybody is well behaved from now on: all that was accepted ends, and nothing is left behind. */
static void quiesce(void)
{
    w.send_err = OK;
    for (unsigned i = 0; i < DEVICES * SERVERS && !w.dead; i++)
        world_leg(i / SERVERS, i % SERVERS, true);
    for (unsigned i = 0; i < 60 && !w.dead; i++) {
        commit(MAX_RECORDS, OK);
        for (unsigned n = 0; w.submit_count && n < 64 && !w.dead; n++) {
            in = (struct reader){.rest = BYTES_LIT("\x04")};
            input_submit_result(0);
        }
        for (unsigned n = 0; w.configuration_count && n < 64 && !w.dead; n++) {
            in = (struct reader){.rest = BYTES_LIT("\x00")};
            input_configuration_result(0);
        }
        for (unsigned scef = 0; scef < SCEFS; scef++) {
            in = (struct reader){.rest = BYTES_LIT("\x20")}; /* the group */
            input_listed(scef);
        }
        for (unsigned n = 0; w.asked_count && n < 64 && !w.dead; n++) {
            in = (struct reader){.rest = BYTES_LIT("\x02")};
            input_delivery_answer(0);
        }
        world_pass(2 * MINUTE);
    }
    if (w.dead)
        return;
    struct engine_totals t;
    engine_totals_get(w.e, &t);
    fail_unless(t.queued_messages == 0 && t.spooled_messages == 0 && t.exchanges == 0);
    for (size_t i = 0; i < MAX_SEQS; i++)
        fail_unless(!w.fates[i].accepted || w.fates[i].final);
    for (size_t i = 0; i < sizeof(w.later); i++)
        fail_unless(w.later[i] == 0);
    check_observations();
    for (size_t i = 0; i < w.committed_count; i++)
        fail_unless(w.committed[i].key.data[0] != RECORD_DOWNLINK && w.committed[i].key.data[0] != RECORD_UPLINK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t steps_ms[] = {1, 1000, 3000, 11000, 25000, 70000, 300000, 1000000};
    memset(&w, 0, sizeof(w));
    in = (struct reader){.rest = bytes_of(data, size)};
    unsigned flags = u8();
    engine_options_default(&w.o);
    w.o.seed = flags >> 1;
    w.o.queue.max_messages = 6;
    w.o.queue.nstart = flags & 2 ? 2 : 1;
    w.o.spool_max_messages = 4;
    w.o.max_exchanges = flags & 4 ? 4 : 32;
    w.o.downlink.lifetime_ms = w.o.spool_lifetime_ms = 20 * MINUTE;
    w.o.downlink.latest_wins = flags & 8;
    w.o.downlink.buffer = (enum engine_buffer)(flags >> 5 & 3) % 3;
    w.o.queue_total_messages = flags & 16 ? 10 : 1000;
    w.o.queue_total_bytes = flags & 32 ? 2000 : 100000;
    w.o.spool_total_messages = flags & 16 ? 6 : 1000;
    w.o.history_ms = flags & 4 ? 5 * MINUTE : 0;
    w.o.history_max = 3;
    w.o.history_total_bytes = 2000;
    w.o.configuration_window = 2;
    w.o.default_packet_size_bytes = flags & 8 ? 100 : 0;
    w.o.delete_removed = flags & 16 ? ENGINE_DELETE_REMOVED_ALL : ENGINE_DELETE_REMOVED_NO;
    w.o.identity_policy = flags & 64 ? ENGINE_IDENTITY_ENFORCE : ENGINE_IDENTITY_OFF;
    w.o.fill_endpoint = flags & 64;
    w.routed = flags & 128;
    w.file = flags & 32 ? FILE_DEV2_MEMBER : FILE_GROUP_GONE;
    w.transports[0] = flags & 64 ? ENGINE_TRANSPORT_RELIABLE : ENGINE_TRANSPORT_UDP;
    w.transports[1] = flags & 128  ? ENGINE_TRANSPORT_RELIABLE
                      : flags & 64 ? ENGINE_TRANSPORT_DTLS
                                   : ENGINE_TRANSPORT_UDP;
    w.now_ms = T0;
    world_start();
    for (unsigned n = 0; n < MAX_OPS && in.rest.len && !w.dead; n++) {
        unsigned op = u8();
        unsigned device = (op >> 4) % DEVICES;
        switch (op & 15) {
        case 0:
        case 1:
        case 2:
            input_uplink(device);
            break;
        case 3:
        case 4:
        case 5:
            input_datagram(device, op >> 7);
            break;
        case 6:
            input_submit_result(op >> 4);
            break;
        case 7:
            if (w.asked_count)
                input_delivery_answer(op >> 4);
            else
                input_submit_result(op >> 4);
            break;
        case 8:
            input_configuration_result(op >> 4);
            break;
        case 9:
            if (op & 128)
                input_report(device, u8());
            else
                input_status(device, u8());
            break;
        case 10:
        case 11:
            commit(op & 128 ? 1 + (op >> 4 & 7) : MAX_RECORDS, OK);
            break;
        case 12:
            commit(MAX_RECORDS, ERR_STORE);
            break;
        case 13:
            world_pass(steps_ms[op >> 4 & 7]);
            break;
        case 14:
            if (op & 128) {
                unsigned leg = u8();
                world_leg((op >> 4 & 7) % DEVICES, leg & 1, leg & 2);
                break;
            }
            if (op & 16) {
                world_operator((op >> 5) & 3, u8());
                break;
            }
            w.send_err = op & 64 ? OK : op & 32 ? ERR_SYSTEM : ERR_UNREACHABLE;
            break;
        default:
            if (op & 128) {
                w.file ^= 1u << (op >> 4 & 7); /* 7: the same file */
                w.file &= 127;
                world_restart();
            } else if ((op & 0x70) == 0) {
                engine_drain(w.e);
            } else if (op & 64) {
                world_reroute(u8() % DEVICES);
            } else {
                world_route(u8());
            }
            break;
        }
    }
    if (flags & 1)
        quiesce();
    world_end();
    world_free();
    return 0;
}
