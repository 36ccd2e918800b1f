/* The simulator's configuration: YAML by libcyaml, checked as a whole, with one line per mistake: FILE:LINE: KEY: what.
 *
 * The keys are the tables below; they make the schema, the checks, the defaults and the help. */
#ifndef SIM_SCEF_SIM_CONFIG_H
#define SIM_SCEF_SIM_CONFIG_H

#include <netinet/in.h>
#include <stdio.h>

#include "base/bytes.h"
#include "sim/scef_model.h"
#include "t8/dialect.h"
#include "t8/monitoring.h"
#include "t8/tls_files.h"

/* X(key, default, least, most, meaning) */
#define SIM_NUMBERS(X)                                                                                                 \
    X(seed, 1, 0, INT64_MAX, "of all dice")                                                                            \
    X(maximum_packet_size_bits, 10864, 8, 524288, "told to the AS and enforced, both directions")                      \
    X(default_latency_s, 3600, 0, UINT32_MAX, "buffering when maximumLatency is absent; 0 = none")                     \
    X(buffer_messages, 0, 0, UINT32_MAX, "for one UE at most; the least urgent is displaced; 0 = any number")          \
    X(remember_s, 300, 0, UINT32_MAX, "how long ended deliveries are known")                                           \
    X(trigger_validity_s, 3600, 0, UINT32_MAX, "of a SEND_TRIGGER whose data is not buffered")                         \
    X(trigger_retry_ms, 10000, 1, 3600000, "a trigger that the radio lost is sent again so much later")                \
    X(rds_attempts, 3, 1, 1000, "to send what wants an acknowledgement of the UE")                                     \
    X(rds_timeout_ms, 10000, 1, 3600000, "until the next one")                                                         \
    X(notification_retries, 5, 0, 1000, "after a callback that failed")                                                \
    X(notification_retry_ms, 1000, 1, 3600000, "the first pause; it doubles")                                          \
    X(notification_timeout_ms, 10000, 1, 3600000, "a callback without an answer has failed")                           \
    X(max_duration_s, 0, 0, UINT32_MAX, "longest lifetime of a configuration; 0 = any")                                \
    X(submit_timeout_ms, 60000, 0, UINT32_MAX, "a slower MT is told as TIMEOUT; 0 = never")                            \
    X(websocket_resend_ms, 10000, 10, 3600000, "a notification without an acknowledgement is sent again")              \
    X(websocket_ping_s, 30, 0, 3600, "an AS that answers no PING is disconnected; 0 = none are sent")

#define SIM_TRIGGERING_NUMBERS(X)                                                                                      \
    X(max_validity_s, 0, 0, UINT32_MAX, "a longer validityPeriod is cut to it; 0 = any")                               \
    X(remember_s, 3600, 0, UINT32_MAX, "how long a finished transaction can be read")

/* X(key, window, meaning): so many in key_window_s; 0 = any number */
#define SIM_TRIGGERING_LIMITS(X)                                                                                       \
    X(quota, 86400, "triggers of an AS in quota_window_s; more are 403; 0 = any number")                               \
    X(rate, 60, "triggers of an AS in rate_window_s; more are 429; 0 = any number")
/* The serving PLMN rate counts in units of six minutes (TS 23.501 clause 5.31.14.2). */
#define SIM_UE_LIMITS(X)                                                                                               \
    X(quota, 86400, "bytes of MT data in quota_window_s, what is buffered included; more are 403; 0 = any")            \
    X(apn_rate, 3600, "MT messages in apn_rate_window_s; more are 429; 0 = any number")                                \
    X(serving_plmn_rate, 360, "MT messages in serving_plmn_rate_window_s; more are 429; 0 = any number")

#define SIM_MONITORING_NUMBERS(X)                                                                                      \
    X(default_detection_time_s, 3600, 1, UINT32_MAX, "of LOSS_OF_CONNECTIVITY that names none")                        \
    X(max_subscriptions, 0, 0, UINT32_MAX, "of one AS; more are refused; 0 = any number")

