/* What a SCEF answers to any of our operations. The input is the operation's number as a letter, a status, a Location
 * and a body, one after the other:
 *
 *   G201 http://scef.example.net:8080/3gpp-nidd/v1/as1/configurations/c7\n{"self":...}
 */
#include <stdlib.h>
#include <string.h>

#include "t8/scs_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct t8_link_base bases[] = {
    [T8_API_NIDD] = {.origin = {(const uint8_t *)"http://scef.example.net:8080", 28},
                     .api_path = {(const uint8_t *)"/3gpp-nidd/v1", 13}},
    [T8_API_TRIGGERING] = {.origin = {(const uint8_t *)"http://scef.example.net:8080", 28},
                           .api_path = {(const uint8_t *)"/3gpp-device-triggering/v1", 26}},
    [T8_API_MONITORING] = {.origin = {(const uint8_t *)"http://scef.example.net:8080", 28},
                           .api_path = {(const uint8_t *)"/3gpp-monitoring-event/v1", 25}},
};
static size_t told;

/* Wherever a SCEF says that a resource is: what is kept leads to its origin. */
static void check_link(const struct t8_link_base *base, struct bytes link)
{
    struct buf url = {0};
    if (link.len && (!t8_link_expand(base, link, &url) || url.len <= base->origin.len ||
                     memcmp(url.data, base->origin.data, base->origin.len) != 0 || url.data[base->origin.len] != '/'))
        abort();
    buf_free(&url);
}

static void on_configuration(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    (void)ctx, (void)ref;
    check_link(&bases[T8_API_NIDD], r->link);
    check_link(&bases[T8_API_NIDD], r->delivery_link);
    told++;
}

static void on_found(void *ctx, uint64_t ref, const struct nidd_configuration_found *f)
{
    (void)ctx, (void)ref;
    check_link(&bases[T8_API_NIDD], f->result.link);
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    (void)ctx, (void)ref;
    check_link(&bases[T8_API_NIDD], r->link);
    told++;
}

static void on_item(void *ctx, uint64_t ref, const struct scs_result *r)
{
    (void)ctx, (void)ref;
    check_link(&bases[t8_operation_api(r->operation)], r->link);
    if (r->shows == SCS_SHOWS_NOTHING)
        abort();
}

static void on_result(void *ctx, uint64_t ref, const struct scs_result *r)
{
    (void)ctx, (void)ref;
    check_link(&bases[t8_operation_api(r->operation)], r->link);
    told++;
}

static const struct scs_client_sink sink = {.configuration_result = on_configuration,
                                            .submit_result = on_submit,
                                            .configuration_found = on_found,
                                            .configuration_listed = on_configuration,
                                            .item = on_item,
                                            .result = on_result};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scs_site s = {.dialect = t8_dialect_at(0)};
    if (size < 6)
        return 0;
    enum t8_operation operation = (enum t8_operation)(data[0] % T8_OPERATION_COUNT);
    int status = 0;
    for (int i = 1; i < 4; i++)
        status = status * 10 + data[i] % 10;
    const uint8_t *line = memchr(data + 5, '\n', size - 5);
    size_t end = line ? (size_t)(line - data) : size;
    for (int api = 0; api < T8_API_COUNT; api++)
        s.apis[api].base = bases[api];
    const struct t8_answer answer = {
        .http_status = status,
        .body = bytes_from(bytes_of(data, size), end + 1),
        .location = bytes_of(data + 5, end - 5),
        .request_path = BYTES_LIT("/3gpp-nidd/v1/as1/configurations"),
        .base = &bases[t8_operation_api(operation)],
    };
    const struct scs_incoming in = {.operation = operation, .answer = &answer, .sink = &sink};
    told = 0;
    (void)scs_t8_protocol.answer(&s, &in);
    if (told != 1)
        abort();
    buf_free(&s.link);
    buf_free(&s.moved);
    return 0;
}
