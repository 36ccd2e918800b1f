/* The SCEF that reports uplink data as fast as it is answered, or at a given rate, and, with --udp, the LwM2M server
 * that what it reported arrives at: one clock for both ends.
 *
 *   bench_t8_load --port PORT --scef-port PORT --seconds S
 *                 [--path /t8/nidd/scef/0] [--connections 64] [--devices 10000] [--first N] [--warmup S]
 *                 [--rate R] [--udp PORT] [--watch PID] [--spin-us US]
 *
 * Message n is a NON notification of device n mod --devices, with a Message ID that this device has not used for 65,536
 * messages. A connection carries one request at a time. Prints one line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/bench/common.h"
#include "tests/bench/wire.h"

#define IN_BYTES       4096
#define BATCH          64
#define DATAGRAM_BYTES 512
#define REMEMBERED     (1u << 20)  /* times of sending, by sequence number */
#define FIRST_LEG      0x7f400001u /* 127.64.0.1: device 0 in the adapter's default prefix */
#define SETTLE_NS      (NS_PER_S / 5)
#define STALL_NS       (5 * NS_PER_S)

struct load;

struct connection {
    struct source source;
    struct load *load;
    struct connection *next_idle;
    struct uplink_post post;
    size_t in_len;
    char in[IN_BYTES];
};

struct load {
    int epoll;
    struct source udp;
    uint32_t devices, first;
    uint64_t sent, answered;
    uint64_t delivered, repeated, wrong;
    uint64_t delivered_ns; /* when the last one came */
    struct connection *idle;
    bool paced, ending;
    uint64_t *sent_ns; /* 0: it has arrived */
    bool sampling;
    struct samples samples;
};

static void post_next(struct connection *c)
{
    struct load *l = c->load;
    uint32_t seq = l->first + (uint32_t)l->sent++;
    uint32_t device = seq % l->devices;
    uint8_t message[NOTIFICATION_BYTES];
    coap_notification(message, device, seq, (uint16_t)(seq / l->devices));
    uplink_post_set(&c->post, device, message);
    l->sent_ns[seq % REMEMBERED] = now_ns();
    send_all(c->source.fd, c->post.text, c->post.len);
}

