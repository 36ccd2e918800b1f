/* An HTTP exchange without HTTP: what t8/http_server.h declares of one, so that the SCEF's side can be called with any
 * request and its answer read. Not to be linked with anything that makes an http_server. */
#ifndef TESTS_T8_FAKE_EXCHANGE_H
#define TESTS_T8_FAKE_EXCHANGE_H

#include "t8/http_server.h"

#define FAKE_BODY_BYTES 4096

struct http_exchange {
    struct http_request request;
    const char *accept;                         /* NULL: no such header */
    const char *query_name[2], *query_value[2]; /* NULL: none */
    /* the answer */
    unsigned replies;
    int status;
    char content_type[64];
    char location[256];
    char allow[64];
    uint32_t retry_after_s;
    size_t body_len;            /* of the whole */
    char body[FAKE_BODY_BYTES]; /* its beginning */
};

#endif
