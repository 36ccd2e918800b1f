#include "tests/virtual/server_model.h"

#include <stdlib.h>
#include <string.h>

#define SEEN        64 /* messages of one client remembered for duplicates */
#define LIFETIME_MS 247000

struct seen {
    uint64_t at_ms;
    uint16_t mid;
    uint8_t reply[24];
    uint8_t reply_len;
};

struct client {
    bool registered;
    bool observed;
    bool waking;
    uint32_t op; /* number of the op under way; 0 = none */
    uint64_t next_op_ms;
    uint64_t wake_ms;
    uint16_t next_mid;
    struct seen seen[SEEN];
    uint32_t seen_next;
    struct { /* a separate response of its own, until it is acknowledged */
        uint16_t mid;
        uint32_t attempts;
        uint64_t next_ms; /* 0 = none */
        uint8_t bytes[24];
        uint8_t len;
    } separate;
};

struct server_model {
    struct prng prng;
    struct server_model_ports ports;
    struct client *clients;
    uint32_t legs;
    struct server_op *ops;
    uint32_t op_count, op_cap;
    uint64_t op_pause_ms;
    uint64_t notifications;
    bool asking, impatient;
};

static const uint64_t repeat_at_ms[] = {2000, 6000, 14000, 30000}; /* after the first sending */
#define REPEATS (sizeof(repeat_at_ms) / sizeof(repeat_at_ms[0]))

struct server_model *server_model_new(uint64_t seed, uint32_t legs, uint64_t op_pause_ms,
                                      const struct server_model_ports *p)
{
    struct server_model *s = calloc(1, sizeof(*s));
    if (!s || !(s->clients = calloc(legs, sizeof(*s->clients))))
        abort();
    prng_seed(&s->prng, seed);
    s->ports = *p;
    s->legs = legs;
    s->op_pause_ms = op_pause_ms;
    s->asking = true;
    for (uint32_t i = 0; i < legs; i++)
        s->clients[i].next_mid = (uint16_t)prng_next(&s->prng);
    return s;
}

void server_model_be_impatient(struct server_model *s)
{
    s->impatient = true;
}

void server_model_free(struct server_model *s)
{
    free(s->clients);
    free(s->ops);
    free(s);
}

static void wake_at(struct server_model *s, uint32_t leg, uint64_t at_ms)
{
    struct client *c = &s->clients[leg];
    if (c->wake_ms && c->wake_ms <= at_ms)
        return;
    c->wake_ms = at_ms;
    s->ports.wake_at(s->ports.ctx, leg, at_ms);
}

static size_t write_header(uint8_t *out, unsigned type, uint8_t code, uint16_t mid, const uint8_t *token,
                           size_t token_len)
{
    out[0] = (uint8_t)(0x40 | type << 4 | token_len);
    out[1] = code;
    out[2] = (uint8_t)(mid >> 8);
    out[3] = (uint8_t)mid;
    if (token_len)
        memcpy(out + 4, token, token_len);
    return 4 + token_len;
}

static void send_op(struct server_model *s, const struct server_op *op)
{
    static const char *const paths[OP_KINDS][3] = {[OP_READ] = {"3", "0", NULL},
                                                   [OP_OBSERVE] = {"3", "0", "9"},
                                                   [OP_WRITE] = {"1", "0", "1"},
                                                   [OP_EXECUTE] = {"3", "0", "4"}};
    static const uint8_t codes[OP_KINDS] = {[OP_READ] = 1, [OP_OBSERVE] = 1, [OP_WRITE] = 3, [OP_EXECUTE] = 2};
    uint8_t m[64];
    uint8_t token[4] = {(uint8_t)(op->number >> 24), (uint8_t)(op->number >> 16), (uint8_t)(op->number >> 8),
                        (uint8_t)op->number};
    size_t n = write_header(m, 0, codes[op->kind], op->mid, token, 4);
    uint8_t last = 0;
    if (op->kind == OP_OBSERVE) {
        m[n++] = 6 << 4; /* Observe 0 */
        last = 6;
    }
    for (int i = 0; i < 3 && paths[op->kind][i]; i++) {
        m[n++] = (uint8_t)((11 - last) << 4 | 1);
        m[n++] = (uint8_t)paths[op->kind][i][0];
        last = 11;
    }
    if (op->kind == OP_WRITE) {
        m[n++] = 1 << 4; /* Content-Format 0 */
        m[n++] = 0xff;
        memcpy(m + n, "3600", 4);
        n += 4;
    }
    s->ports.send(s->ports.ctx, op->leg, bytes_of(m, n));
}

