/* A SCEF that takes every downlink: the far end of bench_curl, and of the adapter while its uplink is measured.
 *
 *   bench_t8_sink --port PORT [--spin-us US]        until SIGTERM; then prints what it has seen
 *
 * GET /work tells how many downlinks it has answered, and how long it has waited for them. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "tests/bench/common.h"
#include "tests/bench/scef.h"

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

int main(int argc, char **argv)
{
    int epoll = epoll_create1(0);
    struct sigaction on_term = {.sa_handler = on_signal};
    struct scef *scef =
        scef_new(epoll, (uint16_t)arg_number(argc, argv, "--port", 0), (struct scef_hooks){.delivery = NULL});
    turn_spin((uint64_t)arg_number(argc, argv, "--spin-us", 0) * 1000);
    if (sigaction(SIGTERM, &on_term, NULL) != 0)
        die("sigaction: %s", strerror(errno));
    while (!stopped)
        turn(epoll, (int64_t)NS_PER_S);
    const struct scef_counters *c = scef_counters_get(scef);
    printf("{\"configurations\": %llu, \"deliveries\": %llu, \"wrong\": %llu}\n", (unsigned long long)c->configurations,
           (unsigned long long)c->deliveries, (unsigned long long)c->wrong);
    return 0;
}
