/* Groups: one NIDD configuration for all their devices, found, made, renewed, lost and deleted as that of one device.
 */
#include "tests/nidd_life/life.h"

#define GROUP_LINK "/as/configurations/g"

static const struct t8_identity the_group = {.external_group_id = BYTES_LIT("g@x")};
static const struct t8_identity a = {.external_id = BYTES_LIT("a@x")};

static void two_members(void)
{
    file_no_devices();
    file_device("a@x", 0, 0);
    file_device("b@x", 0, 0);
}

/* a@x and b@x, their group active. */
static void begin_active(void)
{
    file_group("g@x", 0);
    two_members();
    life_begin();
    answer(next(CREATE), granted(201, GROUP_LINK, 0));
    nothing_asked();
    assert_state("a@x", "active");
}

static void refused_404(const struct request *r)
{
    submitted(r, (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED, .http_status = 404});
}

static void listed_wrongly(void **state)
{
    (void)state;
    file_group("g@x", 0);
    begin(0);
    struct engine_group_options g = {.external_group_id = BYTES_LIT("g@x")};
    assert_int_equal(engine_group_add(t.e, &g), ERR_MEMBER_TYPE);
    g.external_group_id = BYTES_LIT("h@x");
    g.scef = 1;
    assert_int_equal(engine_group_add(t.e, &g), ERR_NOT_FOUND);
    g.scef = 0;
    g.server = 2;
    assert_int_equal(engine_group_add(t.e, &g), ERR_NOT_FOUND);
    g.external_group_id = bytes_of(NULL, 0);
    assert_int_equal(engine_group_add(t.e, &g), ERR_IDENTITY);
    struct engine_device_options d = {.id = a, .group = 1};
    assert_int_equal(engine_device_add(t.e, &d), ERR_NOT_FOUND);
    struct engine_group_info info;
    assert_false(engine_group_info_get(t.e, 1, &info));
}

static void one_configuration_for_all(void **state)
{
    (void)state;
    enum error err;
    file_group("g@x", 0);
    two_members();
    life_begin();
    const struct request *r = next(CREATE);
    assert_string_equal(r->id, "*g@x");
    nothing_asked();
    struct nidd_configuration_result result = granted(201, GROUP_LINK, 0);
    result.maximum_packet_size_bits = 800;
    answer(r, result);
    assert_state("b@x", "active");
    assert_bytes_str(info("b@x").configuration_link, GROUP_LINK);
    assert_int_equal(info("b@x").maximum_packet_size_bytes, 100);
    assert_int_equal(info("b@x").group, 0);
    assert_string_equal(t.group, "g@x");
    struct engine_totals totals;
    engine_totals_get(t.e, &totals);
    assert_int_equal(totals.devices, 2);
    assert_int_equal(totals.active_configurations, 1);
    assert_int_equal(group_info(0).devices, 2);
    assert_int_equal(group_info(0).learned, 0);
    assert_string_equal(group_info(0).configuration_state, "active");

    server_asks(info("a@x").leg);
    server_asks(info("b@x").leg);
    r = next(SUBMIT);
    assert_string_equal(r->id, "a@x"); /* the member's own */
    assert_string_equal(r->link, GROUP_LINK);
    r = next(SUBMIT);
    assert_string_equal(r->id, "b@x");
    assert_string_equal(r->link, GROUP_LINK);
    assert_int_equal(uplink(0, a, "http://scef/3gpp-nidd/v1" GROUP_LINK, request_bytes(1), &err), ENGINE_TAKEN);
    assert_int_equal(uplink(0, a, "/as/configurations/other", request_bytes(2), &err), ENGINE_REFUSED);
    assert_int_equal(err, ERR_UNKNOWN_CONFIGURATION);

    assert_int_equal(records(RECORD_CONFIGURATION), 1);
    life_restart();
    r = next(GET);
    assert_string_equal(r->link, GROUP_LINK);
    assert_string_equal(next(SUBMIT)->link, GROUP_LINK); /* used meanwhile */
    (void)next(SUBMIT);
    nothing_asked();
    assert_int_equal(info("b@x").maximum_packet_size_bytes, 100);
}

