/* Device triggering and monitoring under random inputs: what holds whatever happens.
 *
 * Triggers: each that was accepted ends in one report or one recall, and then nothing more is told of it. A UE gets no
 * trigger twice.
 * Subscriptions: no UE tells a type more often than was asked for; nothing is told of a subscription that was deleted,
 * has expired or was cancelled; each that has told all is cancelled. */
#include "tests/sim/monitoring_harness.h"

#include "base/prng.h"

#define MOST 4096 /* resources of a kind */
#define UES  4

struct fate {
    bool accepted;
    unsigned reports; /* of a trigger: delivery reports */
    bool ended;       /* by the AS, or told as cancelled */
    uint32_t most;    /* subscription: reports for each UE and type; 0 = any number */
    uint64_t expire_ms;
    uint32_t told[UES][MONITORING_TYPE_OTHER];
};

static struct random_test {
    struct beside_test t;
    struct prng prng;
    struct fate triggers[MOST], subscriptions[MOST];
    unsigned trigger_count, subscription_count;
} *r;

static unsigned number_of(const char *self)
{
    unsigned number = 0;
    assert_int_equal(sscanf(strrchr(self, '/') + 2, "%u", &number), 1);
    assert_in_range(number, 1, MOST - 1);
    return number;
}

static void count_report(struct fate *f, const struct monitoring_report *report)
{
    uint32_t ue = UES;
    assert_true(scef_subscriber_lookup(r->t.model, &report->id, &ue));
    assert_in_range(ue, 0, UES - 1);
    uint32_t count = ++f->told[ue][report->type];
    if (f->most > 0)
        assert_in_range(count, 1, f->most);
}

static void look(struct beside_test *t, const struct scef_notification *n, const struct nidd_notification *told)
{
    if (n->kind == SCEF_NOTIFY_TRIGGER_REPORT) {
        struct fate *f = &r->triggers[number_of(n->self)];
        assert_false(f->ended);
        assert_int_equal(f->reports++, 0);
    } else if (n->kind == SCEF_NOTIFY_MONITORING) {
        struct fate *f = &r->subscriptions[number_of(n->self)];
        assert_false(f->ended);
        if (f->expire_ms > 0)
            assert_in_range(t->now_ms, 0, f->expire_ms);
        for (size_t i = 0; i < told->monitoring.reports_count; i++)
            count_report(f, &told->monitoring.reports[i]);
        f->ended = told->monitoring.cancelled == T8_FLAG_TRUE;
    }
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)prng_below(&r->prng, n);
}

static const char *const users[] = {"dev1@x", "dev2@x", "493", "dev4@x", "all@x"};

static void submit(void)
{
    struct device_triggering out,
        d = {
            .features = {true, below(8)},
            .validity_period_s = {true, below(4) * 5},
            .priority = below(3) == 0 ? DEVICE_TRIGGERING_PRIORITY : DEVICE_TRIGGERING_NO_PRIORITY,
            .payload = {.present = true, .bytes = BYTES_LIT("x")},
            .notification_destination = BYTES_LIT("http://as/dt"),
        };
    const char *user = users[below(4)];
    *(strchr(user, '@') != NULL ? &d.id.external_id : &d.id.msisdn) = bytes_of_str(user);
    if (scef_triggering_create(r->t.triggering, r->t.now_ms, AS1, &d, &out).http_status != 201)
        return;
    r->trigger_count++;
    r->triggers[number_of((const char *)out.self.data)].accepted = true;
}

/* PUT, PATCH or DELETE of some transaction. */
static void meddle(void)
{
    char id[16];
    unsigned number = r->trigger_count > 8 ? r->trigger_count - below(8) : 1;
    struct device_triggering out;
    const struct device_triggering_patch p = {.validity_period_s = {true, below(4) * 5},
                                              .priority = below(2) == 0 ? DEVICE_TRIGGERING_PRIORITY
                                                                        : DEVICE_TRIGGERING_PRIORITY_UNSET};
    snprintf(id, sizeof id, "t%u", number);
    if (below(2) == 0) {
        if (scef_triggering_recall(r->t.triggering, r->t.now_ms, AS1, bytes_of_str(id), &out).http_status == 200)
            r->triggers[number].ended = true;
    } else if (scef_triggering_patch(r->t.triggering, r->t.now_ms, AS1, bytes_of_str(id), &p, &out).http_status ==
               200) {
        assert_int_equal(r->triggers[number].reports, 0);
    }
}

static const enum monitoring_type types[] = {
    MONITORING_LOSS_OF_CONNECTIVITY,  MONITORING_UE_REACHABILITY,         MONITORING_ROAMING_STATUS,
    MONITORING_COMMUNICATION_FAILURE, MONITORING_PDN_CONNECTIVITY_STATUS, MONITORING_AVAILABILITY_AFTER_DDN_FAILURE,
};

