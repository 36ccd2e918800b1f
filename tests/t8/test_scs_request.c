/* Our requests between the caller and the wire: redirects, overload control, the circuit breaker. */
#include "tests/t8/harness.h"

#include <stdio.h>

#include "t8/scs_client.h"

#define C7 "/as1/configurations/c7"

struct fixture {
    struct loop l;
    struct scs_client *c;
    struct raw_server peer, other;
    size_t count, found;
    struct nidd_submit_result submit;
    struct nidd_configuration_result configuration;
    char link[256], moved[256], ids[256];
    const char *hosts[1];
    char host[64];
};

static void text(char *out, size_t size, struct bytes b)
{
    snprintf(out, size, "%.*s", (int)b.len, (const char *)b.data);
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    struct fixture *f = ctx;
    (void)ref;
    f->count++;
    f->submit = *r;
    text(f->moved, sizeof f->moved, r->configuration_link);
}

static void on_configuration(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    struct fixture *f = ctx;
    (void)ref;
    f->count++;
    f->configuration = *r;
    text(f->link, sizeof f->link, r->link);
}

static void on_found(void *ctx, uint64_t ref, const struct nidd_configuration_found *found)
{
    struct fixture *f = ctx;
    (void)ref;
    f->found++;
    size_t len = strlen(f->ids);
    snprintf(f->ids + len, sizeof f->ids - len, "%.*s=%.*s ", (int)found->id.external_id.len,
             (const char *)found->id.external_id.data, (int)found->result.link.len,
             (const char *)found->result.link.data);
}

static void start(struct fixture *f, const struct raw_step *steps, size_t n, const struct raw_step *others, size_t m)
{
    char root[64];
    *f = (struct fixture){0};
    assert_int_equal(loop_init(&f->l), OK);
    raw_server_start(&f->peer, &f->l, steps, n);
    raw_server_start(&f->other, &f->l, others, m);
    snprintf(root, sizeof root, "http://127.0.0.1:%u", f->peer.port);
    snprintf(f->host, sizeof f->host, "127.0.0.1:%u", f->other.port);
    f->hosts[0] = f->host;
    const struct scs_client_options o = {
        .api_root = root,
        .api_name = "3gpp-nidd",
        .scs_as_id = "as1",
        .http = {.connect_timeout_ms = 2000, .timeout_ms = 1000, .max_connections = 4, .max_body_bytes = 65536},
        .breaker = {.failures = 3, .pause_min_ms = 100, .pause_max_ms = 200, .seed = 1},
        .allowed_hosts = f->hosts,
        .allowed_host_count = 1,
    };
    const struct scs_client_sink sink = {.ctx = f,
                                         .configuration_result = on_configuration,
                                         .submit_result = on_submit,
                                         .configuration_found = on_found,
                                         .configuration_listed = on_configuration};
    assert_int_equal(scs_client_new(&f->l, &o, &sink, &f->c), OK);
}

static void stop(struct fixture *f)
{
    scs_client_free(f->c);
    raw_server_stop(&f->peer);
    raw_server_stop(&f->other);
    loop_free(&f->l);
    raw_server_release(&f->peer);
    raw_server_release(&f->other);
}

static const struct t8_identity ext = {.external_id = {(const uint8_t *)"dev1@example.org", 16}};
static const struct raw_step none = {NULL, 0, RAW_KEEP};

static void submit(struct fixture *f)
{
    size_t before = f->count;
    assert_int_equal(scs_downlink_submit(f->c, 1, BYTES_LIT(C7), ext, BYTES_LIT("abc"), 0), OK);
    harness_wait(&f->l, &f->count, before + 1);
}

static struct scs_client_state state_of(const struct fixture *f)
{
    struct scs_client_state s;
    scs_client_state_get(f->c, &s);
    return s;
}

#define EMPTY "Content-Length: 0\r\n\r\n"

/* Formatted with a port each; kept in static memory. */
static const char *redirect(char *memory, size_t size, const char *status, uint16_t port, const char *path)
{
    snprintf(memory, size, "HTTP/1.1 %s\r\nLocation: http://127.0.0.1:%u%s\r\n" EMPTY, status, port, path);
    return memory;
}

static void assert_same_request(const char *a, const char *b)
{
    assert_string_equal(strstr(a, "\r\n\r\n"), strstr(b, "\r\n\r\n"));
    assert_memory_equal(a, b, strcspn(a, " "));
}

