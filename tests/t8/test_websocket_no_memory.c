/* Fails the first allocation of ours, then the second, and so on, while a notification goes over a WebSocket: each time
 * it is told at once, or it arrives and is acknowledged all the same, later; and nothing is left behind. */
#include "tests/t8/harness.h"
#include "tests/base/allocations.h"

#include <stdio.h>
#include <stdlib.h>

#include "t8/websocket_client.h"
#include "t8/websocket_server.h"

static struct websocket_server *server;
static size_t answers, notified;
static int status;
static enum error answered;

static void on_request(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    websocket_server_handle(server, x);
}

static bool on_known(void *ctx, struct bytes name)
{
    (void)ctx;
    return bytes_equal(name, BYTES_LIT("r"));
}

static void on_notification(void *ctx, struct scs_sender from, struct bytes body)
{
    (void)ctx;
    assert_bytes_str(body, "{\"a\":1}");
    notified++;
    from.reply(from.ctx, &(struct http_reply){.status = 400, .content_type = "text/plain", .body = BYTES_LIT("no")});
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    (void)ctx, (void)ref;
    answers++;
    answered = err;
    status = a ? a->status : 0;
}

static void once(struct loop *l, const struct http_server_options *h)
{
    static const struct websocket_server_options server_options = {.path_prefix = "/ws/",
                                                                   .known = on_known,
                                                                   .sweep_ms = 60000,
                                                                   .resend_ms = 30,
                                                                   .lifetime_ms = 60000,
                                                                   .max_pending = 10,
                                                                   .max_message_bytes = 1000};
    struct http_server *http = NULL;
    struct websocket_client *client = NULL;
    char origin[64], uri[64];
    answers = notified = 0;
    size_t countdown = until_failure;
    until_failure = 0;
    assert_int_equal(http_server_new(l, h, on_request, NULL, &http), OK);
    until_failure = countdown;
    snprintf(origin, sizeof origin, "http://127.0.0.1:%u", http_server_port(http));
    snprintf(uri, sizeof uri, "ws://127.0.0.1:%u/ws/r", http_server_port(http));
    const struct t8_link_base base = {.origin = bytes_of_str(origin), .api_path = BYTES_LIT("/x")};
    const struct websocket_client_options client_options = {.base = &base,
                                                            .connect_timeout_ms = 3000,
                                                            .duplicate_interval_ms = 60000,
                                                            .retry_min_ms = 5,
                                                            .retry_max_ms = 5,
                                                            .max_message_bytes = 1000,
                                                            .max_in_flight = 10};
    while (websocket_server_new(l, &server_options, &server) != OK)
        assert_true(failed);
    while (websocket_client_new(l, &client_options, on_notification, NULL, &client) != OK)
        assert_true(failed);
    while (websocket_client_use(client, bytes_of_str(uri)) != OK)
        assert_true(failed);
    while (websocket_server_notify(server, BYTES_LIT("r"), "application/json", BYTES_LIT("{\"a\":1}"), on_answer, NULL,
                                   1) != OK)
        assert_true(failed);
    harness_wait(l, &answers, 1);
    until_failure = 0;
    assert_int_equal(answered, OK);
    assert_true(status == 400 || (failed && status == 503)); /* 503: it could not be handed on */
    assert_true(notified == (status == 400 ? 1 : 0) || failed);
    websocket_client_free(client);
    websocket_server_free(server);
    http_server_free(http);
}

static void test_one_allocation_fails(void **state)
{
    const struct http_server_options h = {
        .host = "127.0.0.1", .max_body_bytes = 1000, .max_connections = 20, .idle_timeout_s = 30, .upgrades = true};
    (void)state;
    size_t n = 0;
    do {
        struct loop l;
        assert_int_equal(loop_init(&l), OK);
        failed = false;
        until_failure = ++n;
        once(&l, &h);
        until_failure = 0;
        loop_free(&l);
    } while (failed);
    assert_in_range(n, 15, 1000); /* the wrapping works */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_allocation_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
