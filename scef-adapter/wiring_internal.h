/* Shared by wiring*.c and the admin API; nobody else. */
#ifndef SCEF_ADAPTER_WIRING_INTERNAL_H
#define SCEF_ADAPTER_WIRING_INTERNAL_H

#include "base/slab.h"
#include "buffering/store.h"
#include "nidd/engine.h"
#include "scef-adapter/callback_path.h"
#include "scef-adapter/later_free.h"
#include "scef-adapter/legs.h"
#include "scef-adapter/loading.h"
#include "scef-adapter/metrics.h"
#include "scef-adapter/trace.h"
#include "scef-adapter/wiring.h"
#include "t8/http_server.h"
#include "t8/scs_callbacks.h"
#include "t8/scs_client.h"
#include "t8/websocket_client.h"

/* One SCEF: what is kept apart from the others. */
struct adapter_scef {
    struct adapter *a;
    uint32_t index;
    const struct config_scef *config;
    struct scs_client *client;
    struct websocket_client *websockets; /* NULL: notifications come by callback only */
    struct scs_callbacks_sink sink;
    char *destination; /* notificationDestination of our NIDD configurations */
    char *reports_to;  /* the same of our monitoring subscriptions */
    uint64_t features; /* of the NIDD API, that we ask for */
    uint64_t requests_in_flight;
    bool answered; /* it has answered anything since the start */
    bool test_missed;
    uint64_t tests_seen;  /* test notifications */
    uint64_t test_due_ms; /* by then one must have come; 0 = none is awaited */
};

/* A request to a SCEF that could not even begin. The engine gets its result as an input of its own at the turn's end,
 * never from inside the port. */
enum failed_kind { FAILED_SUBMIT, FAILED_CONFIGURATION, FAILED_LIST, FAILED_DELIVERY, FAILED_WATCH, FAILED_WATCHES };
struct failed_request {
    struct adapter_scef *scef;
    enum failed_kind kind;
    uint64_t ref;
    int http_status;        /* 0 = no answer */
    bool held_back;         /* by the circuit breaker or overload control: nothing left us */
    uint32_t retry_after_s; /* then */
};

/* An uplink notification that is answered when the store has it. Its handle is the engine's reference. */
struct held_answer {
    struct scs_sender from;
};

/* So many lines of one kind of event per second; the others are counted and told with the next one. */
#define EVENT_LOG_PER_SECOND 10
struct event_log {
    struct event_log_budget {
        uint64_t second;
        uint32_t written;
        uint64_t suppressed;
    } kinds[ENGINE_AUDIT + 1];
};

/* Which configuration the stored devices' records are of. */
struct adapter_import {
    enum { IMPORT_NONE, IMPORT_SAVING, IMPORT_COMMITTING } state;
    struct record_import record;
    uint64_t ticket; /* COMMITTING: the records' last one */
    bool failed;     /* COMMITTING: one of them */
    bool known;      /* `record` is in the store */
};

struct adapter {
    struct loop *loop;
    struct adapter_options o;
    struct config *config;
    struct config *routes_from; /* whose routes are in force: the same, or the latest of a reload, which is ours */
    struct engine *engine;
    struct store *store;
    struct buf store_password, sentinel_password; /* while the store is open */
    struct adapter_scef *scefs;                   /* config->scef_count of them */
    struct legs *legs;
    struct http_server *callback_server;
    struct http_server *admin_server;
    struct callback_target callback;         /* of the notification that is being handled */
    struct http_exchange *callback_exchange; /* which brought it; NULL: it came over a WebSocket */
    struct loading_origin origin;            /* of the callback or admin request that is being handled */
    struct loading *loading;                 /* NULL: all devices are in the engine */
    struct adapter_import import;
    char *reload_path; /* a reload that waits until all devices are in the engine; NULL: none */
    struct trace *trace;
    struct metrics metrics;
    struct event_log event_log;

    struct loop_turn_end turn_end;
    struct loop_alarm alarm;
    uint64_t alarm_at_ms; /* 0 = not set */
    uint64_t started_ms;
    uint64_t now_ms; /* of the latest input */

    struct slab answers;
    handle spare_answer; /* for the next uplink; 0 = to be made */
    struct failed_request *failed;
    size_t failed_count, failed_capacity;

    uint64_t ticket_given, ticket_done;
    bool store_open;       /* the open batch holds something */
    bool store_failed;     /* the last batch did */
    bool connections_held; /* until the store has caught up */
    bool in_uplink; /* the engine is at an uplink: what it sends must be in the socket before the SCEF is answered */
    bool running;   /* inputs may be given to the engine */
    bool status_unmatched; /* the engine knows no delivery that the status is about */
    bool ready;
    uint32_t ready_cursor;
    uint64_t stop_at_ms; /* 0 = not stopping; the latest end */
    uint64_t idle_at_ms; /* since when there is nothing to wait for; 0 = there is */
    bool stopped;
    struct later_free later;
    bool closing; /* ports lead nowhere any more */
};

/* The time of an input, which is the time of all that the engine tells during it. */
static inline uint64_t adapter_now(struct adapter *a)
{
    return a->now_ms = loop_now_ms(a->loop);
}

