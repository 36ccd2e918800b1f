/* What became of messages to devices: final states, kept for a while (history_ms) for whoever asks. One is stored in
 * the batch that deletes the message's own record, so that a restart finds one of the two, and never tells again of a
 * message that is in its final state. The oldest make room: of a device beyond history_max, of all devices beyond
 * history_total_bytes (of memory). What is kept is what is told of a message, and not the message. */
#ifndef NIDD_HISTORY_H
#define NIDD_HISTORY_H

#include "nidd/internal.h"

/* The message has come to this end; before its record is deleted. */
void history_add(struct engine *e, const struct downlink *m, enum final_state f, const char *reason,
                 enum t8_cause cause);
/* The same for one of which only its answer is left. */
void history_add_answered(struct engine *e, const struct exchange *x, uint64_t seq, uint64_t accepted_ms,
                          enum final_state f, const char *reason);
bool history_has(const struct device *d, uint64_t seq);
void history_timer(struct engine *e, struct timer *t);
void history_forget_device(struct engine *e, struct device *d); /* in memory only, as the next */
void history_free(struct engine *e);

#endif
