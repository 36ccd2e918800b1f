/* The built-in device's own reading and writing of CoAP (RFC 7252 clause 3): nothing is shared with the adapter, so
 * that a misreading there cannot hide behind the same misreading here. */
#ifndef SIM_LWM2M_DEVICE_COAP_H
#define SIM_LWM2M_DEVICE_COAP_H

#include "base/bytes.h"

enum device_coap_type { DEVICE_CON, DEVICE_NON, DEVICE_ACK, DEVICE_RST };

enum device_coap_option_number {
    DEVICE_OPTION_URI_HOST = 3,
    DEVICE_OPTION_OBSERVE = 6,
    DEVICE_OPTION_URI_PORT = 7,
    DEVICE_OPTION_LOCATION_PATH = 8,
    DEVICE_OPTION_URI_PATH = 11,
    DEVICE_OPTION_CONTENT_FORMAT = 12,
    DEVICE_OPTION_MAX_AGE = 14,
    DEVICE_OPTION_URI_QUERY = 15,
    DEVICE_OPTION_ACCEPT = 17,
    DEVICE_OPTION_LOCATION_QUERY = 20,
    DEVICE_OPTION_BLOCK2 = 23,
    DEVICE_OPTION_BLOCK1 = 27,
};

#define DEVICE_CODE(class_, detail) ((uint8_t)((class_) << 5 | (detail)))
enum { DEVICE_GET = 1, DEVICE_POST = 2, DEVICE_PUT = 3, DEVICE_DELETE = 4 };

#define DEVICE_TOKEN_MAX 8

struct device_token {
    uint8_t len;
    uint8_t bytes[DEVICE_TOKEN_MAX];
};
bool device_token_equal(const struct device_token *a, const struct device_token *b);

/* A message read; options and payload borrow from the bytes it was read from. */
struct device_message {
    enum device_coap_type type;
    uint8_t code;
    uint16_t mid;
    struct device_token token;
    struct bytes options; /* well-formed; see device_options */
    struct bytes payload;
};
enum device_parse {
    DEVICE_PARSED,
    DEVICE_FORMAT_ERROR, /* type, code and mid are set: a CON deserves a Reset (clause 4.2) */
    DEVICE_NOT_COAP      /* too short or not version 1: silently ignored (clause 3) */
};
enum device_parse device_message_parse(struct bytes in, struct device_message *out);

/* Walks options: start with {.rest = message.options}. */
struct device_options {
    struct bytes rest;
    uint32_t number;
    struct bytes value;
};
bool device_options_next(struct device_options *o);
/* uint value of an option; false when longer than max_len. */
bool device_option_uint(struct bytes value, size_t max_len, uint32_t *out);

/* Writes one message into `out`, which it empties first. Options in ascending order. Failures stay in out->failed. */
struct device_writer {
    struct buf *out;
    uint32_t last_option;
};
struct device_writer device_write(struct buf *out, enum device_coap_type type, uint8_t code, uint16_t mid,
                                  const struct device_token *token /* NULL: none */);
void device_write_option(struct device_writer *w, uint32_t number, struct bytes value);
void device_write_option_uint(struct device_writer *w, uint32_t number, uint32_t value);
void device_write_payload(struct device_writer *w, struct bytes payload); /* nothing when empty */

#endif
