#include "tests/virtual/world_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t8/nidd_notification.h"

bool world_chance(struct world *w, double p)
{
    return p > 0 && !w->quiet && prng_unit(&w->prng) < p;
}

uint64_t world_between(struct world *w, uint64_t low, uint64_t high)
{
    return low + prng_below(&w->prng, high - low + 1);
}

void world_break(struct world *w, const char *fmt, ...)
{
    if (w->r.broken[0])
        return;
    uint64_t s = (w->now_ms - T0_MS) / 1000;
    int n = snprintf(w->r.broken, sizeof(w->r.broken), "at %02u:%02u:%02u.%03u: ", (unsigned)(s / 3600),
                     (unsigned)(s / 60 % 60), (unsigned)(s % 60), (unsigned)(w->now_ms % 1000));
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->r.broken + n, sizeof(w->r.broken) - (size_t)n, fmt, ap);
    va_end(ap);
}

bool world_followed(const struct world *w, uint32_t ue)
{
    return w->o.follow && strcmp(w->o.follow, w->ues[ue].id) == 0;
}

void world_story(struct world *w, const char *who, const char *what, struct bytes m)
{
    static const char *const types[] = {"CON", "NON", "ACK", "RST"};
    uint64_t s = (w->now_ms - T0_MS) / 1000;
    printf("%02u:%02u:%02u.%03u %-8s %-40s", (unsigned)(s / 3600), (unsigned)(s / 60 % 60), (unsigned)(s % 60),
           (unsigned)(w->now_ms % 1000), who, what);
    if (m.len >= 4) {
        printf(" %s %u.%02u mid=%u token=", types[m.data[0] >> 4 & 3], m.data[1] >> 5, m.data[1] & 31u,
               (unsigned)(m.data[2] << 8 | m.data[3]));
        for (size_t i = 4; i < 4u + (m.data[0] & 15u) && i < m.len; i++)
            printf("%02x", m.data[i]);
    }
    printf("\n");
}

/* ------------------------------------------------------------------ UEs */

static void ue_wake_at(struct world *w, uint32_t ue)
{
    struct world_ue *u = &w->ues[ue];
    uint64_t at = lwm2m_device_next_wake(u->device);
    if (at == UINT64_MAX || (u->wake_ms && u->wake_ms <= at))
        return;
    u->wake_ms = at;
    events_push(&w->events, (struct event){.at_ms = at < w->now_ms ? w->now_ms : at, .kind = EV_UE_WAKE, .who = ue});
}

static void ue_send(void *ctx, struct bytes message)
{
    struct world_ue *u = ctx;
    if (world_followed(u->world, u->index))
        world_story(u->world, "device", "sends", message);
    scef_uplink(u->world->scef, u->world->now_ms, u->index, message);
}

static void ue_event(void *ctx, const char *what, struct bytes m)
{
    struct world_ue *u = ctx;
    struct world *w = u->world;
    if (world_followed(w, u->index))
        world_story(w, "device", what, m);
    static const char *const two_messages[] = {"registered", "updated", "send_done", "notified"};
    for (size_t i = 0; i < sizeof(two_messages) / sizeof(two_messages[0]); i++)
        if (strcmp(what, two_messages[i]) == 0)
            w->r.nas_needed += 2;
    if (strcmp(what, "notify") == 0 && m.len && (m.data[0] >> 4 & 3) == COAP_NON)
        w->r.nas_needed++;
    if (strcmp(what, "executed") == 0 && m.len >= 8 && (m.data[0] & 15) == 4) {
        const uint8_t *k = m.data + 4;
        struct server_op *op =
            server_model_op(w->server, (uint32_t)k[0] << 24 | (uint32_t)k[1] << 16 | (uint32_t)k[2] << 8 | k[3]);
        if (op && op->leg == u->index)
            op->executed++;
        else
            world_break(w, "%s executed what nobody asked of it", u->id);
    }
}

/* ------------------------------------------------------------------ SCEF */

static void scef_ue_deliver(void *ctx, uint32_t ue, struct bytes data, struct t8_rds_port port)
{
    struct world *w = ctx;
    (void)port;
    events_push(
        &w->events,
        (struct event){.at_ms = w->now_ms, .kind = EV_UE_DELIVER, .who = ue, .data = bytes_dup(data), .len = data.len});
}

/* A request's reference carries the adapter's incarnation, so that an answer to a dead one is dropped. */
struct request {
    uint64_t ref;
    uint32_t epoch;
};

