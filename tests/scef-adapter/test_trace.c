#include "tests/base/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scef-adapter/json_out.h"
#include "scef-adapter/trace.h"

static void check(const struct engine_event *e, const char *server, const char *want)
{
    struct buf b = {0};
    trace_format(&b, 1795159594120, e, server ? "east" : NULL, server);
    assert_bytes_str(buf_bytes(&b), want);
    buf_free(&b);
}

static void test_lines(void **state)
{
    (void)state;
    static const uint8_t get[] = {0x42, 0x01, 0x12, 0x34, 0xa1, 0xb2, 0xb2, 'r', 'd'};
    check(&(struct engine_event){.kind = ENGINE_TO_SERVER,
                                 .device_id = BYTES_LIT("dev1@example.org"),
                                 .message = bytes_of(get, sizeof(get)),
                                 .type = COAP_NON,
                                 .message_id = 7,
                                 .reason = ""},
          "main",
          "{\"ts_ms\":1795159594120,\"event\":\"to_server\",\"ext_id\":\"dev1@example.org\",\"scef\":\"east\","
          "\"server\":\"main\","
          "\"len\":9,"
          "\"type\":\"NON\",\"code\":\"0.01\",\"mid\":7,\"token\":\"a1b2\"}\n");
    check(
        &(struct engine_event){
            .kind = ENGINE_FINAL, .seq = 5, .final = FINAL_EXPIRED, .reason = "lifetime", .age_ms = 9},
        NULL,
        "{\"ts_ms\":1795159594120,\"event\":\"final\",\"seq\":5,\"state\":\"expired\",\"reason\":\"lifetime\",\"age_"
        "ms\":9}\n");
    check(&(struct engine_event){.kind = ENGINE_SUBMIT_RESULT, .http_status = 500, .cause = T8_CAUSE_NO_PDN_CONNECTION},
          NULL,
          "{\"ts_ms\":1795159594120,\"event\":\"submit_result\",\"status\":500,\"cause\":\"NO_PDN_CONNECTION\"}\n");
    check(&(struct engine_event){.kind = ENGINE_SERVER_STATE}, "main",
          "{\"ts_ms\":1795159594120,\"event\":\"server_state\",\"scef\":\"east\",\"server\":\"main\",\"up\":false}\n");
    check(&(struct engine_event){.kind = ENGINE_LEARNED,
                                 .device_id = BYTES_LIT("dev1@example.org"),
                                 .group_id = BYTES_LIT("g@x")},
          NULL, "{\"ts_ms\":1795159594120,\"event\":\"learned\",\"ext_id\":\"dev1@example.org\",\"group\":\"g@x\"}\n");
    check(&(struct engine_event){.kind = ENGINE_AUDIT,
                                 .device_id = BYTES_LIT("dev1@example.org"),
                                 .endpoint = BYTES_LIT("dev2@example.org"),
                                 .reason = "endpoint_refused"},
          NULL,
          "{\"ts_ms\":1795159594120,\"event\":\"audit\",\"ext_id\":\"dev1@example.org\",\"endpoint\":\"dev2@example."
          "org\","
          "\"reason\":\"endpoint_refused\"}\n");
    check(&(struct engine_event){.kind = ENGINE_DROPPED, .message = BYTES_LIT("zz"), .reason = "no CoAP"}, NULL,
          "{\"ts_ms\":1795159594120,\"event\":\"dropped\",\"len\":2,\"reason\":\"no CoAP\"}\n");
}

/* Whatever bytes an identity holds, a line is one line of JSON. */
static void test_any_identity(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        const uint8_t id[] = {(uint8_t)first, 0xed, 0xa0, 0x80, '"',  '\\', '\n',
                              0xf4,           0x90, 0x80, 0x80, 0xc3, 0xa9, 0xe2};
        struct buf b = {0};
        trace_format(&b, 1, &(struct engine_event){.kind = ENGINE_UPLINK, .device_id = bytes_of(id, sizeof(id))}, NULL,
                     NULL);
        assert_ptr_equal(memchr(b.data, '\n', b.len), b.data + b.len - 1);
        json_t *j = json_loadb((const char *)b.data, b.len, JSON_ALLOW_NUL, NULL);
        assert_non_null(j);
        json_decref(j);
        buf_free(&b);
    }
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test_trace_XXXXXX", text[1024];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct trace *t;
    assert_int_equal(trace_open(path, &t), OK);
    trace_event(t, 1, &(struct engine_event){.kind = ENGINE_UPLINK}, NULL, NULL);
    assert_int_equal(read(fd, text, sizeof(text)), 0);
    assert_int_equal(trace_flush(t), 0);
    assert_int_equal(read(fd, text, sizeof(text)), strlen("{\"ts_ms\":1,\"event\":\"uplink\"}\n"));
    trace_event(t, 2, &(struct engine_event){.kind = ENGINE_UPLINK}, NULL, NULL);
    trace_close(t);
    assert_true(read(fd, text, sizeof(text)) > 0);
    close(fd);
    unlink(path);
    assert_int_equal(trace_open("/nowhere/at/all", &t), ERR_SYSTEM);
    assert_null(t);
}

static void test_disk_full(void **state)
{
    (void)state;
    struct trace *t;
    assert_int_equal(trace_open("/dev/full", &t), OK);
    trace_event(t, 1, &(struct engine_event){.kind = ENGINE_UPLINK}, NULL, NULL);
    trace_event(t, 1, &(struct engine_event){.kind = ENGINE_UPLINK}, NULL, NULL);
    assert_int_equal(trace_flush(t), 2);
    assert_int_equal(trace_flush(t), 0);
    trace_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_any_identity),
                                       cmocka_unit_test(test_file), cmocka_unit_test(test_disk_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
