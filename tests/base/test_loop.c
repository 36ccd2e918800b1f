#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "tests/base/test.h"

struct fixture {
    struct loop loop;
    struct loop_watch watch;
    struct loop_alarm alarm;
    struct loop_turn_end turn_end;
    struct loop_signals signals;
    int event_fd;
    int called;
    int turns;
    int order; /* decimal digits of what was called: 1 watch, 2 turn end */
    uint64_t fired_at;
};

static uint64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void signal_event(int fd)
{
    uint64_t one = 1;
    assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void clock_is_utc(void **state)
{
    (void)state;
    struct loop l;
    struct timespec t;
    assert_int_equal(loop_init(&l), OK);
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t now = loop_now_ms(&l);
    uint64_t utc = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    assert_true(now + 1000 > utc && utc + 1000 > now);
    for (int i = 0; i < 1000; i++) {
        uint64_t later = loop_now_ms(&l);
        assert_true(later >= now);
        now = later;
    }
    loop_free(&l);
}

/* ---- a watch on an epoll descriptor with an eventfd inside ---- */

static void on_nested(void *ctx)
{
    struct fixture *f = ctx;
    f->order = f->order * 10 + 1;
    if (++f->called < 3)
        return; /* not read: called again in the next turn */
    uint64_t value;
    assert_int_equal(read(f->event_fd, &value, sizeof(value)), sizeof(value));
    loop_watch_stop(&f->watch);
}

static void on_turn_end(void *ctx)
{
    struct fixture *f = ctx;
    f->turns++;
    f->order = f->order * 10 + 2;
}

static void nested_epoll(void **state)
{
    (void)state;
    struct fixture f = {0};
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    f.event_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(epoll_fd >= 0 && f.event_fd >= 0);
    struct epoll_event event = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, f.event_fd, &event), 0);

    assert_int_equal(loop_init(&f.loop), OK);
    assert_int_equal(loop_watch_start(&f.loop, &f.watch, epoll_fd, on_nested, &f), OK);
    assert_int_equal(loop_turn_end_start(&f.loop, &f.turn_end, on_turn_end, &f), OK);
    uv_run(&f.loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(f.called, 0);
    assert_int_equal(f.turns, 1);

    f.order = 0;
    signal_event(f.event_fd);
    /* Returns by itself: the turn end alone keeps nothing running. */
    assert_int_equal(uv_run(&f.loop.uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(f.called, 3);
    /* What happened in a turn is followed by a turn end before the next wait. */
    assert_int_equal(f.order, 212121);

    loop_turn_end_stop(&f.turn_end);
    loop_turn_end_stop(&f.turn_end);
    loop_watch_stop(&f.watch);
    loop_free(&f.loop);
    close(epoll_fd);
    close(f.event_fd);
}

static void count(void *ctx)
{
    ((struct fixture *)ctx)->called++;
}

static void a_file_cannot_be_watched(void **state)
{
    (void)state;
    struct fixture f = {0};
    FILE *file = tmpfile();
    if (!file)
        abort();
    assert_int_equal(loop_init(&f.loop), OK);
    assert_int_equal(loop_watch_start(&f.loop, &f.watch, fileno(file), count, &f), ERR_SYSTEM);
    loop_watch_stop(&f.watch);
    assert_int_equal(loop_watch_start(&f.loop, &f.watch, -1, count, &f), ERR_SYSTEM);
    loop_free(&f.loop);
    fclose(file);
}

/* A connected UDP socket whose peer is gone gets ECONNREFUSED: read, it goes away, and the watch goes on. */
static void on_datagram(void *ctx)
{
    struct fixture *f = ctx;
    char byte;
    ssize_t n = recv(f->event_fd, &byte, 1, 0);
    f->order = f->order * 10 + (n == 1 ? 1 : 2);
    f->called++;
}

static int udp_socket(struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &len) != 0)
        abort();
    return fd;
}

static void a_socket_error_does_not_end_the_watch(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in b = a;
    int peer = udp_socket(&a);
    f.event_fd = udp_socket(&b);
    assert_int_equal(connect(f.event_fd, (struct sockaddr *)&a, sizeof(a)), 0);
    close(peer);

    assert_int_equal(loop_init(&f.loop), OK);
    assert_int_equal(loop_watch_start(&f.loop, &f.watch, f.event_fd, on_datagram, &f), OK);
    assert_int_equal(send(f.event_fd, "x", 1, 0), 1);
    uv_run(&f.loop.uv, UV_RUN_ONCE);
    assert_int_equal(f.order, 2);
    peer = udp_socket(&a);
    assert_int_equal(sendto(peer, "y", 1, 0, (struct sockaddr *)&b, sizeof(b)), 1);
    uv_run(&f.loop.uv, UV_RUN_ONCE);
    assert_int_equal(f.order, 21);
    loop_watch_stop(&f.watch);
    loop_free(&f.loop);
    close(peer);
    close(f.event_fd);
}

