/* Several SCEFs: each has its own line, list and links, speaks for its own devices only, and is left in good order by a
 * device that goes to another one. */
#include "tests/nidd_life/life.h"

static void two_scefs(void)
{
    file_scef("scef1");
}

static void names_are_told_apart(void **state)
{
    (void)state;
    two_scefs();
    begin(1);
    assert_int_equal(engine_scef_add(t.e, &(struct engine_scef_options){.name = "scef1"}), ERR_MEMBER_TYPE);
    assert_int_equal(engine_scef_add(t.e, &(struct engine_scef_options){.name = ""}), ERR_MEMBER_TYPE);
    assert_int_equal(engine_scef_add(t.e, &(struct engine_scef_options){.name = NULL}), ERR_MEMBER_TYPE);
    struct engine_device_options d = {.id = {.external_id = BYTES_LIT("b@x")}, .scef = 2, .group = ENGINE_NONE};
    assert_int_equal(engine_device_add(t.e, &d), ERR_NOT_FOUND);
    struct engine_scef_info s;
    assert_true(engine_scef_info_get(t.e, 0, &s));
    assert_string_equal(s.name, "scef0");
    assert_int_equal(s.devices, 1);
    assert_int_equal(s.requests_under_way, 1);
    assert_true(engine_scef_info_get(t.e, 1, &s));
    assert_int_equal(s.devices, 0);
    assert_false(engine_scef_info_get(t.e, 2, &s));
}

/* The first SCEF does not answer at all, then has a list to be waited for: the second goes on as ever. */
static void one_that_is_down_holds_up_no_other(void **state)
{
    (void)state;
    two_scefs();
    t.o.configuration_window = 1;
    file_device("a@x", 0, ENGINE_NONE);
    file_device("b@x", 0, ENGINE_NONE);
    file_device("c@x", 1, ENGINE_NONE);
    file_device("d@x", 1, ENGINE_NONE);
    life_begin();
    const struct request *a = next(CREATE);
    const struct request *c = next(CREATE);
    assert_int_equal(a->scef, 0);
    assert_int_equal(c->scef, 1);
    nothing_asked();
    answer(c, granted(201, "/as/configurations/c", 0));
    const struct request *d = next(CREATE);
    assert_string_equal(d->id, "d@x");
    answer_status(a, 409);
    assert_int_equal(t.lists, 1);
    assert_int_equal(t.listing, 0);
    struct engine_scef_info s;
    assert_true(engine_scef_info_get(t.e, 0, &s));
    assert_true(s.listing);
    assert_int_equal(s.in_line, 2);
    answer_status(d, 409); /* it has a list of its own */
    assert_int_equal(t.lists, 2);
    assert_int_equal(t.listing, 1);
    struct nidd_configuration_found f = {.id = {.external_id = BYTES_LIT("d@x")},
                                         .result = granted(200, "/as/configurations/d", 0)};
    engine_configuration_found(t.e, t.now_ms, 0, &f); /* not its SCEF */
    assert_state("d@x", "finding");
    engine_configuration_found(t.e, t.now_ms, 1, &f);
    assert_state("d@x", "active");
    listed(200);
    assert_state("a@x", "finding");
    t.listing = 0;
    listed(200);
    assert_state("a@x", "refused");
    assert_string_equal(next(CREATE)->id, "b@x");
}

static void active_devices(const char *link_a, const char *link_b)
{
    two_scefs();
    file_device("a@x", 0, ENGINE_NONE);
    file_device("b@x", 1, ENGINE_NONE);
    life_begin();
    answer(next(CREATE), granted(201, link_a, 0));
    answer(next(CREATE), granted(201, link_b, 0));
    assert_int_equal(info("a@x").scef, 0);
    assert_int_equal(info("b@x").scef, 1);
}

static void speaks_for_its_own_only(void **state)
{
    (void)state;
    enum error err;
    const struct t8_identity b = {.external_id = BYTES_LIT("b@x")};
    active_devices("/as/configurations/c", "/as/configurations/c"); /* alike: each counts from its own start */
    assert_int_equal(uplink(0, b, "/as/configurations/c", request_bytes(1), &err), ENGINE_REFUSED);
    assert_int_equal(err, ERR_UNKNOWN_DEVICE);
    assert_int_equal(uplink(7, b, "/as/configurations/c", request_bytes(1), &err), ENGINE_REFUSED);
    assert_int_equal(t.sent, 0);
    assert_int_equal(uplink(1, b, "/as/configurations/c", request_bytes(1), &err), ENGINE_TAKEN);
    assert_int_equal(t.sent, 1);
    assert_int_equal(status_of(0, b, "/as/configurations/c", T8_NIDD_TERMINATED), ERR_UNKNOWN_DEVICE);
    assert_state("b@x", "active");
    assert_int_equal(status_of(1, b, "/as/configurations/c", T8_NIDD_TERMINATED), OK);
    assert_state("b@x", "creating");
    assert_state("a@x", "active");
}

