/* A connection that libcurl leaves to us (CURLOPT_CONNECT_ONLY) lives as long as its easy handle is in its multi
 * handle, and among several in one multi handle libcurl may take an idle one with input for a dead one: so each has its
 * own. libuv allows one watch for a descriptor, and libcurl's is there: ours is for a duplicate. */
#include "t8/websocket_dial.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "t8/http_internal.h"
#include "t8/http_sockets.h"
#include "t8/http_tls.h"

struct websocket_dial {
    struct loop *loop;
    CURLM *multi;
    CURL *easy;
    struct http_sockets sockets;
    int fd;
    websocket_dial_fn fn;
    void *ctx;
    bool told, closed;
    char error[CURL_ERROR_SIZE];
    struct http_last last;
};

static void tell(struct websocket_dial *d, CURLcode code)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    d->told = true;
    if (code == CURLE_OK) {
        curl_easy_getinfo(d->easy, CURLINFO_ACTIVESOCKET, &fd);
        d->fd = fd == CURL_SOCKET_BAD ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        d->fn(d->ctx, d->fd < 0 ? ERR_SYSTEM : OK, d->fd < 0 ? "no descriptor" : "", "");
        return;
    }
    long verified = 0;
    curl_easy_getinfo(d->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
    enum http_tls_fault fault = http_tls_fault_of(code, verified, d->error);
    if (fault != HTTP_TLS_NONE)
        d->fn(d->ctx, ERR_UNREACHABLE, http_tls_word(fault), http_tls_hint(fault));
    else
        d->fn(d->ctx, ERR_UNREACHABLE, curl_easy_strerror(code), "");
}

static void on_progress(void *ctx)
{
    struct websocket_dial *d = ctx;
    int left;
    CURLMsg *m = d->closed || d->told ? NULL : curl_multi_info_read(d->multi, &left);
    if (m && m->msg == CURLMSG_DONE)
        tell(d, m->data.result);
}

static bool set_up(struct websocket_dial *d, const char *url, const struct tls_files *tls, uint32_t timeout_ms)
{
    CURL *e = d->easy;
    bool ok = http_sockets_set_up(&d->sockets, e) && http_tls_set_up(e, tls);
    ok &= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, d->error) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK; /* ALPN too */
    ok &= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK;
    return ok;
}

enum error websocket_dial_new(struct loop *l, const char *url, const struct tls_files *tls, uint32_t timeout_ms,
                              websocket_dial_fn fn, void *ctx, struct websocket_dial **out)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERR_SYSTEM;
    struct websocket_dial *d = calloc(1, sizeof *d);
    CURLM *multi = curl_multi_init();
    CURL *easy = curl_easy_init();
    if (!d || !multi || !easy) {
        curl_easy_cleanup(easy);
        curl_multi_cleanup(multi);
        curl_global_cleanup();
        free(d);
        return ERR_NO_MEMORY;
    }
    d->loop = l;
    d->multi = multi;
    d->easy = easy;
    d->fd = -1;
    d->fn = fn;
    d->ctx = ctx;
    if (!http_sockets_init(&d->sockets, &l->uv, multi, on_progress, d) || !set_up(d, url, tls, timeout_ms) ||
        curl_multi_add_handle(multi, easy) != CURLM_OK) {
        websocket_dial_free(d);
        return ERR_SYSTEM;
    }
    *out = d;
    return OK;
}

/* ---- using it */

static ptrdiff_t io_result(CURLcode code, size_t n)
{
    if (code == CURLE_AGAIN)
        return WEBSOCKET_IO_AGAIN;
    return code == CURLE_OK ? (ptrdiff_t)n : WEBSOCKET_IO_FAILED;
}

static ptrdiff_t io_recv(void *ctx, uint8_t *out, size_t size)
{
    struct websocket_dial *d = ctx;
    size_t n = 0;
    CURLcode code = curl_easy_recv(d->easy, out, size, &n);
    return io_result(code, n); /* 0 bytes: the end */
}

static ptrdiff_t io_send(void *ctx, struct bytes b)
{
    struct websocket_dial *d = ctx;
    size_t n = 0;
    CURLcode code = curl_easy_send(d->easy, b.data, b.len, &n);
    return io_result(code, n);
}

struct websocket_io websocket_dial_io(struct websocket_dial *d)
{
    return (struct websocket_io){.fd = d->fd, .recv = io_recv, .send = io_send, .ctx = d};
}

/* ---- the end */

static void on_closed(void *ctx)
{
    struct websocket_dial *d = ctx;
    http_sockets_free(&d->sockets);
    free(d);
    curl_global_cleanup();
}

void websocket_dial_free(struct websocket_dial *d)
{
    if (!d || d->closed)
        return;
    d->closed = true;
    if (d->fd >= 0)
        close(d->fd);
    curl_multi_remove_handle(d->multi, d->easy); /* closes the connection */
    curl_easy_cleanup(d->easy);
    curl_multi_cleanup(d->multi);
    http_sockets_close(&d->sockets);
    http_last_close(&d->loop->uv, &d->last, on_closed, d);
}
