/* A fleet of built-in devices behind the SCEF model for a virtual day, with a minimal AS that is its own LwM2M server:
 * all models together, at the size at which they are used. The number of UEs may be given as the argument. */
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/timer_wheel.h"
#include "sim/lwm2m_device.h"
#include "sim/scef_model.h"
#include "t8/nidd_notification.h"
#include "tests/base/test.h"

static uint32_t fleet_size = 500;
#define DAY_MS   (24ull * 3600 * 1000)
#define START_MS 1700000000000ull

struct ue {
    struct lwm2m_device *device;
    struct timer wake;
    uint32_t index;
    char configuration[32];
    unsigned registered, updated, notified, gave_up;
    bool observed; /* the AS has asked for it in this registration */
};

enum todo_kind { TODO_UPLINK, TODO_DELIVER, TODO_NOTIFIED, TODO_DOWNLINK };

/* What a port brought, done after the input that it came out of. */
struct todo {
    struct todo *next;
    enum todo_kind kind;
    uint32_t ue;
    uint64_t ref;
    size_t len;
    uint8_t data[];
};

struct fleet {
    struct scef_model *scef;
    struct timer_wheel wheel;
    struct ue *ues;
    struct todo *todo_first, *todo_last;
    uint64_t now_ms, next_ref, refused, answered;
    uint64_t digest; /* of everything on the radio: two runs of one seed agree */
};

static void todo_add(struct fleet *f, enum todo_kind kind, uint32_t ue, uint64_t ref, struct bytes data)
{
    struct todo *d = calloc(1, sizeof *d + data.len);
    assert_non_null(d);
    d->kind = kind;
    d->ue = ue;
    d->ref = ref;
    d->len = data.len;
    if (data.len > 0)
        memcpy(d->data, data.data, data.len);
    if (f->todo_first == NULL)
        f->todo_first = d;
    else
        f->todo_last->next = d;
    f->todo_last = d;
}

static struct fleet *the_fleet; /* the device's ports know only their UE */

static void device_sends(void *ctx, struct bytes message)
{
    todo_add(the_fleet, TODO_UPLINK, ((struct ue *)ctx)->index, 0, message);
}

static void device_tells(void *ctx, const char *what, struct bytes message)
{
    struct ue *u = ctx;
    (void)message;
    u->registered += strcmp(what, "registered") == 0;
    u->updated += strcmp(what, "updated") == 0;
    u->notified += strcmp(what, "notified") == 0;
    u->gave_up += strcmp(what, "gave_up") == 0;
}

static void ue_deliver(void *ctx, uint32_t ue, struct bytes data, struct t8_rds_port port)
{
    (void)port;
    todo_add(ctx, TODO_DELIVER, ue, 0, data);
}

static void downlink_answer(void *ctx, uint64_t ref, const struct scef_answer *a, const struct nidd_downlink *d)
{
    struct fleet *f = ctx;
    (void)ref, (void)d;
    f->answered++;
    f->refused += a->http_status >= 300;
}

/* The AS: registers get 2.01 and are then observed, everything else that is confirmable gets 2.04. It looks only at the
 * header and at the first bytes of the options. */
static void as_receives(struct fleet *f, struct ue *u, struct bytes m)
{
    uint8_t answer[32] = {0x64, 0x44, m.data[2], m.data[3]};
    size_t len = 8;
    bool confirmable = (m.data[0] & 0xf0) == 0x40;
    bool request = m.data[1] == 2;
    if (!confirmable)
        return;
    if (!request) { /* a notification */
        answer[0] = 0x60;
        answer[1] = 0;
        len = 4;
    } else {
        memcpy(answer + 4, m.data + 4, 4);
        if (m.len > 40) { /* Register */
            static const uint8_t location[] = {0x82, 'r', 'd', 0x01, '7'};
            answer[1] = 0x41;
            memcpy(answer + 8, location, sizeof location);
            len += sizeof location;
            u->observed = false;
        }
    }
    todo_add(f, TODO_DOWNLINK, u->index, 0, bytes_of(answer, len));
    if (request && !u->observed) { /* CON GET /3/0/9, Observe */
        static const uint8_t observe[] = {0x41, 1, 0x70, 0, 0x55, 0x60, 0x51, '3', 1, '0', 1, '9'};
        todo_add(f, TODO_DOWNLINK, u->index, 0, bytes_of(observe, sizeof observe));
        u->observed = true;
    }
}

static void notify(void *ctx, uint64_t ref, const struct scef_notification *n)
{
    struct fleet *f = ctx;
    struct nidd_notification told;
    struct t8_problem problem;
    assert_int_equal(nidd_notification_decode(n->body, &told, &problem), OK);
    todo_add(f, TODO_NOTIFIED, 0, ref, (struct bytes){0});
    if (told.kind == NIDD_NOTIFICATION_UPLINK) {
        unsigned long index = strtoul((const char *)told.uplink.id.external_id.data + 3, NULL, 10);
        as_receives(f, &f->ues[index], told.uplink.data);
    }
    nidd_notification_release(&told);
}

static void nas_event(void *ctx, uint32_t ue, bool mo, struct bytes data, const char *what)
{
    struct fleet *f = ctx;
    f->digest = (f->digest ^ crc32c(ue + mo, data) ^ (uint64_t)what[0] << 40 ^ f->now_ms << 8) * 0x100000001b3u;
}

static void device_timer(struct fleet *f, struct ue *u)
{
    timer_start(&f->wheel, &u->wake, lwm2m_device_next_wake(u->device));
}

