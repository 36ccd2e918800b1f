/* Many devices' DTLS sessions in one process, by pre-shared key, to a server that was started before:
 *
 *   bench_leg_dtls DEVICES SERVER_PORT KEY
 *
 * Prints one line: handshakes a second, the resident memory of a session when all are idle, and the exchanges' rate
 * after that (one CON, acknowledged, of each device). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scef-adapter/config_keys.h"
#include "scef-adapter/leg_dtls.h"
#include "scef-adapter/leg_udp.h"

struct bench {
    struct loop loop;
    struct leg_udp *udp;
    struct leg_dtls *dtls;
    struct loop_turn_end turn_end;
    struct leg_tls_psk key;
    uint32_t devices, next;
    uint32_t up, acknowledged;
};

static const uint8_t PING[] = {0x40, 0, 0, 1}; /* CON, Empty: a RST comes back (RFC 7252 clause 4.3) */

static long resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

static void udp_datagram(void *ctx, uint32_t leg, uint32_t server, struct bytes datagram)
{
    struct bench *b = ctx;
    leg_dtls_datagram(b->dtls, leg, server, datagram);
}

static enum error transmit(void *ctx, uint32_t leg, uint32_t server, struct bytes datagram)
{
    struct bench *b = ctx;
    return leg_udp_send(b->udp, leg, server, datagram.data, bytes_from(datagram, COAP_HEADER_BYTES), false);
}

static void say(struct bench *b)
{
    if (b->next == b->devices)
        return;
    enum error err = leg_dtls_send(b->dtls, b->next++, 0, PING, (struct bytes){0});
    if (err && err != ERR_UNREACHABLE)
        fprintf(stderr, "bench_leg_dtls: %s\n", error_text(err));
}

static void on_message(void *ctx, uint32_t leg, uint32_t server, struct bytes message)
{
    struct bench *b = ctx;
    (void)leg;
    (void)server;
    (void)message;
    b->acknowledged++;
    say(b);
}

static void on_state(void *ctx, uint32_t leg, uint32_t server, bool up)
{
    struct bench *b = ctx;
    (void)leg;
    (void)server;
    b->up += up;
    say(b);
}

static bool on_key(void *ctx, uint32_t leg, uint32_t server, struct leg_tls_psk *out)
{
    const struct bench *b = ctx;
    (void)leg;
    (void)server;
    *out = b->key;
    return true;
}

static void on_turn_end(void *ctx)
{
    struct bench *b = ctx;
    leg_udp_flush(b->udp);
}

static double run_until(struct bench *b, const uint32_t *count)
{
    uint64_t begin = uv_hrtime();
    while (*count < b->devices && uv_hrtime() - begin < UINT64_C(300000000000))
        uv_run(&b->loop.uv, UV_RUN_ONCE);
    return (double)(uv_hrtime() - begin) / 1e9;
}

int main(int argc, char **argv)
{
    static struct bench b;
    char why[200];
    if (argc != 4) {
        fprintf(stderr, "usage: bench_leg_dtls DEVICES SERVER_PORT KEY\n");
        return 2;
    }
    b.devices = (uint32_t)atoi(argv[1]);
    struct config_endpoint endpoint = {.host = "127.0.0.1", .port = (uint16_t)atoi(argv[2])};
    struct leg_dtls_server server = {.name = "server", .host = "127.0.0.1"};
    struct leg_udp_options udp = {.mode = CONFIG_LEG_PREFIX, .servers = &endpoint, .server_count = 1};
    struct leg_dtls_options dtls = LEG_DTLS_OPTIONS;
    struct leg_dtls_ports ports = {&b, transmit, on_message, on_state, on_key};
    dtls.servers = &server;
    dtls.server_count = 1;
    snprintf(b.key.identity, sizeof(b.key.identity), "bench");
    b.key.key_len = strnlen(argv[3], sizeof(b.key.key));
    memcpy(b.key.key, argv[3], b.key.key_len);
    if (!config_prefix_parse("127.64.0.0/10", &udp.prefix) || loop_init(&b.loop) != OK ||
        leg_udp_new(&b.loop, &udp, (struct leg_udp_sink){&b, udp_datagram}, &b.udp, why) != OK ||
        leg_dtls_new(&b.loop, &dtls, &ports, &b.dtls, why) != OK ||
        loop_turn_end_start(&b.loop, &b.turn_end, on_turn_end, &b) != OK) {
        fprintf(stderr, "bench_leg_dtls: cannot begin\n");
        return 1;
    }
    const long before = resident_bytes();
    for (unsigned i = 0; i < dtls.handshakes_max; i++)
        say(&b);
    const double handshakes_s = run_until(&b, &b.up);
    const long after = resident_bytes();
    b.next = 0;
    for (unsigned i = 0; i < 64; i++)
        say(&b);
    const double exchanges_s = run_until(&b, &b.acknowledged);
    printf("%u of %u up, %.0f handshakes/s, %.1f KiB a session, %u answered, %.0f exchanges/s\n", b.up, b.devices,
           b.up / handshakes_s, (double)(after - before) / 1024 / b.devices, b.acknowledged,
           b.acknowledged / exchanges_s);
    leg_dtls_free(b.dtls);
    leg_udp_flush(b.udp);
    leg_udp_free(b.udp);
    loop_turn_end_stop(&b.turn_end);
    loop_free(&b.loop);
    return b.up == b.devices ? 0 : 1;
}