static void followed(void **state)
{
    (void)state;
    static const char path[] = "/3gpp-nidd/v1" C7 "/downlink-data-deliveries";
    static const struct {
        const char *status;
        bool kept;
    } rows[] = {{"307 Temporary Redirect", false}, {"308 Permanent Redirect", true}};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        char memory[256];
        struct raw_step steps[] = {{memory, 0, RAW_KEEP}};
        const struct raw_step others[] = {{"HTTP/1.1 200 OK\r\n" EMPTY, 0, RAW_KEEP}};
        start(&f, steps, 1, others, 1);
        redirect(memory, sizeof memory, rows[i].status, f.other.port, path);
        submit(&f);
        assert_int_equal(f.submit.outcome, NIDD_SUBMIT_DELIVERED);
        assert_int_equal(f.other.count, 1);
        assert_same_request(f.peer.requests[0], f.other.requests[0]);
        char want[256] = "";
        if (rows[i].kept)
            snprintf(want, sizeof want, "http://127.0.0.1:%u/3gpp-nidd/v1" C7, f.other.port);
        assert_string_equal(f.moved, want);
        if (rows[i].kept) {
            assert_int_equal(scs_configuration_get(f.c, 1, bytes_of_str(want)), OK);
            harness_wait(&f.l, &f.count, 2);
            assert_int_equal(f.other.count, 2);
        }
        assert_int_equal(state_of(&f).redirects_followed, 1);
        stop(&f);
    }
}

static void create_moves_the_collection(void **state)
{
    (void)state;
    struct fixture f;
    char memory[256];
    struct raw_step steps[] = {{memory, 0, RAW_KEEP}};
    const struct raw_step others[] = {{"HTTP/1.1 201 Created\r\nLocation: /other" C7 "\r\n" EMPTY, 0, RAW_KEEP}};
    start(&f, steps, 1, others, 1);
    redirect(memory, sizeof memory, "308 Permanent Redirect", f.other.port, "/other/as1/configurations");
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(scs_configuration_create(f.c, 1, ext, "http://as/"), OK);
        harness_wait(&f.l, &f.count, i + 1);
        char want[256];
        snprintf(want, sizeof want, "http://127.0.0.1:%u/other" C7, f.other.port);
        assert_string_equal(f.link, want);
    }
    assert_int_equal(f.peer.count, 1);
    assert_int_equal(f.other.count, 2);
    stop(&f);
}

static void not_followed(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 301 Moved\r\nLocation: /x\r\n" EMPTY,
        "HTTP/1.1 302 Found\r\nLocation: /x\r\n" EMPTY,
        "HTTP/1.1 303 See Other\r\nLocation: /x\r\n" EMPTY,
        "HTTP/1.1 307 Temporary\r\nLocation: http://127.0.0.1:1/x\r\n" EMPTY,
        "HTTP/1.1 307 Temporary\r\nLocation: http://evil.example/x\r\n" EMPTY,
        "HTTP/1.1 307 Temporary\r\nLocation: ftp://127.0.0.1/x\r\n" EMPTY,
        "HTTP/1.1 308 Permanent\r\n" EMPTY,
        "HTTP/1.1 308 Permanent\r\nLocation: \r\n" EMPTY,
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct fixture f;
        const struct raw_step step = {answers[i], 0, RAW_KEEP};
        start(&f, &step, 1, &none, 1);
        submit(&f);
        assert_int_equal(f.submit.outcome, NIDD_SUBMIT_REFUSED);
        assert_in_range(f.submit.http_status, 301, 308);
        assert_int_equal(f.peer.count, 1);
        assert_int_equal(state_of(&f).redirects_refused, 1);
        assert_int_equal(state_of(&f).breaker, BREAKER_CLOSED);
        stop(&f);
    }
}

static void hops_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step loop = {"HTTP/1.1 307 Temporary\r\nLocation: \x3fx\r\n" EMPTY, 0, RAW_KEEP};
    start(&f, &loop, 1, &none, 1);
    submit(&f);
    assert_int_equal(f.submit.http_status, 307);
    assert_int_equal(f.peer.count, 4);
    assert_string_equal(f.moved, "");
    stop(&f);
}

static void overload_thins_submissions(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step steps[] = {
        {"HTTP/1.1 200 OK\r\nnbi-api-oci: Timestamp: \"Tue, 04 Feb 2020 08:49:37 GMT\"; Period-of-Validity: 60s; "
         "Overload-Reduction-Metric: 100%\r\n" EMPTY,
         0, RAW_KEEP},
        {"HTTP/1.1 200 OK\r\nNb-Api-Oci: nonsense\r\n" EMPTY, 0, RAW_KEEP}};
    start(&f, steps, 2, &none, 1);
    submit(&f);
    assert_int_equal(scs_downlink_submit(f.c, 2, BYTES_LIT(C7), ext, BYTES_LIT("abc"), 0), ERR_UNREACHABLE);
    assert_in_range(scs_client_wait_s(f.c), 1, 60);
    assert_int_equal(scs_configuration_get(f.c, 3, BYTES_LIT(C7)), OK); /* not thinned */
    harness_wait(&f.l, &f.count, 2);
    assert_int_equal(state_of(&f).overload_metric, 100);
    assert_int_equal(state_of(&f).held_by_overload, 1);
    stop(&f);
}

