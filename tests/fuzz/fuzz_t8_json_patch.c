/* A document and a JSON Patch of it, with a NUL between them. What comes of it is JSON that can be read again, not much
 * larger than both together and what may be copied; a refusal leaves nothing behind. */
#include <stdlib.h>
#include <string.h>

#include "t8/json_patch.h"
#include "t8/monitoring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void result(struct bytes patched)
{
    struct monitoring_subscription s;
    struct t8_problem p;
    struct buf again = {0};
    const char *test = "[{\"op\":\"test\",\"path\":\"/none\",\"value\":0}]";
    enum error err = t8_json_patch(patched, bytes_of_str(test), &again, NULL);
    if (err != ERR_MEMBER_TYPE && err != ERR_TOO_LARGE) /* it is JSON, and not too deep */
        abort();
    if (monitoring_subscription_decode_request(patched, &s, &p) == OK)
        monitoring_subscription_release(&s);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    if (end == NULL)
        return 0;
    struct t8_problem p;
    struct buf out = {0};
    size_t len = (size_t)(end - data);
    enum error err = t8_json_patch(bytes_of(data, len), bytes_of(end + 1, size - len - 1), &out, &p);
    if (err ? out.len > 0 || p.status < 400 : out.len > 6 * (size + T8_MAX_BODY_BYTES))
        abort();
    if (!err)
        result(buf_bytes(&out));
    buf_free(&out);
    return 0;
}
