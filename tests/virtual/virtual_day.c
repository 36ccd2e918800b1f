/* A day in the life of many devices, in seconds: every failure replays from its seed. */
#include "nidd/engine.h"
#include "tests/virtual/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: virtual-day [--seed N] [--seeds COUNT] [--ues N] [--hours H] [--calm] [--loss P] [--trouble N] [--group]\n"
    "                   [--buffers] [--priorities] [--follow EXTERNAL_ID]\n"
    "\n"
    "Runs adapter engine, SCEF model, radio, UEs and server in virtual time, with faults, and checks the promises "
    "after\n"
    "every event.\n"
    "  --seed N     what happens (default 1); --seeds COUNT runs N, N+1, ...\n"
    "  --ues N      how many (default 1000)\n"
    "  --hours H    of faults and requests (default 24); then quiet until everything has ended\n"
    "  --calm       no faults at all\n"
    "  --loss P     radio loss, 0 to 1 (default 0.05)\n"
    "  --trouble N  of the network, for each UE and day: connections end, coverage ends for a while, authorisations "
    "are\n"
    "               revoked for a while, and some UEs have rates and quotas (default 0)\n"
    "  --group      all devices are one group at the SCEF; every second one is learned from its first message\n"
    "  --priorities queues are small, requests have different priorities, and final states are kept\n"
    "  --buffers    what a device is not there for is kept by the adapter, the SCEF or the server, by device\n"
    "  --follow ID  prints every message of one device (ue0@example.org ...)\n";

static int run(const struct world_options *o, uint64_t hours)
{
    struct world_result r;
    clock_t before = clock();
    struct world *w = world_new(o);
    world_run(w, hours * 3600 * 1000, 12 * 3600 * 1000ULL);
    world_result_get(w, &r);
    world_free(w);
    printf("seed %llu: %llu events in %.1f s; NAS %llu MO + %llu MT (needed without faults: %llu); requests %llu, "
           "acknowledged %llu, answered %llu; "
           "executions %llu, repeats at devices %llu; notifications %llu; registered %u; without configuration %u; "
           "adapter crashes %llu; buffered by the SCEF %llu, replaced there %llu, asked after %llu;",
           (unsigned long long)o->seed, (unsigned long long)r.events, (double)(clock() - before) / CLOCKS_PER_SEC,
           (unsigned long long)r.nas_mo, (unsigned long long)r.nas_mt, (unsigned long long)r.nas_needed,
           (unsigned long long)r.ops, (unsigned long long)r.ops_acknowledged, (unsigned long long)r.ops_answered,
           (unsigned long long)r.executions, (unsigned long long)r.repeats_at_devices,
           (unsigned long long)r.notifications, r.registered, r.unconfigured, (unsigned long long)r.crashes,
           (unsigned long long)r.buffered, (unsigned long long)r.replaced, (unsigned long long)r.delivery_requests);
    for (int f = 1; f < FINAL_COUNT; f++)
        if (r.finals[f])
            printf(" %s %llu", final_state_name((enum final_state)f), (unsigned long long)r.finals[f]);
    printf("\n");
    if (r.broken[0]) {
        printf(
            "BROKEN %s\nreplay: virtual-day --seed %llu --ues %u --hours %llu%s --loss %g --trouble %g%s%s%s --follow "
            "ue...\n",
            r.broken, (unsigned long long)o->seed, o->ues, (unsigned long long)hours, o->http_loss > 0 ? "" : " --calm",
            o->radio_loss, o->troubles, o->group ? " --group" : "", o->buffers ? " --buffers" : "",
            o->priorities ? " --priorities" : "");
        return 1;
    }
    /* Without faults no message may be spent beyond what the exchanges need; those under way at the end count on one
     * side. */
    if (o->http_loss == 0 && o->radio_loss == 0 && o->troubles == 0 && r.nas_mo + r.nas_mt > r.nas_needed + o->ues) {
        printf("BROKEN %llu NAS messages where %llu are needed\n", (unsigned long long)(r.nas_mo + r.nas_mt),
               (unsigned long long)r.nas_needed);
        return 1;
    }
    if (r.ops == 0 || r.registered != o->ues) {
        printf("BROKEN the day was empty: %llu requests, %u of %u registered\n", (unsigned long long)r.ops,
               r.registered, o->ues);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct world_options o = {.seed = 1,
                              .ues = 1000,
                              .op_pause_ms = 2 * 3600 * 1000,
                              .adapter_crashes = 10,
                              .scef_restarts = 4,
                              .server_outages = 3,
                              .radio_loss = 0.05,
                              .http_loss = 0.005,
                              .udp_loss = 0.01,
                              .store_failure = 0.002,
                              .duplication = 0.01};
    uint64_t hours = 24, seeds = 1;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--calm") == 0) {
            o.adapter_crashes = o.scef_restarts = o.server_outages = 0;
            o.radio_loss = o.http_loss = o.udp_loss = o.duplication = o.store_failure = 0;
            continue;
        }
        if (strcmp(argv[i], "--buffers") == 0) {
            o.buffers = true;
            o.op_pause_ms = 20 * 60 * 1000;
            continue;
        }
        if (strcmp(argv[i], "--priorities") == 0) {
            o.priorities = true;
            o.op_pause_ms = 10 * 60 * 1000;
            continue;
        }
        if (strcmp(argv[i], "--group") == 0) {
            o.group = true;
            continue;
        }
        if (!value || strncmp(argv[i], "--", 2) != 0) {
            fputs(usage, stderr);
            return 2;
        }
        i++;
        if (strcmp(argv[i - 1], "--seed") == 0)
            o.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--seeds") == 0)
            seeds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--ues") == 0)
            o.ues = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--hours") == 0)
            hours = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--loss") == 0)
            o.radio_loss = strtod(value, NULL);
        else if (strcmp(argv[i - 1], "--trouble") == 0)
            o.troubles = strtod(value, NULL);
        else if (strcmp(argv[i - 1], "--follow") == 0)
            o.follow = value;
        else {
            fputs(usage, stderr);
            return 2;
        }
    }
    int failed = 0;
    for (uint64_t n = 0; n < seeds; n++, o.seed++)
        failed |= run(&o, hours);
    return failed;
}
