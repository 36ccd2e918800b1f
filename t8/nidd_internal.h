/* The kinds of notification, read from one parsed object. Not for other folders. */
#ifndef T8_NIDD_INTERNAL_H
#define T8_NIDD_INTERNAL_H

#include "t8/json_internal.h"
#include "t8/nidd.h"

[[gnu::warn_unused_result]] enum error nidd_uplink_read(const struct t8_json_object *o, struct nidd_uplink *out,
                                                        struct t8_problem *p);
[[gnu::warn_unused_result]] enum error
nidd_delivery_status_read(const struct t8_json_object *o, struct nidd_delivery_status *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error nidd_configuration_status_read(const struct t8_json_object *o,
                                                                      struct nidd_configuration_status *out,
                                                                      struct t8_problem *p);

#endif
