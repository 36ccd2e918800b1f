#include "t8/http_sockets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"

/* A socket of libcurl's. Of most of them we hear when they are opened and closed, and watch them that long. Others,
 * which its name resolver makes for itself, may be closed as soon as libcurl no longer watches them. */
struct http_watch {
    uv_poll_t poll;
    struct http_sockets *sockets;
    curl_socket_t fd;
    bool transient;
    int wanted; /* UV_READABLE | UV_WRITABLE: by libcurl */
    int polled; /* by us */
};

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct http_watch *watch_find(struct http_sockets *s, curl_socket_t fd)
{
    size_t block = (size_t)fd / HTTP_SOCKETS_BLOCK;
    return block < s->block_count && s->blocks[block] ? s->blocks[block][fd % HTTP_SOCKETS_BLOCK] : NULL;
}

/* Where the watch of fd goes; NULL when memory is short. Who has one connection among thousands of other descriptors
 * pays for one block only. */
static struct http_watch **watch_slot(struct http_sockets *s, curl_socket_t fd)
{
    size_t block = (size_t)fd / HTTP_SOCKETS_BLOCK;
    if (block >= s->block_count) {
        size_t count = block + 1;
        struct http_watch ***grown = realloc(s->blocks, count * sizeof *grown);
        if (!grown)
            return NULL;
        memset(grown + s->block_count, 0, (count - s->block_count) * sizeof *grown);
        s->blocks = grown;
        s->block_count = count;
    }
    if (!s->blocks[block])
        s->blocks[block] = calloc(HTTP_SOCKETS_BLOCK, sizeof *s->blocks[block]);
    return s->blocks[block] ? &s->blocks[block][fd % HTTP_SOCKETS_BLOCK] : NULL;
}

static void watch_close(struct http_sockets *s, curl_socket_t fd)
{
    struct http_watch *w = watch_find(s, fd);
    if (!w)
        return;
    *watch_slot(s, fd) = NULL;
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static struct http_watch *watch_open(struct http_sockets *s, curl_socket_t fd)
{
    struct http_watch **slot = watch_slot(s, fd);
    if (!slot)
        return NULL;
    struct http_watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    if (uv_poll_init(s->loop, &w->poll, fd) != 0) {
        free(w);
        return NULL;
    }
    w->poll.data = w;
    w->sockets = s;
    w->fd = fd;
    *slot = w;
    return w;
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* Brings what is polled in line with what is wanted. libcurl stops watching a connection after each answer and starts
 * again with the next request; following that to the letter costs several system calls a request. So reading goes on
 * being polled until something arrives that nobody waits for. */
static void watch_update(struct http_watch *w)
{
    bool missing = (w->wanted & ~w->polled) != 0;
    bool would_spin = (w->polled & ~w->wanted & UV_WRITABLE) != 0;
    if (!missing && !would_spin)
        return;
    if (w->wanted)
        uv_poll_start(&w->poll, w->wanted, on_poll);
    else
        uv_poll_stop(&w->poll);
    w->polled = w->wanted;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct http_watch *w = poll->data;
    struct http_sockets *s = w->sockets;
    curl_socket_t fd = w->fd;
    int flags = 0;
    if (status < 0) { /* libuv has stopped polling */
        w->polled = 0;
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT | CURL_CSELECT_ERR;
    } else if ((events & w->wanted) == 0) { /* an idle connection: the server closes it, libcurl will notice */
        uv_poll_stop(poll);
        w->polled = 0;
        return;
    }
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    int running;
    FAULT("scef.before_io");
    (void)curl_multi_socket_action(s->multi, fd, flags, &running);
    FAULT("scef.after_io");
    w = watch_find(s, fd); /* it may be closed by now */
    if (w)
        watch_update(w);
    s->fn(s->ctx);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
    (void)easy;
    (void)unused;
    struct http_sockets *s = ctx;
    struct http_watch *w = watch_find(s, fd);
    if (what == CURL_POLL_REMOVE && w && w->transient) {
        watch_close(s, fd);
        return 0;
    }
    if (!w) {
        if (what == CURL_POLL_REMOVE)
            return 0;
        w = watch_open(s, fd);
        if (!w)
            return 0; /* its transfer will time out; an error here would end all transfers */
        w->transient = true;
    }
    w->wanted = what == CURL_POLL_IN      ? UV_READABLE
                : what == CURL_POLL_OUT   ? UV_WRITABLE
                : what == CURL_POLL_INOUT ? UV_READABLE | UV_WRITABLE
                                          : 0;
    watch_update(w);
    return 0;
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)purpose;
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    watch_close(ctx, fd); /* never there, unless libcurl closed an fd without telling */
    if (!watch_open(ctx, fd)) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

static int on_close_socket(void *ctx, curl_socket_t fd)
{
    watch_close(ctx, fd);
    return close(fd);
}

static void on_timer(uv_timer_t *timer)
{
    struct http_sockets *s = timer->data;
    int running;
    FAULT("scef.before_begin");
    (void)curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    FAULT("scef.after_begin");
    s->fn(s->ctx);
}

/* "At once" means the end of this turn of the loop: libcurl must not be called from within its own callback. */
static int on_timeout_wish(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    struct http_sockets *s = ctx;
    if (timeout_ms < 0)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

bool http_sockets_init(struct http_sockets *s, uv_loop_t *loop, CURLM *multi, void (*fn)(void *), void *ctx)
{
    *s = (struct http_sockets){.loop = loop, .multi = multi, .fn = fn, .ctx = ctx};
    uv_timer_init(loop, &s->timer); /* cannot fail */
    s->timer.data = s;
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, s) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout_wish) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, s) == CURLM_OK;
}

bool http_sockets_set_up(struct http_sockets *s, CURL *easy)
{
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s) == CURLE_OK;
}

void http_sockets_close(struct http_sockets *s)
{
    for (size_t b = 0; b < s->block_count; b++)
        for (size_t i = 0; s->blocks[b] && i < HTTP_SOCKETS_BLOCK; i++)
            watch_close(s, (curl_socket_t)(b * HTTP_SOCKETS_BLOCK + i));
    uv_close((uv_handle_t *)&s->timer, NULL);
}

void http_sockets_free(struct http_sockets *s)
{
    for (size_t b = 0; b < s->block_count; b++)
        free(s->blocks[b]);
    free(s->blocks);
}
