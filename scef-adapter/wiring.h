/* The adapter at work: the engine's ports tied to the T8 client and callbacks, the store, the server legs, the trace
 * and the metrics, on one loop.
 *
 * A turn of the loop: inputs come in (callbacks, datagrams, results), each at once into the engine. At the turn's end
 * the engine is woken, the store's batch is closed, waiting datagrams leave, the trace is written, and the alarm is set
 * to the time the engine wants to be woken. */
#ifndef SCEF_ADAPTER_WIRING_H
#define SCEF_ADAPTER_WIRING_H

#include "base/loop.h"
#include "scef-adapter/config.h"

struct adapter;

struct adapter_options {
    struct config *config;      /* must live as long as the adapter; its devices are released once they are known */
    const char *trace_path;     /* NULL: none */
    void (*stopped)(void *ctx); /* after adapter_stop, when nothing is left to wait for */
    void *ctx;
};

/* Opens everything, restores what was stored and starts. On an error `why` holds one line: what, where, why. */
[[gnu::warn_unused_result]] enum error adapter_new(struct loop *l, const struct adapter_options *o,
                                                   struct adapter **out, struct buf *why);
/* Takes no more callbacks and no new messages of servers, ends what is under way, at most for a second, then tells. */
void adapter_stop(struct adapter *a);
/* The configuration file has changed: what can take effect at once does (wiring_reload.c). */
void adapter_reload(struct adapter *a, const char *config_path);
/* Closes everything; what was accepted is in the store. NULL is fine. */
void adapter_free(struct adapter *a);

/* Ports that were bound, when the configuration said 0. */
uint16_t adapter_callback_port(const struct adapter *a);
uint16_t adapter_admin_port(const struct adapter *a);

#endif
