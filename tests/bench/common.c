#include "tests/bench/common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN     128
#define SOCKET_BUFFER_BYTES (64 << 20)
#define CONNECT_TRIES       100
#define CONNECT_PAUSE_US    20000

void die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}

void *must_alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        die("no memory for %zu times %zu bytes", n, size);
    return p;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        die("clock_gettime: %s", strerror(errno));
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t cpu_ns_of(int pid)
{
    clockid_t clock;
    int err = clock_getcpuclockid(pid, &clock);
    if (err)
        die("process %d: %s", pid, strerror(err));
    return clock_ns(clock);
}

/* The core a process is pinned to; -1 when it is not pinned. */
static int core_of(int pid)
{
    cpu_set_t cores;
    if (sched_getaffinity(pid, sizeof(cores), &cores) != 0 || CPU_COUNT(&cores) != 1)
        return -1;
    for (unsigned i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &cores))
            return (int)i;
    return -1;
}

/* What two cores have worked since the start of the system; they may be the same. */
static uint64_t busy_ns(int core, int other)
{
    char line[512];
    uint64_t ticks = 0;
    FILE *f = fopen("/proc/stat", "r");
    while (f && fgets(line, sizeof(line), f)) {
        int number;
        unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
        /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
        if (sscanf(line, "cpu%d %llu %llu %llu %llu %llu %llu %llu %llu", &number, &user, &nice, &system, &idle,
                   &iowait, &irq, &softirq, &steal) == 9 &&
            (number == core || number == other))
            ticks += user + nice + system + irq + softirq + steal;
    }
    if (f)
        fclose(f);
    return ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

void span_begin(struct span *s, int watched)
{
    *s = (struct span){.watched = watched, .own_cpu_ns = cpu_ns_of(0)};
    if (watched)
        s->watched_cpu_ns = cpu_ns_of(watched);
    s->busy_ns = busy_ns(core_of(0), watched ? core_of(watched) : -1);
    s->idle_ns = turn_idle_ns();
    s->start_ns = now_ns();
}

void span_end(struct span *s)
{
    s->seconds = (double)(now_ns() - s->start_ns) / (double)NS_PER_S;
    s->busy = s->seconds - (double)(turn_idle_ns() - s->idle_ns) / (double)NS_PER_S;
    s->own_cpu = (double)(cpu_ns_of(0) - s->own_cpu_ns) / (double)NS_PER_S;
    if (s->watched)
        s->watched_cpu = (double)(cpu_ns_of(s->watched) - s->watched_cpu_ns) / (double)NS_PER_S;
    uint64_t busy = busy_ns(core_of(0), s->watched ? core_of(s->watched) : -1) - s->busy_ns;
    double foreign = (double)busy / (double)NS_PER_S - s->own_cpu - s->watched_cpu;
    s->foreign_cpu = foreign > 0 ? foreign : 0; /* the system counts in ticks */
}

void samples_init(struct samples *s, size_t capacity)
{
    *s = (struct samples){.ns = must_alloc(capacity, sizeof(*s->ns)), .capacity = capacity};
}

void samples_add(struct samples *s, uint64_t ns)
{
    if (s->count < s->capacity)
        s->ns[s->count++] = ns;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

double samples_ms(struct samples *s, double quantile)
{
    if (s->count == 0)
        return 0;
    qsort(s->ns, s->count, sizeof(*s->ns), compare);
    size_t at = (size_t)(quantile * (double)s->count);
    return (double)s->ns[at < s->count ? at : s->count - 1] / 1e6;
}

/* ---- loop ---- */

void source_add(int epoll, struct source *s)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static uint64_t spin_ns, idle_ns, last_event_ns;

void turn_spin(uint64_t ns)
{
    spin_ns = ns;
}

uint64_t turn_idle_ns(void)
{
    return idle_ns;
}

static int wait_for(int epoll, struct epoll_event *events, int64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = timeout_ns / (int64_t)NS_PER_S, .tv_nsec = timeout_ns % (int64_t)NS_PER_S};
    int n = epoll_pwait2(epoll, events, EVENTS_PER_TURN, timeout_ns < 0 ? NULL : &timeout, NULL);
    if (n < 0 && errno != EINTR)
        die("epoll_pwait2: %s", strerror(errno));
    return n < 0 ? 0 : n;
}

int turn(int epoll, int64_t timeout_ns)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int n = wait_for(epoll, events, 0);
    if (n == 0) {
        uint64_t start = now_ns(), now = start;
        while (n == 0 && now - last_event_ns < spin_ns && (timeout_ns < 0 || now - start < (uint64_t)timeout_ns)) {
            n = wait_for(epoll, events, 0);
            now = now_ns();
        }
        int64_t left = timeout_ns < 0 ? -1 : timeout_ns - (int64_t)(now - start);
        if (n == 0 && (timeout_ns < 0 || left > 0))
            n = wait_for(epoll, events, left);
        idle_ns += now_ns() - start;
    }
    for (int i = 0; i < n; i++) {
        struct source *s = events[i].data.ptr;
        s->ready(s);
    }
    if (n > 0)
        last_event_ns = now_ns();
    return n;
}

/* ---- sockets ---- */

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

static void option_set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

int tcp_listen(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, SOMAXCONN) != 0)
        die("port %u: %s", port, strerror(errno));
    return fd;
}

int tcp_connect(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    for (int i = 0; i < CONNECT_TRIES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0)
            break;
        if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0) {
            option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
            if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
                break;
            return fd;
        }
        close(fd);
        usleep(CONNECT_PAUSE_US);
    }
    die("connection to port %u: %s", port, strerror(errno));
}

int udp_bind(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    option_set(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
    option_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER_BYTES);
    option_set(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
    option_set(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER_BYTES);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0)
        die("UDP port %u: %s", port, strerror(errno));
    return fd;
}

void send_all(int fd, const void *data, size_t len)
{
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    if (n != (ssize_t)len) /* messages are far smaller than a socket's buffer */
        die("send: %zd of %zu bytes: %s", n, len, n < 0 ? strerror(errno) : "the peer does not read");
}

/* ---- arguments ---- */

const char *arg_text(int argc, char **argv, const char *name, const char *fallback)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    if (!fallback)
        die("argument %s is missing", name);
    return fallback;
}

double arg_number(int argc, char **argv, const char *name, double fallback)
{
    const char *text = arg_text(argc, argv, name, "");
    char *end;
    double value = strtod(text, &end);
    if (*text == '\0')
        return fallback;
    if (*end != '\0' || value < 0)
        die("%s: '%s' is no number", name, text);
    return value;
}
