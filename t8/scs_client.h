/* Our role as SCS/AS, outgoing: requests of the NIDD API to one SCEF.
 *
 * Links in results are compact (t8_link_compact): "/as1/configurations/c7" as a rule. They are what the requests here
 * take, and no host but api_root's and the allowed ones is ever contacted for one.
 *
 * A SCEF that does not work is left alone for a while (t8/breaker.h), one that is overloaded gets fewer submissions
 * (t8/overload.h): what is held back for that is refused with ERR_UNREACHABLE at once. 307 and 308 are followed. */
#ifndef T8_SCS_CLIENT_H
#define T8_SCS_CLIENT_H

#include "t8/breaker.h"
#include "t8/http_client.h"
#include "t8/nidd.h"
#include "t8/nidd_configuration_patch.h"
#include "t8/oauth.h"

struct scs_client;

struct scs_client_options {
    const char *api_root; /* "http://127.0.0.1:8080", may hold a path */
    const char *api_name; /* "3gpp-nidd" */
    const char *scs_as_id;
    struct http_client_options http;
    const struct oauth_options *oauth; /* NULL: requests carry no token */
    struct breaker_options breaker;    /* failures 0: none */
    const char *const *allowed_hosts;  /* for redirects and links, as in t8_link_base; outlive the client */
    size_t allowed_host_count;
    uint64_t configuration_duration_ms; /* what is asked for, from the creation on; 0 = for ever */
};

/* A list of configurations may be long: its own bound. */
#define SCS_LIST_MAX_BYTES (64u << 20)

struct scs_client_sink {
    void *ctx;
    void (*configuration_result)(void *ctx, uint64_t ref, const struct nidd_configuration_result *r);
    void (*submit_result)(void *ctx, uint64_t ref, const struct nidd_submit_result *r);
    /* scs_configuration_list: each configuration, then the end (a result without a link). */
    void (*configuration_found)(void *ctx, uint64_t ref, const struct nidd_configuration_found *f);
    void (*configuration_listed)(void *ctx, uint64_t ref, const struct nidd_configuration_result *r);
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
/* After ERR_UNREACHABLE from one of the calls below: in how many seconds it is worth another try. */
uint32_t scs_client_wait_s(const struct scs_client *c);

/* Each answers exactly once through the sink, never from inside the call; an error returned here means it will not:
 * ERR_UNREACHABLE when it is held back (above), ERR_UNKNOWN_CONFIGURATION for a link that is none, ERR_IDENTITY,
 * ERR_MEMBER_*, ERR_NO_MEMORY, ERR_DRAINING. Slices are copied; those in a result are good during the call of the sink.
 */
[[gnu::warn_unused_result]] enum error scs_configuration_create(struct scs_client *c, uint64_t ref,
                                                                struct t8_identity id,
                                                                const char *notification_destination);
[[gnu::warn_unused_result]] enum error scs_configuration_get(struct scs_client *c, uint64_t ref, struct bytes link);
[[gnu::warn_unused_result]] enum error scs_configuration_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                                                               const struct nidd_configuration_patch *p);
[[gnu::warn_unused_result]] enum error scs_configuration_list(struct scs_client *c, uint64_t ref);
[[gnu::warn_unused_result]] enum error scs_configuration_delete(struct scs_client *c, uint64_t ref, struct bytes link);
/* maximum_latency_s is always sent: absent would mean "the SCEF's policy". */
[[gnu::warn_unused_result]] enum error scs_downlink_submit(struct scs_client *c, uint64_t ref,
                                                           struct bytes configuration_link, struct t8_identity id,
                                                           struct bytes data, uint32_t maximum_latency_s);

#endif
