/* What a peer's T8 looks like on the wire where it is not, or not quite, that of TS 29.122: one row a dialect.
 *
 * The table decides what is WRITTEN, and which requests are made at all. As SCS/AS: the API's names in a URL, the
 * slash behind a collection, the media type of a PATCH, the operations that exist. As SCEF (the simulator): also links,
 * identifiers, members and error codes. Reading needs no dialect: it understands all of them at once.
 *
 *   3gpp        TS 29.122 from Rel-15 to Rel-18. Peers from before V15.2.0 and scripts that send less than they should
 *               work by it too
 *   oracle-8.3  names of a draft, few operations, an error's code in its text
 *   oracle-8.4  the same with the names of TS 29.122
 *   mts         paths for links, `status` for `deliveryStatus`, answers without the data
 *   in          links to a host that only the SCEF's own network knows, both identities in a notification */
#ifndef T8_DIALECT_H
#define T8_DIALECT_H

#include "t8/nidd.h"

enum t8_api { T8_API_NIDD, T8_API_TRIGGERING, T8_API_MONITORING, T8_API_COUNT };

/* Every request of the three APIs (TS 29.122 clauses 5.6.3, 5.7.3, 5.3.3).
 *
 *   X(name, API, resource, method) */
/* clang-format off */
#define T8_OPERATION_TABLE(X)                                              \
    X(CONFIGURATION_LIST, NIDD, "configurations", "GET")                   \
    X(CONFIGURATION_CREATE, NIDD, "configurations", "POST")                \
    X(CONFIGURATION_GET, NIDD, "configuration", "GET")                     \
    X(CONFIGURATION_PATCH, NIDD, "configuration", "PATCH")                 \
    X(CONFIGURATION_DELETE, NIDD, "configuration", "DELETE")               \
    X(DELIVERY_LIST, NIDD, "downlink-data-deliveries", "GET")              \
    X(DELIVERY_CREATE, NIDD, "downlink-data-deliveries", "POST")           \
    X(DELIVERY_GET, NIDD, "downlink-data-delivery", "GET")                 \
    X(DELIVERY_PUT, NIDD, "downlink-data-delivery", "PUT")                 \
    X(DELIVERY_PATCH, NIDD, "downlink-data-delivery", "PATCH")             \
    X(DELIVERY_DELETE, NIDD, "downlink-data-delivery", "DELETE")           \
    X(PORT_LIST, NIDD, "rds-ports", "GET")                                 \
    X(PORT_GET, NIDD, "rds-port", "GET")                                   \
    X(PORT_PUT, NIDD, "rds-port", "PUT")                                   \
    X(PORT_DELETE, NIDD, "rds-port", "DELETE")                             \
    X(TRANSACTION_LIST, TRIGGERING, "transactions", "GET")                 \
    X(TRANSACTION_CREATE, TRIGGERING, "transactions", "POST")              \
    X(TRANSACTION_GET, TRIGGERING, "transaction", "GET")                   \
    X(TRANSACTION_PUT, TRIGGERING, "transaction", "PUT")                   \
    X(TRANSACTION_PATCH, TRIGGERING, "transaction", "PATCH")               \
    X(TRANSACTION_DELETE, TRIGGERING, "transaction", "DELETE")             \
    X(SUBSCRIPTION_LIST, MONITORING, "subscriptions", "GET")               \
    X(SUBSCRIPTION_CREATE, MONITORING, "subscriptions", "POST")            \
    X(SUBSCRIPTION_GET, MONITORING, "subscription", "GET")                 \
    X(SUBSCRIPTION_PUT, MONITORING, "subscription", "PUT")                 \
    X(SUBSCRIPTION_PATCH, MONITORING, "subscription", "PATCH")             \
    X(SUBSCRIPTION_DELETE, MONITORING, "subscription", "DELETE")
/* clang-format on */
enum t8_operation {
#define X(name, api, resource, method) T8_##name,
    T8_OPERATION_TABLE(X)
#undef X
        T8_OPERATION_COUNT
};
#define T8_OPERATION_BIT(operation) (UINT32_C(1) << (operation)) /* in a set of operations */
enum t8_api t8_operation_api(enum t8_operation o);
const char *t8_operation_resource(enum t8_operation o); /* "downlink-data-delivery", for people */
const char *t8_operation_method(enum t8_operation o);   /* "PATCH" */

