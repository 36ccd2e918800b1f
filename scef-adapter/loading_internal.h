/* What loading.c (loads and those who wait for them) and loading_background.c share. */
#ifndef SCEF_ADAPTER_LOADING_INTERNAL_H
#define SCEF_ADAPTER_LOADING_INTERNAL_H

#include "base/map.h"
#include "scef-adapter/wiring_internal.h"

/* An input that waits. */
struct loading_input {
    struct loading_input *next;
    struct loading_origin origin;
    uint8_t bit; /* of `tried`, once the store has answered */
    uint8_t data[];
};
struct loading_line {
    struct loading_input *first, **end;
    size_t count, bytes;
};

enum loading_phase {
    LOADING_WALK_PENDING, /* which devices have messages? */
    LOADING_PENDING,      /* these, earliest deadline first */
    LOADING_DEVICES,      /* a walk, the devices it named, the next walk */
    LOADING_DONE
};

struct loading_pending {
    uint64_t deadline_ms;
    size_t id, id_len; /* in `ids` */
};

struct loading {
    struct adapter *a;
    struct map loads;               /* under way, by key */
    size_t count, bytes;            /* of all inputs that wait */
    struct loading_line deliveries; /* for the end of LOADING_PENDING */

    /* the background */
    enum loading_phase phase;
    struct store_load walk;
    struct buf cursor;
    struct buf ids;
    struct loading_pending *pending; /* named by the walks and not asked for yet, from `at` on */
    size_t pending_count, pending_capacity, at;
    unsigned under_way; /* loads of the background */
    struct loop_alarm alarm;
    uint64_t started_ms, loaded;
    bool walking;
    bool walk_ended; /* the phase's walks have named all */
    bool named;      /* the last one has named any */
    bool pausing;    /* until the alarm */
    bool failed;     /* something was not loaded: once more from the phase's beginning */
    bool hurried;
    struct later_free later;
};

/* The device is loaded for the background's sake, unless it is here, or being loaded; false: no memory. */
bool loading_begin(struct loading *l, struct bytes id);
void loading_line_release(struct loading *l, struct loading_line *line, enum error err);
[[gnu::warn_unused_result]] enum error loading_background_start(struct loading *l);
void loading_background_end(struct loading *l);
void loading_background_go_on(struct loading *l);
void loading_background_loaded(struct loading *l, enum error err); /* one of its loads has ended */

#endif
