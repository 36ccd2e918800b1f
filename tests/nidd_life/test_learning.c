/* Devices that are learned: from the first uplink through a group's configuration, for good, and only so many. */
#include "tests/nidd_life/life.h"

#include <stdio.h>

#define GROUP_LINK "/as/configurations/g"

static const struct t8_identity a = {.external_id = BYTES_LIT("a@x")};
static const struct t8_identity b = {.external_id = BYTES_LIT("b@x")};

/* dev0@x with a configuration of its own, and a group that learns `max` devices. */
static void begin_learning(uint32_t max)
{
    file_group("g@x", 0);
    t.groups[0].learn = true;
    t.groups[0].learn_max = max;
    begin(1);
    answer(next(CREATE), granted(201, GROUP_LINK, 0));
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
}

static enum engine_verdict says(struct t8_identity id, uint8_t mid, enum error *err)
{
    return uplink(0, id, GROUP_LINK, request_bytes(mid), err);
}

static void learn(struct t8_identity id)
{
    enum error err;
    assert_int_equal(says(id, 1, &err), ENGINE_LATER);
    assert_true(t.uplink_answered[t.uplink_ref]);
    assert_int_equal(t.uplink_err[t.uplink_ref], OK);
}

static void unknown(struct t8_identity id, enum error why)
{
    enum error err;
    unsigned sent = t.sent;
    assert_int_equal(says(id, 1, &err), ENGINE_REFUSED);
    assert_int_equal(err, why);
    assert_int_equal(t.sent, sent);
}

static void learned(void **state)
{
    (void)state;
    enum error err;
    begin_learning(10);
    t.hold_commits = true;
    assert_int_equal(says(a, 1, &err), ENGINE_LATER);
    assert_int_equal(t.opened_count, 1); /* the address is there before anything is sent from it */
    assert_int_equal(t.opened[0], 1);
    assert_int_equal(says(a, 2, &err), ENGINE_LATER); /* it goes on speaking */
    assert_int_equal(t.sent, 0);
    assert_int_equal(t.learned, 0);
    assert_false(t.uplink_answered[1] || t.uplink_answered[2]);
    server_asks(1); /* whoever that is meant for */
    assert_int_equal(t.sent, 0);
    commit(OK);
    assert_int_equal(t.learned, 1);
    assert_true(t.uplink_answered[1] && t.uplink_answered[2]);
    assert_int_equal(t.uplink_err[1], OK);
    assert_int_equal(t.sent, 2);
    assert_int_equal(t.sent_legs[0], 1);
    t.hold_commits = false;
    struct engine_device_info d = info("a@x");
    assert_true(d.learned);
    assert_int_equal(d.group, 0);
    assert_int_equal(d.leg, 1);
    assert_int_equal(d.uplink_count, 2);
    assert_bytes_str(d.configuration_link, GROUP_LINK);
    assert_int_equal(group_info(0).learned, 1);
    assert_int_equal(group_info(0).devices, 1);
    struct engine_totals totals;
    engine_totals_get(t.e, &totals);
    assert_int_equal(totals.devices, 2);
    assert_int_equal(says(a, 3, &err), ENGINE_TAKEN); /* a device like any other */
    assert_int_equal(t.opened_count, 1);
    server_asks(1);
    const struct request *r = next(SUBMIT);
    assert_string_equal(r->id, "a@x");
    assert_string_equal(r->link, GROUP_LINK);
}

