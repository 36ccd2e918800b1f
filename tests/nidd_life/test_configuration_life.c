/* The later life of NIDD configurations: found again in the SCEF's list, renewed before their end, changed, replaced,
 * moved, and deleted with their devices. */
#include "tests/nidd_life/life.h"

#include <stdio.h>

/* ---- found again */

static void one_list_for_all(void **state)
{
    (void)state;
    t.o.configuration_window = 3;
    begin(8);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_state("dev0@x", "finding");
    assert_int_equal(t.lists, 0); /* other creations are still under way */
    answer(next(CREATE), granted(201, "/as/configurations/c1", 0));
    assert_int_equal(t.lists, 0);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 403});
    assert_int_equal(t.lists, 1);
    assert_int_equal(t.looked_at, t.asked);      /* and no further ones begin */
    found("dev1@x", "/as/configurations/other"); /* has its own already */
    found("dev0@x", "/as/configurations/c0");
    found("stranger@x", "/as/configurations/c99");
    found("dev5@x", "/as/configurations/c5"); /* still in line */
    found("dev6@x", "");
    listed(200);
    assert_state("dev0@x", "active");
    assert_bytes_str(info("dev0@x").configuration_link, "/as/configurations/c0");
    assert_bytes_str(info("dev1@x").configuration_link, "/as/configurations/c1");
    assert_state("dev2@x", "refused");
    assert_state("dev5@x", "active");
    for (unsigned i = 0; i < 4; i++) /* 3, 4, 6, 7 */
        answer(next(CREATE), granted(201, "/as/configurations/new", 0));
    assert_int_equal(t.looked_at, t.asked);
    assert_int_equal(t.lists, 1);
    restart(8); /* links are stored */
    assert_string_equal(next(GET)->link, "/as/configurations/c0");
}

static void list_not_to_be_had(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_int_equal(t.lists, 1);
    listed(503);
    assert_state("dev0@x", "waiting");
    wait_for_request(1 * HOURS);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_int_equal(t.lists, 2);
    listed(404); /* it has no lists */
    assert_state("dev0@x", "refused");
    assert_string_equal(t.reason, "refused");
}

/* A refusal of a kind that a list cannot explain away; and not a list for each of many refusals. */
static void not_every_refusal_asks_for_a_list(void **state)
{
    (void)state;
    t.o.configuration_window = 1;
    begin(4);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 403, .cause = T8_CAUSE_QUOTA_EXCEEDED});
    assert_state("dev0@x", "refused");
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 403});
    assert_int_equal(t.lists, 1);
    listed(200);
    assert_state("dev1@x", "refused");
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 403});
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_int_equal(t.lists, 1);
    assert_state("dev2@x", "refused");
    assert_state("dev3@x", "waiting");
}

static void without_the_ports_nothing_is_new(void **state)
{
    (void)state;
    t.without_life_ports = true;
    begin(1);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_state("dev0@x", "refused");
    wait_for_request(2 * HOURS);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 10 * SECONDS));
    pass(1 * HOURS);
    assert_int_equal(t.looked_at, t.asked);
}

/* ---- renewed */

static void renewed_before_the_end(void **state)
{
    (void)state;
    t.scefs[0].configuration_duration_ms = 30 * DAYS;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 7 * DAYS)); /* it grants less */
    assert_int_equal(info("dev0@x").configuration_end_ms, START_MS + 7 * DAYS);
    assert_int_equal(info("dev0@x").supported_features, 0x04); /* what both can do */
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(wait_for_request(7 * DAYS), 5 * DAYS, 6 * DAYS); /* a day's margin, and some dice */
        const struct request *r = next(PATCH);
        assert_string_equal(r->link, "/as/configurations/c0");
        assert_true(r->has_duration);
        assert_int_equal(r->duration_ms, t.now_ms + 30 * DAYS);
        assert_string_equal(r->destination, "");
        assert_state("dev0@x", "changing");
        server_asks(0); /* it works meanwhile */
        assert_string_equal(next(SUBMIT)->link, "/as/configurations/c0");
        engine_submit_result(t.e, t.now_ms, t.requests[t.looked_at - 1].ref,
                             &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED, .http_status = 400});
        answer(r, granted(200, "/as/configurations/c0", t.now_ms + 7 * DAYS));
        assert_state("dev0@x", "active");
    }
}

