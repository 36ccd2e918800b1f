/* What a WebSocket peer of either kind may say. The first byte chooses:
 *
 *   'f'  frames of a client, 's' of a server: bytes from the wire, cut into pieces whose length the second byte tells
 *   'n'  a notification, 'a' an acknowledgement: a message
 *   'h'  the answer to our handshake
 */
#include <stdlib.h>
#include <string.h>

#include "t8/websocket_frame.h"
#include "t8/websocket_handshake.h"
#include "t8/websocket_inbox.h"
#include "t8/websocket_notification.h"

#define MAX_MESSAGE 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail_unless(bool ok)
{
    if (!ok)
        abort();
}

/* Bounded, and after its end silent. */
static void check_frames(bool peer_is_client, struct bytes wire, size_t step)
{
    struct websocket_reader r = {.max_message_bytes = MAX_MESSAGE, .peer_is_client = peer_is_client};
    bool ended = false;
    while (wire.len) {
        struct bytes in = bytes_of(wire.data, step < wire.len ? step : wire.len);
        wire = bytes_from(wire, in.len);
        for (;;) {
            struct websocket_event e = websocket_reader_next(&r, &in);
            if (e.what == WEBSOCKET_NOTHING)
                break;
            fail_unless(!ended);
            fail_unless(e.payload.len <= (e.what == WEBSOCKET_MESSAGE ? MAX_MESSAGE : WEBSOCKET_CONTROL_BYTES_MAX));
            ended = e.what == WEBSOCKET_GOT_CLOSE || e.what == WEBSOCKET_VIOLATION;
        }
        fail_unless(in.len == 0);
    }
    fail_unless(r.message.len <= MAX_MESSAGE);
    websocket_reader_free(&r);
}

/* What was read can be written, and reads alike. */
static void check_notification(struct bytes message)
{
    struct websocket_notification a;
    struct websocket_notification b;
    const struct websocket_memory *m;
    struct websocket_inbox inbox = {.interval_ms = 10};
    struct buf out = {0};
    if (websocket_notification_decode(message, &a) == OK) {
        fail_unless(a.numbered);
        websocket_notification_encode(&a, &out);
        fail_unless(websocket_notification_decode(buf_bytes(&out), &b) == OK);
        fail_unless(a.number == b.number && bytes_equal(a.content_type, b.content_type) && bytes_equal(a.body, b.body));
        fail_unless(websocket_inbox_take(&inbox, a.number, message, 0, &m) == WEBSOCKET_NEW);
        fail_unless(websocket_inbox_take(&inbox, a.number, message, 0, &m) == WEBSOCKET_UNDER_WAY);
    }
    websocket_inbox_free(&inbox);
    buf_free(&out);
}

static void check_acknowledgement(struct bytes message)
{
    struct websocket_acknowledgement a;
    struct websocket_acknowledgement b;
    struct buf out = {0};
    if (websocket_acknowledgement_decode(message, &a) == OK) {
        websocket_acknowledgement_encode(&a, &out);
        fail_unless(websocket_acknowledgement_decode(buf_bytes(&out), &b) == OK);
        fail_unless(a.number == b.number && a.status == b.status && bytes_equal(a.body, b.body));
    }
    buf_free(&out);
}

static void check_answer(struct bytes in)
{
    struct websocket_answer a;
    if (websocket_answer_read(in, "dGhlIHNhbXBsZSBub25jZQ==", &a) == OK && a.status)
        fail_unless(a.status < 1000 && a.consumed > 0 && a.consumed <= in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct bytes rest = bytes_of(data + 1, size - 1);
    switch (data[0]) {
    case 'f':
    case 's':
        check_frames(data[0] == 'f', bytes_from(rest, 1), (size_t)data[1] + 1);
        break;
    case 'n':
        check_notification(rest);
        break;
    case 'a':
        check_acknowledgement(rest);
        break;
    default:
        check_answer(rest);
    }
    return 0;
}
