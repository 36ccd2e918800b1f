/* A notification on one of our paths. The input is the path as a digit, then the body: 1{"niddConfiguration":...} */
#include <stdlib.h>

#include "t8/scs_callbacks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t answers, counted, tests;
    int status;
    int kind;
    enum error err;
};

static void on_reply(void *ctx, const struct http_reply *r)
{
    struct seen *s = ctx;
    s->answers++;
    s->status = r->status;
}

static enum scs_verdict on_test(void *ctx, enum scs_callback_path path, const struct t8_test_notification *t,
                                enum error *err)
{
    (void)path, (void)err;
    ((struct seen *)ctx)->tests += t->subscription.len > 0;
    return SCS_ACCEPTED;
}

static void on_counted(void *ctx, int kind, enum error err)
{
    struct seen *s = ctx;
    s->counted++;
    s->kind = kind;
    s->err = err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct seen seen = {.status = 0};
    const struct scs_callbacks_sink sink = {.ctx = &seen, .test = on_test, .counted = on_counted};
    const struct scs_sender from = {.reply = on_reply, .ctx = &seen};
    enum scs_callback_path path = (enum scs_callback_path)(data[0] % 5);
    scs_callbacks_take(&sink, from, bytes_from(bytes_of(data, size), 1), path);
    bool good = seen.err == OK;
    bool trigger = seen.kind == NIDD_NOTIFICATION_CONFIGURATION_TRIGGER;
    if (seen.answers != 1 || seen.counted != 1 || seen.tests > 1 ||
        (good ? seen.status != (trigger ? 200 : 204) : seen.status < 400))
        abort();
    return 0;
}