/* What was held while it was learned goes by the ports it came through. */
static void its_first_words_have_routes(void **state)
{
    (void)state;
    static const struct engine_route route = {.server = 1, .has_rds_ue_port = true, .rds_ue_port = 5};
    enum error err = OK;
    begin_learning(10);
    assert_int_equal(engine_group_reroute(t.e, 0, ENGINE_NONE), OK);
    assert_int_equal(engine_group_reroute(t.e, 1, 0), ERR_NOT_FOUND);
    assert_int_equal(engine_group_reroute(t.e, 0, 2), ERR_NOT_FOUND);
    assert_int_equal(engine_route_add(t.e, &route), OK);
    t.hold_commits = true;
    for (uint16_t port = 4; port <= 5; port++) {
        const struct nidd_uplink u = {.nidd_configuration = bytes_of_str(GROUP_LINK),
                                      .id = a,
                                      .data = request_bytes((uint8_t)port),
                                      .rds_port = {.present = true, .ue = port}};
        assert_int_equal(engine_uplink(t.e, t.now_ms, 0, ++t.uplink_ref, &u, &err), ENGINE_LATER);
    }
    commit(OK);
    settle();
    assert_int_equal(t.sent, 2);
    assert_int_equal(t.sent_to[0], 0);
    assert_int_equal(t.sent_to[1], 1);
    assert_int_equal(engine_group_reroute(t.e, 0, 1), OK); /* those that are learned already, too */
    t.hold_commits = false;
    assert_int_equal(says(a, 9, &err), ENGINE_TAKEN);
    assert_int_equal(t.sent_to[2], 1);
    assert_int_equal(info("a@x").server, 1);
}

static void there_again_after_a_restart(void **state)
{
    (void)state;
    enum error err;
    begin_learning(1);
    learn(a);
    server_asks(info("a@x").leg);
    (void)next(SUBMIT);
    life_restart();
    assert_true(info("a@x").learned);
    assert_int_equal(info("a@x").leg, 1);
    assert_int_equal(info("a@x").queue_messages, 1);
    uint32_t cursor = 0, seen = 0; /* its address is opened with all others */
    for (struct engine_device_info d; engine_device_next(t.e, &cursor, &d);)
        seen |= 1u << d.leg;
    assert_int_equal(seen, 3);
    assert_int_equal(says(a, 3, &err), ENGINE_TAKEN);
    unknown(b, ERR_UNKNOWN_DEVICE); /* it counts still */
}

static void killed_before_it_is_stored(void **state)
{
    (void)state;
    enum error err;
    begin_learning(10);
    t.hold_commits = true;
    assert_int_equal(says(a, 1, &err), ENGINE_LATER);
    assert_int_equal(t.sent, 0);
    t.hold_commits = false;
    life_restart();
    assert_false(known("a@x"));
    learn(b);
    assert_int_equal(info("b@x").leg, 1); /* nobody has seen the other one on it */
    learn(a);
    assert_int_equal(info("a@x").leg, 2);
}

static void store_refuses(void **state)
{
    (void)state;
    enum error err;
    begin_learning(10);
    t.hold_commits = true;
    assert_int_equal(says(a, 1, &err), ENGINE_LATER);
    commit(ERR_STORE);
    assert_true(t.uplink_answered[1]);
    assert_int_equal(t.uplink_err[1], ERR_STORE);
    unknown(a, ERR_STORE); /* until the store takes it */
    t.hold_commits = false;
    pass(3 * SECONDS);
    assert_int_equal(t.sent, 0);
    assert_int_equal(t.learned, 1);
    assert_int_equal(says(a, 3, &err), ENGINE_TAKEN);
    assert_int_equal(t.sent, 1);
    life_restart();
    assert_true(known("a@x"));
}

static void address_cannot_be_opened(void **state)
{
    (void)state;
    begin_learning(10);
    t.open_err = ERR_SYSTEM;
    unknown(a, ERR_SYSTEM);
    assert_false(known("a@x"));
    assert_int_equal(records(RECORD_DEVICE), 1);
    t.open_err = OK;
    learn(a);
    assert_int_equal(info("a@x").leg, 1);
}

