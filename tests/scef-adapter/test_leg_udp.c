/* Server legs against real sockets on loopback: each device is an address of its own, and stays it. */
#include "tests/base/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scef-adapter/config_keys.h"
#include "scef-adapter/leg_udp.h"

#define SERVERS 2

struct seen {
    uint32_t leg, server;
    size_t len;
    char text[32];
};

struct fixture {
    struct loop loop;
    struct leg_udp *legs;
    struct leg_udp_options o;
    struct config_endpoint endpoints[SERVERS];
    int sockets[SERVERS];
    struct seen seen[256];
    unsigned count;
};

static void datagram(void *ctx, uint32_t leg, uint32_t server, struct bytes message)
{
    struct fixture *f = ctx;
    assert_true(f->count < 256);
    struct seen *s = &f->seen[f->count++];
    *s = (struct seen){.leg = leg, .server = server, .len = message.len};
    snprintf(s->text, sizeof(s->text), "%.*s", (int)message.len, (const char *)message.data);
}

static uint16_t socket_port(int fd)
{
    struct sockaddr_in6 a;
    socklen_t len = sizeof(a);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin6_port); /* at the same place as sin_port */
}

static int server_socket(const char *host)
{
    bool ipv6 = strchr(host, ':') != NULL;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    inet_pton(ipv6 ? AF_INET6 : AF_INET, host, ipv6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr);
    if (fd < 0 || bind(fd, ipv6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, ipv6 ? sizeof(v6) : sizeof(v4)) != 0)
        return -1;
    struct timeval wait = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    return fd;
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    int fd = server_socket("127.0.0.1");
    uint16_t port = socket_port(fd);
    close(fd);
    return port;
}

static void legs_open(struct fixture *f)
{
    char why[200];
    struct leg_udp_sink sink = {f, datagram};
    if (leg_udp_new(&f->loop, &f->o, sink, &f->legs, why) != OK)
        fail_msg("%s", why);
}

static void set_up(struct fixture *f, enum config_leg_mode mode, const char *server_host)
{
    memset(f, 0, sizeof(*f));
    assert_int_equal(loop_init(&f->loop), OK);
    for (int i = 0; i < SERVERS; i++) {
        f->sockets[i] = server_socket(server_host);
        if (f->sockets[i] < 0)
            skip(); /* no IPv6 here */
        snprintf(f->endpoints[i].host, sizeof(f->endpoints[i].host), "%s", server_host);
        f->endpoints[i].port = socket_port(f->sockets[i]);
    }
    f->o = (struct leg_udp_options){
        .mode = mode, .address = "127.0.0.1", .servers = f->endpoints, .server_count = SERVERS, .port = free_port()};
    assert_true(config_prefix_parse("127.64.0.0/10", &f->o.prefix));
    f->o.port_first = f->o.port;
    f->o.port_last = (uint16_t)(f->o.port + 9);
}

static void tear_down(struct fixture *f)
{
    leg_udp_free(f->legs);
    loop_free(&f->loop);
    for (int i = 0; i < SERVERS; i++)
        close(f->sockets[i]);
}

static void send_text(struct fixture *f, uint32_t leg, uint32_t server, const char *text, bool now)
{
    struct bytes all = bytes_of_str(text);
    assert_int_equal(leg_udp_send(f->legs, leg, server, all.data, bytes_from(all, COAP_HEADER_BYTES), now), OK);
}

/* What a server receives: the text, and from where. */
static struct sockaddr_in server_expect(struct fixture *f, int server, const char *text)
{
    char got[64];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(f->sockets[server], got, sizeof(got), 0, (struct sockaddr *)&from, &from_len);
    assert_int_equal(n, (ssize_t)strlen(text));
    assert_memory_equal(got, text, strlen(text));
    return from;
}

