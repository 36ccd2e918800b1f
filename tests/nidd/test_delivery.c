/* What the SCEF says of a downlink delivery, and what the adapter makes of it. */
#include <stdio.h>

#include "tests/nidd/harness.h"

#define READ "CON 0.01 #50 tok 11=3"
#define DOWN "CON 0.01 #* tok 11=3"

/* A read that was submitted; *s is its submission. */
static struct rig *submitted(struct rig_setup setup, unsigned *s)
{
    struct rig *r = rig_new(setup);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    *s = expect_submitted(r, 0, DOWN);
    return r;
}

/* The device answers the submission, the server acknowledges it: the scenario's end. */
static void answered(struct rig *r, unsigned s)
{
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    rig_end(r);
}

/* The next submission is the same message, bit for bit. */
static unsigned expect_again(struct rig *r, unsigned before)
{
    unsigned s = expect_submitted(r, 0, DOWN);
    assert_int_equal(submission_mid(r, s), submission_mid(r, before));
    assert_true(bytes_equal(submission_message(r, s), submission_message(r, before)));
    return s;
}

/* --- asleep ------------------------------------------------------------------------------------------ */

static void asleep_until_it_speaks(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    advance(r, 1);
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    expect_message_state(r, 0, last_accepted(r), "queued");
    assert_false(device_info(r, 0).reachable);
    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=4"); /* another does not make it try */
    expect_at_server(r, 0, 0, "ACK #51");
    advance(r, 20 * SECONDS);
    expect_no_submission(r);
    device_sends(r, 0, "NON 2.05 #9 obs 6=0x01 |x"); /* anything at all */
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x01 |x");
    s = expect_again(r, s);
    submit_delivered(r, s);
    expect_no_submission(r);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tk2 11=4"); /* order was kept */
    device_sends(r, 0, "RST #%u", mid);
    expect_at_server(r, 0, 0, "CON 5.02 #* tk2 |reset by the device");
    rig_abandon(r);
}

/* The last resort: a retry timer, doubling from retry_min to retry_max. */
static void asleep_and_silent(void **state)
{
    (void)state;
    static const unsigned pauses_min[] = {1, 2, 4, 8, 16, 32, 60, 60};
    static const enum t8_cause causes[] = {T8_CAUSE_TEMPORARILY_NOT_REACHABLE, T8_CAUSE_NO_PDN_CONNECTION,
                                           T8_CAUSE_TRIGGERED};
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    for (unsigned i = 0; i < 8; i++) {
        submit_refused(r, s, 500, causes[i % 3]);
        expect_no_submission(r);
        assert_in_range(advance_to_activity(r, 3 * HOURS), pauses_min[i] * MINUTES, pauses_min[i] * MINUTES + 1000);
        s = expect_again(r, s);
    }
    submit_delivered(r, s);
    answered(r, s);
}

static void asleep_until_the_network_says(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    submit_result(r, s,
                  (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                              .http_status = 500,
                                              .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE,
                                              .requested_retransmission_ms = rig_now(r) + 2 * HOURS});
    assert_in_range(advance_to_activity(r, 3 * HOURS), 2 * HOURS, 2 * HOURS + 1000);
    s = expect_again(r, s);
    /* A time that is over says nothing: the timer. */
    submit_result(r, s,
                  (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                              .http_status = 500,
                                              .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE,
                                              .requested_retransmission_ms = rig_now(r) - 5});
    assert_in_range(advance_to_activity(r, 3 * HOURS), MINUTES, MINUTES + 1000);
    s = expect_again(r, s);
    submit_result(r, s,
                  (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                              .http_status = 500,
                                              .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE,
                                              .requested_retransmission_ms = rig_now(r) + 2 * HOURS});
    advance(r, 10 * MINUTES);
    device_sends(r, 0, "CON #9"); /* it is there before its time */
    expect_delivered(r, 0, "RST #9");
    s = expect_again(r, s);
    submit_delivered(r, s);
    answered(r, s);
}

