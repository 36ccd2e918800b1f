/* The rig's devices, SCEF and servers. */
#include "tests/nidd/harness_internal.h"

#include <stdio.h>

static void compare(struct bytes got, const char *want, const char *what, const char *file, int line)
{
    char text[MESSAGE_TEXT_MAX];
    if (!want)
        return;
    message_text(got, strstr(want, "#*") != NULL, text);
    if (strcmp(text, want) != 0)
        RIG_FAIL(file, line, "%s: want  %s\n%*s  got  %s", what, want, (int)strlen(what), "", text);
}

/* --- devices ----------------------------------------------------------------------------------------- */

enum engine_verdict rig_uplink(struct rig *r, const struct nidd_uplink *u, enum error *err)
{
    *err = OK;
    rig_begin_input(r);
    enum engine_verdict v = engine_uplink(r->e, r->now_ms, 0, ++r->uplink_refs, u, err);
    rig_end_input(r);
    return v;
}

static enum engine_verdict uplink(struct rig *r, unsigned device, struct bytes data, enum error *err)
{
    char text[32];
    const struct nidd_uplink u = {.nidd_configuration = device_info(r, device).configuration_link,
                                  .id = rig_identity(r, device, text),
                                  .data = data};
    r->nas[device]++;
    return rig_uplink(r, &u, err);
}

enum engine_verdict device_sends_bytes(struct rig *r, unsigned device, struct bytes data, enum error *err)
{
    return uplink(r, device, data, err);
}

void device_sends_by_ports(struct rig *r, unsigned device, uint16_t ue, uint16_t scef, const char *fmt, ...)
{
    va_list args;
    enum error err;
    char text[32];
    va_start(args, fmt);
    struct message m = message_vof(fmt, args);
    va_end(args);
    const struct nidd_uplink u = {.nidd_configuration = device_info(r, device).configuration_link,
                                  .id = rig_identity(r, device, text),
                                  .data = message_bytes(&m),
                                  .rds_port = {.present = true, .ue = ue, .scef = scef}};
    r->nas[device]++;
    assert_int_equal(rig_uplink(r, &u, &err), ENGINE_TAKEN);
}

void device_sends(struct rig *r, unsigned device, const char *fmt, ...)
{
    va_list args;
    enum error err;
    va_start(args, fmt);
    struct message m = message_vof(fmt, args);
    va_end(args);
    assert_int_equal(uplink(r, device, message_bytes(&m), &err), ENGINE_TAKEN);
}

uint64_t device_sends_later(struct rig *r, unsigned device, const char *fmt, ...)
{
    va_list args;
    enum error err;
    va_start(args, fmt);
    struct message m = message_vof(fmt, args);
    va_end(args);
    assert_int_equal(uplink(r, device, message_bytes(&m), &err), ENGINE_LATER);
    return r->uplink_refs;
}

void device_sends_refused(struct rig *r, unsigned device, enum error why, const char *fmt, ...)
{
    va_list args;
    enum error err;
    va_start(args, fmt);
    struct message m = message_vof(fmt, args);
    va_end(args);
    assert_int_equal(uplink(r, device, message_bytes(&m), &err), ENGINE_REFUSED);
    assert_int_equal(err, why);
}

void expect_uplink_answered(struct rig *r, uint64_t uplink_ref, enum error err)
{
    for (size_t i = 0; i < r->answers.count; i++) {
        struct rig_uplink_answer *a = &r->answers.data[i];
        if (a->ref != uplink_ref)
            continue;
        assert_int_equal(a->err, err);
        assert_false(a->seen);
        a->seen = true;
        return;
    }
    fail_msg("the uplink notification was not answered");
}

unsigned nas_messages(const struct rig *r, unsigned device)
{
    return r->nas[device];
}

/* --- SCEF: submissions ------------------------------------------------------------------------------- */

unsigned expect_submitted_at(struct rig *r, unsigned device, const char *text, const char *file, int line)
{
    if (r->submissions.read == r->submissions.count)
        RIG_FAIL(file, line, "want submitted to device %u: %s", device, text);
    const struct rig_submission *s = &r->submissions.data[r->submissions.read++];
    compare(bytes_of(s->message.data, s->message.len), text, "submitted", file, line);
    if (s->device != device)
        RIG_FAIL(file, line, "submitted to device %u, not %u", s->device, device);
    return (unsigned)(s - r->submissions.data);
}

