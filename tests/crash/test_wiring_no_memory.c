/* The n-th allocation of the whole adapter fails, for n = 1, 2, 3 ... until a life passes that needs no more: it
 * starts, hands on an uplink, accepts a downlink, and stops. It does not start, and says so; or a message is not taken,
 * and taken when it comes again. What was answered 2xx has been sent, what was acknowledged is in the store. No crash,
 * no leak. */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scef-adapter/wiring_internal.h"
#include "tests/base/allocations.h"
#include "tests/base/test.h"
#include "tests/buffering/store_harness.h"

#define DEVICE    "a@b"
#define ROUNDS    4000
#define TRIES_MAX 5

static unsigned long started, refused;

struct life {
    char folder[64];
    struct loop loop;
    struct config *config;
    struct adapter *adapter;
    int server; /* UDP socket */
    struct sockaddr_in device;
    bool stopped;
};

static void on_stopped(void *ctx)
{
    ((struct life *)ctx)->stopped = true;
}

static struct sockaddr_in address_of(int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    return a;
}

static int udp_socket(void)
{
    const struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void life_prepare(struct life *l)
{
    struct buf text = {0}, faults = {0};
    memset(l, 0, sizeof(*l));
    dir_make(l->folder, sizeof(l->folder));
    assert_int_equal(loop_init(&l->loop), OK);
    l->server = udp_socket();
    const int legs = udp_socket();
    buf_addf(&text,
             "scef: {api_root: 'http://127.0.0.1:9', scs_as_id: as1}\n"
             "callback: {listen: '127.0.0.1:0', url: 'http://127.0.0.1:1/t8'}\n"
             "admin: {listen: '127.0.0.1:0'}\n"
             "store: {path: %s/store, max_size_mib: 4}\n"
             "server_leg: {port: %u}\n"
             "servers: [{name: main, uri: 'coap://127.0.0.1:%u'}]\n"
             "devices: [{external_id: '" DEVICE "'}]\n"
             "log: {level: error}\n",
             l->folder, ntohs(address_of(legs).sin_port), ntohs(address_of(l->server).sin_port));
    close(legs);
    assert_int_equal(config_parse(buf_bytes(&text), "c.yaml", true, &l->config, &faults), OK);
    buf_free(&text);
}

/* The loop runs until the descriptor can be read; false: it cannot for a good while. */
static bool readable(struct life *l, int fd)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        uv_run(&l->loop.uv, UV_RUN_NOWAIT);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, round < 50 ? 0 : 1) > 0)
            return true;
    }
    return false;
}

/* HTTP status; 0: the connection was closed without one. */
static int callback(struct life *l)
{
    static const char body[] = "{\"niddConfiguration\":\"http://127.0.0.1:9/c/1\",\"externalId\":\"" DEVICE
                               "\",\"data\":\"UAIAB/94\"}"; /* NON POST #7 |x */
    char request[512], answer[512] = "";
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(adapter_callback_port(l->adapter))};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    const int len = snprintf(request, sizeof(request),
                             "POST /t8/nidd/scef/0 HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
                             "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                             sizeof(body) - 1, body);
    assert_int_equal(send(fd, request, (size_t)len, 0), len);
    int status = 0;
    assert_true(readable(l, fd));
    if (recv(fd, answer, sizeof(answer) - 1, 0) > 12)
        status = atoi(answer + 9);
    close(fd);
    return status;
}

static void uplink(struct life *l)
{
    for (unsigned tries = 0;; tries++) {
        uint8_t data[64];
        socklen_t len = sizeof(l->device);
        assert_true(tries < TRIES_MAX);
        const int status = callback(l);
        if (status / 100 != 2) {
            assert_true(status == 0 || status == 503 || status == 500 || status == 413);
            refused++;
            continue;
        }
        const ssize_t n = recvfrom(l->server, data, sizeof(data), 0, (struct sockaddr *)&l->device, &len);
        assert_int_equal(n, 6);
        return;
    }
}

/* True when it was acknowledged: then it is stored. */
static bool downlink(struct life *l)
{
    static const uint8_t request[] = {0x41, 1, 0, 50, 't', 0xb1, '3'}; /* CON GET #50 t 11=3 */
    for (unsigned tries = 0;; tries++) {
        uint8_t data[64];
        assert_true(tries < TRIES_MAX);
        assert_int_equal(
            sendto(l->server, request, sizeof(request), 0, (struct sockaddr *)&l->device, sizeof(l->device)),
            sizeof(request));
        if (!readable(l, l->server)) {
            refused++; /* the server repeats it */
            continue;
        }
        const ssize_t n = recv(l->server, data, sizeof(data), 0);
        assert_true(n >= 4 && data[0] >> 4 == 6 && data[3] == 50);
        refused += data[1] != 0;
        return data[1] == 0; /* else 5.03 */
    }
}

static enum error count(void *ctx, struct bytes key, struct bytes value)
{
    (void)key, (void)value;
    ++*(unsigned *)ctx;
    return OK;
}

static void none(void *ctx, uint64_t ticket, enum error err)
{
    (void)ctx, (void)ticket, (void)err;
}

static void store_check(struct life *l, bool accepted)
{
    struct store *s;
    const char *why;
    unsigned messages = 0;
    assert_int_equal(
        store_lmdb_open(&l->loop, l->config->store.path, 4 << 20, (struct store_sink){.committed = none}, &s, &why),
        OK);
    assert_int_equal(store_scan(s, BYTES_LIT("m"), &messages, count), OK);
    assert_int_equal(messages, accepted);
    store_close(s);
}

static void life(void)
{
    struct life l;
    struct buf why = {0};
    const size_t n = until_failure;
    until_failure = 0;
    life_prepare(&l);
    const struct adapter_options o = {.config = l.config, .stopped = on_stopped, .ctx = &l};
    until_failure = n;
    const enum error err = adapter_new(&l.loop, &o, &l.adapter, &why);
    if (err) {
        assert_true(failed && !l.adapter);
    } else {
        started++;
        uplink(&l);
        const bool accepted = downlink(&l);
        adapter_stop(l.adapter);
        for (unsigned round = 0; round < ROUNDS && !l.stopped; round++) {
            uv_run(&l.loop.uv, UV_RUN_NOWAIT);
            poll(NULL, 0, 1);
        }
        assert_true(l.stopped);
        adapter_free(l.adapter);
        const size_t left = until_failure;
        until_failure = 0;
        store_check(&l, accepted);
        until_failure = left;
    }
    buf_free(&why);
    close(l.server);
    loop_free(&l.loop);
    config_free(l.config);
    dir_remove(l.folder);
}

static void test_each_allocation(void **state)
{
    (void)state;
    const unsigned long runs = each_allocation_fails(life);
    print_message("%lu lives, %lu started, %lu times a message was not taken at once\n", runs, started, refused);
    assert_true(runs > 50 && started > 10 && refused > 0);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