static void scef_downlink_answer(void *ctx, uint64_t request_ref, const struct scef_answer *a,
                                 const struct nidd_downlink *d)
{
    struct world *w = ctx;
    const struct request *rq = slab_get(&w->requests, request_ref);
    int status = a->http_status;
    if (world_chance(w, w->o.http_loss))
        status = 0; /* it was handled, and the adapter never hears so */
    struct event ev = {.at_ms = w->now_ms + world_between(w, 2, 60),
                       .kind = EV_SUBMIT_ANSWER,
                       .epoch = rq->epoch,
                       .ref = rq->ref,
                       .status = status,
                       .retry_after_s = a->retry_after_s,
                       .detail = d ? (int)d->delivery_status : (int)a->cause};
    if (a->http_status == 201)
        w->r.buffered++;
    if (status == 201)
        ev.text = bytes_dup_str(d->self);
    events_push(&w->events, ev);
    slab_delete(&w->requests, request_ref);
}

static void notify(struct world *w, int kind, uint32_t ue, uint64_t ref, struct bytes link, int detail,
                   struct bytes data)
{
    if (world_chance(w, w->o.http_loss)) { /* never arrives */
        events_push(&w->events, (struct event){.at_ms = w->now_ms + 1000, .kind = EV_NOTIFY_RESULT, .ref = ref});
        return;
    }
    events_push(&w->events, (struct event){.at_ms = w->now_ms + world_between(w, 2, 60),
                                           .kind = kind,
                                           .who = ue,
                                           .epoch = w->epoch,
                                           .ref = ref,
                                           .detail = detail,
                                           .text = bytes_dup_str(link),
                                           .data = data.len ? bytes_dup(data) : NULL,
                                           .len = data.len});
}

uint32_t world_ue_of(struct bytes external_id)
{
    for (size_t i = 0; i < external_id.len; i++)
        if (external_id.data[i] >= '0' && external_id.data[i] <= '9')
            return (uint32_t)atoi((const char *)external_id.data + i);
    return 0;
}

static void port_notify(void *ctx, uint64_t ref, const struct scef_notification *n)
{
    struct world *w = ctx;
    struct nidd_notification told;
    struct t8_problem problem;
    if (nidd_notification_decode(n->body, &told, &problem) != OK)
        abort();
    if (told.kind == NIDD_NOTIFICATION_UPLINK)
        notify(w, EV_NOTIFY_UPLINK, world_ue_of(told.uplink.id.external_id), ref, told.uplink.nidd_configuration, 0,
               told.uplink.data);
    else if (told.kind == NIDD_NOTIFICATION_DELIVERY_STATUS)
        notify(w, EV_NOTIFY_STATUS, 0, ref, told.delivery_status.nidd_downlink_data_transfer,
               (int)told.delivery_status.delivery_status, (struct bytes){0});
    else if (told.kind == NIDD_NOTIFICATION_CONFIGURATION_STATUS)
        notify(w, EV_NOTIFY_CONFIGURATION, world_ue_of(told.configuration_status.id.external_id), ref,
               told.configuration_status.nidd_configuration, (int)told.configuration_status.status, (struct bytes){0});
    else
        world_break(w, "a notification that nobody asked for");
    nidd_notification_release(&told);
}

static void scef_nas(void *ctx, uint32_t ue, bool mo, struct bytes data, const char *what)
{
    struct world *w = ctx;
    if (strcmp(what, "sent") == 0) {
        if (mo)
            w->r.nas_mo++;
        else
            w->r.nas_mt++;
    }
    if (world_followed(w, ue)) {
        char line[40];
        snprintf(line, sizeof(line), "NAS %s %s", mo ? "MO" : "MT", what);
        world_story(w, "radio", line, data);
    }
}

/* "/3gpp-nidd/v1/as1/configurations/{id}" -> id */
static struct bytes configuration_id(struct bytes link)
{
    size_t at = link.len;
    while (at > 0 && link.data[at - 1] != '/')
        at--;
    return bytes_from(link, at);
}

