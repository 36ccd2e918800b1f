/* What happens to each request of ours between the caller and the wire: whether it may go at all (circuit breaker,
 * overload control), and where it goes when the SCEF redirects it. Not for other folders.
 *
 * 307 and 308 (TS 29.122 clause 5.2.10): the same method and body again at Location, so often at most, to our own SCEF
 * or an allowed host only. 308 is for good, which `moved` tells. 301, 302 and 303 are not named by the specification
 * and would turn a POST into a GET: like a redirect to a foreign host they are an answer as it is. */
#ifndef T8_SCS_REQUEST_H
#define T8_SCS_REQUEST_H

#include "base/slab.h"
#include "t8/breaker.h"
#include "t8/common.h"
#include "t8/http_client.h"
#include "t8/overload.h"

#define SCS_REDIRECTS_MAX 3

/* The answer, after all redirects; `a` is NULL on error. `moved`: the URL to use from now on instead of the one that
 * was asked; empty = the same. Says whether the SCEF works. */
typedef enum breaker_outcome (*scs_answer_fn)(void *ctx, unsigned tag, uint64_t ref, enum error err,
                                              const struct http_answer *a, struct bytes moved);

struct scs_requests {
    struct loop *loop;
    const char *name; /* in the log; NULL: none */
    const struct t8_link_base *base;
    enum error (*send)(void *ctx, const struct http_request_options *r, http_answer_fn fn, void *fn_ctx, uint64_t ref);
    scs_answer_fn answered;
    void *ctx; /* of both */
    struct breaker breaker;
    struct overload overload;
    struct slab pending;
    struct buf url;
    uint64_t wait_ms; /* after a refusal: when to ask again */
    uint64_t held_by_breaker, held_by_overload, redirects_followed, redirects_refused;
    uint64_t refusal_logged_ms;
};

void scs_requests_init(struct scs_requests *q);
/* After the HTTP client's end. */
void scs_requests_free(struct scs_requests *q);
struct scs_request {
    struct http_request_options http;
    const char *other_type; /* the same once more with this media type after a 415; a literal; NULL: no */
    bool thin;              /* overload control applies to it */
    unsigned tag;           /* comes back with the answer, like ref */
    uint64_t ref;
};
/* ERR_UNREACHABLE: held back, wait_ms says how long. */
[[gnu::warn_unused_result]] enum error scs_requests_send(struct scs_requests *q, const struct scs_request *r);

#endif
