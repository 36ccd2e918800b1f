/* Server legs by TCP against real sockets on loopback: what takes time, and what must not grow. TLS and the meaning of
 * the messages: tests/e2e/test_stream.py. */
#include "tests/base/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scef-adapter/config_keys.h"
#include "scef-adapter/leg_stream.h"

#define LEGS 8

struct fixture {
    struct loop loop;
    struct leg_stream *legs;
    struct leg_stream_options o;
    struct leg_stream_server server;
    struct config_endpoint endpoint;
    int listener;
    unsigned up[LEGS], down[LEGS], messages;
    size_t last_len;
    uint8_t last[64];
};

static void datagram(void *ctx, uint32_t leg, uint32_t server, struct bytes message)
{
    struct fixture *f = ctx;
    assert_true(leg < LEGS);
    assert_int_equal(server, 5);
    f->messages++;
    f->last_len = message.len < sizeof(f->last) ? message.len : sizeof(f->last);
    memcpy(f->last, message.data, f->last_len);
}

static void leg_state(void *ctx, uint32_t leg, uint32_t server, bool up)
{
    struct fixture *f = ctx;
    assert_int_equal(server, 5);
    (up ? f->up : f->down)[leg]++;
}

static void set_up(struct fixture *f)
{
    char why[200];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    memset(f, 0, sizeof(*f));
    assert_int_equal(loop_init(&f->loop), OK);
    f->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(f->listener, 16), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&a, &len), 0);
    f->endpoint = (struct config_endpoint){.host = "127.0.0.1", .port = ntohs(a.sin_port)};
    f->server = (struct leg_stream_server){.server = 5, .name = "test", .endpoint = &f->endpoint, .connections_max = 3};
    leg_stream_options_default(&f->o);
    f->o.servers = &f->server;
    f->o.server_count = 1;
    f->o.mode = CONFIG_LEG_PREFIX;
    assert_true(config_prefix_parse("127.64.0.0/10", &f->o.prefix));
    f->o.retry_min_ms = 10;
    f->o.retry_max_ms = 40;
    log_set_level(LOG_ERROR);
    if (leg_stream_new(&f->loop, &f->o, (struct leg_stream_sink){f, datagram, leg_state}, &f->legs, why) != OK)
        fail_msg("%s", why);
}

/* Again with the options as they are now. */
static void renew(struct fixture *f)
{
    char why[200];
    leg_stream_free(f->legs);
    if (leg_stream_new(&f->loop, &f->o, (struct leg_stream_sink){f, datagram, leg_state}, &f->legs, why) != OK)
        fail_msg("%s", why);
}

static void tear_down(struct fixture *f)
{
    leg_stream_free(f->legs);
    loop_free(&f->loop);
    close(f->listener);
}

static void turn(struct fixture *f)
{
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    leg_stream_flush(f->legs);
    poll(NULL, 0, 1);
}

#define turn_until(f, condition)                                                                                       \
    do {                                                                                                               \
        for (int turns_ = 0; turns_ < 20000 && !(condition); turns_++)                                                 \
            turn(f);                                                                                                   \
        assert_true(condition);                                                                                        \
    } while (0)

static enum error send_post(struct fixture *f, uint32_t leg, size_t payload)
{
    static uint8_t rest[2000];
    uint8_t header[COAP_HEADER_BYTES];
    rest[0] = (uint8_t)leg;
    rest[1] = 0xff;
    coap_header_write(header, COAP_CON, 1, COAP_POST, 1);
    return leg_stream_send(f->legs, leg, 5, header, bytes_of(rest, 2 + payload), false);
}