static void found_in_the_list(void **state)
{
    (void)state;
    file_group("g@x", 0);
    two_members();
    file_device("c@x", 0, ENGINE_NONE);
    life_begin();
    answer_status(next(CREATE), 409);
    answer(next(CREATE), granted(201, "/as/configurations/c", 0));
    assert_int_equal(t.lists, 1);
    found("a@x", "/as/configurations/wrong"); /* its configuration is the group's */
    found_group(0, "h@x", "/as/configurations/h");
    assert_state("a@x", "finding");
    found_group(0, "g@x", GROUP_LINK);
    listed(200);
    assert_state("a@x", "active");
    assert_bytes_str(info("a@x").configuration_link, GROUP_LINK);
    assert_bytes_str(info("c@x").configuration_link, "/as/configurations/c");
}

/* A delivery's 404: the configuration is asked after; gone, it is made anew, and what waits goes there. */
static void lost(void **state)
{
    (void)state;
    begin_active();
    server_asks(info("a@x").leg);
    refused_404(next(SUBMIT));
    const struct request *get = next(GET);
    assert_string_equal(get->link, GROUP_LINK);
    answer_status(get, 404);
    const struct request *made = next(CREATE);
    server_asks(info("b@x").leg);
    nothing_asked(); /* it waits */
    answer(made, granted(201, "/as/configurations/g2", 0));
    const struct request *first = next(SUBMIT), *second = next(SUBMIT);
    assert_string_equal(first->link, "/as/configurations/g2");
    assert_string_equal(second->link, "/as/configurations/g2");
    assert_string_not_equal(first->id, second->id);
    nothing_asked();
    assert_int_equal(t.finals, 0);
}

/* The same, but only this device is unknown there: it waits longer and longer, and the others are not disturbed. */
static void one_device_is_not_found(void **state)
{
    (void)state;
    begin_active();
    server_asks(info("a@x").leg);
    for (unsigned i = 0; i < 4; i++) {
        refused_404(next(SUBMIT));
        if (i == 1)
            answer_status(next(GET), 503); /* which says nothing */
        else
            answer(next(GET), granted(200, GROUP_LINK, 0));
        nothing_asked();
        assert_int_equal(info("a@x").queue_messages, 1);
        server_asks(info("b@x").leg);
        struct request *r = next(SUBMIT);
        assert_string_equal(r->id, "b@x");
        submitted(r, (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED, .http_status = 400});
        assert_true(wait_for_request(24 * HOURS) >= (60 * SECONDS << i));
    }
    /* Two at once ask once. */
    const struct request *to_a = next(SUBMIT);
    server_asks(info("b@x").leg);
    const struct request *to_b = next(SUBMIT);
    refused_404(to_a);
    (void)next(GET);
    refused_404(to_b);
    nothing_asked();
}

static void terminated(void **state)
{
    (void)state;
    begin_active();
    assert_int_equal(status_of(0, the_group, "/as/configurations/other", T8_NIDD_ACTIVE), ERR_UNKNOWN_CONFIGURATION);
    assert_int_equal(status_of(0, the_group, "/as/configurations/other", T8_NIDD_TERMINATED), OK); /* so it is */
    assert_int_equal(
        status_of(0, (struct t8_identity){.external_group_id = BYTES_LIT("h@x")}, GROUP_LINK, T8_NIDD_TERMINATED),
        ERR_UNKNOWN_DEVICE);
    assert_int_equal(status_of(1, the_group, GROUP_LINK, T8_NIDD_TERMINATED), ERR_UNKNOWN_DEVICE);
    nothing_asked();
    /* For one device: that may be of the device only. */
    assert_int_equal(status_of(0, a, GROUP_LINK, T8_NIDD_TERMINATED), OK);
    answer(next(GET), granted(200, GROUP_LINK, 0));
    assert_state("a@x", "active");
    assert_int_equal(status_of(0, the_group, GROUP_LINK, T8_NIDD_TERMINATED), OK);
    assert_string_equal(next(CREATE)->id, "*g@x");
    nothing_asked();
}

