/* Monitoring subscriptions, their answers and reports in any form. The first byte chooses the decoder; what is accepted
 * can be written and read again, to the same text. */
#include <stdlib.h>

#include "t8/nidd_notification.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refused(const struct t8_problem *p)
{
    struct buf b = {0};
    if (p->status < 400 || t8_problem_encode(p, &b) != OK)
        abort();
    buf_free(&b);
}

static void request(struct bytes body)
{
    struct monitoring_subscription s;
    struct t8_problem p;
    struct buf b = {0};
    struct buf c = {0};
    if (monitoring_subscription_decode_request(body, &s, &p) != OK) {
        refused(&p);
        return;
    }
    enum error err = monitoring_subscription_encode(&s, &b); /* words of later releases are not written */
    monitoring_subscription_release(&s);
    if (err != OK && err != ERR_MEMBER_MISSING)
        abort();
    if (!err && b.len <= T8_MAX_BODY_BYTES) {
        if (monitoring_subscription_decode_request(buf_bytes(&b), &s, &p) != OK ||
            monitoring_subscription_encode(&s, &c) != OK || !bytes_equal(buf_bytes(&b), buf_bytes(&c)))
            abort();
        monitoring_subscription_release(&s);
    }
    buf_free(&b);
    buf_free(&c);
}

static void answer(struct bytes body)
{
    struct monitoring_subscription s;
    struct monitoring_reports r;
    struct t8_problem p;
    struct buf b = {0};
    if (monitoring_subscription_decode(body, &s) == OK)
        monitoring_subscription_release(&s);
    if (monitoring_reports_decode(body, &r, &p) != OK) {
        refused(&p);
        return;
    }
    if (monitoring_reports_encode(&r, &b) == OK && b.len <= T8_MAX_BODY_BYTES) {
        struct monitoring_reports again;
        if (monitoring_reports_decode(buf_bytes(&b), &again, &p) != OK || again.reports_count != r.reports_count)
            abort();
        monitoring_reports_release(&again);
    }
    monitoring_reports_release(&r);
    buf_free(&b);
}

static void notification(struct bytes body)
{
    struct nidd_notification n;
    struct t8_problem p;
    struct buf b = {0};
    struct buf c = {0};
    if (nidd_notification_decode(body, &n, &p) != OK) {
        refused(&p);
        return;
    }
    if (n.kind == NIDD_NOTIFICATION_MONITORING && monitoring_notification_encode(&n.monitoring, &b) == OK &&
        b.len <= T8_MAX_BODY_BYTES) {
        nidd_notification_release(&n);
        if (nidd_notification_decode(buf_bytes(&b), &n, &p) != OK)
            abort();
        if (n.kind == NIDD_NOTIFICATION_MONITORING && /* without its empty arrays it may look like a test */
            (monitoring_notification_encode(&n.monitoring, &c) != OK || !bytes_equal(buf_bytes(&b), buf_bytes(&c))))
            abort();
    }
    nidd_notification_release(&n);
    buf_free(&b);
    buf_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes body = bytes_of(data + 1, size - 1);
    if (data[0] == 'r')
        request(body);
    else if (data[0] == 'a')
        answer(body);
    else if (data[0] == 'n')
        notification(body);
    return 0;
}
