#include "tests/bench/scef.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/common.h"

#define IN_BYTES  16384
#define OUT_BYTES 4096

struct scef {
    struct source listener;
    int epoll;
    uint16_t port;
    struct scef_hooks hooks;
    struct scef_counters counters;
    char body[OUT_BYTES], out[OUT_BYTES];
};

struct connection {
    struct source source;
    struct scef *scef;
    size_t in_len;
    char in[IN_BYTES];
};

static void answer(struct connection *c, const char *status, const char *location, int body_len)
{
    struct scef *s = c->scef;
    char location_line[200] = "";
    if (location)
        snprintf(location_line, sizeof(location_line), "Location: %s\r\n", location);
    int len = snprintf(s->out, sizeof(s->out),
                       "HTTP/1.1 %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%.*s", status,
                       location_line, body_len, body_len, s->body);
    if (len >= (int)sizeof(s->out) || body_len >= (int)sizeof(s->body))
        die("no room for an answer");
    send_all(c->source.fd, s->out, (size_t)len);
}

static void refuse(struct connection *c, const struct http_view *v)
{
    if (c->scef->counters.wrong++ == 0)
        fprintf(stderr, "scef: cannot understand %.*s\n%.*s\n", (int)v->target_len, v->target, (int)v->body_len,
                v->body);
    answer(c, "400 Bad Request", NULL, 0);
}

static void configuration_tell(struct connection *c, uint32_t device, const char *status)
{
    struct scef *s = c->scef;
    char self[160], id[DEVICE_ID_CHARS];
    device_id_write(device, id);
    snprintf(self, sizeof(self), "http://127.0.0.1:%u" CONFIGURATIONS "/c%0*u", s->port, DEVICE_DIGITS, device);
    int len = snprintf(s->body, sizeof(s->body),
                       "{\"self\":\"%s\",\"externalId\":\"%.*s\",\"maximumPacketSize\":12800,\"status\":\"ACTIVE\"}",
                       self, DEVICE_ID_CHARS, id);
    s->counters.configurations++;
    answer(c, status, self, len);
}

static void delivery(struct connection *c, const struct http_view *v, uint32_t device)
{
    struct scef *s = c->scef;
    uint8_t message[COAP_MAX_BYTES];
    size_t data_len = 0;
    const char *data = json_text(v, "data", &data_len);
    size_t len = data && data_len / 4 * 3 <= sizeof(message) ? base64_read(data, data_len, message) : 0;
    if (len == 0) {
        refuse(c, v);
        return;
    }
    s->counters.deliveries++;
    s->counters.delivery_body_bytes += v->body_len;
    if (s->hooks.delivery && !s->hooks.delivery(s->hooks.ctx, device, message, len)) {
        int body_len = snprintf(s->body, sizeof(s->body),
                                "{\"problemDetail\":{\"status\":500,\"cause\":\"TEMPORARILY_NOT_REACHABLE\"}}");
        answer(c, "500 Internal Server Error", NULL, body_len);
        return;
    }
    /* What was asked, with the status: the closing brace comes off. */
    int body_len = snprintf(s->body, sizeof(s->body),
                            "{\"self\":\"http://127.0.0.1:%u" CONFIGURATIONS
                            "/c%0*u/downlink-data-deliveries/1\",\"deliveryStatus\":\"SUCCESS\",%.*s",
                            s->port, DEVICE_DIGITS, device, (int)v->body_len - 1, v->body + 1);
    answer(c, "200 OK", NULL, body_len);
}

static void work_tell(struct connection *c)
{
    struct scef *s = c->scef;
    int len = snprintf(s->body, sizeof(s->body), "{\"deliveries\": %llu, \"idle_ns\": %llu, \"now_ns\": %llu}",
                       (unsigned long long)s->counters.deliveries, (unsigned long long)turn_idle_ns(),
                       (unsigned long long)now_ns());
    answer(c, "200 OK", NULL, len);
}

static bool ends_with(const struct http_view *v, const char *end)
{
    size_t n = strlen(end);
    return v->target_len > n && memcmp(v->target + v->target_len - n, end, n) == 0;
}

static bool starts_with(const struct http_view *v, const char *start)
{
    return v->target_len >= strlen(start) && memcmp(v->target, start, strlen(start)) == 0;
}

static void request(struct connection *c, const struct http_view *v)
{
    size_t id_len = 0;
    const char *id = json_text(v, "externalId", &id_len);
    uint32_t device = 0;
    bool has_device = id && device_id_read(id, id_len, &device);
    if (starts_with(v, "GET " CONFIGURATIONS "/c"))
        configuration_tell(c, (uint32_t)strtoul(v->target + strlen("GET " CONFIGURATIONS "/c"), NULL, 10), "200 OK");
    else if (starts_with(v, "POST ") && has_device && ends_with(v, "/configurations"))
        configuration_tell(c, device, "201 Created");
    else if (starts_with(v, "POST ") && has_device && ends_with(v, "/downlink-data-deliveries"))
        delivery(c, v, device);
    else if (starts_with(v, "GET /work"))
        work_tell(c);
    else
        refuse(c, v);
}

static void on_data(struct source *source)
{
    struct connection *c = OWNER_OF(source, struct connection, source);
    ssize_t n = recv(source->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close(source->fd);
        free(c);
        return;
    }
    c->in_len += (size_t)n;
    struct http_view v;
    size_t at = 0;
    for (size_t len; (len = http_view_read(c->in + at, c->in_len - at, &v)) != 0; at += len)
        request(c, &v);
    c->in_len -= at;
    memmove(c->in, c->in + at, c->in_len);
    if (c->in_len == sizeof(c->in))
        die("a request of the adapter is larger than %d bytes", IN_BYTES);
}

static void on_connection(struct source *source)
{
    struct scef *s = OWNER_OF(source, struct scef, listener);
    int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct connection *c = must_alloc(1, sizeof(*c));
    c->source = (struct source){fd, on_data};
    c->scef = s;
    source_add(s->epoll, &c->source);
}

struct scef *scef_new(int epoll, uint16_t port, struct scef_hooks hooks)
{
    struct scef *s = must_alloc(1, sizeof(*s));
    s->listener = (struct source){tcp_listen(port), on_connection};
    s->epoll = epoll;
    s->port = port;
    s->hooks = hooks;
    source_add(epoll, &s->listener);
    return s;
}

const struct scef_counters *scef_counters_get(const struct scef *s)
{
    return &s->counters;
}
