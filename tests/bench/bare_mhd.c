/* The measure for uplink: libmicrohttpd alone, in external epoll mode as in the adapter, answering every POST with 204.
 *
 *   bench_mhd --port PORT        until SIGTERM; then prints how many requests it answered */
#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <string.h>

#include "tests/bench/common.h"

static volatile sig_atomic_t stopped;
static uint64_t requests;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *len, void **request_ctx)
{
    struct MHD_Response *no_content = ctx;
    (void)url, (void)method, (void)version, (void)data;
    if (!*request_ctx) {
        *request_ctx = no_content;
        return MHD_YES;
    }
    if (*len) {
        *len = 0;
        return MHD_YES;
    }
    requests++;
    return MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, no_content);
}

int main(int argc, char **argv)
{
    uint16_t port = (uint16_t)arg_number(argc, argv, "--port", 0);
    struct sigaction on_term = {.sa_handler = on_signal};
    struct MHD_Response *no_content = MHD_create_response_empty(MHD_RF_NONE);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_THREAD_SAFETY, port, NULL, NULL, on_request, no_content,
                         MHD_OPTION_CONNECTION_LIMIT, 1024u, MHD_OPTION_CONNECTION_TIMEOUT, 60u, MHD_OPTION_END);
    if (!no_content || !daemon || sigaction(SIGTERM, &on_term, NULL) != 0)
        die("libmicrohttpd on port %u: %s", port, strerror(errno));

    int epoll = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
    while (!stopped) {
        int64_t timeout_ms = MHD_get_timeout64s(daemon);
        if (timeout_ms < 0 || timeout_ms > 1000)
            timeout_ms = 1000;
        (void)epoll_wait(epoll, &e, 1, (int)timeout_ms);
        (void)MHD_run(daemon);
    }
    MHD_stop_daemon(daemon);
    MHD_destroy_response(no_content);
    printf("{\"requests\": %llu, \"version\": \"%s\"}\n", (unsigned long long)requests, MHD_get_version());
    return 0;
}