/* X(key, meaning): [least, most], most 0 = no end */
#define SIM_MONITORING_RANGES(X)                                                                                       \
    X(reports, "maximumNumberOfReports")                                                                               \
    X(duration_s, "until monitorExpireTime")                                                                           \
    X(report_period_s, "repPeriod")                                                                                    \
    X(group_guard_time_s, "groupReportGuardTime")                                                                      \
    X(detection_time_s, "maximumDetectionTime")                                                                        \
    X(maximum_latency_s, "maximumLatency")                                                                             \
    X(response_time_s, "maximumResponseTime")

#define SIM_UE_NUMBERS(X)                                                                                              \
    X(active_time_s, 5, 0, 11160, "T3324: a UE with PSM listens so long after its last message")                       \
    X(tau_period_s, 0, 0, 35712000, "T3412: it shows up by itself so long after its last message; 0 = never")          \
    X(notify_period_s, 300, 0, UINT32_MAX, "of what a server observes; 0 = never")                                     \
    X(update_period_s, 0, 0, UINT32_MAX, "of the registration; 0 = at 3/4 of its lifetime")                            \
    X(lifetime_s, 86400, 1, UINT32_MAX, "of the registration")                                                         \
    X(send_period_s, 0, 0, UINT32_MAX, "of LwM2M Send; 0 = never")                                                     \
    X(ack_timeout_ms, 10000, 1, 600000, "of the client's own retransmission")                                          \
    X(start_delay_ms, 0, 0, UINT32_MAX, "before it registers first")                                                   \
    X(start_step_ms, 0, 0, 3600000, "with count: each one so much after the one before")                               \
    X(count, 1, 1, 1000000, "so many of them; %d in identities is 1 to count, the port of air counts up")

/* X(key, member of struct tls_files, meaning): files, relative to the configuration */
#define SIM_TLS_FILES(X)                                                                                               \
    X(certificate, certificate_file, "https only, with this certificate (PEM)")                                        \
    X(key, key_file, "of the certificate")                                                                             \
    X(client_ca, ca_file, "whoever has no certificate of this CA is refused")
#define SIM_CALLBACK_TLS_FILES(X)                                                                                      \
    X(ca, ca_file, "trusted for https notification destinations; the system's when it is not here")                    \
    X(certificate, certificate_file, "shown to them")                                                                  \
    X(key, key_file, "of the certificate")

/* X(key, default, meaning) */
#define SIM_FLAGS(X)                                                                                                   \
    X(tell_retransmission_time, false, "requestedRetransmissionTime for UEs with a tau_period_s")                      \
    X(low_priority_first, false, "the smaller priority is the more urgent one")                                        \
    X(revocation_removes, false, "the configurations of a UE that loses its authorisation; else MT is 403")
#define SIM_MONITORING_FLAGS(X)                                                                                        \
    X(lenient_features, false, "without supportedFeatures any event type will do")                                     \
    X(no_idle_status, false, "idleStatusIndication is refused")                                                        \
    X(adjust_parameters, false, "what is out of range is changed silently; else it is refused")
#define SIM_UE_FLAGS(X)                                                                                                \
    X(psm, true, "power saving mode: not reachable but for active_time_s after each message")                          \
    X(pdn_connected, true, "at the start; a message of the UE connects it too")                                        \
    X(notify_confirmable, true, "notifications are CON")                                                               \
    X(barred, false, "NIDD is not authorised")                                                                         \
    X(rds, false, "it has the Reliable Data Service")

/* X(key, meaning): 0 to 1, default 0 */
#define SIM_UE_SHARES(X)                                                                                               \
    X(loss, "of messages, each direction")                                                                             \
    X(duplicate, "of messages that arrive, each direction")
#define SIM_TRIGGERING_SHARES(X)                                                                                       \
    X(unconfirmed, "of triggers that arrive without a report")                                                         \
    X(failure, "of triggers that never arrive")                                                                        \
    X(unknown, "of triggers of which nobody knows")

