/* The simulator's configuration: YAML by libcyaml, checked as a whole, with one line per mistake: FILE:LINE: KEY: what.
 *
 * The keys are the tables below; they make the schema, the checks, the defaults and the help. */
#ifndef SIM_SCEF_SIM_CONFIG_H
#define SIM_SCEF_SIM_CONFIG_H

#include <netinet/in.h>
#include <stdio.h>

#include "base/bytes.h"
#include "t8/tls_files.h"

/* X(key, default, least, most, meaning) */
#define SIM_NUMBERS(X)                                                                                                 \
    X(seed, 1, 0, INT64_MAX, "of all dice")                                                                            \
    X(maximum_packet_size_bits, 10864, 8, 524288, "told to the AS and enforced, both directions")                      \
    X(default_latency_s, 3600, 0, UINT32_MAX, "buffering when maximumLatency is absent; 0 = none")                     \
    X(notification_retries, 5, 0, 1000, "after a callback that failed")                                                \
    X(notification_retry_ms, 1000, 1, 3600000, "the first pause; it doubles")                                          \
    X(notification_timeout_ms, 10000, 1, 3600000, "a callback without an answer has failed")                           \
    X(max_duration_s, 0, 0, UINT32_MAX, "longest lifetime of a configuration; 0 = any")                                \
    X(submit_timeout_ms, 60000, 0, UINT32_MAX, "a slower MT is told as TIMEOUT; 0 = never")

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
#define SIM_FLAGS(X) X(tell_retransmission_time, false, "requestedRetransmissionTime for UEs with a tau_period_s")
#define SIM_UE_FLAGS(X)                                                                                                \
    X(psm, true, "power saving mode: not reachable but for active_time_s after each message")                          \
    X(pdn_connected, true, "at the start; a message of the UE connects it too")                                        \
    X(notify_confirmable, true, "notifications are CON")

/* X(key, meaning): 0 to 1, default 0 */
#define SIM_UE_SHARES(X)                                                                                               \
    X(loss, "of messages, each direction")                                                                             \
    X(duplicate, "of messages that arrive, each direction")

struct sim_address {
    char host[INET6_ADDRSTRLEN];
    uint16_t port;
};
/* "127.0.0.1:7001", "[::1]:7001"; numeric only. */
bool sim_address_parse(const char *text, struct sim_address *out);

enum sim_client { SIM_CLIENT_BUILTIN, SIM_CLIENT_AIR };
enum sim_duplicate_create { SIM_DUPLICATE_REUSE, SIM_DUPLICATE_CONFLICT };

struct sim_ue_config {
    size_t line;                /* of its entry in the file */
    char *external_id, *msisdn; /* NULL or set, not both NULL */
    char *endpoint;
    enum sim_client client;
    struct sim_address air;
    uint32_t delay_ms[2];
#define X(key, ...) uint32_t key;
    SIM_UE_NUMBERS(X)
#undef X
#define X(key, ...) bool key;
    SIM_UE_FLAGS(X)
#undef X
#define X(key, ...) double key;
    SIM_UE_SHARES(X)
#undef X
};

struct sim_config {
    struct sim_address listen;
    char *link_root; /* NULL: from listen */
    struct tls_files tls, callback_tls;
    struct {
        char *client_id, *client_secret; /* NULL: nobody needs a token */
        uint32_t token_lifetime_s;
    } oauth;
    enum sim_duplicate_create duplicate_create;
#define X(key, ...) uint64_t key;
    SIM_NUMBERS(X)
#undef X
#define X(key, ...) bool key;
    SIM_FLAGS(X)
#undef X
    struct sim_ue_config *ues; /* `count` is already multiplied out */
    size_t ue_count;
};

/* Mistakes are appended to `errors`: ERR_CONFIG, and nothing to free. */
[[gnu::warn_unused_result]] enum error sim_config_load(const char *file, struct sim_config *out, struct buf *errors);
void sim_config_free(struct sim_config *c);
/* Every key with its default and its meaning, as a commented configuration. */
void sim_config_help(FILE *out);

#endif