static void not_everybody(void **state)
{
    (void)state;
    enum error err;
    char long_id[300];
    file_scef("scef1");
    begin_learning(1);
    const struct t8_identity dev0 = {.external_id = BYTES_LIT("dev0@x")};
    memset(long_id, 'l', sizeof(long_id));
    memcpy(long_id + sizeof(long_id) - 3, "@x", 3);
    unknown((struct t8_identity){.external_id = bytes_of_str(long_id)}, ERR_UNKNOWN_DEVICE);
    unknown((struct t8_identity){.external_id = bytes_of("a\0@x", 4)}, ERR_UNKNOWN_DEVICE);
    unknown((struct t8_identity){.external_group_id = BYTES_LIT("g@x")}, ERR_UNKNOWN_DEVICE);
    unknown((struct t8_identity){.external_id = BYTES_LIT("a@x"), .msisdn = bytes_of("4\0", 2)}, ERR_UNKNOWN_DEVICE);
    unknown(dev0, ERR_UNKNOWN_CONFIGURATION); /* is known, and not through the group */
    assert_int_equal(uplink(0, a, "/as/configurations/c0", request_bytes(1), &err), ENGINE_REFUSED);
    assert_int_equal(err, ERR_UNKNOWN_DEVICE);
    assert_int_equal(uplink(0, a, "", request_bytes(1), &err), ENGINE_REFUSED);
    assert_int_equal(uplink(1, a, GROUP_LINK, request_bytes(1), &err), ENGINE_REFUSED);
    assert_int_equal(uplink(0, a, GROUP_LINK, BYTES_LIT("no CoAP"), &err), ENGINE_REFUSED);
    assert_int_equal(err, ERR_UNKNOWN_DEVICE);
    assert_int_equal(t.opened_count, 0);
    learn(a);
    unknown(b, ERR_UNKNOWN_DEVICE);
    assert_int_equal(uplink(1, a, GROUP_LINK, request_bytes(1), &err), ENGINE_REFUSED); /* not its SCEF */
    t.groups[0].learn_max = 2;
    t.groups[0].learn = false;
    life_restart();
    unknown(b, ERR_UNKNOWN_DEVICE);
    assert_true(known("a@x")); /* what was learned stays */
    t.groups[0].learn = true;
    life_restart();
    engine_drain(t.e);
    unknown(b, ERR_UNKNOWN_DEVICE);
}

static void by_msisdn(void **state)
{
    (void)state;
    enum error err;
    const struct t8_identity number = {.msisdn = BYTES_LIT("4917")};
    const struct t8_identity both = {.external_id = BYTES_LIT("a@x"), .msisdn = BYTES_LIT("4916")};
    const struct t8_identity half = {.msisdn = BYTES_LIT("4916")};
    begin_learning(10);
    learn(number);
    learn(both);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(group_info(0).learned, 2);
        assert_int_equal(says(number, (uint8_t)(10 + i), &err), ENGINE_TAKEN);
        assert_int_equal(says(half, (uint8_t)(10 + i), &err), ENGINE_TAKEN); /* one that is known */
        assert_int_equal(t.sent_legs[t.sent - 1], info("a@x").leg);
        assert_int_equal(says((struct t8_identity){.external_id = BYTES_LIT("b@x"), .msisdn = BYTES_LIT("4917")},
                              (uint8_t)(20 + i), &err),
                         ENGINE_TAKEN); /* the MSISDN decides where the External Identifier does not */
        assert_int_equal(
            says((struct t8_identity){.external_id = BYTES_LIT("a@x"), .msisdn = BYTES_LIT("4917")}, 30, &err),
            ENGINE_REFUSED);
        assert_int_equal(err, ERR_IDENTITY);
        server_asks(info("4917").leg);
        while (t.requests[t.looked_at].what != SUBMIT)
            assert_true(++t.looked_at < t.asked);
        assert_string_equal(next(SUBMIT)->id, "4917");
        life_restart();
    }
}

/* Some SCEFs write domains in capitals; the part before the @ is another name then. */
static void domain_in_capitals(void **state)
{
    (void)state;
    enum error err;
    const struct t8_identity dev0 = {.external_id = BYTES_LIT("dev0@X")};
    begin_learning(10);
    assert_int_equal(uplink(0, dev0, "/as/configurations/c0", request_bytes(1), &err), ENGINE_TAKEN);
    assert_int_equal(
        status_of(0, (struct t8_identity){.external_group_id = BYTES_LIT("g@X")}, GROUP_LINK, T8_NIDD_ACTIVE), OK);
    learn((struct t8_identity){.external_id = BYTES_LIT("a@X")});
    assert_bytes_str(info("a@x").id.external_id, "a@x");
    assert_int_equal(says(a, 2, &err), ENGINE_TAKEN);
    assert_int_equal(says((struct t8_identity){.external_id = BYTES_LIT("a@X")}, 3, &err), ENGINE_TAKEN);
    learn((struct t8_identity){.external_id = BYTES_LIT("A@X")});
    assert_int_equal(group_info(0).learned, 2);
    life_restart();
    assert_int_equal(says((struct t8_identity){.external_id = BYTES_LIT("a@X")}, 4, &err), ENGINE_TAKEN);
}

