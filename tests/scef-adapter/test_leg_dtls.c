/* DTLS legs against a server on OpenSSL in the same process, over a network that the test decides about. */
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/prng.h"
#include "tests/scef-adapter/dtls_peer.h"

#define CON_TEXT "@con" /* as a CoAP header: version 1, CON */
#define NON_TEXT "Pnon" /* version 1, NON */

struct fixture {
    struct loop loop;
    struct leg_dtls *legs;
    struct leg_dtls_server server;
    struct leg_dtls_options o;
    struct dtls_peer peer;
    struct leg_tls_psk key;
    bool no_key;
    unsigned lose_percent, lost;
    struct prng prng;
    unsigned sent;
    bool up[PEER_LEGS];
    unsigned ups, downs;
    char heard[64];
    unsigned messages;
    char directory[32], ca_file[64], other_ca_file[64], certificate_file[64], key_file[64];
};

static enum error transmit(void *ctx, uint32_t leg, uint32_t server, struct bytes datagram)
{
    struct fixture *f = ctx;
    assert_int_equal(server, 0);
    f->sent++;
    peer_queue(&f->peer, leg, true, datagram);
    return OK;
}

static void datagram(void *ctx, uint32_t leg, uint32_t server, struct bytes message)
{
    struct fixture *f = ctx;
    (void)leg;
    assert_int_equal(server, 0);
    f->messages++;
    snprintf(f->heard, sizeof(f->heard), "%.*s", (int)message.len, (const char *)message.data);
}

static void state(void *ctx, uint32_t leg, uint32_t server, bool up)
{
    struct fixture *f = ctx;
    assert_int_equal(server, 0);
    f->up[leg] = up;
    f->ups += up;
    f->downs += !up;
}

static bool key(void *ctx, uint32_t leg, uint32_t server, struct leg_tls_psk *out)
{
    struct fixture *f = ctx;
    (void)leg;
    assert_int_equal(server, 0);
    *out = f->key;
    return !f->no_key;
}

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    prng_seed(&f->prng, 1);
    assert_int_equal(loop_init(&f->loop), OK);
    f->server = (struct leg_dtls_server){.name = "lwm2m", .host = "lwm2m.example.org"};
    f->o = (struct leg_dtls_options)LEG_DTLS_OPTIONS;
    f->o.servers = &f->server;
    f->o.server_count = 1;
    f->o.retry_first_ms = 1;
    f->o.retry_max_ms = 20;
    f->key = (struct leg_tls_psk){.identity = "device-identity", .key = "0123456789abcdef", .key_len = 16};
    snprintf(f->directory, sizeof(f->directory), "/tmp/leg_dtls_XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->ca_file, sizeof(f->ca_file), "%s/ca", f->directory);
    snprintf(f->other_ca_file, sizeof(f->other_ca_file), "%s/other", f->directory);
    snprintf(f->certificate_file, sizeof(f->certificate_file), "%s/certificate", f->directory);
    snprintf(f->key_file, sizeof(f->key_file), "%s/key", f->directory);
}

static void legs_open(struct fixture *f)
{
    struct leg_dtls_ports ports = {f, transmit, datagram, state, key};
    char why[200];
    if (leg_dtls_new(&f->loop, &f->o, &ports, &f->legs, why) != OK)
        fail_msg("%s", why);
}

static void psk_set_up(struct fixture *f)
{
    set_up(f);
    peer_start(&f->peer, NULL, NULL);
    legs_open(f);
}

static void tear_down(struct fixture *f)
{
    leg_dtls_free(f->legs);
    peer_stop(&f->peer);
    loop_free(&f->loop);
    unlink(f->ca_file);
    unlink(f->other_ca_file);
    unlink(f->certificate_file);
    unlink(f->key_file);
    assert_int_equal(rmdir(f->directory), 0);
}

