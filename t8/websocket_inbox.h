/* What a receiver of notifications remembers of their numbers (TS 29.122 clause 5.2.5.4): one that comes again within
 * an interval, also over another connection, is answered as before and not handed on again.
 *
 * The same number with another content is another notification: a SCEF that lost its memory counts from the beginning
 * again, and its news must not be taken for old ones. Numbers may come in any order and wrap. Memory is bounded: the
 * latest WEBSOCKET_INBOX_MAX numbers. Pure: time is given. */
#ifndef T8_WEBSOCKET_INBOX_H
#define T8_WEBSOCKET_INBOX_H

#include "base/bytes.h"

#define WEBSOCKET_INBOX_MAX     1024 /* a power of 2 */
#define WEBSOCKET_KEPT_BODY_MAX 2048 /* an answer with a longer body is remembered without it */

struct websocket_memory {
    bool used, answered;
    uint32_t number, crc;
    size_t len;
    uint64_t until_ms; /* once answered */
    int status;
    char *content_type; /* NULL: none */
    struct buf body;
};

struct websocket_inbox {
    uint64_t interval_ms;
    struct websocket_memory *slots; /* by number, modulo their count */
    size_t count;
};

enum websocket_novelty { WEBSOCKET_NEW, WEBSOCKET_UNDER_WAY, WEBSOCKET_ANSWERED };

/* Takes note of a notification. ANSWERED: *answer is what was said, good until the next call. NEW also when memory is
 * short: then it is not remembered. */
enum websocket_novelty websocket_inbox_take(struct websocket_inbox *in, uint32_t number, struct bytes message,
                                            uint64_t now_ms, const struct websocket_memory **answer);
/* The answer to what `take` has called NEW, by its number and the CRC-32C of its message. */
void websocket_inbox_answer(struct websocket_inbox *in, uint32_t number, uint32_t crc, uint64_t now_ms, int status,
                            const char *content_type, struct bytes body);
/* What `take` has called NEW could not be handed on: its repetition will be NEW again. */
void websocket_inbox_forget(struct websocket_inbox *in, uint32_t number);
void websocket_inbox_free(struct websocket_inbox *in);

#endif
