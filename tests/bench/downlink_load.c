/* Both far ends of a downlink: the LwM2M server, which sends a confirmable request to a device's address and takes the
 * adapter's empty ACK and, later, the device's answer as a separate response; and the SCEF with the device behind it,
 * which answers the POST with 200 and then reports the device's piggybacked answer as uplink data.
 *
 *   bench_downlink_load --scef-port PORT --udp PORT [--devices 10000] [--connections 64] [--spin-us US]
 *
 * Reads commands, one per line, and prints one line of JSON for each:
 *
 *   target CALLBACK_PORT LEG_PORT PID      the adapter; before the others
 *   run SECONDS WARMUP WINDOW              WINDOW devices have an exchange under way at any time
 *   wake DEVICES QUEUED HOW METHOD         each in turn: QUEUED requests wait for a sleeping device; it wakes up: HOW
 *                                          is `message` (it says something) or `report` (of the network that it can be
 *                                          reached); METHOD is `fetch` or `post`, which must not be done twice
 *   counters                               what the SCEF has seen
 *
 * A request that is not acknowledged is sent again after 2 s, 4 times, as RFC 7252 has it. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/common.h"
#include "tests/bench/scef.h"
#include "tests/bench/wire.h"

#define BATCH          64
#define DATAGRAM_BYTES 512
#define IN_BYTES       4096
#define FIRST_LEG      0x7f400001u /* 127.64.0.1: device 0 in the adapter's default prefix */
#define REQUESTS       65536       /* remembered, by Message ID */
#define REPEAT_NS      (2 * NS_PER_S)
#define REPEATS        4
#define STALL_NS       (15 * NS_PER_S)

struct request {
    uint64_t sent_ns, repeat_ns;
    uint32_t device, seq;
    uint8_t repeats;
    bool under_way, acknowledged, posted;
};

struct reporter { /* a connection to the adapter's callback */
    struct source source;
    struct ends *ends;
    struct reporter *next_idle;
    struct uplink_post post, reachable;
    bool busy;
    size_t in_len;
    char in[IN_BYTES];
};

struct report {
    uint32_t device;
    bool reachable; /* of the network, no message */
    uint8_t message[NOTIFICATION_BYTES];
};

struct counts {
    uint64_t completed, repeated, lost, duplicates, wrong;
};

struct ends {
    int epoll;
    struct source udp;
    struct scef *scef;
    uint16_t scef_port, leg_port, callback_port;
    int adapter; /* process */

    struct request *requests; /* REQUESTS of them */
    uint32_t next_seq, devices, next_device, under_way;
    uint8_t *busy; /* exchanges by device */
    struct counts counts;
    struct samples samples;
    bool sampling;

    struct reporter *reporters, *idle;
    uint32_t connections;
    struct report *reports; /* ring of REQUESTS */
    uint32_t reports_in, reports_out, reports_open;

    uint8_t method; /* of the requests */
    bool asleep;    /* the SCEF cannot reach devices */
    uint32_t refused_deliveries;
    uint64_t first_delivery_ns; /* of the device that woke up; 0 = not yet */

    struct mmsghdr out[BATCH];
    struct iovec out_iov[BATCH];
    struct sockaddr_in out_to[BATCH];
    uint8_t out_memory[BATCH][COAP_MAX_BYTES];
    unsigned out_count;

    struct source console;
    char line[200];
    bool ended;
};

static void wrong(struct ends *e, const char *what, uint32_t device)
{
    if (e->counts.wrong++ < 3)
        fprintf(stderr, "downlink_load: %s (device %u)\n", what, device);
}

/* ---- the server ---- */

static void datagrams_flush(struct ends *e)
{
    for (unsigned at = 0; at < e->out_count;) {
        int n = sendmmsg(e->udp.fd, e->out + at, e->out_count - at, 0);
        if (n < 0 && errno != EAGAIN)
            die("sendmmsg: %s", strerror(errno));
        at += n > 0 ? (unsigned)n : e->out_count; /* the rest is lost, as datagrams may be: it is sent again */
    }
    e->out_count = 0;
}

