/* Requests that the SCEF keeps (TS 29.122 clauses 4.4.5.3.1, 5.6.3.5): tracked, asked after, submitted anew when they
 * are lost there, and never twice in its buffer. */
#include "tests/nidd/harness_internal.h"

#define READ     "CON 0.01 #50 tok 11=3"
#define DOWN     "CON 0.01 #* tok 11=3"
#define EXECUTE  "CON 0.02 #50 tok 11=3 11=0 11=4"
#define EXECUTED "CON 0.02 #* tok 11=3 11=0 11=4"
#define DAY_S    86400

static void by_scef(struct engine_options *o)
{
    o->downlink.buffer = ENGINE_BUFFER_SCEF;
}

static const struct rig_setup setup = {.tune = by_scef, .deliveries = true};

static struct rig *submitted(const char *request, const char *down, unsigned *s)
{
    struct rig *r = rig_new(setup);
    server_sends(r, 0, 0, "%s", request);
    expect_at_server(r, 0, 0, "ACK #50");
    *s = expect_submitted(r, 0, down);
    return r;
}

static struct rig *buffered(const char *request, const char *down, unsigned *s)
{
    struct rig *r = submitted(request, down, s);
    submit_pending(r, *s, "d1");
    expect_message_state(r, 0, last_accepted(r), "with_scef");
    return r;
}

/* The device answers, the server acknowledges: the scenario's end. */
static void answered(struct rig *r, unsigned s)
{
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    rig_end(r);
}

static void for_as_long_as_it_lives(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted(READ, DOWN, &s);
    assert_int_equal(submission_latency_s(r, s), DAY_S);
    submit_unanswered(r, s);
    advance(r, MINUTES);
    delivery_answer(r, expect_delivery_request(r, ENGINE_DELIVERY_LIST, "c0"),
                    (struct engine_delivery_answer){.http_status = 200});
    s = expect_submitted(r, 0, DOWN);
    assert_int_equal(submission_latency_s(r, s), DAY_S - 60);
    submit_pending(r, s, "d1");
    advance(r, 30 * MINUTES);
    expect_no_submission(r);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    expect_message_state(r, 0, last_accepted(r), "sent");
    answered(r, s);
}

/* An answer to the device's own request is for now: it is never left there. */
static void answers_are_not_kept_there(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    device_sends(r, 0, "CON 0.02 #7 up 11=rd");
    uint16_t leg = expect_at_server(r, 0, 0, "CON 0.02 #* up 11=rd");
    server_sends(r, 0, 0, "ACK 2.04 #%u up", leg);
    unsigned s = expect_submitted(r, 0, "ACK 2.04 #7 up");
    assert_int_equal(submission_latency_s(r, s), 0);
    submit_delivered(r, s);
    rig_end(r);
}

static void short_lives(struct engine_options *o)
{
    by_scef(o);
    o->downlink.lifetime_ms = 5 * MINUTES;
}

/* It goes to the SCEF at once, though the device is known to be away. */
static void though_the_device_sleeps(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = short_lives, .deliveries = true});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, DOWN);
    submit_result(r, s,
                  (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED, /* it does not buffer, this time */
                                              .http_status = 500,
                                              .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE,
                                              .requested_retransmission_ms = rig_now(r) + 2 * HOURS});
    expect_no_submission(r); /* not again and again: as if the adapter kept it */
    advance_to_activity(r, 5 * MINUTES);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |lifetime over; device not reachable");
    server_sends(r, 0, 0, "ACK #%u", leg);
    assert_false(device_info(r, 0).reachable);
    server_sends(r, 0, 0, "CON 0.01 #51 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #51");
    s = expect_submitted(r, 0, DOWN);
    assert_int_equal(submission_latency_s(r, s), 300);
    submit_pending(r, s, "d1");
    server_sends(r, 0, 0, "CON 0.01 #52 tk2 11=4"); /* one at a time lies there: its order is kept here */
    expect_at_server(r, 0, 0, "ACK #52");
    expect_no_submission(r);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tk2 11=4");
    device_sends(r, 0, "ACK 2.05 #%u tk2", mid);
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* tk2");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

