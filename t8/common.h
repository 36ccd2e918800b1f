/* What all T8 resources share (TS 29.122 clause 5.2): identities, links, times, enums, and the JSON rules of this
 * house.
 *
 * Reading is tolerant: unknown members and enum values are never an error (TS 29.500 clause 6.6.2), known deviations of
 * SCEFs in the field are understood. Writing is strict: only what the OpenAPI files allow.
 *
 * Decoded structures borrow: their slices point into the body that was read, or into the JSON document that `doc` owns,
 * so decoding copies nothing but the base64 data. They are good as long as both the body and the structure are. Every
 * *_decode has a *_release that takes a zeroed structure too; after an error nothing is left to release. */
#ifndef T8_COMMON_H
#define T8_COMMON_H

#include "base/bytes.h"

/* Longest body we read and deepest nesting we follow, either role; longest link we keep. The longest body by far is the
 * result of a group's delivery: 3,000 members with identifiers of 64 characters and a time each are 580 kB. */
#define T8_MAX_BODY_BYTES    (1u << 20)
#define T8_MAX_REQUEST_BYTES 65536 /* of an AS to a SCEF: nothing there grows with a group */
#define T8_MAX_DEPTH         16
#define T8_MAX_LINK_BYTES    1024

struct t8_doc;                        /* an owned JSON document */
void t8_doc_free(struct t8_doc *doc); /* NULL is fine */

/* "exactly one of" in the specification; both may come from the field, then external_id wins (empty slice = absent). */
struct t8_identity {
    struct bytes external_id;       /* local@domain */
    struct bytes msisdn;            /* digits, no '+' */
    struct bytes external_group_id; /* local@domain, where a group may be named: only with neither of the others */
};

/* ---- optional members, and arrays. A decoded array is owned by the structure that holds it. */
struct t8_uint {
    bool present;
    uint32_t value;
};
struct t8_int {
    bool present;
    int32_t value;
};
enum t8_flag { T8_FLAG_UNSET, T8_FLAG_FALSE, T8_FLAG_TRUE };
struct t8_octets {
    bool present;
    struct bytes bytes;
    struct buf memory; /* owns what `bytes` points to after decoding */
};
struct t8_texts {
    struct bytes *items;
    size_t count;
};

/* SupportedFeatures (TS 29.571 clause 5.2.2): feature n is bit n - 1, counted from the right of the hexadecimal text.
 */
struct t8_features {
    bool present;
    uint64_t bits;
};
#define T8_FEATURE(n) (UINT64_C(1) << ((n) - 1))
/* Any number of digits, either case, "" is none; features beyond 64 are nobody's yet. false when it is no such text. */
bool t8_features_parse(struct bytes hex, uint64_t *bits);
void t8_features_format(uint64_t bits, char out[20]); /* capitals, no leading zeros, "0" for none */
/* What both ends can do (TS 29.500 clause 6.6.2): not told means none. */
static inline uint64_t t8_features_common(struct t8_features a, struct t8_features b)
{
    return a.present && b.present ? a.bits & b.bits : 0;
}

/* RdsPort (TS 29.122 clause 5.6.2.1.8). RDS has ports 0 to 15, the schema allows 65535. */
struct t8_rds_port {
    bool present;
    uint16_t ue;
    uint16_t scef;
};

/* WebsockNotifConfig (TS 29.122 clause 5.2.1.2.10). The AS asks for a URI, the SCEF answers with one. */
struct t8_websocket {
    bool present;
    enum t8_flag request_uri;
    struct bytes uri;
};

enum t8_pdn_option { T8_PDN_UNSET, T8_PDN_WAIT_FOR_UE, T8_PDN_INDICATE_ERROR, T8_PDN_SEND_TRIGGER };

enum t8_nidd_status {
    T8_NIDD_STATUS_UNSET,
    T8_NIDD_ACTIVE,
    T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED,
    T8_NIDD_TERMINATED,
    T8_NIDD_RDS_PORT_UNKNOWN,
    T8_NIDD_STATUS_OTHER /* a value of a later release */
};

