/* The NIDD configurations' life: made, found again, made anew when lost, refused, tried again (TS 29.122 clause
 * 4.4.5.2). */
#include <stdio.h>

#include "tests/nidd/harness.h"

#define READ "CON 0.01 #50 tok 11=3"
#define DOWN "CON 0.01 #* tok 11=3"

static const struct rig_setup held = {.hold_configurations = true};

static void made_at_the_start(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    struct rig_configuration_request *q = expect_configuration_create(r);
    assert_int_equal(q->device, 0);
    assert_string_equal(configuration_state(r, 0), "creating");
    server_sends(r, 0, 0, READ); /* taken; it waits for the configuration */
    expect_at_server(r, 0, 0, "ACK #50");
    advance(r, MINUTES);
    expect_no_submission(r);
    configuration_granted(r, q, "c7", 8 * 1358);
    assert_string_equal(configuration_state(r, 0), "active");
    assert_int_equal(totals(r).active_configurations, 1);
    assert_int_equal(device_info(r, 0).maximum_packet_size_bytes, 1358);
    unsigned s = expect_submitted(r, 0, DOWN);
    assert_bytes_str(submission_link(r, s), "/as/configurations/c7");
    rig_abandon(r);
}

static void by_msisdn(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_configurations = true, .by_msisdn = true, .devices = 2});
    configuration_granted(r, expect_configuration_create(r), "c0", 0); /* the harness checks the identity */
    configuration_granted(r, expect_configuration_create(r), "c1", 0);
    server_sends(r, 1, 0, READ);
    expect_at_server(r, 1, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 1, DOWN);
    device_sends(r, 1, "ACK 2.05 #%u tok", mid);
    mid = expect_at_server(r, 1, 0, "CON 2.05 #* tok");
    server_sends(r, 1, 0, "ACK #%u", mid);
    rig_restart(r);
    configuration_granted(r, expect_configuration_get(r), "", 0);
    configuration_granted(r, expect_configuration_get(r), "", 0);
    device_sends(r, 1, "NON 2.05 #9 obs 6=0x01");
    expect_at_server(r, 1, 0, "NON 2.05 #* obs 6=0x01");
    rig_end(r);
}

static void uplink_before_the_configurations_answer(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    struct rig_configuration_request *q = expect_configuration_create(r);
    char id[] = "dev0@example.com";
    struct message m = message_of("NON 2.05 #9 obs 6=0x01");
    enum error err;
    struct nidd_uplink u = {.nidd_configuration = BYTES_LIT("http://scef/3gpp-nidd/v1/as/configurations/c0"),
                            .id = {.external_id = bytes_of_str(id)},
                            .data = message_bytes(&m)};
    assert_int_equal(rig_uplink(r, &u, &err), ENGINE_TAKEN);
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x01");
    configuration_granted(r, q, "c0", 0);
    m = message_of("NON 2.05 #10 obs 6=0x02"); /* any host and prefix name the same resource */
    assert_int_equal(rig_uplink(r, &u, &err), ENGINE_TAKEN);
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x02");
    u.nidd_configuration = BYTES_LIT("/as/configurations/other");
    assert_int_equal(rig_uplink(r, &u, &err), ENGINE_REFUSED);
    assert_int_equal(err, ERR_UNKNOWN_CONFIGURATION);
    u.nidd_configuration = BYTES_LIT("/as/configurations/c0");
    u.id.msisdn = BYTES_LIT("4917012345678"); /* both come: the External Identifier decides */
    m = message_of("NON 2.05 #11 obs 6=0x03");
    assert_int_equal(rig_uplink(r, &u, &err), ENGINE_TAKEN);
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x03");
    rig_end(r);
}

static void found_again_after_a_restart(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    configuration_granted(r, expect_configuration_create(r), "c7", 8 * 100);
    rig_restart(r);
    struct rig_configuration_request *q = expect_configuration_get(r);
    assert_string_equal(q->link, "/as/configurations/c7");
    assert_string_equal(configuration_state(r, 0), "checking");
    assert_int_equal(device_info(r, 0).maximum_packet_size_bytes, 100);
    server_sends(r, 0, 0, READ); /* used meanwhile */
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, DOWN);
    assert_bytes_str(submission_link(r, s), "/as/configurations/c7");
    configuration_granted(r, q, "", 8 * 200);
    assert_string_equal(configuration_state(r, 0), "active");
    assert_int_equal(device_info(r, 0).maximum_packet_size_bytes, 200);
    expect_no_configuration_request(r);
    rig_abandon(r);
}

