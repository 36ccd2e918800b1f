/* What the programs of the benchmark share: time, CPU time, figures, and a small epoll loop of their own, so that what
 * is measured and what measures it have no code in common. Any failure ends the program with a message: a measurement
 * either is one or is none. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>

#define NS_PER_S 1000000000ULL

[[noreturn, gnu::format(printf, 1, 2)]] void die(const char *fmt, ...);
void *must_alloc(size_t n, size_t size); /* zeroed */

uint64_t now_ns(void);
uint64_t cpu_ns_of(int pid); /* of all threads of a process; 0 = this one */

/* A span of the run, and what it cost. This program and the watched one are pinned to a core each. */
struct span {
    int watched; /* process, 0 = none */
    uint64_t start_ns, own_cpu_ns, watched_cpu_ns, busy_ns;
    uint64_t idle_ns;
    /* span_end: seconds of each. `foreign` is what others took of the two cores, the hypervisor included. `busy` is the
     * time this program did not wait in turn(). */
    double seconds, busy, own_cpu, watched_cpu, foreign_cpu;
};
void span_begin(struct span *s, int watched);
void span_end(struct span *s);

/* Latencies in nanoseconds; keeps the first `capacity`. */
struct samples {
    uint64_t *ns;
    size_t count, capacity;
};
void samples_init(struct samples *s, size_t capacity);
void samples_add(struct samples *s, uint64_t ns);
/* Milliseconds at the quantile; sorts. 0 when there are none. */
double samples_ms(struct samples *s, double quantile);

/* ---- loop: each source is one descriptor of the epoll */
struct source {
    int fd;
    void (*ready)(struct source *s);
};
/* What a source is part of. */
#define OWNER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))
void source_add(int epoll, struct source *s);
/* One turn; timeout_ns < 0: none. Returns how many sources were ready. */
int turn(int epoll, int64_t timeout_ns);
/* Without it a turn sleeps at once; then the measured program pays for waking this one up with each message, which no
 * peer on another host would ask of it. With it a turn goes on looking for `ns` after the last message. Needs a core of
 * its own. */
void turn_spin(uint64_t ns);
uint64_t turn_idle_ns(void); /* spent waiting, or looking for nothing, so far */

/* ---- sockets on 127.0.0.1, not blocking */
int tcp_listen(uint16_t port);
int tcp_connect(uint16_t port);
int udp_bind(uint16_t port); /* with all the buffer that the system gives */
void send_all(int fd, const void *data, size_t len);

/* ---- arguments: "--name value", each at most once. No fallback: the argument is mandatory. */
const char *arg_text(int argc, char **argv, const char *name, const char *fallback);
double arg_number(int argc, char **argv, const char *name, double fallback);

#endif
