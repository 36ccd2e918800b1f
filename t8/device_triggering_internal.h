/* Words and kinds of device triggering that its files share. Not for other folders. */
#ifndef T8_DEVICE_TRIGGERING_INTERNAL_H
#define T8_DEVICE_TRIGGERING_INTERNAL_H

#include "t8/device_triggering.h"
#include "t8/json_fields.h"

extern const struct t8_words device_triggering_priority_words;
extern const struct t8_words device_triggering_result_words;
extern const struct t8_fields device_triggering_report_fields;

#endif
