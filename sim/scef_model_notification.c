#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

#include "t8/nidd_notification.h"

/* Callbacks to the AS. T8 has no rule for those that fail; this SCEF tries again after no answer, 429 and
 * 5xx, with doubling pauses, and gives up after notification_retries. Notifications of one UE run side by side: T8
 * promises no order. */

static void notification_free(struct scef_model *m, struct notification *n)
{
    timer_stop(&m->wheel, &n->timer);
    free(n->memory);
    slab_delete(&m->notifications, n->ref);
}

static void notification_send(struct scef_model *m, struct notification *n)
{
    n->told.attempt++;
    m->ports.notify(m->ports.ctx, n->ref, &n->told);
}

/* Appends to the memory, with a NUL; where the copy lies. */
static struct bytes take(uint8_t **end, struct bytes b)
{
    struct bytes copy = bytes_of(*end, b.len);
    if (b.len > 0)
        memcpy(*end, b.data, b.len);
    *end += b.len + 1; /* zeroed */
    return b.len > 0 ? copy : (struct bytes){0};
}

static bool notification_copy(struct notification *n, const struct scef_notification *t)
{
    struct bytes destination = bytes_of_str(t->destination), self = bytes_of_str(t->self);
    struct bytes websocket = bytes_of_str(t->websocket_uri);
    size_t size = destination.len + self.len + websocket.len + t->id.external_id.len + t->id.msisdn.len +
                  t->id.external_group_id.len + t->body.len + 7;
    uint8_t *end = n->memory = calloc(1, size);
    if (end == NULL)
        return false;
    n->told = *t;
    n->told.attempt = 0;
    n->told.destination = (const char *)end;
    take(&end, destination);
    n->told.self = t->self != NULL ? (const char *)end : NULL;
    take(&end, self);
    n->told.websocket_uri = t->websocket_uri != NULL ? (const char *)end : NULL;
    take(&end, websocket);
    n->told.id.external_id = take(&end, t->id.external_id);
    n->told.id.msisdn = take(&end, t->id.msisdn);
    n->told.id.external_group_id = take(&end, t->id.external_group_id);
    n->told.body = take(&end, t->body);
    return true;
}

void scef_notify(struct scef_model *m, uint64_t now_ms, const struct scef_notification *t)
{
    handle ref;
    scef_now(m, now_ms);
    struct notification *n = slab_new(&m->notifications, &ref);
    m->totals.notifications++;
    if (n == NULL) {
        m->totals.given_up++;
        return;
    }
    n->ref = ref;
    n->pause_ms = m->options.notification_retry_ms;
    timer_init(&n->timer, TIMER_NOTIFICATION);
    if (!notification_copy(n, t)) {
        m->totals.given_up++;
        notification_free(m, n);
        return;
    }
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

static bool accepted(const struct notification *n, int http_status)
{
    if (n->told.kind == SCEF_NOTIFY_CONFIGURATION_TRIGGER)
        return http_status == 200;
    return http_status >= 200 && http_status < 300;
}

void scef_notification_result(struct scef_model *m, uint64_t now_ms, uint64_t ref, int http_status)
{
    scef_now(m, now_ms);
    struct notification *n = slab_get(&m->notifications, ref);
    if (n == NULL || timer_running(&n->timer)) /* lost by a restart, or told twice */
        return;
    bool again = http_status == 0 || http_status == 429 || http_status >= 500;
    if (again && n->told.attempt <= m->options.notification_retries) {
        timer_start(&m->wheel, &n->timer, m->now_ms + n->pause_ms);
        n->pause_ms *= 2;
        return;
    }
    if (accepted(n, http_status))
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

/* ---- those of NIDD */

/* The user as the AS of c calls it; a group's member by what it has. */
struct t8_identity scef_told_identity(const struct configuration *c, const struct subscriber *s)
{
    return scef_identity(s, c->group != NULL ? s->external_id == NULL : c->by_msisdn);
}

void scef_notify_body(struct scef_model *m, const struct configuration *c, const struct t8_identity *id,
                      enum scef_notification_kind kind, struct buf *body, enum error encoded)
{
    if (encoded == OK && !body->failed) {
        struct scef_notification n = {
            .kind = kind,
            .destination = c->notification_destination,
            .self = c->self,
            .websocket_uri = c->websocket_uri,
            .id = *id,
            .body = buf_bytes(body),
        };
        scef_notify(m, m->now_ms, &n);
    } else { /* memory is short */
        m->totals.notifications++;
        m->totals.given_up++;
    }
    buf_free(body);
}

void scef_notify_uplink(struct scef_model *m, const struct configuration *c, const struct subscriber *s,
                        struct bytes data, struct t8_rds_port port, bool reliable)
{
    struct buf body = {0};
    struct nidd_uplink u = {
        .nidd_configuration = bytes_of_str(c->self),
        .id = scef_told_identity(c, s),
        .data = data,
        .rds_port = port,
        .reliable_data_service = reliable ? T8_FLAG_TRUE : T8_FLAG_UNSET,
    };
    enum error err = nidd_uplink_encode(&u, &body);
    scef_notify_body(m, c, &u.id, SCEF_NOTIFY_UPLINK, &body, err);
}

void scef_notify_delivery_status(struct scef_model *m, const struct configuration *c, const struct delivery *d)
{
    struct buf body = {0};
    struct nidd_delivery_status s = {
        .nidd_downlink_data_transfer = bytes_of_str(d->self),
        .delivery_status = d->shown.delivery_status,
        .requested_retransmission_ms = d->shown.requested_retransmission_ms,
    };
    enum error err = nidd_delivery_status_encode(&s, &body);
    scef_notify_body(m, c, &d->shown.id, SCEF_NOTIFY_DELIVERY_STATUS, &body, err);
}

void scef_notify_configuration_status(struct scef_model *m, const struct configuration *c, const struct subscriber *s,
                                      enum t8_nidd_status status, enum t8_flag rds_capability, struct t8_rds_port port)
{
    struct buf body = {0};
    struct nidd_configuration_status told = {
        .nidd_configuration = bytes_of_str(c->self),
        .id = scef_told_identity(c, s),
        .status = status,
        .rds_capability = rds_capability,
        .rds_port = port,
    };
    enum error err = nidd_configuration_status_encode(&told, &body);
    scef_notify_body(m, c, &told.id, SCEF_NOTIFY_CONFIGURATION_STATUS, &body, err);
}

void scef_notify_test(struct scef_model *m, const struct configuration *c)
{
    struct buf body = {0};
    struct t8_test_notification t = {.subscription = bytes_of_str(c->self)};
    struct t8_identity id = c->group != NULL ? (struct t8_identity){.external_group_id = bytes_of_str(c->group->id)}
                                             : scef_told_identity(c, c->subscriber);
    enum error err = t8_test_notification_encode(&t, &body);
    scef_notify_body(m, c, &id, SCEF_NOTIFY_TEST, &body, err);
}