/* It spoke while the network still took it for asleep: not another minute's wait. */
static void awake_and_said_to_be_asleep(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    advance(r, 1 * SECONDS);
    device_sends(r, 0, "NON 2.05 #9 obs 6=0x01 |x");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x01 |x");
    expect_no_submission(r); /* the POST is still under way: never two of one message */
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_in_range(advance_to_activity(r, 3 * HOURS), 0, 10 * SECONDS);
    s = expect_again(r, s);
    submit_delivered(r, s);
    answered(r, s);
}

/* --- refused for a while ----------------------------------------------------------------------------- */

static void told_to_wait(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum t8_cause cause;
    } cases[] = {{429, T8_CAUSE_NONE}, {503, T8_CAUSE_NONE}, {429, T8_CAUSE_OTHER}, {403, T8_CAUSE_QUOTA_EXCEEDED}};
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    for (unsigned i = 0; i < 4; i++) {
        submit_result(r, s,
                      (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                                  .http_status = cases[i].status,
                                                  .cause = cases[i].cause,
                                                  .retry_after_s = 30 + i});
        assert_in_range(advance_to_activity(r, 3 * HOURS), (30 + i) * SECONDS, (31 + i) * SECONDS);
        s = expect_again(r, s);
    }
    submit_delivered(r, s);
    answered(r, s);
}

/* The network has named a time: that the device is there does not make it shorter. */
static void told_to_wait_and_the_device_speaks(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    submit_result(
        r, s,
        (struct nidd_submit_result){
            .outcome = NIDD_SUBMIT_REFUSED, .http_status = 429, .cause = T8_CAUSE_NONE, .retry_after_s = 300});
    advance(r, 10 * SECONDS);
    device_sends(r, 0, "NON 2.05 #77 note |x");
    skip_at_server(r);
    expect_no_submission(r);
    assert_in_range(advance_to_activity(r, 3 * HOURS), 290 * SECONDS, 291 * SECONDS);
    s = expect_again(r, s);
    submit_delivered(r, s);
    answered(r, s);
}

static void failed_for_no_reason_of_the_device(void **state)
{
    (void)state;
    static const int statuses[] = {500, 502, 503, 504, 401, 408, 429};
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    for (unsigned i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        submit_refused(r, s, statuses[i], T8_CAUSE_NONE);
        assert_false(is_final(r, last_accepted(r)));
        assert_in_range(advance_to_activity(r, 3 * HOURS), 1000, HOURS + 1000);
        s = expect_again(r, s);
    }
    submit_unanswered(r, s);
    assert_in_range(advance_to_activity(r, 3 * HOURS), 1000, HOURS + 1000);
    s = expect_again(r, s);
    submit_delivered(r, s);
    answered(r, s);
}

/* TIMEOUT, NEXT_HOP: the device may have got it. Again, the same message, but not for ever at this pace. */
static void lost_in_the_network(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    uint64_t pause = 5 * SECONDS;
    for (unsigned i = 0; i < 5; i++) {
        submit_refused(r, s, 500, i % 2 ? T8_CAUSE_TIMEOUT : T8_CAUSE_NEXT_HOP);
        uint64_t took = advance_to_activity(r, 3 * HOURS);
        assert_true(took >= pause); /* backing off */
        pause = i < 3 ? 2 * took : MINUTES;
        s = expect_again(r, s);
    }
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s)); /* one of them had come through */
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    submit_refused(r, s, 500, T8_CAUSE_TIMEOUT);
    advance(r, 2 * HOURS);
    rig_end(r);
}

/* --- refused for good -------------------------------------------------------------------------------- */

