/* Device triggering at the SCEF (TS 29.122 clauses 4.4.6 and 5.7; TS 23.682 clause 5.2), pure: an object beside a SCEF
 * model, whose subscribers, SMS service and notifications it uses.
 *
 *   PENDING --SMS sent--> ON THE RADIO --> FINISHED, with a delivery report, --> forgotten
 *      | \--validity over: EXPIRED--------------^
 *      | recalled: gone
 *
 * A trigger can be replaced, changed and recalled only while it is pending. Those of one UE go one after another, with
 * PRIORITY first, else as they came. One with a validityPeriod of 0 goes now or fails. */
#ifndef SIM_SCEF_TRIGGERING_H
#define SIM_SCEF_TRIGGERING_H

#include "sim/scef_model.h"
#include "t8/device_triggering.h"

struct scef_triggering;

struct scef_triggering_options {
    uint64_t seed;
    const char *link_root;      /* "/3gpp-device-triggering/v1" by default */
    const char *websocket_root; /* what a websocketUri begins with, before the resource's path; NULL = none offered */
    enum t8_id_style ids;       /* PLAIN: "t1" */
    uint64_t features;          /* offered: all by default */
    /* 0..1 each: the SMS arrives but its report does not; the SMS service refuses it; it fails and does not say why. */
    double unconfirmed, failure, unknown;
    uint32_t max_validity_s; /* a longer validityPeriod is cut to it; 0 = any */
    uint32_t remember_s;     /* how long a finished transaction can still be read: 3600 by default */
    struct scef_limit quota; /* triggers of one SCS/AS: beyond it 403 QUOTA_EXCEEDED with Retry-After */
    struct scef_limit rate;  /* likewise 429 */
};
void scef_triggering_options_default(struct scef_triggering_options *o);

/* Texts are copied. `m` must outlive it, and gets no input but scef_model_free after scef_triggering_free. */
[[gnu::warn_unused_result]] enum error scef_triggering_new(const struct scef_triggering_options *o,
                                                           struct scef_model *m, uint64_t now_ms,
                                                           struct scef_triggering **out);
void scef_triggering_free(struct scef_triggering *t);

/* T8 requests. *out is filled when the status is 200 or 201, and borrows until the model's next input: not to be
 * released. The API names no causes of its own (table 5.7.5.3-1). Besides what is said below:
 *   400 what invalid_param names    404 no such SCS/AS or transaction    503 no memory */

/* 201 with TRIGGERED; 403 not this SCS/AS's user, or QUOTA_EXCEEDED; 404 UE_NOT_FOUND; 429. */
struct scef_answer scef_triggering_create(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                          const struct device_triggering *asked, struct device_triggering *out);
/* 200. deliveryResult is the last one told. */
struct scef_answer scef_triggering_get(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                       struct bytes transaction_id, struct device_triggering *out);
/* Is this the websocketUri of a transaction? */
bool scef_triggering_websocket_known(const struct scef_triggering *t, struct bytes uri);
/* The transactions of an SCS/AS, one after another from *cursor = 0 on; false at the end. */
bool scef_triggering_next(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id, uint64_t *cursor,
                          struct device_triggering *out);
/* PUT, PATCH (by feature 3 only, else 403 OPERATION_PROHIBITED): 200 with REPLACED; validity counts anew. DELETE: 200
 * with TERMINATE, and the transaction is gone. All: 409 SENDING while it is on the radio, 404 when it is finished, with
 * ALREADY_DELIVERED if so, as NIDD has it for its deliveries. The user must stay: 400. */
struct scef_answer scef_triggering_replace(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                           struct bytes transaction_id, const struct device_triggering *asked,
                                           struct device_triggering *out);
struct scef_answer scef_triggering_patch(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                         struct bytes transaction_id, const struct device_triggering_patch *p,
                                         struct device_triggering *out);
struct scef_answer scef_triggering_recall(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                          struct bytes transaction_id, struct device_triggering *out);

/* Loses all transactions, silently. */
void scef_triggering_restart(struct scef_triggering *t, uint64_t now_ms);

void scef_triggering_wake(struct scef_triggering *t, uint64_t now_ms);
/* O(1); UINT64_MAX: nothing to do. Inputs of the SCEF model may make it earlier. */
uint64_t scef_triggering_next_wake(const struct scef_triggering *t);

struct scef_triggering_totals {
    uint64_t transactions; /* now, finished ones included */
    uint64_t pending;      /* now */
    uint64_t accepted;     /* each ends by a report, a recall or a restart */
    uint64_t recalled;
    uint64_t success, failure, unknown, expired, unconfirmed; /* reports */
};
const struct scef_triggering_totals *scef_triggering_totals_of(const struct scef_triggering *t);

#endif
