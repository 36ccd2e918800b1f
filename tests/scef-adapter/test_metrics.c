#include "tests/base/test.h"

#include <stdio.h>

#include "scef-adapter/metrics.h"

static bool has_line(const struct buf *text, const char *line)
{
    size_t n = strlen(line);
    for (size_t i = 0; i + n < text->len; i++)
        if ((i == 0 || text->data[i - 1] == '\n') && memcmp(text->data + i, line, n) == 0 && text->data[i + n] == '\n')
            return true;
    return false;
}

static void test_text(void **state)
{
    (void)state;
    struct metrics m = {0};
    struct buf text = {0};
    metric_add(&m, METRIC_DUPLICATES, NULL, 3);
    metric_add(&m, METRIC_FINALS, "answered", 1);
    metric_add(&m, METRIC_FINALS, "expired", 2);
    metric_add(&m, METRIC_FINALS, "answered", 1);
    metric_add(&m, METRIC_DROPPED, "a \"quoted\" \\ reason\n", 1);
    metric_set(&m, METRIC_DEVICES, NULL, 7);
    metric_set(&m, METRIC_DEVICES, NULL, 5);
    metric_scef_add(&m, METRIC_SUBMITS, "east", metric_status_label(201), 1);
    metric_scef_add(&m, METRIC_SUBMITS, "we\"st", metric_status_label(0), 1);
    metric_scef_add(&m, METRIC_SUBMITS, "we\"st", metric_status_label(201), 4);
    metric_set(&m, METRIC_SCEF_BREAKER, "east", 2);
    metric_scef_add(&m, METRIC_SUBMITS, "east", metric_status_label(-5), 1);
    metrics_render(&m, &text);
    assert_true(has_line(&text, "# HELP scef_adapter_devices devices known"));
    assert_true(has_line(&text, "# TYPE scef_adapter_devices gauge"));
    assert_true(has_line(&text, "# TYPE scef_adapter_downlink_final_total counter"));
    assert_true(has_line(&text, "scef_adapter_devices 5"));
    assert_true(has_line(&text, "scef_adapter_duplicates_total 3"));
    assert_true(has_line(&text, "scef_adapter_spooled_total 0")); /* there from the start, so that rates are right */
    assert_true(has_line(&text, "scef_adapter_downlink_final_total{state=\"answered\"} 2"));
    assert_true(has_line(&text, "scef_adapter_downlink_final_total{state=\"expired\"} 2"));
    assert_true(has_line(&text, "scef_adapter_dropped_total{reason=\"a \\\"quoted\\\" \\\\ reason\\n\"} 1"));
    assert_true(has_line(&text, "scef_adapter_downlink_submits_total{scef=\"east\",status=\"201\"} 1"));
    assert_true(has_line(&text, "scef_adapter_downlink_submits_total{scef=\"we\\\"st\",status=\"none\"} 1"));
    assert_true(has_line(&text, "scef_adapter_downlink_submits_total{scef=\"east\",status=\"other\"} 1"));
    assert_int_equal(metric_get(&m, METRIC_FINALS, "expired"), 2);
    assert_int_equal(metric_get(&m, METRIC_FINALS, "failed"), 0);
    assert_true(has_line(&text, "scef_adapter_scef_breaker_state{scef=\"east\"} 2"));
    assert_int_equal(metric_get(&m, METRIC_SUBMITS, "201"), 5); /* of all SCEFs */
    buf_free(&text);
    metrics_free(&m);
}

/* Even an endless supply of labels fills no memory. */
static void test_labels_are_bounded(void **state)
{
    (void)state;
    static char labels[1000][16];
    struct metrics m = {0};
    for (int i = 0; i < 1000; i++) {
        snprintf(labels[i], sizeof(labels[i]), "l%d", i);
        metric_add(&m, METRIC_DROPPED, labels[i], 1);
    }
    assert_int_equal(m.families[METRIC_DROPPED].count, METRIC_LABELS_MAX);
    assert_int_equal(metric_get(&m, METRIC_DROPPED, "l0"), 1);
    assert_int_equal(metric_get(&m, METRIC_DROPPED, "other"), 1000 - METRIC_LABELS_MAX + 1);
    for (int i = 0; i < 1000; i++) {
        metric_scef_add(&m, METRIC_SUBMITS, labels[i], "200", 1);
        metric_scef_add(&m, METRIC_SUBMITS, labels[i], "201", 1);
    }
    assert_int_equal(m.families[METRIC_SUBMITS].count, METRIC_VALUES_MAX);
    assert_int_equal(metric_get(&m, METRIC_SUBMITS, "200"), METRIC_VALUES_MAX / 2);
    assert_int_equal(metric_get(&m, METRIC_SUBMITS, "other"), 2000 - METRIC_VALUES_MAX + 1);
    metrics_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_labels_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
