/* The measure for downlink: libcurl's multi-socket interface alone, POSTing a downlink over kept connections.
 *
 *   bench_curl --port PORT --seconds S [--warmup S] [--connections N] [--devices N] [--watch PID]
 *
 * Prints one line of JSON. --watch is the process that answers. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/common.h"
#include "tests/bench/wire.h"

#define EVENTS_PER_TURN 128

struct transfer {
    CURL *easy;
    char url[160];
    char body[512];
    size_t answer_len;
};

struct bare {
    CURLM *multi;
    int epoll;
    long timeout_ms;
    struct curl_slist *headers;
    uint16_t port;
    uint32_t devices, seq;
    uint64_t posted, answered;
    bool ending;
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct bare *b = ctx;
    struct epoll_event e = {.data.fd = fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(b->epoll, EPOLL_CTL_DEL, fd, &e);
        return 0;
    }
    e.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    if (epoll_ctl(b->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
    curl_multi_assign(b->multi, fd, b);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    ((struct bare *)ctx)->timeout_ms = timeout_ms;
    return 0;
}

static size_t on_answer(char *data, size_t size, size_t n, void *ctx)
{
    (void)data;
    ((struct transfer *)ctx)->answer_len += size * n;
    return size * n;
}

static void post(struct bare *b, struct transfer *t)
{
    uint8_t request[REQUEST_BYTES];
    uint32_t device = b->seq % b->devices;
    coap_request(request, device, b->seq, (uint16_t)b->seq);
    b->seq++;
    snprintf(t->url, sizeof(t->url), "http://127.0.0.1:%u" CONFIGURATIONS "/c%0*u/downlink-data-deliveries", b->port,
             DEVICE_DIGITS, device);
    size_t len = downlink_body(t->body, sizeof(t->body), device, request);
    t->answer_len = 0;
    curl_easy_setopt(t->easy, CURLOPT_URL, t->url);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body);
    if (curl_multi_add_handle(b->multi, t->easy) != CURLM_OK)
        die("curl_multi_add_handle");
    b->posted++;
}

static struct transfer *transfer_new(struct bare *b)
{
    struct transfer *t = must_alloc(1, sizeof(*t));
    t->easy = curl_easy_init();
    if (!t->easy)
        die("curl_easy_init");
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, b->headers);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    return t;
}

static void progress(struct bare *b)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(b->multi, &left))) {
        struct transfer *t = NULL;
        long status = 0;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        if (code != CURLE_OK || status != 200 || t->answer_len == 0)
            die("POST: %s, status %ld", curl_easy_strerror(code), status);
        curl_multi_remove_handle(b->multi, t->easy);
        b->answered++;
        if (!b->ending)
            post(b, t);
    }
}

static void bare_turn(struct bare *b)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int running;
    int n = epoll_wait(b->epoll, events, EVENTS_PER_TURN,
                       b->timeout_ms < 0 || b->timeout_ms > 1000 ? 1000 : (int)b->timeout_ms);
    for (int i = 0; i < n; i++)
        curl_multi_socket_action(b->multi, events[i].data.fd,
                                 (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                                     (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
                                 &running);
    if (n == 0 || b->timeout_ms == 0)
        curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    progress(b);
}

static void run_until(struct bare *b, uint64_t end_ns)
{
    while (now_ns() < end_ns)
        bare_turn(b);
}

int main(int argc, char **argv)
{
    double seconds = arg_number(argc, argv, "--seconds", 1), warmup = arg_number(argc, argv, "--warmup", 0.3);
    uint32_t connections = (uint32_t)arg_number(argc, argv, "--connections", 64);
    int watched = (int)arg_number(argc, argv, "--watch", 0);
    struct bare b = {.multi = curl_multi_init(),
                     .epoll = epoll_create1(0),
                     .timeout_ms = -1,
                     .port = (uint16_t)arg_number(argc, argv, "--port", 0),
                     .devices = (uint32_t)arg_number(argc, argv, "--devices", 10000)};
    b.headers = curl_slist_append(curl_slist_append(NULL, "Expect:"), "Content-Type: application/json");
    curl_multi_setopt(b.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(b.multi, CURLMOPT_SOCKETDATA, &b);
    curl_multi_setopt(b.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(b.multi, CURLMOPT_TIMERDATA, &b);
    curl_multi_setopt(b.multi, CURLMOPT_MAXCONNECTS, (long)connections);
    struct transfer **transfers = must_alloc(connections, sizeof(struct transfer *));
    for (uint32_t i = 0; i < connections; i++) {
        transfers[i] = transfer_new(&b);
        post(&b, transfers[i]);
    }
    struct span span;
    run_until(&b, now_ns() + (uint64_t)(warmup * 1e9));
    uint64_t before = b.answered;
    span_begin(&span, watched);
    run_until(&b, now_ns() + (uint64_t)(seconds * 1e9));
    uint64_t measured = b.answered - before;
    span_end(&span);
    b.ending = true;
    while (b.answered < b.posted)
        bare_turn(&b);
    printf("{\"count\": %llu, \"total\": %llu, \"seconds\": %.6f, \"cpu\": %.6f, \"foreign_cpu\": "
           "%.6f, \"body\": %zu, "
           "\"version\": \"%s\"}\n",
           (unsigned long long)measured, (unsigned long long)b.answered, span.seconds, span.own_cpu, span.foreign_cpu,
           strlen(transfers[0]->body), curl_version());
    for (uint32_t i = 0; i < connections; i++) {
        curl_easy_cleanup(transfers[i]->easy);
        free(transfers[i]);
    }
    curl_multi_cleanup(b.multi);
    curl_slist_free_all(b.headers);
    free(transfers);
    return 0;
}
