/* The SCEF role's HTTP side (the simulator's): the NIDD API's requests parsed and handed on, answers rendered.
 * TS 29.122 clause 5.6.3. */
#ifndef T8_SCEF_SERVER_H
#define T8_SCEF_SERVER_H

#include "t8/http_server.h"
#include "t8/nidd.h"
#include "t8/nidd_configuration_patch.h"

/* What the model behind says to a request; the server renders status, Location, body and media type from it. With 201
 * the Location is the path of the resource's `self`, which may be absolute or a path. Slices must be good during the
 * call. */
struct scef_configuration_answer {
    enum error err;  /* OK, or ERR_NOT_FOUND etc. */
    int http_status; /* 201, 200, 204 when OK; or an error status that overrides err's; 0: err's */
    enum t8_cause cause;
    struct nidd_configuration configuration;
};
struct scef_downlink_answer {
    int http_status; /* 200, 201, or an error's */
    enum t8_cause cause;
    uint32_t retry_after_s;
    struct nidd_downlink downlink; /* for 200 and 201 */
    uint64_t requested_retransmission_ms;
};

struct scef_server_sink {
    void *ctx;
    const char *base_path; /* "{prefix}/{apiName}/v1", without '/' at the end; NULL: "/3gpp-nidd/v1" */
    void (*configuration_create)(void *ctx, struct bytes scs_as_id, const struct nidd_configuration *c,
                                 struct scef_configuration_answer *a);
    void (*configuration_get)(void *ctx, struct bytes scs_as_id, struct bytes configuration_id,
                              struct scef_configuration_answer *a);
    void (*configuration_delete)(void *ctx, struct bytes scs_as_id, struct bytes configuration_id,
                                 struct scef_configuration_answer *a);
    /* These two may be NULL: 405 then. The configurations of an SCS/AS, from *cursor = 0 on; false at the end. */
    bool (*configuration_next)(void *ctx, struct bytes scs_as_id, uint64_t *cursor, struct nidd_configuration *c);
    void (*configuration_patch)(void *ctx, struct bytes scs_as_id, struct bytes configuration_id,
                                const struct nidd_configuration_patch *p, struct scef_configuration_answer *a);
    /* Answered later, by scef_server_downlink_answer with the same x: the radio takes its time. */
    void (*downlink)(void *ctx, struct http_exchange *x, struct bytes scs_as_id, struct bytes configuration_id,
                     const struct nidd_downlink *d);
};

/* The handler for a request whose path begins with base_path; anything else is 404. Identifiers from the path reach the
 * sink decoded, slices are good during the call. Strict: what TS 29.122 does not allow is 400 with the offender named.
 */
void scef_server_handle(const struct scef_server_sink *sink, struct http_exchange *x);
void scef_server_downlink_answer(struct http_exchange *x, const struct scef_downlink_answer *a);

#endif
