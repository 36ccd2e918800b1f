/* Read from one parsed object. Not for other folders. */
#ifndef T8_CONFIGURATION_TRIGGER_INTERNAL_H
#define T8_CONFIGURATION_TRIGGER_INTERNAL_H

#include "t8/configuration_trigger.h"
#include "t8/json_fields.h"

[[gnu::warn_unused_result]] enum error nidd_configuration_trigger_read(const struct t8_json_object *o,
                                                                       struct nidd_configuration_trigger *out,
                                                                       struct t8_problem *p);

#endif
