/* Frees memory that holds libuv handles, once their closing is over: libuv looks at a handle until then. */
#ifndef SCEF_ADAPTER_LATER_FREE_H
#define SCEF_ADAPTER_LATER_FREE_H

#include "base/loop.h"

struct later_free {
    uv_idle_t handle;
    void *memory;
};

/* g may lie in `memory`. All handles in it must have been closed or never started before this call. The free comes with
 * the loop's turns, at the latest with loop_free. */
void later_free(struct loop *l, struct later_free *g, void *memory);

#endif
