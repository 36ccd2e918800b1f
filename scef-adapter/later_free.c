#include "scef-adapter/later_free.h"

#include <stdlib.h>

/* libuv promises no order among the handles that it closes in one turn, but those that are closed meanwhile have to
 * wait for the next: so a handle that is closed twice outlives every handle that was closed before it. */

static void closed_again(uv_handle_t *handle)
{
    struct later_free *g = handle->data;
    free(g->memory);
}

static void closed(uv_handle_t *handle)
{
    struct later_free *g = handle->data;
    uv_idle_init(handle->loop, &g->handle);
    uv_close((uv_handle_t *)&g->handle, closed_again);
}

void later_free(struct loop *l, struct later_free *g, void *memory)
{
    g->memory = memory;
    uv_idle_init(&l->uv, &g->handle);
    g->handle.data = g;
    uv_close((uv_handle_t *)&g->handle, closed);
}