static void for_ever_is_asked_as_null(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS));
    wait_for_request(1 * HOURS);
    const struct request *r = next(PATCH);
    assert_true(r->has_duration);
    assert_int_equal(r->duration_ms, 0);
    answer(r, granted(200, "/as/configurations/c0", 0));
    pass(30 * DAYS);
    assert_int_equal(t.looked_at, t.asked); /* for ever it is */
}

/* A SCEF that forgot a configuration says so to nobody who does not ask: no uplink comes any more, and no error. */
static void asked_after_when_nothing_is_heard(void **state)
{
    (void)state;
    enum error err = OK;
    t.scefs[0].configuration_check_ms = 1 * DAYS;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    pass(12 * HOURS);
    static const uint8_t non[] = {0x50, 0x02, 0x00, 0x01};
    const struct t8_identity id = {.external_id = BYTES_LIT("dev0@x")};
    assert_int_equal(uplink(0, id, "/as/configurations/c0", bytes_of(non, sizeof non), &err), ENGINE_TAKEN);
    assert_in_range(wait_for_request(3 * DAYS), 24 * HOURS, 36 * HOURS); /* its word has put that off, once */
    const struct request *r = next(GET);
    server_asks(0); /* it is used meanwhile */
    (void)next(SUBMIT);
    answer_status(r, 503); /* no news changes nothing */
    assert_state("dev0@x", "active");
    assert_in_range(wait_for_request(2 * DAYS), 18 * HOURS, 24 * HOURS);
    answer_status(next(GET), 404);
    answer(next(CREATE), granted(201, "/as/configurations/c1", t.now_ms + 10 * DAYS));
    wait_for_request(2 * DAYS);
    answer(next(GET), granted(200, "/as/configurations/c1", t.now_ms + 30 * HOURS)); /* a renewal comes first now */
    wait_for_request(2 * DAYS);
    answer(next(PATCH), granted(200, "/as/configurations/c1", 0));
}

static void answered_204(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS));
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 204});
    answer(next(GET), granted(200, "", t.now_ms + 2 * HOURS));
    assert_int_equal(info("dev0@x").configuration_end_ms, t.now_ms + 2 * HOURS);
    assert_state("dev0@x", "active");
}

static void renewal_fails_for_a_while(void **state)
{
    (void)state;
    begin(1);
    uint64_t end_ms = t.now_ms + 1 * HOURS;
    answer(next(CREATE), granted(201, "/as/configurations/c0", end_ms));
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 503, .retry_after_s = 30});
    assert_state("dev0@x", "active");
    assert_in_range(wait_for_request(1 * HOURS), 30 * SECONDS, 31 * SECONDS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 0});
    while (t.now_ms < end_ms) {
        wait_for_request(1 * HOURS);
        if (t.requests[t.looked_at].what != PATCH)
            break;
        answer(next(PATCH), (struct nidd_configuration_result){.http_status = 0});
    }
    /* Its end has come, and nobody tells: it is looked after. */
    assert_in_range(t.now_ms, end_ms, end_ms + 1 * HOURS);
    answer(next(GET), (struct nidd_configuration_result){.http_status = 404});
    assert_string_equal(t.reason, "forgotten by the SCEF");
    answer(next(CREATE), granted(201, "/as/configurations/c1", 0));
    assert_bytes_str(info("dev0@x").configuration_link, "/as/configurations/c1");
}

static void gone_at_the_renewal(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS));
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 404});
    answer(next(CREATE), granted(201, "/as/configurations/c1", 0));
    assert_state("dev0@x", "active");
}

