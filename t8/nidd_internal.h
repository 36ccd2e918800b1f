/* The kinds of notification, read from one parsed object, and tables that several files use. Not for other folders. */
#ifndef T8_NIDD_INTERNAL_H
#define T8_NIDD_INTERNAL_H

#include "t8/json_fields.h"
#include "t8/nidd_notification.h"

[[gnu::warn_unused_result]] enum error nidd_uplink_read(const struct t8_json_object *o, struct nidd_uplink *out,
                                                        struct t8_problem *p);
[[gnu::warn_unused_result]] enum error
nidd_delivery_status_read(const struct t8_json_object *o, struct nidd_delivery_status *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error nidd_configuration_status_read(const struct t8_json_object *o,
                                                                      struct nidd_configuration_status *out,
                                                                      struct t8_problem *p);

/* A delivery inside another object: reads into the zeroed *out (release it after an error too), writes the members. */
[[gnu::warn_unused_result]] enum error nidd_downlink_read(const struct t8_json_object *o, enum t8_json_rule rule,
                                                          struct nidd_downlink *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error nidd_downlink_put(struct t8_json_writer *w, const struct nidd_downlink *d);

[[gnu::warn_unused_result]] enum error nidd_configuration_put(struct t8_json_writer *w,
                                                              const struct nidd_configuration *c);
[[gnu::warn_unused_result]] enum error nidd_uplink_put(struct t8_json_writer *w, const struct nidd_uplink *u);

/* reliableDataService and rdsPort of an object that is read by hand. */
[[gnu::warn_unused_result]] enum error nidd_rds_read(const struct t8_json_object *o, enum t8_json_rule rule,
                                                     enum t8_flag *reliable, struct t8_rds_port *port,
                                                     struct t8_problem *p);
void nidd_rds_put(struct t8_json_writer *w, enum t8_flag reliable, const struct t8_rds_port *port);

extern const struct t8_words nidd_format_words;
extern const struct t8_fields nidd_managed_port_fields;
extern const struct t8_fields nidd_managed_ports_fields;
extern const struct t8_fields nidd_group_result_fields;
extern const struct t8_fields t8_test_notification_fields;

#endif