static void refused_for_good(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum t8_cause cause;
        const char *answer;
    } cases[] = {
        {403, T8_CAUSE_DATA_TOO_LARGE, "CON 4.13 #* tok |larger than the device's packet size"},
        {403, T8_CAUSE_OPERATION_PROHIBITED, "CON 5.02 #* tok |OPERATION_PROHIBITED"},
        {403, T8_CAUSE_RDS_PORT_UNKNOWN, "CON 5.02 #* tok |RDS_PORT_UNKNOWN"},
        {403, T8_CAUSE_NONE, "CON 5.02 #* tok |refused by the SCEF"},
        {400, T8_CAUSE_OTHER, "CON 5.02 #* tok |refused by the SCEF"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned s;
        struct rig *r = submitted((struct rig_setup){0}, &s);
        submit_refused(r, s, cases[i].status, cases[i].cause);
        uint16_t leg = expect_at_server(r, 0, 0, cases[i].answer);
        expect_final(r, last_accepted(r), FINAL_FAILED, NULL);
        server_sends(r, 0, 0, "ACK #%u", leg);
        advance(r, 2 * HOURS);
        rig_end(r);
    }
}

/* --- buffered by the SCEF: 201, and a notification in the end ----------------------------------------- */

static void buffered_and_delivered(void **state)
{
    (void)state;
    static const enum t8_delivery_status successes[] = {T8_DELIVERY_SUCCESS,
                                                        T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED,
                                                        T8_DELIVERY_SUCCESS_UNACKNOWLEDGED, T8_DELIVERY_OTHER_SUCCESS};
    for (unsigned i = 0; i < 4; i++) {
        unsigned s;
        struct rig *r = submitted((struct rig_setup){0}, &s);
        submit_pending(r, s, "d1");
        expect_message_state(r, 0, last_accepted(r), "with_scef");
        advance(r, 5 * MINUTES);
        expect_no_submission(r); /* never two buffers for one message */
        delivery_status(r, 0, "d1", T8_DELIVERY_BUFFERING);
        delivery_status(r, 0, "d1", T8_DELIVERY_TRIGGERED);
        delivery_status(r, 0, "d2", T8_DELIVERY_FAILURE); /* another's */
        expect_message_state(r, 0, last_accepted(r), "with_scef");
        delivery_status(r, 0, "d1", successes[i]);
        expect_message_state(r, 0, last_accepted(r), "sent");
        delivery_status(r, 0, "d1", T8_DELIVERY_FAILURE); /* told twice, differently */
        expect_no_submission(r);
        answered(r, s);
    }
}

static void buffered_and_failed(void **state)
{
    (void)state;
    static const enum t8_delivery_status failures[] = {T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE,
                                                       T8_DELIVERY_FAILURE, T8_DELIVERY_FAILURE_TIMEOUT,
                                                       T8_DELIVERY_FAILURE_NEXT_HOP, T8_DELIVERY_OTHER_FAILURE};
    for (unsigned i = 0; i < 5; i++) {
        unsigned s;
        struct rig *r = submitted((struct rig_setup){0}, &s);
        submit_pending(r, s, "d1");
        delivery_status(r, 0, "d1", failures[i]);
        expect_message_state(r, 0, last_accepted(r), "queued");
        assert_in_range(advance_to_activity(r, 3 * HOURS), 1000, HOURS);
        s = expect_again(r, s);
        submit_pending(r, s, "d2");
        delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS); /* late, of the first */
        expect_message_state(r, 0, last_accepted(r), "with_scef");
        delivery_status(r, 0, "d2", T8_DELIVERY_SUCCESS);
        answered(r, s);
    }
}

/* The notification may be processed before the 201 it belongs to. */
static void notification_overtakes_the_201(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    submit_pending(r, s, "d1");
    expect_message_state(r, 0, last_accepted(r), "sent");
    answered(r, s);

    r = submitted((struct rig_setup){0}, &s);
    delivery_status(r, 0, "d1", T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE);
    submit_pending(r, s, "d1");
    expect_message_state(r, 0, last_accepted(r), "queued");
    device_sends(r, 0, "NON #9");
    s = expect_again(r, s);
    submit_delivered(r, s);
    answered(r, s);
}

/* An overtaking notification that is no end leaves the message with the SCEF. */
static void pending_notification_overtakes_the_201(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    delivery_status(r, 0, "d1", T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE);
    submit_pending(r, s, "d1");
    expect_message_state(r, 0, last_accepted(r), "with_scef");
    advance(r, 2 * MINUTES);
    expect_no_submission(r);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    answered(r, s);
}