/* A clock that is ahead of the SCEF's: what is over by it is still there. No storm of requests comes of it. */
static void clocks_disagree(void **state)
{
    (void)state;
    begin(1);
    uint64_t end_ms = t.now_ms + 10 * SECONDS;
    answer(next(CREATE), granted(201, "/as/configurations/c0", end_ms));
    pass(60 * SECONDS);
    unsigned before = t.asked;
    for (unsigned i = 0; i < 40 && t.looked_at < t.asked; i++) {
        const struct request *r = &t.requests[t.looked_at++];
        answer(r, granted(200, "/as/configurations/c0", end_ms)); /* never extended */
    }
    assert_in_range(t.asked - before, 0, 10);
    assert_state("dev0@x", "active");
    unsigned asked_then = t.asked;
    for (unsigned i = 0; i < 100 && t.now_ms < START_MS + 1 * HOURS; i++) {
        pass(60 * SECONDS);
        while (t.looked_at < t.asked)
            answer(&t.requests[t.looked_at++], granted(200, "/as/configurations/c0", end_ms));
    }
    assert_in_range(t.asked - asked_then, 1, 40);
}

static void cannot_be_patched(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS));
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 405});
    assert_state("dev0@x", "replacing");
    assert_string_equal(next(DELETE_)->link, "/as/configurations/c0");
    answer(&t.requests[t.looked_at - 1], (struct nidd_configuration_result){.http_status = 204});
    answer(next(CREATE), granted(201, "/as/configurations/c1", t.now_ms + 1 * HOURS));
    assert_state("dev0@x", "active");
    /* Nor deleted: it stays until its end. */
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 501});
    answer(next(DELETE_), (struct nidd_configuration_result){.http_status = 405});
    assert_state("dev0@x", "active");
    uint64_t end_ms = info("dev0@x").configuration_end_ms;
    wait_for_request(1 * HOURS);
    assert_in_range(t.now_ms, end_ms, end_ms + 2 * SECONDS);
    answer(next(GET), (struct nidd_configuration_result){.http_status = 404});
    (void)next(CREATE);
}

/* ---- the callback URL has changed since */

static void destination_changed(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    t.scefs[0].notification_destination = "http://elsewhere/t8";
    restart(1);
    answer(next(GET), granted(200, "", 0));
    const struct request *r = next(PATCH);
    assert_string_equal(r->destination, "http://elsewhere/t8");
    assert_false(r->has_duration);
    struct nidd_configuration_result now = granted(200, "", 0);
    now.notification_destination = BYTES_LIT("http://elsewhere/t8");
    answer(r, now);
    assert_state("dev0@x", "active");
    assert_int_equal(t.looked_at, t.asked);
    restart(1);
    answer(next(GET), now);
    assert_int_equal(t.looked_at, t.asked);

    /* A SCEF before Rel-17 cannot change it. */
    t.scefs[0].notification_destination = OURS;
    restart(1);
    answer(next(GET), now);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 400});
    answer(next(DELETE_), (struct nidd_configuration_result){.http_status = 200});
    answer(next(CREATE), granted(201, "/as/configurations/c9", 0));
    assert_bytes_str(info("dev0@x").configuration_link, "/as/configurations/c9");
}

/* ---- its WebSocket */

static struct nidd_configuration_result with_websocket(struct nidd_configuration_result r, const char *uri)
{
    r.websocket_uri = bytes_of_str(uri);
    return r;
}

/* One lasts from the answer that shows it until the configuration is another one, or none. */
static void websocket_of_a_configuration(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), with_websocket(granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS), "ws:a"));
    assert_string_equal(t.websockets, "+ws:a");
    wait_for_request(1 * HOURS);
    answer(next(PATCH), granted(200, "/as/configurations/c0", t.now_ms + 1 * HOURS)); /* not shown: it stays */
    wait_for_request(1 * HOURS);
    answer(next(PATCH), with_websocket(granted(200, "/as/configurations/c0", t.now_ms + 1 * HOURS), "ws:a"));
    assert_string_equal(t.websockets, "+ws:a");
    wait_for_request(1 * HOURS);
    answer(next(PATCH), with_websocket(granted(200, "/as/configurations/c0", t.now_ms + 1 * HOURS), "ws:b"));
    assert_string_equal(t.websockets, "+ws:a+ws:b-ws:a");
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 404});
    assert_string_equal(t.websockets, "+ws:a+ws:b-ws:a-ws:b");
    answer(next(CREATE), with_websocket(granted(201, "/as/configurations/c1", 0), "ws:c"));
    t.websockets[0] = 0;
    restart(1); /* it is nobody's memory but the SCEF's */
    answer(next(GET), with_websocket(granted(200, "/as/configurations/c1", 0), "ws:c"));
    assert_string_equal(t.websockets, "+ws:c");
    struct nidd_configuration_status s = {.nidd_configuration = BYTES_LIT("/3gpp-nidd/v1/as/configurations/c1"),
                                          .id = {.external_id = BYTES_LIT("dev0@x")},
                                          .status = T8_NIDD_TERMINATED};
    assert_int_equal(engine_configuration_status(t.e, t.now_ms, 0, &s), OK);
    assert_string_equal(t.websockets, "+ws:c-ws:c");
}

