/* JSON written straight into a buf: for the trace and the admin API, where building a document first would cost more
 * than the answer. The writer keeps track of commas; the caller of balance. */
#ifndef SCEF_ADAPTER_JSON_OUT_H
#define SCEF_ADAPTER_JSON_OUT_H

#include "base/bytes.h"

/* key: NULL inside an array and for the outermost value. */
void json_out_open(struct buf *b, const char *key, char bracket); /* '{' or '[' */
void json_out_close(struct buf *b, char bracket);                 /* '}' or ']' */
/* Bytes that are not UTF-8 come out as U+FFFD. */
void json_out_text(struct buf *b, const char *key, struct bytes value);
void json_out_str(struct buf *b, const char *key, const char *value); /* NULL: null */
void json_out_number(struct buf *b, const char *key, uint64_t value);
void json_out_bool(struct buf *b, const char *key, bool value);
void json_out_null(struct buf *b, const char *key);
void json_out_hex(struct buf *b, const char *key, struct bytes value);
/* RFC 3339; null for 0. */
void json_out_time(struct buf *b, const char *key, uint64_t utc_ms);

/* "2.05" of a CoAP code; out holds 8. */
void coap_code_text(uint8_t code, char out[8]);
const char *coap_type_text(uint8_t type);

#endif
