/* Measures t8's HTTP shells against the bare libraries, and counts allocations.
 *
 *   measure_http serve-bare|serve-http|serve-callbacks PORT        answers 204 until SIGTERM, then prints
 *   measure_http post-bare|post-http|post-submit PORT COUNT PARALLEL
 *   measure_http load PORT COUNT PARALLEL                          posts one notification over and over, as fast as it
 * goes
 *
 * With MEASURE_CERT, MEASURE_KEY and MEASURE_CA (PEM files) serve-http and serve-callbacks speak https, and post-http
 * speaks it to them.
 *
 * Pin server and client to different cores: taskset -c 0 measure_http serve-bare 9000 & taskset -c 1 measure_http load
 * 9000 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "t8/scs_callbacks.h"
#include "t8/scs_client.h"

/* ---- counting allocations: these shadow the C library's, for shared libraries too */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);

static uint64_t allocations;

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}

/* ---- what is printed */

static uint64_t requests;
static uint64_t allocations_before;
static double cpu_before;
static double wall_before;

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double wall_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The first thousand requests open connections and warm buffers. */
static void count_request(void)
{
    if (++requests == 1000) {
        allocations_before = allocations;
        cpu_before = cpu_seconds();
        wall_before = wall_seconds();
    }
}

static void report(const char *what)
{
    double n = (double)(requests - 1000);
    double cpu = cpu_seconds() - cpu_before;
    printf("%-16s %8.0f requests  %7.0f/s of CPU time  %7.0f/s of wall time  %5.2f allocations each\n", what, n,
           n / cpu, n / (wall_seconds() - wall_before), (double)(allocations - allocations_before) / n);
}

/* ---- servers */

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static enum MHD_Result bare_request(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
                                    const char *version, const char *data, size_t *len, void **request_ctx)
{
    (void)url, (void)method, (void)version, (void)data;
    if (!*request_ctx) {
        *request_ctx = ctx;
        return MHD_YES;
    }
    if (*len) {
        *len = 0;
        return MHD_YES;
    }
    count_request();
    return MHD_queue_response(mhd, 204, ctx);
}

static void serve_bare(uint16_t port)
{
    struct MHD_Response *empty = MHD_create_response_empty(MHD_RF_NONE);
    struct MHD_Daemon *d =
        MHD_start_daemon(MHD_USE_EPOLL, port, NULL, NULL, bare_request, empty, MHD_OPTION_CONNECTION_LIMIT, 1000u,
                         MHD_OPTION_CONNECTION_TIMEOUT, 60u, MHD_OPTION_END);
    int fd = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int outer = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN};
    epoll_ctl(outer, EPOLL_CTL_ADD, fd, &e);
    while (!stop) {
        int64_t timeout = MHD_get_timeout64s(d);
        epoll_wait(outer, &e, 1, timeout < 0 || timeout > 1000 ? 1000 : (int)timeout);
        MHD_run(d);
    }
    MHD_stop_daemon(d);
    MHD_destroy_response(empty);
}

static void http_handler(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    count_request();
    http_reply(x, &(struct http_reply){.status = 204});
}

static enum scs_verdict on_uplink(void *ctx, struct scs_sender from, const struct nidd_uplink *u, enum error *err)
{
    (void)ctx, (void)from, (void)err;
    if (u->data.len == 0)
        abort();
    count_request();
    return SCS_ACCEPTED;
}

static void on_counted(void *ctx, int kind, enum error err)
{
    (void)ctx, (void)kind;
    if (err) {
        fprintf(stderr, "refused: %s\n", error_text(err));
        abort();
    }
}

static void callbacks_handler(void *ctx, struct http_exchange *x)
{
    scs_callbacks_handle(ctx, x, SCS_PATH_ANY);
}

static void on_stop(void *ctx)
{
    http_server_free(*(struct http_server **)ctx);
}

static int serve(uint16_t port, http_handler_fn fn, void *ctx)
{
    static struct http_server *s;
    struct loop l;
    struct loop_signals signals;
    const struct http_server_options o = {
        "127.0.0.1", port, 65536,
        1000,        60,   .tls = {.certificate_file = getenv("MEASURE_CERT"), .key_file = getenv("MEASURE_KEY")}};
    if (loop_init(&l) || http_server_new(&l, &o, fn, ctx, &s) || loop_signals_start(&l, &signals, on_stop, &s))
        return 1;
    uv_run(&l.uv, UV_RUN_DEFAULT);
    loop_signals_stop(&signals);
    loop_free(&l);
    return 0;
}

