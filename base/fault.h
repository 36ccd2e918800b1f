/* Named points at which a test may have the process die: what kill -9 leaves behind at exactly that place.
 *
 * FAULT("store.before_commit") costs nothing and leaves nothing behind unless SCEF_FAULT is defined (the CMake option
 * of that name, on in the presets asan and crash). Where it is, two variables of the environment are looked at once:
 *
 *   SCEF_ADAPTER_FAULT=NAME:N    the N-th passage of the point NAME, from 1, ends the process by SIGKILL
 *   SCEF_ADAPTER_FAULTS=FILE     one line "NAME PASSAGES" for each point of the program: at the start, and anew at exit
 *
 * A name stands at one place only. Any thread may pass. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#ifdef SCEF_FAULT

#include <stdatomic.h>

struct fault_point {
    const char *name;
    atomic_ulong passages;
};
void fault_pass(struct fault_point *p);

/* All points of a program stand in one section, so that it can name those too that it never passes. */
#define FAULT(name_)                                                                                                   \
    do {                                                                                                               \
        static struct fault_point point_ = {.name = (name_)};                                                          \
        static struct fault_point *const listed_ __attribute__((section("scef_faults"), used)) = &point_;              \
        (void)listed_;                                                                                                 \
        fault_pass(&point_);                                                                                           \
    } while (0)

#else

#define FAULT(name_) ((void)0)

#endif
#endif
