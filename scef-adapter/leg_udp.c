#include "scef-adapter/leg_udp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fault.h"
#include "scef-adapter/later_free.h"
#include "scef-adapter/leg_address.h"

#define BATCH               64
#define DATAGRAM_MAX_BYTES  65536
#define OUT_BYTES           (256u << 10) /* of the datagrams that wait for the flush */
#define BATCHES_PER_TURN    16           /* then the loop sees to the others */
#define ICMP_PER_TURN       256
#define SOCKET_BUFFER_BYTES (16 << 20) /* a burst of all devices must fit while the loop is elsewhere */

/* What recvmmsg fills and sendmmsg takes: one each. */
struct slot {
    struct iovec iov;
    union leg_address peer;
    _Alignas(struct cmsghdr) uint8_t control[LEG_ADDRESS_CONTROL_BYTES];
};

struct leg_udp {
    struct leg_udp_sink sink;
    struct leg_udp_counters counters;
    enum config_leg_mode mode;
    struct config_prefix prefix;
    bool ipv6;
    int epoll; /* holds all sockets, so that the loop watches one descriptor */
    struct loop *loop;
    struct loop_watch watch;
    bool watching;
    struct later_free later;

    int socket;              /* mode prefix */
    union leg_address local; /* mode ports: without a port */
    uint16_t port_first, port_last;
    int *sockets; /* by leg; 0 = not open */

    union leg_address *servers;
    uint32_t server_count;

    struct mmsghdr in[BATCH], out[BATCH];
    struct slot in_slots[BATCH], out_slots[BATCH];
    uint8_t *in_memory;
    unsigned out_count;
    size_t out_bytes;
    uint8_t out_memory[OUT_BYTES];
};

/* ---- sockets ---- */

static void option_set(int fd, int level, int name, int v)
{
    (void)setsockopt(fd, level, name, &v, sizeof(v)); /* what is missing shows in the counters */
}