/* Restarted before the answer was stored: asked for again, and the SCEF may well say that it exists. */
static void forgotten_while_we_were_down(void **state)
{
    (void)state;
    static const int statuses[] = {404, 410};
    for (unsigned i = 0; i < 2; i++) {
        struct rig *r = rig_new(held);
        configuration_granted(r, expect_configuration_create(r), "c7", 0);
        server_sends(r, 0, 0, READ);
        expect_at_server(r, 0, 0, "ACK #50");
        expect_submitted(r, 0, DOWN);
        rig_restart(r);
        unsigned s = expect_submitted(r, 0, DOWN);
        configuration_answer(r, expect_configuration_get(r),
                             (struct nidd_configuration_result){.http_status = statuses[i]});
        configuration_granted(r, expect_configuration_create(r), "c8", 0);
        submit_refused(r, s, 404, T8_CAUSE_NONE); /* it went to the old one */
        expect_no_configuration_request(r);
        assert_string_equal(configuration_state(r, 0), "active");
        advance(r, 2 * SECONDS);
        s = expect_submitted(r, 0, DOWN);
        assert_bytes_str(submission_link(r, s), "/as/configurations/c8");
        rig_abandon(r);
    }
}

static void found_terminated(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    configuration_granted(r, expect_configuration_create(r), "c7", 0);
    rig_restart(r);
    configuration_answer(r, expect_configuration_get(r),
                         (struct nidd_configuration_result){.http_status = 200,
                                                            .link = BYTES_LIT("/as/configurations/c7"),
                                                            .status = T8_NIDD_TERMINATED});
    configuration_granted(r, expect_configuration_create(r), "c8", 0);
    assert_string_equal(configuration_state(r, 0), "active");
    rig_end(r);
}

static void lost_while_running(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    configuration_granted(r, expect_configuration_create(r), "c7", 0);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, DOWN);
    uint16_t mid = submission_mid(r, s);
    submit_refused(r, s, 404, T8_CAUSE_NONE);
    assert_string_equal(configuration_state(r, 0), "creating");
    advance(r, MINUTES);
    expect_no_submission(r);
    configuration_granted(r, expect_configuration_create(r), "c8", 0);
    advance(r, 2 * SECONDS);
    s = expect_submitted(r, 0, DOWN); /* delivered all the same */
    assert_bytes_str(submission_link(r, s), "/as/configurations/c8");
    assert_int_equal(submission_mid(r, s), mid);
    submit_delivered(r, s);
    device_sends(r, 0, "ACK 2.05 #%u tok", mid);
    mid = expect_at_server(r, 0, 0, "CON 2.05 #* tok");
    server_sends(r, 0, 0, "ACK #%u", mid);
    rig_restart(r); /* and the new one is remembered */
    assert_string_equal(expect_configuration_get(r)->link, "/as/configurations/c8");
    rig_end(r);
}

/* An answer and a request under way, both told 404, one of them late: one new configuration. */
static void lost_and_told_twice(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    configuration_granted(r, expect_configuration_create(r), "c7", 0);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned first = expect_submitted(r, 0, DOWN);
    device_sends(r, 0, "CON #9");
    unsigned second = expect_submitted(r, 0, "RST #9");
    submit_refused(r, first, 404, T8_CAUSE_NONE);
    configuration_granted(r, expect_configuration_create(r), "c8", 0);
    submit_refused(r, second, 404, T8_CAUSE_NONE);
    expect_no_configuration_request(r);
    assert_string_equal(configuration_state(r, 0), "active");
    advance(r, 2 * SECONDS);
    first = expect_submitted(r, 0, "RST #9");
    submit_delivered(r, first);
    expect_submitted(r, 0, DOWN);
    rig_abandon(r);
}

