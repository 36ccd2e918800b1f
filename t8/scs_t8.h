/* T8 as the SCS/AS speaks it: a row an operation, one file an API. Not for other folders. */
#ifndef T8_SCS_T8_H
#define T8_SCS_T8_H

#include "t8/scs_protocol.h"

/* A type of resource that is shown in an answer. */
struct scs_t8_type {
    enum scs_shows shows;
    size_t self_offset;
    enum error (*decode)(struct bytes body, void *out);
    void (*release)(void *resource);
};
/* Room for each of them. */
union scs_t8_resource {
    struct nidd_downlink delivery;
    struct nidd_managed_port port;
    struct device_triggering transaction;
    struct monitoring_subscription subscription;
};

struct scs_t8_row {
    enum error (*encode)(const void *input, struct buf *body);                     /* NULL: no body */
    struct scs_meaning (*read)(struct scs_site *s, const struct scs_incoming *in); /* NULL: by `type` */
    const struct scs_t8_type *type;
    const char *below; /* behind the link: "/rds-ports" */
    bool collection;   /* of the API's topmost collection */
    bool list;         /* the answer is an array of `type` */
};
/* Each row of scs_t8_rows is in one of these. */
extern const struct scs_t8_row scs_t8_nidd_rows[T8_TRANSACTION_LIST - T8_CONFIGURATION_LIST];
extern const struct scs_t8_row scs_t8_triggering_rows[T8_SUBSCRIPTION_LIST - T8_TRANSACTION_LIST];
extern const struct scs_t8_row scs_t8_monitoring_rows[T8_OPERATION_COUNT - T8_SUBSCRIPTION_LIST];

#define SCS_T8_DELIVERIES "/downlink-data-deliveries"
#define SCS_T8_PORTS      "/rds-ports"

/* What every answer says: status, cause, times, link. `self` of the resource in it, if any. */
void scs_t8_result(struct scs_site *s, const struct scs_incoming *in, struct bytes self, struct scs_result *out);
/* The compact form of a URL where something has moved to; empty when it is none. */
struct bytes scs_t8_moved(struct scs_site *s, enum t8_operation o, struct bytes url);
/* An answer that shows one resource, or nothing. */
struct scs_meaning scs_t8_read_one(struct scs_site *s, const struct scs_incoming *in, const struct scs_t8_type *type);
static inline bool scs_t8_succeeded(const struct scs_incoming *in)
{
    return in->answer && t8_answer_is_success(in->answer);
}

#endif
