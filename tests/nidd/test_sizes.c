/* What is larger than a device's packet size: answers are cut into blocks, the device asks on (RFC 7959); what cannot
 * be cut is refused clearly. */
#include <stdio.h>

#include "nidd/block.h"
#include "tests/nidd/harness.h"

static struct rig *with_packet_size(uint32_t bytes)
{
    struct rig *r = rig_new((struct rig_setup){.hold_configurations = true});
    configuration_granted(r, expect_configuration_create(r), "c0", 8 * bytes);
    return r;
}

/* A request of the device, and what comes down when the server answers so. */
static void answered(uint32_t packet_size, const char *request, const char *answer, const char *want)
{
    struct rig *r = with_packet_size(packet_size);
    device_sends(r, 0, "CON %s", request);
    uint16_t mid = message_mid(peek_at_server(r));
    skip_at_server(r);
    char text[MESSAGE_TEXT_MAX];
    snprintf(text, sizeof(text), "ACK %.4s #%u%s", answer, mid, answer + 4);
    server_sends(r, 0, 0, "%s", text);
    snprintf(text, sizeof(text), "ACK %s", want);
    expect_delivered(r, 0, text);
    rig_end(r);
}

static void first_block(void **state)
{
    (void)state;
    /* 4 + 3 + (2 + 1 and two more for later blocks) + (1 + 1) + 1 + 64 = 79 */
    answered(79, "0.01 #7 tok 11=fw", "2.05 tok |~200", "2.05 #7 tok 23=0x0a 28=0xc8 |~64");
    answered(78, "0.01 #7 tok 11=fw", "2.05 tok |~200", "2.05 #7 tok 23=0x09 28=0xc8 |~32");
    answered(2000, "0.01 #7 tok 11=fw", "2.05 tok |~3000", "2.05 #7 tok 23=0x0e 28=0x0bb8 |~1024");
    answered(100, "0.05 #7 tok 11=fw |what", "2.05 tok |~200", "2.05 #7 tok 23=0x0a 28=0xc8 |~64");
    /* Options stay, in their order; the server's ETag is the only one. */
    answered(100, "0.01 #7 tok 11=fw", "2.05 tok 4=etag 6=0x09 12=2 14=< |~200",
             "2.05 #7 tok 4=etag 6=0x09 12=2 14=< 23=0x0a 28=0xc8 |~64");
    answered(100, "0.01 #7 tok 11=fw", "2.05 tok 12=2 28=0x0400 60=0x01 258=0x02 65000=thirteen_or_more |~200",
             "2.05 #7 tok 12=2 23=0x09 28=0x0400 60=0x01 258=0x02 65000=thirteen_or_more |~32");
    answered(100, "0.01 #7 tok 11=fw", "2.05 tok 60=0x01 |~200", "2.05 #7 tok 23=0x0a 28=0xc8 60=0x01 |~64");
    /* The device may want smaller ones. */
    answered(100, "0.01 #7 tok 11=fw 23=0x01", "2.05 tok |~200", "2.05 #7 tok 23=0x09 28=0xc8 |~32");
    answered(100, "0.01 #7 tok 11=fw 23=0x06", "2.05 tok |~200", "2.05 #7 tok 23=0x0a 28=0xc8 |~64");
}

static void asks_on(void **state)
{
    (void)state;
    answered(100, "0.01 #7 tok 11=fw 23=0x12", "2.05 tok |~200", "2.05 #7 tok 23=0x1a |~64");
    answered(100, "0.01 #7 tok 11=fw 23=0x32", "2.05 tok 4=etag |~200", "2.05 #7 tok 4=etag 23=2 |xxxxxxxx");
    answered(100, "0.01 #7 tok 11=fw 23=0x42", "2.05 tok |~200", "4.00 #7 tok |no such block");
    answered(100, "0.01 #7 tok 11=fw 23=0xffffff", "2.05 tok |~200", "2.05 #7 tok 23=0x0a 28=0xc8 |~64"); /* no block */
    answered(100, "0.01 #7 tok 11=fw 23=0xfffff6", "2.05 tok |~200", "4.00 #7 tok |no such block");
    /* Larger ones than fit: from the same place, smaller. */
    answered(100, "0.01 #7 tok 11=fw 23=0x13", "2.05 tok |~300", "2.05 #7 tok 23=* |~64");
    /* What fits goes as it is, whatever the device asked for. */
    answered(100, "0.01 #7 tok 11=fw 23=0x12", "2.05 tok |~80", "2.05 #7 tok |~80");
}