static void ask(struct server_model *s, uint64_t now_ms, uint32_t leg)
{
    struct client *c = &s->clients[leg];
    if (s->op_count + 2 > s->op_cap) {
        s->op_cap = s->op_cap ? s->op_cap * 2 : 1024;
        s->ops = realloc(s->ops, s->op_cap * sizeof(*s->ops));
        if (!s->ops)
            abort();
    }
    struct server_op *op = &s->ops[++s->op_count];
    *op = (struct server_op){.number = s->op_count,
                             .leg = leg,
                             .kind = c->observed ? (enum server_op_kind)prng_below(&s->prng, OP_KINDS) : OP_OBSERVE,
                             .mid = c->next_mid++,
                             .sent_ms = now_ms};
    c->observed = true;
    c->op = op->number;
    send_op(s, op);
    wake_at(s, leg, now_ms + repeat_at_ms[0]);
}

static void plan_next(struct server_model *s, uint64_t now_ms, uint32_t leg, uint64_t pause_ms)
{
    s->clients[leg].op = 0;
    s->clients[leg].next_op_ms = now_ms + 1 + prng_below(&s->prng, 2 * pause_ms);
    wake_at(s, leg, s->clients[leg].next_op_ms);
}

void server_model_wake(struct server_model *s, uint64_t now_ms, uint32_t leg)
{
    struct client *c = &s->clients[leg];
    if (c->wake_ms == 0 || now_ms < c->wake_ms)
        return;
    c->wake_ms = 0;
    if (c->separate.next_ms && now_ms >= c->separate.next_ms) {
        if (c->separate.attempts++ > 4) {
            c->separate.next_ms = 0;
        } else {
            s->ports.send(s->ports.ctx, leg, bytes_of(c->separate.bytes, c->separate.len));
            c->separate.next_ms = now_ms + (2000ULL << c->separate.attempts);
        }
    }
    if (c->op) {
        struct server_op *op = &s->ops[c->op];
        if (!op->acknowledged && !op->answer && op->attempts < REPEATS &&
            now_ms >= op->sent_ms + repeat_at_ms[op->attempts]) {
            op->attempts++;
            send_op(s, op);
        } else if (!op->acknowledged && !op->answer && op->attempts == REPEATS && now_ms >= op->sent_ms + 60000) {
            op->gave_up = true;
            plan_next(s, now_ms, leg, s->op_pause_ms);
        }
        if (c->op && !op->acknowledged && !op->answer)
            wake_at(s, leg, op->sent_ms + (op->attempts < REPEATS ? repeat_at_ms[op->attempts] : 60000));
    } else if (c->registered && s->asking) {
        if (now_ms >= c->next_op_ms)
            ask(s, now_ms, leg);
        else
            wake_at(s, leg, c->next_op_ms);
    }
    if (c->separate.next_ms)
        wake_at(s, leg, c->separate.next_ms);
}

static void reply(struct server_model *s, struct client *c, uint32_t leg, uint64_t now_ms, uint16_t mid,
                  const uint8_t *m, size_t n)
{
    struct seen *e = &c->seen[c->seen_next++ % SEEN];
    *e = (struct seen){.at_ms = now_ms, .mid = mid, .reply_len = (uint8_t)n};
    if (n) {
        memcpy(e->reply, m, n);
        s->ports.send(s->ports.ctx, leg, bytes_of(m, n));
    }
}

static struct server_op *op_of_token(struct server_model *s, uint32_t leg, const uint8_t *token, size_t len)
{
    if (len != 4)
        return NULL;
    uint32_t number = (uint32_t)token[0] << 24 | (uint32_t)token[1] << 16 | (uint32_t)token[2] << 8 | token[3];
    struct server_op *op = server_model_op(s, number);
    return op && op->leg == leg ? op : NULL;
}

static void answered(struct server_model *s, uint64_t now_ms, struct server_op *op, uint8_t code)
{
    op->answers++;
    if (op->answer)
        return;
    op->answer = code;
    if (s->clients[op->leg].op == op->number)
        plan_next(s, now_ms, op->leg, s->op_pause_ms);
}

static bool has_observe(struct bytes m, size_t at)
{
    return at < m.len && m.data[at] != 0xff && m.data[at] >> 4 == 6;
}