static void terminated_by_the_scef(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    configuration_granted(r, expect_configuration_create(r), "c7", 0);
    assert_int_equal(configuration_status(r, 0, "other", T8_NIDD_ACTIVE), ERR_UNKNOWN_CONFIGURATION);
    assert_int_equal(configuration_status(r, 0, "other", T8_NIDD_TERMINATED), OK); /* so it is */
    expect_no_configuration_request(r);
    assert_int_equal(configuration_status(r, 0, "c7", T8_NIDD_ACTIVE), OK);
    assert_int_equal(configuration_status(r, 0, "c7", T8_NIDD_RDS_PORT_UNKNOWN), OK);
    expect_no_configuration_request(r);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    submit_refused(r, expect_submitted(r, 0, DOWN), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(configuration_status(r, 0, "c7", T8_NIDD_TERMINATED), OK);
    struct rig_configuration_request *q = expect_configuration_create(r);
    assert_int_equal(configuration_status(r, 0, "c7", T8_NIDD_TERMINATED), OK); /* told twice */
    configuration_granted(r, q, "c8", 0);
    assert_int_equal(configuration_status(r, 0, "c7", T8_NIDD_TERMINATED), OK); /* and once more */
    expect_no_configuration_request(r);
    unsigned s = expect_submitted(r, 0, DOWN);
    assert_bytes_str(submission_link(r, s), "/as/configurations/c8");
    rig_abandon(r);
}

/* What goes on already is not begun twice. */
static void asked_for_by_the_nef(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    struct rig_configuration_request *q = expect_configuration_create(r);
    assert_true(configuration_trigger(r, 0, 0));
    expect_no_configuration_request(r);
    configuration_answer(r, q, (struct nidd_configuration_result){.http_status = 403});
    assert_string_equal(configuration_state(r, 0), "refused");
    assert_false(configuration_trigger(r, 0, 1)); /* another SCEF */
    expect_no_configuration_request(r);
    assert_true(configuration_trigger(r, 0, 0));
    q = expect_configuration_create(r);
    configuration_answer(r, q, (struct nidd_configuration_result){.http_status = 503, .retry_after_s = 3600});
    assert_string_equal(configuration_state(r, 0), "waiting");
    assert_true(configuration_trigger(r, 0, 0));
    configuration_granted(r, expect_configuration_create(r), "c7", 0);
    assert_true(configuration_trigger(r, 0, 0));
    expect_no_configuration_request(r);
    assert_string_equal(configuration_state(r, 0), "active");
    rig_end(r);
}

static void refused_and_tried_much_later(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    configuration_answer(r, expect_configuration_create(r), (struct nidd_configuration_result){.http_status = 403});
    assert_string_equal(configuration_state(r, 0), "refused");
    for (unsigned i = 0; i < 3; i++) {
        uint64_t took = advance_to_activity(r, 24 * HOURS);
        assert_in_range(took, 30 * MINUTES, 2 * HOURS);
        struct rig_configuration_request *q = expect_configuration_create(r);
        if (i < 2)
            configuration_answer(r, q, (struct nidd_configuration_result){.http_status = 403});
        else
            configuration_granted(r, q, "c7", 0);
    }
    assert_string_equal(configuration_state(r, 0), "active");
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    expect_submitted(r, 0, DOWN);
    rig_abandon(r);
}

static void scef_not_to_be_had(void **state)
{
    (void)state;
    static const int statuses[] = {0, 500, 503, 401, 408, 429, 0, 0, 0};
    struct rig *r = rig_new(held);
    uint64_t pause = 0;
    server_sends(r, 0, 0, READ); /* nothing is lost meanwhile */
    expect_at_server(r, 0, 0, "ACK #50");
    for (unsigned i = 0; i < 9; i++) {
        configuration_answer(r, expect_configuration_create(r),
                             (struct nidd_configuration_result){.http_status = statuses[i]});
        assert_string_equal(configuration_state(r, 0), "waiting");
        uint64_t took = advance_to_activity(r, 24 * HOURS);
        assert_in_range(took, i < 7 ? pause : HOURS, 2 * HOURS); /* backs off, up to retry_max and a little */
        pause = took;
    }
    configuration_granted(r, expect_configuration_create(r), "c7", 0);
    unsigned s = expect_submitted(r, 0, DOWN);
    submit_delivered(r, s);
    rig_abandon(r);

    r = rig_new(held);
    configuration_answer(r, expect_configuration_create(r),
                         (struct nidd_configuration_result){.http_status = 503, .retry_after_s = 17});
    assert_in_range(advance_to_activity(r, HOURS), 17 * SECONDS, 18 * SECONDS);
    expect_configuration_create(r);
    rig_end(r);
}

/* The GET after a restart fails, or finds nothing to be used: nothing is forgotten for that. */
static void scef_not_to_be_had_after_a_restart(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    configuration_granted(r, expect_configuration_create(r), "c7", 0);
    rig_restart(r);
    configuration_answer(r, expect_configuration_get(r), (struct nidd_configuration_result){.http_status = 503});
    advance_to_activity(r, HOURS);
    struct rig_configuration_request *q = expect_configuration_get(r);
    assert_string_equal(q->link, "/as/configurations/c7");
    configuration_granted(r, q, "", 0);
    assert_string_equal(configuration_state(r, 0), "active");
    rig_end(r);
}

static void answer_without_a_link(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    configuration_answer(r, expect_configuration_create(r), (struct nidd_configuration_result){.http_status = 201});
    assert_string_equal(configuration_state(r, 0), "waiting");
    advance_to_activity(r, HOURS);
    configuration_granted(r, expect_configuration_create(r), "c7", 0);
    rig_end(r);
}

static void small_window(struct engine_options *o)
{
    o->configuration_window = 3;
}

static void window_bounds_requests(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = 10, .hold_configurations = true, .tune = small_window});
    struct rig_configuration_request *under_way[3];
    bool seen[10] = {false};
    for (unsigned i = 0; i < 3; i++)
        under_way[i] = expect_configuration_create(r);
    expect_no_configuration_request(r);
    for (unsigned i = 0; i < 10; i++) {
        char name[16];
        struct rig_configuration_request *q = under_way[i % 3];
        assert_false(seen[q->device]);
        seen[q->device] = true;
        snprintf(name, sizeof(name), "c%u", q->device);
        if (i % 4 == 3)
            configuration_answer(r, q, (struct nidd_configuration_result){.http_status = 503});
        else
            configuration_granted(r, q, name, 0);
        if (i + 3 < 10)
            under_way[i % 3] = expect_configuration_create(r);
        expect_no_configuration_request(r);
    }
    assert_int_equal(totals(r).active_configurations, 8);
    advance(r, 5 * MINUTES);
    configuration_granted(r, expect_configuration_create(r), "x", 0);
    configuration_granted(r, expect_configuration_create(r), "y", 0);
    assert_int_equal(totals(r).active_configurations, 10);
    /* The same for GETs after a restart. */
    rig_restart(r);
    for (unsigned i = 0; i < 3; i++)
        expect_configuration_get(r);
    expect_no_configuration_request(r);
    rig_end(r);
}

