/* The table of routes from inside: route.c and route_check.c. */
#ifndef NIDD_ROUTE_INTERNAL_H
#define NIDD_ROUTE_INTERNAL_H

#include "nidd/route.h"

enum route_kind { /* the more specific, the greater */
                  ROUTE_BY_IDENTITY = 1,
                  ROUTE_BY_DTLS = 2,
                  ROUTE_BY_BOOTSTRAP = 4,
                  ROUTE_BY_HOST = 8,
                  ROUTE_BY_RDS_PORT = 16
};

struct route {
    char *uri_host; /* NULL: any */
    char *pattern;  /* in its normal form; NULL: any */
    size_t number;
    uint32_t server;
    uint16_t uri_port; /* 0: any */
    uint16_t rds_ue_port, rds_scef_port;
    bool has_rds_ue_port, has_rds_scef_port;
    uint8_t kinds;
};

struct route_table {
    struct route *routes; /* in their order */
    size_t count;
    size_t by_message; /* so many of them, the first, look at the message */
    uint8_t kinds;     /* that these have */
};

bool route_same_host(struct bytes a, struct bytes b); /* RFC 3986 clause 3.2.2: whatever their case */

#endif