void expect_no_submission_at(struct rig *r, const char *file, int line)
{
    if (r->submissions.read == r->submissions.count)
        return;
    const struct rig_submission *s = &r->submissions.data[r->submissions.read];
    char text[MESSAGE_TEXT_MAX];
    message_text(bytes_of(s->message.data, s->message.len), false, text);
    RIG_FAIL(file, line, "submitted to device %u: %s", s->device, text);
}

uint16_t submission_mid(const struct rig *r, unsigned submission)
{
    return message_mid(submission_message(r, submission));
}

struct bytes submission_message(const struct rig *r, unsigned submission)
{
    const struct message *m = &r->submissions.data[submission].message;
    return bytes_of(m->data, m->len);
}

struct bytes submission_link(const struct rig *r, unsigned submission)
{
    return bytes_of_str(r->submissions.data[submission].link);
}

uint32_t submission_latency_s(const struct rig *r, unsigned submission)
{
    return r->submissions.data[submission].latency_s;
}

void submit_result(struct rig *r, unsigned submission, struct nidd_submit_result result)
{
    struct rig_submission *s = &r->submissions.data[submission];
    assert_false(s->answered);
    s->answered = true;
    rig_begin_input(r);
    engine_submit_result(r->e, r->now_ms, s->ref, &result);
    rig_end_input(r);
}

void submit_delivered(struct rig *r, unsigned submission)
{
    submit_result(r, submission,
                  (struct nidd_submit_result){
                      .outcome = NIDD_SUBMIT_DELIVERED, .http_status = 200, .delivery_status = T8_DELIVERY_SUCCESS});
}

static struct bytes delivery_link(struct rig *r, unsigned device, const char *delivery, char out[160])
{
    struct bytes configuration = device_info(r, device).configuration_link;
    snprintf(out, 160, "%.*s/downlink-data-deliveries/%s", (int)configuration.len, (const char *)configuration.data,
             delivery);
    return bytes_of_str(out);
}

void submit_pending(struct rig *r, unsigned submission, const char *delivery)
{
    char link[160];
    submit_result(r, submission,
                  (struct nidd_submit_result){
                      .outcome = NIDD_SUBMIT_PENDING,
                      .http_status = 201,
                      .delivery_status = T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE,
                      .link = delivery ? delivery_link(r, r->submissions.data[submission].device, delivery, link)
                                       : (struct bytes){0}});
}

void submit_refused(struct rig *r, unsigned submission, int status, enum t8_cause cause)
{
    submit_result(r, submission,
                  (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED, .http_status = status, .cause = cause});
}

void submit_unanswered(struct rig *r, unsigned submission)
{
    submit_result(r, submission, (struct nidd_submit_result){.outcome = NIDD_SUBMIT_NO_ANSWER});
}

uint16_t expect_delivered_at(struct rig *r, unsigned device, const char *text, const char *file, int line)
{
    unsigned s = expect_submitted_at(r, device, text, file, line);
    uint16_t mid = submission_mid(r, s);
    submit_delivered(r, s);
    return mid;
}

void delivery_status(struct rig *r, unsigned device, const char *delivery, enum t8_delivery_status status)
{
    char link[160];
    delivery_status_of(r, delivery_link(r, device, delivery, link), status);
}

void delivery_status_of(struct rig *r, struct bytes link, enum t8_delivery_status status)
{
    const struct nidd_delivery_status s = {.nidd_downlink_data_transfer = link, .delivery_status = status};
    rig_begin_input(r);
    assert_int_equal(engine_delivery_status(r->e, r->now_ms, 0, &s), OK);
    rig_end_input(r);
}

unsigned expect_delivery_request_at(struct rig *r, enum engine_delivery_operation o, const char *name, const char *file,
                                    int line)
{
    if (r->asked.read == r->asked.count)
        RIG_FAIL(file, line, "want a request about %s", name);
    const struct rig_delivery_request *q = &r->asked.data[r->asked.read++];
    const char *last = strrchr(q->link, '/');
    if (q->operation != o || !last || strcmp(last + 1, name) != 0)
        RIG_FAIL(file, line, "want request %d about %s, is %d about %s", (int)o, name, (int)q->operation, q->link);
    return (unsigned)(q - r->asked.data);
}

void expect_no_delivery_request_at(struct rig *r, const char *file, int line)
{
    if (r->asked.read < r->asked.count)
        RIG_FAIL(file, line, "asked (%d) about %s", (int)r->asked.data[r->asked.read].operation,
                 r->asked.data[r->asked.read].link);
}

