/* Both ends of the adapter's real legs: the devices with their network, and the LwM2M servers. They exchange random
 * valid messages, and each must come out with the token, code, options and payload that it went in with.
 *
 *   leg_transparency --scef-port PORT --callback-port PORT --certificate FILE --key FILE --messages N --devices N
 *                    --legs "NAME SCHEME ADDRESS PORT, ..." [--seed N]
 *
 * SCHEME is coap, coaps, coap+tcp or coaps+tcp. The first --devices devices belong to the first leg, the next ones to
 * the second, and so on. On each leg at least N messages go each way. When all is done a line of JSON tells so for each
 * leg, and the program waits for SIGTERM. A message that is changed, that nobody expects, or that does not come within
 * a minute ends it with status 1. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/common.h"
#include "tests/e2e/leg_peers.h"
#include "tests/e2e/leg_scef.h"
#include "tests/nidd/random_message.h"

#define LEGS_MAX    16
#define STALL_NS    (60 * NS_PER_S)
#define TURN_NS     (50 * 1000 * 1000)
#define HTTP_OK_204 204
#define ANY_TYPE    4u /* by a connection messages have none */

/* What a device's exchange waits for; the next step comes when all of it is there. */
enum { POSTED = 1, AT_SERVER = 2, AT_DEVICE = 4, ACK_AT_SERVER = 8, ACK_AT_DEVICE = 16 };
static const char *const wait_names[] = {"the SCEF's 204", "the message at the server", "the message at the device",
                                         "the ACK at the server", "the ACK at the device"};

struct leg {
    char name[32], scheme[16], host[64];
    unsigned port;
    struct peer *peer;
    bool reliable;
    uint64_t up, down, repeated;
};

enum kind { HELLO, ASKS, TELLS, IS_ASKED };

struct device {
    struct leg *leg;
    uint32_t number;
    struct peer_end *end; /* NULL: not heard of there yet */
    bool again;           /* its first message was refused: the adapter did not know its configuration yet */
    struct prng prng;
    enum kind kind;
    unsigned step, wait;
    enum coap_type type, down_type,
        answer;    /* of the message that begins, as it comes to the device, and of the answer */
    bool separate; /* the server acknowledges first */
    uint8_t token[COAP_TOKEN_MAX];
    size_t token_len;
    struct buf sent;                 /* the message under way: it is to come out like this */
    unsigned sent_type;              /* the type that it is to have there, or ANY_TYPE */
    uint16_t device_mid, server_mid; /* the latest that each end gave */
    uint16_t mid_at_server, mid_at_device;
    bool confirmed;         /* a CON has come to the server, */
    uint16_t confirmed_mid; /* this one */
};

static struct world {
    int epoll;
    struct scef *scef;
    struct leg legs[LEGS_MAX];
    struct device *devices;
    uint32_t device_count;
    unsigned leg_count;
    uint64_t messages, passed, stall_ns;
} w;

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void hex_print(const char *title, const uint8_t *data, size_t len)
{
    fprintf(stderr, "%s: ", title);
    for (size_t i = 0; i < len; i++)
        fprintf(stderr, "%02x", data[i]);
    fputc('\n', stderr);
}

[[noreturn]] static void wrong(const struct device *d, const char *what, const uint8_t *data, size_t len)
{
    hex_print("there came", data, len);
    hex_print("under way", d->sent.data, d->sent.len);
    die("leg %s, device %u, kind %d, step %u: %s", d->leg->name, d->number, (int)d->kind, d->step, what);
}

/* ---- what the ends say ---- */

static uint16_t mid_of(const uint8_t *message)
{
    return (uint16_t)(message[2] << 8 | message[3]);
}

static enum coap_type type_of(const uint8_t *message)
{
    return (enum coap_type)(message[0] >> 4 & 3);
}

static void device_posts(struct device *d, const struct buf *message)
{
    d->wait |= POSTED;
    scef_uplink(w.scef, d->number, message->data, message->len);
}

static void empty_make(struct buf *out, uint16_t mid)
{
    buf_reset(out);
    coap_write_empty(out, COAP_ACK, mid);
}

static void server_says(const struct device *d, const struct buf *message)
{
    if (!peer_say(d->end, message->data, message->len))
        die("leg %s, device %u: its session or connection is over", d->leg->name, d->number);
}

static void server_acknowledges(struct device *d, uint16_t mid)
{
    struct buf m = {0};
    empty_make(&m, mid);
    server_says(d, &m);
    buf_free(&m);
}

static void device_acknowledges(struct device *d, uint16_t mid)
{
    struct buf m = {0};
    empty_make(&m, mid);
    device_posts(d, &m);
    buf_free(&m);
}

