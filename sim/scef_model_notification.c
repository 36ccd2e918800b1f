#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

/* Callbacks to the AS. T8 has no rule for those that fail; this SCEF tries again after no answer, 429 and
 * 5xx, with doubling pauses, and gives up after notification_retries. Notifications of one UE run side by side: T8
 * promises no order. */

static void notification_free(struct scef_model *m, struct notification *n)
{
    timer_stop(&m->wheel, &n->timer);
    free(n->destination);
    free(n->link);
    free(n->data);
    slab_delete(&m->notifications, n->ref);
}

static void notification_send(struct scef_model *m, struct notification *n)
{
    n->attempts++;
    if (n->uplink) {
        struct nidd_uplink u = {
            .nidd_configuration = bytes_of_str(n->link),
            .id = scef_identity(n->subscriber, n->by_msisdn),
            .data = bytes_of(n->data, n->len),
        };
        m->ports.notify_uplink(m->ports.ctx, n->ref, n->destination, &u);
    } else {
        struct nidd_delivery_status s = {
            .nidd_downlink_data_transfer = bytes_of_str(n->link),
            .delivery_status = n->status,
        };
        m->ports.notify_delivery_status(m->ports.ctx, n->ref, n->destination, &s);
    }
}

/* NULL when memory is short: then the notification is given up before it began. */
static struct notification *notification_new(struct scef_model *m, const struct configuration *c, const char *link)
{
    handle ref;
    struct notification *n = slab_new(&m->notifications, &ref);
    m->totals.notifications++;
    if (n == NULL) {
        m->totals.given_up++;
        return NULL;
    }
    n->ref = ref;
    n->pause_ms = m->options.notification_retry_ms;
    n->subscriber = c->subscriber;
    n->by_msisdn = c->by_msisdn;
    n->destination = bytes_dup_str(bytes_of_str(c->notification_destination));
    n->link = bytes_dup_str(bytes_of_str(link));
    timer_init(&n->timer, TIMER_NOTIFICATION);
    if (n->destination == NULL || n->link == NULL) {
        m->totals.given_up++;
        notification_free(m, n);
        return NULL;
    }
    return n;
}

void scef_notify_uplink(struct scef_model *m, const struct configuration *c, struct bytes data)
{
    struct notification *n = notification_new(m, c, c->self);
    if (n == NULL)
        return;
    n->uplink = true;
    n->data = bytes_dup(data);
    n->len = data.len;
    if (n->data == NULL) {
        m->totals.given_up++;
        notification_free(m, n);
        return;
    }
    notification_send(m, n);
}

void scef_notify_delivery_status(struct scef_model *m, const struct configuration *c, const char *link,
                                 enum t8_delivery_status status)
{
    struct notification *n = notification_new(m, c, link);
    if (n == NULL)
        return;
    n->status = status;
    notification_send(m, n);
}

void scef_notification_timer(struct scef_model *m, struct notification *n)
{
    if (m->down) {
        timer_start(&m->wheel, &n->timer, m->now_ms + n->pause_ms + 1);
        return;
    }
    m->totals.retries++;
    notification_send(m, n);
}

void scef_notification_result(struct scef_model *m, uint64_t now_ms, uint64_t ref, int http_status)
{
    scef_now(m, now_ms);
    struct notification *n = slab_get(&m->notifications, ref);
    if (n == NULL || timer_running(&n->timer)) /* lost by a restart, or told twice */
        return;
    bool again = http_status == 0 || http_status == 429 || http_status >= 500;
    if (again && n->attempts <= m->options.notification_retries) {
        timer_start(&m->wheel, &n->timer, m->now_ms + n->pause_ms);
        n->pause_ms *= 2;
        return;
    }
    if (http_status >= 200 && http_status < 300)
        m->totals.notified++;
    else
        m->totals.given_up++;
    notification_free(m, n);
}

void scef_notifications_drop(struct scef_model *m)
{
    uint32_t cursor = 0;
    handle ref;
    for (struct notification *n; (n = slab_next(&m->notifications, &cursor, &ref)) != NULL;)
        notification_free(m, n);
}
