/* The codecs of a configuration's later life: PATCH, and the list of all configurations. */
#include "tests/base/test.h"

#include "t8/nidd.h"
#include "t8/json_list.h"
#include "t8/nidd_configuration_patch.h"

#define AT_7    "2026-11-20T07:00:00Z"
#define AT_7_MS 1795158000000

static void patch_written(void **state)
{
    (void)state;
    static const struct {
        struct nidd_configuration_patch patch;
        const char *body;
    } rows[] = {
        {{0}, "{}"},
        {{.has_duration = true}, "{\"duration\":null}"},
        {{.has_duration = true, .duration_ms = AT_7_MS}, "{\"duration\":\"" AT_7 "\"}"},
        {{.duration_ms = AT_7_MS}, "{}"},
        {{.has_pdn_option = true}, "{\"pdnEstablishmentOption\":null}"},
        {{.has_pdn_option = true, .pdn_option = T8_PDN_SEND_TRIGGER}, "{\"pdnEstablishmentOption\":\"SEND_TRIGGER\"}"},
        {{.has_reliable_data_service = true, .reliable_data_service = true, .has_duration = true},
         "{\"duration\":null,\"reliableDataService\":true}"},
        {{.has_duration = true, .notification_destination = {(const uint8_t *)"http://as/t8", 12}},
         "{\"duration\":null,\"notificationDestination\":\"http://as/t8\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = {0};
        struct nidd_configuration_patch back;
        struct t8_problem p;
        assert_int_equal(nidd_configuration_patch_encode(&rows[i].patch, &out), OK);
        assert_bytes_str(buf_bytes(&out), rows[i].body);
        assert_int_equal(nidd_configuration_patch_decode(buf_bytes(&out), &back, &p), OK);
        assert_int_equal(back.has_duration, rows[i].patch.has_duration);
        assert_int_equal(back.duration_ms, rows[i].patch.has_duration ? rows[i].patch.duration_ms : 0);
        assert_int_equal(back.has_pdn_option, rows[i].patch.has_pdn_option);
        assert_int_equal(back.pdn_option, rows[i].patch.pdn_option);
        assert_int_equal(back.reliable_data_service, rows[i].patch.reliable_data_service);
        assert_true(bytes_equal(back.notification_destination, rows[i].patch.notification_destination));
        nidd_configuration_patch_release(&back);
        buf_free(&out);
    }
    struct buf out = {0};
    struct t8_rds_port ports[] = {{true, 1, 2}, {true, 15, 0}};
    const struct nidd_configuration_patch with_ports = {.rds_ports = ports, .rds_ports_count = 2};
    assert_int_equal(nidd_configuration_patch_encode(&with_ports, &out), OK);
    assert_bytes_str(buf_bytes(&out), "{\"rdsPorts\":[{\"portUE\":1,\"portSCEF\":2},{\"portUE\":15,\"portSCEF\":0}]}");
    buf_reset(&out);
    const struct nidd_configuration_patch bad = {.notification_destination = BYTES_LIT("\xff")};
    assert_int_equal(nidd_configuration_patch_encode(&bad, &out), ERR_MEMBER_TYPE);
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

static void patch_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum error err;
        const char *param;
    } rows[] = {
        {"", ERR_NOT_JSON, ""},
        {"[]", ERR_MEMBER_TYPE, ""},
        {"{\"duration\":\"tomorrow\"}", ERR_MEMBER_TYPE, "/duration"},
        {"{\"duration\":5}", ERR_MEMBER_TYPE, "/duration"},
        {"{\"pdnEstablishmentOption\":true}", ERR_MEMBER_TYPE, "/pdnEstablishmentOption"},
        {"{\"reliableDataService\":\"yes\"}", ERR_MEMBER_TYPE, "/reliableDataService"},
        {"{\"notificationDestination\":null}", ERR_MEMBER_TYPE, "/notificationDestination"},
        {"{\"notificationDestination\":\"\"}", ERR_MEMBER_TYPE, "/notificationDestination"},
        {"{\"rdsPorts\":{}}", ERR_MEMBER_TYPE, "/rdsPorts"},
        {"{\"rdsPorts\":[]}", ERR_MEMBER_TYPE, "/rdsPorts"},
        {"{\"rdsPorts\":null}", ERR_MEMBER_TYPE, "/rdsPorts"},
        {"{\"rdsPorts\":[{\"portUE\":1}]}", ERR_MEMBER_MISSING, "/rdsPorts/0/portSCEF"},
        {"{\"externalId\":\"a@b\"}", ERR_MEMBER_TYPE, "/externalId"},
        {"{\"duration\":null,\"status\":\"ACTIVE\"}", ERR_MEMBER_TYPE, "/status"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nidd_configuration_patch c;
        struct t8_problem p;
        assert_int_equal(nidd_configuration_patch_decode(bytes_of_str(rows[i].body), &c, &p), rows[i].err);
        assert_bytes_str(p.invalid_param, rows[i].param);
        assert_int_equal(p.status, 400);
        nidd_configuration_patch_release(&c);
    }
    struct nidd_configuration_patch c;
    struct t8_problem p;
    assert_int_equal(
        nidd_configuration_patch_decode(
            BYTES_LIT("{\"vendorSpecific-012951\":{\"a\":[1]},\"rdsPorts\":[{\"portUE\":3,\"portSCEF\":4}],"
                      "\"reliableDataService\":null,"
                      "\"pdnEstablishmentOption\":\"OF_A_LATER_RELEASE\",\"colour\":\"red\",\"ofRel19\":{\"a\":[]}}"),
            &c, &p),
        OK);
    assert_int_equal(c.rds_ports_count, 1);
    assert_int_equal(c.rds_ports[0].ue, 3);
    assert_int_equal(c.rds_ports[0].scef, 4);
    assert_true(c.has_reliable_data_service && !c.reliable_data_service && c.has_pdn_option);
    assert_int_equal(c.pdn_option, T8_PDN_UNSET);
    nidd_configuration_patch_release(&c);
}

static void lists(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *selves; /* one after another */
    } rows[] = {
        {"", ""},
        {"[]", ""},
        {" [ ] ", ""},
        {"null", ""},
        {"\"[{}]\"", ""},
        {"<html>", ""},
        {"[{\"self\":\"/a\"}]", "/a "},
        {"\xef\xbb\xbf[{\"self\":\"/a\"},{\"self\":\"/b\"}]", "/a /b "},
        {"[ {\"self\":\"/a\"} ,\n {\"self\":\"/b\"} , ]", "/a /b "},
        {"{\"self\":\"/a\"}", "/a "}, /* no array at all */
        {"[null,{\"self\":\"/a\"},17,\"x,]}\",[{\"self\":\"/no\"}],{\"self\":\"/b\"}]", "/a /b "},
        {"[{\"self\":\"/a\",\"x\":{\"y\":[1,{\"z\":\"]}\\\"\"}]}},{\"self\":\"/b\"}]", "/a /b "},
        {"[{\"self\":\"/a\"},{\"self\":\"/b\"", "/a "}, /* cut off */
        {"[{\"self\":\"/a\"},{\"self\":\"/b", "/a "},
        {"[{\"self\":\"/a\"},{\"self\":}, {\"self\":\"/c\"}]", "/a /c "}, /* one of them is no JSON */
        {"[}{]", ""},
        {"[{\"self\":\"/a\"}]{\"self\":\"/b\"}", "/a "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct t8_list l;
        struct bytes element;
        struct buf selves = {0};
        for (t8_list_begin(&l, bytes_of_str(rows[i].body)); t8_list_next(&l, &element);) {
            struct nidd_configuration c;
            if (nidd_configuration_decode(element, &c) != OK)
                continue;
            buf_add(&selves, c.self);
            buf_add_u8(&selves, ' ');
            nidd_configuration_release(&c);
        }
        if (!bytes_equal(buf_bytes(&selves), bytes_of_str(rows[i].selves)))
            fail_msg("%s: '%.*s'", rows[i].body, (int)selves.len, (const char *)selves.data);
        buf_free(&selves);
    }
}

/* A list may be far longer than a single body. */
static void long_list(void **state)
{
    (void)state;
    struct buf body = {0};
    struct t8_list l;
    struct bytes element;
    unsigned count = 0;
    for (unsigned i = 0; i < 50000; i++)
        buf_addf(&body, "%s{\"self\":\"/as/configurations/c%u\",\"externalId\":\"dev%u@example.org\"}", i ? "," : "[",
                 i, i);
    buf_add_u8(&body, ']');
    assert_true(body.len > T8_MAX_BODY_BYTES);
    for (t8_list_begin(&l, buf_bytes(&body)); t8_list_next(&l, &element);)
        count++;
    assert_int_equal(count, 50000);
    buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patch_written),
        cmocka_unit_test(patch_refused),
        cmocka_unit_test(lists),
        cmocka_unit_test(long_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
