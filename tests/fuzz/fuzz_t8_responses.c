/* What the SCEF answers to us. The input is a status, a Location and a body, one after the other:
 *
 *   201 http://scef.example.net:8080/3gpp-nidd/v1/as1/configurations/c7\n{"self":...}
 */
#include <stdlib.h>
#include <string.h>

#include "t8/nidd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct t8_link_base base = {
    .origin = {(const uint8_t *)"http://scef.example.net:8080", 28},
    .api_path = {(const uint8_t *)"/3gpp-nidd/v1", 13},
};

/* Whatever a peer says, a link we keep leads to our origin, and compacting its URL again changes nothing. */
static void check_link(struct bytes link)
{
    struct buf url = {0};
    struct buf again = {0};
    if (link.len == 0)
        return;
    if (!t8_link_expand(&base, link, &url) || url.len <= base.origin.len ||
        memcmp(url.data, base.origin.data, base.origin.len) != 0 || url.data[base.origin.len] != '/')
        abort();
    t8_link_compact(&base, BYTES_LIT("/3gpp-nidd/v1/as1/configurations"), buf_bytes(&url), &again);
    if (url.len <= T8_MAX_LINK_BYTES && !bytes_equal(buf_bytes(&again), link))
        abort();
    buf_free(&url);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5)
        return 0;
    int status = 0;
    for (int i = 0; i < 3; i++)
        status = status * 10 + data[i] % 10;
    const uint8_t *line = memchr(data + 4, '\n', size - 4);
    size_t end = line ? (size_t)(line - data) : size;
    const struct t8_answer a = {
        .http_status = status,
        .body = bytes_from(bytes_of(data, size), end + 1),
        .location = bytes_of(data + 4, end - 4),
        .request_path = BYTES_LIT("/3gpp-nidd/v1/as1/configurations"),
        .base = &base,
    };
    struct buf memory = {0};
    struct nidd_submit_result submit;
    struct nidd_configuration_result configuration;
    nidd_submit_result_read(&a, &memory, &submit);
    if (submit.outcome == NIDD_SUBMIT_NO_ANSWER || (submit.outcome == NIDD_SUBMIT_DELIVERED && submit.link.len))
        abort();
    check_link(submit.link);
    nidd_configuration_result_read(&a, &memory, &configuration);
    check_link(configuration.link);
    buf_free(&memory);

    struct t8_problem p;
    struct t8_doc *doc;
    uint64_t at_ms;
    t8_problem_decode(a.body, &p, &at_ms, &doc);
    struct buf b = {0};
    if (t8_problem_encode(&p, &b) != OK || nidd_delivery_failure_encode(&p, at_ms, &b) != OK)
        abort();
    buf_free(&b);
    t8_doc_free(doc);
    return 0;
}