/* The memory for a datagram of `len` bytes to the device. */
static uint8_t *datagram(struct ends *e, uint32_t device, size_t len)
{
    if (e->out_count == BATCH)
        datagrams_flush(e);
    unsigned i = e->out_count++;
    e->out_to[i] = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(e->leg_port), .sin_addr = {.s_addr = htonl(FIRST_LEG + device)}};
    e->out_iov[i] = (struct iovec){e->out_memory[i], len};
    e->out[i].msg_hdr = (struct msghdr){
        .msg_name = &e->out_to[i], .msg_namelen = sizeof(e->out_to[i]), .msg_iov = &e->out_iov[i], .msg_iovlen = 1};
    return e->out_memory[i];
}

static void request_send(struct ends *e, struct request *r)
{
    uint8_t *message = datagram(e, r->device, REQUEST_BYTES);
    coap_request(message, r->device, r->seq, (uint16_t)r->seq);
    message[1] = e->method;
    r->repeat_ns = now_ns() + REPEAT_NS;
}

static void request_begin(struct ends *e, uint32_t device)
{
    uint32_t seq = e->next_seq++;
    struct request *r = &e->requests[seq % REQUESTS];
    if (r->under_way)
        die("a request is under way for 65,536 others");
    *r = (struct request){.sent_ns = now_ns(), .device = device, .seq = seq, .under_way = true};
    e->under_way++;
    e->busy[device]++;
    request_send(e, r);
}

static void request_end(struct ends *e, struct request *r)
{
    r->under_way = false;
    e->under_way--;
    e->busy[r->device]--;
}

static void requests_repeat(struct ends *e)
{
    uint64_t now = now_ns();
    for (uint32_t i = 0; i < REQUESTS; i++) {
        struct request *r = &e->requests[i];
        if (!r->under_way || r->acknowledged || r->repeat_ns > now)
            continue;
        if (r->repeats == REPEATS) {
            e->counts.lost++;
            request_end(e, r);
        } else {
            r->repeats++;
            e->counts.repeated++;
            request_send(e, r);
        }
    }
}

static void take(struct ends *e, const uint8_t *message, size_t len, uint32_t address, uint64_t now)
{
    struct coap_head head;
    uint32_t device = address - FIRST_LEG;
    if (device >= e->devices || !coap_head_read(message, len, &head)) {
        wrong(e, "a datagram that makes no sense", device);
        return;
    }
    if (len == 4) {
        struct request *r = &e->requests[head.message_id % REQUESTS];
        if (head.type != TYPE_ACK || r->device != device)
            wrong(e, "an empty message that acknowledges nothing", device);
        r->acknowledged = true;
        return;
    }
    if (head.type == TYPE_NON)
        return; /* the device woke up */
    struct request *r = &e->requests[head.seq % REQUESTS];
    if (head.type != TYPE_CON || head.device != device || r->seq != head.seq || r->device != device || !r->posted ||
        !coap_answer_is_intact(message, len)) {
        wrong(e, "an answer that does not match its request", device);
        return;
    }
    coap_header(datagram(e, device, 4), TYPE_ACK, 0, 0, head.message_id);
    if (!r->under_way) {
        e->counts.duplicates++;
        return;
    }
    e->counts.completed++;
    if (e->sampling)
        samples_add(&e->samples, now - r->sent_ns);
    request_end(e, r);
}

static void on_datagram(struct source *source)
{
    static uint8_t memory[BATCH][DATAGRAM_BYTES];
    struct ends *e = OWNER_OF(source, struct ends, udp);
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
        take(e, memory[i], m[i].msg_len, ntohl(from[i].sin_addr.s_addr), now);
}

/* ---- the SCEF and the devices ---- */

static void on_report_answer(struct source *source);