/* A SCEF that has forgotten it forgets the configuration, too, and that is soon found out. */
static void websocket_is_gone(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), with_websocket(granted(201, "/as/configurations/c0", 0), "ws:a"));
    engine_websocket_gone(t.e, t.now_ms, 0, BYTES_LIT("ws:another"));
    engine_websocket_gone(t.e, t.now_ms, 1, BYTES_LIT("ws:a"));
    assert_int_equal(t.looked_at, t.asked);
    engine_websocket_gone(t.e, t.now_ms, 0, BYTES_LIT("ws:a"));
    engine_websocket_gone(t.e, t.now_ms, 0, BYTES_LIT("ws:a")); /* once is enough */
    assert_string_equal(next(GET)->link, "/as/configurations/c0");
    assert_int_equal(t.looked_at, t.asked);
    answer(&t.requests[t.looked_at - 1], (struct nidd_configuration_result){.http_status = 404});
    answer(next(CREATE), with_websocket(granted(201, "/as/configurations/c1", 0), "ws:b"));
    assert_string_equal(t.websockets, "+ws:a-ws:a+ws:b");
}

static void websocket_that_is_not_taken(void **state)
{
    (void)state;
    t.no_websockets = true;
    begin(1);
    answer(next(CREATE), with_websocket(granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS), "ws:a"));
    assert_state("dev0@x", "active");
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 404});
    assert_string_equal(t.websockets, ""); /* nor ended */
}

/* A SCEF that ignores what it does not know answers 200 and shows the old URL; one may write ours in its own way, for
 * ever. Either is asked once by PATCH and once by making it anew, and left in peace then. */
static void destination_that_stays_different(void **state)
{
    (void)state;
    begin(1);
    struct nidd_configuration_result other = granted(201, "/as/configurations/c0", 0);
    other.notification_destination = BYTES_LIT("http://Other/");
    answer(next(CREATE), other);
    other.http_status = 200;
    other.link = BYTES_LIT("");
    answer(next(PATCH), other);
    answer(next(DELETE_), (struct nidd_configuration_result){.http_status = 204});
    other.http_status = 201;
    other.link = BYTES_LIT("/as/configurations/c1");
    answer(next(CREATE), other);
    pass(24 * HOURS);
    assert_int_equal(t.looked_at, t.asked);
    assert_state("dev0@x", "active");
    assert_bytes_str(info("dev0@x").configuration_link, "/as/configurations/c1");
}

/* ---- the SCEF names another configuration */

static enum error uplink_under(const char *link)
{
    struct nidd_uplink u = {.nidd_configuration = bytes_of_str(link),
                            .id = {.external_id = BYTES_LIT("dev0@x")},
                            .data = BYTES_LIT("\x50\x02\x00\x01\xb1r")};
    enum error err = OK;
    (void)engine_uplink(t.e, t.now_ms, 0, 1, &u, &err);
    settle();
    return err;
}

/* A SCEF may forget one silently, and hold another one that we do not know of: without a downlink its uplinks would be
 * refused for ever. */