static void not_authorised(void **state)
{
    (void)state;
    begin_active();
    server_asks(info("a@x").leg);
    server_asks(info("b@x").leg);
    for (unsigned i = 0; i < 2; i++)
        submitted(next(SUBMIT), (struct nidd_submit_result){.outcome = NIDD_SUBMIT_NO_ANSWER});
    assert_int_equal(status_of(0, a, GROUP_LINK, T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED), OK);
    assert_int_equal(t.finals, 1); /* of a@x only */
    assert_int_equal(info("a@x").queue_messages, 0);
    assert_int_equal(info("b@x").queue_messages, 1);
    assert_state("b@x", "active");
    assert_int_equal(status_of(0, the_group, GROUP_LINK, T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED), OK);
    assert_int_equal(t.finals, 2);
    assert_state("b@x", "refused");
}

static void refused(void **state)
{
    (void)state;
    file_group("g@x", 0);
    two_members();
    life_begin();
    const struct request *r = next(CREATE);
    server_asks(info("a@x").leg);
    server_asks(info("b@x").leg);
    answer(r, (struct nidd_configuration_result){.http_status = 403, .cause = T8_CAUSE_QUOTA_EXCEEDED});
    assert_int_equal(t.finals, 2);
    assert_state("a@x", "refused");
    wait_for_request(2 * HOURS);
    assert_string_equal(next(CREATE)->id, "*g@x");
}

static void renewed(void **state)
{
    (void)state;
    t.scefs[0].configuration_duration_ms = 10 * DAYS;
    file_group("g@x", 0);
    two_members();
    life_begin();
    answer(next(CREATE), granted(201, GROUP_LINK, t.now_ms + 8 * HOURS));
    assert_int_equal(group_info(0).configuration_end_ms, START_MS + 8 * HOURS);
    wait_for_request(8 * HOURS);
    const struct request *r = next(PATCH);
    assert_string_equal(r->link, GROUP_LINK);
    assert_int_equal(r->duration_ms, t.now_ms + 10 * DAYS);
    answer(r, granted(200, GROUP_LINK, t.now_ms + 10 * DAYS));
    nothing_asked();
    wait_for_request(10 * DAYS);
    answer_status(next(PATCH), 404);
    assert_string_equal(next(CREATE)->id, "*g@x");
}

static void out_of_the_file(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    begin_active();
    server_asks(info("a@x").leg);
    t.group_count = 0;
    file_no_devices();
    file_device("a@x", 0, ENGINE_NONE);
    file_device("b@x", 0, ENGINE_NONE);
    life_restart();
    const struct request *of_a = next(CREATE), *of_b = next(CREATE), *r = next(DELETE_);
    assert_string_equal(r->link, GROUP_LINK);
    answer(of_a, granted(201, "/as/configurations/a", 0));
    assert_string_equal(next(SUBMIT)->link, "/as/configurations/a"); /* nothing is lost over that */
    answer(of_b, granted(201, "/as/configurations/b", 0));
    answer_status(r, 503);
    assert_string_equal(t.group, "g@x");
    life_restart();
    while (t.requests[t.looked_at].what != DELETE_)
        assert_true(++t.looked_at < t.asked);
    answer_status(next(DELETE_), 204);
    assert_int_equal(records(RECORD_CONFIGURATION), 0);
    life_restart();
    for (; t.looked_at < t.asked; t.looked_at++)
        assert_int_not_equal(t.requests[t.looked_at].what, DELETE_);
    /* In the file again it is made anew. */
    file_group("g@x", 0);
    two_members();
    life_restart();
    for (unsigned i = 0; i < 2; i++) /* what the devices had of their own is deleted now */
        while (t.requests[t.looked_at].what != DELETE_)
            assert_true(++t.looked_at < t.asked);
    assert_string_equal(t.requests[0].id, "*g@x");
    assert_int_equal(records(RECORD_CONFIGURATION), 2); /* until the SCEF has let go of them */
}

