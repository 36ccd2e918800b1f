/*
 * What the two small LwM2M ends (sim-lwm2m-server, sim-lwm2m-client) have in common:
 * one event per line on a stream, addresses, option access, and a memory of answers.
 *
 * Both ends are written on libcoap and share nothing with the adapter, so that a misreading of
 * CoAP in the adapter cannot hide behind the same misreading here.
 */
#ifndef LWM2M_END_COMMON_H
#define LWM2M_END_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <coap3/coap.h>

enum end_format { /* CoAP Content-Format numbers (IANA) that LwM2M 1.1 uses here */
                  END_FORMAT_NONE = -1,
                  END_FORMAT_TEXT = 0,
                  END_FORMAT_LINK = 40,
                  END_FORMAT_OPAQUE = 42,
                  END_FORMAT_SENML_JSON = 110,
                  END_FORMAT_TLV = 11542,
};

enum end_exit { END_EXIT_OK = 0, END_EXIT_FAILED = 1, END_EXIT_USAGE = 2 };

/*
 * Events: begin, any number of members, end. Written as one JSON object, or as
 * `time name key=value ...`, and flushed, so that a reader on a pipe sees it at once.
 */
struct end_events {
    FILE *file;
    bool json;
};

void end_event_begin(struct end_events *out, const char *name);
void end_event_text(struct end_events *out, const char *key, const char *value); /* NULL: left out */
void end_event_int(struct end_events *out, const char *key, int64_t value);
void end_event_bool(struct end_events *out, const char *key, bool value);
void end_event_ms(struct end_events *out, const char *key, double ms);
void end_event_hex(struct end_events *out, const char *key, const uint8_t *bytes, size_t length);
void end_event_code(struct end_events *out, const char *key, coap_pdu_code_t code); /* "2.05" */
/* `code` as "2.05" (or "GET" for a request), `type`, `mid` and `token` of a message. */
void end_event_pdu(struct end_events *out, const coap_pdu_t *pdu);
/* `content_format`, `payload_bytes`, and `payload` (text) or `payload_hex`. */
void end_event_payload(struct end_events *out, int content_format, const uint8_t *bytes, size_t length);
void end_event_end(struct end_events *out);

const char *end_type_name(coap_pdu_type_t type);
const char *end_nack_name(coap_nack_reason_t reason);

/* Seconds of a clock that never jumps. */
double end_now_s(void);

/* "host:port", "[v6]:port"; false and a one-line reason on stderr when it is neither. */
bool end_address_parse(const char *text, coap_address_t *address);
/* "127.0.0.1:5683"; for people, not for comparing. */
void end_address_print(const coap_address_t *address, char *text, size_t size);

/* A number in a program argument or script; false when there is anything else. */
bool end_parse_seconds(const char *text, double *value);
bool end_parse_number(const char *text, long least, long most, long *value);

/* Options. A missing number is -1; a missing query value is NULL, else to be freed. */
int64_t end_option_number(const coap_pdu_t *pdu, coap_option_num_t number);
char *end_option_query(const coap_pdu_t *pdu, const char *name);
bool end_option_query_flag(const coap_pdu_t *pdu, const char *name);
/* Uri-Path as "/3/0"; false when it does not fit. */
bool end_option_path(const coap_pdu_t *pdu, char *text, size_t size);
/* Adds one Uri-Path option for each segment of "/3/0". */
bool end_option_path_add(coap_pdu_t *pdu, coap_option_num_t number, const char *path);
bool end_option_number_add(coap_pdu_t *pdu, coap_option_num_t number, unsigned value);

/*
 * Answers given, so that a request that comes again (same peer, Message ID and token) is answered
 * alike without being done again: RFC 7252 §4.5. libcoap 4.3.4 calls the handler for each copy.
 */
struct end_reply {
    coap_pdu_code_t code;
    int content_format;
    char location[32]; /* "/rd/7", or empty */
    size_t length;
    uint8_t *payload; /* owned */
};

struct end_replies;

struct end_replies *end_replies_new(size_t capacity);
void end_replies_free(struct end_replies *replies);
/* The answer this request already got, or NULL. It lasts until the next store. */
const struct end_reply *end_replies_find(const struct end_replies *replies, const coap_session_t *session,
                                         const coap_pdu_t *request);
/* Keeps the reply and its payload (takes it over) in place of the oldest one; never fails: what cannot be
 * kept is freed, and a copy of the request would then be done again. */
const struct end_reply *end_replies_store(struct end_replies *replies, const coap_session_t *session,
                                          const coap_pdu_t *request, struct end_reply *reply);
/* Writes a reply into libcoap's response. */
void end_reply_apply(const struct end_reply *reply, coap_resource_t *resource, coap_session_t *session,
                     const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response);

/* libcoap prints to stdout by default, which here belongs to the events. */
void end_libcoap_log_to_stderr(bool verbose);

#endif