/* A message with any options and payload becomes the one under way. */
static void message_make(struct device *d, enum coap_type type, uint8_t code, uint16_t mid, bool observe,
                         unsigned to_be)
{
    struct buf rest = {0};
    uint8_t header[COAP_HEADER_BYTES];
    random_rest(&d->prng, bytes_of(d->token, d->token_len), observe, &rest);
    coap_header_write(header, type, d->token_len, code, mid);
    buf_reset(&d->sent);
    buf_add(&d->sent, bytes_of(header, sizeof(header)));
    buf_add(&d->sent, buf_bytes(&rest));
    d->sent_type = to_be;
    if (d->sent.failed || rest.failed)
        die("no memory");
    buf_free(&rest);
}

static void token_make(struct device *d)
{
    d->token_len = random_token(&d->prng, d->token).len;
}

static unsigned below(struct device *d, unsigned n)
{
    return (unsigned)prng_below(&d->prng, n);
}

/* ---- exchanges: each function does the next step, and is false when there is none ---- */

/* A request of the device and its answer: piggybacked, separate, or NON. */
static bool asks(struct device *d)
{
    const bool reliable = d->leg->reliable;
    switch (d->step) {
    case 0:
        d->type = below(d, 2) ? COAP_CON : COAP_NON;
        d->separate = !reliable && d->type == COAP_CON && below(d, 3) == 0;
        token_make(d);
        message_make(d, d->type, random_method(&d->prng), ++d->device_mid, true,
                     reliable ? ANY_TYPE : (unsigned)d->type);
        d->wait = AT_SERVER;
        device_posts(d, &d->sent);
        return true;
    case 1:
        d->answer = reliable || d->type == COAP_NON ? COAP_NON : d->separate ? COAP_CON : COAP_ACK;
        if (d->separate)
            server_acknowledges(d, d->mid_at_server);
        message_make(d, d->answer, random_response_code(&d->prng),
                     d->answer == COAP_ACK ? d->mid_at_server : ++d->server_mid, true,
                     d->type == COAP_CON ? COAP_ACK : COAP_NON);
        d->wait = AT_DEVICE | (d->separate ? ACK_AT_SERVER : 0);
        server_says(d, &d->sent);
        return true;
    default:
        return false;
    }
}

/* What the device tells. */
static bool tells(struct device *d)
{
    if (d->step)
        return false;
    d->type = below(d, 2) ? COAP_CON : COAP_NON;
    token_make(d);
    /* By a connection what is told ends with the observation, and here nobody observes (RFC 8323 clause 3.3). */
    message_make(d, d->type, random_response_code(&d->prng), ++d->device_mid, !d->leg->reliable,
                 d->leg->reliable ? ANY_TYPE : (unsigned)d->type);
    d->wait = AT_SERVER | (d->type == COAP_CON ? ACK_AT_DEVICE : 0);
    device_posts(d, &d->sent);
    return true;
}

/* A request of the server and the device's answer: piggybacked, separate after an acknowledgement, or NON. */
static bool is_asked(struct device *d)
{
    const bool reliable = d->leg->reliable;
    switch (d->step) {
    case 0:
        d->type = !reliable && below(d, 2) ? COAP_CON : COAP_NON;
        d->down_type = reliable ? COAP_CON : d->type;
        d->answer = d->down_type == COAP_NON ? COAP_NON : below(d, 2) ? COAP_ACK : COAP_CON;
        token_make(d);
        message_make(d, d->type, random_method(&d->prng), ++d->server_mid, true, d->down_type);
        d->wait = AT_DEVICE | (d->type == COAP_CON ? ACK_AT_SERVER : 0);
        server_says(d, &d->sent);
        return true;
    case 1:
        if (d->answer == COAP_CON) {
            device_acknowledges(d, d->mid_at_device);
            return true;
        }
        d->step++;
        [[fallthrough]];
    case 2: {
        const bool piggybacked = d->answer == COAP_ACK;
        /* With Observe it would be a notification, since no answer has come before. */
        message_make(d, d->answer, random_response_code(&d->prng), piggybacked ? d->mid_at_device : ++d->device_mid,
                     piggybacked, reliable ? ANY_TYPE : (unsigned)(piggybacked ? d->type : d->answer));
        d->wait = AT_SERVER | (d->answer == COAP_CON ? ACK_AT_DEVICE : 0);
        device_posts(d, &d->sent);
        return true;
    }
    default:
        return false;
    }
}

