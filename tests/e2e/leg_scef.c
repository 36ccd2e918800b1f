#include "tests/e2e/leg_scef.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/common.h"
#include "tests/bench/wire.h"

#define IN_BYTES   65536
#define BODY_BYTES 8192
#define DATA_MAX   4096
#define CALLBACK   "/t8/nidd/scef/0"

struct connection {
    struct source source;
    struct scef *scef;
    uint32_t device; /* of notifications; 0: the adapter's connection */
    bool busy;
    size_t in_len;
    char in[IN_BYTES];
};

struct scef {
    struct source listener;
    int epoll;
    uint16_t port, callback_port;
    uint32_t device_count;
    struct scef_hooks hooks;
    struct connection **notifying; /* by device; NULL: not connected yet */
    char head[512], body[BODY_BYTES];
};

/* Head and body in one piece. */
static void message_send(struct connection *c, int head_len, int body_len)
{
    struct scef *s = c->scef;
    char out[sizeof(s->head) + sizeof(s->body)];
    if (head_len >= (int)sizeof(s->head) || body_len >= (int)sizeof(s->body))
        die("no room for a message of %d and %d bytes", head_len, body_len);
    memcpy(out, s->head, (size_t)head_len);
    memcpy(out + head_len, s->body, (size_t)body_len);
    send_all(c->source.fd, out, (size_t)(head_len + body_len));
}

static void answer(struct connection *c, const char *status, const char *location, int body_len)
{
    struct scef *s = c->scef;
    int len = snprintf(s->head, sizeof(s->head),
                       "HTTP/1.1 %s\r\n%s%s%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", status,
                       location ? "Location: " : "", location ? location : "", location ? "\r\n" : "", body_len);
    message_send(c, len, body_len);
}

static void link_write(const struct scef *s, uint32_t device, char out[128])
{
    snprintf(out, 128, "http://127.0.0.1:%u" CONFIGURATIONS "/dev%u", s->port, device);
}

static void configure(struct connection *c, uint32_t device)
{
    struct scef *s = c->scef;
    char self[128];
    link_write(s, device, self);
    int len = snprintf(s->body, sizeof(s->body),
                       "{\"self\":\"%s\",\"externalId\":\"dev%u@example.org\",\"maximumPacketSize\":65528,"
                       "\"status\":\"ACTIVE\"}",
                       self, device);
    answer(c, "201 Created", self, len);
    s->hooks.configured(s->hooks.ctx, device);
}

static size_t base64_decode_into(const char *text, size_t len, uint8_t out[DATA_MAX])
{
    int n = len / 4 * 3 <= DATA_MAX ? EVP_DecodeBlock(out, (const unsigned char *)text, (int)len) : -1;
    if (n < 0)
        die("data that is no base64, or too long: %.*s", (int)len, text);
    for (size_t i = len; i && text[i - 1] == '='; i--)
        n--; /* EVP_DecodeBlock counts padding as bytes */
    return (size_t)n;
}

static void deliver(struct connection *c, const struct http_view *v, uint32_t device)
{
    struct scef *s = c->scef;
    uint8_t data[DATA_MAX];
    size_t text_len = 0;
    const char *text = json_text(v, "data", &text_len);
    if (!text)
        die("a delivery without data: %.*s", (int)v->body_len, v->body);
    /* What was asked, with the status: the closing brace comes off. */
    int body_len =
        snprintf(s->body, sizeof(s->body), "{\"deliveryStatus\":\"SUCCESS\",%.*s", (int)v->body_len - 1, v->body + 1);
    answer(c, "200 OK", NULL, body_len);
    s->hooks.downlink(s->hooks.ctx, device, data, base64_decode_into(text, text_len, data));
}

static uint32_t device_of(const struct scef *s, const char *text, size_t len, const char *before, const char *after)
{
    const char *at = memmem(text, len, before, strlen(before));
    char *end = NULL;
    unsigned long n = at ? strtoul(at + strlen(before), &end, 10) : 0;
    return n && n <= s->device_count && strncmp(end, after, strlen(after)) == 0 ? (uint32_t)n : 0;
}

static void request(struct connection *c, const struct http_view *v)
{
    static const char create[] = "POST " CONFIGURATIONS;
    const struct scef *s = c->scef;
    uint32_t device;
    if (v->target_len == sizeof(create) - 1 && memcmp(v->target, create, v->target_len) == 0 &&
        (device = device_of(s, v->body, v->body_len, "\"externalId\":\"dev", "@example.org\"")) != 0)
        configure(c, device);
    else if ((device = device_of(s, v->target, v->target_len, CONFIGURATIONS "/dev", "/downlink-data-deliveries")) != 0)
        deliver(c, v, device);
    else
        die("a request that nobody expected: %.*s", (int)v->target_len, v->target);
}

static void on_data(struct source *source)
{
    struct connection *c = OWNER_OF(source, struct connection, source);
    ssize_t n = recv(source->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        if (c->device)
            c->scef->notifying[c->device - 1] = NULL;
        close(source->fd);
        free(c);
        return;
    }
    c->in_len += (size_t)n;
    struct http_view v;
    size_t at = 0;
    for (size_t len; (len = http_view_read(c->in + at, c->in_len - at, &v)) != 0; at += len) {
        c->busy = false;
        if (v.status)
            c->scef->hooks.uplink_answered(c->scef->hooks.ctx, c->device, v.status);
        else
            request(c, &v);
    }
    c->in_len -= at;
    memmove(c->in, c->in + at, c->in_len);
    if (c->in_len == sizeof(c->in))
        die("a message of more than %d bytes", IN_BYTES);
}

static struct connection *connection_new(struct scef *s, int fd, uint32_t device)
{
    struct connection *c = must_alloc(1, sizeof(*c));
    c->source = (struct source){fd, on_data};
    c->scef = s;
    c->device = device;
    source_add(s->epoll, &c->source);
    return c;
}

static void on_connection(struct source *source)
{
    struct scef *s = OWNER_OF(source, struct scef, listener);
    int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK);
    if (fd >= 0)
        connection_new(s, fd, 0);
}

void scef_uplink(struct scef *s, uint32_t device, const uint8_t *data, size_t len)
{
    static unsigned char text[DATA_MAX / 3 * 4 + 8];
    char self[128];
    struct connection *c = s->notifying[device - 1];
    if (!c)
        c = s->notifying[device - 1] = connection_new(s, tcp_connect(s->callback_port), device);
    if (c->busy || len > DATA_MAX)
        die("a notification too many, or of %zu bytes", len);
    c->busy = true;
    EVP_EncodeBlock(text, data, (int)len);
    link_write(s, device, self);
    int body_len = snprintf(s->body, sizeof(s->body),
                            "{\"niddConfiguration\":\"%s\",\"externalId\":\"dev%u@example.org\",\"data\":\"%s\"}", self,
                            device, (const char *)text);
    int head_len = snprintf(s->head, sizeof(s->head),
                            "POST " CALLBACK " HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
                            "Content-Length: %d\r\n\r\n",
                            s->callback_port, body_len);
    message_send(c, head_len, body_len);
}

struct scef *scef_new(int epoll, uint16_t port, uint16_t callback_port, uint32_t devices, struct scef_hooks hooks)
{
    struct scef *s = must_alloc(1, sizeof(*s));
    s->listener = (struct source){tcp_listen(port), on_connection};
    s->epoll = epoll;
    s->port = port;
    s->callback_port = callback_port;
    s->device_count = devices;
    s->hooks = hooks;
    s->notifying = must_alloc(devices, sizeof(*s->notifying));
    source_add(epoll, &s->listener);
    return s;
}
