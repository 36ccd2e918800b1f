/* The table of policies: what becomes of a server's request to a device (struct engine_policy). Pure, and of the table
 * only.
 *
 * Of the entries that fit, the one that says most counts: server and device; device; server. Among those of the same
 * kind the longer pattern comes first. */
#ifndef NIDD_POLICY_H
#define NIDD_POLICY_H

#include "nidd/route.h"

struct policy_table;

/* ERR_MEMBER_TYPE: an entry without any match, or with both a domain and a pattern, or one longer than an identifier; a
 * priority above QUEUE_PRIORITY_MAX. */
[[gnu::warn_unused_result]] enum error policy_table_new(const struct engine_downlink *entries, size_t count,
                                                        struct policy_table **out);
void policy_table_free(struct policy_table *t); /* NULL is fine */

/* NULL: no entry fits. `external_id` is empty for a device without one. Valid as long as the table. */
const struct engine_policy *policy_table_find(const struct policy_table *t, uint32_t server, struct bytes external_id);

/* ROUTE_UNREACHABLE and ROUTE_AMBIGUOUS (which two entries of the same policy never are), by the numbers of entries in
 * the order they were given. Writes up to `max` of them; their number, which may be larger. */
size_t policy_table_check(const struct policy_table *t, struct route_finding *out, size_t max);

#endif
