/* The endpoint name of a Register or Bootstrap-Request against the identity that the network has proved. */
#include <stdio.h>

#include "tests/nidd/harness.h"

static void enforce(struct engine_options *o)
{
    o->identity_policy = ENGINE_IDENTITY_ENFORCE;
}

static void warn(struct engine_options *o)
{
    o->identity_policy = ENGINE_IDENTITY_WARN;
}

static void fill(struct engine_options *o)
{
    o->identity_policy = ENGINE_IDENTITY_ENFORCE;
    o->fill_endpoint = true;
}

static void with_endpoint(unsigned device, struct engine_device_options *o)
{
    if (device == 1)
        o->endpoint = BYTES_LIT("node-7");
}

static struct rig *rig_with(void (*tune)(struct engine_options *o))
{
    return rig_new((struct rig_setup){.devices = 2, .tune = tune, .device = with_endpoint});
}

static void passes(struct rig *r, unsigned device, const char *message)
{
    char text[256];
    device_sends(r, device, "NON %s", message);
    snprintf(text, sizeof(text), "NON %s", message);
    char *mid = strchr(text, '#');
    assert_non_null(mid);
    char *rest = strchr(mid, ' ');
    memmove(mid + 2, rest, strlen(rest) + 1);
    mid[1] = '*';
    (void)expect_at_server(r, device, 0, text);
}

static void names_of_ones_own_pass(void **state)
{
    (void)state;
    struct rig *r = rig_with(enforce);
    passes(r, 0, "0.02 #1 t 11=rd 15=ep=dev0@example.com");
    passes(r, 0, "0.02 #2 t 11=rd 15=lt=60 15=ep=urn:nai:dev0@example.com");
    passes(r, 0, "0.02 #3 t 11=bs 15=ep=urn:nai:dev0@Example.COM");
    passes(r, 1, "0.02 #4 t 11=rd 15=ep=node-7");
    passes(r, 1, "0.02 #5 t 11=rd 15=ep=dev1@example.com");
    passes(r, 0, "0.02 #6 t 11=rd");                     /* no name: the server decides */
    passes(r, 0, "0.02 #7 t 11=rd 11=5a3f 15=ep=other"); /* an Update has none */
    passes(r, 0, "0.02 #8 t 11=dp 15=ep=other");
    passes(r, 0, "0.01 #9 t 11=rd 15=ep=other");
    passes(r, 0, "0.02 #10 t 9=0x01 11=rd 15=ep=other"); /* OSCORE: what stands outside counts for nothing */
    assert_int_equal(event_count(r, ENGINE_AUDIT, NULL), 0);
    rig_end(r);
}

static void refused(struct rig *r, unsigned device, unsigned mid, const char *path, const char *endpoint)
{
    char text[64];
    device_sends(r, device, "CON 0.02 #%u t%u 11=%s 15=ep=%s", mid, mid, path, endpoint);
    expect_nothing_at_server(r);
    snprintf(text, sizeof(text), "ACK 4.00 #%u t%u |not your endpoint name", mid, mid);
    expect_delivered(r, device, text);
    assert_int_equal(audit_count(r, device, endpoint, "endpoint_refused"), 1);
}

static void names_of_others_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"dev1@example.com",
                                        "urn:nai:dev1@example.com",
                                        "node-7",
                                        "Dev0@example.com",         /* the part before the domain has case */
                                        "URN:NAI:dev0@example.com", /* servers compare bytes */
                                        "dev0%40example.com",       /* an option is not percent-encoded */
                                        "dev0@example.com%00",
                                        "dev0@example.com.",
                                        "dev0@example.co",
                                        "dev0",
                                        "urn:nai:",
                                        "urn:nai:urn:nai:dev0@example.com"};
    struct rig *r = rig_with(enforce);
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
        refused(r, 0, 10 + i, i % 2 ? "rd" : "bs", names[i]);
    refused(r, 1, 50, "rd", "NODE-7");
    refused(r, 0, 51, "bs", "");
    rig_end(r);
}

