/* Puts messages to devices into the embedded store of an adapter that is not running: so many requests of a server,
 * each of another device devN@example.org, all accepted now and with a day to live.
 *
 *   bench_store_fill STORE MAP_MIB MESSAGES DEVICES SERVER */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buffering/record.h"
#include "buffering/store.h"

#define BATCH         20000
#define PAYLOAD_BYTES 100

struct fill {
    uint64_t told;
    enum error err;
};

static void on_committed(void *ctx, uint64_t ticket, enum error err)
{
    struct fill *f = ctx;
    f->told = ticket;
    f->err = f->err ? f->err : err;
}

/* CON GET /3/0, a token of 4 bytes, and a payload, so that it is as long as messages are. */
static size_t message_write(uint32_t n, uint8_t out[16 + PAYLOAD_BYTES])
{
    const uint8_t head[] = {0x44,
                            0x01,
                            (uint8_t)(n >> 8),
                            (uint8_t)n,
                            (uint8_t)(n >> 24),
                            (uint8_t)(n >> 16),
                            (uint8_t)(n >> 8),
                            (uint8_t)n,
                            0xb1,
                            '3',
                            0x01,
                            '0',
                            0xff};
    memcpy(out, head, sizeof(head));
    memset(out + sizeof(head), 'x', PAYLOAD_BYTES);
    return sizeof(head) + PAYLOAD_BYTES;
}

static void put_message(struct store *s, uint64_t n, uint64_t device, const char *server, uint64_t now_ms)
{
    static struct buf key;
    static struct buf value;
    uint8_t message[16 + PAYLOAD_BYTES];
    char id[48];
    snprintf(id, sizeof(id), "dev%" PRIu64 "@example.org", device);
    const size_t len = message_write((uint32_t)n, message);
    const struct record_message m = {.device_id = bytes_of_str(id),
                                     .seq = n + 1,
                                     .server = bytes_of_str(server),
                                     .queue_class = 2,
                                     .server_mid = (uint16_t)n,
                                     .device_mid = (uint16_t)n,
                                     .accepted_ms = now_ms,
                                     .deadline_ms = now_ms + 86400000 - n % 1000000,
                                     .message = bytes_of(message, len)};
    buf_reset(&key);
    buf_reset(&value);
    record_message_key(RECORD_DOWNLINK, m.device_id, m.seq, &key);
    record_message_encode(buf_bytes(&key), &m, &value);
    store_put(s, buf_bytes(&key), buf_bytes(&value));
}

static void put_sequence(struct store *s, uint64_t reserved)
{
    struct buf key = {0};
    struct buf value = {0};
    record_sequence_key(&key);
    record_sequence_encode(buf_bytes(&key), reserved, &value);
    store_put(s, buf_bytes(&key), buf_bytes(&value));
    buf_free(&key);
    buf_free(&value);
}

int main(int argc, char **argv)
{
    struct loop loop;
    struct store *s;
    struct fill f = {.err = OK};
    const char *why = NULL;
    if (argc != 6 || loop_init(&loop) != OK)
        return EXIT_FAILURE;
    const uint64_t messages = strtoull(argv[3], NULL, 10);
    const uint64_t devices = strtoull(argv[4], NULL, 10);
    const uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    const struct store_sink sink = {.ctx = &f, .committed = on_committed};
    if (store_lmdb_open(&loop, argv[1], strtoull(argv[2], NULL, 10) << 20, sink, &s, &why) != OK) {
        fprintf(stderr, "%s: %s\n", argv[1], why);
        return EXIT_FAILURE;
    }
    put_sequence(s, messages + 65536);
    for (uint64_t n = 0; n < messages && !f.err; n++) {
        put_message(s, n, n * (devices / messages), argv[5], now_ms);
        if (n % BATCH == BATCH - 1) {
            store_flush(s);
            while (store_backlog_bytes(s) > 64u << 20)
                uv_run(&loop.uv, UV_RUN_ONCE);
        }
    }
    store_close(s);
    loop_free(&loop);
    if (f.err)
        fprintf(stderr, "%s\n", error_text(f.err));
    return f.err ? EXIT_FAILURE : EXIT_SUCCESS;
}
