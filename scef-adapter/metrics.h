/* Counters and gauges, and their text for Prometheus (exposition format 0.0.4). One table names them all.
 *
 * A family with labels has one value per combination of their texts; these are the program's own static ones or names
 * from the configuration, so their number is bounded. Should it ever not be, the rest is counted under "other". */
#ifndef SCEF_ADAPTER_METRICS_H
#define SCEF_ADAPTER_METRICS_H

#include "base/bytes.h"

/*  X(id, name behind "scef_adapter_", type, label, labels "scef,OTHER", or "", help) */
#define METRIC_TABLE(X)                                                                                                \
    X(UPLINKS, "uplinks_total", "counter", "scef,result", "uplink notifications by what became of them")               \
    X(DEVICE_MESSAGES, "device_messages_total", "counter", "", "messages of devices")                                  \
    X(CALLBACKS, "callbacks_total", "counter", "scef,result", "T8 notifications by result")                            \
    X(ACCEPTED, "downlink_accepted_total", "counter", "", "messages taken for a device")                               \
    X(SUBMITS, "downlink_submits_total", "counter", "scef,status", "downlink requests to the SCEF by HTTP status")     \
    X(DELIVERY_STATUSES, "delivery_statuses_total", "counter", "scef,status",                                          \
      "delivery status notifications by status")                                                                       \
    X(FINALS, "downlink_final_total", "counter", "state", "messages to devices by final state")                        \
    X(DROPPED, "dropped_total", "counter", "reason", "messages dropped, by reason")                                    \
    X(DUPLICATES, "duplicates_total", "counter", "", "repeated messages recognised and not forwarded again")           \
    X(SPOOLED, "spooled_total", "counter", "", "device messages stored because their server was down")                 \
    X(CONFIGURATIONS, "configuration_results_total", "counter", "scef,status",                                         \
      "answers of the SCEF about NIDD configurations by HTTP status")                                                  \
    X(SERVER_MESSAGES_IN, "server_messages_in_total", "counter", "server", "messages of servers")                      \
    X(SERVER_MESSAGES_OUT, "server_messages_out_total", "counter", "server", "messages to servers")                    \
    X(SERVER_UP, "server_up", "gauge", "server", "1 while a server answers")                                           \
    X(LEG_IN, "leg_datagrams_in_total", "counter", "", "datagrams of servers")                                         \
    X(LEG_OUT, "leg_datagrams_out_total", "counter", "", "datagrams to servers")                                       \
    X(LEG_DROPPED, "leg_dropped_total", "counter", "reason", "datagrams dropped on the server legs")                   \
    X(LEG_ERRORS, "leg_errors_total", "counter", "kind", "failures of the server legs")                                \
    X(LEG_CONNECTIONS, "leg_connections", "gauge", "", "connections to servers by TCP and TLS that are up")            \
    X(LEG_CONNECTS, "leg_connections_total", "counter", "result", "connections that came up, failed to, or broke")     \
    X(DTLS_SESSIONS, "dtls_sessions", "gauge", "", "sessions with servers by DTLS that are up")                        \
    X(DTLS_HANDSHAKES, "dtls_handshakes_total", "counter", "result",                                                   \
      "DTLS handshakes: completed (resumed: of these), failed, begun anew because the server was silent")              \
    X(STORE_BATCHES, "store_batches_total", "counter", "result", "batches of the store by result")                     \
    X(STORE_OPERATIONS, "store_operations_total", "counter", "kind", "puts and deletes given to the store")            \
    X(STORE_DAMAGED, "store_damaged_records_total", "counter", "kind",                                                 \
      "records found damaged or orphaned at the start")                                                                \
    X(TRACE_LOST, "trace_lost_total", "counter", "", "trace lines that could not be written")                          \
    X(DEVICES, "devices", "gauge", "", "devices known")                                                                \
    X(LOADING, "loading", "gauge", "", "1 while stored devices are not all loaded")                                    \
    X(LOADING_WAITING, "loading_waiting", "gauge", "", "inputs that wait for their device to be loaded")               \
    X(CONFIGURATIONS_ACTIVE, "configurations_active", "gauge", "scef", "NIDD configurations that are active")          \
    X(QUEUED_MESSAGES, "queued_messages", "gauge", "", "messages waiting for devices")                                 \
    X(QUEUED_BYTES, "queued_bytes", "gauge", "", "and their bytes")                                                    \
    X(SPOOLED_MESSAGES, "spooled_messages", "gauge", "", "device messages waiting for a server")                       \
    X(EXCHANGES, "exchanges", "gauge", "", "exchanges remembered")                                                     \
    X(SCEF_REQUESTS, "scef_requests_in_flight", "gauge", "scef", "requests to the SCEF under way")                     \
    X(SCEF_BREAKER, "scef_breaker_state", "gauge", "scef", "circuit breaker: 0 closed, 1 half-open, 2 open")           \
    X(SCEF_BREAKER_OPENS, "scef_breaker_opens_total", "counter", "scef", "times it has opened")                        \
    X(SCEF_HELD_BACK, "scef_held_back_total", "counter", "scef,reason",                                                \
      "requests not sent to the SCEF for its own sake")                                                                \
    X(SCEF_OVERLOAD, "scef_overload_reduction_percent", "gauge", "scef", "what the SCEF asks to be spared")            \
    X(SCEF_REDIRECTS, "scef_redirects_total", "counter", "scef,result", "redirects of the SCEF, followed or refused")  \
    X(TEST_NOTIFICATIONS, "test_notifications_total", "counter", "scef", "test notifications of the SCEF")             \
    X(WEBSOCKETS, "websockets", "gauge", "scef,state", "WebSockets to the SCEF: in use, and open of these")            \
    X(WEBSOCKET_NOTIFICATIONS, "websocket_notifications_total", "counter", "scef,result",                              \
      "notifications by WebSocket: handed on, repeated ones answered again, malformed ones")                           \
    X(WEBSOCKETS_LOST, "websockets_lost_total", "counter", "scef", "WebSockets that ended without our doing")          \
    X(REACHABLE, "reachability_reports_total", "counter", "scef,reason",                                               \
      "reports that made a device's queue flow, and those of unknown devices")                                         \
    X(CONFIGURATION_TRIGGERS, "configuration_triggers_total", "counter", "scef,result",                                \
      "NIDD configuration triggers (TS 29.522) by what became of them")                                                \
    X(LEARNED, "learned_total", "counter", "", "devices of groups taken in with their first message")                  \
    X(ENDPOINT_AUDITS, "endpoint_audits_total", "counter", "result",                                                   \
      "registrations under a name that is not the device's, by what became of them")                                   \
    X(RELOADS, "reloads_total", "counter", "result", "readings of the configuration after SIGHUP")                     \
    X(SLICE_REDIRECTS, "slice_redirects_total", "counter", "", "callbacks sent on to the process of another slice")    \
    X(READY, "ready", "gauge", "", "1 once /readyz says so")                                                           \
    X(START_TIME, "start_time_seconds", "gauge", "", "when the process started, seconds of UTC")                       \
    X(RESIDENT_BYTES, "resident_memory_bytes", "gauge", "", "memory of the process")                                   \
    X(BUILD_INFO, "build_info", "gauge", "version", "1, with the version")