struct bytes delivery_request_data(const struct rig *r, unsigned request)
{
    const struct message *m = &r->asked.data[request].message;
    return bytes_of(m->data, m->len);
}

void delivery_answer(struct rig *r, unsigned request, struct engine_delivery_answer answer)
{
    rig_begin_input(r);
    engine_delivery_result(r->e, r->now_ms, 0, r->asked.data[request].ref, &answer);
    rig_end_input(r);
}

void delivery_found(struct rig *r, unsigned request, unsigned device, const char *delivery, struct bytes data)
{
    char link[160], text[32];
    const struct nidd_downlink d = {.id = rig_identity(r, device, text),
                                    .self = delivery_link(r, device, delivery, link),
                                    .data = data,
                                    .delivery_status = T8_DELIVERY_BUFFERING};
    rig_begin_input(r);
    engine_delivery_found(r->e, r->now_ms, 0, r->asked.data[request].ref, &d);
    rig_end_input(r);
}

unsigned expect_watch_at(struct rig *r, unsigned device, bool pdn, const char *file, int line)
{
    if (r->watches.read == r->watches.count)
        RIG_FAIL(file, line, "want a subscription for device %u", device);
    const struct rig_watch *w = &r->watches.data[r->watches.read++];
    if (w->device != device || w->pdn != pdn)
        RIG_FAIL(file, line, "a subscription for device %u, pdn %d", w->device, w->pdn);
    return (unsigned)(w - r->watches.data);
}

void expect_no_watch_at(struct rig *r, const char *file, int line)
{
    if (r->watches.read < r->watches.count)
        RIG_FAIL(file, line, "a subscription for device %u", r->watches.data[r->watches.read].device);
}

void watch_answer(struct rig *r, unsigned watch, struct engine_watch_answer answer)
{
    char text[32];
    struct t8_identity want = rig_identity(r, r->watches.data[watch].device, text);
    rig_begin_input(r);
    struct t8_identity id = engine_watch_result(r->e, r->now_ms, r->watches.data[watch].ref, &answer);
    assert_true(bytes_equal(id.external_id, want.external_id));
    rig_end_input(r);
}

unsigned watch_lists(const struct rig *r)
{
    return r->watch_lists;
}

bool device_reachable(struct rig *r, unsigned device, uint32_t scef)
{
    char text[32];
    rig_begin_input(r);
    bool known = engine_device_reachable(r->e, r->now_ms, scef, rig_identity(r, device, text), "report");
    rig_end_input(r);
    return known;
}

/* --- SCEF: configurations ---------------------------------------------------------------------------- */

struct rig_configuration_request *expect_configuration_request_at(struct rig *r, bool create, const char *file,
                                                                  int line)
{
    if (r->requests.read == r->requests.count)
        RIG_FAIL(file, line, "want a configuration's %s", create ? "POST" : "GET");
    struct rig_configuration_request *q = r->requests.data[r->requests.read++];
    if (q->create != create)
        RIG_FAIL(file, line, "want a configuration's %s", create ? "POST, is GET" : "GET, is POST");
    return q;
}

void expect_no_configuration_request_at(struct rig *r, const char *file, int line)
{
    if (r->requests.read < r->requests.count)
        RIG_FAIL(file, line, "the configuration of device %u was asked for",
                 r->requests.data[r->requests.read]->device);
}

void configuration_answer(struct rig *r, struct rig_configuration_request *q, struct nidd_configuration_result result)
{
    assert_false(q->answered);
    q->answered = true;
    rig_begin_input(r);
    engine_configuration_result(r->e, r->now_ms, q->ref, &result);
    rig_end_input(r);
}

void configuration_granted(struct rig *r, struct rig_configuration_request *q, const char *name, uint32_t packet_bits)
{
    char link[64];
    snprintf(link, sizeof(link), "/as/configurations/%s", name);
    configuration_answer(r, q,
                         (struct nidd_configuration_result){.http_status = q->create ? 201 : 200,
                                                            .link = bytes_of_str(q->create ? link : q->link),
                                                            .maximum_packet_size_bits = packet_bits,
                                                            .has_body = r->setup.deliveries,
                                                            .supported_features = NIDD_FEATURE_MODIFICATION,
                                                            .status = T8_NIDD_ACTIVE});
}

