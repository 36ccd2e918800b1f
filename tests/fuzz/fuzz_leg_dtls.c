/* What comes from a DTLS server's address: datagrams, each behind two bytes of length, for a leg that has just sent its
 * ClientHello. Nothing may crash, and no message may come out of what no key protects. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "scef-adapter/leg_dtls.h"

#define INPUTS_PER_LEGS 64 /* then their memory is given back */

static struct loop loop;
static struct leg_dtls *legs;
static uint32_t leg;

static enum error transmit(void *ctx, uint32_t from, uint32_t server, struct bytes datagram)
{
    (void)ctx;
    if (from != leg || server != 0 || datagram.len == 0)
        abort();
    return OK;
}

static void message(void *ctx, uint32_t to, uint32_t server, struct bytes text)
{
    (void)ctx;
    (void)to;
    (void)server;
    (void)text;
    abort();
}

static void state(void *ctx, uint32_t of, uint32_t server, bool up)
{
    (void)ctx;
    (void)of;
    (void)server;
    if (up)
        abort(); /* nobody here knows the key */
}

static bool key(void *ctx, uint32_t of, uint32_t server, struct leg_tls_psk *out)
{
    (void)ctx;
    (void)of;
    (void)server;
    *out = (struct leg_tls_psk){.identity = "device", .key = "0123456789abcdef", .key_len = 16};
    return true;
}

static void legs_open(void)
{
    static const struct leg_dtls_server server = {.name = "server", .host = "lwm2m.example.org"};
    const struct leg_dtls_ports ports = {NULL, transmit, message, state, key};
    struct leg_dtls_options o = LEG_DTLS_OPTIONS;
    char why[200];
    o.servers = &server;
    o.server_count = 1;
    log_set_level(LOG_ERROR);
    if (loop_init(&loop) != OK || leg_dtls_new(&loop, &o, &ports, &legs, why) != OK)
        abort();
}

static void legs_close(void)
{
    leg_dtls_free(legs);
    loop_free(&loop);
    legs = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t header[COAP_HEADER_BYTES] = {0x50, 1};
    struct reader r = {.rest = bytes_of(data, size)};
    if (!legs)
        legs_open();
    if (leg_dtls_send(legs, leg, 0, header, (struct bytes){0}) != ERR_UNREACHABLE)
        abort();
    while (r.rest.len > 2) {
        size_t len = reader_be16(&r);
        leg_dtls_datagram(legs, leg, 0, reader_bytes(&r, len < r.rest.len ? len : r.rest.len));
    }
    if (++leg == INPUTS_PER_LEGS) {
        legs_close();
        leg = 0;
    }
    return 0;
}