/* Nothing is told of it: asked after an hour, then more and more seldom. */
static void asked_after(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = buffered(READ, DOWN, &s);
    static const unsigned hours[] = {1, 1, 2, 4, 8};
    for (unsigned i = 0; i < 5; i++) {
        assert_in_range(advance_to_activity(r, 24 * HOURS), hours[i] * HOURS, hours[i] * HOURS + 1000);
        unsigned q = expect_delivery_request(r, ENGINE_DELIVERY_GET, "d1");
        expect_no_submission(r);
        delivery_answer(
            r, q,
            (struct engine_delivery_answer){.http_status = 200,
                                            .delivery_status = i % 2 ? T8_DELIVERY_BUFFERING : T8_DELIVERY_SENDING});
    }
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    answered(r, s);
}

/* A SCEF that is not to be had says nothing about the delivery. */
static void asked_in_vain(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = buffered(READ, DOWN, &s);
    static const int statuses[] = {0, 500, 503, 429, 401, 403};
    advance(r, HOURS);
    for (unsigned i = 0; i < 6; i++) {
        unsigned q = expect_delivery_request(r, ENGINE_DELIVERY_GET, "d1");
        delivery_answer(r, q, (struct engine_delivery_answer){.http_status = statuses[i]});
        expect_no_submission(r);
        advance_to_activity(r, 2 * MINUTES);
    }
    unsigned q = expect_delivery_request(r, ENGINE_DELIVERY_GET, "d1");
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 200, .delivery_status = T8_DELIVERY_SUCCESS});
    answered(r, s);
}

/* 404: what became of it the DELETE tells (TS 29.122 clause 5.6.5.3). */
static unsigned not_there(struct rig *r)
{
    advance_to_activity(r, 2 * HOURS);
    unsigned q = expect_delivery_request(r, ENGINE_DELIVERY_GET, "d1");
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 404});
    expect_no_submission(r);
    return expect_delivery_request(r, ENGINE_DELIVERY_DELETE, "d1");
}

static void lost_by_the_scef(void **state)
{
    (void)state;
    static const struct engine_delivery_answer answers[] = {
        {.http_status = 404}, {.http_status = 410}, {.http_status = 204}, {.http_status = 403}, {.http_status = 405}};
    for (unsigned i = 0; i < 5; i++) {
        unsigned s;
        struct rig *r = buffered(READ, DOWN, &s);
        unsigned q = not_there(r);
        delivery_answer(r, q, answers[i]);
        s = expect_submitted(r, 0, DOWN);
        assert_in_range(submission_latency_s(r, s), DAY_S - 3605, DAY_S - 3600);
        submit_pending(r, s, "d2");
        delivery_status(r, 0, "d1", T8_DELIVERY_FAILURE); /* late, of what is no more */
        expect_message_state(r, 0, last_accepted(r), "with_scef");
        delivery_status(r, 0, "d2", T8_DELIVERY_SUCCESS);
        answered(r, s);
    }
}

static void its_end_was_not_told(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = buffered(READ, DOWN, &s);
    unsigned q = not_there(r);
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 404, .cause = T8_CAUSE_ALREADY_DELIVERED});
    expect_message_state(r, 0, last_accepted(r), "sent");
    answered(r, s);

    static const enum t8_cause causes[] = {T8_CAUSE_TIMEOUT, T8_CAUSE_NEXT_HOP};
    for (unsigned i = 0; i < 2; i++) {
        r = buffered(READ, DOWN, &s);
        q = not_there(r);
        delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 500, .cause = causes[i]});
        expect_no_submission(r);
        advance_to_activity(r, MINUTES);
        s = expect_submitted(r, 0, DOWN);
        submit_delivered(r, s);
        answered(r, s);
    }

    r = buffered(READ, DOWN, &s); /* being sent right now */
    q = not_there(r);
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 409, .cause = T8_CAUSE_SENDING});
    expect_no_submission(r);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    answered(r, s);
}

/* What may have been delivered long ago is not carried out a second time. */
static void lost_and_not_idempotent(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = buffered(EXECUTE, EXECUTED, &s);
    delivery_answer(r, not_there(r), (struct engine_delivery_answer){.http_status = 404});
    expect_no_submission(r);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |sent, not answered, too late to repeat");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_FAILED, NULL);
    rig_end(r);
}