/* The device is heard of by its server, which so learns its address. */
static void hello(struct device *d)
{
    d->kind = HELLO;
    d->token_len = sizeof(d->number);
    memcpy(d->token, &d->number, sizeof(d->number));
    message_make(d, COAP_NON, COAP_POST, ++d->device_mid, false, d->leg->reliable ? ANY_TYPE : COAP_NON);
    d->wait = AT_SERVER;
    device_posts(d, &d->sent);
}

static bool leg_done(const struct leg *l)
{
    return l->up >= w.messages && l->down >= w.messages;
}

static void advance(struct device *d)
{
    static bool (*const steps[])(struct device *) = {[ASKS] = asks, [TELLS] = tells, [IS_ASKED] = is_asked};
    d->step++;
    if (d->kind != HELLO && steps[d->kind](d))
        return;
    if (leg_done(d->leg))
        return;
    static const enum kind kinds[] = {ASKS, ASKS, TELLS, IS_ASKED, IS_ASKED};
    d->kind = kinds[below(d, 5)];
    d->step = 0;
    steps[d->kind](d);
}

static void arrived(struct device *d, unsigned what)
{
    w.passed++;
    d->wait &= ~what;
    if (!d->wait)
        advance(d);
}

/* ---- what arrives ---- */

static void verify(struct device *d, unsigned what, const uint8_t *message, size_t len)
{
    if (!(d->wait & what))
        wrong(d, "a message that nobody expects", message, len);
    if (len != d->sent.len || (message[0] & 15) != (d->sent.data[0] & 15) || message[1] != d->sent.data[1] ||
        memcmp(message + COAP_HEADER_BYTES, d->sent.data + COAP_HEADER_BYTES, len - COAP_HEADER_BYTES) != 0)
        wrong(d, "the message has changed", message, len);
    if (message[0] >> 6 != 1 || (d->sent_type != ANY_TYPE && type_of(message) != d->sent_type))
        wrong(d, "the message has another type", message, len);
}

static void at_server(struct device *d, const uint8_t *message, size_t len)
{
    const uint16_t mid = mid_of(message);
    if (message[1] == 0) {
        if (type_of(message) != COAP_ACK || mid != d->server_mid || !(d->wait & ACK_AT_SERVER))
            wrong(d, "an empty message that acknowledges nothing", message, len);
        arrived(d, ACK_AT_SERVER);
        return;
    }
    const bool confirmable = !d->leg->reliable && type_of(message) == COAP_CON;
    if (confirmable && d->confirmed && d->confirmed_mid == mid) {
        d->leg->repeated++; /* the acknowledgement is on its way */
        return;
    }
    verify(d, AT_SERVER, message, len);
    d->confirmed = confirmable;
    d->mid_at_server = d->confirmed_mid = mid;
    d->leg->up += d->kind != HELLO;
    if (confirmable && d->kind != ASKS)
        server_acknowledges(d, mid);
    arrived(d, AT_SERVER);
}

static void on_peer_message(void *ctx, struct peer_end *end, const uint8_t *message, size_t len)
{
    struct leg *l = ctx;
    struct device *d = peer_end_owner(end);
    uint32_t number = 0;
    if (len < COAP_HEADER_BYTES + (size_t)(message[0] & 15))
        die("leg %s: a message of %zu bytes", l->name, len);
    if (!d && (message[0] & 15) == sizeof(number))
        memcpy(&number, message + COAP_HEADER_BYTES, sizeof(number));
    if (!d && (number == 0 || number > w.device_count || w.devices[number - 1].leg != l || w.devices[number - 1].end))
        die("leg %s: a message from an address that is no device's", l->name);
    if (!d) {
        d = &w.devices[number - 1];
        d->end = end;
        peer_end_owner_set(end, d);
    }
    at_server(d, message, len);
}

static void on_downlink(void *ctx, uint32_t number, const uint8_t *message, size_t len)
{
    struct device *d = &w.devices[number - 1];
    (void)ctx;
    if (len < COAP_HEADER_BYTES)
        wrong(d, "this is no message", message, len);
    const uint16_t mid = mid_of(message);
    if (message[1] == 0) {
        if (type_of(message) != COAP_ACK || mid != d->device_mid || !(d->wait & ACK_AT_DEVICE))
            wrong(d, "an empty message that acknowledges nothing", message, len);
        arrived(d, ACK_AT_DEVICE);
        return;
    }
    verify(d, AT_DEVICE, message, len);
    if (type_of(message) == COAP_ACK && mid != d->device_mid)
        wrong(d, "an answer to another Message ID", message, len);
    d->mid_at_device = mid;
    d->leg->down++;
    arrived(d, AT_DEVICE);
}

