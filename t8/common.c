/* The words of the enums (TS 29.122 clauses 5.6.2.3 and 5.6.5.3) and what older releases called them. */
#include "t8/json_internal.h"

#include <string.h>

static bool is(struct bytes word, const char *name)
{
    return word.len == strlen(name) && memcmp(word.data, name, word.len) == 0;
}

static bool begins(struct bytes word, const char *name)
{
    size_t len = strlen(name);
    return word.len >= len && memcmp(word.data, name, len) == 0;
}

/* ---- PdnEstablishmentOptions */

static const char *const pdn_options[] = {
    [T8_PDN_UNSET] = "",
    [T8_PDN_WAIT_FOR_UE] = "WAIT_FOR_UE",
    [T8_PDN_INDICATE_ERROR] = "INDICATE_ERROR",
    [T8_PDN_SEND_TRIGGER] = "SEND_TRIGGER",
};

enum t8_pdn_option t8_pdn_option_parse(struct bytes word)
{
    for (int i = T8_PDN_WAIT_FOR_UE; i <= T8_PDN_SEND_TRIGGER; i++)
        if (is(word, pdn_options[i]))
            return (enum t8_pdn_option)i;
    return T8_PDN_UNSET;
}

const char *t8_pdn_option_name(enum t8_pdn_option o)
{
    return pdn_options[o];
}

/* ---- NiddStatus */

static const char *const nidd_statuses[] = {
    [T8_NIDD_STATUS_UNSET] = "",
    [T8_NIDD_ACTIVE] = "ACTIVE",
    [T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED] = "TERMINATED_UE_NOT_AUTHORIZED",
    [T8_NIDD_TERMINATED] = "TERMINATED",
    [T8_NIDD_RDS_PORT_UNKNOWN] = "RDS_PORT_UNKNOWN",
    [T8_NIDD_STATUS_OTHER] = "",
};

enum t8_nidd_status t8_nidd_status_parse(struct bytes word)
{
    if (word.len == 0)
        return T8_NIDD_STATUS_UNSET;
    for (int i = T8_NIDD_ACTIVE; i < T8_NIDD_STATUS_OTHER; i++)
        if (is(word, nidd_statuses[i]))
            return (enum t8_nidd_status)i;
    if (is(word, "TERMINATE")) /* what the text of clause 5.6.3.3 says a DELETE answers */
        return T8_NIDD_TERMINATED;
    return T8_NIDD_STATUS_OTHER;
}

const char *t8_nidd_status_name(enum t8_nidd_status s)
{
    return nidd_statuses[s];
}

/* ---- DeliveryStatus */

static const char *const delivery_statuses[] = {
    [T8_DELIVERY_UNSET] = "",
    [T8_DELIVERY_SUCCESS] = "SUCCESS",
    [T8_DELIVERY_SUCCESS_NEXT_HOP_ACKNOWLEDGED] = "SUCCESS_NEXT_HOP_ACKNOWLEDGED",
    [T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED] = "SUCCESS_NEXT_HOP_UNACKNOWLEDGED",
    [T8_DELIVERY_SUCCESS_ACKNOWLEDGED] = "SUCCESS_ACKNOWLEDGED",
    [T8_DELIVERY_SUCCESS_UNACKNOWLEDGED] = "SUCCESS_UNACKNOWLEDGED",
    [T8_DELIVERY_OTHER_SUCCESS] = "",
    [T8_DELIVERY_TRIGGERED] = "TRIGGERED",
    [T8_DELIVERY_BUFFERING] = "BUFFERING",
    [T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE] = "BUFFERING_TEMPORARILY_NOT_REACHABLE",
    [T8_DELIVERY_SENDING] = "SENDING",
    [T8_DELIVERY_OTHER_PENDING] = "",
    [T8_DELIVERY_FAILURE] = "FAILURE",
    [T8_DELIVERY_FAILURE_RDS_DISABLED] = "FAILURE_RDS_DISABLED",
    [T8_DELIVERY_FAILURE_NEXT_HOP] = "FAILURE_NEXT_HOP",
    [T8_DELIVERY_FAILURE_TIMEOUT] = "FAILURE_TIMEOUT",
    [T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE] = "FAILURE_TEMPORARILY_NOT_REACHABLE",
    [T8_DELIVERY_OTHER_FAILURE] = "",
};

