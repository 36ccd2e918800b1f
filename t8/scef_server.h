/* The SCEF role's HTTP side (the simulator's): requests of the AS, found in one table of operations per API, checked,
 * decoded and handed to a sink; what the sink says, rendered.
 *
 *   scef_server.c             resource x method -> operation, media types, what is wrong with a request
 *   scef_reply.c             an answer: status, Location, body, media type
 *   scef_nidd_server.c        NIDD (TS 29.122 clause 5.6.3)
 *   scef_triggering_server.c  device triggering (5.7.3)
 *   scef_monitoring_server.c  monitoring events (5.3.3)
 *
 * Strict with what TS 29.122 does not allow: 400 with the offender named in invalidParams, 404 for a path that is no
 * resource, 405 with Allow, 406, 415. Members that it does not know are no error (TS 29.500 clause 6.6.2). */
#ifndef T8_SCEF_SERVER_H
#define T8_SCEF_SERVER_H

#include "t8/device_triggering.h"
#include "t8/dialect.h"
#include "t8/http_server.h"
#include "t8/monitoring.h"
#include "t8/nidd.h"
#include "t8/nidd_rds.h"

/* What the path of a request names, decoded: "/{scsAsId}/{collection}/{id}/{collection}/{sub_id}". What the path does
 * not hold is empty. */
struct scef_path {
    struct bytes scs_as_id;
    struct bytes id;
    struct bytes sub_id;
    struct t8_rds_port port; /* of rds-ports/{portId} */
};

/* What a 2xx shows. */
enum scef_body {
    SCEF_BODY_NONE,
    SCEF_BODY_CONFIGURATION,
    SCEF_BODY_DELIVERY,
    SCEF_BODY_PORT,
    SCEF_BODY_TRANSACTION,
    SCEF_BODY_SUBSCRIPTION,
    SCEF_BODY_REPORTS,    /* MonitoringEventReport, or MonitoringEventReports when there is not exactly one */
    SCEF_BODY_REPORT_LIST /* array(MonitoringEventReport) */
};

/* What a sink says to a request. It finds `body` set to what the operation usually shows; 202, 204 and errors show
 * none. Slices must be good until the answer is rendered, which is when the sink's function has returned. */
struct scef_reply {
    int status;                /* 0: it is answered later, where the sink's function says that this may be */
    struct t8_problem problem; /* of an error: cause, detail and offender; status and title may be left out */
    uint32_t retry_after_s;    /* 0: not told */
    uint64_t requested_retransmission_ms; /* with a 500 of NIDD: absolute UTC; 0 = not told */
    unsigned supported_ue_formats;        /* with a 500 of rds-ports: a set; 0 = not told */
    enum scef_body body;
    union {
        struct nidd_configuration configuration;
        struct nidd_downlink delivery;
        struct nidd_managed_port port;
        struct device_triggering transaction;
        struct monitoring_subscription subscription;
        struct monitoring_reports reports;
    };
};

/* The error `status` with a problem that lies elsewhere; texts are not copied, but the offender's pointer is when the
 * problem holds it itself. */
void scef_reply_refuse(struct scef_reply *a, int status, const struct t8_problem *p);

/* One function of a sink that lists a collection: the resources one after another, from *cursor = 0 on, in the answer's
 * union. false at the end; or at once, with an error as the answer's status. */
typedef bool (*scef_next_fn)(void *ctx, const struct scef_path *path, uint64_t *cursor, struct scef_reply *a);
/* One that shows or removes a resource. */
typedef void (*scef_resource_fn)(void *ctx, const struct scef_path *path, struct scef_reply *a);

struct scef_nidd_sink;
struct scef_triggering_sink;
struct scef_monitoring_sink;

struct scef_server {
    void *ctx; /* of the sinks' functions too */
    /* Names, operations, media types and how answers look; NULL: as TS 29.122 has them. */
    const struct t8_dialect *dialect;
    const char *prefix; /* of every path, before the apiName: "/gateway"; NULL: none */
    /* An API without a sink is not there: 404. */
    const struct scef_nidd_sink *nidd;
    const struct scef_triggering_sink *triggering;
    const struct scef_monitoring_sink *monitoring;
    /* Is there such an SCS/AS? If not it is 404 without a cause (clause 5.2.6). NULL: all are known. */
    bool (*as_known)(void *ctx, struct bytes scs_as_id);
    /* Where notifications for this SCS/AS go when a POST does not say: some SCEFs have it configured. NULL, and NULL
     * returned: it must say. The URL has no character that JSON escapes. */
    const char *(*destination_of)(void *ctx, struct bytes scs_as_id);
    /* Told before each answer; cause is "" when there is none. May be NULL. */
    void (*answered)(void *ctx, struct http_exchange *x, int status, const char *cause);
};

/* The handler for every request. */
void scef_server_handle(const struct scef_server *s, struct http_exchange *x);

#endif