enum metric {
#define X(id, name, type, label, help) METRIC_##id,
    METRIC_TABLE(X)
#undef X
        METRIC_COUNT
};

#define METRIC_LABELS_MAX 64   /* of a family with one label */
#define METRIC_VALUES_MAX 1024 /* of a family with two: several for each SCEF */
struct metric_family {
    uint64_t value; /* without a label */
    struct metric_value {
        /* Static, or owned by the caller for as long as the metrics live; `scef` is NULL in families without it. */
        const char *scef, *label;
        uint64_t value;
    } *values;
    uint32_t count, capacity;
};
struct metrics {
    struct metric_family families[METRIC_COUNT];
};

void metrics_free(struct metrics *m);
/* label: NULL for a family without one. */
void metric_add(struct metrics *m, enum metric id, const char *label, uint64_t n);
void metric_set(struct metrics *m, enum metric id, const char *label, uint64_t value);
uint64_t metric_get(const struct metrics *m, enum metric id, const char *label);
/* Of families whose labels are "scef" and another. */
void metric_scef_add(struct metrics *m, enum metric id, const char *scef, const char *label, uint64_t n);
void metric_scef_set(struct metrics *m, enum metric id, const char *scef, const char *label, uint64_t value);
/* All families in the order of the table. */
void metrics_render(const struct metrics *m, struct buf *out);

/* "200", or "none" for 0: a label for an HTTP status that lives for ever. */
const char *metric_status_label(int http_status);

#endif