static void on_uplink_answered(void *ctx, uint32_t number, int status)
{
    struct device *d = &w.devices[number - 1];
    (void)ctx;
    if (status != HTTP_OK_204 && d->kind != HELLO)
        die("leg %s, device %u: a notification is answered %d", d->leg->name, number, status);
    d->again = status != HTTP_OK_204;
    if (!d->again)
        arrived(d, POSTED);
}

static void on_configured(void *ctx, uint32_t number)
{
    (void)ctx;
    hello(&w.devices[number - 1]);
}

/* ---- the run ---- */

static void legs_start(const char *text, const char *certificate, const char *key)
{
    char *copy = strdup(text), *rest = NULL;
    for (char *one = strtok_r(copy, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        struct leg *l = &w.legs[w.leg_count];
        if (w.leg_count == LEGS_MAX || sscanf(one, "%31s %15s %63s %u", l->name, l->scheme, l->host, &l->port) != 4)
            die("what leg is '%s'?", one);
        const struct peer_hooks hooks = {l, on_peer_message};
        l->peer = peer_new(w.epoll, peer_scheme_of(l->scheme), l->host, (uint16_t)l->port, certificate, key, hooks);
        l->reliable = peer_is_stream(l->peer);
        w.leg_count++;
    }
    free(copy);
}

static void devices_start(uint32_t per_leg, uint64_t seed)
{
    w.device_count = per_leg * w.leg_count;
    w.devices = must_alloc(w.device_count, sizeof(*w.devices));
    for (uint32_t i = 0; i < w.device_count; i++) {
        w.devices[i] = (struct device){.leg = &w.legs[i / per_leg], .number = i + 1};
        prng_seed(&w.devices[i].prng, seed * 1000003 + i);
    }
}

static bool all_done(void)
{
    for (uint32_t i = 0; i < w.device_count; i++)
        if (!w.devices[i].end || w.devices[i].wait || !leg_done(w.devices[i].leg))
            return false;
    return true;
}

[[noreturn]] static void stalled(void)
{
    unsigned told = 0;
    for (uint32_t i = 0; i < w.device_count && told < 10; i++) {
        const struct device *d = &w.devices[i];
        if (!d->wait)
            continue;
        told++;
        fprintf(stderr, "leg %s, device %u, kind %d, step %u waits for", d->leg->name, d->number, (int)d->kind,
                d->step);
        for (unsigned bit = 0; bit < sizeof(wait_names) / sizeof(wait_names[0]); bit++)
            if (d->wait & 1u << bit)
                fprintf(stderr, " %s,", wait_names[bit]);
        hex_print("\nunder way", d->sent.data, d->sent.len);
    }
    die("nothing has arrived for a minute");
}

static void run(void)
{
    uint64_t before = 0;
    w.stall_ns = now_ns();
    while (!all_done() && !stopping) {
        turn(w.epoll, TURN_NS);
        for (uint32_t i = 0; i < w.device_count; i++)
            if (w.devices[i].again) {
                w.devices[i].again = false;
                device_posts(&w.devices[i], &w.devices[i].sent);
            }
        if (w.passed != before)
            w.stall_ns = now_ns();
        before = w.passed;
        if (now_ns() - w.stall_ns > STALL_NS)
            stalled();
    }
}

int main(int argc, char **argv)
{
    const struct sigaction stop = {.sa_handler = on_signal};
    const struct scef_hooks hooks = {NULL, on_configured, on_downlink, on_uplink_answered};
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    w.epoll = epoll_create1(0);
    w.messages = (uint64_t)arg_number(argc, argv, "--messages", 1000);
    legs_start(arg_text(argc, argv, "--legs", NULL), arg_text(argc, argv, "--certificate", NULL),
               arg_text(argc, argv, "--key", NULL));
    devices_start((uint32_t)arg_number(argc, argv, "--devices", 16), (uint64_t)arg_number(argc, argv, "--seed", 1));
    w.scef = scef_new(w.epoll, (uint16_t)arg_number(argc, argv, "--scef-port", 0),
                      (uint16_t)arg_number(argc, argv, "--callback-port", 0), w.device_count, hooks);
    puts("{\"event\": \"listening\"}");
    run();
    for (unsigned i = 0; i < w.leg_count && !stopping; i++)
        printf("{\"event\": \"done\", \"leg\": \"%s\", \"up\": %llu, \"down\": %llu, \"repeated\": %llu}\n",
               w.legs[i].name, (unsigned long long)w.legs[i].up, (unsigned long long)w.legs[i].down,
               (unsigned long long)w.legs[i].repeated);
    /* The connections stay while the test looks at the adapter. */
    while (!stopping)
        turn(w.epoll, TURN_NS);
    return 0;
}
