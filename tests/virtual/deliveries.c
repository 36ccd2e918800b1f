/* Who buffers, by device, and what the adapter asks the SCEF about its buffer. */
#include "tests/virtual/world_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By the last digit of its number, each device's requests are kept by somebody else. Their priority is what chance says
 * now, so that queues hold all of them. */
void deliveries_policies(struct world *w)
{
    static const char *const patterns[] = {"*3@example.org", "*4@example.org", "*5@example.org",
                                           "*6@example.org", "*8@example.org", "*9@example.org"};
    struct engine_downlink entries[6];
    struct engine_policy otherwise = {.lifetime_ms = DOWNLINK_LIFETIME_MS, .priority = QUEUE_PRIORITY_DEFAULT};
    if (w->o.priorities)
        otherwise.priority = (uint8_t)prng_below(&w->prng, QUEUE_PRIORITY_MAX + 1);
    for (size_t i = 0; i < 6; i++) {
        entries[i] = (struct engine_downlink){
            .server = ENGINE_NONE, .external_id = bytes_of_str(patterns[i]), .policy = otherwise};
        entries[i].policy.latest_wins = true;
        entries[i].policy.buffer = i < 4 ? ENGINE_BUFFER_SCEF : ENGINE_BUFFER_SERVER;
    }
    if (engine_downlinks_replace(w->engine, &otherwise, entries, w->o.buffers ? 6 : 0))
        abort();
}

bool deliveries_latest_wins(const struct world *w, uint32_t ue)
{
    return w->o.buffers && (ue % 10 >= 3 && ue % 10 != 7);
}

void deliveries_port(void *ctx, uint64_t ref, const struct engine_delivery_request *q)
{
    struct world *w = ctx;
    events_push(&w->events, (struct event){.at_ms = w->now_ms + world_between(w, 2, 60),
                                           .kind = EV_DELIVERY,
                                           .epoch = w->epoch,
                                           .ref = ref,
                                           .detail = (int)q->operation,
                                           .retry_after_s = q->maximum_latency_s,
                                           .who = world_ue_of(q->id.external_id),
                                           .text = bytes_dup_str(q->link),
                                           .data = q->data.len ? bytes_dup(q->data) : NULL,
                                           .len = q->data.len});
}

static struct bytes segment(struct bytes link, unsigned from_end)
{
    size_t end = link.len, at;
    for (;; end = at - 1) {
        for (at = end; at > 0 && link.data[at - 1] != '/'; at--)
            ;
        if (from_end-- == 0 || at == 0)
            return bytes_of(link.data + at, end - at);
    }
}

static void show(struct world *w, const struct event *ev, uint64_t at_ms, const struct nidd_downlink *d)
{
    events_push(&w->events, (struct event){.at_ms = at_ms,
                                           .kind = EV_DELIVERY_FOUND,
                                           .epoch = ev->epoch,
                                           .ref = ev->ref,
                                           .detail = (int)d->delivery_status,
                                           .who = world_ue_of(d->id.external_id),
                                           .text = bytes_dup_str(d->self),
                                           .data = bytes_dup(d->data),
                                           .len = d->data.len});
}

void deliveries_once(struct world *w, struct bytes configuration_id, const struct nidd_downlink *d)
{
    struct nidd_downlink there;
    uint64_t cursor = 0;
    while (scef_delivery_next(w->scef, w->now_ms, BYTES_LIT(SCS_AS_ID), configuration_id, &cursor, &there))
        if (bytes_equal(there.id.external_id, d->id.external_id) && bytes_equal(there.data, d->data))
            world_break(w, "a message to %.*s is submitted that lies in the SCEF's buffer", (int)d->id.external_id.len,
                        (const char *)d->id.external_id.data);
}

/* A request arrives at the SCEF. */
void deliveries_at_scef(struct world *w, const struct event *ev)
{
    const struct bytes as = BYTES_LIT(SCS_AS_ID), link = bytes_of_str(ev->text);
    struct event answer = {
        .at_ms = w->now_ms + world_between(w, 2, 60), .kind = EV_DELIVERY_ANSWER, .epoch = ev->epoch, .ref = ev->ref};
    struct nidd_downlink d = {0};
    struct nidd_configuration c;
    struct scef_answer a = {0};
    if (w->scef_down || world_chance(w, w->o.http_loss)) {
        answer.at_ms = w->now_ms + 1000;
        events_push(&w->events, answer);
        return;
    }
    switch ((enum engine_delivery_operation)ev->detail) {
    case ENGINE_DELIVERY_GET:
        a = scef_delivery_get(w->scef, w->now_ms, as, segment(link, 2), segment(link, 0), &d);
        break;
    case ENGINE_DELIVERY_PUT: {
        const struct nidd_downlink wanted = {.id.external_id = bytes_of_str(w->ues[ev->who].id),
                                             .data = bytes_of(ev->data, ev->len),
                                             .has_maximum_latency = true,
                                             .maximum_latency_s = ev->retry_after_s};
        a = scef_delivery_replace(w->scef, w->now_ms, as, segment(link, 2), segment(link, 0), &wanted, &d);
        w->r.replaced += a.http_status == 200;
        break;
    }
    case ENGINE_DELIVERY_DELETE:
        a = scef_delivery_cancel(w->scef, w->now_ms, as, segment(link, 2), segment(link, 0));
        break;
    case ENGINE_DELIVERY_LIST:
        a = scef_configuration_get(w->scef, w->now_ms, as, segment(link, 0), &c);
        for (uint64_t cursor = 0; scef_delivery_next(w->scef, w->now_ms, as, segment(link, 0), &cursor, &d);)
            show(w, ev, answer.at_ms, &d);
        break;
    }
    answer.status = world_chance(w, w->o.http_loss) ? 0 : a.http_status;
    if (w->o.follow) {
        static const char *const names[] = {"GET", "PUT", "DELETE", "LIST"};
        char what[200];
        snprintf(what, sizeof(what), "%s %s: %d %s", names[ev->detail], ev->text, a.http_status,
                 t8_cause_name(a.cause));
        world_story(w, "scef", what, (struct bytes){0});
    }
    answer.detail = answer.status == 200 ? (int)d.delivery_status : answer.status ? (int)a.cause : T8_CAUSE_NONE;
    w->r.delivery_requests++;
    events_push(&w->events, answer);
}

/* Its answer arrives at the adapter. */
void deliveries_at_adapter(struct world *w, const struct event *ev)
{
    if (ev->kind == EV_DELIVERY_FOUND) {
        const struct nidd_downlink d = {.id.external_id = bytes_of_str(w->ues[ev->who].id),
                                        .self = bytes_of_str(ev->text),
                                        .data = bytes_of(ev->data, ev->len),
                                        .delivery_status = (enum t8_delivery_status)ev->detail};
        engine_delivery_found(w->engine, w->now_ms, 0, ev->ref, &d);
        return;
    }
    struct engine_delivery_answer a = {.http_status = ev->status};
    if (ev->status == 200)
        a.delivery_status = (enum t8_delivery_status)ev->detail;
    else
        a.cause = (enum t8_cause)ev->detail;
    engine_delivery_result(w->engine, w->now_ms, 0, ev->ref, &a);
}