static bool waits(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static int peer_accept(struct fixture *f)
{
    turn_until(f, waits(f->listener));
    int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

static size_t peer_read(struct fixture *f, int fd, void *out, size_t size)
{
    turn_until(f, waits(fd));
    ssize_t n = recv(fd, out, size, 0);
    return n < 0 ? 0 : (size_t)n;
}

static void peer_say(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* A connection of `leg` that is up. */
static int peer_up(struct fixture *f, uint32_t leg)
{
    uint8_t csm[64];
    const unsigned before = f->up[leg];
    assert_int_equal(send_post(f, leg, 1), ERR_UNREACHABLE);
    int fd = peer_accept(f);
    assert_true(peer_read(f, fd, csm, sizeof(csm)) > 2);
    assert_int_equal(csm[1], COAP_CSM);
    peer_say(fd, "\x00\xe1", 2);
    turn_until(f, f->up[leg] == before + 1);
    return fd;
}

static void a_silent_server_is_asked_and_then_left(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t in[64];
    set_up(&f);
    f.o.ping_ms = 30;
    f.o.pong_ms = 500;
    renew(&f);
    int fd = peer_up(&f, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(peer_read(&f, fd, in, sizeof(in)), 2);
        assert_int_equal(in[1], COAP_PING);
        peer_say(fd, "\x00\xe3", 2);
    }
    assert_int_equal(f.down[0], 0);
    assert_int_equal(peer_read(&f, fd, in, sizeof(in)), 2); /* this one stays without its Pong */
    turn_until(&f, f.down[0] == 1);
    assert_int_equal(peer_read(&f, fd, in, sizeof(in)), 0);
    assert_int_equal(leg_stream_counters_get(f.legs)->lost, 1);
    assert_int_equal(leg_stream_counters_get(f.legs)->connections, 0);
    close(fd);
    tear_down(&f);
}

static void a_server_that_says_no_csm_is_tried_again(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.o.connect_timeout_ms = 20;
    renew(&f);
    assert_int_equal(send_post(&f, 1, 1), ERR_UNREACHABLE);
    int fds[3];
    for (unsigned i = 0; i < 3; i++)
        fds[i] = peer_accept(&f); /* and says nothing */
    turn_until(&f, leg_stream_counters_get(f.legs)->failed >= 3);
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
    assert_int_equal(f.up[1] + f.down[1], 0); /* it never was up */
    assert_int_equal(send_post(&f, 1, 1), ERR_UNREACHABLE);
    tear_down(&f);
}

static void who_waits_for_nothing_is_not_connected_again(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    int fd = peer_up(&f, 0);
    close(fd);
    turn_until(&f, f.down[0] == 1);
    for (unsigned i = 0; i < 100; i++) /* longer than its pause */
        turn(&f);
    assert_false(waits(f.listener));
    close(peer_up(&f, 0)); /* what is sent connects again */
    tear_down(&f);
}

static void messages_come_whole_and_empty_ones_do_not_leave(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t in[64], header[COAP_HEADER_BYTES];
    set_up(&f);
    int fd = peer_up(&f, 2);
    coap_header_write(header, COAP_ACK, 0, 0, 7);
    assert_int_equal(leg_stream_send(f.legs, 2, 5, header, (struct bytes){0}, true), OK);
    coap_header_write(header, COAP_NON, 0, COAP_CODE(2, 4), 7); /* nothing behind its header */
    assert_int_equal(leg_stream_send(f.legs, 2, 5, header, (struct bytes){0}, true), OK);
    assert_int_equal(peer_read(&f, fd, in, sizeof(in)), 2);
    assert_memory_equal(in, "\x00\x44", 2);
    assert_int_equal(send_post(&f, 2, 3), OK);
    assert_int_equal(peer_read(&f, fd, in, sizeof(in)), 7);
    assert_memory_equal(in, "\x41\x02\x02\xff", 4);
    peer_say(fd, "\x41\x45\x02\xff", 4);
    for (unsigned i = 0; i < 20; i++)
        turn(&f);
    assert_int_equal(f.messages, 0);
    peer_say(fd, "abc\x01\x44\x09", 6);
    turn_until(&f, f.messages == 2);
    assert_int_equal(f.last_len, 5);
    assert_memory_equal(f.last, "\x51\x44\x00\x00\x09", 5);
    /* Not ours, and nonsense. */
    assert_int_equal(leg_stream_send(f.legs, 2, 6, header, (struct bytes){0}, true), ERR_SYSTEM);
    coap_header_write(header, COAP_CON, 4, COAP_GET, 7);
    assert_int_equal(leg_stream_send(f.legs, 2, 5, header, BYTES_LIT("abc"), true), ERR_SYSTEM);
    close(fd);
    tear_down(&f);
}

static void a_server_that_does_not_read_holds_a_bounded_queue(void **state)
{
    (void)state;
    struct fixture f;
    static uint8_t in[65536];
    enum error err = OK;
    size_t sent = 0;
    set_up(&f);
    int fd = peer_up(&f, 0);
    for (; sent < 100000 && !err; sent++) {
        err = send_post(&f, 0, 1000);
        if (sent % 10 == 0)
            turn(&f);
    }
    assert_int_equal(err, ERR_UNREACHABLE);
    assert_int_equal(f.up[0], 1);
    for (int i = 0; i < 20000 && f.up[0] == 1; i++) {
        while (recv(fd, in, sizeof(in), 0) > 0)
            continue;
        turn(&f);
    }
    assert_int_equal(f.up[0], 2); /* told again: now there is room */
    assert_int_equal(f.down[0], 0);
    assert_int_equal(send_post(&f, 0, 1000), OK);
    close(fd);
    tear_down(&f);
}

/* What the server says waits with it; a silence that is ours is not taken for its. */
static void a_server_that_is_held_waits(void **state)
{
    (void)state;
    static const uint8_t get[] = {0x01, 0x01, 0x42}; /* GET, token 0x42 */
    struct fixture f;
    set_up(&f);
    f.o.ping_ms = 30;
    f.o.pong_ms = 10;
    renew(&f);
    const int peer = peer_up(&f, 1);
    leg_stream_hold(f.legs, true);
    leg_stream_hold(f.legs, true);
    peer_say(peer, get, sizeof(get));
    const uint64_t began_ms = loop_now_ms(&f.loop);
    turn_until(&f, loop_now_ms(&f.loop) - began_ms > 200);
    assert_int_equal(f.messages, 0);
    assert_int_equal(f.down[1], 0);
    assert_int_equal(send_post(&f, 1, 3), OK); /* the other way it goes on */
    uint8_t said[64];
    assert_true(peer_read(&f, peer, said, sizeof(said)) > 0);
    const int other = peer_up(&f, 2); /* as does what begins */
    peer_say(other, get, sizeof(get));
    for (int i = 0; i < 50; i++)
        turn(&f);
    assert_int_equal(f.messages, 0);
    leg_stream_hold(f.legs, false);
    turn_until(&f, f.messages == 2);
    assert_int_equal(f.down[1] + f.down[2], 0);
    leg_stream_hold(f.legs, true);
    close(other); /* with a Ping unread: a reset */
    peer_say(peer, get, sizeof(get));
    leg_stream_hold(f.legs, false);
    turn_until(&f, f.messages == 3 && f.down[2] == 1);
    close(peer);
    tear_down(&f);
}

/* The end of a connection is seen while it is held. */
static void a_held_connection_may_break(void **state)
{
    (void)state;
    struct fixture f;
    const struct linger at_once = {.l_onoff = 1};
    set_up(&f);
    const int peer = peer_up(&f, 1);
    leg_stream_hold(f.legs, true);
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(peer);
    turn_until(&f, f.down[1] == 1);
    tear_down(&f);
}

static void no_more_connections_than_allowed(void **state)
{
    (void)state;
    struct fixture f;
    int fds[3];
    set_up(&f);
    for (uint32_t leg = 0; leg < 3; leg++)
        fds[leg] = peer_up(&f, leg);
    assert_int_equal(send_post(&f, 3, 1), ERR_UNREACHABLE);
    for (unsigned i = 0; i < 50; i++)
        turn(&f);
    assert_false(waits(f.listener));
    assert_int_equal(leg_stream_counters_get(f.legs)->connections, 3);
    close(fds[1]);
    turn_until(&f, f.down[1] == 1);
    close(peer_accept(&f)); /* the one that waited */
    close(fds[0]);
    close(fds[2]);
    tear_down(&f);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct leg_stream *none;
    char why[200];
    set_up(&f);
    static const uint8_t header[COAP_HEADER_BYTES] = {0x50, 0x01};
    static const uint32_t unknown[] = {0, 4, 6, UINT32_MAX};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
        assert_int_equal(leg_stream_send(f.legs, 1, unknown[i], header, (struct bytes){0}, false), ERR_SYSTEM);
    struct config_endpoint nowhere = {.host = "no.such.host.invalid", .port = 1};
    struct leg_tls_options tls = {.host = "127.0.0.1", .ca_file = "no/such/file"};
    const struct leg_stream_sink sink = {&f, datagram, leg_state};
    f.server.tls = &tls;
    assert_int_equal(leg_stream_new(&f.loop, &f.o, sink, &none, why), ERR_CONFIG);
    assert_non_null(strstr(why, "no/such/file: "));
    f.server.tls = NULL;
    f.server.endpoint = &nowhere;
    assert_int_equal(leg_stream_new(&f.loop, &f.o, sink, &none, why), ERR_UNREACHABLE);
    assert_non_null(strstr(why, "no.such.host.invalid"));
    assert_null(none);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_server_is_asked_and_then_left),
        cmocka_unit_test(a_server_that_says_no_csm_is_tried_again),
        cmocka_unit_test(who_waits_for_nothing_is_not_connected_again),
        cmocka_unit_test(messages_come_whole_and_empty_ones_do_not_leave),
        cmocka_unit_test(a_server_that_does_not_read_holds_a_bounded_queue),
        cmocka_unit_test(a_server_that_is_held_waits),
        cmocka_unit_test(a_held_connection_may_break),
        cmocka_unit_test(no_more_connections_than_allowed),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