static void no_way_around(void **state)
{
    (void)state;
    static const char *const messages[] = {"0.02 #1 t 11=rd 15=ep=dev0@example.com 15=ep=dev1@example.com", /* twice */
                                           "0.02 #2 t 11=rd 11= 15=ep=dev1@example.com",                    /* /rd/ */
                                           "0.02 #3 t 11= 11=rd 15=ep=dev1@example.com",
                                           "0.01 #4 t 11=bspack 15=ep=dev1@example.com",
                                           "0.02 #5 t 3=host 11=rd 12=40 15=b=U 15=ep=dev1@example.com |<1/0>"};
    struct rig *r = rig_with(enforce);
    for (unsigned i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
        device_sends(r, 0, "NON %s", messages[i]);
        expect_nothing_at_server(r);
        expect_delivered(r, 0, "NON 4.00 #* t |not your endpoint name");
        assert_int_equal(audit_count(r, 0, "dev1@example.com", "endpoint_refused"), i + 1);
    }
    rig_end(r);
}

static void a_repetition_gets_the_same_answer(void **state)
{
    (void)state;
    struct rig *r = rig_with(enforce);
    for (unsigned i = 0; i < 3; i++) {
        device_sends(r, 0, "CON 0.02 #7 t 11=rd 15=ep=x");
        expect_delivered(r, 0, "ACK 4.00 #7 t |not your endpoint name");
    }
    assert_int_equal(event_count(r, ENGINE_AUDIT, NULL), 1);
    expect_nothing_at_server(r);
    advance(r, 5 * MINUTES);
    assert_int_equal(totals(r).exchanges, 0);
    rig_end(r);
}

static void the_answer_fits_a_small_packet(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = enforce, .hold_configurations = true});
    struct rig_configuration_request *q = expect_configuration_create(r);
    configuration_granted(r, q, "c", 8 * 20);
    device_sends(r, 0, "CON 0.02 #7 t 11=rd 15=ep=x");
    expect_delivered(r, 0, "ACK 4.00 #7 t");
    rig_end(r);
}

static void a_warning_lets_it_pass(void **state)
{
    (void)state;
    struct rig *r = rig_with(warn);
    passes(r, 0, "0.02 #1 t 11=rd 15=ep=dev1@example.com");
    assert_int_equal(audit_count(r, 0, "dev1@example.com", "endpoint_differs"), 1);
    passes(r, 0, "0.02 #2 t 11=rd 15=ep=dev0@example.com");
    assert_int_equal(event_count(r, ENGINE_AUDIT, NULL), 1);
    engine_identity_set(rig_engine(r), ENGINE_IDENTITY_OFF, false);
    passes(r, 0, "0.02 #3 t 11=rd 15=ep=dev1@example.com");
    assert_int_equal(event_count(r, ENGINE_AUDIT, NULL), 1);
    rig_end(r);
}

static void an_msisdn_is_a_name(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.by_msisdn = true, .tune = fill});
    passes(r, 0, "0.02 #1 t 11=rd 15=ep=49170000000");
    refused(r, 0, 2, "rd", "urn:nai:49170000000");
    passes(r, 0, "0.02 #3 t 11=rd"); /* there is nothing to fill in */
    rig_end(r);
}

static void fills(struct rig *r, unsigned device, const char *message, const char *filled)
{
    device_sends(r, device, "NON 0.02 #9%s", message);
    (void)expect_at_server(r, device, 0, filled);
}

