#include "base/fault.h"

#ifdef SCEF_FAULT

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Weak: a program without a point has no such section. */
extern struct fault_point *const __start_scef_faults[] __attribute__((weak));
extern struct fault_point *const __stop_scef_faults[] __attribute__((weak));

static const char *fatal_name;
static size_t fatal_len;
static unsigned long fatal_passage; /* 0: none */

static void list(void)
{
    const char *path = getenv("SCEF_ADAPTER_FAULTS");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f)
        return;
    for (struct fault_point *const *p = __start_scef_faults; p < __stop_scef_faults; p++)
        fprintf(f, "%s %lu\n", (*p)->name, atomic_load(&(*p)->passages));
    fclose(f);
}

/* Before main: afterwards there may be several threads. */
__attribute__((constructor)) static void begin(void)
{
    const char *wanted = getenv("SCEF_ADAPTER_FAULT");
    const char *colon = wanted ? strrchr(wanted, ':') : NULL;
    if (colon) {
        fatal_name = wanted;
        fatal_len = (size_t)(colon - wanted);
        fatal_passage = strtoul(colon + 1, NULL, 10);
    }
    if (getenv("SCEF_ADAPTER_FAULTS")) {
        list();
        atexit(list);
    }
}

void fault_pass(struct fault_point *p)
{
    const unsigned long passage = atomic_fetch_add(&p->passages, 1) + 1;
    if (passage != fatal_passage || strlen(p->name) != fatal_len || memcmp(p->name, fatal_name, fatal_len) != 0)
        return;
    kill(getpid(), SIGKILL);
    for (;;) /* no step further, should the signal take its time */
        pause();
}

#endif