/* Delivered after hours: it is not sent again, and its answer has all the time that it needs. */
static void slow_answer_of_what_is_not_idempotent(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = buffered(EXECUTE, EXECUTED, &s);
    advance(r, 30 * MINUTES);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    advance(r, 100 * SECONDS);
    device_sends(r, 0, "NON #9");
    expect_no_submission(r);
    advance(r, 100 * SECONDS);
    assert_false(is_final(r, last_accepted(r)));
    answered(r, s);

    r = buffered(EXECUTE, EXECUTED, &s);
    advance(r, 30 * MINUTES);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    assert_in_range(advance_to_activity(r, HOURS), 200 * SECONDS, 248 * SECONDS);
    expect_no_submission(r);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |sent, not answered, too late to repeat");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

/* The device is awake, and the SCEF sends nothing: it is asked while there is time. */
static void asked_when_the_device_speaks(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = buffered(READ, DOWN, &s);
    advance(r, 10 * MINUTES);
    device_sends(r, 0, "NON #9");
    device_sends(r, 0, "NON #10");
    assert_in_range(advance_to_activity(r, HOURS), 10 * SECONDS, 11 * SECONDS);
    delivery_answer(r, expect_delivery_request(r, ENGINE_DELIVERY_GET, "d1"),
                    (struct engine_delivery_answer){.http_status = 404});
    delivery_answer(r, expect_delivery_request(r, ENGINE_DELIVERY_DELETE, "d1"),
                    (struct engine_delivery_answer){.http_status = 404});
    s = expect_submitted(r, 0, DOWN);
    submit_delivered(r, s);
    answered(r, s);

    r = buffered(READ, DOWN, &s); /* the rule */
    advance(r, 10 * MINUTES);
    device_sends(r, 0, "NON #9");
    advance(r, SECONDS);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    answered(r, s);
}

static void configuration_lost(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = buffered(READ, DOWN, &s);
    assert_int_equal(configuration_status(r, 0, "c0", T8_NIDD_TERMINATED), OK);
    s = expect_submitted(r, 0, DOWN); /* to the new one */
    assert_true(bytes_equal(submission_link(r, s), BYTES_LIT("/as/configurations/c1")));
    submit_pending(r, s, "d1");
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    answered(r, s);

    r = buffered(EXECUTE, EXECUTED, &s);
    advance(r, 10 * MINUTES);
    assert_int_equal(configuration_status(r, 0, "c0", T8_NIDD_TERMINATED), OK);
    expect_no_submission(r);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |sent, not answered, too late to repeat");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

/* Its notification may have come while nobody was here. */
static void asked_after_a_restart(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned s;
        struct rig *r = buffered(i ? EXECUTE : READ, i ? EXECUTED : DOWN, &s);
        rig_restart_later(r, HOURS);
        expect_no_submission(r);
        advance_to_activity(r, MINUTES + 1000);
        unsigned q = expect_delivery_request(r, ENGINE_DELIVERY_GET, "d1");
        delivery_answer(r, q,
                        (struct engine_delivery_answer){.http_status = 200, .delivery_status = T8_DELIVERY_BUFFERING});
        advance(r, 20 * MINUTES);
        expect_no_submission(r);
        delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
        answered(r, s);
    }
}

/* The POST had no answer: whether the SCEF has it, its list tells. */
static void posted_without_an_answer(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted(READ, DOWN, &s);
    submit_unanswered(r, s);
    device_sends(r, 0, "NON #9");
    advance(r, 2 * SECONDS);
    unsigned q = expect_delivery_request(r, ENGINE_DELIVERY_LIST, "c0");
    delivery_found(r, q, 0, "d8", BYTES_LIT("another one's"));
    delivery_found(r, q, 0, "d9", submission_message(r, s));
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 200});
    expect_no_submission(r);
    expect_message_state(r, 0, last_accepted(r), "with_scef");
    delivery_status(r, 0, "d9", T8_DELIVERY_SUCCESS);
    answered(r, s);

    static const int statuses[] = {200, 404, 403, 501};
    for (unsigned i = 0; i < 4; i++) {
        r = submitted(READ, DOWN, &s);
        submit_unanswered(r, s);
        advance(r, MINUTES);
        q = expect_delivery_request(r, ENGINE_DELIVERY_LIST, "c0");
        delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 503}); /* not now */
        expect_no_submission(r);
        advance(r, MINUTES);
        q = expect_delivery_request(r, ENGINE_DELIVERY_LIST, "c0");
        delivery_answer(r, q, (struct engine_delivery_answer){.http_status = statuses[i]});
        s = expect_submitted(r, 0, DOWN);
        submit_delivered(r, s);
        answered(r, s);
    }
}

