/* What the files of the SCEF's side share. Not for other folders. */
#ifndef T8_SCEF_SERVER_INTERNAL_H
#define T8_SCEF_SERVER_INTERNAL_H

#include "t8/scef_server.h"

struct scef_operation;

/* One request on its way through the server. */
struct scef_call {
    const struct scef_server *server;
    struct http_exchange *x;
    const struct scef_operation *operation;
    struct scef_path path;
};

/* A row of an API's table. */
struct scef_operation {
    enum t8_operation id;
    const char *path; /* below the scsAsId; '*' is an identifier: a collection ends without one */
    enum scef_body shows;
    void (*fn)(const struct scef_call *c);
};
struct scef_api {
    const struct scef_operation *operations;
    size_t count;
};
extern const struct scef_api scef_nidd_api;
extern const struct scef_api scef_triggering_api;
extern const struct scef_api scef_monitoring_api;

static inline const struct t8_dialect *scef_dialect(const struct scef_server *s)
{
    return s->dialect ? s->dialect : t8_dialect_at(0);
}
static inline struct bytes scef_call_body(const struct scef_call *c)
{
    return http_exchange_request(c->x)->body;
}
static inline struct scef_reply scef_call_begin(const struct scef_call *c)
{
    return (struct scef_reply){.body = c->operation->shows};
}

/* The body of a POST or PUT, in *memory with a notificationDestination if it has none and the SCS/AS has a usual one.
 */
struct bytes scef_call_body_completed(const struct scef_call *c, struct buf *memory);

/* Each of these answers. */
void scef_call_reply(const struct scef_call *c, struct scef_reply *a);
void scef_call_list(const struct scef_call *c, scef_next_fn next);
/* A body that its decoder has refused. `mandatory`, which ends with NULL, are the pointers of the members that must be
 * there: what is wrong with another is told as OPTIONAL_IE_INCORRECT (TS 29.500 clause 5.2.7.2). */
void scef_call_malformed(const struct scef_call *c, const struct t8_problem *p, const char *const mandatory[]);

/* A URI that notifications can be posted to: http or https with a host, and without userinfo, query and fragment (TS
 * 29.122 clause 5.2.4.3). Otherwise the call is answered. Empty is fine. */
bool scef_call_destination_ok(const struct scef_call *c, struct bytes destination);

/* scef_reply.c */
void scef_reply_render(const struct scef_server *s, struct http_exchange *x, enum t8_operation operation,
                       struct scef_reply *a);
/* `body` is an array that is there already. */
void scef_reply_render_array(const struct scef_server *s, struct http_exchange *x, struct buf *body);
[[gnu::warn_unused_result]] enum error scef_reply_encode(const struct scef_server *s, const struct scef_reply *a,
                                                         struct buf *out);
/* `allow` may be NULL. */
void scef_reply_problem(const struct scef_server *s, struct http_exchange *x, const struct t8_problem *p,
                        const char *allow);
struct t8_problem scef_problem_of_status(int http_status);

#endif
