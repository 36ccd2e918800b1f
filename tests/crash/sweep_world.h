/* A small world around one engine, in virtual time and without dice: a device, a SCEF, a server and a store that do
 * what they should, for as long as it takes, and one thing that goes wrong: the n-th of its kind. The same run at each
 * n, so that n = 1, 2, 3 ... finds every place, until a run has passed without the n-th.
 *
 * The world remembers what was promised, and world_judge holds the engine to it. */
#ifndef TESTS_CRASH_SWEEP_WORLD_H
#define TESTS_CRASH_SWEEP_WORLD_H

#include "nidd/engine.h"

enum wrong {
    WRONG_ALLOCATION,     /* the n-th allocation of the engine fails */
    WRONG_CRASH,          /* the process dies at the n-th call of a port, before it has an effect, and starts again */
    WRONG_BATCH_FAILS,    /* the n-th batch fails and leaves no trace */
    WRONG_BATCH_LATE,     /* it is told 5 s later, and others behind it */
    WRONG_BATCH_LOST,     /* the store does not know whether it took effect (ERR_STORE_UNSURE): it did not */
    WRONG_BATCH_DONE,     /* the same, and it did */
    WRONG_SUBMIT_500,     /* the n-th delivery is answered: 500 without a cause */
    WRONG_SUBMIT_ASLEEP,  /* 500 TEMPORARILY_NOT_REACHABLE */
    WRONG_SUBMIT_503,     /* 503 with Retry-After */
    WRONG_SUBMIT_404,     /* 404: the configuration is lost, too */
    WRONG_SUBMIT_201,     /* 201, and delivered and told later */
    WRONG_SUBMIT_CUT,     /* no answer, but delivered */
    WRONG_SUBMIT_LOST,    /* no answer, and not delivered */
    WRONG_CONFIGURE_500,  /* the n-th request about a configuration: 500 */
    WRONG_CONFIGURE_404,  /* 404 */
    WRONG_CONFIGURE_NONE, /* no answer */
    WRONG_CONFIGURE_BARE, /* 201 or 200 without link and body */
    WRONG_COUNT
};
const char *wrong_name(enum wrong w);

struct world;
/* The n-th goes wrong (0: none does); then_crash: and the process dies at the next call of a port. */
struct world *world_new(enum wrong wrong, unsigned long n, bool then_crash);
void world_free(struct world *w);
bool world_went_wrong(const struct world *w); /* the n-th came to pass */

/* The script. Times are from the start. All messages as in message_text.h, without type and Message ID. */
enum reaction { REACT_PIGGYBACKED, REACT_SEPARATE, REACT_RESET, REACT_OBSERVED, REACT_LATE };
void world_server_asks(struct world *w, uint64_t at_ms, const char *request, enum reaction by_device);
/* A request of the device, whose answer the server gives so; CON is repeated until it is answered. */
void world_device_asks(struct world *w, uint64_t at_ms, bool con, const char *request, const char *answer);
void world_device_notifies(struct world *w, uint64_t at_ms, bool con, const char *response);
void world_server_down(struct world *w, uint64_t from_ms, uint64_t to_ms);
void world_buffers(struct world *w, uint64_t from_ms, uint64_t to_ms); /* the SCEF answers 201 */

void world_run(struct world *w, uint64_t ms);
/* Prints what was broken; how much that is. */
unsigned world_judge(struct world *w);

#endif
