/* One end of notifications over WebSocket as a program, for tests/test_websocket.py, which plays the other end.
 *
 *   websocket_peer client URI API_ROOT [OPTION...]   prints a line for what happens; a body {"reply":N} is answered N,
 *                                                    {"late":true} half a second later
 *   websocket_peer server [OPTION...]                prints "port N", makes the resource "r"; then each line on its
 *                                                    standard input is a body to be notified, "cut" cuts the connection
 *
 * Options: --ca FILE --certificate FILE --key FILE --ping-ms N --resend-ms N --duplicates-ms N */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t8/websocket_client.h"
#include "t8/websocket_server.h"

struct peer {
    struct loop l;
    struct http_server *http;
    struct websocket_server *server;
    struct websocket_client *client;
    struct t8_link_base base;
    uint64_t refs;
    struct tls_files tls;
    uint32_t ping_ms, resend_ms, duplicates_ms;
    char line[4096];
    size_t line_len;
    struct loop_watch input;
};

struct late {
    struct loop_alarm alarm;
    struct scs_sender from;
};

static void say(const char *what, struct bytes text)
{
    printf("%s %.*s\n", what, (int)text.len, (const char *)text.data);
    fflush(stdout);
}

static void check(enum error err, const char *what)
{
    if (err == OK)
        return;
    fprintf(stderr, "websocket_peer: %s: %s\n", what, error_text(err));
    exit(1);
}

/* ---- client */

static void on_late(void *ctx)
{
    struct late *late = ctx;
    scs_callbacks_answer(late->from, OK);
    loop_alarm_close(&late->alarm);
}

static void on_notification(void *ctx, struct scs_sender from, struct bytes body)
{
    struct peer *p = ctx;
    const char *reply = body.len ? memmem(body.data, body.len, "\"reply\":", 8) : NULL;
    say("notified", body);
    if (body.len && memmem(body.data, body.len, "\"late\"", 6)) {
        static struct late late;
        late.from = from;
        check(loop_alarm_init(&p->l, &late.alarm, on_late, &late), "alarm");
        loop_alarm_set(&late.alarm, 500);
        return;
    }
    from.reply(from.ctx, &(struct http_reply){.status = reply ? atoi(reply + 8) : 204});
}

static void client(struct peer *p, const char *uri, const char *api_root)
{
    p->base = (struct t8_link_base){.origin = bytes_of_str(api_root), .api_path = BYTES_LIT("/3gpp-nidd/v1")};
    const struct websocket_client_options o = {.base = &p->base,
                                               .tls = p->tls,
                                               .connect_timeout_ms = 2000,
                                               .ping_interval_ms = p->ping_ms,
                                               .duplicate_interval_ms = p->duplicates_ms,
                                               .retry_min_ms = 20,
                                               .retry_max_ms = 100,
                                               .max_message_bytes = 65536,
                                               .max_in_flight = 256};
    check(websocket_client_new(&p->l, &o, on_notification, p, &p->client), "client");
    check(websocket_client_use(p->client, bytes_of_str(uri)), uri);
}

/* ---- server */

static void on_request(void *ctx, struct http_exchange *x)
{
    websocket_server_handle(((struct peer *)ctx)->server, x);
}

static bool on_known(void *ctx, struct bytes name)
{
    (void)ctx;
    return bytes_equal(name, BYTES_LIT("r"));
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    (void)ctx;
    printf("answer %llu %s %d %.*s\n", (unsigned long long)ref, error_name(err), a ? a->status : 0,
           a ? (int)a->body.len : 0, a ? (const char *)a->body.data : "");
    fflush(stdout);
}

static void line_take(struct peer *p, struct bytes line)
{
    if (bytes_equal(line, BYTES_LIT("cut")))
        websocket_server_cut(p->server, BYTES_LIT("r"));
    else
        check(websocket_server_notify(p->server, BYTES_LIT("r"), "application/json", line, on_answer, p, p->refs++),
              "notify");
}

static void on_input(void *ctx)
{
    struct peer *p = ctx;
    ssize_t n = read(0, p->line + p->line_len, sizeof p->line - p->line_len);
    if (n <= 0) {
        uv_stop(&p->l.uv);
        return;
    }
    p->line_len += (size_t)n;
    uint8_t *end;
    while ((end = memchr(p->line, '\n', p->line_len))) {
        size_t len = (size_t)(end - (uint8_t *)p->line);
        line_take(p, bytes_of(p->line, len));
        p->line_len -= len + 1;
        memmove(p->line, p->line + len + 1, p->line_len);
    }
}

static void server(struct peer *p)
{
    const struct http_server_options h = {.host = "127.0.0.1",
                                          .max_body_bytes = 1000,
                                          .max_connections = 20,
                                          .idle_timeout_s = 10,
                                          .upgrades = true,
                                          .tls = p->tls};
    const struct websocket_server_options o = {.path_prefix = "/ws/",
                                               .known = on_known,
                                               .sweep_ms = 1000,
                                               .resend_ms = p->resend_ms,
                                               .lifetime_ms = 60000,
                                               .ping_interval_ms = p->ping_ms,
                                               .max_pending = 1000,
                                               .max_message_bytes = 65536};
    check(http_server_new(&p->l, &h, on_request, p, &p->http), "http");
    check(websocket_server_new(&p->l, &o, &p->server), "server");
    printf("port %u\n", http_server_port(p->http));
    fflush(stdout);
}

static void on_signal(void *ctx)
{
    uv_stop(&((struct peer *)ctx)->l.uv);
}

int main(int argc, char **argv)
{
    static struct peer p = {.resend_ms = 60000, .duplicates_ms = 60000};
    static struct loop_signals signals;
    bool is_client = argc > 3 && strcmp(argv[1], "client") == 0;
    for (int i = is_client ? 4 : 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--ca") == 0)
            p.tls.ca_file = argv[i + 1];
        else if (strcmp(argv[i], "--certificate") == 0)
            p.tls.certificate_file = argv[i + 1];
        else if (strcmp(argv[i], "--key") == 0)
            p.tls.key_file = argv[i + 1];
        else if (strcmp(argv[i], "--ping-ms") == 0)
            p.ping_ms = (uint32_t)atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--resend-ms") == 0)
            p.resend_ms = (uint32_t)atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--duplicates-ms") == 0)
            p.duplicates_ms = (uint32_t)atoi(argv[i + 1]);
    }
    check(loop_init(&p.l), "loop");
    check(loop_signals_start(&p.l, &signals, on_signal, &p), "signals");
    if (is_client)
        client(&p, argv[2], argv[3]);
    else
        server(&p);
    check(loop_watch_start(&p.l, &p.input, 0, on_input, &p), "input");
    uv_run(&p.l.uv, UV_RUN_DEFAULT);
    loop_watch_stop(&p.input);
    loop_signals_stop(&signals);
    websocket_client_free(p.client);
    websocket_server_free(p.server);
    http_server_free(p.http);
    loop_free(&p.l);
    return 0;
}
