/* The SCEF, the device behind it, and the server: they do what they should, for as long as it takes. */
#include "tests/crash/sweep_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- messages ------------------------------------------------------------------------------------------ */

/* "TYPE CODE #MID REST" from "CODE REST". */
static struct message message_make(const char *type, uint16_t mid, const char *text)
{
    return message_of("%s %.4s #%u%s", type, text, mid, text + 4);
}

struct said said_of(struct bytes m)
{
    struct said s = {.mid = message_mid(m)};
    char text[MESSAGE_TEXT_MAX];
    message_text(m, true, text);
    if (sscanf(text, "%3s %4s #* %15s", s.type, s.code, s.token) == 3)
        snprintf(s.text, sizeof(s.text), "%s%s", s.code, strstr(text, " #*") + 3);
    else
        s.code[0] = 0;
    return s;
}

static struct asked *asked_find(struct world *w, const char *token, bool by_device)
{
    for (unsigned n = 0; n < w->asked_count; n++)
        if (w->asked[n].request && w->asked[n].by_device == by_device && strcmp(w->asked[n].token, token) == 0)
            return &w->asked[n];
    return NULL;
}

/* --- the SCEF ------------------------------------------------------------------------------------------ */

void link_of(unsigned configuration, char out[64])
{
    snprintf(out, 64, "/as/configurations/c%u", configuration);
}

void taken(struct world *w, int number)
{
    if (number >= 0)
        w->asked[number].accepted = true;
}

/* Until it is answered 2xx. */
static void notify(struct world *w, struct item *i)
{
    if (w->configuration == 0) {
        again(w, i, AGAIN_MS);
        return;
    }
    char link[64];
    link_of(w->configuration, link);
    const struct nidd_uplink u = {.id = {.external_id = BYTES_LIT(ID)},
                                  .nidd_configuration = bytes_of_str(link),
                                  .data = message_bytes(&i->message)};
    const uint64_t ref = ++w->uplink_ref;
    enum error err = OK;
    enum engine_verdict v = ENGINE_REFUSED;
    assert_true(ref < UPLINKS_MAX);
    w->waiting[ref] = malloc(sizeof(*i));
    assert_non_null(w->waiting[ref]);
    *w->waiting[ref] = *i;
    in_engine = w;
    v = engine_uplink(w->e, w->now_ms, 0, ref, &u, &err);
    in_engine = NULL;
    if (!w->dead && v != ENGINE_LATER) {
        free(w->waiting[ref]);
        w->waiting[ref] = NULL;
        if (v == ENGINE_TAKEN)
            taken(w, i->number);
        else
            again(w, i, AGAIN_MS);
    }
    turn_end(w);
}

void status_notify(struct world *w, struct item *i)
{
    const struct nidd_delivery_status s = {.nidd_downlink_data_transfer = bytes_of_str(i->text),
                                           .delivery_status = T8_DELIVERY_SUCCESS};
    const uint32_t epoch = w->epoch;
    enum error err;
    INPUT(w, err = engine_delivery_status(w->e, w->now_ms, 0, &s));
    if (err || w->epoch != epoch)
        again(w, i, AGAIN_MS);
}

void submit_answered(struct world *w, struct item *i)
{
    const struct nidd_submit_result results[] = {
        [0] = {.outcome = NIDD_SUBMIT_DELIVERED, .http_status = 200, .delivery_status = T8_DELIVERY_SUCCESS},
        [WRONG_SUBMIT_500] = {.outcome = NIDD_SUBMIT_REFUSED, .http_status = 500},
        [WRONG_SUBMIT_ASLEEP] = {.outcome = NIDD_SUBMIT_REFUSED,
                                 .http_status = 500,
                                 .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE},
        [WRONG_SUBMIT_503] = {.outcome = NIDD_SUBMIT_REFUSED, .http_status = 503, .retry_after_s = 2},
        [WRONG_SUBMIT_404] = {.outcome = NIDD_SUBMIT_REFUSED, .http_status = 404},
        [WRONG_SUBMIT_201] = {.outcome = NIDD_SUBMIT_PENDING, .http_status = 201, .link = bytes_of_str(i->text)},
        [WRONG_SUBMIT_CUT] = {.outcome = NIDD_SUBMIT_NO_ANSWER},
        [WRONG_SUBMIT_LOST] = {.outcome = NIDD_SUBMIT_NO_ANSWER},
    };
    if (i->epoch == w->epoch)
        INPUT(w, engine_submit_result(w->e, w->now_ms, i->ref, &results[i->number]));
}