static void on_answer(struct source *source)
{
    struct connection *c = OWNER_OF(source, struct connection, source);
    struct load *l = c->load;
    ssize_t n = recv(source->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("the measured program closed a connection: %s", n < 0 ? strerror(errno) : "end of file");
    c->in_len += (size_t)n;
    struct http_view v;
    size_t len = http_view_read(c->in, c->in_len, &v);
    if (len == 0)
        return;
    if (len != c->in_len || v.status != 204)
        die("not 204 but %.*s", (int)c->in_len, c->in);
    c->in_len = 0;
    l->answered++;
    if (l->ending)
        return;
    if (l->paced) {
        c->next_idle = l->idle;
        l->idle = c;
    } else {
        post_next(c);
    }
}

static void take(struct load *l, const uint8_t *message, size_t len, uint32_t address, uint64_t now)
{
    struct coap_head head;
    if (len != NOTIFICATION_BYTES || !coap_head_read(message, len, &head) || head.type != TYPE_NON ||
        head.code != CODE_CONTENT || head.device != head.seq % l->devices || address != FIRST_LEG + head.device) {
        l->wrong++;
        return;
    }
    uint64_t *sent_ns = &l->sent_ns[head.seq % REMEMBERED];
    if (*sent_ns == 0) {
        l->repeated++;
        return;
    }
    l->delivered++;
    l->delivered_ns = now;
    if (l->sampling)
        samples_add(&l->samples, now - *sent_ns);
    *sent_ns = 0;
}

static void on_datagram(struct source *source)
{
    static uint8_t memory[BATCH][DATAGRAM_BYTES];
    struct load *l = OWNER_OF(source, struct load, udp);
    struct mmsghdr m[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_in from[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){memory[i], DATAGRAM_BYTES};
        m[i].msg_hdr =
            (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &iov[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(source->fd, m, BATCH, MSG_DONTWAIT, NULL);
    uint64_t now = now_ns();
    for (int i = 0; i < n; i++)
        take(l, memory[i], m[i].msg_len, ntohl(from[i].sin_addr.s_addr), now);
}

/* As fast as it goes, or `rate` a second. */
static void run(struct load *l, double seconds, double rate)
{
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), before = l->sent;
    for (uint64_t now; (now = now_ns()) < end;) {
        int64_t pause = -1;
        if (l->paced) {
            uint64_t due = (uint64_t)((double)(now - start) / 1e9 * rate);
            while (l->idle && l->sent - before < due) {
                struct connection *c = l->idle;
                l->idle = c->next_idle;
                post_next(c);
            }
            pause = (int64_t)((double)(l->sent - before + 1) / rate * 1e9) - (int64_t)(now_ns() - start);
            if (pause < 0)
                pause = l->idle ? 0 : (int64_t)NS_PER_S;
        }
        if (turn(l->epoll, pause < 0 ? (int64_t)STALL_NS : pause) == 0 && pause < 0)
            die("no answer for %llu s", STALL_NS / NS_PER_S);
    }
}

static void settle(struct load *l)
{
    uint64_t stalled = now_ns() + STALL_NS;
    l->ending = true;
    while (l->answered < l->sent) {
        turn(l->epoll, SETTLE_NS);
        if (now_ns() > stalled)
            die("%llu requests were not answered", (unsigned long long)(l->sent - l->answered));
    }
    uint64_t quiet = now_ns() + SETTLE_NS;
    while (l->udp.fd >= 0 && l->delivered < l->sent && now_ns() < quiet)
        if (turn(l->epoll, SETTLE_NS / 4))
            quiet = now_ns() + SETTLE_NS;
}

int main(int argc, char **argv)
{
    uint16_t port = (uint16_t)arg_number(argc, argv, "--port", 0);
    uint16_t scef_port = (uint16_t)arg_number(argc, argv, "--scef-port", 0);
    uint16_t udp_port = (uint16_t)arg_number(argc, argv, "--udp", 0);
    uint32_t connections = (uint32_t)arg_number(argc, argv, "--connections", 64);
    double seconds = arg_number(argc, argv, "--seconds", 1), warmup = arg_number(argc, argv, "--warmup", 0.3);
    double rate = arg_number(argc, argv, "--rate", 0);
    struct load l = {.epoll = epoll_create1(0),
                     .udp = {.fd = -1},
                     .devices = (uint32_t)arg_number(argc, argv, "--devices", 10000),
                     .first = (uint32_t)arg_number(argc, argv, "--first", 0),
                     .paced = rate > 0,
                     .sent_ns = must_alloc(REMEMBERED, sizeof(uint64_t))};
    turn_spin((uint64_t)arg_number(argc, argv, "--spin-us", 0) * 1000);
    samples_init(&l.samples, l.paced ? (size_t)(rate * seconds * 1.1) + 1 : 0);
    if (udp_port) {
        l.udp = (struct source){udp_bind(udp_port), on_datagram};
        source_add(l.epoll, &l.udp);
    }
    struct connection *all = must_alloc(connections, sizeof(*all));
    for (uint32_t i = 0; i < connections; i++) {
        all[i].load = &l;
        all[i].source = (struct source){tcp_connect(port), on_answer};
        uplink_post_init(&all[i].post, arg_text(argc, argv, "--path", "/t8/nidd/scef/0"), scef_port);
        source_add(l.epoll, &all[i].source);
        all[i].next_idle = l.idle;
        l.idle = &all[i];
        if (!l.paced)
            post_next(&all[i]);
    }

    struct span span;
    run(&l, warmup, rate);
    uint64_t answered = l.answered, delivered = l.delivered;
    l.sampling = true;
    span_begin(&span, (int)arg_number(argc, argv, "--watch", 0));
    run(&l, seconds, rate);
    answered = l.answered - answered;
    delivered = l.delivered - delivered;
    span_end(&span);
    l.sampling = false;
    settle(&l);
    printf("{\"count\": %llu, \"seconds\": %.6f, \"cpu\": %.6f, \"load_busy\": %.6f, \"foreign_cpu\": %.6f, \"body\": "
           "%zu, \"delivered\": %llu, "
           "\"total\": %llu, \"total_delivered\": %llu, \"repeated\": %llu, \"wrong\": %llu, \"p50_ms\": %.4f, "
           "\"p99_ms\": %.4f}\n",
           (unsigned long long)answered, span.seconds, span.watched_cpu, span.busy, span.foreign_cpu,
           all[0].post.body_len, (unsigned long long)delivered, (unsigned long long)l.answered,
           (unsigned long long)l.delivered, (unsigned long long)l.repeated, (unsigned long long)l.wrong,
           samples_ms(&l.samples, 0.5), samples_ms(&l.samples, 0.99));
    free(l.sent_ns);
    free(l.samples.ns);
    free(all);
    return 0;
}