static void scef_event(struct world *w, struct event *ev)
{
    struct bytes as = BYTES_LIT(SCS_AS_ID);
    if (ev->kind == EV_SUBMIT) {
        if (w->scef_down || world_chance(w, w->o.http_loss)) {
            events_push(&w->events,
                        (struct event){
                            .at_ms = w->now_ms + 1000, .kind = EV_SUBMIT_ANSWER, .epoch = ev->epoch, .ref = ev->ref});
            return;
        }
        handle h;
        struct request *rq = slab_new(&w->requests, &h);
        char *blank = strchr(ev->text, ' ');
        if (!rq || !blank)
            abort();
        *rq = (struct request){ev->ref, ev->epoch};
        struct nidd_downlink d = {.id.external_id = bytes_of_str(blank + 1),
                                  .data = bytes_of(ev->data, ev->len),
                                  .has_maximum_latency = true,
                                  .maximum_latency_s = (uint32_t)ev->detail};
        if (w->o.buffers)
            deliveries_once(w, configuration_id(bytes_of(ev->text, (size_t)(blank - ev->text))), &d);
        scef_downlink(w->scef, w->now_ms, h, as, configuration_id(bytes_of(ev->text, (size_t)(blank - ev->text))), &d);
        return;
    }
    struct event answer = {.at_ms = w->now_ms + world_between(w, 2, 60),
                           .kind = EV_CONFIGURATION_ANSWER,
                           .epoch = ev->epoch,
                           .ref = ev->ref};
    struct nidd_configuration out = {0};
    if (w->scef_down || world_chance(w, w->o.http_loss)) {
        answer.at_ms = w->now_ms + 1000;
    } else if (ev->detail) {
        struct nidd_configuration c = {.notification_destination = BYTES_LIT("http://adapter/t8"),
                                       .has_supported_features = true,
                                       .supported_features = NIDD_FEATURE_GROUPS | NIDD_FEATURE_MODIFICATION};
        if (ev->text[0] == '*')
            c.id.external_group_id = bytes_of_str(ev->text + 1);
        else
            c.id.external_id = bytes_of_str(ev->text);
        answer.status = scef_configuration_create(w->scef, w->now_ms, as, &c, &out).http_status;
    } else {
        answer.status =
            scef_configuration_get(w->scef, w->now_ms, as, configuration_id(bytes_of_str(ev->text)), &out).http_status;
    }
    if (answer.status >= 200 && answer.status < 300) {
        answer.text = bytes_dup_str(out.self);
        answer.detail = (int)out.maximum_packet_size_bits;
        answer.len = (size_t)out.supported_features;
    }
    events_push(&w->events, answer);
}

/* ------------------------------------------------------------------ server */

static void server_send(void *ctx, uint32_t leg, struct bytes message)
{
    struct world *w = ctx;
    for (int copies = world_chance(w, w->o.duplication) ? 2 : 1; copies > 0; copies--)
        if (!world_chance(w, w->o.udp_loss))
            events_push(&w->events, (struct event){.at_ms = w->now_ms + world_between(w, 1, 40),
                                                   .kind = EV_TO_ADAPTER,
                                                   .who = leg,
                                                   .data = bytes_dup(message),
                                                   .len = message.len});
    if (world_followed(w, leg))
        world_story(w, "server", "sends", message);
}

static void server_wake_at(void *ctx, uint32_t leg, uint64_t at_ms)
{
    struct world *w = ctx;
    events_push(&w->events, (struct event){.at_ms = at_ms, .kind = EV_SERVER_WAKE, .who = leg});
}

/* ------------------------------------------------------------------ the run */

