/* A sink of every operation of the SCEF's side: notes which one was called for what, and answers as it is told, with
 * one resource of each kind. */
#ifndef TESTS_T8_FAKE_SCEF_H
#define TESTS_T8_FAKE_SCEF_H

#include "t8/scef_monitoring_server.h"
#include "t8/scef_nidd_server.h"
#include "t8/scef_triggering_server.h"

struct fake_scef {
    struct scef_server server;
    /* what to answer */
    int status;                /* of the next call; 0: an operation that may answers later, others 200 */
    struct t8_problem problem; /* of an error */
    uint32_t retry_after_s;
    uint64_t requested_retransmission_ms;
    unsigned supported_ue_formats;
    enum scef_body body; /* NONE: as usual */
    size_t count;        /* of lists, and of reports */
    /* what was called */
    size_t calls;
    enum t8_operation operation;
    char scs_as_id[64], id[64], sub_id[64];
    struct t8_rds_port port;
    char text[128]; /* of what was decoded: destination, data, appId, patch */
    struct http_exchange *x;
    /* what `answered` told */
    size_t told;
    int told_status;
    char told_cause[64];
};

void fake_scef_init(struct fake_scef *f);

#endif