/* ---- alarms ---- */

static void on_alarm(void *ctx)
{
    struct fixture *f = ctx;
    f->fired_at = loop_now_ms(&f->loop);
    f->called++;
}

static void alarms(void **state)
{
    (void)state;
    struct fixture f = {0};
    loop_alarm_close(&f.alarm); /* never made */
    assert_int_equal(loop_init(&f.loop), OK);
    assert_int_equal(loop_alarm_init(&f.loop, &f.alarm, on_alarm, &f), OK);
    uv_run(&f.loop.uv, UV_RUN_DEFAULT); /* not set: nothing to wait for */
    assert_int_equal(f.called, 0);

    /* Counted from now, also when the turn is old; replaced; cleared. */
    uint64_t busy_until = monotonic_ms() + 20;
    while (monotonic_ms() < busy_until)
        ;
    loop_alarm_set(&f.alarm, 60000);
    loop_alarm_set(&f.alarm, 15);
    uint64_t set_at = loop_now_ms(&f.loop);
    uv_run(&f.loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(f.called, 1);
    assert_true(f.fired_at + 1 >= set_at + 15);
    assert_true(f.fired_at < set_at + 5000);

    loop_alarm_set(&f.alarm, 0);
    uv_run(&f.loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(f.called, 2);

    loop_alarm_set(&f.alarm, 1);
    loop_alarm_clear(&f.alarm);
    uv_run(&f.loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(f.called, 2);
    loop_alarm_close(&f.alarm);
    loop_alarm_close(&f.alarm);
    loop_free(&f.loop);
}

static void close_from_the_callback(void *ctx)
{
    struct fixture *f = ctx;
    f->called++;
    loop_alarm_close(&f->alarm);
    loop_turn_end_stop(&f->turn_end);
    loop_signals_stop(&f->signals);
}

static void signals_reach_the_loop(void **state)
{
    (void)state;
    static const int numbers[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        struct fixture f = {0};
        loop_signals_stop(&f.signals);
        assert_int_equal(loop_init(&f.loop), OK);
        assert_int_equal(loop_alarm_init(&f.loop, &f.alarm, count, &f), OK);
        loop_alarm_set(&f.alarm, 60000);
        assert_int_equal(loop_turn_end_start(&f.loop, &f.turn_end, on_turn_end, &f), OK);
        assert_int_equal(loop_signals_start(&f.loop, &f.signals, close_from_the_callback, &f), OK);
        raise(SIGPIPE); /* ignored */
        raise(numbers[i]);
        uv_run(&f.loop.uv, UV_RUN_DEFAULT);
        assert_int_equal(f.called, 1);
        loop_free(&f.loop);
    }
}

static void signals_alone_keep_nothing_running(void **state)
{
    (void)state;
    struct fixture f = {0};
    assert_int_equal(loop_init(&f.loop), OK);
    assert_int_equal(loop_signals_start(&f.loop, &f.signals, count, &f), OK);
    assert_int_equal(uv_run(&f.loop.uv, UV_RUN_DEFAULT), 0);
    loop_signals_stop(&f.signals);
    loop_free(&f.loop);
    assert_int_equal(f.called, 0);
}

static void end_by_hangup(void *ctx)
{
    struct fixture *f = ctx;
    f->called += 10;
    uv_stop(&f->loop.uv);
}

static void hangup_is_told_apart(void **state)
{
    (void)state;
    struct fixture f = {0};
    assert_int_equal(loop_init(&f.loop), OK);
    assert_int_equal(loop_alarm_init(&f.loop, &f.alarm, count, &f), OK);
    assert_int_equal(loop_signals_start(&f.loop, &f.signals, close_from_the_callback, &f), OK);
    assert_int_equal(loop_signals_hangup(&f.loop, &f.signals, end_by_hangup), OK);
    for (int i = 1; i <= 2; i++) {
        loop_alarm_set(&f.alarm, 60000);
        raise(SIGHUP);
        uv_run(&f.loop.uv, UV_RUN_DEFAULT);
        assert_int_equal(f.called, 10 * i);
    }
    loop_alarm_close(&f.alarm);
    loop_signals_stop(&f.signals);
    loop_free(&f.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_is_utc),
        cmocka_unit_test(nested_epoll),
        cmocka_unit_test(a_file_cannot_be_watched),
        cmocka_unit_test(a_socket_error_does_not_end_the_watch),
        cmocka_unit_test(alarms),
        cmocka_unit_test(signals_reach_the_loop),
        cmocka_unit_test(signals_alone_keep_nothing_running),
        cmocka_unit_test(hangup_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