static void reporter_connect(struct reporter *c)
{
    c->source = (struct source){tcp_connect(c->ends->callback_port), on_report_answer};
    source_add(c->ends->epoll, &c->source);
}

static void report_next(struct ends *e)
{
    while (e->idle && e->reports_out != e->reports_in) {
        struct reporter *c = e->idle;
        const struct report *r = &e->reports[e->reports_out++ % REQUESTS];
        e->idle = c->next_idle;
        c->busy = true;
        if (c->source.fd < 0)
            reporter_connect(c);
        struct uplink_post *post = r->reachable ? &c->reachable : &c->post;
        if (r->reachable)
            report_post_set(post, r->device);
        else
            uplink_post_set(post, r->device, r->message);
        send_all(c->source.fd, post->text, post->len);
        e->reports_open++;
    }
}

static struct report *report_new(struct ends *e, uint32_t device)
{
    if (e->reports_in - e->reports_out == REQUESTS)
        die("the adapter takes no notifications");
    struct report *r = &e->reports[e->reports_in++ % REQUESTS];
    r->device = device;
    r->reachable = false;
    return r;
}

static uint8_t *report_add(struct ends *e, uint32_t device)
{
    return report_new(e, device)->message;
}

static void on_report_answer(struct source *source)
{
    struct reporter *c = OWNER_OF(source, struct reporter, source);
    struct ends *e = c->ends;
    struct http_view v;
    ssize_t n = recv(source->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 && c->busy)
        die("the adapter closed a callback connection before it answered");
    if (n <= 0) { /* idle for too long */
        close(source->fd);
        source->fd = -1;
        return;
    }
    c->in_len += (size_t)n;
    if (http_view_read(c->in, c->in_len, &v) == 0)
        return;
    if (v.status != 204)
        die("not 204 but %.*s", (int)c->in_len, c->in);
    c->in_len = 0;
    c->busy = false;
    c->next_idle = e->idle;
    e->idle = c;
    e->reports_open--;
}

static bool on_delivery(void *ctx, uint32_t device, const uint8_t *message, size_t len)
{
    struct ends *e = ctx;
    struct coap_head head;
    if (e->asleep) {
        e->refused_deliveries++;
        return false;
    }
    if (!e->first_delivery_ns)
        e->first_delivery_ns = now_ns();
    if (!coap_head_read(message, len, &head) || head.type != TYPE_CON || head.device != device ||
        !coap_request_is_intact(message, len)) {
        wrong(e, "the device got a request that no server sent", device);
        return true;
    }
    struct request *r = &e->requests[head.seq % REQUESTS];
    if (r->seq != head.seq || r->device != device)
        wrong(e, "a request reached another device than the one it was for", device);
    if (r->posted)
        e->counts.duplicates++;
    r->posted = true;
    coap_answer(report_add(e, device), &head);
    return true;
}

/* ---- commands ---- */

static void work(struct ends *e, uint64_t *repeat_at)
{
    turn(e->epoll, (int64_t)NS_PER_S / 10);
    report_next(e);
    if (now_ns() > *repeat_at) {
        requests_repeat(e);
        *repeat_at = now_ns() + NS_PER_S / 4;
    }
}

static void fill(struct ends *e, uint32_t window)
{
    while (e->under_way < window) {
        while (e->busy[e->next_device])
            e->next_device = (e->next_device + 1) % e->devices;
        request_begin(e, e->next_device);
        e->next_device = (e->next_device + 1) % e->devices;
    }
    datagrams_flush(e);
}

static void drain(struct ends *e)
{
    uint64_t repeat_at = 0, stalled = now_ns() + STALL_NS;
    while (e->under_way || e->reports_open || e->reports_in != e->reports_out) {
        work(e, &repeat_at);
        datagrams_flush(e);
        if (now_ns() > stalled)
            die("%u exchanges never ended", e->under_way);
    }
}

static void run_until(struct ends *e, uint64_t end_ns, uint32_t window)
{
    uint64_t repeat_at = 0;
    while (now_ns() < end_ns) {
        fill(e, window);
        work(e, &repeat_at);
        datagrams_flush(e);
    }
}