/* Words of the releases before V15.2.0, and what they are today. Some of the failures became HTTP errors.
 */
static const struct {
    const char *word;
    enum t8_delivery_status status;
    enum t8_cause cause;
    int http_status;
} old_words[] = {
    {"TRIGGERING", T8_DELIVERY_TRIGGERED, T8_CAUSE_NONE, 0},
    {"STOPPED_BUT_TRIGGERING", T8_DELIVERY_OTHER_FAILURE, T8_CAUSE_TRIGGERED, 500},
    {"FAILURE_QUOTA_EXCEEDED", T8_DELIVERY_OTHER_FAILURE, T8_CAUSE_QUOTA_EXCEEDED, 403},
    {"FAILURE_RATE_EXCEEDED", T8_DELIVERY_OTHER_FAILURE, T8_CAUSE_NONE, 429},
    {"FAILURE_DATA_TOO_LARGE", T8_DELIVERY_OTHER_FAILURE, T8_CAUSE_DATA_TOO_LARGE, 403},
    {"FAILURE_TEMORARILY_NOT_REACHABLE", T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE,
     T8_CAUSE_TEMPORARILY_NOT_REACHABLE, 500},
};

enum t8_delivery_status t8_delivery_status_parse(struct bytes word)
{
    if (word.len == 0)
        return T8_DELIVERY_UNSET;
    for (int i = 0; i < (int)(sizeof delivery_statuses / sizeof *delivery_statuses); i++)
        if (is(word, delivery_statuses[i]))
            return (enum t8_delivery_status)i;
    for (size_t i = 0; i < sizeof old_words / sizeof *old_words; i++)
        if (is(word, old_words[i].word))
            return old_words[i].status;
    if (begins(word, "SUCCESS"))
        return T8_DELIVERY_OTHER_SUCCESS;
    return begins(word, "FAILURE") ? T8_DELIVERY_OTHER_FAILURE : T8_DELIVERY_OTHER_PENDING;
}

const char *t8_delivery_status_name(enum t8_delivery_status s)
{
    return delivery_statuses[s];
}

enum t8_cause t8_delivery_status_cause(struct bytes word, int *http_status)
{
    *http_status = 500;
    for (size_t i = 0; i < sizeof old_words / sizeof *old_words; i++) {
        if (is(word, old_words[i].word)) {
            *http_status = old_words[i].http_status;
            return old_words[i].cause;
        }
    }
    switch (t8_delivery_status_parse(word)) {
    case T8_DELIVERY_FAILURE_NEXT_HOP:
        return T8_CAUSE_NEXT_HOP;
    case T8_DELIVERY_FAILURE_TIMEOUT:
        return T8_CAUSE_TIMEOUT;
    case T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE:
        return T8_CAUSE_TEMPORARILY_NOT_REACHABLE;
    default:
        return T8_CAUSE_OTHER;
    }
}

/* ---- causes */

static const struct {
    const char *name;
    int status;
} causes[] = {
    [T8_CAUSE_NONE] = {"", 0},
#define X(name_, status_) [T8_CAUSE_##name_] = {#name_, status_},
    T8_CAUSE_TABLE(X)
#undef X
        [T8_CAUSE_OTHER] = {"", 0},
};

const char *t8_cause_name(enum t8_cause c)
{
    return causes[c].name;
}

int t8_cause_status(enum t8_cause c)
{
    return causes[c].status;
}

enum t8_cause t8_cause_parse(struct bytes name)
{
    if (name.len == 0)
        return T8_CAUSE_NONE;
    for (int i = T8_CAUSE_NONE + 1; i < T8_CAUSE_OTHER; i++)
        if (is(name, causes[i].name))
            return (enum t8_cause)i;
    return T8_CAUSE_OTHER;
}
