/* JSON Patch (RFC 6902), by which monitoring subscriptions are patched (TS 29.122 clause 5.3.3.3). */
#ifndef T8_JSON_PATCH_H
#define T8_JSON_PATCH_H

#include "t8/common.h"

/* Appends to out what the patch makes of the document, all of it or, on an error, nothing. ERR_NOT_JSON, ERR_TOO_DEEP,
 * ERR_TOO_LARGE (copies included), ERR_NO_MEMORY; ERR_MEMBER_MISSING and ERR_MEMBER_TYPE: *p, which may be NULL, says
 * what is wrong with which item. A test that fails is ERR_MEMBER_TYPE. */
[[gnu::warn_unused_result]] enum error t8_json_patch(struct bytes document, struct bytes patch, struct buf *out,
                                                     struct t8_problem *p);

#endif