/* The file was cut short, perhaps: more is gone than left. */
static void out_of_the_file_by_mistake(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    begin_active();
    t.group_count = 0;
    file_no_devices();
    life_restart();
    nothing_asked();
    assert_string_equal(t.reason, "more devices are gone than left: nothing deleted");
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    life_restart();
    assert_string_equal(next(DELETE_)->link, GROUP_LINK);
}

static void goes_to_another_scef(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    file_scef("scef1");
    begin_active();
    t.groups[0].scef = 1;
    life_restart();
    assert_int_equal(info("a@x").scef, 1);
    const struct request *made = next(CREATE);
    assert_int_equal(made->scef, 1);
    assert_string_equal(made->id, "*g@x");
    const struct request *old = next(DELETE_);
    assert_int_equal(old->scef, 0);
    assert_string_equal(old->link, GROUP_LINK);
    life_restart(); /* neither has been answered: both again, and only once */
    assert_int_equal(next(CREATE)->scef, 1);
    old = next(DELETE_);
    assert_int_equal(old->scef, 0);
    nothing_asked();
    answer_status(old, 204);
    answer(&t.requests[0], granted(201, GROUP_LINK, 0));
    life_restart();
    made = next(GET);
    assert_int_equal(made->scef, 1);
    nothing_asked();
}

static void comes_back_to_a_scef(void **state)
{
    (void)state;
    file_scef("scef1");
    begin_active();
    t.groups[0].scef = 1;
    life_restart();
    answer(next(CREATE), granted(201, "/as/configurations/g1", 0));
    nothing_asked();
    assert_int_equal(records(RECORD_CONFIGURATION), 2);
    t.groups[0].scef = 0;
    for (unsigned i = 0; i < 2; i++) {
        life_restart();
        const struct request *r = next(GET);
        assert_int_equal(r->scef, 0);
        assert_string_equal(r->link, GROUP_LINK);
        nothing_asked();
        assert_int_equal(records(RECORD_CONFIGURATION), 2);
    }
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    life_restart();
    (void)next(GET);
    const struct request *r = next(DELETE_);
    assert_int_equal(r->scef, 1);
    assert_string_equal(r->link, "/as/configurations/g1");
    answer_status(r, 204);
    assert_string_equal(t.group, "g@x");
    assert_int_equal(records(RECORD_CONFIGURATION), 1);
}

static void between_its_own_and_a_group(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    server_asks(0);
    (void)next(SUBMIT);
    file_group("g@x", 0);
    file_no_devices();
    file_device("dev0@x", 0, 0);
    life_restart();
    assert_int_equal(info("dev0@x").leg, 0);
    answer(next(CREATE), granted(201, GROUP_LINK, 0));
    const struct request *r = next(DELETE_);
    assert_string_equal(r->link, "/as/configurations/c0");
    answer_status(r, 204);
    r = next(SUBMIT);
    assert_string_equal(r->link, GROUP_LINK);
    restart(1); /* and back; the group stays, with nobody in it */
    unsigned created = 0;
    for (; t.looked_at < t.asked; t.looked_at++) {
        r = &t.requests[t.looked_at];
        assert_int_not_equal(r->what, DELETE_);
        created += r->what == CREATE;
        if (r->what == CREATE)
            assert_string_equal(r->id, "dev0@x");
    }
    assert_int_equal(created, 1);
    assert_int_equal(group_info(0).devices, 0);
}

/* ---- of another process */