/* The process died between the 201 and the record of its link. One list serves all that wait. */
static void died_before_the_link_was_stored(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, DOWN);
    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=4");
    expect_at_server(r, 0, 0, "ACK #51");
    rig_restart(r);
    unsigned q = expect_delivery_request(r, ENGINE_DELIVERY_LIST, "c0");
    delivery_found(r, q, 0, "d1", submission_message(r, s));
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 200});
    expect_no_submission(r);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    s = expect_submitted(r, 0, "CON 0.01 #* tk2 11=4");
    submit_delivered(r, s);
    device_sends(r, 0, "ACK 2.05 #%u tk2", submission_mid(r, s));
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* tk2");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

/* Nobody waits for it any more: the SCEF need not send it. */
static void expired_there(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = short_lives, .deliveries = true});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    submit_pending(r, expect_submitted(r, 0, DOWN), "d1");
    advance_to_activity(r, 5 * MINUTES);
    unsigned q = expect_delivery_request(r, ENGINE_DELIVERY_DELETE, "d1");
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |lifetime over; buffered by the SCEF");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_EXPIRED, NULL);
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 204});
    rig_end(r);
}

/* The SCEF lets go of it first; what it has sent goes on. */
static void cancelled(void **state)
{
    (void)state;
    static const struct {
        struct engine_delivery_answer answer;
        bool done;
    } cases[] = {{{.http_status = 204}, true},
                 {{.http_status = 404, .cause = T8_CAUSE_ALREADY_DELIVERED}, false},
                 {{.http_status = 409, .cause = T8_CAUSE_SENDING}, false},
                 {{.http_status = 404}, true},
                 {{.http_status = 0}, false}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned s;
        struct rig *r = buffered(READ, DOWN, &s);
        rig_begin_input(r);
        assert_int_equal(engine_message_cancel(r->e, r->now_ms, BYTES_LIT("dev0@example.com"), last_accepted(r)), OK);
        rig_end_input(r);
        unsigned q = expect_delivery_request(r, ENGINE_DELIVERY_DELETE, "d1");
        assert_false(is_final(r, last_accepted(r)));
        delivery_answer(r, q, cases[i].answer);
        if (cases[i].done) {
            uint16_t leg = expect_at_server(r, 0, 0, "CON 5.03 #* tok 14=< |cancelled by the operator");
            server_sends(r, 0, 0, "ACK #%u", leg);
            expect_final(r, last_accepted(r), FINAL_CANCELLED, "cancelled by the operator");
            rig_end(r);
        } else {
            expect_no_submission(r);
            delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
            answered(r, s);
        }
    }
}

/* --- the latest wins, there too */

#define WRITE   "CON 0.03 #50 tok 11=3 |1"
#define WRITTEN "CON 0.03 #* tok 11=3 |1"
#define REWRITE "CON 0.03 #51 tk2 11=3 |2"

static void latest(struct engine_options *o)
{
    by_scef(o);
    o->downlink.latest_wins = true;
}

static const struct rig_setup setup_latest = {.tune = latest, .deliveries = true};

/* The first lies with the SCEF, the second replaces it: its PUT is under way. */
static struct rig *replaced(unsigned *put, struct bytes *second)
{
    struct rig *r = rig_new(setup_latest);
    server_sends(r, 0, 0, WRITE);
    expect_at_server(r, 0, 0, "ACK #50");
    submit_pending(r, expect_submitted(r, 0, WRITTEN), "d1");
    uint64_t first = last_accepted(r);
    server_sends(r, 0, 0, REWRITE);
    expect_at_server(r, 0, 0, "ACK #51");
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.03 #* tok 14=< |replaced by a newer request");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, first, FINAL_DISPLACED, "replaced by a newer request");
    expect_no_submission(r);
    expect_message_state(r, 0, last_accepted(r), "with_scef");
    *put = expect_delivery_request(r, ENGINE_DELIVERY_PUT, "d1");
    *second = delivery_request_data(r, *put);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 1);
    return r;
}