static void run_until(struct fixture *f, unsigned count)
{
    for (int i = 0; i < 2000 && f->count < count; i++) {
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_int_equal(f->count, count);
}

static const char *address_text(const struct sockaddr_in *a)
{
    static char text[64];
    char host[INET_ADDRSTRLEN];
    snprintf(text, sizeof(text), "%s:%u", inet_ntop(AF_INET, &a->sin_addr, host, sizeof(host)), ntohs(a->sin_port));
    return text;
}

static void check_round_trips(struct fixture *f, const uint32_t *legs, size_t leg_count)
{
    for (size_t i = 0; i < leg_count; i++) {
        for (int server = 0; server < SERVERS; server++) {
            char text[32], want[64];
            snprintf(text, sizeof(text), "head leg %u server %d", legs[i], server);
            send_text(f, legs[i], (uint32_t)server, text, i % 2);
            leg_udp_flush(f->legs);
            struct sockaddr_in from = server_expect(f, server, text);
            if (f->o.mode == CONFIG_LEG_PREFIX)
                snprintf(want, sizeof(want), "127.%u.%u.%u:%u", 64 + ((legs[i] + 1) >> 16), ((legs[i] + 1) >> 8) & 255,
                         (legs[i] + 1) & 255, f->o.port);
            else
                snprintf(want, sizeof(want), "127.0.0.1:%u", f->o.port_first + legs[i]);
            assert_string_equal(address_text(&from), want);
            unsigned before = f->count;
            assert_int_equal(sendto(f->sockets[server], text, strlen(text), 0, (struct sockaddr *)&from, sizeof(from)),
                             (ssize_t)strlen(text));
            run_until(f, before + 1);
            assert_int_equal(f->seen[before].leg, legs[i]);
            assert_int_equal(f->seen[before].server, server);
            assert_string_equal(f->seen[before].text, text);
        }
    }
}

static void test_prefix(void **state)
{
    (void)state;
    struct fixture f;
    const uint32_t legs[] = {0, 1, 254, 255, 70000, (1u << 22) - 3};
    set_up(&f, CONFIG_LEG_PREFIX, "127.0.0.1");
    for (int restart = 0; restart < 2; restart++) { /* the same addresses again */
        legs_open(&f);
        check_round_trips(&f, legs, sizeof(legs) / sizeof(legs[0]));
        leg_udp_free(f.legs);
        f.legs = NULL;
    }
    tear_down(&f);
}

static void test_ports(void **state)
{
    (void)state;
    struct fixture f;
    const uint32_t legs[] = {0, 3, 9};
    set_up(&f, CONFIG_LEG_PORTS, "127.0.0.1");
    for (int restart = 0; restart < 2; restart++) {
        legs_open(&f);
        check_round_trips(&f, legs, sizeof(legs) / sizeof(legs[0]));
        leg_udp_free(f.legs);
        f.legs = NULL;
    }
    tear_down(&f);
}

/* A server may be the first to speak. */
static void test_ports_opened_first(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, CONFIG_LEG_PORTS, "127.0.0.1");
    legs_open(&f);
    assert_int_equal(leg_udp_open(f.legs, 5), OK);
    assert_int_equal(leg_udp_open(f.legs, 5), OK);
    assert_int_equal(leg_udp_open(f.legs, 10), ERR_SYSTEM);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(f.o.port_first + 5))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(sendto(f.sockets[1], "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
    run_until(&f, 1);
    assert_int_equal(f.seen[0].leg, 5);
    assert_int_equal(f.seen[0].server, 1);
    tear_down(&f);
}

static void test_ipv6(void **state)
{
    (void)state;
    struct fixture f;
    struct sockaddr_in6 from;
    socklen_t len = sizeof(from);
    char got[64], host[INET6_ADDRSTRLEN];
    set_up(&f, CONFIG_LEG_PREFIX, "::1");
    assert_true(config_prefix_parse("::/126", &f.o.prefix)); /* leg 0 is ::1, the one address that is there anywhere */
    legs_open(&f);
    send_text(&f, 0, 1, "head rest", true);
    assert_int_equal(recvfrom(f.sockets[1], got, sizeof(got), 0, (struct sockaddr *)&from, &len), 9);
    assert_string_equal(inet_ntop(AF_INET6, &from.sin6_addr, host, sizeof(host)), "::1");
    assert_int_equal(ntohs(from.sin6_port), f.o.port);
    sendto(f.sockets[1], "back", 4, 0, (struct sockaddr *)&from, len);
    run_until(&f, 1);
    assert_int_equal(f.seen[0].leg, 0);
    assert_int_equal(f.seen[0].server, 1);
    tear_down(&f);
}

/* More than one batch, in the order of the calls, with one that cannot wait in between. */
static void test_batches(void **state)
{
    (void)state;
    struct fixture f;
    char text[32];
    set_up(&f, CONFIG_LEG_PREFIX, "127.0.0.1");
    legs_open(&f);
    for (unsigned i = 0; i < 150; i++) {
        snprintf(text, sizeof(text), "message %u", i);
        send_text(&f, i, 0, text, i == 100);
    }
    leg_udp_flush(f.legs);
    for (unsigned i = 0; i < 150; i++) {
        snprintf(text, sizeof(text), "message %u", i);
        struct sockaddr_in from = server_expect(&f, 0, text);
        assert_int_equal(ntohl(from.sin_addr.s_addr) & 0xff, i + 1);
    }
    assert_int_equal(leg_udp_counters_get(f.legs)->datagrams_out, 150);
    for (unsigned i = 0; i < 150; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f.o.port)};
        to.sin_addr.s_addr = htonl(0x7f400001 + i);
        assert_int_equal(sendto(f.sockets[0], &i, sizeof(i), 0, (struct sockaddr *)&to, sizeof(to)), sizeof(i));
    }
    run_until(&f, 150);
    for (unsigned i = 0; i < 150; i++)
        assert_int_equal(f.seen[i].leg, i);
    tear_down(&f);
}