void server_model_receive(struct server_model *s, uint64_t now_ms, uint32_t leg, struct bytes m)
{
    if (leg >= s->legs || m.len < 4)
        return;
    struct client *c = &s->clients[leg];
    unsigned type = m.data[0] >> 4 & 3;
    size_t token_len = m.data[0] & 15;
    const uint8_t *token = m.data + 4;
    uint8_t code = m.data[1];
    uint16_t mid = (uint16_t)(m.data[2] << 8 | m.data[3]);
    uint8_t out[24];

    if (type >= 2) { /* ACK, RST */
        if (c->separate.next_ms && c->separate.mid == mid)
            c->separate.next_ms = 0;
        struct server_op *op = c->op ? &s->ops[c->op] : NULL;
        if (!op || op->mid != mid)
            return;
        if (type == 2 && code == 0) {
            op->acknowledged = true;
            if (s->impatient)
                plan_next(s, now_ms, leg, s->op_pause_ms);
        } else {
            answered(s, now_ms, op, code);
        }
        return;
    }
    for (unsigned i = 0; i < SEEN; i++) {
        struct seen *e = &c->seen[i];
        if (e->at_ms && e->mid == mid && now_ms - e->at_ms < LIFETIME_MS) {
            if (e->reply_len)
                s->ports.send(s->ports.ctx, leg, bytes_of(e->reply, e->reply_len));
            return;
        }
    }
    if (code == 0) { /* ping */
        s->ports.send(s->ports.ctx, leg, bytes_of(out, write_header(out, 3, 0, mid, NULL, 0)));
        return;
    }
    if (code >> 5 >= 2) { /* a notification or a separate response */
        struct server_op *op = op_of_token(s, leg, token, token_len);
        bool notification = op && op->kind == OP_OBSERVE && op->answer && has_observe(m, 4 + token_len);
        s->notifications += notification;
        if (op && !notification)
            answered(s, now_ms, op, code);
        reply(s, c, leg, now_ms, mid, out, type == 0 ? write_header(out, 2, 0, mid, NULL, 0) : 0);
        return;
    }
    /* A request: Register has no second path segment, Update has; Send goes to /dp. The first option is Uri-Path. */
    size_t at = 4 + token_len;
    bool rd = m.len >= at + 3 && m.data[at] == (11 << 4 | 2) && memcmp(m.data + at + 1, "rd", 2) == 0;
    bool has_location = rd && m.len > at + 3 && m.data[at + 3] >> 4 == 0;
    uint8_t answer = rd && !has_location ? (2 << 5 | 1) : (2 << 5 | 4);
    if (rd && !has_location)
        c->observed = false;
    bool first = rd && !c->registered;
    c->registered = c->registered || rd;
    /* Now and then it takes its time: an empty ACK, the response later as a message of its own. */
    bool separate = type == 0 && prng_below(&s->prng, 10) == 0 && c->separate.next_ms == 0;
    uint16_t response_mid = type == 0 && !separate ? mid : c->next_mid++;
    size_t n = write_header(out, separate ? 0 : type == 0 ? 2 : 1, answer, response_mid, token, token_len);
    if (answer == (2 << 5 | 1)) {
        out[n++] = 8 << 4 | 2; /* Location-Path rd, then the leg */
        memcpy(out + n, "rd", 2);
        n += 2;
        out[n++] = 4;
        out[n++] = (uint8_t)('a' + (leg >> 12 & 15));
        out[n++] = (uint8_t)('a' + (leg >> 8 & 15));
        out[n++] = (uint8_t)('a' + (leg >> 4 & 15));
        out[n++] = (uint8_t)('a' + (leg & 15));
    }
    if (separate) {
        memcpy(c->separate.bytes, out, n);
        c->separate.len = (uint8_t)n;
        c->separate.mid = response_mid;
        c->separate.attempts = 0;
        c->separate.next_ms = now_ms + 500 + prng_below(&s->prng, 5000);
        wake_at(s, leg, c->separate.next_ms);
        reply(s, c, leg, now_ms, mid, out, write_header(out, 2, 0, mid, NULL, 0));
    } else {
        reply(s, c, leg, now_ms, mid, out, n);
    }
    if (first)
        plan_next(s, now_ms, leg, 10000);
}

void server_model_stop_asking(struct server_model *s)
{
    s->asking = false;
}

struct server_op *server_model_op(struct server_model *s, uint32_t number)
{
    return number && number <= s->op_count ? &s->ops[number] : NULL;
}

uint32_t server_model_op_count(const struct server_model *s)
{
    return s->op_count;
}

uint32_t server_model_registered(const struct server_model *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->legs; i++)
        n += s->clients[i].registered;
    return n;
}

uint64_t server_model_notifications(const struct server_model *s)
{
    return s->notifications;
}