/* ---- clients */

static uint64_t total;
static char body[] =
    "{\"niddConfiguration\":\"https://scef.example.net/3gpp-nidd/v1/as1/configurations/c7\","
    "\"externalId\":\"dev0001@iot.example.org\",\"data\":\"RAIwOgECAwSycmQRKGVwPWRldjAwMDEmbHQ9MzAwJmx3"
    "bTJtPTEuMSZiPVX/PC8+O3J0PSJvbWEubHdtMm0iLDwvMS8wPiw8LzMvMD4sPC80LzA+LDwvNS8wPg==\"}";

struct bare {
    CURLM *multi;
    int epoll;
    long timeout;
};

static int bare_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    (void)easy;
    struct bare *b = ctx;
    struct epoll_event e = {.data.fd = fd};
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(b->epoll, EPOLL_CTL_DEL, fd, &e);
        return 0;
    }
    e.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    epoll_ctl(b->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
    curl_multi_assign(b->multi, fd, b);
    return 0;
}

static int bare_timer(CURLM *m, long timeout, void *ctx)
{
    (void)m;
    ((struct bare *)ctx)->timeout = timeout;
    return 0;
}

static size_t bare_write(char *p, size_t a, size_t n, void *ctx)
{
    (void)p, (void)ctx;
    return a * n;
}

