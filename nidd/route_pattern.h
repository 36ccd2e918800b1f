/* Patterns of External Identifiers: '*' stands for any bytes or none, '?' for one byte, all else for itself. Domains
 * are compared without regard to case (TS 23.003 clause 19.7.2): a pattern's letters behind its '@' are made small, and
 * so is the domain of an identifier before it is looked at. */
#ifndef NIDD_ROUTE_PATTERN_H
#define NIDD_ROUTE_PATTERN_H

#include "base/bytes.h"

/* The one way in which patterns that say the same are written: small letters behind the '@', and of neighbouring
 * wildcards the '?' first and one '*'. Appended to `out`. */
void pattern_write_normal(struct bytes pattern, struct buf *out);

/* The pattern of a domain, or the pattern `external_id`, in its normal form; nothing when both are empty.
 * ERR_MEMBER_TYPE: both are given, or one is longer than an identifier. */
[[gnu::warn_unused_result]] enum error pattern_write(struct bytes domain, struct bytes external_id, struct buf *out);

/* All of these take patterns in their normal form. `id` has its domain in small letters. */
bool pattern_matches(struct bytes pattern, struct bytes id);
bool pattern_contains(struct bytes outer, struct bytes inner); /* all that `inner` matches, `outer` does */
bool pattern_overlaps(struct bytes a, struct bytes b);         /* something matches both */
/* < 0 when `a` comes first since it is the narrower one. A pattern that another one contains never comes behind it. */
int pattern_compare(struct bytes a, struct bytes b);

#endif