static const char delivery[] = "/as/configurations/c/downlink-data-deliveries/d";

static enum error delivered(uint32_t scef)
{
    const struct nidd_delivery_status s = {.nidd_downlink_data_transfer = bytes_of_str(delivery),
                                           .delivery_status = T8_DELIVERY_SUCCESS};
    enum error err = engine_delivery_status(t.e, t.now_ms, scef, &s);
    settle();
    return err;
}

static const char *message_state(const char *id)
{
    struct engine_message_info m;
    uint64_t seq = 0;
    assert_true(engine_message_next(t.e, bytes_of_str(id), &seq, &m));
    return m.state;
}

static void buffered(const struct request *r)
{
    submitted(r, (struct nidd_submit_result){
                     .outcome = NIDD_SUBMIT_PENDING, .http_status = 201, .link = bytes_of_str(delivery)});
}

/* Two SCEFs may give deliveries the same link. */
static void deliveries_of_the_same_name(void **state)
{
    (void)state;
    active_devices("/as/configurations/c", "/as/configurations/c");
    server_asks(info("a@x").leg);
    server_asks(info("b@x").leg);
    const struct request *to_a = next(SUBMIT);
    const struct request *to_b = next(SUBMIT);
    assert_int_equal(to_a->scef, 0);
    assert_int_equal(to_b->scef, 1);
    assert_int_equal(delivered(1), OK); /* overtakes its 201, and is no word about the other's */
    buffered(to_a);
    assert_string_equal(message_state("a@x"), "with_scef");
    buffered(to_b);
    assert_string_equal(message_state("b@x"), "sent");
    assert_int_equal(delivered(1), OK);
    assert_string_equal(message_state("a@x"), "with_scef");
    assert_int_equal(delivered(0), OK);
    assert_string_equal(message_state("a@x"), "sent");
    assert_int_equal(delivered(9), ERR_NOT_FOUND);
}

static void goes_to_another_scef(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    active_devices("/as/configurations/a", "/as/configurations/b");
    server_asks(info("a@x").leg);
    const struct request *to_a = next(SUBMIT);
    submitted(to_a, (struct nidd_submit_result){
                        .outcome = NIDD_SUBMIT_PENDING, .http_status = 201, .link = bytes_of_str(delivery)});
    uint32_t leg = info("a@x").leg;
    file_no_devices();
    file_device("a@x", 1, ENGINE_NONE);
    file_device("b@x", 1, ENGINE_NONE);
    life_restart();
    assert_int_equal(info("a@x").leg, leg);
    assert_string_equal(message_state("a@x"), "queued"); /* what the old one holds is given to the new one */
    const struct request *old = NULL, *made = NULL;
    while (t.looked_at < t.asked) {
        const struct request *r = &t.requests[t.looked_at++];
        old = r->what == DELETE_ ? r : old;
        made = r->what == CREATE ? r : made;
    }
    assert_non_null(old);
    assert_non_null(made);
    assert_int_equal(old->scef, 0);
    assert_string_equal(old->link, "/as/configurations/a");
    assert_int_equal(made->scef, 1);
    assert_string_equal(made->id, "a@x");
    answer(made, granted(201, "/as/configurations/a1", 0));
    assert_string_equal(next(SUBMIT)->link, "/as/configurations/a1");
    answer_status(old, 503); /* not yet */
    assert_int_equal(records(RECORD_CONFIGURATION), 1);
    assert_int_equal(t.cancelled, 0);

    life_restart(); /* it is not forgotten over that */
    old = NULL;
    for (; t.looked_at < t.asked; t.looked_at++) {
        const struct request *r = &t.requests[t.looked_at];
        old = r->what == DELETE_ ? r : old;
        assert_int_not_equal(r->what, CREATE);
    }
    assert_non_null(old);
    assert_int_equal(old->scef, 0);
    answer_status(old, 204);
    assert_int_equal(records(RECORD_CONFIGURATION), 0);
    life_restart();
    for (; t.looked_at < t.asked; t.looked_at++)
        assert_int_not_equal(t.requests[t.looked_at].what, DELETE_);
}