static void datagrams_move(struct fixture *f)
{
    for (struct peer_datagram m; peer_next(&f->peer, &m); buf_free(&m.data)) {
        if (prng_below(&f->prng, 100) < f->lose_percent) {
            f->lost++;
            continue;
        }
        if (m.to_server)
            peer_take(&f->peer, &m);
        else
            leg_dtls_datagram(f->legs, m.leg, 0, buf_bytes(&m.data));
    }
}

static void step(struct fixture *f)
{
    datagrams_move(f);
    peer_repeat(&f->peer);
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    usleep(500);
}

static enum error say(struct fixture *f, uint32_t leg, const char *text)
{
    struct bytes all = bytes_of_str(text);
    return leg_dtls_send(f->legs, leg, 0, all.data, bytes_from(all, COAP_HEADER_BYTES));
}

static void connect_leg(struct fixture *f, uint32_t leg)
{
    assert_int_equal(say(f, leg, NON_TEXT), ERR_UNREACHABLE);
    for (int i = 0; i < 60000 && !f->up[leg]; i++)
        step(f);
    assert_true(f->up[leg]);
}

static void check_exchange(struct fixture *f, uint32_t leg)
{
    assert_int_equal(say(f, leg, CON_TEXT " to the server"), OK);
    datagrams_move(f);
    assert_string_equal(f->peer.ends[leg].said, CON_TEXT " to the server");
    f->heard[0] = 0;
    peer_say(&f->peer, leg, "to the device");
    datagrams_move(f);
    assert_string_equal(f->heard, "to the device");
}

static void check_refused(struct fixture *f)
{
    const struct leg_dtls_counters *c = leg_dtls_counters_get(f->legs);
    assert_int_equal(say(f, 3, NON_TEXT), ERR_UNREACHABLE);
    for (int i = 0; i < 60000 && c->handshakes_failed < 3; i++)
        step(f); /* it is tried again and again */
    assert_true(c->handshakes_failed >= 3);
    assert_int_equal(c->handshakes, 0);
    assert_int_equal(f->ups, 0);
}

/* ---- pre-shared keys ---- */

static void test_exchange(void **unused)
{
    (void)unused;
    struct fixture f;
    psk_set_up(&f);
    connect_leg(&f, 3);
    connect_leg(&f, 63);
    check_exchange(&f, 3);
    check_exchange(&f, 63);
    check_exchange(&f, 3);
    assert_int_equal(leg_dtls_counters_get(f.legs)->sessions_up, 2);
    tear_down(&f);
}

static void test_wrong_key(void **unused)
{
    (void)unused;
    struct fixture f;
    set_up(&f);
    f.o.handshake_ms = 100; /* nobody answers a Finished that cannot be read */
    peer_start(&f.peer, NULL, NULL);
    legs_open(&f);
    f.key.key[0] ^= 1;
    check_refused(&f);
    f.key.key[0] ^= 1;
    for (int i = 0; i < 60000 && !f.up[3]; i++)
        step(&f);
    check_exchange(&f, 3);
    tear_down(&f);
}

static void test_wrong_identity(void **unused)
{
    (void)unused;
    struct fixture f;
    psk_set_up(&f);
    f.key.identity[0] ^= 1;
    check_refused(&f);
    tear_down(&f);
}

static void test_no_key(void **unused)
{
    (void)unused;
    struct fixture f;
    psk_set_up(&f);
    f.no_key = true;
    check_refused(&f);
    assert_int_equal(f.sent, 0); /* nothing to begin with */
    tear_down(&f);
}

/* ---- certificates ---- */

struct certificate_case {
    const char *host, *server_host;
    int days;
    bool other_ca, good;
};

static void check_certificate(const struct certificate_case *t)
{
    struct fixture f;
    set_up(&f);
    struct test_ca *ca = test_ca_new(f.ca_file), *other = test_ca_new(f.other_ca_file);
    test_ca_sign(t->other_ca ? other : ca, t->host, t->days, f.certificate_file, f.key_file);
    f.server.host = t->server_host;
    f.server.files.ca_file = f.ca_file;
    peer_start(&f.peer, f.certificate_file, f.key_file);
    legs_open(&f);
    if (t->good) {
        connect_leg(&f, 3);
        check_exchange(&f, 3);
    } else {
        check_refused(&f);
    }
    tear_down(&f);
    test_ca_free(ca);
    test_ca_free(other);
}

