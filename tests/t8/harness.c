#include "tests/t8/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

void harness_wait(struct loop *l, const size_t *count, size_t want)
{
    uint64_t end = now_ms() + HARNESS_PATIENCE_MS;
    while (*count < want) {
        if (now_ms() > end)
            fail_msg("waited for %zu, got %zu", want, *count);
        uv_run(&l->uv, UV_RUN_NOWAIT);
        usleep(100);
    }
}

void harness_pump(struct loop *l, uint64_t ms)
{
    uint64_t end = now_ms() + ms;
    do {
        uv_run(&l->uv, UV_RUN_NOWAIT);
        usleep(100);
    } while (now_ms() < end);
}

/* ---- server */

struct raw_connection {
    uv_tcp_t tcp;
    struct raw_server *server;
    struct buf in;
};

struct raw_write {
    uv_write_t write;
    enum raw_then then;
};

static void on_connection_closed(uv_handle_t *handle)
{
    struct raw_connection *c = handle->data;
    c->server->open--;
    buf_free(&c->in);
    free(c);
}

static void connection_end(struct raw_connection *c, enum raw_then how)
{
    if (how == RAW_KEEP || uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    if (how == RAW_RESET)
        uv_tcp_close_reset(&c->tcp, on_connection_closed);
    else
        uv_close((uv_handle_t *)&c->tcp, on_connection_closed);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    struct raw_write *w = write->data;
    connection_end(write->handle->data, w->then);
    free(w);
}

/* Length of the complete request at the start of `in`, 0 when it is not complete. */
static size_t request_length(struct bytes in)
{
    const uint8_t *end = in.len ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    size_t header = (size_t)(end - in.data) + 4;
    size_t length = 0;
    for (size_t i = 0; i + 15 < header; i++)
        if (strncasecmp((const char *)in.data + i, "content-length:", 15) == 0)
            length = strtoul((const char *)in.data + i + 15, NULL, 10);
    return in.len >= header + length ? header + length : 0;
}

static void on_request(struct raw_connection *c, struct bytes request)
{
    struct raw_server *s = c->server;
    assert_true(s->count < RAW_MAX_REQUESTS && s->step_count > 0);
    const struct raw_step *step = &s->steps[s->count < s->step_count ? s->count : s->step_count - 1];
    s->requests[s->count++] = bytes_dup_str(request);
    if (!step->answer) {
        connection_end(c, step->then);
        return;
    }
    struct raw_write *w = calloc(1, sizeof *w);
    uv_buf_t text = {.base = (char *)(uintptr_t)step->answer,
                     .len = step->answer_len ? step->answer_len : strlen(step->answer)};
    w->write.data = w;
    w->then = step->then;
    uv_write(&w->write, (uv_stream_t *)&c->tcp, &text, 1, on_written);
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    struct raw_connection *c = handle->data;
    out->base = (char *)buf_reserve(&c->in, size + 1);
    out->len = size;
}

static void on_data(uv_stream_t *stream, ssize_t n, const uv_buf_t *unused)
{
    (void)unused;
    struct raw_connection *c = stream->data;
    if (n < 0) {
        connection_end(c, RAW_CLOSE);
        return;
    }
    c->in.len += (size_t)n;
    c->in.data[c->in.len] = 0;
    size_t len;
    while (!uv_is_closing((uv_handle_t *)stream) && (len = request_length(buf_bytes(&c->in))) > 0) {
        on_request(c, bytes_of(c->in.data, len));
        memmove(c->in.data, c->in.data + len, c->in.len - len);
        c->in.len -= len;
    }
}

static void on_accept(uv_stream_t *listener, int status)
{
    struct raw_server *s = listener->data;
    assert_int_equal(status, 0);
    struct raw_connection *c = calloc(1, sizeof *c);
    c->server = s;
    c->tcp.data = c;
    uv_tcp_init(&s->loop->uv, &c->tcp);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&c->tcp), 0);
    s->connections++;
    s->open++;
    s->most_open = s->open > s->most_open ? s->open : s->most_open;
    if (s->reset_at_accept)
        connection_end(c, RAW_RESET);
    else
        uv_read_start((uv_stream_t *)&c->tcp, on_room, on_data);
}

void raw_server_start(struct raw_server *s, struct loop *l, const struct raw_step *steps, size_t step_count)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int len = sizeof a;
    *s = (struct raw_server){.loop = l, .steps = steps, .step_count = step_count};
    s->listener.data = s;
    assert_int_equal(uv_tcp_init(&l->uv, &s->listener), 0);
    assert_int_equal(uv_tcp_bind(&s->listener, (struct sockaddr *)&a, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&s->listener, 64, on_accept), 0);
    uv_tcp_getsockname(&s->listener, (struct sockaddr *)&a, &len);
    s->port = ntohs(a.sin_port);
}

static void close_ours(uv_handle_t *handle, void *ctx)
{
    if (handle->type != UV_TCP || uv_is_closing(handle))
        return;
    if (handle == (uv_handle_t *)&((struct raw_server *)ctx)->listener)
        uv_close(handle, NULL);
    else if (((struct raw_connection *)handle->data)->server == ctx)
        connection_end(handle->data, RAW_CLOSE);
}

void raw_server_stop(struct raw_server *s)
{
    uv_walk(&s->loop->uv, close_ours, s);
}

void raw_server_release(struct raw_server *s)
{
    assert_int_equal(s->open, 0);
    for (size_t i = 0; i < s->count; i++)
        free(s->requests[i]);
    s->count = 0;
}

/* ---- client */

int raw_try_connect(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        abort();
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

int raw_connect(uint16_t port)
{
    int fd = raw_try_connect(port);
    assert_true(fd >= 0);
    return fd;
}

void raw_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static char received[1 << 16];

/* One step: how much came, 0 when the server has closed, -1 when nothing came. */
static ssize_t step(struct loop *l, int fd, char *out, size_t size)
{
    uv_run(&l->uv, UV_RUN_NOWAIT);
    usleep(100);
    ssize_t n = recv(fd, out, size, MSG_DONTWAIT);
    return n < 0 && errno == ECONNRESET ? 0 : n;
}

const char *raw_receive(struct loop *l, int fd, const char *want)
{
    uint64_t end = now_ms() + HARNESS_PATIENCE_MS;
    size_t len = 0;
    received[0] = '\0';
    while (!strstr(received, want)) {
        ssize_t n = step(l, fd, received + len, sizeof received - 1 - len);
        if (n == 0)
            break;
        if (n > 0)
            received[len += (size_t)n] = '\0';
        if (now_ms() > end)
            fail_msg("waited for '%s', got '%s'", want, received);
    }
    return received;
}

void raw_await_close(struct loop *l, int fd)
{
    uint64_t end = now_ms() + HARNESS_PATIENCE_MS;
    char rest[4096];
    while (step(l, fd, rest, sizeof rest) != 0)
        if (now_ms() > end)
            fail_msg("the server does not close");
    close(fd);
}