static void contradicted_by_an_uplink(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    assert_int_equal(uplink_under("/as/configurations/other"), ERR_UNKNOWN_CONFIGURATION);
    answer(next(GET), granted(200, "/as/configurations/c0", 0));
    assert_state("dev0@x", "active");
    for (int i = 0; i < 10; i++) { /* a wrong word is no reason to ask at each message */
        assert_int_equal(uplink_under("/as/configurations/other"), ERR_UNKNOWN_CONFIGURATION);
        assert_int_equal(t.looked_at, t.asked);
    }
    pass(t.o.retry_min_ms + 1 * SECONDS);
    assert_int_equal(uplink_under("/as/configurations/other"), ERR_UNKNOWN_CONFIGURATION);
    answer(next(GET), (struct nidd_configuration_result){.http_status = 404});
    answer(next(CREATE), granted(201, "/as/configurations/other", 0));
    assert_int_equal(uplink_under("/as/configurations/other"), OK);
}

static void delivered(const struct request *r)
{
    engine_submit_result(t.e, t.now_ms, r->ref,
                         &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_DELIVERED, .http_status = 200});
    settle();
}

/* What was delivered again and again is not answered: the device's next word is waited for, which a SCEF that has lost
 * our configuration would not tell us. */
static void asked_after_when_the_device_is_silent(void **state)
{
    (void)state;
    t.o.nidd_max_retransmit = 2;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    server_asks(0);
    for (int i = 0; i < 3; i++) {
        delivered(next(SUBMIT));
        pass(t.o.nidd_ack_timeout_ms * 4 + 1 * SECONDS);
    }
    answer(next(GET), granted(200, "", 0));
    pass(1 * HOURS); /* it is there: that is no news of the device */
    assert_int_equal(t.looked_at, t.asked);
    assert_state("dev0@x", "active");
}

/* ---- moved */

static void moved_for_good(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    server_asks(0);
    engine_submit_result(
        t.e, t.now_ms, next(SUBMIT)->ref,
        &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                     .http_status = 500,
                                     .cause = T8_CAUSE_NO_PDN_CONNECTION,
                                     .configuration_link = BYTES_LIT("https://b:443/x/as/configurations/c0")});
    settle();
    assert_bytes_str(info("dev0@x").configuration_link, "https://b:443/x/as/configurations/c0");
    restart(1);
    assert_string_equal(next(GET)->link, "https://b:443/x/as/configurations/c0");
    /* It is the same configuration. */
    struct nidd_configuration_status s = {.nidd_configuration = BYTES_LIT("/3gpp-nidd/v1/as/configurations/c0"),
                                          .id = {.external_id = BYTES_LIT("dev0@x")},
                                          .status = T8_NIDD_ACTIVE};
    assert_int_equal(engine_configuration_status(t.e, t.now_ms, 0, &s), OK);
}

static void led_elsewhere_is_no_loss(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 302});
    assert_state("dev0@x", "waiting");
    assert_string_equal(t.reason, "redirect not followed");
    wait_for_request(1 * HOURS);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    server_asks(0);
    engine_submit_result(
        t.e, t.now_ms, next(SUBMIT)->ref,
        &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED, .http_status = 302, .retry_after_s = 20});
    settle();
    assert_int_equal(info("dev0@x").queue_messages, 1);
    assert_in_range(wait_for_request(1 * HOURS), 20 * SECONDS, 21 * SECONDS);
    (void)next(SUBMIT);
}

/* Held back by the circuit breaker: again when it says, as often as it says, and the device is not charged for it. */
static void held_back(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    server_asks(0);
    for (unsigned i = 0; i < 20; i++) {
        engine_submit_result(
            t.e, t.now_ms, next(SUBMIT)->ref,
            &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_NO_ANSWER, .not_sent = true, .retry_after_s = 7});
        settle();
        assert_int_equal(info("dev0@x").queue_messages, 1);
        assert_in_range(wait_for_request(1 * HOURS), 7 * SECONDS, 8 * SECONDS);
    }
    assert_int_equal(info("dev0@x").downlink_count, 1); /* the one under way */
}

