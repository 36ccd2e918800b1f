/* The table of routes: which server a message of a device goes to when neither an exchange nor an observation has
 * decided that (docs/architecture.md). Pure, and of the table only: what is remembered of devices is the engine's.
 *
 * The kinds of matches, most specific first: RDS ports; Uri-Host and Uri-Port; bootstrap; DTLS; External Identifier. A
 * route comes before another one when it has a match of a more specific kind, or all the same and one kind more; among
 * those of the same kinds the narrower one comes first: two ports before one, then the longer pattern. */
#ifndef NIDD_ROUTE_H
#define NIDD_ROUTE_H

#include "nidd/engine.h"

struct route_table;

/* ERR_MEMBER_TYPE: a route has both a domain and a pattern, or one that is longer than an identifier. */
[[gnu::warn_unused_result]] enum error route_table_new(const struct engine_route *routes, size_t count,
                                                       struct route_table **out);
void route_table_free(struct route_table *t); /* NULL is fine */
/* The same routes and one more, which has the next number; on an error nothing has changed. */
[[gnu::warn_unused_result]] enum error route_table_add(struct route_table *t, const struct engine_route *r);

/* What is wrong with a table; `first` and `second` are the numbers of routes, from 0, in the order they were given. */
enum route_flaw {
    ROUTE_NEVER_MATCHES, /* `first`: its matches contradict each other; `second` is `first` */
    ROUTE_UNREACHABLE,   /* `second`: all that it matches goes by `first` */
    ROUTE_AMBIGUOUS      /* some messages match both, to different servers, and neither is narrower */
};
struct route_finding {
    enum route_flaw flaw;
    size_t first;
    size_t second;
};
/* Writes up to `max` of them; their number, which may be larger. */
size_t route_table_check(const struct route_table *t, struct route_finding *out, size_t max);

/* By the message: a route that names more than an identity. ENGINE_NONE: there is none. `id` is empty for a
 * device without External Identifier. */
struct route_message {
    const struct coap_view *view; /* NULL: DTLS records */
    struct t8_rds_port rds_port;
};
bool route_table_reads_messages(const struct route_table *t); /* else there is no need to ask by message */
uint32_t route_table_by_message(const struct route_table *t, struct bytes id, const struct route_message *m);
/* By the identity alone, or the route that matches everything. ENGINE_NONE: there is none. */
uint32_t route_table_by_identity(const struct route_table *t, struct bytes id);

#endif