void configuration_answered(struct world *w, struct item *i)
{
    struct nidd_configuration_result r = {.http_status = i->number, .maximum_packet_size_bits = PACKET * 8};
    if (i->text[0]) {
        r.link = bytes_of_str(i->text);
        r.has_body = true;
    }
    if (i->epoch == w->epoch)
        INPUT(w, engine_configuration_result(w->e, w->now_ms, i->ref, &r));
}

void configurations_listed(struct world *w, struct item *i)
{
    const struct nidd_configuration_result end = {.http_status = 200};
    char link[64];
    link_of(w->configuration, link);
    const struct nidd_configuration_found found = {
        .id = {.external_id = BYTES_LIT(ID)},
        .result = {.http_status = 200, .link = bytes_of_str(link), .maximum_packet_size_bits = PACKET * 8}};
    if (i->epoch != w->epoch)
        return;
    if (w->configuration)
        INPUT(w, engine_configuration_found(w->e, w->now_ms, 0, &found));
    if (i->epoch == w->epoch)
        INPUT(w, engine_configuration_listed(w->e, w->now_ms, 0, &end));
}

/* --- the device ---------------------------------------------------------------------------------------- */

static void device_says(struct world *w, const struct message *m, int number)
{
    struct item *i = later(w, 10, notify);
    i->message = *m;
    i->number = number;
}

static void device_separate(struct world *w, struct item *i)
{
    struct asked *a = &w->asked[i->number];
    if (a->separate_done)
        return;
    char text[64];
    snprintf(text, sizeof(text), "2.05 %s |separate", a->token);
    const struct message m = message_make("CON", a->separate_mid, text);
    device_says(w, &m, -1);
    again(w, i, REPEAT_MS);
}

static void device_asked(struct world *w, const struct said *s)
{
    struct asked *a = asked_find(w, s->token, false);
    if (!a) {
        broken(w, "the device got what nobody asked: %s", s->text);
        return;
    }
    if (a->refused)
        broken(w, "delivered though refused: %s", s->text);
    if (a->executed && a->executed_mid != s->mid)
        broken(w, "two Message IDs for %s", s->text);
    if (!a->executed && a->reaction == REACT_SEPARATE && !a->separate_begun) {
        a->separate_begun = true;
        a->separate_mid = w->device_mid++;
        later(w, 2000, device_separate)->number = (int)(a - w->asked);
    }
    a->executed = true;
    a->executed_mid = (uint16_t)s->mid;
    char text[64];
    struct message m;
    snprintf(text, sizeof(text), "2.05 %s%s |answer", a->token, a->reaction == REACT_OBSERVED ? " 6=0x01" : "");
    if (a->reaction == REACT_SEPARATE)
        m = message_of("ACK #%u", s->mid);
    else if (a->reaction == REACT_RESET)
        m = message_of("RST #%u", s->mid);
    else
        m = message_make("ACK", (uint16_t)s->mid, text);
    if (a->reaction != REACT_LATE || a->deliveries++ > 0) /* the radio loses the first answer */
        device_says(w, &m, -1);
}