static void run(struct ends *e, double seconds, double warmup, uint32_t window)
{
    struct span span;
    if (window == 0 || window > e->devices / 2 || window > REQUESTS / 2)
        die("a window of %u does not suit %u devices", window, e->devices);
    e->counts = (struct counts){0};
    e->samples.count = 0;
    uint64_t deliveries = scef_counters_get(e->scef)->deliveries;
    run_until(e, now_ns() + (uint64_t)(warmup * 1e9), window);
    uint64_t before = e->counts.completed;
    e->sampling = true;
    span_begin(&span, e->adapter);
    run_until(e, now_ns() + (uint64_t)(seconds * 1e9), window);
    uint64_t measured = e->counts.completed - before;
    span_end(&span);
    e->sampling = false;
    drain(e);
    printf("{\"count\": %llu, \"seconds\": %.6f, \"cpu\": %.6f, \"load_busy\": %.6f, \"foreign_cpu\": %.6f, \"total\": "
           "%llu, \"deliveries\": "
           "%llu, "
           "\"repeated\": %llu, \"lost\": %llu, \"duplicates\": %llu, \"wrong\": %llu, \"p50_ms\": %.3f, "
           "\"p99_ms\": %.3f}\n",
           (unsigned long long)measured, span.seconds, span.watched_cpu, span.busy, span.foreign_cpu,
           (unsigned long long)e->counts.completed,
           (unsigned long long)(scef_counters_get(e->scef)->deliveries - deliveries),
           (unsigned long long)e->counts.repeated, (unsigned long long)e->counts.lost,
           (unsigned long long)e->counts.duplicates, (unsigned long long)e->counts.wrong, samples_ms(&e->samples, 0.5),
           samples_ms(&e->samples, 0.99));
}

/* Until all requests are acknowledged and the SCEF has refused one. */
static void fall_asleep(struct ends *e, uint32_t device, uint32_t queued)
{
    uint64_t repeat_at = 0, stalled = now_ns() + STALL_NS;
    uint32_t first = e->next_seq, acknowledged = 0;
    e->asleep = true;
    e->refused_deliveries = 0;
    for (uint32_t i = 0; i < queued; i++)
        request_begin(e, device);
    datagrams_flush(e);
    while (acknowledged < queued || e->refused_deliveries == 0) {
        work(e, &repeat_at);
        datagrams_flush(e);
        acknowledged = 0;
        for (uint32_t i = 0; i < queued; i++)
            acknowledged += e->requests[(first + i) % REQUESTS].acknowledged;
        if (now_ns() > stalled)
            die("device %u: %u of %u requests were taken", device, acknowledged, queued);
    }
}

static void wake(struct ends *e, uint32_t devices, uint32_t queued, bool by_report)
{
    struct samples samples;
    samples_init(&samples, devices);
    e->counts = (struct counts){0};
    for (uint32_t i = 0; i < devices; i++) {
        uint32_t device = e->next_device;
        e->next_device = (e->next_device + 1) % e->devices;
        fall_asleep(e, device, queued);
        e->asleep = false;
        e->first_delivery_ns = 0;
        if (by_report)
            report_new(e, device)->reachable = true;
        else
            coap_notification(report_add(e, device), device, e->next_seq, (uint16_t)e->next_seq);
        uint64_t woken_ns = now_ns();
        report_next(e);
        drain(e);
        if (e->first_delivery_ns)
            samples_add(&samples, e->first_delivery_ns - woken_ns);
    }
    printf("{\"devices\": %u, \"queued\": %u, \"total\": %llu, \"wrong\": %llu, \"lost\": %llu, \"p50_ms\": %.3f, "
           "\"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
           devices, queued, (unsigned long long)e->counts.completed, (unsigned long long)e->counts.wrong,
           (unsigned long long)e->counts.lost, samples_ms(&samples, 0.5), samples_ms(&samples, 0.99),
           samples_ms(&samples, 1.0));
    free(samples.ns);
}

