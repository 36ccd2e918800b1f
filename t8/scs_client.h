/* Our role as SCS/AS, outgoing: all requests of the NIDD API, of device triggering and of monitoring events to one SCEF
 * (TS 29.122 clauses 5.6.3, 5.7.3 and 5.3.3).
 *
 * Links in results are compact (t8_link_compact): "/as1/configurations/c7" as a rule. They are what the requests here
 * take, and no host but api_root's and the allowed ones is ever contacted for one.
 *
 * A SCEF that does not work is left alone for a while (t8/breaker.h), one that is overloaded gets fewer submissions
 * (t8/overload.h): what is held back for that is refused with ERR_UNREACHABLE at once. 307 and 308 are followed. */
#ifndef T8_SCS_CLIENT_H
#define T8_SCS_CLIENT_H

#include "t8/breaker.h"
#include "t8/device_triggering.h"
#include "t8/dialect.h"
#include "t8/http_client.h"
#include "t8/monitoring.h"
#include "t8/nidd.h"
#include "t8/nidd_configuration_patch.h"
#include "t8/nidd_rds.h"
#include "t8/oauth.h"

struct scs_client;

struct scs_client_options {
    const char *name;     /* of the SCEF, in the log; outlives the client; NULL: none */
    const char *api_root; /* "http://127.0.0.1:8080", may hold a path */
    const char *scs_as_id;
    const struct t8_dialect *dialect; /* NULL: 3gpp */
    const char *api_name;             /* of NIDD, "3gpp-nidd"; NULL: the dialect's */
    const char *triggering_api_name;  /* NULL: the dialect's */
    const char *monitoring_api_name;  /* NULL: the dialect's */
    struct http_client_options http;
    const struct oauth_options *oauth; /* NULL: requests carry no token */
    struct breaker_options breaker;    /* failures 0: none */
    const char *const *allowed_hosts;  /* for redirects and links, as in t8_link_base; outlive the client */
    size_t allowed_host_count;
    uint64_t configuration_duration_ms; /* what is asked for, from the creation on; 0 = for ever */
};

/* A list may be long: its own bound. */
#define SCS_LIST_MAX_BYTES (64u << 20)

/* What a request came to that is none of the first three kinds below. */
struct scs_result {
    enum t8_operation operation;
    int http_status; /* 0 = no answer */
    bool not_sent;   /* with 0: nothing of it left us */
    enum t8_cause cause;
    struct bytes cause_text, detail;      /* of an error, as they came; empty: not told */
    uint32_t retry_after_s;               /* 0 = not told */
    uint64_t requested_retransmission_ms; /* absolute UTC; 0 = not told */
    unsigned supported_ue_formats;        /* a set of formats (t8/nidd_rds.h), of a port's 500; 0 = not told */
    struct bytes link;                    /* of the resource, after a 2xx: compact; empty: none told, or a list */
    enum scs_shows {
        SCS_SHOWS_NOTHING,
        SCS_SHOWS_DELIVERY,
        SCS_SHOWS_PORT,
        SCS_SHOWS_TRANSACTION,
        SCS_SHOWS_SUBSCRIPTION,
        SCS_SHOWS_REPORTS /* of monitoring, at once: no resource was made, or the last ones of one that is gone */
    } shows;
    union {
        const void *resource;
        const struct nidd_downlink *delivery;
        const struct nidd_managed_port *port;
        const struct device_triggering *transaction;
        const struct monitoring_subscription *subscription;
        const struct monitoring_reports *reports;
    };
};

/* A function may be NULL for what is never asked. */
struct scs_client_sink {
    void *ctx;
    /* scs_configuration_create, _create_with, _get, _patch, _delete */
    void (*configuration_result)(void *ctx, uint64_t ref, const struct nidd_configuration_result *r);
    /* scs_downlink_submit, _submit_with */
    void (*submit_result)(void *ctx, uint64_t ref, const struct nidd_submit_result *r);
    /* scs_configuration_list: each configuration, then the end (a result without a link). */
    void (*configuration_found)(void *ctx, uint64_t ref, const struct nidd_configuration_found *f);
    void (*configuration_listed)(void *ctx, uint64_t ref, const struct nidd_configuration_result *r);
    /* All others. Of a list first each resource by `item`, then the end by `result`. */
    void (*item)(void *ctx, uint64_t ref, const struct scs_result *r);
    void (*result)(void *ctx, uint64_t ref, const struct scs_result *r);
};

[[gnu::warn_unused_result]] enum error scs_client_new(struct loop *l, const struct scs_client_options *o,
                                                      const struct scs_client_sink *sink, struct scs_client **out);
/* Requests under way are answered (NIDD_SUBMIT_NO_ANSWER, http_status 0) before it returns. Not from inside the sink.
 */
void scs_client_free(struct scs_client *c);
size_t scs_client_in_flight(const struct scs_client *c);

struct scs_client_state {
    enum breaker_state breaker;
    uint64_t breaker_opens;
    uint64_t held_by_breaker, held_by_overload; /* requests refused with ERR_UNREACHABLE */
    uint32_t overload_metric;                   /* per cent, now */
    uint64_t redirects_followed, redirects_refused;
};
void scs_client_state_get(const struct scs_client *c, struct scs_client_state *out);
/* For who connects to the same SCEF by other means (t8/websocket_client.h): where it is and who else is allowed, good
 * as long as the client; and the token for that (oauth_token), or NULL. */
const struct t8_link_base *scs_client_base(const struct scs_client *c);
bool scs_client_has_tokens(const struct scs_client *c);
const char *scs_client_token(struct scs_client *c, bool refused);
/* After ERR_UNREACHABLE from one of the calls below: in how many seconds it is worth another try. */
uint32_t scs_client_wait_s(const struct scs_client *c);