/* wiring.c: warns of files with devices' keys that every user can read. */
void adapter_key_holders_tell(const struct config *c);

/* wiring_ports.c */
void adapter_ports(struct adapter *a, struct engine_ports *out);
struct store_sink adapter_store_sink(struct adapter *a);
/* wiring_store.c. `why` gets "WHAT: DETAIL". */
[[gnu::warn_unused_result]] enum error adapter_store_open(struct adapter *a, struct buf *why);
void adapter_store_close(struct adapter *a);
struct legs_sink adapter_legs_sink(struct adapter *a);
void adapter_datagram_take(struct adapter *a, const struct loading_origin *o);
void adapter_backlog_check(struct adapter *a); /* a store that is far behind: servers' connections are not read */

/* wiring_scef.c */
[[gnu::warn_unused_result]] enum error adapter_scefs_open(struct adapter *a);
void adapter_scefs_end(struct adapter *a);  /* requests under way end now, which tells the engine */
void adapter_scefs_free(struct adapter *a); /* after that */
void adapter_scef_ports(struct engine_ports *out);
uint64_t adapter_requests_in_flight(const struct adapter *a);
void adapter_failed_deliver(struct adapter *a);
void adapter_test_expect(struct adapter_scef *s); /* a configuration was made */
uint64_t adapter_tests_check(struct adapter *a);  /* warns of what has not come; when to check again */

/* The SCEF for a new request. While stopping nothing new begins (NULL): what is queued is in the store, and the next
 * start goes on with it. */
struct adapter_scef *adapter_scef_for(struct adapter *a, uint32_t index);
/* A request has begun, or could not even do that (err): then its result comes at the turn's end. */
void adapter_request_begun(struct adapter_scef *s, enum error err, enum failed_kind kind, uint64_t ref);

/* wiring_deliveries.c */
void adapter_delivery_ports(struct engine_ports *out);
void adapter_delivery_item(struct adapter_scef *s, uint64_t ref, const struct scs_result *r);
void adapter_delivery_result(struct adapter_scef *s, uint64_t ref, const struct scs_result *r);

/* wiring_callbacks.c */
void adapter_callback(void *ctx, struct http_exchange *x); /* http_handler_fn */
void adapter_callback_take(struct adapter *a, const struct loading_origin *o);
void adapter_callbacks_prepare(struct adapter *a);
void adapter_uplink_answer(void *ctx, uint64_t ref, enum error err); /* a port of the engine */
void adapter_answers_end(struct adapter *a);                         /* 503 to all that wait */

/* The slice whose process serves the device; ours for one that we know. */
uint32_t adapter_owner_of(const struct adapter *a, struct t8_identity id);
/* TS 29.122 clause 5.2.10: this notification is to be repeated at the other process, the next one comes here again. */
enum scs_verdict adapter_redirect(struct adapter *a, uint32_t slice, enum error *err);

/* wiring_reports.c: `ctx` is the SCEF */
enum scs_verdict adapter_monitoring(void *ctx, const struct monitoring_notification *n, enum error *err);
enum scs_verdict adapter_trigger_report(void *ctx, const struct device_triggering_report *r, enum error *err);
void adapter_transaction_result(struct adapter_scef *s, const struct scs_result *r);
void adapter_watch_ports(struct engine_ports *out);
void adapter_watch_item(struct adapter_scef *s, const struct scs_result *r);
void adapter_watch_result(struct adapter_scef *s, uint64_t ref, const struct scs_result *r); /* of POST and list */

/* wiring_websocket.c */
[[gnu::warn_unused_result]] enum error adapter_websockets_open(struct adapter_scef *s);
void adapter_websocket_ports(struct engine_ports *out);
void adapter_websockets_drain(struct adapter *a);
void adapter_websocket_take(struct adapter *a, const struct loading_origin *o);

/* wiring_events.c */
void adapter_event(void *ctx, const struct engine_event *e);

/* wiring_restore.c: what was stored goes into the engine; what is damaged is set aside under keys that begin with 'x'.
 */
[[gnu::warn_unused_result]] enum error adapter_restore(struct adapter *a);
/* All but the devices and what is theirs. */
[[gnu::warn_unused_result]] enum error adapter_restore_shared(struct adapter *a);
/* One record, at any time: ERR_NO_MEMORY, or it is in the engine or set aside. */
[[gnu::warn_unused_result]] enum error adapter_record_take(struct adapter *a, struct bytes key, struct bytes value);
void adapter_set_aside(struct adapter *a, struct bytes key, struct bytes value, enum error why);

/* wiring_import.c: at the start the configuration's devices are compared with the stored ones, unless the records are
 * known to be of just this configuration. */
[[gnu::warn_unused_result]] enum error adapter_import_check(struct adapter *a, bool *known, bool *removing);
/* The engine has the devices of this configuration: to be remembered once all is stored. */
void adapter_import_begin(struct adapter *a, const struct config *c);
/* Is the store known to be of the devices of this configuration, whose devices_file need not have been read? */
bool adapter_import_covers(const struct adapter *a, const struct config *c);
void adapter_import_turn_end(struct adapter *a);
void adapter_import_forget(struct adapter *a); /* a record says something else now, or is missing */

#endif
