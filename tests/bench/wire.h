/* The bytes on the wire, as the benchmark's ends write and read them: HTTP/1.1 with one message at a time, the T8
 * bodies and the CoAP messages of numbered devices. Everything has a fixed length, so that a message is made by
 * overwriting digits in a text that is there already. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_DIGITS   7
#define DEVICE_ID_CHARS 32 /* device-0000123@nbiot.example.org */
#define COAP_MAX_BYTES  160

/* Lengths of the CoAP messages; multiples of 3, so that base64 needs no padding. */
#define NOTIFICATION_BYTES 135 /* in a NiddUplinkDataNotification of about 330 bytes */
#define ANSWER_BYTES       135
#define REQUEST_BYTES      156 /* in a NiddDownlinkDataTransfer of about 300 bytes */

void device_id_write(uint32_t device, char out[DEVICE_ID_CHARS]); /* no NUL */
/* The number in the text that `id` points to; false when it is no device's. */
bool device_id_read(const char *id, size_t len, uint32_t *device);

/* ---- HTTP */
struct http_view {
    int status;         /* of a response; 0: a request */
    const char *target; /* of a request: "POST /path", target_len long */
    size_t target_len;
    const char *body;
    size_t body_len;
};
/* Bytes of the message at the beginning of `in`, or 0 while it is not whole. Ends the program for what is no HTTP. */
size_t http_view_read(const char *in, size_t len, struct http_view *out);
/* Value of a JSON member whose text has no escapes; NULL when there is none. */
const char *json_text(const struct http_view *v, const char *name, size_t *len);

/* ---- CoAP (RFC 7252). Tokens have 8 bytes: device and sequence number. */
struct coap_head {
    uint8_t type, code;
    uint16_t message_id;
    uint32_t device, seq;
};
enum { TYPE_CON, TYPE_NON, TYPE_ACK, TYPE_RST };
#define CODE_POST    0x02
#define CODE_FETCH   0x05
#define CODE_CONTENT 0x45

void coap_header(uint8_t *out, uint8_t type, uint8_t token_len, uint8_t code, uint16_t message_id);
bool coap_head_read(const uint8_t *in, size_t len, struct coap_head *out); /* false: no token of ours, or no CoAP */

void coap_notification(uint8_t out[NOTIFICATION_BYTES], uint32_t device, uint32_t seq, uint16_t message_id);
void coap_request(uint8_t out[REQUEST_BYTES], uint32_t device, uint32_t seq, uint16_t message_id); /* CON FETCH */
void coap_answer(uint8_t out[ANSWER_BYTES], const struct coap_head *request); /* piggybacked 2.05 */
/* Is it the answer to that request, but for the first 4 bytes? */
bool coap_answer_is_intact(const uint8_t *in, size_t len);
bool coap_request_is_intact(const uint8_t *in, size_t len);

size_t base64_write(const uint8_t *in, size_t len, char *out); /* len is a multiple of 3 */
size_t base64_read(const char *in, size_t len, uint8_t *out);  /* the same; 0 for what is no base64 */

/* ---- the POST of a NiddUplinkDataNotification */
struct uplink_post {
    char text[1024];
    size_t len, body_len;
    size_t link_at, id_at, data_at;
};
void uplink_post_init(struct uplink_post *p, const char *path, uint16_t scef_port);
/* `message` has NOTIFICATION_BYTES, or ANSWER_BYTES, which is as many. */
void uplink_post_set(struct uplink_post *p, uint32_t device, const uint8_t *message);

/* The same of a MonitoringNotification: the device can be reached (UE_REACHABILITY). */
void report_post_init(struct uplink_post *p, const char *path);
void report_post_set(struct uplink_post *p, uint32_t device);

/* The link of a device's configuration: its path. */
#define CONFIGURATIONS "/3gpp-nidd/v1/as1/configurations"
/* The body of the downlink that the adapter POSTs. Returns its length. */
size_t downlink_body(char *out, size_t size, uint32_t device, const uint8_t request[REQUEST_BYTES]);

#endif