static enum error socket_open(struct leg_udp *u, const union leg_address *local, uint32_t leg, int *out)
{
    int fd = socket(u->ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_SYSTEM;
    int level = u->ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    if (u->ipv6)
        option_set(fd, level, IPV6_V6ONLY, 1);
    option_set(fd, level, u->ipv6 ? IPV6_RECVERR : IP_RECVERR, 1);
    if (u->mode == CONFIG_LEG_PREFIX) {
        option_set(fd, level, u->ipv6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
        option_set(fd, level, u->ipv6 ? IPV6_FREEBIND : IP_FREEBIND, 1);
        option_set(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
        option_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER_BYTES); /* beyond the system's limit, where allowed */
        option_set(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
        option_set(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER_BYTES);
    }
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = leg};
    if (bind(fd, &local->any, leg_address_len(local)) != 0 || epoll_ctl(u->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return ERR_SYSTEM;
    }
    *out = fd;
    return OK;
}

enum error leg_udp_open(struct leg_udp *u, uint32_t leg)
{
    uint8_t address[16];
    errno = ERANGE;
    if (u->mode == CONFIG_LEG_PREFIX)
        return leg_address_of(&u->prefix, leg, address) ? OK : ERR_SYSTEM;
    if (leg > (uint32_t)(u->port_last - u->port_first))
        return ERR_SYSTEM;
    if (u->sockets[leg])
        return OK;
    union leg_address local = u->local;
    in_port_t port = htons((uint16_t)(u->port_first + leg));
    if (u->ipv6)
        local.v6.sin6_port = port;
    else
        local.v4.sin_port = port;
    return socket_open(u, &local, leg, &u->sockets[leg]);
}

/* ---- errors that the network reports ---- */

static bool errors_read(struct leg_udp *u, int fd)
{
    unsigned n = 0;
    for (; n < ICMP_PER_TURN; n++) {
        uint8_t control[512], byte;
        struct iovec iov = {&byte, 1};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            break;
        u->counters.icmp_errors++;
    }
    return n > 0;
}

/* ---- receiving ---- */

static bool server_of(const struct leg_udp *u, const union leg_address *peer, uint32_t *server)
{
    for (uint32_t i = 0; i < u->server_count; i++) {
        if (leg_address_equal(&u->servers[i], peer)) {
            *server = i;
            return true;
        }
    }
    return false;
}

static void datagram_take(struct leg_udp *u, struct mmsghdr *m, uint32_t leg)
{
    uint32_t server;
    uint8_t destination[16];
    struct bytes message = bytes_of(m->msg_hdr.msg_iov->iov_base, m->msg_len);
    if (m->msg_hdr.msg_flags & MSG_TRUNC) {
        u->counters.truncated++;
    } else if (!server_of(u, m->msg_hdr.msg_name, &server)) {
        u->counters.unknown_peer++;
    } else if (u->mode == CONFIG_LEG_PREFIX && (!leg_address_control_get(u->ipv6, &m->msg_hdr, destination) ||
                                                !leg_address_to_leg(&u->prefix, destination, &leg))) {
        u->counters.unknown_leg++;
    } else {
        u->counters.datagrams_in++;
        u->sink.datagram(u->sink.ctx, leg, server, message);
    }
}

/* One batch; false when there is nothing more now. */
static bool batch_read(struct leg_udp *u, int fd, uint32_t leg)
{
    for (unsigned i = 0; i < BATCH; i++) { /* the kernel shortened these */
        u->in[i].msg_hdr.msg_namelen = sizeof(union leg_address);
        u->in[i].msg_hdr.msg_controllen = LEG_ADDRESS_CONTROL_BYTES;
    }
    int n = recvmmsg(fd, u->in, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0)
        return errno != EAGAIN && errno != EINTR && errors_read(u, fd); /* a report came as the call's own error */
    for (int i = 0; i < n; i++)
        datagram_take(u, &u->in[i], leg);
    return n == BATCH;
}

static void on_ready(void *ctx)
{
    struct leg_udp *u = ctx;
    struct epoll_event ready[BATCH];
    int n = epoll_wait(u->epoll, ready, BATCH, 0);
    for (int i = 0; i < n; i++) {
        uint32_t leg = ready[i].data.u32;
        int fd = u->mode == CONFIG_LEG_PREFIX ? u->socket : u->sockets[leg];
        if (ready[i].events & EPOLLERR)
            errors_read(u, fd);
        for (unsigned batches = u->mode == CONFIG_LEG_PREFIX ? BATCHES_PER_TURN : 1; batches; batches--)
            if (!batch_read(u, fd, leg))
                break;
    }
}

/* ---- sending ---- */

/* Socket and, in mode prefix, the control message. */
static enum error route(struct leg_udp *u, uint32_t leg, struct slot *slot, size_t *control_len, int *fd)
{
    uint8_t source[16];
    if (u->mode == CONFIG_LEG_PORTS) {
        enum error err = leg_udp_open(u, leg);
        *control_len = 0;
        *fd = err ? -1 : u->sockets[leg];
        return err;
    }
    if (!leg_address_of(&u->prefix, leg, source))
        return ERR_SYSTEM;
    *control_len = leg_address_control_put(u->ipv6, source, slot->control);
    *fd = u->socket;
    return OK;
}

/* A pending report about an earlier datagram ends a call that has nothing to do with it: then once more. */
static bool worth_again(struct leg_udp *u, int fd)
{
    int error = errno;
    return error == EINTR || (error != EAGAIN && error != EINVAL && error != EMSGSIZE && errors_read(u, fd));
}

static enum error send_now(struct leg_udp *u, int fd, const struct msghdr *m)
{
    ssize_t n = sendmsg(fd, m, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && worth_again(u, fd))
        n = sendmsg(fd, m, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
        u->counters.send_failed++;
        return errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH ? ERR_UNREACHABLE : ERR_SYSTEM;
    }
    u->counters.datagrams_out++;
    return OK;
}

void leg_udp_flush(struct leg_udp *u)
{
    bool again = false;
    if (u->out_count)
        FAULT("server.before_send");
    for (unsigned at = 0; at < u->out_count;) {
        int n = sendmmsg(u->socket, u->out + at, u->out_count - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            u->counters.datagrams_out += (unsigned)n;
            at += (unsigned)n;
            again = false;
        } else if (!again && worth_again(u, u->socket)) {
            again = true;
        } else {
            u->counters.send_failed++;
            at++;
            again = false;
        }
    }
    if (u->out_count)
        FAULT("server.sent");
    u->out_count = 0;
    u->out_bytes = 0;
}

enum error leg_udp_send(struct leg_udp *u, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                        struct bytes rest, bool now)
{
    size_t len = COAP_HEADER_BYTES + rest.len;
    if (server >= u->server_count || len > DATAGRAM_MAX_BYTES)
        return ERR_SYSTEM;
    /* One socket each: there is nothing to gain from waiting. */
    now = now || u->mode == CONFIG_LEG_PORTS;
    if (u->out_count == BATCH || u->out_bytes + len > OUT_BYTES || now)
        leg_udp_flush(u);

    struct slot *slot = &u->out_slots[u->out_count];
    struct mmsghdr *m = &u->out[u->out_count];
    size_t control_len;
    int fd;
    enum error err = route(u, leg, slot, &control_len, &fd);
    if (err) {
        u->counters.send_failed++;
        return err;
    }
    *m = (struct mmsghdr){.msg_hdr = {.msg_name = &u->servers[server],
                                      .msg_namelen = leg_address_len(&u->servers[server]),
                                      .msg_control = control_len ? slot->control : NULL,
                                      .msg_controllen = control_len}};
    if (now) {
        struct iovec parts[2] = {{(void *)(uintptr_t)header, COAP_HEADER_BYTES},
                                 {(void *)(uintptr_t)rest.data, rest.len}};
        m->msg_hdr.msg_iov = parts;
        m->msg_hdr.msg_iovlen = rest.len ? 2 : 1;
        return send_now(u, fd, &m->msg_hdr);
    }
    uint8_t *copy = u->out_memory + u->out_bytes;
    memcpy(copy, header, COAP_HEADER_BYTES);
    if (rest.len)
        memcpy(copy + COAP_HEADER_BYTES, rest.data, rest.len);
    slot->iov = (struct iovec){copy, len};
    m->msg_hdr.msg_iov = &slot->iov;
    m->msg_hdr.msg_iovlen = 1;
    u->out_bytes += len;
    u->out_count++;
    return OK;
}

/* ---- life ---- */

static enum error servers_resolve(struct leg_udp *u, const struct leg_udp_options *o, char why[200])
{
    u->servers = calloc(o->server_count ? o->server_count : 1, sizeof(*u->servers));
    if (!u->servers)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < o->server_count; i++) {
        if (o->servers[i].host[0] &&
            !leg_address_resolve(&o->servers[i], u->ipv6 ? AF_INET6 : AF_INET, &u->servers[i])) {
            snprintf(why, 200, "server '%.100s' has no %s address, and the legs use %s", o->servers[i].host,
                     u->ipv6 ? "IPv6" : "IPv4", u->ipv6 ? "IPv6" : "IPv4");
            return ERR_UNREACHABLE;
        }
    }
    u->server_count = o->server_count;
    return OK;
}

static enum error prefix_open(struct leg_udp *u, const struct leg_udp_options *o, char why[200])
{
    union leg_address local = {.v4 = {.sin_family = AF_INET, .sin_port = htons(o->port)}};
    if (u->ipv6)
        local = (union leg_address){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(o->port)}};
    enum error err = socket_open(u, &local, 0, &u->socket);
    if (err)
        snprintf(why, 200, "port %u cannot be used: %s", o->port, strerror(errno));
    return err;
}

static enum error ports_prepare(struct leg_udp *u, const struct leg_udp_options *o)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* where that is too few, leg_udp_open says so */
    }
    u->port_first = o->port_first;
    u->port_last = o->port_last;
    u->sockets = calloc((size_t)(o->port_last - o->port_first) + 1, sizeof(*u->sockets));
    return u->sockets ? OK : ERR_NO_MEMORY;
}

