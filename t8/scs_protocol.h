/* What is sent to a SCEF for each operation, and how its answer is read: one table of functions a kind of API. T8
 * (t8/scs_t8.h) is one; whoever speaks something else gets another. What a request meets on its way (connections, the
 * breaker, overload, redirects, tokens) is t8/scs_client.c's and knows nothing of this. Not for other folders. */
#ifndef T8_SCS_PROTOCOL_H
#define T8_SCS_PROTOCOL_H

#include "t8/dialect.h"
#include "t8/scs_client.h"

/* Where one SCEF's resources are. */
struct scs_site {
    const struct t8_dialect *dialect;
    struct buf root; /* what the bases' origin and some more point into */
    struct scs_site_api {
        struct t8_link_base base;
        struct buf path;       /* of base.api_path */
        struct buf collection; /* URL of its topmost collection, with a NUL; as configured, or where a 308 led */
        struct buf configured; /* the same as configured, without the NUL */
    } apis[T8_API_COUNT];
    /* Used during one call each, kept for their memory. */
    struct buf link;
    struct buf moved;
};

struct scs_call {
    enum t8_operation operation;
    struct bytes link;       /* compact, of what it is about; empty for an operation of the topmost collection */
    struct t8_rds_port port; /* of an operation of one port, `link` is the configuration's */
    const void *input;       /* what is sent, by operation; NULL: nothing */
};

/* The request: a URL with a NUL and a body, both begun empty. */
struct scs_outgoing {
    const char *method;
    struct buf *url;
    struct buf *body;
    struct t8_media_types types; /* NULL without a body */
    size_t max_answer_bytes;     /* 0 = the HTTP client's */
};

struct scs_incoming {
    enum t8_operation operation;
    uint64_t ref;
    enum error err;
    const struct t8_answer *answer; /* NULL: none, err says why */
    struct bytes moved;             /* the URL to use from now on instead of the one that was asked; empty: the same */
    const struct scs_client_sink *sink;
};
/* What an answer came to, for who judges whether the SCEF works. */
struct scs_meaning {
    int http_status;
    enum t8_cause cause;
};

struct scs_protocol {
    /* What the calls of t8/scs_client.h tell as errors. */
    enum error (*request)(const struct scs_site *s, const struct scs_call *call, struct scs_outgoing *out);
    /* Reads the answer and tells the sink, exactly once, whatever it is. */
    struct scs_meaning (*answer)(struct scs_site *s, const struct scs_incoming *in);
};

extern const struct scs_protocol scs_t8_protocol;

/* For t8/scs_calls.c. */
[[gnu::warn_unused_result]] enum error scs_client_call(struct scs_client *c, uint64_t ref, const struct scs_call *call);
uint64_t scs_client_configuration_end_ms(const struct scs_client *c); /* 0 = for ever */

#endif