/* Nothing is deleted unless that is asked for, and what is left is known still when it is. */
static void left_there_until_told(void **state)
{
    (void)state;
    active_devices("/as/configurations/a", "/as/configurations/b");
    file_no_devices();
    file_device("a@x", 1, ENGINE_NONE);
    file_device("b@x", 1, ENGINE_NONE);
    life_restart();
    for (; t.looked_at < t.asked; t.looked_at++)
        assert_int_not_equal(t.requests[t.looked_at].what, DELETE_);
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    life_restart();
    while (t.requests[t.looked_at].what != DELETE_)
        assert_true(++t.looked_at < t.asked);
    assert_string_equal(next(DELETE_)->link, "/as/configurations/a");
}

/* Back at the first SCEF, its configuration there has not been deleted: it is taken again, and not deleted any more. */
static void comes_back(void **state)
{
    (void)state;
    active_devices("/as/configurations/a", "/as/configurations/b");
    file_no_devices();
    file_device("a@x", 1, ENGINE_NONE);
    life_restart();
    answer(next(CREATE), granted(201, "/as/configurations/a1", 0));
    assert_int_equal(records(RECORD_CONFIGURATION), 1);
    file_no_devices();
    file_device("a@x", 0, ENGINE_NONE);
    life_restart();
    const struct request *r = next(GET);
    assert_int_equal(r->scef, 0);
    assert_string_equal(r->link, "/as/configurations/a");
    nothing_asked();
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    life_restart();
    bool found_again = false;
    for (unsigned deleted = 0; t.looked_at < t.asked; t.looked_at++) {
        r = &t.requests[t.looked_at];
        found_again |= r->what == GET && strcmp(r->link, "/as/configurations/a") == 0;
        deleted += r->what == DELETE_; /* b@x, and what a@x had at the second SCEF */
        if (r->what == DELETE_)
            assert_int_equal(r->scef, 1);
        assert_true(deleted <= 2);
    }
    assert_true(found_again);
}

static void its_scef_is_gone(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    active_devices("/as/configurations/a", "/as/configurations/b");
    t.scef_count = 1;
    file_devices(0);
    file_device("b@x", 0, ENGINE_NONE);
    life_restart(); /* a@x removed, b@x goes to the SCEF that is left */
    assert_string_equal(info("b@x").configuration_link.data ? "link" : "none", "none");
    unsigned creations = 0;
    for (; t.looked_at < t.asked; t.looked_at++) {
        const struct request *r = &t.requests[t.looked_at];
        assert_int_equal(r->scef, 0);
        creations += r->what == CREATE;
        if (r->what == DELETE_)
            assert_string_equal(r->link, "/as/configurations/a");
    }
    assert_int_equal(creations, 1);
}

/* A device that is in the file no more keeps its record as it is while its SCEF is away. */
static void removed_while_its_scef_is_away(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    active_devices("/as/configurations/a", "/as/configurations/b");
    t.scef_count = 1;
    file_devices(0);
    file_device("a@x", 0, ENGINE_NONE);
    life_restart();
    assert_string_equal(next(GET)->link, "/as/configurations/a");
    nothing_asked();
    t.scef_count = 2;
    life_restart();
    assert_string_equal(next(GET)->link, "/as/configurations/a");
    const struct request *r = next(DELETE_);
    assert_int_equal(r->scef, 1);
    assert_string_equal(r->link, "/as/configurations/b");
}

static void record_of_before_several_scefs(void **state)
{
    (void)state;
    two_scefs();
    struct buf key = {0}, value = {0};
    record_device_key(BYTES_LIT("a@x"), &key);
    /* Version 1: leg, packet size, link. */
    buf_add_u8(&value, 1);
    buf_add_be32(&value, 0);
    buf_add_be32(&value, 100);
    buf_add_be16(&value, 20);
    buf_add(&value, BYTES_LIT("/as/configurations/a"));
    buf_add_be32(&value, crc32c(crc32c(0, buf_bytes(&key)), buf_bytes(&value)));
    t.records[t.record_count++] = (struct operation){.key = key, .value = value};
    file_device("a@x", 0, ENGINE_NONE);
    life_begin();
    const struct request *r = next(GET);
    assert_int_equal(r->scef, 0);
    assert_string_equal(r->link, "/as/configurations/a");
    assert_int_equal(info("a@x").maximum_packet_size_bytes, 100);
    nothing_asked();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE_TEST(names_are_told_apart),
        LIFE_TEST(one_that_is_down_holds_up_no_other),
        LIFE_TEST(speaks_for_its_own_only),
        LIFE_TEST(deliveries_of_the_same_name),
        LIFE_TEST(goes_to_another_scef),
        LIFE_TEST(left_there_until_told),
        LIFE_TEST(comes_back),
        LIFE_TEST(its_scef_is_gone),
        LIFE_TEST(removed_while_its_scef_is_away),
        LIFE_TEST(record_of_before_several_scefs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