static void todo_do(struct fleet *f, struct todo *d)
{
    struct ue *u = &f->ues[d->ue];
    struct bytes data = bytes_of(d->data, d->len);
    switch (d->kind) {
    case TODO_UPLINK:
        scef_uplink(f->scef, f->now_ms, d->ue, data);
        break;
    case TODO_DELIVER:
        lwm2m_device_receive(u->device, f->now_ms, data);
        device_timer(f, u);
        break;
    case TODO_NOTIFIED:
        scef_notification_result(f->scef, f->now_ms, d->ref, 204);
        break;
    case TODO_DOWNLINK: {
        char id[32];
        snprintf(id, sizeof id, "ue-%u", d->ue);
        struct nidd_downlink n = {.id = {.external_id = bytes_of_str(id)}, .data = data};
        scef_downlink(f->scef, f->now_ms, ++f->next_ref, BYTES_LIT("as1"), bytes_of_str(u->configuration), &n);
        break;
    }
    }
}

static void todo_all(struct fleet *f)
{
    for (struct todo *d; (d = f->todo_first) != NULL;) {
        f->todo_first = d->next;
        todo_do(f, d);
        free(d);
    }
}

static void fleet_new(struct fleet *f, uint64_t seed)
{
    struct scef_options o;
    scef_options_default(&o);
    o.seed = seed;
    struct scef_ports ports = {.ctx = f,
                               .ue_deliver = ue_deliver,
                               .downlink_answer = downlink_answer,
                               .notify = notify,
                               .nas_event = nas_event};
    *f = (struct fleet){.now_ms = START_MS};
    the_fleet = f;
    timer_wheel_init(&f->wheel, START_MS);
    assert_int_equal(scef_model_new(&o, &ports, START_MS, &f->scef), OK);
    f->ues = calloc(fleet_size, sizeof *f->ues);
    assert_non_null(f->ues);
    for (uint32_t i = 0; i < fleet_size; i++) {
        struct ue *u = &f->ues[i];
        char id[32];
        snprintf(id, sizeof id, "ue-%u", i);
        struct scef_subscriber s = {
            .external_id = id,
            .ue = {.psm = true, .active_time_ms = 5000, .pdn_connected = true},
            .radio = {.loss = 0.1, .duplicate = 0.01, .delay_min_ms = 50, .delay_max_ms = 500},
        };
        assert_int_equal(scef_subscriber_add(f->scef, &s), OK);
        struct nidd_configuration out,
            c = {.id = {.external_id = bytes_of_str(id)}, .notification_destination = BYTES_LIT("http://as/")};
        assert_int_equal(scef_configuration_create(f->scef, START_MS, BYTES_LIT("as1"), &c, &out).http_status, 201);
        snprintf(u->configuration, sizeof u->configuration, "c%u", i + 1);
        struct lwm2m_device_options d;
        lwm2m_device_options_default(&d);
        d.endpoint = id;
        d.seed = seed + i;
        d.lifetime_s = 7200;
        d.update_period_s = 3600;
        d.notify_period_s = 900;
        d.start_at_ms = START_MS + i * 10;
        struct lwm2m_device_ports device_ports = {.ctx = u, .send = device_sends, .event = device_tells};
        assert_int_equal(lwm2m_device_new(&d, &device_ports, &u->device), OK);
        u->index = i;
        timer_init(&u->wake, 0);
        device_timer(f, u);
    }
}

static void fleet_run(struct fleet *f, uint64_t until_ms)
{
    for (;;) {
        uint64_t next = scef_next_wake(f->scef), devices = timer_wheel_next(&f->wheel);
        next = devices < next ? devices : next;
        if (next > until_ms)
            return;
        f->now_ms = next > f->now_ms ? next : f->now_ms;
        scef_wake(f->scef, f->now_ms);
        for (struct timer *t; (t = timer_wheel_advance(&f->wheel, f->now_ms)) != NULL;) {
            struct ue *u = LIST_ENTRY(t, struct ue, wake);
            lwm2m_device_wake(u->device, f->now_ms);
            device_timer(f, u);
        }
        todo_all(f);
    }
}

static void fleet_free(struct fleet *f)
{
    for (uint32_t i = 0; i < fleet_size; i++)
        lwm2m_device_free(f->ues[i].device);
    scef_model_free(f->scef);
    free(f->ues);
}

static void a_day(void **state)
{
    (void)state;
    struct fleet f;
    fleet_new(&f, 1);
    fleet_run(&f, START_MS + DAY_MS);
    uint64_t updated = 0, notified = 0, registered = 0;
    for (uint32_t i = 0; i < fleet_size; i++) {
        const struct ue *u = &f.ues[i];
        assert_true(lwm2m_device_registered(u->device));
        assert_true(u->registered >= 1);
        updated += u->updated;
        notified += u->notified;
        registered += u->registered;
    }
    /* 24 hours: about 23 updates and 95 notifications each; some are given up for good after 5 losses in a row */
    assert_in_range(updated, 21 * fleet_size, 24 * fleet_size);
    assert_in_range(notified, 80 * fleet_size, 96 * fleet_size);
    assert_in_range(registered, fleet_size, fleet_size + fleet_size / 4 + 1);
    assert_true(f.answered > 100 * fleet_size);
    const struct scef_totals *n = scef_totals_of(f.scef);
    assert_int_equal(n->given_up, 0);
    assert_int_equal(n->uplinks_dropped, 0);
    fleet_free(&f);
}

static uint64_t digest_of(uint64_t seed)
{
    struct fleet f;
    fleet_new(&f, seed);
    fleet_run(&f, START_MS + 3600 * 1000);
    uint64_t digest = f.digest;
    fleet_free(&f);
    return digest;
}

static void a_seed_replays(void **state)
{
    (void)state;
    uint64_t a = digest_of(1);
    assert_true(a == digest_of(1));
    assert_true(a != digest_of(2));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        fleet_size = (uint32_t)strtoul(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_day), cmocka_unit_test(a_seed_replays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
