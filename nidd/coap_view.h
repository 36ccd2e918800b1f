/* A look at a CoAP message (RFC 7252 clause 3) in the bytes it came in: nothing is copied, nothing re-encoded.
 *
 * The relay is not stricter than the ends: a view exists as soon as the header and the token stand. Options are looked
 * at only by those who need one, and an option list that cannot be walked is carried all the same. */
#ifndef NIDD_COAP_VIEW_H
#define NIDD_COAP_VIEW_H

#include "base/bytes.h"

enum coap_type { COAP_CON, COAP_NON, COAP_ACK, COAP_RST };

enum coap_method { COAP_GET = 1, COAP_POST, COAP_PUT, COAP_DELETE, COAP_FETCH, COAP_PATCH, COAP_IPATCH };

#define COAP_CODE(class_, detail) ((uint8_t)((class_) << 5 | (detail)))
#define COAP_HEADER_BYTES         4
#define COAP_TOKEN_MAX            8

enum { /* option numbers the relay looks for */
       COAP_OPTION_URI_HOST = 3,
       COAP_OPTION_OBSERVE = 6,
       COAP_OPTION_URI_PORT = 7,
       COAP_OPTION_LOCATION_PATH = 8,
       COAP_OPTION_OSCORE = 9,
       COAP_OPTION_URI_PATH = 11,
       COAP_OPTION_MAX_AGE = 14,
       COAP_OPTION_URI_QUERY = 15,
       COAP_OPTION_BLOCK2 = 23,
       COAP_OPTION_BLOCK1 = 27,
       COAP_OPTION_SIZE2 = 28
};

struct coap_view {
    struct bytes message; /* all of it */
    enum coap_type type;
    uint8_t code;
    uint16_t message_id;
    struct bytes token;
};

/* ERR_NOT_COAP: too short, another version, a reserved token length, or an empty message that is not empty. */
[[gnu::warn_unused_result]] enum error coap_view_parse(struct bytes message, struct coap_view *out);

static inline bool coap_is_empty(const struct coap_view *v)
{
    return v->code == 0;
}
static inline bool coap_is_request(const struct coap_view *v)
{
    return v->code != 0 && v->code >> 5 == 0;
}
static inline bool coap_is_response(const struct coap_view *v)
{
    return v->code >> 5 >= 2 && v->code >> 5 <= 5; /* 1, 6 and 7 are reserved: RFC 7252 clause 4.2 */
}

/* What a first byte says of a non-IP payload (docs/architecture.md): CoAP version 1, DTLS (record types 20-26,
 * 0x20-0x3f), else.
 */
enum payload_kind { PAYLOAD_COAP, PAYLOAD_DTLS, PAYLOAD_OTHER };
enum payload_kind payload_kind_of(struct bytes payload);

struct coap_option {
    uint32_t number;
    struct bytes value;
};
/* Walks the options in order: start with a zeroed cursor; false at the end or where the list breaks (then `broken`). */
struct coap_option_cursor {
    size_t offset; /* 0 = not begun */
    uint32_t number;
    bool broken;
};
bool coap_option_next(const struct coap_view *v, struct coap_option_cursor *c, struct coap_option *out);
/* The first option of that number. */
bool coap_option_find(const struct coap_view *v, uint32_t number, struct coap_option *out);
/* An option value as an unsigned integer (RFC 7252 clause 3.2); values over 4 bytes give UINT32_MAX. */
uint32_t coap_option_uint(struct bytes value);

/* Is the Uri-Path these segments, each followed by '/', and no more? Empty segments do not count. */
bool coap_path_is(const struct coap_view *v, const char *segments);

/* The four header bytes of a message with this token length. */
void coap_header_write(uint8_t out[COAP_HEADER_BYTES], enum coap_type type, size_t token_len, uint8_t code,
                       uint16_t message_id);

/* Appends an empty message (ACK, RST). */
void coap_write_empty(struct buf *out, enum coap_type type, uint16_t message_id);

/* Appends an option (RFC 7252 clause 3.1); *last is the number of the one before it, at first 0, and not above. */
void coap_write_option(struct buf *out, uint32_t *last, uint32_t number, struct bytes value);
void coap_write_option_uint(struct buf *out, uint32_t *last, uint32_t number,
                            uint32_t value); /* in its shortest form */

/* Appends an error response of the adapter's own: token, optional Max-Age (0 = none), Block1 (num 0, no more, szx) when
 * block1_szx >= 0, and the diagnostic payload. */
struct coap_error {
    enum coap_type type;
    uint8_t code;
    uint16_t message_id;
    struct bytes token;
    uint32_t max_age_s;
    int block1_szx;
    const char *diagnostic;
};
void coap_write_error(struct buf *out, const struct coap_error *e);

#endif