static void test_certificates(void **unused)
{
    (void)unused;
    static const struct certificate_case cases[] = {
        {"lwm2m.example.org", "lwm2m.example.org", 10, false, true},
        {"192.0.2.1", "192.0.2.1", 10, false, true},
        {"lwm2m.example.org", "lwm2m.example.org", 10, true, false},
        {"lwm2m.example.org", "other.example.org", 10, false, false},
        {"192.0.2.1", "192.0.2.2", 10, false, false},
        {"lwm2m.example.org", "lwm2m.example.org", -10, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_certificate(&cases[i]);
}

static void test_bad_files(void **unused)
{
    (void)unused;
    struct fixture f;
    char why[200];
    struct leg_dtls_ports ports = {&f, transmit, datagram, state, key};
    set_up(&f);
    f.server.files.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(leg_dtls_new(&f.loop, &f.o, &ports, &f.legs, why), ERR_CONFIG);
    assert_null(f.legs);
    assert_non_null(strstr(why, "lwm2m"));
    peer_start(&f.peer, NULL, NULL);
    tear_down(&f);
}

/* ---- what goes wrong on the way ---- */

static void test_loss(void **unused)
{
    (void)unused;
    struct fixture f;
    set_up(&f);
    f.o.handshake_ms = 6000;
    peer_start(&f.peer, NULL, NULL);
    legs_open(&f);
    f.lose_percent = 20;
    for (uint32_t leg = 0; leg < 16; leg++)
        assert_int_equal(say(&f, leg, NON_TEXT), ERR_UNREACHABLE);
    for (int i = 0; i < 100000 && f.ups < 16; i++)
        step(&f);
    assert_true(f.lost > 0);
    assert_int_equal(f.ups, 16);
    f.lose_percent = 0;
    for (uint32_t leg = 0; leg < 16; leg++)
        check_exchange(&f, leg);
    tear_down(&f);
}

static void garbage(struct fixture *f, uint32_t leg)
{
    static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40}; /* not protected */
    uint8_t junk[600];
    leg_dtls_datagram(f->legs, leg, 0, bytes_of(alert, sizeof(alert)));
    leg_dtls_datagram(f->legs, leg, 0, (struct bytes){0});
    for (unsigned seed = 1; seed < 300; seed++) {
        for (size_t i = 0; i < sizeof(junk); i++)
            junk[i] = (uint8_t)(i * seed * 31 + seed * 7 + i / 3);
        if (seed % 2) { /* a record of the session's epoch */
            static const uint8_t head[] = {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 99, 0, 200};
            memcpy(junk, head, sizeof(head));
            junk[0] = (uint8_t)(20 + seed % 8);
        }
        leg_dtls_datagram(f->legs, leg, 0, bytes_of(junk, seed * 2));
    }
}

static void test_garbage(void **unused)
{
    (void)unused;
    struct fixture f;
    psk_set_up(&f);
    garbage(&f, 3); /* of no session */
    assert_int_equal(leg_dtls_counters_get(f.legs)->unexpected, 301);
    connect_leg(&f, 3);
    garbage(&f, 3);
    assert_int_equal(f.messages, 0);
    assert_int_equal(f.downs, 0);
    check_exchange(&f, 3);
    tear_down(&f);
}

/* It may cost the handshake, as any forged datagram before keys may, and never more. */
static void test_garbage_in_handshake(void **unused)
{
    (void)unused;
    struct fixture f;
    psk_set_up(&f);
    assert_int_equal(say(&f, 3, NON_TEXT), ERR_UNREACHABLE);
    garbage(&f, 3);
    for (int i = 0; i < 60000 && !f.up[3]; i++)
        step(&f);
    check_exchange(&f, 3);
    tear_down(&f);
}

/* ---- the end of sessions ---- */

static void test_server_closes(void **unused)
{
    (void)unused;
    struct fixture f;
    psk_set_up(&f);
    connect_leg(&f, 3);
    peer_close(&f.peer, 3);
    datagrams_move(&f);
    assert_int_equal(f.downs, 1);
    connect_leg(&f, 3);
    check_exchange(&f, 3);
    assert_int_equal(leg_dtls_counters_get(f.legs)->handshakes_resumed, 1);
    tear_down(&f);
}

/* A session of the old key would go on. */
static void test_changed_key(void **unused)
{
    (void)unused;
    struct fixture f;
    psk_set_up(&f);
    connect_leg(&f, 3);
    leg_dtls_forget(f.legs, 3);
    leg_dtls_forget(f.legs, 4); /* has none */
    check_exchange(&f, 3);      /* what is up stays */
    peer_close(&f.peer, 3);
    datagrams_move(&f);
    f.up[3] = false;
    connect_leg(&f, 3);
    check_exchange(&f, 3);
    assert_int_equal(leg_dtls_counters_get(f.legs)->handshakes, 2);
    assert_int_equal(leg_dtls_counters_get(f.legs)->handshakes_resumed, 0);
    tear_down(&f);
}

static void test_server_restarts(void **unused)
{
    (void)unused;
    struct fixture f;
    set_up(&f);
    f.o.silence_ms = 5;
    peer_start(&f.peer, NULL, NULL);
    legs_open(&f);
    connect_leg(&f, 3);
    check_exchange(&f, 3);
    peer_restart(&f.peer);
    for (int i = 0; i < 60000 && f.ups < 2; i++) {
        if (f.up[3] && say(&f, 3, CON_TEXT) == ERR_UNREACHABLE)
            f.up[3] = false;
        step(&f);
    }
    assert_int_equal(f.ups, 2);
    assert_int_equal(leg_dtls_counters_get(f.legs)->sessions_silent, 1);
    check_exchange(&f, 3);
    tear_down(&f);
}

/* A NON needs no answer: silence means nothing then. */
static void test_non_is_no_question(void **unused)
{
    (void)unused;
    struct fixture f;
    set_up(&f);
    f.o.silence_ms = 1;
    peer_start(&f.peer, NULL, NULL);
    legs_open(&f);
    connect_leg(&f, 3);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(say(&f, 3, NON_TEXT), OK);
        step(&f);
    }
    assert_int_equal(leg_dtls_counters_get(f.legs)->sessions_silent, 0);
    tear_down(&f);
}

