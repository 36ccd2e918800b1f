/* The one list of errors: what our functions return, and how each is told to the peers.
 *
 *   X(name, text, HTTP status, T8 cause (TS 29.122 / 29.500), CoAP code)
 *
 * HTTP status and T8 cause are what a T8 peer is answered; the CoAP code (class << 5 | detail) is what a CoAP
 * peer is answered, 0 = such an error never reaches a CoAP peer. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#define COAP_CODE_OF(class_, detail) (((class_) << 5) | (detail))

#define ERROR_TABLE(X)                                                                                                 \
    X(OK, "ok", 204, "", 0)                                                                                            \
    X(ERR_NO_MEMORY, "out of memory", 503, "INSUFFICIENT_RESOURCES", COAP_CODE_OF(5, 3))                               \
    X(ERR_NOT_JSON, "body is not JSON", 400, "INVALID_MSG_FORMAT", 0)                                                  \
    X(ERR_TOO_DEEP, "JSON is nested too deeply", 400, "INVALID_MSG_FORMAT", 0)                                         \
    X(ERR_MEMBER_MISSING, "mandatory member is missing", 400, "MANDATORY_IE_MISSING", 0)                               \
    X(ERR_MEMBER_TYPE, "member has the wrong type or value", 400, "MANDATORY_IE_INCORRECT", 0)                         \
    X(ERR_IDENTITY, "exactly one of externalId and msisdn is needed", 400, "MANDATORY_IE_INCORRECT", 0)                \
    X(ERR_BASE64, "data is not base64", 400, "MANDATORY_IE_INCORRECT", 0)                                              \
    X(ERR_UNKNOWN_CONFIGURATION, "NIDD configuration is unknown", 404, "RESOURCE_CONTEXT_NOT_FOUND", 0)                \
    X(ERR_UNKNOWN_DEVICE, "device is not known here", 404, "RESOURCE_CONTEXT_NOT_FOUND", COAP_CODE_OF(5, 2))           \
    X(ERR_NOT_FOUND, "no such resource", 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND", COAP_CODE_OF(4, 4))                  \
    X(ERR_METHOD, "method is not allowed here", 405, "", COAP_CODE_OF(4, 5))                                           \
    X(ERR_TOO_LARGE, "body is too large", 413, "", COAP_CODE_OF(4, 13))                                                \
    X(ERR_NOT_OFFERED, "the peer's dialect has no such operation", 501, "", 0)                                         \
    X(ERR_MEDIA_TYPE, "media type is not supported", 415, "", COAP_CODE_OF(4, 15))                                     \
    X(ERR_NOT_COAP, "not a CoAP message", 400, "MANDATORY_IE_INCORRECT", 0)                                            \
    X(ERR_QUEUE_FULL, "queue is full", 503, "INSUFFICIENT_RESOURCES", COAP_CODE_OF(5, 3))                              \
    X(ERR_STORE, "store cannot take it now", 503, "INSUFFICIENT_RESOURCES", COAP_CODE_OF(5, 3))                        \
    X(ERR_STORE_UNSURE, "store does not say whether it has it", 503, "INSUFFICIENT_RESOURCES", COAP_CODE_OF(5, 3))     \
    X(ERR_STORE_CORRUPT, "stored record is damaged", 500, "SYSTEM_FAILURE", 0)                                         \
    X(ERR_UNREACHABLE, "peer cannot be reached", 503, "TARGET_NF_NOT_REACHABLE", COAP_CODE_OF(5, 4))                   \
    X(ERR_TIMEOUT, "no answer in time", 504, "TIMED_OUT_REQUEST", COAP_CODE_OF(5, 4))                                  \
    X(ERR_PEER, "peer answered nonsense", 502, "INBOUND_SERVER_ERROR", COAP_CODE_OF(5, 2))                             \
    X(ERR_DRAINING, "shutting down", 503, "NF_CONGESTION", COAP_CODE_OF(5, 3))                                         \
    X(ERR_CONFIG, "configuration is wrong", 500, "SYSTEM_FAILURE", 0)                                                  \
    X(ERR_SYSTEM, "operating system refused", 500, "SYSTEM_FAILURE", 0)

enum error {
#define X(name, text, http, cause, coap) name,
    ERROR_TABLE(X)
#undef X
        ERROR_COUNT
};

const char *error_name(enum error e);     /* "ERR_NOT_JSON" */
const char *error_text(enum error e);     /* "body is not JSON" */
int error_http_status(enum error e);      /* 400 */
const char *error_t8_cause(enum error e); /* "" when T8 names none */
int error_coap_code(enum error e);        /* 0 when never told to a CoAP peer */

#endif