struct sim_address {
    char host[INET6_ADDRSTRLEN];
    uint16_t port;
};
/* "127.0.0.1:7001", "[::1]:7001"; numeric only. */
bool sim_address_parse(const char *text, struct sim_address *out);

enum sim_client { SIM_CLIENT_BUILTIN, SIM_CLIENT_AIR };
enum sim_duplicate_create { SIM_DUPLICATE_REUSE, SIM_DUPLICATE_CONFLICT };

/* A list of the file; texts and list are the configuration's. */
struct sim_texts {
    const char *const *items;
    size_t count;
};

struct sim_ue_config {
    size_t line;                /* of its entry in the file */
    char *external_id, *msisdn; /* NULL or set, not both NULL */
    char *endpoint;
    enum sim_client client;
    struct sim_address air;
    uint32_t delay_ms[2];
    struct sim_texts scs_as_ids, groups;
    uint16_t rds_ports_used;    /* a set */
    unsigned formats;           /* a set of NIDD_FORMAT_BIT; 0 = all */
    struct scef_plmn home_plmn; /* "": not told */
#define X(key, ...) uint64_t key;
    SIM_UE_NUMBERS(X)
#undef X
#define X(key, ...) bool key;
    SIM_UE_FLAGS(X)
#undef X
#define X(key, ...) double key;
    SIM_UE_SHARES(X)
#undef X
#define X(key, ...) struct scef_limit key;
    SIM_UE_LIMITS(X)
#undef X
};

struct sim_triggering_config {
#define X(key, ...) uint32_t key;
    SIM_TRIGGERING_NUMBERS(X)
#undef X
#define X(key, ...) double key;
    SIM_TRIGGERING_SHARES(X)
#undef X
#define X(key, ...) struct scef_limit key;
    SIM_TRIGGERING_LIMITS(X)
#undef X
};

struct sim_monitoring_config {
#define X(key, ...) uint32_t key;
    SIM_MONITORING_NUMBERS(X)
#undef X
#define X(key, ...) uint32_t key[2];
    SIM_MONITORING_RANGES(X)
#undef X
#define X(key, ...) bool key;
    SIM_MONITORING_FLAGS(X)
#undef X
    unsigned types;  /* a set of MONITORING_TYPE_BIT; 0 = all */
    const char *apn; /* NULL: not told */
};

struct sim_as {
    struct scef_as as;
    const char *callback_url; /* for resources that name no notificationDestination; NULL: they must */
};

struct sim_config {
    struct sim_raw *raw; /* owns the texts that are not said to be freed one by one */
    struct sim_address listen;
    char *link_root;    /* NULL: from listen */
    const char *prefix; /* NULL: none */
    const struct t8_dialect *dialect;
    const char *nef_id;         /* NULL: as the model has it */
    const char *websocket_root; /* NULL: from link_root or listen */
    struct tls_files tls, callback_tls;
    struct {
        char *client_id, *client_secret; /* NULL: nobody needs a token */
        uint32_t token_lifetime_s;
    } oauth;
    enum sim_duplicate_create duplicate_create;
    enum t8_pdn_option pdn_option; /* UNSET: as the model has it */
    struct t8_features features[T8_API_COUNT];
    struct sim_as *scs_as; /* none: everybody is known */
    size_t scs_as_count;
    struct sim_triggering_config triggering;
    struct sim_monitoring_config monitoring;
#define X(key, ...) uint64_t key;
    SIM_NUMBERS(X)
#undef X
#define X(key, ...) bool key;
    SIM_FLAGS(X)
#undef X
    struct sim_ue_config *ues; /* `count` is already multiplied out */
    size_t ue_count;
};

/* "262-01": MCC and MNC (TS 23.003 clause 12.1). */
bool sim_plmn_parse(const char *text, struct scef_plmn *out);

/* Mistakes are appended to `errors`: ERR_CONFIG, and nothing to free. */
[[gnu::warn_unused_result]] enum error sim_config_load(const char *file, struct sim_config *out, struct buf *errors);
void sim_config_free(struct sim_config *c);
/* Every key with its default and its meaning, as a commented configuration. */
void sim_config_help(FILE *out);

#endif