static void servers_own_blocks(void **state)
{
    (void)state;
    answered(100, "0.01 #7 tok 11=fw 23=0x12", "2.05 tok 23=0x1a 28=0x0400 |~64", "2.05 #7 tok 23=0x1a 28=0x0400 |~64");
    /* It does not keep to what was asked for, or nothing was: cut where its own begins. */
    answered(100, "0.01 #7 tok 11=fw", "2.05 tok 23=0x0e |~1024", "2.05 #7 tok 23=0x0a |~64");
    answered(100, "0.01 #7 tok 11=fw 23=0x12", "2.05 tok 23=0x2b |~128", "2.05 #7 tok 23=J |~64");
    answered(100, "0.01 #7 tok 11=fw", "2.05 tok 23=0x23 |~100", "2.05 #7 tok 23=J |~64"); /* its last one */
    answered(100, "0.02 #7 tok 11=fw |x", "2.04 tok 23=0x0e |~1024", "2.04 #7 tok 23=0x0a |~64");
    answered(100, "0.01 #7 tok 11=fw", "2.05 tok 23=0xfffffe |~1024", "5.02 #7 tok |answer too large for NIDD");
    answered(100, "0.01 #7 tok 11=fw", "2.05 tok 23=0x07 |~1024", "5.02 #7 tok |answer too large for NIDD");
}

static void never_cut(void **state)
{
    (void)state;
    const char *const no = "5.02 #7 tok |answer too large for NIDD";
    answered(100, "0.01 #7 tok 9=0x09 11=fw", "2.05 tok 9= |~200", no); /* protected by OSCORE as a whole */
    answered(100, "0.05 #7 tok 9=0x09 |x", "2.04 tok 9= |~200", no);
    answered(100, "0.01 #7 tok 11=fw", "4.04 tok |~200", no);
    answered(100, "0.01 #7 tok 11=fw", "2.05 tok 12=2 65000=~100", no); /* nothing but options */
    /* To ask again would be to do it again. */
    answered(100, "0.02 #7 tok 11=fw |x", "2.04 tok |~200", no);
    answered(100, "0.03 #7 tok 11=fw |x", "2.04 tok |~200", no);
    answered(100, "0.06 #7 tok 11=fw |x", "2.04 tok |~200", no);
    /* Hardly anything fits. */
    answered(16, "0.01 #7 tok 11=fw", "2.05 tok |~200", "5.02 #7 tok");
    answered(12, "0.01 #7 12345678 11=fw", "2.05 12345678 |~200", "5.02 #7 12345678");
    answered(30, "0.01 #7 tok 11=fw", "2.05 tok |~200", "5.02 #7 tok");
    answered(31, "0.01 #7 tok 11=fw", "2.05 tok |~200", "2.05 #7 tok 23=0x08 28=0xc8 |~16");
}

/* A server that knows no blocks gives all of it each time. */
static void server_answers_with(struct rig *r, struct bytes whole)
{
    struct message m = message_of("ACK 2.05 #%u tok 4=etag 12=2", message_mid(peek_at_server(r)));
    m.data[m.len++] = 0xff;
    memcpy(m.data + m.len, whole.data, whole.len);
    m.len += whole.len;
    skip_at_server(r);
    server_sends_bytes(r, 0, 0, message_bytes(&m));
}

/* Takes what comes down; true when there is more to ask for. */
static bool device_takes_a_block(struct rig *r, uint32_t limit, struct buf *got, struct block *b)
{
    struct coap_view v;
    struct coap_option_cursor c = {0};
    struct coap_option o;
    unsigned s = expect_submitted(r, 0, NULL);
    assert_true(submission_message(r, s).len <= limit);
    assert_int_equal(coap_view_parse(submission_message(r, s), &v), OK);
    assert_int_equal(v.code, COAP_CODE(2, 5));
    assert_true(coap_option_find(&v, 4, &o) && bytes_equal(o.value, BYTES_LIT("etag")));
    assert_true(coap_option_find(&v, 28, &o) == (got->len == 0));
    assert_true(block_find(&v, COAP_OPTION_BLOCK2, b));
    assert_int_equal(b->num << (b->szx + 4), got->len);
    while (coap_option_next(&v, &c, &o))
        ;
    struct bytes payload = bytes_from(v.message, c.offset + 1);
    assert_true(payload.len == 16u << b->szx || !b->more);
    buf_add(got, payload);
    submit_delivered(r, s);
    return b->more;
}

