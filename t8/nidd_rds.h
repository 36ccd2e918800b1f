/* Ports of the Reliable Data Service, managed dynamically (TS 29.122 clauses 4.4.5.6 and 5.6, feature 6). */
#ifndef T8_NIDD_RDS_H
#define T8_NIDD_RDS_H

#include "t8/common.h"

enum nidd_manage_entity { NIDD_MANAGE_UNSET, NIDD_MANAGE_UE, NIDD_MANAGE_AS, NIDD_MANAGE_OTHER };

enum nidd_format { NIDD_FORMAT_UNSET, NIDD_FORMAT_CBOR, NIDD_FORMAT_JSON, NIDD_FORMAT_XML, NIDD_FORMAT_OTHER };
#define NIDD_FORMAT_BIT(format) (1u << (format)) /* in a set of formats */

/* ---- ManagePort (5.6.2.1.14). Which ports it is about, only `self` says. */
struct nidd_managed_port {
    struct t8_doc *doc; /* NULL in an array */
    struct bytes self;
    struct bytes app_id;
    enum nidd_manage_entity manage_entity; /* who reserved it */
    enum t8_flag skip_ue_inquiry;
    unsigned supported_formats; /* a set */
    enum nidd_format configured_format;
};
[[gnu::warn_unused_result]] enum error
nidd_managed_port_decode_request(struct bytes body, struct nidd_managed_port *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error nidd_managed_port_decode(struct bytes body, struct nidd_managed_port *out);
[[gnu::warn_unused_result]] enum error nidd_managed_port_encode(const struct nidd_managed_port *m, struct buf *out);
void nidd_managed_port_release(struct nidd_managed_port *m);

/* portId, "ue5-ef7", alone or at the end of a link. Ports of 0 to 15. */
bool nidd_port_id_parse(struct bytes link, struct t8_rds_port *out);
void nidd_port_id_format(struct t8_rds_port port, char out[16]);

/* ---- ManagePortNotification (5.6.2.1.15): the ports that are reserved now, all of them. */
struct nidd_managed_ports {
    struct t8_doc *doc;
    struct bytes nidd_configuration; /* link */
    struct t8_identity id;
    struct nidd_managed_port *ports; /* none: no port is reserved any more */
    size_t ports_count;
};
[[gnu::warn_unused_result]] enum error nidd_managed_ports_encode(const struct nidd_managed_ports *m, struct buf *out);

/* ---- RdsDownlinkDataDeliveryFailure (5.6.2.1.16): the body of a 500 of rds-ports, application/problem+json. */
struct nidd_rds_failure {
    struct t8_doc *doc;
    struct t8_problem problem;
    uint64_t requested_retransmission_ms; /* absolute UTC; 0 = not told */
    unsigned supported_ue_formats;        /* a set; 0 = not told */
};
[[gnu::warn_unused_result]] enum error nidd_rds_failure_encode(const struct nidd_rds_failure *f, struct buf *out);
/* Any body at all: what cannot be read is an empty failure. */
void nidd_rds_failure_decode(struct bytes body, struct nidd_rds_failure *out);
void nidd_rds_failure_release(struct nidd_rds_failure *f);

#endif