/* The device answers what it got; the message is the same as the one that was PUT. */
static void second_answered(struct rig *r, struct bytes second)
{
    device_sends(r, 0, "ACK 2.04 #%u tk2", message_mid(second));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.04 #* tk2");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    rig_end(r);
}

static void replaced_there(void **state)
{
    (void)state;
    unsigned q;
    struct bytes second;
    struct rig *r = replaced(&q, &second);
    delivery_answer(r, q,
                    (struct engine_delivery_answer){.http_status = 200, .delivery_status = T8_DELIVERY_BUFFERING});
    advance(r, 30 * MINUTES);
    expect_no_delivery_request(r);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    expect_no_submission(r);
    second_answered(r, second);
}

/* The first was delivered, could not be, or is not there any more: the second goes on its own. */
static void too_late_to_replace(void **state)
{
    (void)state;
    static const struct engine_delivery_answer answers[] = {{.http_status = 404, .cause = T8_CAUSE_ALREADY_DELIVERED},
                                                            {.http_status = 500, .cause = T8_CAUSE_TIMEOUT},
                                                            {.http_status = 404}};
    for (unsigned i = 0; i < 3; i++) {
        unsigned q;
        struct bytes second;
        struct rig *r = replaced(&q, &second);
        delivery_answer(r, q, answers[i]);
        unsigned s = expect_submitted(r, 0, "CON 0.03 #* tk2 11=3 |2");
        submit_delivered(r, s);
        second_answered(r, submission_message(r, s));
    }
}

/* It is being sent: its status ends what lies there, and the second follows as a repetition. */
static void replaced_while_it_is_sent(void **state)
{
    (void)state;
    unsigned q;
    struct bytes second;
    struct rig *r = replaced(&q, &second);
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 409, .cause = T8_CAUSE_SENDING});
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    assert_in_range(advance_to_activity(r, MINUTES), 10 * SECONDS, 11 * SECONDS);
    unsigned s = expect_submitted(r, 0, "CON 0.03 #* tk2 11=3 |2");
    submit_delivered(r, s);
    second_answered(r, second);
}

/* No answer to the PUT: once more. */
static void replaced_in_vain(void **state)
{
    (void)state;
    unsigned q;
    struct bytes second;
    struct rig *r = replaced(&q, &second);
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 0});
    advance_to_activity(r, 2 * MINUTES);
    q = expect_delivery_request(r, ENGINE_DELIVERY_PUT, "d1");
    delivery_answer(r, q, (struct engine_delivery_answer){.http_status = 204});
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    second_answered(r, second);
}

/* The process dies before the PUT: the first is delivered, then the second, never the other way round. */
static void died_before_it_was_replaced(void **state)
{
    (void)state;
    unsigned q;
    struct bytes second;
    struct rig *r = replaced(&q, &second);
    rig_restart(r);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    advance_to_activity(r, MINUTES);
    unsigned s = expect_submitted(r, 0, "CON 0.03 #* tk2 11=3 |2");
    submit_delivered(r, s);
    second_answered(r, submission_message(r, s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(for_as_long_as_it_lives),
        cmocka_unit_test(answers_are_not_kept_there),
        cmocka_unit_test(though_the_device_sleeps),
        cmocka_unit_test(asked_after),
        cmocka_unit_test(asked_in_vain),
        cmocka_unit_test(lost_by_the_scef),
        cmocka_unit_test(its_end_was_not_told),
        cmocka_unit_test(lost_and_not_idempotent),
        cmocka_unit_test(slow_answer_of_what_is_not_idempotent),
        cmocka_unit_test(asked_when_the_device_speaks),
        cmocka_unit_test(configuration_lost),
        cmocka_unit_test(asked_after_a_restart),
        cmocka_unit_test(posted_without_an_answer),
        cmocka_unit_test(died_before_the_link_was_stored),
        cmocka_unit_test(expired_there),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(replaced_there),
        cmocka_unit_test(too_late_to_replace),
        cmocka_unit_test(replaced_while_it_is_sent),
        cmocka_unit_test(replaced_in_vain),
        cmocka_unit_test(died_before_it_was_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