static void post_bare(const char *url, long parallel)
{
    struct bare b = {curl_multi_init(), epoll_create1(0), -1};
    curl_multi_setopt(b.multi, CURLMOPT_SOCKETFUNCTION, bare_socket);
    curl_multi_setopt(b.multi, CURLMOPT_SOCKETDATA, &b);
    curl_multi_setopt(b.multi, CURLMOPT_TIMERFUNCTION, bare_timer);
    curl_multi_setopt(b.multi, CURLMOPT_TIMERDATA, &b);
    struct curl_slist *h = curl_slist_append(NULL, "Expect:");
    h = curl_slist_append(h, "Content-Type: application/json");
    uint64_t started = 0;
    for (long i = 0; i < parallel; i++, started++) {
        CURL *e = curl_easy_init();
        curl_easy_setopt(e, CURLOPT_URL, url);
        curl_easy_setopt(e, CURLOPT_HTTPHEADER, h);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(sizeof body - 1));
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, bare_write);
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
        curl_multi_add_handle(b.multi, e);
    }
    int running;
    curl_multi_socket_action(b.multi, CURL_SOCKET_TIMEOUT, 0, &running);
    while (requests < total) {
        struct epoll_event e[64];
        int n = epoll_wait(b.epoll, e, 64, b.timeout < 0 ? 1000 : (int)b.timeout);
        for (int i = 0; i < n; i++)
            curl_multi_socket_action(b.multi, e[i].data.fd,
                                     (e[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                                         (e[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
                                     &running);
        if (b.timeout >= 0)
            curl_multi_socket_action(b.multi, CURL_SOCKET_TIMEOUT, 0, &running);
        CURLMsg *m;
        int left;
        while ((m = curl_multi_info_read(b.multi, &left))) {
            CURL *easy = m->easy_handle;
            if (m->data.result != CURLE_OK)
                abort();
            count_request();
            curl_multi_remove_handle(b.multi, easy);
            if (started++ < total)
                curl_multi_add_handle(b.multi, easy);
            else
                curl_easy_cleanup(easy);
        }
    }
    curl_multi_cleanup(b.multi);
    curl_slist_free_all(h);
    close(b.epoll);
}

/* The least a client can do: fixed bytes out, anything that ends a header in. */
static void load(uint16_t port, uint32_t parallel)
{
    char out[2048];
    int len = snprintf(out, sizeof out,
                       "POST /t8/nidd/as1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       sizeof body - 1, body);
    int epoll = epoll_create1(0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (uint32_t i = 0; i < parallel; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 || write(fd, out, (size_t)len) != len)
            abort();
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
    while (requests < total) {
        struct epoll_event e[64];
        int n = epoll_wait(epoll, e, 64, -1);
        for (int i = 0; i < n; i++) {
            char in[1024];
            ssize_t got = read(e[i].data.fd, in, sizeof in);
            if (got < 12 || memcmp(in + 9, "204", 3) != 0 || memcmp(in + got - 4, "\r\n\r\n", 4) != 0)
                abort();
            count_request();
            if (write(e[i].data.fd, out, (size_t)len) != len)
                abort();
        }
    }
}

static uint64_t started_requests;
static struct http_client *http;
static struct scs_client *scs;
static char target[128];

static void http_next(void);

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    (void)ctx, (void)ref;
    if (err || a->status != 204)
        abort();
    count_request();
    if (started_requests < total)
        http_next();
    else if (requests == total)
        http_client_free(http);
}

static void http_next(void)
{
    const struct http_request_options r = {
        .method = "POST", .url = target, .content_type = "application/json", .body = bytes_of(body, sizeof body - 1)};
    started_requests++;
    if (http_client_send(http, &r, on_answer, NULL, 0))
        abort();
}

static void scs_next(void);
static uv_idle_t scs_end;

static void on_scs_end(uv_idle_t *idle)
{
    uv_close((uv_handle_t *)idle, NULL);
    scs_client_free(scs);
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    (void)ctx, (void)ref;
    if (r->outcome != NIDD_SUBMIT_DELIVERED)
        abort();
    count_request();
    if (started_requests < total)
        scs_next();
    else if (requests == total)
        uv_idle_start(&scs_end, on_scs_end);
}

static void scs_next(void)
{
    static const uint8_t data[100];
    started_requests++;
    if (scs_downlink_submit(scs, 0, BYTES_LIT("/as1/configurations/c7"),
                            (struct t8_identity){.external_id = BYTES_LIT("dev0001@iot.example.org")},
                            bytes_of(data, sizeof data), 0))
        abort();
}

static int post(const char *mode, uint16_t port, uint32_t parallel)
{
    struct loop l;
    const struct http_client_options ho = {5000, 30000, parallel, 65536, .tls = {.ca_file = getenv("MEASURE_CA")}};
    char root[64];
    snprintf(root, sizeof root, "http://127.0.0.1:%u", port);
    if (loop_init(&l))
        return 1;
    if (strcmp(mode, "post-http") == 0) {
        if (http_client_new(&l, &ho, &http))
            return 1;
        for (uint32_t i = 0; i < parallel; i++)
            http_next();
    } else {
        const struct scs_client_options so = {
            .api_root = root, .api_name = "3gpp-nidd", .scs_as_id = "as1", .http = ho};
        const struct scs_client_sink sink = {.submit_result = on_submit};
        if (scs_client_new(&l, &so, &sink, &scs))
            return 1;
        uv_idle_init(&l.uv, &scs_end);
        for (uint32_t i = 0; i < parallel; i++)
            scs_next();
    }
    uv_run(&l.uv, UV_RUN_DEFAULT);
    loop_free(&l);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    const char *mode = argv[1];
    uint16_t port = (uint16_t)atoi(argv[2]);
    total = argc > 3 ? strtoull(argv[3], NULL, 10) : 100000;
    uint32_t parallel = argc > 4 ? (uint32_t)atoi(argv[4]) : 64;
    const char *scheme = getenv("MEASURE_CA") ? "https" : "http";
    snprintf(target, sizeof target, "%s://127.0.0.1:%u/t8/nidd/as1", scheme, port);
    const struct scs_callbacks_sink sink = {.uplink = on_uplink, .counted = on_counted};
    int rc = 0;
    if (strcmp(mode, "serve-bare") == 0) {
        signal(SIGTERM, on_signal);
        serve_bare(port);
    } else if (strcmp(mode, "serve-http") == 0) {
        rc = serve(port, http_handler, NULL);
    } else if (strcmp(mode, "serve-callbacks") == 0) {
        rc = serve(port, callbacks_handler, (void *)(uintptr_t)&sink);
    } else if (strcmp(mode, "load") == 0) {
        load(port, parallel);
    } else if (strcmp(mode, "post-bare") == 0) {
        post_bare(target, (long)parallel);
    } else {
        rc = post(mode, port, parallel);
    }
    if (requests > 1000)
        report(mode);
    return rc;
}