static void happen(struct world *w, struct event *ev)
{
    switch ((enum event_kind)ev->kind) {
    case EV_UE_WAKE:
        if (w->ues[ev->who].wake_ms <= w->now_ms)
            w->ues[ev->who].wake_ms = 0;
        lwm2m_device_wake(w->ues[ev->who].device, w->now_ms);
        ue_wake_at(w, ev->who);
        break;
    case EV_UE_DELIVER:
        lwm2m_device_receive(w->ues[ev->who].device, w->now_ms, bytes_of(ev->data, ev->len));
        ue_wake_at(w, ev->who);
        break;
    case EV_SUBMIT:
    case EV_CONFIGURATION:
        scef_event(w, ev);
        break;
    case EV_NOTIFY_RESULT:
        scef_notification_result(w->scef, w->now_ms, ev->ref, ev->status);
        break;
    case EV_DELIVERY:
        deliveries_at_scef(w, ev);
        break;
    case EV_DELIVERY_FOUND:
    case EV_DELIVERY_ANSWER:
        if (ev->epoch == w->epoch)
            deliveries_at_adapter(w, ev);
        break;
    case EV_SUBMIT_ANSWER:
    case EV_CONFIGURATION_ANSWER:
        if (ev->epoch == w->epoch)
            adapter_event(w, ev);
        break;
    case EV_NOTIFY_UPLINK:
    case EV_NOTIFY_STATUS:
    case EV_NOTIFY_CONFIGURATION:
        if (ev->epoch == w->epoch)
            adapter_event(w, ev);
        else /* the connection died with the process */
            events_push(&w->events, (struct event){.at_ms = w->now_ms + 1, .kind = EV_NOTIFY_RESULT, .ref = ev->ref});
        break;
    case EV_TO_ADAPTER:
        adapter_event(w, ev);
        break;
    case EV_TO_SERVER:
        if (!w->server_down)
            server_model_receive(w->server, w->now_ms, ev->who, bytes_of(ev->data, ev->len));
        break;
    case EV_SERVER_WAKE:
        if (w->server_down)
            server_wake_at(w, ev->who, w->now_ms + 60000);
        else
            server_model_wake(w->server, w->now_ms, ev->who);
        break;
    case EV_COMMIT:
        if (ev->epoch == w->epoch) {
            bool fails = world_chance(w, w->o.store_failure);
            if (fails && w->o.follow)
                world_story(w, "store", "a commit fails", (struct bytes){0});
            uint64_t ticket = store_model_commit(w->store, !fails);
            engine_stored(w->engine, w->now_ms, ticket, fails ? ERR_STORE : OK);
        }
        break;
    case EV_LOAD:
        if (ev->epoch == w->epoch)
            adapter_load_next(w, ev);
        break;
    case EV_ADAPTER_CRASH:
        if (w->o.follow)
            world_story(w, "adapter", "crashes", (struct bytes){0});
        adapter_crash(w);
        break;
    case EV_SCEF_DOWN:
        w->scef_down = true;
        scef_set_down(w->scef, true);
        break;
    case EV_SCEF_UP:
        w->scef_down = false;
        scef_restart(w->scef, w->now_ms, ev->detail);
        scef_set_down(w->scef, false);
        break;
    case EV_SERVER_DOWN:
        w->server_down = true;
        break;
    case EV_SERVER_UP:
        w->server_down = false;
        break;
    case EV_NETWORK:
        network_event(w, ev);
        break;
    }
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* One step; false when nothing is left to happen before end_ms. */
static bool step(struct world *w, uint64_t end_ms)
{
    uint64_t engine_ms = engine_next_wake(w->engine), scef_ms = scef_next_wake(w->scef),
             event_ms = events_next_ms(&w->events);
    uint64_t at = earliest(engine_ms, earliest(scef_ms, event_ms));
    if (at > end_ms)
        return false;
    if (at > w->now_ms)
        w->now_ms = at;
    w->r.events++;
    uint32_t ue = UINT32_MAX;
    if (event_ms <= w->now_ms) {
        struct event ev = events_pop(&w->events);
        ue = ev.who;
        happen(w, &ev);
        event_release(&ev);
    }
    engine_wake(w->engine, w->now_ms);
    if (scef_next_wake(w->scef) <= w->now_ms)
        scef_wake(w->scef, w->now_ms);
    adapter_turn_end(w);
    if (ue < w->o.ues)
        promises_device(w, ue);
    return !w->r.broken[0];
}

static void plan_faults(struct world *w, uint64_t busy_ms)
{
    for (uint32_t i = 0; i < w->o.adapter_crashes; i++)
        events_push(&w->events,
                    (struct event){.at_ms = T0_MS + world_between(w, 1, busy_ms), .kind = EV_ADAPTER_CRASH});
    /* Outages of one kind follow each other, each in its own share of the time. */
    for (uint32_t i = 0; i < w->o.scef_restarts; i++) {
        uint64_t share = busy_ms / w->o.scef_restarts, at = T0_MS + share * i + prng_below(&w->prng, share / 2);
        events_push(&w->events, (struct event){.at_ms = at, .kind = EV_SCEF_DOWN});
        events_push(&w->events, (struct event){.at_ms = at + world_between(w, 1000, share / 4 + 1000),
                                               .kind = EV_SCEF_UP,
                                               .detail = prng_below(&w->prng, 2) == 0});
    }
    for (uint32_t i = 0; i < w->o.server_outages; i++) {
        uint64_t share = busy_ms / w->o.server_outages, at = T0_MS + share * i + prng_below(&w->prng, share / 2);
        events_push(&w->events, (struct event){.at_ms = at, .kind = EV_SERVER_DOWN});
        events_push(&w->events,
                    (struct event){.at_ms = at + world_between(w, 10000, share / 4 + 10000), .kind = EV_SERVER_UP});
    }
}

struct world *world_new(const struct world_options *o)
{
    static const char *const groups[] = {GROUP_ID};
    struct world *w = calloc(1, sizeof(*w));
    if (!w || !(w->ues = calloc(o->ues, sizeof(*w->ues))) || !(w->ue_of_leg = malloc(o->ues * sizeof(*w->ue_of_leg))) ||
        !(w->leg_of_ue = malloc(o->ues * sizeof(*w->leg_of_ue))) || !(w->loaded = calloc(o->ues, sizeof(*w->loaded))))
        abort();
    memset(w->ue_of_leg, 0xff, o->ues * sizeof(*w->ue_of_leg));
    memset(w->leg_of_ue, 0xff, o->ues * sizeof(*w->leg_of_ue));
    w->o = *o;
    w->now_ms = T0_MS;
    prng_seed(&w->prng, o->seed);
    slab_init(&w->requests, sizeof(struct request));
    w->store = store_model_new(o->seed);
    w->server =
        server_model_new(prng_next(&w->prng), o->ues, o->op_pause_ms,
                         &(struct server_model_ports){.ctx = w, .send = server_send, .wake_at = server_wake_at});
    if (o->buffers || o->priorities)
        server_model_be_impatient(w->server);
    struct scef_options so;
    scef_options_default(&so);
    so.seed = prng_next(&w->prng);
    so.revocation_removes = o->seed % 2;
    struct scef_ports sp = {.ctx = w,
                            .ue_deliver = scef_ue_deliver,
                            .downlink_answer = scef_downlink_answer,
                            .notify = port_notify,
                            .nas_event = scef_nas};
    if (scef_model_new(&so, &sp, w->now_ms, &w->scef))
        abort();
    for (uint32_t i = 0; i < o->ues; i++) {
        struct world_ue *u = &w->ues[i];
        u->world = w;
        u->index = i;
        snprintf(u->id, sizeof(u->id), "ue%u@example.org", i);
        struct scef_subscriber s = {
            .external_id = u->id,
            .ue = {.psm = i % 4 != 0, .active_time_ms = (uint32_t)world_between(w, 4000, 24000), .pdn_connected = true},
            .radio = {.loss = o->radio_loss, .duplicate = o->duplication, .delay_min_ms = 50, .delay_max_ms = 1500}};
        network_limits(w, i, &s);
        s.groups = groups;
        s.groups_count = o->group;
        struct lwm2m_device_options d;
        lwm2m_device_options_default(&d);
        d.endpoint = u->id;
        d.seed = prng_next(&w->prng);
        d.lifetime_s = 12 * 3600;
        d.update_period_s = 1800 + (uint32_t)prng_below(&w->prng, 3600);
        d.notify_period_s = 3600 + (uint32_t)prng_below(&w->prng, 3600);
        d.notify_confirmable = i % 2;
        d.send_period_s = i % 5 ? 0 : 7200;
        d.start_at_ms = T0_MS + 1000 + prng_below(&w->prng, 600000);
        if (scef_subscriber_add(w->scef, &s) ||
            lwm2m_device_new(&d, &(struct lwm2m_device_ports){.ctx = u, .send = ue_send, .event = ue_event},
                             &u->device))
            abort();
        ue_wake_at(w, i);
    }
    adapter_start(w);
    return w;
}

void world_run(struct world *w, uint64_t busy_ms, uint64_t quiet_ms)
{
    uint64_t end_ms = T0_MS + busy_ms;
    plan_faults(w, busy_ms);
    network_plan(w, busy_ms);
    while (step(w, end_ms))
        ;
    if (w->r.broken[0])
        return;
    w->now_ms = end_ms;
    w->quiet = true;
    if (w->scef_down)
        happen(w, &(struct event){.kind = EV_SCEF_UP});
    w->server_down = false;
    server_model_stop_asking(w->server);
    while (step(w, end_ms + quiet_ms))
        ;
    for (uint32_t i = 0; i < w->o.ues && !w->r.broken[0]; i++)
        promises_device(w, i);
    w->r.registered = server_model_registered(w->server);
    uint64_t configurations = scef_totals_of(w->scef)->configurations;
    w->r.unconfigured = w->o.group ? (configurations > 0 ? 0 : w->o.ues) : w->o.ues - (uint32_t)configurations;
    w->r.notifications = server_model_notifications(w->server);
    promises_end(w);
}

void world_result_get(struct world *w, struct world_result *out)
{
    *out = w->r;
}

void world_free(struct world *w)
{
    engine_free(w->engine);
    scef_model_free(w->scef);
    slab_free(&w->requests);
    server_model_free(w->server);
    for (uint32_t i = 0; i < w->o.ues; i++)
        lwm2m_device_free(w->ues[i].device);
    store_model_free(w->store);
    for (size_t i = 0; i < w->events.count; i++)
        event_release(&w->events.heap[i]);
    free(w->events.heap);
    free(w->ues);
    free(w->loaded);
    free(w->ue_of_leg);
    free(w->leg_of_ue);
    free(w->told);
    free(w);
}