/* TERMINATED in the moment in which the GET is under way: the GET finds out, and no second request runs beside it. */
static void terminated_while_checking(void **state)
{
    (void)state;
    struct rig *r = rig_new(held);
    configuration_granted(r, expect_configuration_create(r), "c7", 0);
    rig_restart(r);
    struct rig_configuration_request *q = expect_configuration_get(r);
    assert_int_equal(configuration_status(r, 0, "c7", T8_NIDD_TERMINATED), OK);
    expect_no_configuration_request(r);
    configuration_answer(r, q, (struct nidd_configuration_result){.http_status = 404});
    configuration_granted(r, expect_configuration_create(r), "c8", 0);
    assert_string_equal(configuration_state(r, 0), "active");
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_at_the_start),
        cmocka_unit_test(by_msisdn),
        cmocka_unit_test(uplink_before_the_configurations_answer),
        cmocka_unit_test(found_again_after_a_restart),
        cmocka_unit_test(forgotten_while_we_were_down),
        cmocka_unit_test(found_terminated),
        cmocka_unit_test(lost_while_running),
        cmocka_unit_test(lost_and_told_twice),
        cmocka_unit_test(terminated_by_the_scef),
        cmocka_unit_test(asked_for_by_the_nef),
        cmocka_unit_test(refused_and_tried_much_later),
        cmocka_unit_test(scef_not_to_be_had),
        cmocka_unit_test(scef_not_to_be_had_after_a_restart),
        cmocka_unit_test(answer_without_a_link),
        cmocka_unit_test(window_bounds_requests),
        cmocka_unit_test(terminated_while_checking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