/* A SCEF that has restarted counts its deliveries from the start again: an old notification is not of this delivery. */
static void stale_notification(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS); /* of something that ended long ago */
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    advance(r, 2 * HOURS);
    s = expect_again(r, s);
    submit_pending(r, s, "d1");
    expect_message_state(r, 0, last_accepted(r), "with_scef");
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    answered(r, s);
}

static void notifications_of_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "d%u", i);
        delivery_status(r, 0, name, T8_DELIVERY_SUCCESS);
    }
    delivery_status_of(r, BYTES_LIT("nonsense"), T8_DELIVERY_SUCCESS);
    delivery_status_of(r, (struct bytes){0}, T8_DELIVERY_SUCCESS);
    expect_no_submission(r);
    rig_end(r);
}

/* No notification can be told from others without a link: as good as delivered, and repeated if the device is silent.
 */
static void buffered_without_a_link(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    submit_pending(r, s, NULL);
    assert_in_range(advance_to_activity(r, 24 * HOURS), 5 * SECONDS, 2 * HOURS);
    s = expect_again(r, s);
    submit_delivered(r, s);
    answered(r, s);
}

/* SCEFs drop their buffers on restart: the retry timer is the last resort here, too. */
static void buffered_and_forgotten(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    submit_pending(r, s, "d1");
    assert_in_range(advance_to_activity(r, 24 * HOURS), 10 * MINUTES, 2 * HOURS);
    s = expect_again(r, s);
    submit_delivered(r, s);
    answered(r, s);
}

/* --- answers that come at odd moments ----------------------------------------------------------------- */

static void answer_before_the_posts_result(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        unsigned s;
        struct rig *r = submitted((struct rig_setup){0}, &s);
        device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
        uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
        if (i != 4)
            server_sends(r, 0, 0, "ACK #%u", leg);
        switch (i) {
        case 0:
            submit_delivered(r, s);
            break;
        case 1:
            submit_pending(r, s, "d1");
            delivery_status(r, 0, "d1", T8_DELIVERY_FAILURE);
            break;
        case 2:
            submit_refused(r, s, 500, T8_CAUSE_TIMEOUT);
            break;
        default:
            submit_unanswered(r, s);
            break;
        }
        if (i == 4)
            server_sends(r, 0, 0, "ACK #%u", leg);
        advance(r, 3 * HOURS);
        expect_no_submission(r);
        expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
        assert_int_equal(nas_messages(r, 0), 2);
        rig_end(r);
    }
}

static void answer_while_the_scef_has_it(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    submit_pending(r, s, "d1");
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    server_sends(r, 0, 0, "ACK #%u", leg);
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    advance(r, 3 * HOURS);
    rig_end(r);
}

/* It was given back to the queue, but the first sending had arrived. */
static void answer_while_it_waits_in_the_queue(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = submitted((struct rig_setup){0}, &s);
    submit_unanswered(r, s);
    expect_message_state(r, 0, last_accepted(r), "queued");
    answered(r, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asleep_until_it_speaks),
        cmocka_unit_test(asleep_and_silent),
        cmocka_unit_test(asleep_until_the_network_says),
        cmocka_unit_test(awake_and_said_to_be_asleep),
        cmocka_unit_test(told_to_wait),
        cmocka_unit_test(told_to_wait_and_the_device_speaks),
        cmocka_unit_test(failed_for_no_reason_of_the_device),
        cmocka_unit_test(lost_in_the_network),
        cmocka_unit_test(refused_for_good),
        cmocka_unit_test(buffered_and_delivered),
        cmocka_unit_test(buffered_and_failed),
        cmocka_unit_test(notification_overtakes_the_201),
        cmocka_unit_test(pending_notification_overtakes_the_201),
        cmocka_unit_test(stale_notification),
        cmocka_unit_test(notifications_of_nothing),
        cmocka_unit_test(buffered_without_a_link),
        cmocka_unit_test(buffered_and_forgotten),
        cmocka_unit_test(answer_before_the_posts_result),
        cmocka_unit_test(answer_while_the_scef_has_it),
        cmocka_unit_test(answer_while_it_waits_in_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