static void target(struct ends *e, uint16_t callback_port, uint16_t leg_port, int adapter)
{
    e->callback_port = callback_port;
    e->leg_port = leg_port;
    e->adapter = adapter;
    e->reporters = must_alloc(e->connections, sizeof(*e->reporters));
    for (uint32_t i = 0; i < e->connections; i++) {
        struct reporter *c = &e->reporters[i];
        c->ends = e;
        c->next_idle = e->idle;
        e->idle = c;
        uplink_post_init(&c->post, "/t8/nidd/scef/0", e->scef_port);
        report_post_init(&c->reachable, "/t8/monitoring/scef/0");
        reporter_connect(c);
    }
    printf("{}\n");
}

static void counters(const struct ends *e)
{
    const struct scef_counters *c = scef_counters_get(e->scef);
    printf("{\"configurations\": %llu, \"deliveries\": %llu, \"wrong\": %llu, \"body\": %llu}\n",
           (unsigned long long)c->configurations, (unsigned long long)c->deliveries, (unsigned long long)c->wrong,
           (unsigned long long)(c->deliveries ? c->delivery_body_bytes / c->deliveries : 0));
}

static void command(struct ends *e)
{
    char how[8], method[8];
    double seconds, warmup;
    unsigned a, b;
    int pid;
    /* NOLINTBEGIN(cert-err34-c): bench.py wrote it */
    if (sscanf(e->line, "target %u %u %d", &a, &b, &pid) == 3)
        target(e, (uint16_t)a, (uint16_t)b, pid);
    else if (sscanf(e->line, "run %lf %lf %u", &seconds, &warmup, &a) == 3)
        run(e, seconds, warmup, a);
    else if (sscanf(e->line, "wake %u %u %7s %7s", &a, &b, how, method) == 4) {
        e->method = strcmp(method, "post") == 0 ? CODE_POST : CODE_FETCH;
        wake(e, a, b, strcmp(how, "report") == 0);
        e->method = CODE_FETCH;
    } else if (strcmp(e->line, "counters\n") == 0)
        counters(e);
    else
        die("what is '%s'?", e->line);
    /* NOLINTEND(cert-err34-c) */
    e->line[0] = '\0';
    fflush(stdout);
}

/* Carried out by main, since a command has turns of its own. */
static void on_command(struct source *source)
{
    struct ends *e = OWNER_OF(source, struct ends, console);
    if (!fgets(e->line, sizeof(e->line), stdin))
        e->ended = true;
}

int main(int argc, char **argv)
{
    struct ends *e = must_alloc(1, sizeof(*e));
    e->scef_port = (uint16_t)arg_number(argc, argv, "--scef-port", 0);
    e->connections = (uint32_t)arg_number(argc, argv, "--connections", 64);
    e->devices = (uint32_t)arg_number(argc, argv, "--devices", 10000);
    e->method = CODE_FETCH;
    e->epoll = epoll_create1(0);
    turn_spin((uint64_t)arg_number(argc, argv, "--spin-us", 0) * 1000);
    e->udp = (struct source){udp_bind((uint16_t)arg_number(argc, argv, "--udp", 0)), on_datagram};
    e->console = (struct source){STDIN_FILENO, on_command};
    e->busy = must_alloc(e->devices, 1);
    e->requests = must_alloc(REQUESTS, sizeof(*e->requests));
    e->reports = must_alloc(REQUESTS, sizeof(*e->reports));
    samples_init(&e->samples, 1u << 20);
    e->scef = scef_new(e->epoll, e->scef_port, (struct scef_hooks){e, on_delivery});
    source_add(e->epoll, &e->udp);
    source_add(e->epoll, &e->console);
    setvbuf(stdin, NULL, _IONBF, 0);
    while (!e->ended) {
        turn(e->epoll, -1);
        if (e->line[0])
            command(e);
    }
    return 0;
}