static void a_missing_name_is_filled_in(void **state)
{
    (void)state;
    struct rig *r = rig_with(fill);
    static const char name[] = "15=ep=urn:nai:dev0@example.com";
    static const struct {
        const char *sent, *got; /* %s: the name */
    } rows[] = {{"t 11=rd", "t 11=rd %s"},
                {"- 11=rd", "- 11=rd %s"},
                {"tok 11=rd |<1/0>", "tok 11=rd %s |<1/0>"},
                {"t1 11=bs 12=40 15=pct=112", "t1 11=bs 12=40 15=pct=112 %s"},
                {"t2 3=h 11=rd 12=40 15=lt=60 17=a 23=0x06 27=0x0e |x",
                 "t2 3=h 11=rd 12=40 15=lt=60 %s 17=a 23=0x06 27=0x0e |x"},
                {"t3 11=rd 60=z", "t3 11=rd %s 60=z"},
                {"t4 11=rd 2000=z |y", "t4 11=rd %s 2000=z |y"},
                {"t5 11=rd 290= |y", "t5 11=rd %s 290= |y"},
                {"t6 11=rd 15=ep=dev0@example.com", "t6 11=rd 15=ep=dev0@example.com"},
                {"t7 11=dp", "t7 11=dp"},
                {"t8 9=0x09 11=rd", "t8 9=0x09 11=rd"}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char got[256], text[300];
        const char *at = strstr(rows[i].got, "%s");
        if (at)
            snprintf(got, sizeof(got), "%.*s%s%s", (int)(at - rows[i].got), rows[i].got, name, at + 2);
        else
            snprintf(got, sizeof(got), "%s", rows[i].got);
        snprintf(text, sizeof(text), "NON 0.02 #* %s", got);
        device_sends(r, 0, "NON 0.02 #%u %s", i, rows[i].sent);
        (void)expect_at_server(r, 0, 0, text);
    }
    fills(r, 1, " t 11=rd", "NON 0.02 #* t 11=rd 15=ep=node-7");
    rig_end(r);
}

/* What was filled in is repeated and spooled like everything else, and a repetition of the device is known. */
static void a_filled_message_lives_on(void **state)
{
    (void)state;
    struct rig *r = rig_with(fill);
    device_sends(r, 0, "CON 0.02 #7 t 11=rd");
    (void)expect_at_server(r, 0, 0, "CON 0.02 #* t 11=rd 15=ep=urn:nai:dev0@example.com");
    device_sends(r, 0, "CON 0.02 #7 t 11=rd");
    expect_nothing_at_server(r);
    advance_to_activity(r, 10 * SECONDS);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* t 11=rd 15=ep=urn:nai:dev0@example.com");
    server_sends(r, 0, 0, "ACK 2.01 #%u t 8=rd 8=1", mid);
    expect_delivered(r, 0, "ACK 2.01 #7 t 8=rd 8=1");
    rig_end(r);
}

/* A list of options that cannot be walked is the server's to refuse. */
static void a_broken_message_is_not_filled(void **state)
{
    (void)state;
    static const uint8_t broken[] = {0x51, 0x02, 0, 1, 't', 0xb2, 'r', 'd', 0xf1};
    struct rig *r = rig_with(fill);
    enum error err;
    assert_int_equal(device_sends_bytes(r, 0, bytes_of(broken, sizeof(broken)), &err), ENGINE_TAKEN);
    assert_int_equal(peek_at_server(r).len, sizeof(broken));
    assert_memory_equal(peek_at_server(r).data + 4, broken + 4, sizeof(broken) - 4);
    skip_at_server(r);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_of_ones_own_pass),
                                       cmocka_unit_test(names_of_others_are_refused),
                                       cmocka_unit_test(no_way_around),
                                       cmocka_unit_test(a_repetition_gets_the_same_answer),
                                       cmocka_unit_test(the_answer_fits_a_small_packet),
                                       cmocka_unit_test(a_warning_lets_it_pass),
                                       cmocka_unit_test(an_msisdn_is_a_name),
                                       cmocka_unit_test(a_missing_name_is_filled_in),
                                       cmocka_unit_test(a_filled_message_lives_on),
                                       cmocka_unit_test(a_broken_message_is_not_filled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
