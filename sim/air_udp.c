#include "sim/air_udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 65536
#define BURST_MAX    64 /* datagrams of one UE before the others have their turn */

struct air_udp {
    int fd;
    uv_poll_t poll;
    air_udp_fn fn;
    void *ctx;
    struct sockaddr_storage peer; /* where the client was heard last */
    socklen_t peer_len;           /* 0: never */
};

static socklen_t address_make(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return sizeof *v6;
    }
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    static uint8_t datagram[DATAGRAM_MAX];
    struct air_udp *a = poll->data;
    (void)events;
    if (status < 0) /* libuv stops polling after an error; reading fetches and clears it */
        uv_poll_start(poll, UV_READABLE, on_readable);
    for (unsigned i = 0; i < BURST_MAX; i++) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(a->fd, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &from_len);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) /* a client that is gone (ICMP), or nothing of ours: the next datagram may be good */
            continue;
        a->peer = from;
        a->peer_len = from_len;
        if (n > 0)
            a->fn(a->ctx, bytes_of(datagram, (size_t)n));
    }
}

static int socket_open(const char *host, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t len = address_make(host, port, &address);
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (len == 0 || bind(fd, (struct sockaddr *)&address, len) != 0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

enum error air_udp_new(struct loop *l, const char *host, uint16_t port, air_udp_fn fn, void *ctx, struct air_udp **out)
{
    struct air_udp *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ERR_NO_MEMORY;
    a->fn = fn;
    a->ctx = ctx;
    a->fd = socket_open(host, port);
    if (a->fd < 0 || uv_poll_init(&l->uv, &a->poll, a->fd) != 0) {
        int err = errno;
        if (a->fd >= 0)
            close(a->fd);
        free(a);
        errno = err;
        return ERR_SYSTEM;
    }
    a->poll.data = a;
    uv_poll_start(&a->poll, UV_READABLE, on_readable);
    *out = a;
    return OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct air_udp *a = handle->data;
    close(a->fd);
    free(a);
}

void air_udp_free(struct air_udp *a)
{
    if (a != NULL)
        uv_close((uv_handle_t *)&a->poll, on_closed);
}

bool air_udp_send(struct air_udp *a, struct bytes message)
{
    if (a->peer_len == 0)
        return false;
    for (unsigned i = 0; i < 2; i++) { /* the first try may only fetch the error of an earlier datagram */
        ssize_t n = sendto(a->fd, message.data, message.len, 0, (struct sockaddr *)&a->peer, a->peer_len);
        if (n >= 0)
            return true;
    }
    return false;
}