void device_gets(struct world *w, struct item *i)
{
    const struct said s = said_of(message_bytes(&i->message));
    const bool reaction = strcmp(s.type, "ACK") == 0 || strcmp(s.type, "RST") == 0 || !s.code[0];
    for (unsigned n = 0; n < w->asked_count; n++) {
        struct asked *a = &w->asked[n];
        if (reaction && a->by_device && a->mid == s.mid)
            a->done = true;
        if (reaction && a->separate_begun && a->separate_mid == s.mid)
            a->separate_done = true;
    }
    if (reaction)
        return;
    if (s.code[0] == '0') {
        device_asked(w, &s);
        return;
    }
    struct asked *a = asked_find(w, s.token, true);
    if (a)
        a->done = true;
    const struct message ack = message_of("ACK #%u", s.mid);
    if (strcmp(s.type, "CON") == 0)
        device_says(w, &ack, -1);
}

/* Its own messages; a CON until it is acknowledged. */
void device_speaks(struct world *w, struct item *i)
{
    struct asked *a = &w->asked[i->number];
    if (a->done)
        return;
    const struct asked *observed = a->request ? NULL : asked_find(w, a->token, false);
    a->unsaid = observed && !observed->executed;
    if (a->unsaid)
        return; /* nobody observes */
    const struct message m = message_make(a->con ? "CON" : "NON", a->mid, a->text);
    device_says(w, &m, i->number);
    if (a->con)
        again(w, i, REPEAT_MS);
}

void device_pings(struct world *w, struct item *i)
{
    const struct message m = message_of("CON #%u", w->device_mid++);
    device_says(w, &m, -1);
    again(w, i, 60000);
}

/* --- the server ---------------------------------------------------------------------------------------- */

bool server_is_down(const struct world *w)
{
    return w->now_ms >= w->down_from && w->now_ms < w->down_to;
}

static void server_says(struct world *w, struct item *i)
{
    if (!server_is_down(w))
        INPUT(w, engine_server_datagram(w->e, w->now_ms, 0, 0, message_bytes(&i->message)));
}

static void server_reply(struct world *w, const struct message *m)
{
    later(w, 2, server_says)->message = *m;
}

void server_asks(struct world *w, struct item *i)
{
    struct asked *a = &w->asked[i->number];
    if (a->accepted || a->refused)
        return;
    const struct message m = message_make("CON", a->mid, a->text);
    server_reply(w, &m);
    again(w, i, REPEAT_MS);
}

static void server_answered(struct world *w, const struct said *s)
{
    struct asked *a = asked_find(w, s->token, false);
    if (!a) {
        broken(w, "the server got an answer to nothing: %s", s->text);
        return;
    }
    if (a->refused && s->code[0] == '2')
        broken(w, "refused and answered: %s", s->text);
    a->accepted = true;
    if (a->answers++ == 0)
        snprintf(a->first_answer, sizeof(a->first_answer), "%.150s", s->text);
    else if (a->reaction != REACT_OBSERVED && strcmp(a->first_answer, s->text) != 0)
        a->two_answers = true;
}

void server_gets(struct world *w, struct item *i)
{
    const struct said s = said_of(message_bytes(&i->message));
    const bool con = strcmp(s.type, "CON") == 0;
    if (strcmp(s.type, "ACK") == 0 || (!s.code[0] && !con)) {
        for (unsigned n = 0; n < w->asked_count; n++) {
            struct asked *a = &w->asked[n];
            if (a->by_device || a->mid != s.mid || a->accepted)
                continue;
            a->accepted = !s.code[0];
            a->refused = s.code[0] != 0;
        }
        return;
    }
    struct message m;
    if (!s.code[0]) { /* a ping */
        m = message_of("RST #%u", s.mid);
        server_reply(w, &m);
    } else if (s.code[0] == '0') {
        const struct asked *a = asked_find(w, s.token, true);
        if (a && con) {
            m = message_make("ACK", (uint16_t)s.mid, a->answer);
            server_reply(w, &m);
        }
    } else {
        server_answered(w, &s);
        m = message_of("ACK #%u", s.mid);
        if (con)
            server_reply(w, &m);
    }
}