/* Records could not hold it, and would be asked for for ever. */
static void link_without_end(void **state)
{
    (void)state;
    static char link[70000];
    memset(link, 'c', sizeof link - 1);
    memcpy(link, "/as/configurations/", 19);
    begin(1);
    answer(next(CREATE), granted(201, link, 0));
    assert_state("dev0@x", "waiting");
    assert_string_equal(t.reason, "answer without a link");
    pass(10 * SECONDS);
    nothing_asked();
    wait_for_request(1 * HOURS);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    assert_state("dev0@x", "active");
}

/* ---- removed */

static void removed(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    begin(4);
    for (unsigned i = 0; i < 4; i++) {
        char link[64];
        snprintf(link, sizeof link, "/as/configurations/c%u", i);
        answer(next(CREATE), granted(201, link, 0));
    }
    uint32_t leg = info("dev3@x").leg;
    server_asks(leg);
    server_asks(info("dev0@x").leg);
    restart(3);
    assert_int_equal(t.cancelled, 1);
    for (unsigned i = 0; i < 3; i++)
        while (t.requests[t.looked_at].what == SUBMIT || t.requests[t.looked_at].what == GET)
            t.looked_at++;
    const struct request *r = next(DELETE_);
    assert_string_equal(r->link, "/as/configurations/c3");
    answer(r, (struct nidd_configuration_result){.http_status = 503});
    wait_for_request(1 * HOURS);
    while (t.requests[t.looked_at].what != DELETE_)
        t.looked_at++;
    answer(next(DELETE_), (struct nidd_configuration_result){.http_status = 204});
    assert_string_equal(t.reason, "deleted");
    restart(3);
    for (; t.looked_at < t.asked; t.looked_at++)
        assert_int_not_equal(t.requests[t.looked_at].what, DELETE_); /* once is enough */
    assert_int_equal(t.cancelled, 1);
    restart(4); /* it comes back, to its old address */
    assert_int_equal(info("dev3@x").leg, leg);
    assert_int_equal(info("dev3@x").queue_messages, 0);
}

static void removed_by_mistake(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    begin(3);
    for (unsigned i = 0; i < 3; i++)
        answer(next(CREATE), granted(201, "/as/configurations/c", 0));
    server_asks(2);
    restart(1); /* two gone, one left */
    assert_string_equal(t.reason, "more devices are gone than left: nothing deleted");
    assert_int_equal(t.cancelled, 0);
    answer(next(GET), granted(200, "", 0));
    assert_int_equal(t.looked_at, t.asked);
    t.o.delete_removed = ENGINE_DELETE_REMOVED_NO;
    restart(1);
    answer(next(GET), granted(200, "", 0));
    assert_int_equal(t.looked_at, t.asked);
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    restart(0);
    assert_int_equal(t.cancelled, 1);
    for (unsigned i = 0; i < 3; i++)
        answer(next(DELETE_), (struct nidd_configuration_result){.http_status = i == 1 ? 404 : 204});
    restart(0);
    assert_int_equal(t.looked_at, t.asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE_TEST(one_list_for_all),
        LIFE_TEST(list_not_to_be_had),
        LIFE_TEST(not_every_refusal_asks_for_a_list),
        LIFE_TEST(without_the_ports_nothing_is_new),
        LIFE_TEST(renewed_before_the_end),
        LIFE_TEST(for_ever_is_asked_as_null),
        LIFE_TEST(asked_after_when_nothing_is_heard),
        LIFE_TEST(answered_204),
        LIFE_TEST(renewal_fails_for_a_while),
        LIFE_TEST(gone_at_the_renewal),
        LIFE_TEST(clocks_disagree),
        LIFE_TEST(cannot_be_patched),
        LIFE_TEST(destination_changed),
        LIFE_TEST(websocket_of_a_configuration),
        LIFE_TEST(websocket_is_gone),
        LIFE_TEST(websocket_that_is_not_taken),
        LIFE_TEST(destination_that_stays_different),
        LIFE_TEST(contradicted_by_an_uplink),
        LIFE_TEST(asked_after_when_the_device_is_silent),
        LIFE_TEST(moved_for_good),
        LIFE_TEST(led_elsewhere_is_no_loss),
        LIFE_TEST(held_back),
        LIFE_TEST(link_without_end),
        LIFE_TEST(removed),
        LIFE_TEST(removed_by_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
