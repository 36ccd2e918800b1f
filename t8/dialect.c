/* The table of dialects. Sources: TS 29.122 of Rel-15 to Rel-18; the user's guides of a SCEF, releases 8.3 and 8.4;
 * logs of application servers that others have published. What no source tells is as in Rel-15. */
#include "t8/dialect.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum t8_api api;
    const char *resource;
    const char *method;
} operations[] = {
#define X(name_, api_, resource_, method_) [T8_##name_] = {T8_API_##api_, resource_, method_},
    T8_OPERATION_TABLE(X)
#undef X
};

enum t8_api t8_operation_api(enum t8_operation o)
{
    return operations[o].api;
}

const char *t8_operation_resource(enum t8_operation o)
{
    return operations[o].resource;
}

const char *t8_operation_method(enum t8_operation o)
{
    return operations[o].method;
}

#define BIT(name) T8_OPERATION_BIT(T8_##name)
#define ALL       (T8_OPERATION_BIT(T8_OPERATION_COUNT) - 1)
/* rds-ports came with Rel-16, PATCH of a delivery, a transaction and a subscription with Rel-17. */
#define REL_15                                                                                                         \
    (ALL & ~(BIT(DELIVERY_PATCH) | BIT(PORT_LIST) | BIT(PORT_GET) | BIT(PORT_PUT) | BIT(PORT_DELETE) |                 \
             BIT(TRANSACTION_PATCH) | BIT(SUBSCRIPTION_PATCH)))
#define ORACLE                                                                                                         \
    (REL_15 & ~(BIT(TRANSACTION_LIST) | BIT(TRANSACTION_PUT) | BIT(TRANSACTION_DELETE) | BIT(SUBSCRIPTION_LIST) |      \
                BIT(SUBSCRIPTION_PUT)))

#define APIS                                                                                                           \
    {                                                                                                                  \
        [T8_API_NIDD] = {"3gpp-nidd", "v1", false},                                                                    \
        [T8_API_TRIGGERING] = {"3gpp-device-triggering", "v1", false},                                                 \
        [T8_API_MONITORING] = {"3gpp-monitoring-event", "v1", false},                                                  \
    }
/* The OpenAPI file and clause 5.2.3 differ about a delivery's: one first, then the other. */
#define PATCHES                                                                                                        \
    .configuration_patch = {"application/merge-patch+json", NULL},                                                     \
    .delivery_patch = {"application/json", "application/merge-patch+json"},                                            \
    .transaction_patch = {"application/json", NULL}, .subscription_patch = {"application/json-patch+json", NULL}

static const struct t8_dialect dialects[] = {
    {
        .name = "3gpp",
        .apis = APIS,
        .operations = ALL,
        PATCHES,
        .delivery_status = "deliveryStatus",
    },
    {
        .name = "oracle-8.3",
        .apis =
            {
                [T8_API_NIDD] = {"3gpp_t8_nidd", "v1", false},
                [T8_API_TRIGGERING] = {"3gpp_t8_device_triggering", "v1", false},
                [T8_API_MONITORING] = {"3gpp_t8_monitoring_event", "v1", true},
            },
        .operations = ORACLE,
        PATCHES,
        .delivery_status = "deliveryStatus",
        .code_in_detail = true,
        .flat_delivery_failure = true,
    },
    {
        .name = "oracle-8.4",
        .apis =
            {
                [T8_API_NIDD] = {"3gpp-nidd", "v1", false},
                [T8_API_TRIGGERING] = {"3gpp-device-triggering", "v1", false},
                [T8_API_MONITORING] = {"3gpp-monitoring-event", "v1", true},
            },
        .operations = ORACLE,
        PATCHES,
        .delivery_status = "deliveryStatus",
        .code_in_detail = true,
        .flat_delivery_failure = true,
    },
    {
        .name = "mts",
        .apis = APIS,
        .operations = REL_15,
        PATCHES,
        .links = T8_LINKS_PATH,
        .configuration_ids = T8_IDS_HEX_24,
        .delivery_ids = T8_IDS_DECIMAL,
        .delivery_status = "status",
        .no_data_in_answers = true,
    },
    {
        .name = "in",
        .apis = APIS,
        .operations = REL_15,
        PATCHES,
        .links = T8_LINKS_INNER_HOST,
        .configuration_ids = T8_IDS_UUID,
        .delivery_ids = T8_IDS_UUID,
        .delivery_status = "deliveryStatus",
        .both_ids = true,
        .escaped_padding = true,
        .upper_case_domains = true,
    },
};

const struct t8_dialect *t8_dialect_find(const char *name)
{
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++)
        if (strcmp(dialects[i].name, name) == 0)
            return &dialects[i];
    return NULL;
}

const struct t8_dialect *t8_dialect_at(size_t index)
{
    return index < sizeof dialects / sizeof *dialects ? &dialects[index] : NULL;
}

