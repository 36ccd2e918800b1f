/* A front before an LwM2M server that speaks UDP only: devices come by DTLS, TCP or TLS, and each has a UDP address of
 * its own here, from which the server hears it.
 *
 *   leg_front --scheme coaps|coap+tcp|coaps+tcp --host ADDRESS --port PORT --server-port PORT
 *             --certificate FILE --key FILE
 *
 * By DTLS datagrams pass as they are. By a connection there is no message layer (RFC 8323 clause 2): what comes from
 * there goes on as CON; the server's CON is acknowledged here, and its empty messages and repeated requests end here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/common.h"
#include "tests/e2e/leg_peers.h"

#define ASKED_KEPT 64

enum { CON, NON, ACK };

struct upstream { /* a device, as the server sees it */
    struct source source;
    struct peer_end *end;
    uint16_t message_id;
    uint16_t asked[ASKED_KEPT]; /* Message IDs of the server's latest requests */
    unsigned asked_count;
};

static struct peer *front;
static int epoll;
static uint16_t server_port;
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

/* A request that the server repeats is no second one on a connection (RFC 7252 clause 4.5). */
static bool asked_before(struct upstream *u, const uint8_t *message)
{
    const uint16_t message_id = (uint16_t)(message[2] << 8 | message[3]);
    if (message[1] >> 5 != 0)
        return false;
    for (unsigned i = 0; i < ASKED_KEPT; i++)
        if (u->asked[i] == message_id && u->asked_count > i)
            return true;
    u->asked[u->asked_count++ % ASKED_KEPT] = message_id;
    return false;
}

static void on_server(struct source *source)
{
    struct upstream *u = OWNER_OF(source, struct upstream, source);
    uint8_t message[PEER_MESSAGE_MAX];
    ssize_t n = recv(source->fd, message, sizeof(message), 0);
    if (n < 4)
        return; /* the server is not there */
    if (peer_is_stream(front)) {
        if ((message[0] >> 4 & 3) == CON) {
            const uint8_t acknowledgement[] = {0x40 | ACK << 4, 0, message[2], message[3]};
            (void)send(source->fd, acknowledgement, sizeof(acknowledgement), 0);
        }
        if (message[1] == 0 || asked_before(u, message))
            return;
    }
    (void)peer_say(u->end, message, (size_t)n); /* a device that is gone hears nothing, as by any network */
}

static struct upstream *upstream_new(struct peer_end *end)
{
    const struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(server_port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct upstream *u = must_alloc(1, sizeof(*u));
    u->source = (struct source){socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on_server};
    u->end = end;
    if (u->source.fd < 0 || connect(u->source.fd, (const struct sockaddr *)&server, sizeof(server)) != 0)
        die("UDP: %s", strerror(errno));
    source_add(epoll, &u->source);
    peer_end_owner_set(end, u);
    return u;
}

static void on_device(void *ctx, struct peer_end *end, const uint8_t *message, size_t len)
{
    struct upstream *u = peer_end_owner(end);
    uint8_t out[PEER_MESSAGE_MAX];
    (void)ctx;
    if (!u)
        u = upstream_new(end);
    memcpy(out, message, len);
    if (peer_is_stream(front)) {
        if (message[1] == 0)
            return; /* RFC 8323 clause 3.4: an empty message has no meaning */
        u->message_id++;
        out[0] = (uint8_t)(0x40 | CON << 4 | (message[0] & 15));
        out[2] = (uint8_t)(u->message_id >> 8);
        out[3] = (uint8_t)u->message_id;
    }
    (void)send(u->source.fd, out, len, 0); /* an error is of what was sent before */
}

int main(int argc, char **argv)
{
    const struct sigaction stop = {.sa_handler = on_signal};
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    epoll = epoll_create1(0);
    server_port = (uint16_t)arg_number(argc, argv, "--server-port", 0);
    front =
        peer_new(epoll, peer_scheme_of(arg_text(argc, argv, "--scheme", NULL)), arg_text(argc, argv, "--host", NULL),
                 (uint16_t)arg_number(argc, argv, "--port", 0), arg_text(argc, argv, "--certificate", NULL),
                 arg_text(argc, argv, "--key", NULL), (struct peer_hooks){NULL, on_device});
    puts("{\"event\": \"listening\"}");
    while (!stopping)
        turn(epoll, NS_PER_S / 10);
    return 0;
}