static void foreign_is_found_and_used(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    file_group("g@x", 0);
    t.groups[0].foreign = true;
    two_members();
    file_device("c@x", 0, ENGINE_NONE);
    life_begin();
    assert_int_equal(t.lists, 1);
    nothing_asked();
    server_asks(info("a@x").leg);
    listed(200); /* not there yet */
    assert_state("a@x", "waiting");
    assert_string_equal(t.reason, "not made yet by its owner");
    answer(next(CREATE), granted(201, "/as/configurations/c", 0));
    assert_int_equal(info("a@x").queue_messages, 1); /* it waits */
    while (t.lists == 1)
        pass(10 * SECONDS);
    nothing_asked();
    found_group(0, "g@x", GROUP_LINK);
    listed(200);
    assert_state("a@x", "active");
    assert_string_equal(next(SUBMIT)->link, GROUP_LINK);
    assert_int_equal(records(RECORD_CONFIGURATION), 0); /* its owner keeps it */
}

/* It ends and comes back under another link; its destination is not ours to change. */
static void foreign_is_never_changed(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    file_group("g@x", 0);
    t.groups[0].foreign = true;
    two_members();
    life_begin();
    struct nidd_configuration_found f = {.id = the_group, .result = granted(200, GROUP_LINK, t.now_ms + 4 * HOURS)};
    f.result.notification_destination = BYTES_LIT("http://its-owner/t8");
    engine_configuration_found(t.e, t.now_ms, 0, &f);
    listed(200);
    assert_state("a@x", "active");
    wait_for_request(5 * HOURS);
    assert_true(t.now_ms >= START_MS + 4 * HOURS); /* renewed by its owner, or not */
    f.result.duration_ms = t.now_ms + 4 * HOURS;
    answer(next(GET), f.result);
    assert_state("a@x", "active");
    wait_for_request(5 * HOURS);
    answer_status(next(GET), 404);
    assert_int_equal(t.lists, 2);
    found_group(0, "g@x", "/as/configurations/g2");
    listed(200);
    assert_bytes_str(info("a@x").configuration_link, "/as/configurations/g2");
    assert_int_equal(status_of(0, the_group, "/as/configurations/g2", T8_NIDD_TERMINATED), OK);
    assert_int_equal(t.lists, 2); /* the list has just come, and did not know */
    assert_state("a@x", "waiting");
    t.group_count = 0;
    file_devices(1);
    life_restart();
    assert_string_equal(next(CREATE)->id, "dev0@x");
    nothing_asked();
}

static void foreign_after_having_been_ours(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    begin_active();
    t.groups[0].foreign = true;
    life_restart();
    nothing_asked();
    assert_int_equal(t.lists, 1);
    assert_int_equal(records(RECORD_CONFIGURATION), 0);
    t.group_count = 0;
    file_devices(1);
    life_restart();
    (void)next(CREATE);
    nothing_asked(); /* no DELETE */
}

static void foreign_without_lists(void **state)
{
    (void)state;
    t.without_life_ports = true;
    file_group("g@x", 0);
    t.groups[0].foreign = true;
    two_members();
    life_begin();
    assert_state("a@x", "waiting");
    pass(3 * HOURS);
    nothing_asked();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE_TEST(listed_wrongly),
        LIFE_TEST(one_configuration_for_all),
        LIFE_TEST(found_in_the_list),
        LIFE_TEST(lost),
        LIFE_TEST(one_device_is_not_found),
        LIFE_TEST(terminated),
        LIFE_TEST(not_authorised),
        LIFE_TEST(refused),
        LIFE_TEST(renewed),
        LIFE_TEST(out_of_the_file),
        LIFE_TEST(out_of_the_file_by_mistake),
        LIFE_TEST(goes_to_another_scef),
        LIFE_TEST(comes_back_to_a_scef),
        LIFE_TEST(between_its_own_and_a_group),
        LIFE_TEST(foreign_is_found_and_used),
        LIFE_TEST(foreign_is_never_changed),
        LIFE_TEST(foreign_after_having_been_ours),
        LIFE_TEST(foreign_without_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