struct t8_media_types t8_dialect_media_types(const struct t8_dialect *d, enum t8_operation o)
{
    switch (o) {
    case T8_CONFIGURATION_PATCH:
        return d->configuration_patch;
    case T8_DELIVERY_PATCH:
        return d->delivery_patch;
    case T8_TRANSACTION_PATCH:
        return d->transaction_patch;
    case T8_SUBSCRIPTION_PATCH:
        return d->subscription_patch;
    default:
        break;
    }
    bool body = operations[o].method[0] == 'P'; /* POST, PUT */
    return (struct t8_media_types){body ? "application/json" : NULL, NULL};
}

/* ---- identifiers and links of a SCEF */

/* One to one, and looks like dice. */
static uint64_t mixed(uint64_t v)
{
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

void t8_dialect_id(enum t8_id_style style, uint64_t number, char out[static T8_ID_BYTES])
{
    uint64_t high = mixed(number + 1);
    uint64_t low = mixed(high);
    switch (style) {
    case T8_IDS_HEX_24:
        snprintf(out, T8_ID_BYTES, "%08x%016llx", (unsigned)low, (unsigned long long)high);
        return;
    case T8_IDS_UUID: /* RFC 9562, version 4 */
        snprintf(out, T8_ID_BYTES, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(high >> 32),
                 (unsigned)(high >> 16 & 0xffff), (unsigned)(high >> 4 & 0xfff),
                 (unsigned)((high & 0xf) << 8 | low >> 56), (unsigned long long)(low & UINT64_C(0xffffffffffff)));
        return;
    case T8_IDS_PLAIN:
    case T8_IDS_DECIMAL:
        break;
    }
    snprintf(out, T8_ID_BYTES, "%llu", (unsigned long long)number);
}

void t8_dialect_link(const struct t8_dialect *d, struct bytes origin, struct bytes path, struct buf *out)
{
    if (d->links == T8_LINKS_ABSOLUTE)
        buf_add(out, origin);
    else if (d->links == T8_LINKS_INNER_HOST)
        buf_add_str(out, "http://127.0.0.1:27310/SCEF");
    buf_add(out, path);
}

/* ---- error codes in a text, "SCEF-ERR-<HTTP status>-<code>: ..." */

static const struct error_code {
    unsigned code;
    int http_status;
    enum t8_cause cause;
} codes[] = {
    {101, 400, T8_CAUSE_NONE}, /* cannot be taken apart */
    {108, 400, T8_CAUSE_NONE}, /* no JSON */
    {109, 400, T8_CAUSE_NONE}, /* JSON of another form */
    {110, 404, T8_CAUSE_NONE}, /* context not found */
    {111, 403, T8_CAUSE_DATA_TOO_LARGE}, {115, 500, T8_CAUSE_NO_PDN_CONNECTION},
};
#define CODE_GENERIC       99u
#define CODE_INTERNAL_NIDD 114u

bool t8_error_code_meaning(unsigned code, int *http_status, enum t8_cause *cause)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].code == code) {
            *http_status = codes[i].http_status;
            *cause = codes[i].cause;
            return true;
        }
    }
    return false;
}

static unsigned code_of(const struct t8_problem *p)
{
    if (p->cause_text.len && bytes_equal(p->cause_text, bytes_of_str(error_t8_cause(ERR_NOT_JSON))))
        return 108;
    if (p->status == 400)
        return 109;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].cause != T8_CAUSE_NONE ? codes[i].cause == p->cause
                                            : p->cause == T8_CAUSE_NONE && codes[i].http_status == p->status)
            return codes[i].code;
    if (p->status == 404 && p->cause == T8_CAUSE_OTHER)
        return 110; /* a general cause of TS 29.500 */
    return p->status == 500 ? CODE_INTERNAL_NIDD : CODE_GENERIC;
}

enum error t8_dialect_problem(const struct t8_dialect *d, const struct t8_problem *p, struct buf *out)
{
    if (!d->code_in_detail)
        return t8_problem_encode(p, out);
    struct buf detail = {0};
    struct bytes text = p->detail.len ? p->detail : p->title;
    struct t8_problem written = {.status = p->status, .title = p->title};
    buf_addf(&detail, "SCEF-ERR-%03d-%03u: ", p->status, code_of(p));
    buf_add(&detail, text);
    written.detail = buf_bytes(&detail);
    enum error err = detail.failed ? ERR_NO_MEMORY : t8_problem_encode(&written, out);
    buf_free(&detail);
    return err;
}

enum error t8_dialect_delivery_failure(const struct t8_dialect *d, const struct t8_problem *p,
                                       uint64_t requested_retransmission_ms, struct buf *out)
{
    return d->flat_delivery_failure ? t8_dialect_problem(d, p, out)
                                    : nidd_delivery_failure_encode(p, requested_retransmission_ms, out);
}