enum error leg_udp_new(struct loop *l, const struct leg_udp_options *o, struct leg_udp_sink sink, struct leg_udp **out,
                       char why[200])
{
    *out = NULL;
    snprintf(why, 200, "%s", error_text(ERR_NO_MEMORY));
    struct leg_udp *u = calloc(1, sizeof(*u));
    if (!u)
        return ERR_NO_MEMORY;
    u->loop = l;
    u->sink = sink;
    u->mode = o->mode;
    u->prefix = o->prefix;
    u->socket = -1;
    u->epoll = epoll_create1(EPOLL_CLOEXEC);
    u->ipv6 = o->mode == CONFIG_LEG_PREFIX ? o->prefix.ipv6 : strchr(o->address, ':') != NULL;
    u->in_memory = malloc((size_t)BATCH * DATAGRAM_MAX_BYTES);
    enum error err = !u->in_memory ? ERR_NO_MEMORY : u->epoll < 0 ? ERR_SYSTEM : servers_resolve(u, o, why);
    if (err)
        goto fail;
    for (unsigned i = 0; i < BATCH; i++) {
        struct slot *s = &u->in_slots[i];
        s->iov = (struct iovec){u->in_memory + (size_t)i * DATAGRAM_MAX_BYTES, DATAGRAM_MAX_BYTES};
        u->in[i].msg_hdr =
            (struct msghdr){.msg_name = &s->peer, .msg_iov = &s->iov, .msg_iovlen = 1, .msg_control = s->control};
    }
    if (u->mode == CONFIG_LEG_PREFIX) {
        err = prefix_open(u, o, why);
    } else {
        struct config_endpoint local = {.port = 0};
        snprintf(local.host, sizeof(local.host), "%s", o->address);
        err = leg_address_resolve(&local, u->ipv6 ? AF_INET6 : AF_INET, &u->local) ? ports_prepare(u, o) : ERR_SYSTEM;
    }
    if (!err) {
        err = loop_watch_start(l, &u->watch, u->epoll, on_ready, u);
        u->watching = !err;
    }
    if (!err) {
        *out = u;
        return OK;
    }
fail:
    leg_udp_free(u);
    return err;
}

void leg_udp_free(struct leg_udp *u)
{
    if (!u)
        return;
    if (u->watching)
        loop_watch_stop(&u->watch);
    for (uint32_t i = 0; u->sockets && i <= (uint32_t)(u->port_last - u->port_first); i++)
        if (u->sockets[i])
            close(u->sockets[i]);
    if (u->socket >= 0)
        close(u->socket);
    if (u->epoll >= 0)
        close(u->epoll);
    free(u->sockets);
    free(u->servers);
    free(u->in_memory);
    later_free(u->loop, &u->later, u);
}

const struct leg_udp_counters *leg_udp_counters_get(const struct leg_udp *u)
{
    return &u->counters;
}