static void test_goodbye(void **unused)
{
    (void)unused;
    struct fixture f;
    psk_set_up(&f);
    connect_leg(&f, 3);
    leg_dtls_free(f.legs);
    f.legs = NULL;
    datagrams_move(&f);
    assert_true(f.peer.ends[3].closed);
    tear_down(&f);
}

static void test_line(void **unused)
{
    (void)unused;
    struct fixture f;
    set_up(&f);
    f.o.handshakes_max = 2;
    peer_start(&f.peer, NULL, NULL);
    legs_open(&f);
    for (uint32_t leg = 0; leg < PEER_LEGS; leg++) {
        assert_int_equal(say(&f, leg, NON_TEXT), ERR_UNREACHABLE);
        assert_int_equal(say(&f, leg, NON_TEXT), ERR_UNREACHABLE);
    }
    assert_int_equal(f.sent, 2); /* two ClientHellos */
    for (int i = 0; i < 60000 && f.ups < PEER_LEGS; i++)
        step(&f);
    assert_int_equal(f.ups, PEER_LEGS);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_wrong_identity),
        cmocka_unit_test(test_no_key),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_garbage_in_handshake),
        cmocka_unit_test(test_server_closes),
        cmocka_unit_test(test_changed_key),
        cmocka_unit_test(test_server_restarts),
        cmocka_unit_test(test_non_is_no_question),
        cmocka_unit_test(test_goodbye),
        cmocka_unit_test(test_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
