/* Puts a record into an embedded store that nobody has open: store-put DIRECTORY KEY VALUE, both in hex. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffering/store.h"

static enum error result = ERR_STORE;

static void committed(void *ctx, uint64_t ticket, enum error err)
{
    (void)ctx;
    (void)ticket;
    result = err;
}

static bool hex(const char *text, uint8_t *out, size_t max, size_t *len)
{
    *len = strlen(text) / 2;
    for (size_t i = 0; i < *len && *len <= max; i++) {
        const char pair[3] = {text[2 * i], text[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return *len <= max;
}

int main(int argc, char **argv)
{
    uint8_t key[STORE_KEY_MAX], value[4096];
    size_t key_len, value_len;
    struct loop loop;
    struct store *s;
    const char *why;
    if (argc != 4 || !hex(argv[2], key, sizeof(key), &key_len) || !hex(argv[3], value, sizeof(value), &value_len) ||
        loop_init(&loop) != OK)
        return EXIT_FAILURE;
    if (store_lmdb_open(&loop, argv[1], 64u << 20, (struct store_sink){.committed = committed}, &s, &why) == OK) {
        (void)store_put(s, bytes_of(key, key_len), bytes_of(value, value_len));
        store_close(s);
    }
    loop_free(&loop);
    return result == OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