/* TS 29.122 clause 5.6.2.3.4. OTHER_* are unknown values with a known beginning. */
enum t8_delivery_status {
    T8_DELIVERY_UNSET,
    T8_DELIVERY_SUCCESS,
    T8_DELIVERY_SUCCESS_NEXT_HOP_ACKNOWLEDGED,
    T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED,
    T8_DELIVERY_SUCCESS_ACKNOWLEDGED,
    T8_DELIVERY_SUCCESS_UNACKNOWLEDGED,
    T8_DELIVERY_OTHER_SUCCESS,
    T8_DELIVERY_TRIGGERED,
    T8_DELIVERY_BUFFERING,
    T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE,
    T8_DELIVERY_SENDING,
    T8_DELIVERY_OTHER_PENDING,
    T8_DELIVERY_FAILURE,
    T8_DELIVERY_FAILURE_RDS_DISABLED,
    T8_DELIVERY_FAILURE_NEXT_HOP,
    T8_DELIVERY_FAILURE_TIMEOUT,
    T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE,
    T8_DELIVERY_OTHER_FAILURE
};
const char *t8_delivery_status_name(enum t8_delivery_status s); /* the wire's word; "" for UNSET and OTHER_* */
static inline bool t8_delivery_is_success(enum t8_delivery_status s)
{
    return s >= T8_DELIVERY_SUCCESS && s <= T8_DELIVERY_OTHER_SUCCESS;
}
static inline bool t8_delivery_is_pending(enum t8_delivery_status s)
{
    return s >= T8_DELIVERY_TRIGGERED && s <= T8_DELIVERY_OTHER_PENDING;
}
static inline bool t8_delivery_is_failure(enum t8_delivery_status s)
{
    return s >= T8_DELIVERY_FAILURE;
}

/* TS 29.122 clauses 5.6.5.3 (NIDD) and 5.3.5.3 (monitoring); T8_CAUSE_OTHER = some cause we do not know. */
/* clang-format off */
#define T8_CAUSE_TABLE(X)                      \
    X(QUOTA_EXCEEDED, 403)                     \
    X(DATA_TOO_LARGE, 403)                     \
    X(RDS_PORT_UNKNOWN, 403)                   \
    X(OPERATION_PROHIBITED, 403)               \
    X(ALREADY_DELIVERED, 404)                  \
    X(SENDING, 409)                            \
    X(TRIGGERED, 500)                          \
    X(TEMPORARILY_NOT_REACHABLE, 500)          \
    X(NEXT_HOP, 500)                           \
    X(TIMEOUT, 500)                            \
    X(NO_PDN_CONNECTION, 500)                  \
    X(PORT_NOT_FREE, 403)                      \
    X(PORT_NOT_ASSOC_WITH_APP, 404)            \
    X(SERIALIZATION_FORMAT_NOT_SUPPORTED, 500) \
    X(EVENT_FEATURE_MISMATCH, 400)             \
    X(DUPLICATE_REQUEST, 400)                  \
    X(PARAMETER_OUT_OF_RANGE, 403)             \
    X(IDLE_STATUS_UNSUPPORTED, 403)            \
    X(RESOURCES_EXCEEDED, 403)                 \
    X(UE_NOT_FOUND, 404)                       \
    X(EVENT_UNSUPPORTED, 500)
/* clang-format on */
enum t8_cause {
    T8_CAUSE_NONE,
#define X(name, status) T8_CAUSE_##name,
    T8_CAUSE_TABLE(X)
#undef X
        T8_CAUSE_OTHER
};
const char *t8_cause_name(enum t8_cause c); /* "" for NONE and OTHER */
int t8_cause_status(enum t8_cause c);       /* the HTTP status it goes with; 0 for NONE and OTHER */
enum t8_cause t8_cause_parse(struct bytes name);

/* DateTime: RFC 3339, any offset, fractional seconds; milliseconds of UTC. false when it is none. */
bool t8_time_parse(struct bytes text, uint64_t *utc_ms);
/* "2026-11-20T07:26:34Z", or with ".120" when there are milliseconds; out holds 32 chars. */
void t8_time_format(uint64_t utc_ms, char out[32]);