/* Each answers exactly once through the sink, never from inside the call; an error returned here means it will not:
 * ERR_UNREACHABLE when it is held back (above), ERR_UNKNOWN_CONFIGURATION for a link that is none, ERR_NOT_OFFERED for
 * an operation that the dialect does not have, ERR_IDENTITY, ERR_MEMBER_*, ERR_NO_MEMORY, ERR_DRAINING. Slices are
 * copied; those in a result are good during the call of the sink. Members that only a SCEF writes are left out. */
[[gnu::warn_unused_result]] enum error scs_configuration_create(struct scs_client *c, uint64_t ref,
                                                                struct t8_identity id,
                                                                const char *notification_destination);
/* The whole of it: a group, ports, features, a test notification, a WebSocket, one delivery at once (whose end comes as
 * a notification only; not for a group). Its duration is what is asked for, 0 for ever. */
[[gnu::warn_unused_result]] enum error scs_configuration_create_with(struct scs_client *c, uint64_t ref,
                                                                     const struct nidd_configuration *wanted);
[[gnu::warn_unused_result]] enum error scs_configuration_get(struct scs_client *c, uint64_t ref, struct bytes link);
[[gnu::warn_unused_result]] enum error scs_configuration_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                                                               const struct nidd_configuration_patch *p);
[[gnu::warn_unused_result]] enum error scs_configuration_list(struct scs_client *c, uint64_t ref);
[[gnu::warn_unused_result]] enum error scs_configuration_delete(struct scs_client *c, uint64_t ref, struct bytes link);
/* maximum_latency_s is always sent: absent would mean "the SCEF's policy". */
[[gnu::warn_unused_result]] enum error scs_downlink_submit(struct scs_client *c, uint64_t ref,
                                                           struct bytes configuration_link, struct t8_identity id,
                                                           struct bytes data, uint32_t maximum_latency_s);
/* The whole of it: to a group, by RDS, with a priority. */
[[gnu::warn_unused_result]] enum error scs_downlink_submit_with(struct scs_client *c, uint64_t ref,
                                                                struct bytes configuration_link,
                                                                const struct nidd_downlink *d);

/* ---- deliveries that are pending. PUT and DELETE need NIDD_FEATURE_MODIFICATION, PATCH NIDD_FEATURE_PATCH. */
[[gnu::warn_unused_result]] enum error scs_delivery_list(struct scs_client *c, uint64_t ref,
                                                         struct bytes configuration_link);
[[gnu::warn_unused_result]] enum error scs_delivery_get(struct scs_client *c, uint64_t ref, struct bytes link);
[[gnu::warn_unused_result]] enum error scs_delivery_put(struct scs_client *c, uint64_t ref, struct bytes link,
                                                        const struct nidd_downlink *d);
[[gnu::warn_unused_result]] enum error scs_delivery_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                                                          const struct nidd_downlink_patch *p);
[[gnu::warn_unused_result]] enum error scs_delivery_delete(struct scs_client *c, uint64_t ref, struct bytes link);

/* ---- ports of the Reliable Data Service (NIDD_FEATURE_RDS_DYNAMIC_PORTS). 202: the result comes as a notification. */
[[gnu::warn_unused_result]] enum error scs_port_list(struct scs_client *c, uint64_t ref,
                                                     struct bytes configuration_link);
[[gnu::warn_unused_result]] enum error scs_port_get(struct scs_client *c, uint64_t ref, struct bytes configuration_link,
                                                    struct t8_rds_port port);
[[gnu::warn_unused_result]] enum error scs_port_put(struct scs_client *c, uint64_t ref, struct bytes configuration_link,
                                                    struct t8_rds_port port, const struct nidd_managed_port *m);
[[gnu::warn_unused_result]] enum error scs_port_delete(struct scs_client *c, uint64_t ref,
                                                       struct bytes configuration_link, struct t8_rds_port port);

/* ---- device triggering */
[[gnu::warn_unused_result]] enum error scs_transaction_list(struct scs_client *c, uint64_t ref);
[[gnu::warn_unused_result]] enum error scs_transaction_create(struct scs_client *c, uint64_t ref,
                                                              const struct device_triggering *t);
[[gnu::warn_unused_result]] enum error scs_transaction_get(struct scs_client *c, uint64_t ref, struct bytes link);
[[gnu::warn_unused_result]] enum error scs_transaction_put(struct scs_client *c, uint64_t ref, struct bytes link,
                                                           const struct device_triggering *t);
[[gnu::warn_unused_result]] enum error scs_transaction_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                                                             const struct device_triggering_patch *p);
[[gnu::warn_unused_result]] enum error scs_transaction_delete(struct scs_client *c, uint64_t ref, struct bytes link);

/* ---- monitoring events */
[[gnu::warn_unused_result]] enum error scs_subscription_list(struct scs_client *c, uint64_t ref);
[[gnu::warn_unused_result]] enum error scs_subscription_create(struct scs_client *c, uint64_t ref,
                                                               const struct monitoring_subscription *s);
[[gnu::warn_unused_result]] enum error scs_subscription_get(struct scs_client *c, uint64_t ref, struct bytes link);
[[gnu::warn_unused_result]] enum error scs_subscription_put(struct scs_client *c, uint64_t ref, struct bytes link,
                                                            const struct monitoring_subscription *s);
[[gnu::warn_unused_result]] enum error scs_subscription_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                                                              const struct monitoring_patch *p);
[[gnu::warn_unused_result]] enum error scs_subscription_delete(struct scs_client *c, uint64_t ref, struct bytes link);

#endif