static void breaker_opens_and_probes(void **state)
{
    (void)state;
    static const char word[] = "HTTP/1.1 500 Error\r\nContent-Type: application/json\r\nContent-Length: 63\r\n\r\n"
                               "{\"problemDetail\":{\"status\":500,\"cause\":\"NO_PDN_CONNECTION\"   }}";
    static const char broken[] = "HTTP/1.1 503 Busy\r\n" EMPTY;
    const struct raw_step steps[] = {{word, 0, RAW_KEEP},   {word, 0, RAW_KEEP},
                                     {word, 0, RAW_KEEP},   {broken, 0, RAW_KEEP},
                                     {broken, 0, RAW_KEEP}, {NULL, 0, RAW_CLOSE},
                                     {broken, 0, RAW_KEEP}, {"HTTP/1.1 404 Not Found\r\n" EMPTY, 0, RAW_KEEP}};
    struct fixture f;
    start(&f, steps, sizeof steps / sizeof *steps, &none, 1);
    for (unsigned i = 0; i < 3; i++) { /* ordinary words about the UE */
        submit(&f);
        assert_int_equal(f.submit.cause, T8_CAUSE_NO_PDN_CONNECTION);
    }
    assert_int_equal(state_of(&f).breaker, BREAKER_CLOSED);
    for (unsigned i = 0; i < 3; i++)
        submit(&f);
    assert_int_equal(state_of(&f).breaker, BREAKER_OPEN);
    size_t asked = f.peer.count;
    assert_int_equal(scs_downlink_submit(f.c, 2, BYTES_LIT(C7), ext, BYTES_LIT("abc"), 0), ERR_UNREACHABLE);
    assert_int_equal(scs_configuration_create(f.c, 2, ext, "http://as/"), ERR_UNREACHABLE);
    assert_in_range(scs_client_wait_s(f.c), 1, 2);
    assert_int_equal(f.peer.count, asked);
    for (unsigned opens = 1; opens < 2; opens++) { /* the first probe fails too */
        harness_pump(&f.l, 250);
        submit(&f);
    }
    assert_int_equal(state_of(&f).breaker_opens, 2);
    harness_pump(&f.l, 250);
    submit(&f); /* 404 is an answer */
    assert_int_equal(state_of(&f).breaker, BREAKER_CLOSED);
    assert_int_equal(state_of(&f).held_by_breaker, 2);
    stop(&f);
}

static void patch_and_list(void **state)
{
    (void)state;
    static const char list[] =
        "[{\"self\":\"http://inner/3gpp-nidd/v1/as1/configurations/c1\",\"externalId\":\"a@x\"},7,"
        "{\"self\":\"/3gpp-nidd/v1/as1/configurations/c2\",\"externalId\":\"b@x\"}]";
    char answer[512];
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(list), list);
    const struct raw_step steps[] = {{"HTTP/1.1 204 No Content\r\n\r\n", 0, RAW_KEEP}, {answer, 0, RAW_KEEP}};
    struct fixture f;
    start(&f, steps, 2, &none, 1);
    const struct nidd_configuration_patch p = {.has_duration = true};
    assert_int_equal(scs_configuration_patch(f.c, 1, BYTES_LIT(C7), &p), OK);
    harness_wait(&f.l, &f.count, 1);
    assert_int_equal(f.configuration.http_status, 204);
    assert_false(f.configuration.has_body);
    assert_non_null(strstr(f.peer.requests[0], "PATCH /3gpp-nidd/v1" C7 " HTTP/1.1\r\n"));
    assert_non_null(strstr(f.peer.requests[0], "Content-Type: application/merge-patch+json\r\n"));
    assert_non_null(strstr(f.peer.requests[0], "\r\n\r\n{\"duration\":null}"));
    assert_int_equal(scs_configuration_list(f.c, 2), OK);
    harness_wait(&f.l, &f.count, 2);
    assert_int_equal(f.found, 2);
    assert_string_equal(f.ids, "a@x=/as1/configurations/c1 b@x=/as1/configurations/c2 ");
    assert_int_equal(f.configuration.http_status, 200);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(followed),
        cmocka_unit_test(create_moves_the_collection),
        cmocka_unit_test(not_followed),
        cmocka_unit_test(hops_are_bounded),
        cmocka_unit_test(overload_thins_submissions),
        cmocka_unit_test(breaker_opens_and_probes),
        cmocka_unit_test(patch_and_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