/* A link's identity: from its last "/{scsAsId}/configurations/" on (or transactions, or subscriptions), without host
 * and prefix, so that relative links, inner host names and gateways' prefixes compare equal. Empty when there is no
 * such tail. What lies below, ".../configurations/{id}/downlink-data-deliveries/{id}", works too. */
struct bytes t8_link_tail(struct bytes link);

/* Where the resources of a peer's API are. */
struct t8_link_base {
    struct bytes origin;   /* "http://127.0.0.1:8080" */
    struct bytes api_path; /* "/3gpp-nidd/v1", with the peer's prefix before it if there is one; no '/' at the end */
    /* Other hosts that may be contacted: "host" (any port) or "host:port", IPv6 in brackets. */
    const char *const *allowed_hosts;
    size_t allowed_host_count;
};

/* Appends the compact form of a link that the peer gave in the answer to a request for request_path (RFC 3986 clause
 * 5). This is the form to keep per device. It is one of
 *   "/as1/configurations/c7"                    the tail alone: the resource lies under api_path
 *   "/other/3gpp-nidd/v1/as1/configurations/c7" the whole path: the peer, at the same origin, uses another one
 *   "https://b:1/3gpp-nidd/v1/as1/..."          the whole URL: at an allowed host
 * Of a link to any other host only the tail is used: such a host is never contacted. Nothing is appended when a link
 * says nothing that could be followed. */
void t8_link_compact(const struct t8_link_base *base, struct bytes request_path, struct bytes link, struct buf *out);
/* Appends the URL of a compact link; false when it is none. One to a host that is allowed no more: its tail, at base.
 */
bool t8_link_expand(const struct t8_link_base *base, struct bytes compact, struct buf *out);
/* Appends the absolute URL that a reference in the answer to a request for `request_url` stands for (RFC 3986 clause
 * 5.2), its query kept, its fragment not; false when it is none. */
[[gnu::warn_unused_result]] bool t8_link_resolve(struct bytes request_url, struct bytes reference, struct buf *out);
/* May this absolute URL be requested? At base's own origin, or at an allowed host, then never with less security. */
bool t8_link_allowed(const struct t8_link_base *base, struct bytes url);
/* Appends text as one path segment, percent-encoded where RFC 3986 asks for it. */
void t8_link_add_segment(struct buf *out, struct bytes text);
/* Appends the octets that a path segment stands for; false for an incomplete or unknown escape. */
[[gnu::warn_unused_result]] bool t8_link_decode_segment(struct bytes segment, struct buf *out);

/* An answer of the SCEF as it came, and where its links lead from. */
struct t8_answer {
    int http_status;
    uint32_t retry_after_s;
    struct bytes body;
    struct bytes location;     /* empty: none */
    struct bytes request_path; /* what a relative link is relative to */
    const struct t8_link_base *base;
};
static inline bool t8_answer_is_success(const struct t8_answer *a)
{
    return a->http_status >= 200 && a->http_status <= 299;
}
/* The link of what it is about, compact, in *memory, which is reset first: the Location header is authoritative, `self`
 * stands in. Empty when there is none. */
struct bytes t8_answer_link(const struct t8_answer *a, struct bytes self, struct buf *memory);

/* ProblemDetails (TS 29.122 clause 5.2.1.2.12). Absent members are empty or 0. */
struct t8_problem {
    int status;
    int status_of_code; /* read only: what an error code in the text stands for, whatever HTTP says; 0 = none */
    struct bytes title;
    struct bytes detail;
    struct bytes cause_text;
    enum t8_cause cause;
    struct bytes invalid_param; /* JSON pointer of the first offender; may lie in param_memory: do not copy then */
    struct bytes invalid_reason;
    char param_memory[96];
};

/* The problem that tells error e to a peer (title from the error's text). */
struct t8_problem t8_problem_of(enum error e);

#endif