enum error configuration_status(struct rig *r, unsigned device, const char *name, enum t8_nidd_status status)
{
    char text[32];
    char link[128];
    snprintf(link, sizeof(link), "http://scef.example/3gpp-nidd/v1/as/configurations/%s", name);
    const struct nidd_configuration_status s = {
        .nidd_configuration = bytes_of_str(link), .id = rig_identity(r, device, text), .status = status};
    rig_begin_input(r);
    enum error err = engine_configuration_status(r->e, r->now_ms, 0, &s);
    rig_end_input(r);
    return err;
}

bool configuration_trigger(struct rig *r, unsigned device, uint32_t scef)
{
    char text[32];
    rig_begin_input(r);
    bool known = engine_configuration_trigger(r->e, r->now_ms, scef, rig_identity(r, device, text));
    rig_end_input(r);
    return known;
}

const char *configuration_state(struct rig *r, unsigned device)
{
    return device_info(r, device).configuration_state;
}

/* --- servers ----------------------------------------------------------------------------------------- */

void server_sends_bytes(struct rig *r, unsigned device, unsigned server, struct bytes data)
{
    rig_begin_input(r);
    engine_server_datagram(r->e, r->now_ms, device, server, data);
    rig_end_input(r);
}

void leg_state(struct rig *r, unsigned device, unsigned server, bool up)
{
    rig_begin_input(r);
    engine_leg_state(r->e, r->now_ms, device, server, up);
    rig_end_input(r);
}

void server_sends(struct rig *r, unsigned device, unsigned server, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct message m = message_vof(fmt, args);
    va_end(args);
    server_sends_bytes(r, device, server, message_bytes(&m));
}

uint16_t expect_at_server_at(struct rig *r, unsigned device, unsigned server, const char *text, const char *file,
                             int line)
{
    if (r->datagrams.read == r->datagrams.count)
        RIG_FAIL(file, line, "want at server %u from device %u: %s", server, device, text);
    const struct rig_datagram *d = &r->datagrams.data[r->datagrams.read++];
    compare(bytes_of(d->message.data, d->message.len), text, "at server", file, line);
    if (d->leg != device || d->server != server)
        RIG_FAIL(file, line, "sent from leg %u to server %u", d->leg, d->server);
    return message_mid(bytes_of(d->message.data, d->message.len));
}

struct bytes last_at_server(const struct rig *r)
{
    assert_true(r->datagrams.read > 0);
    const struct message *m = &r->datagrams.data[r->datagrams.read - 1].message;
    return bytes_of(m->data, m->len);
}

void server_comes_back_at(struct rig *r, unsigned device, const char *file, int line)
{
    advance_to_activity(r, 6 * SECONDS);
    uint16_t ping = expect_at_server_at(r, device, 0, "CON #*", file, line);
    server_sends(r, device, 0, "RST #%u", ping);
    assert_true(engine_server_up(r->e, 0));
}

void server_takes_at(struct rig *r, unsigned device, const char *text, const char *file, int line)
{
    uint16_t mid = expect_at_server_at(r, device, 0, text, file, line);
    server_sends(r, device, 0, "ACK #%u", mid);
}

struct bytes peek_at_server(const struct rig *r)
{
    assert_true(r->datagrams.read < r->datagrams.count);
    const struct message *m = &r->datagrams.data[r->datagrams.read].message;
    return bytes_of(m->data, m->len);
}

bool at_server(const struct rig *r)
{
    return r->datagrams.read < r->datagrams.count;
}

bool peek_is_ping(const struct rig *r)
{
    return at_server(r) && peek_at_server(r).len == 4 && peek_at_server(r).data[0] == 0x40;
}

void skip_at_server(struct rig *r)
{
    r->datagrams.read = r->datagrams.count;
}

void skip_submissions(struct rig *r)
{
    r->submissions.read = r->submissions.count;
}

void skip_uplink_answers(struct rig *r)
{
    for (size_t i = 0; i < r->answers.count; i++)
        r->answers.data[i].seen = true;
}

void expect_nothing_at_server_at(struct rig *r, const char *file, int line)
{
    if (r->datagrams.read == r->datagrams.count)
        return;
    const struct rig_datagram *d = &r->datagrams.data[r->datagrams.read];
    char text[MESSAGE_TEXT_MAX];
    message_text(bytes_of(d->message.data, d->message.len), false, text);
    RIG_FAIL(file, line, "sent to server %u: %s", d->server, text);
}

void server_unreachable(struct rig *r, unsigned server, enum error err)
{
    r->send_err[server] = err;
}