static void test_strangers(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, CONFIG_LEG_PREFIX, "127.0.0.1");
    legs_open(&f);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f.o.port)};
    int stranger = server_socket("127.0.0.1");
    to.sin_addr.s_addr = htonl(0x7f400001);
    sendto(stranger, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)); /* not a server */
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sendto(f.sockets[0], "x", 1, 0, (struct sockaddr *)&to, sizeof(to)); /* not a device */
    to.sin_addr.s_addr = htonl(0x7f400001);
    sendto(f.sockets[0], "", 0, 0, (struct sockaddr *)&to, sizeof(to)); /* an empty datagram is one */
    run_until(&f, 1);
    assert_int_equal(f.seen[0].len, 0);
    assert_int_equal(leg_udp_counters_get(f.legs)->unknown_peer, 1);
    assert_int_equal(leg_udp_counters_get(f.legs)->unknown_leg, 1);
    close(stranger);
    tear_down(&f);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* it is not active any more: that is enough */
}

/* A server that is not there: counted, and neither a busy loop nor a failure of the next datagram. */
static void check_refused(enum config_leg_mode mode)
{
    struct fixture f;
    set_up(&f, mode, "127.0.0.1");
    legs_open(&f);
    close(f.sockets[0]);
    for (int i = 0; i < 3; i++) {
        send_text(&f, 1, 0, "head lost", true);
        send_text(&f, 1, 1, "head kept", true);
        server_expect(&f, 1, "head kept");
    }
    for (int i = 0; i < 200 && leg_udp_counters_get(f.legs)->icmp_errors < 3; i++) {
        uv_run(&f.loop.uv, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_int_equal(leg_udp_counters_get(f.legs)->icmp_errors, 3);
    assert_int_equal(leg_udp_counters_get(f.legs)->send_failed, 0);
    /* Nothing is left that would wake the loop again and again. */
    uv_timer_t timer;
    unsigned turns = 0;
    uv_timer_init(&f.loop.uv, &timer);
    uv_timer_start(&timer, on_timer, 100, 0);
    for (; uv_is_active((uv_handle_t *)&timer); turns++)
        uv_run(&f.loop.uv, UV_RUN_ONCE);
    assert_in_range(turns, 1, 50);
    uv_close((uv_handle_t *)&timer, NULL);
    f.sockets[0] = server_socket("127.0.0.1");
    tear_down(&f);
}

static void test_refused_prefix(void **state)
{
    (void)state;
    check_refused(CONFIG_LEG_PREFIX);
}

static void test_refused_ports(void **state)
{
    (void)state;
    check_refused(CONFIG_LEG_PORTS);
}

static void test_sizes(void **state)
{
    (void)state;
    struct fixture f;
    static uint8_t large[65000];
    static const uint8_t header[COAP_HEADER_BYTES] = {0x40, 1, 0, 1};
    uint8_t got[65536];
    set_up(&f, CONFIG_LEG_PREFIX, "127.0.0.1");
    legs_open(&f);
    for (int i = 0; i < 6; i++) /* more than the batch's memory */
        assert_int_equal(leg_udp_send(f.legs, 0, 0, header, bytes_of(large, sizeof(large)), false), OK);
    leg_udp_flush(f.legs);
    assert_int_equal(recv(f.sockets[0], got, sizeof(got), 0), sizeof(large) + 4);
    assert_int_equal(leg_udp_send(f.legs, 0, 0, header, (struct bytes){0}, true), OK);
    assert_int_equal(leg_udp_send(f.legs, 0, 0, header, bytes_of(large, 65536), false), ERR_SYSTEM);
    assert_int_equal(leg_udp_send(f.legs, 0, SERVERS, header, (struct bytes){0}, false), ERR_SYSTEM);
    assert_int_equal(leg_udp_send(f.legs, UINT32_MAX, 0, header, (struct bytes){0}, false), ERR_SYSTEM);
    tear_down(&f);
}

static void test_taken_port(void **state)
{
    (void)state;
    struct fixture f;
    struct leg_udp *second;
    char why[200];
    set_up(&f, CONFIG_LEG_PREFIX, "127.0.0.1");
    legs_open(&f);
    assert_int_equal(leg_udp_new(&f.loop, &f.o, (struct leg_udp_sink){&f, datagram}, &second, why), ERR_SYSTEM);
    assert_non_null(strstr(why, "Address already in use"));
    f.o.port = free_port();
    f.o.prefix.ipv6 = true;
    assert_int_equal(leg_udp_new(&f.loop, &f.o, (struct leg_udp_sink){&f, datagram}, &second, why), ERR_UNREACHABLE);
    assert_non_null(strstr(why, "no IPv6 address"));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_ports_opened_first),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_refused_prefix),
        cmocka_unit_test(test_refused_ports),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_taken_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