static void watch(void)
{
    struct monitoring_subscription out, s = subscribe_to(users[below(5)], types[below(6)], below(4));
    struct monitoring_reports reports;
    s.features.bits = UINT64_MAX & ~(below(2) == 0 ? MONITORING_FEATURE_SEVERAL_REPORTS : 0);
    s.reachability = MONITORING_REACHABLE_FOR_DATA;
    s.additional_types = below(2) == 0 ? MONITORING_TYPE_BIT(types[below(6)]) : 0;
    s.report_period_s = (struct t8_uint){below(4) == 0, below(20)};
    s.group_guard_time_s = (struct t8_uint){below(2) == 0, below(20)};
    s.maximum_detection_time_s = (struct t8_uint){below(2) == 0, below(20)};
    s.expire_ms = s.expire_ms > 0 || below(3) == 0 ? r->t.now_ms + 1 + below(100000) : 0;
    struct fate planned = {.accepted = true, .expire_ms = s.expire_ms};
    planned.most = s.maximum_number_of_reports.present ? s.maximum_number_of_reports.value : 0;
    /* what is told before the answer is of this one */
    unsigned next = 0;
    for (next = 1; r->subscriptions[next].accepted; next++)
        ;
    r->subscriptions[next] = planned;
    int status = scef_monitoring_create(r->t.monitoring, r->t.now_ms, AS1, &s, &out, &reports).http_status;
    if (status == 200) { /* the number is used up, and there is nothing more to tell */
        r->subscriptions[next].ended = true;
        assert_in_range(reports.reports_count, 1, 2);
    } else if (status != 201) {
        r->subscriptions[next] = (struct fate){0};
        return;
    }
    if (next > r->subscription_count)
        r->subscription_count = next;
    if (status == 201) {
        assert_int_equal(number_of((const char *)out.self.data), next);
        if (out.report.present)
            count_report(&r->subscriptions[next], &out.report);
        for (size_t i = 0; i < out.additional_reports_count; i++)
            count_report(&r->subscriptions[next], &out.additional_reports[i]);
    }
}

static void unwatch(void)
{
    char id[16];
    unsigned number = r->subscription_count > 16 ? r->subscription_count - below(16) : 1;
    struct monitoring_reports reports;
    snprintf(id, sizeof id, "s%u", number);
    int status = scef_monitoring_delete(r->t.monitoring, r->t.now_ms, AS1, bytes_of_str(id), &reports).http_status;
    if (status == 404)
        return;
    for (size_t i = 0; i < reports.reports_count; i++)
        count_report(&r->subscriptions[number], &reports.reports[i]);
    r->subscriptions[number].ended = true;
}

static void something(void)
{
    uint32_t ue = below(UES);
    const struct scef_plmn plmns[] = {{"262", "01"}, {"208", "10"}};
    struct beside_test *t = &r->t;
    switch (below(11)) {
    case 0:
        submit();
        break;
    case 1:
        meddle();
        break;
    case 2:
        watch();
        break;
    case 3:
        unwatch();
        break;
    case 4:
        scef_ue_wake(t->model, t->now_ms, ue);
        break;
    case 5:
        scef_ue_set_pdn_connected(t->model, t->now_ms, ue, below(2) == 0);
        break;
    case 6:
        scef_ue_set_covered(t->model, t->now_ms, ue, below(3) > 0);
        break;
    case 7:
        scef_ue_roam(t->model, t->now_ms, ue, &plmns[below(2)]);
        break;
    case 8:
        scef_ue_fail(t->model, t->now_ms, ue, &(struct scef_failure){.s1ap_cause = 1, .nas_cause = -1});
        break;
    case 9:
        if (below(20) == 0)
            scef_monitoring_cancel_ue(t->monitoring, t->now_ms, ue);
        break;
    default:
        beside_pass(t, below(3000));
        break;
    }
    t->told[0] = t->triggered[0] = 0;
}

static void check_end(void)
{
    const struct scef_triggering_totals *n = scef_triggering_totals_of(r->t.triggering);
    uint64_t live = 0;
    assert_int_equal(n->pending, 0);
    for (unsigned i = 1; i < MOST; i++)
        if (r->triggers[i].accepted)
            assert_int_equal(r->triggers[i].reports + r->triggers[i].ended, 1);
    for (unsigned i = 1; i < MOST; i++) {
        const struct fate *f = &r->subscriptions[i];
        live += f->accepted && !f->ended && (f->expire_ms == 0 || f->expire_ms > r->t.now_ms);
    }
    assert_int_equal(live, scef_monitoring_totals_of(r->t.monitoring)->subscriptions);
}

static void run(uint64_t seed)
{
    r = calloc(1, sizeof *r);
    assert_non_null(r);
    prng_seed(&r->prng, seed);
    beside_options(&r->t);
    r->t.look = look;
    r->t.options.seed = seed;
    r->t.triggering_options.unconfirmed = r->t.triggering_options.failure = r->t.triggering_options.unknown = 0.1;
    assert_int_equal(beside_begin(&r->t), OK);
    for (unsigned i = 0; i < 5000; i++)
        something();
    beside_pass(&r->t, 60000);
    check_end();
    beside_end(&r->t);
    free(r);
}

static void random_inputs(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_inputs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