static void in_the_file_later(void **state)
{
    (void)state;
    enum error err;
    begin_learning(10);
    learn(a);
    learn(b);
    file_device("b@x", 0, ENGINE_NONE);
    life_restart();
    assert_false(info("b@x").learned);
    assert_int_equal(info("b@x").leg, 2);
    assert_int_equal(info("b@x").group, ENGINE_NONE);
    assert_int_equal(group_info(0).learned, 1);
    file_device("a@x", 0, 0); /* in the same group as before */
    life_restart();
    assert_false(info("a@x").learned);
    restart(1); /* out of it again: both must speak anew */
    assert_false(known("b@x"));
    assert_false(known("a@x"));
    answer(next(GET), granted(200, "", 0));
    assert_int_equal(says(b, 1, &err), ENGINE_LATER);
    assert_int_equal(t.opened[0], 2);
    assert_int_equal(info("b@x").leg, 2);
    assert_true(info("b@x").learned);
}

/* A learned number is somebody's who is in the file now. */
static void its_number_is_in_the_file(void **state)
{
    (void)state;
    begin_learning(10);
    learn((struct t8_identity){.msisdn = BYTES_LIT("4917")});
    learn((struct t8_identity){.external_id = BYTES_LIT("a@x"), .msisdn = BYTES_LIT("4916")});
    file_device("b@x", 0, ENGINE_NONE);
    t.devices[1].id.msisdn = BYTES_LIT("4917");
    file_device("c@x", 0, 0);
    t.devices[2].id.msisdn = BYTES_LIT("4916");
    life_restart();
    assert_bytes_str(info("4917").id.external_id, "b@x");
    assert_bytes_str(info("4916").id.external_id, "c@x");
    assert_int_equal(info("a@x").id.msisdn.len, 0);
    struct engine_totals totals;
    engine_totals_get(t.e, &totals);
    assert_int_equal(totals.devices, 4);
    assert_int_equal(group_info(0).learned, 1);
    assert_int_equal(group_info(0).devices, 2);
}

/* One that was removed from the file, its own configuration still on its way out. */
static void removed_and_learned(void **state)
{
    (void)state;
    enum error err;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    begin_learning(10);
    file_no_devices();
    life_restart();
    answer(next(GET), granted(200, "", 0));
    const struct request *r = next(DELETE_);
    assert_string_equal(r->link, "/as/configurations/c0");
    assert_int_equal(says((struct t8_identity){.external_id = BYTES_LIT("dev0@x")}, 1, &err), ENGINE_LATER);
    assert_int_equal(info("dev0@x").leg, 0);
    assert_bytes_str(info("dev0@x").configuration_link, GROUP_LINK);
    assert_int_equal(records(RECORD_CONFIGURATION), 2);
    answer_status(r, 204);
    assert_int_equal(records(RECORD_CONFIGURATION), 1);
    assert_state("dev0@x", "active");
    life_restart();
    assert_true(info("dev0@x").learned);
    (void)next(GET);
    nothing_asked();
}

static void as_long_as_the_group_is(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    begin_learning(10);
    learn(a);
    server_asks(info("a@x").leg);
    unsigned cancelled = t.cancelled;
    t.group_count = 0;
    restart(3);
    assert_false(known("a@x"));
    assert_int_equal(t.cancelled, cancelled + 1);
    t.group_count = 1;
    restart(3);
    assert_true(info("a@x").learned);
    assert_int_equal(info("a@x").leg, 1);
    assert_int_equal(info("a@x").queue_messages, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE_TEST(learned),
        LIFE_TEST(its_first_words_have_routes),
        LIFE_TEST(there_again_after_a_restart),
        LIFE_TEST(killed_before_it_is_stored),
        LIFE_TEST(store_refuses),
        LIFE_TEST(address_cannot_be_opened),
        LIFE_TEST(not_everybody),
        LIFE_TEST(by_msisdn),
        LIFE_TEST(domain_in_capitals),
        LIFE_TEST(in_the_file_later),
        LIFE_TEST(its_number_is_in_the_file),
        LIFE_TEST(removed_and_learned),
        LIFE_TEST(as_long_as_the_group_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
