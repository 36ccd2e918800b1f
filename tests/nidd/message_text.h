/* CoAP messages as text, for tests: written and read here, by code of its own, so that a mistake of the engine's reader
 * cannot hide itself.
 *
 *   CON 0.02 #7 tok 11=rd 15=ep=a |payload      type, code, Message ID, token, options in order, payload
 *   ACK #7                                      an empty message
 *
 * Token "-" is the empty token. Token, option values and payload stand as text, or as 0x and hex digits; "|~100" is a
 * payload of 100 times 'x'. */
#ifndef TESTS_NIDD_MESSAGE_TEXT_H
#define TESTS_NIDD_MESSAGE_TEXT_H

#include <stdarg.h>

#include "base/bytes.h"

#define MESSAGE_MAX      4096
#define MESSAGE_TEXT_MAX (2 * MESSAGE_MAX + 256)

struct message {
    uint8_t data[MESSAGE_MAX];
    size_t len;
};

/* A text that is none fails the test. */
[[gnu::format(printf, 1, 2)]] struct message message_of(const char *fmt, ...);
struct message message_vof(const char *fmt, va_list args);

/* What the bytes say; with `any_mid` the Message ID is written as *. Bytes that are no CoAP message give "? " and hex.
 */
void message_text(struct bytes m, bool any_mid, char out[MESSAGE_TEXT_MAX]);

static inline struct bytes message_bytes(const struct message *m)
{
    return bytes_of(m->data, m->len);
}
static inline uint16_t message_mid(struct bytes m)
{
    return (uint16_t)(m.len < 4 ? 0 : m.data[2] << 8 | m.data[3]);
}

#endif
