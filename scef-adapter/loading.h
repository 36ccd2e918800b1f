/* Devices that are in the store and not in the engine yet, after a start on a store whose records are of the present
 * configuration (wiring_import.c). A device is loaded when something is heard of it, and what was heard waits for that;
 * those with messages are loaded in the background, earliest deadline first, then all others at a gentle pace.
 *
 * What waits is bounded, for each device and in all: what is more is refused (503), or dropped if it is a datagram,
 * which its server repeats. So is what a store that fails cannot tell about. */
#ifndef SCEF_ADAPTER_LOADING_H
#define SCEF_ADAPTER_LOADING_H

#include "t8/common.h"
#include "t8/scs_callbacks.h"

struct adapter;
struct adapter_scef;
struct loading;

/* Where the input that is being handled came from: what it takes to handle it once more from its beginning. */
enum loading_origin_kind { LOADING_CALLBACK, LOADING_WEBSOCKET, LOADING_ADMIN, LOADING_DATAGRAM };
struct loading_origin {
    enum loading_origin_kind kind;
    struct scs_sender from;    /* all but DATAGRAM; its exchange is the request of CALLBACK and ADMIN */
    struct adapter_scef *scef; /* WEBSOCKET */
    uint32_t leg, server;      /* DATAGRAM */
    struct bytes data;         /* WEBSOCKET, DATAGRAM: copied when it waits */
    uint8_t tried;             /* LOADING_TRIED_*: what the store was asked for on its behalf */
    bool waits;                /* it will come again: nothing is to be answered or counted now */
};
#define LOADING_TRIED_ID        0x01
#define LOADING_TRIED_CANONICAL 0x02
#define LOADING_TRIED_MSISDN    0x04
#define LOADING_TRIED_LEG       0x08

enum loading_verdict {
    LOADING_HERE,   /* who it is about is in the engine, or is in the store neither: go on */
    LOADING_WAITS,  /* it comes again */
    LOADING_REFUSED /* 503, or dropped */
};
/* About this device, for the input under way (adapter.origin). */
enum loading_verdict loading_identity(struct adapter *a, struct t8_identity id);
/* The same for what is of use to a device that is here only, and makes another one be loaded before its turn. */
void loading_soon(struct adapter *a, struct t8_identity id);
/* About the delivery with this link at the SCEF: no device is named, but all that have deliveries are loaded first. */
enum loading_verdict loading_delivery(struct adapter *a, uint32_t scef, struct bytes link);
/* A datagram of a server; with LOADING_HERE it is the caller's. */
enum loading_verdict loading_datagram(struct adapter *a, uint32_t leg, uint32_t server, struct bytes message);

/* After engine_start_loading. */
[[gnu::warn_unused_result]] enum error loading_start(struct adapter *a);
/* At the turn's end: true when all devices are in the engine, which was told so; then loading_free. */
bool loading_turn_end(struct loading *l);
void loading_hurry(struct loading *l); /* somebody waits for the end */
/* What waits is refused with ERR_DRAINING. After store_close. NULL is fine. */
void loading_free(struct loading *l);
size_t loading_waiting(const struct loading *l); /* inputs */

#endif