/* How a SCEF names its resources in Location, `self` and notifications. */
enum t8_link_style {
    T8_LINKS_ABSOLUTE,
    T8_LINKS_PATH,      /* "/3gpp-nidd/v1/as1/configurations/7" */
    T8_LINKS_INNER_HOST /* absolute, with a host and a prefix before the API's name that lead nowhere from outside */
};
/* What the last segment of such a link looks like. */
enum t8_id_style {
    T8_IDS_PLAIN,   /* whatever the SCEF likes */
    T8_IDS_DECIMAL, /* 12 */
    T8_IDS_HEX_24,  /* 60aa00bb11cc22dd33ee44ff */
    T8_IDS_UUID     /* 0b1c2d3e-4f50-4172-8394-a5b6c7d8e9fa */
};

/* A media type and the one to be tried when it is refused with 415 (NULL: none). A SCEF accepts both. */
struct t8_media_types {
    const char *first;
    const char *second;
};

struct t8_dialect {
    const char *name;
    struct {
        const char *name;    /* "3gpp-nidd" */
        const char *version; /* "v1" */
        bool trailing_slash; /* behind the API's topmost collection */
    } apis[T8_API_COUNT];
    uint32_t operations; /* those that exist */
    /* Of a PATCH. All other bodies are application/json. */
    struct t8_media_types configuration_patch;
    struct t8_media_types delivery_patch;
    struct t8_media_types transaction_patch;
    struct t8_media_types subscription_patch;
    /* the SCEF's side */
    enum t8_link_style links;
    enum t8_id_style configuration_ids; /* of transactions and subscriptions too */
    enum t8_id_style delivery_ids;
    const char *delivery_status; /* the member's name in answers */
    bool no_data_in_answers;     /* a delivery is shown without its data */
    bool code_in_detail;         /* an error's code stands in `detail` (t8_dialect_problem); there is no `cause` */
    bool flat_delivery_failure;  /* the 500 of a delivery is a ProblemDetails, not a NiddDownlinkDataDeliveryFailure */
    bool both_ids;               /* notifications name externalId and msisdn */
    bool escaped_padding;        /* base64 is padded with \u003d */
    bool upper_case_domains;     /* in notifications */
};

/* By name; NULL: there is none. */
const struct t8_dialect *t8_dialect_find(const char *name);
/* The index-th, "3gpp" first; NULL behind the last. */
const struct t8_dialect *t8_dialect_at(size_t index);
static inline bool t8_dialect_has(const struct t8_dialect *d, enum t8_operation o)
{
    return (d->operations & T8_OPERATION_BIT(o)) != 0;
}
/* The media types of an operation's request: of a PATCH by the dialect; NULL and NULL where there is no body. */
struct t8_media_types t8_dialect_media_types(const struct t8_dialect *d, enum t8_operation o);

/* ---- writing as a SCEF */

/* The number-th identifier of that style, NUL-terminated; different numbers give different ones. */
#define T8_ID_BYTES 40
void t8_dialect_id(enum t8_id_style style, uint64_t number, char out[static T8_ID_BYTES]);
/* The link to a resource at `path`, "/3gpp-nidd/v1/as1/configurations/c7", of a SCEF at `origin`, "http://host:port".
 */
void t8_dialect_link(const struct t8_dialect *d, struct bytes origin, struct bytes path, struct buf *out);
/* ProblemDetails as the dialect words it: itself, or with the code in `detail`, "SCEF-ERR-403-111: text". */
[[gnu::warn_unused_result]] enum error t8_dialect_problem(const struct t8_dialect *d, const struct t8_problem *p,
                                                          struct buf *out);
/* The body of a delivery's 500. */
[[gnu::warn_unused_result]] enum error t8_dialect_delivery_failure(const struct t8_dialect *d,
                                                                   const struct t8_problem *p,
                                                                   uint64_t requested_retransmission_ms,
                                                                   struct buf *out);
/* What a code means, whoever reads it: false when no more than the HTTP status is known. */
bool t8_error_code_meaning(unsigned code, int *http_status, enum t8_cause *cause);
/* nidd_downlink_encode, nidd_configuration_encode, nidd_uplink_encode, for answers and notifications. */
[[gnu::warn_unused_result]] enum error t8_dialect_downlink(const struct t8_dialect *d, const struct nidd_downlink *in,
                                                           struct buf *out);
[[gnu::warn_unused_result]] enum error t8_dialect_configuration(const struct t8_dialect *d,
                                                                const struct nidd_configuration *in, struct buf *out);
[[gnu::warn_unused_result]] enum error t8_dialect_uplink(const struct t8_dialect *d, const struct nidd_uplink *in,
                                                         struct buf *out);

#endif
