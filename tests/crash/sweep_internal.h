/* Shared by sweep_world.c (the process, its ports, what goes wrong, the judge) and sweep_peers.c (SCEF, device,
 * server). */
#ifndef TESTS_CRASH_SWEEP_INTERNAL_H
#define TESTS_CRASH_SWEEP_INTERNAL_H

#include "tests/base/test.h"
#include "tests/crash/sweep_world.h"
#include "tests/nidd/message_text.h"
#include "tests/virtual/store_model.h"

#define T0_MS       1800000000000ULL
#define ID          "dev0@x"
#define PACKET      200 /* bytes */
#define REPEAT_MS   3000
#define LATE_MS     5000
#define AGAIN_MS    1000
#define ASKED_MAX   40
#define UPLINKS_MAX 4096
#define SEQS        400000
#define BROKEN_MAX  400

struct item { /* something that will happen */
    uint64_t at_ms, order;
    void (*fn)(struct world *w, struct item *i);
    uint32_t epoch; /* of the engine it is about */
    uint64_t ref;
    int number;
    char text[160];
    struct message message;
};

struct asked { /* what the server or the device says of its own accord */
    char text[160], answer[160];
    char token[8];
    bool con, by_device, request;
    enum reaction reaction;
    uint16_t mid, separate_mid; /* the latter: of the device's answer, when it is separate */
    bool accepted;              /* by the server's side: its ACK or answer came; by the device's: 2xx */
    bool done;                  /* by the device's side: its CON is acknowledged or answered */
    bool separate_begun, separate_done;
    bool refused;
    unsigned answers, deliveries;
    char first_answer[160];
    bool two_answers;
    bool executed;
    uint16_t executed_mid;
    bool at_server; /* in its socket */
    bool unsaid;
};

struct told {
    bool accepted;
    uint32_t final; /* epoch of the last one; 0: none */
};

struct world {
    enum wrong wrong;
    unsigned long left;
    bool then_crash, went_wrong, crash_next, crashed, dead;
    uint64_t now_ms, order;
    uint64_t down_from, down_to;
    uint64_t buffers_from, buffers_to;
    struct engine *e;
    struct store_model *store;
    uint32_t epoch;
    struct item *items[4096];
    size_t item_count;
    struct asked asked[ASKED_MAX];
    unsigned asked_count;
    uint16_t device_mid, server_mid;
    unsigned configuration; /* number of the present one; 0: none */
    unsigned configurations, deliveries;
    uint64_t uplink_ref;
    struct item *waiting[UPLINKS_MAX]; /* uplinks that are answered later, by reference */
    uint64_t blocked_until_ms;         /* commits */
    struct told *told;
    unsigned broken;
    char fault[BROKEN_MAX]; /* the first */
};

extern struct world *in_engine;                    /* whose engine runs just now: its allocations count */
bool goes_wrong(struct world *w, enum wrong kind); /* is this the n-th of its kind? */
[[gnu::format(printf, 2, 3)]] void broken(struct world *w, const char *fmt, ...);
struct item *later(struct world *w, uint64_t ms, void (*fn)(struct world *, struct item *));
void again(struct world *w, const struct item *i, uint64_t ms); /* the same once more */
void turn_end(struct world *w); /* after each input; a port may have died meanwhile, then the process is a new one */
#define INPUT(w, ...)                                                                                                  \
    do {                                                                                                               \
        in_engine = (w);                                                                                               \
        __VA_ARGS__;                                                                                                   \
        in_engine = NULL;                                                                                              \
        turn_end(w);                                                                                                   \
    } while (0)

struct said { /* a message, read */
    char type[4], code[5], token[16];
    unsigned mid;
    char text[MESSAGE_TEXT_MAX]; /* "CODE REST"; empty: an empty message */
};
struct said said_of(struct bytes m);

/* --- sweep_peers.c */
void link_of(unsigned configuration, char out[64]);
void taken(struct world *w, int number); /* the SCEF has heard 2xx for it */
bool server_is_down(const struct world *w);
/* What happens to, or is done by, a peer; each is an item's function. */
void status_notify(struct world *w, struct item *i);
void submit_answered(struct world *w, struct item *i);
void configuration_answered(struct world *w, struct item *i);
void configurations_listed(struct world *w, struct item *i);
void device_gets(struct world *w, struct item *i);
void device_speaks(struct world *w, struct item *i);
void device_pings(struct world *w, struct item *i);
void server_asks(struct world *w, struct item *i);
void server_gets(struct world *w, struct item *i);

#endif