/* Whatever the packet size, in blocks of one size that are not smaller than they must be. */
static void whole_in_the_end(void **state)
{
    (void)state;
    uint8_t whole[1500];
    for (size_t i = 0; i < sizeof(whole); i++)
        whole[i] = (uint8_t)(i * 7 + i / 256);
    for (uint32_t limit = 40; limit < 1500; limit += limit < 160 ? 1 : 61) {
        struct rig *r = with_packet_size(limit);
        struct buf got = {0};
        struct block b;
        device_sends(r, 0, "CON 0.01 #0 tok 11=fw");
        server_answers_with(r, bytes_of(whole, sizeof(whole)));
        bool more = device_takes_a_block(r, limit, &got, &b);
        assert_true(b.szx == 6 || 4 + 3 + 5 + 2 + 4 + 3 + 1 + (32u << b.szx) > limit);
        const unsigned szx = b.szx;
        for (unsigned number = 1; more; number++) {
            device_sends(r, 0, "CON 0.01 #%u tok 11=fw 23=0x%04x", number, number << 4 | szx);
            server_answers_with(r, bytes_of(whole, sizeof(whole)));
            more = device_takes_a_block(r, limit, &got, &b);
            assert_int_equal(b.szx, szx);
        }
        assert_true(bytes_equal(buf_bytes(&got), bytes_of(whole, sizeof(whole))));
        buf_free(&got);
        rig_end(r);
    }
}

/* A request that has waited in the spool is answered in blocks like any other. */
static void after_a_restart(void **state)
{
    (void)state;
    struct rig *r = with_packet_size(100);
    server_unreachable(r, 0, ERR_UNREACHABLE);
    uint64_t ref = device_sends_later(r, 0, "CON 0.01 #7 tok 11=fw 23=0x11");
    expect_uplink_answered(r, ref, OK);
    skip_submissions(r);
    server_unreachable(r, 0, OK);
    rig_restart(r);
    configuration_granted(r, expect_configuration_get(r), "c0", 800);
    advance(r, 10 * SECONDS);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.01 #* tok 11=fw 23=0x11");
    skip_at_server(r); /* its repetitions */
    server_sends(r, 0, 0, "ACK 2.05 #%u tok |~200", mid);
    expect_submitted(r, 0, "CON 2.05 #* tok 23=0x19 |~32");
    rig_abandon(r);
}

/* --- requests of the server ----------------------------------------------------------------------------- */

static void refused(uint32_t packet_size, const char *request, const char *options)
{
    struct rig *r = with_packet_size(packet_size);
    char want[MESSAGE_TEXT_MAX];
    server_sends(r, 0, 0, "%s", request);
    snprintf(want, sizeof(want), "ACK 4.13 #50 tok%s", options);
    expect_at_server(r, 0, 0, want);
    expect_no_submission(r);
    rig_end(r);
}

#define TOO_LARGE " |larger than the device's packet size"

static void requests(void **state)
{
    (void)state;
    /* Blocks that are too large; header, token, options, marker: 4 + 3 + 2 + (1 + 1 + up to 3) + 1. */
    refused(80, "CON 0.03 #50 tok 11=5 27=0x0e |~1024", " 27=0x02" TOO_LARGE);
    refused(79, "CON 0.03 #50 tok 11=5 27=0x0e |~1024", " 27=0x02" TOO_LARGE);
    refused(78, "CON 0.03 #50 tok 11=5 27=0x0e |~1024", " 27=0x01" TOO_LARGE);
    refused(79, "CON 0.03 #50 tok 11=5 27=0x001b |~128", " 27=0x02" TOO_LARGE);
    refused(79, "CON 0.03 #50 tok 11=5 27=0x10000b |~128", " 27=0x02" TOO_LARGE);
    refused(79, "CON 0.03 #50 tok 11=5 27=0x33 |~100", " 27=0x02" TOO_LARGE); /* the last one */
    refused(31, "CON 0.03 #50 tok 11=5 27=0x0b |~128", " 27=" TOO_LARGE);
    /* Not even the smallest one, and what has nothing to be cut. */
    refused(30, "CON 0.03 #50 tok 11=5 27=0x0b |~128", TOO_LARGE ", also in blocks");
    refused(16, "CON 0.03 #50 tok 11=5 |~128", TOO_LARGE ", also in blocks");
    refused(1, "CON 0.01 #50 tok 11=5", TOO_LARGE ", also in blocks");
    refused(100, "CON 0.01 #50 tok 15=~200", TOO_LARGE ", also in blocks");
    refused(100, "CON 0.03 #50 tok 15=~200 |~5", TOO_LARGE ", also in blocks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_block), cmocka_unit_test(asks_on),          cmocka_unit_test(servers_own_blocks),
        cmocka_unit_test(never_cut),   cmocka_unit_test(whole_in_the_end), cmocka_unit_test(after_a_restart),
        cmocka_unit_test(requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
