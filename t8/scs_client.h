/* Our role as SCS/AS, outgoing: requests of the NIDD API to one SCEF.
 *
 * Links in results are compact (t8_link_compact): "/as1/configurations/c7" as a rule. They are what the requests here
 * take, and no host but api_root's is ever contacted for one. */
#ifndef T8_SCS_CLIENT_H
#define T8_SCS_CLIENT_H

#include "t8/http_client.h"
#include "t8/nidd.h"
#include "t8/oauth.h"

struct scs_client;

struct scs_client_options {
    const char *api_root; /* "http://127.0.0.1:8080", may hold a path */
    const char *api_name; /* "3gpp-nidd" */
    const char *scs_as_id;
    struct http_client_options http;
    const struct oauth_options *oauth; /* NULL: requests carry no token */
};

struct scs_client_sink {
    void *ctx;
    void (*configuration_result)(void *ctx, uint64_t ref, const struct nidd_configuration_result *r);
    void (*submit_result)(void *ctx, uint64_t ref, const struct nidd_submit_result *r);
};

[[gnu::warn_unused_result]] enum error scs_client_new(struct loop *l, const struct scs_client_options *o,
                                                      const struct scs_client_sink *sink, struct scs_client **out);
/* Requests under way are answered (NIDD_SUBMIT_NO_ANSWER, http_status 0) before it returns. Not from inside the sink.
 */
void scs_client_free(struct scs_client *c);
size_t scs_client_in_flight(const struct scs_client *c);

/* Each answers exactly once through the sink, never from inside the call; an error returned here means it will not:
 * ERR_UNKNOWN_CONFIGURATION for a link that is none, ERR_IDENTITY, ERR_MEMBER_*, ERR_NO_MEMORY, ERR_DRAINING. Slices
 * are copied; those in a result are good during the call of the sink. */
[[gnu::warn_unused_result]] enum error scs_configuration_create(struct scs_client *c, uint64_t ref,
                                                                struct t8_identity id,
                                                                const char *notification_destination);
[[gnu::warn_unused_result]] enum error scs_configuration_get(struct scs_client *c, uint64_t ref, struct bytes link);
[[gnu::warn_unused_result]] enum error scs_configuration_delete(struct scs_client *c, uint64_t ref, struct bytes link);
/* maximum_latency_s is always sent: absent would mean "the SCEF's policy" (t8.md pitfall 5). */
[[gnu::warn_unused_result]] enum error scs_downlink_submit(struct scs_client *c, uint64_t ref,
                                                           struct bytes configuration_link, struct t8_identity id,
                                                           struct bytes data, uint32_t maximum_latency_s);

#endif
