#include "scef-adapter/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *type, *labels, *help;
} table[METRIC_COUNT] = {
#define X(id, name, type, label, help) [METRIC_##id] = {"scef_adapter_" name, type, label, help},
    METRIC_TABLE(X)
#undef X
};

void metrics_free(struct metrics *m)
{
    for (size_t i = 0; i < METRIC_COUNT; i++)
        free(m->families[i].values);
    memset(m, 0, sizeof(*m));
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Room for one more; NULL at the bound, or without memory. */
static struct metric_value *value_new(struct metric_family *f, bool two_labels)
{
    const uint32_t max = two_labels ? METRIC_VALUES_MAX : METRIC_LABELS_MAX;
    if (f->count == max)
        return NULL;
    if (f->count == f->capacity) {
        uint32_t capacity = f->capacity ? f->capacity * 2 : 16;
        struct metric_value *values = realloc(f->values, capacity * sizeof(*values));
        if (!values)
            return NULL;
        f->values = values;
        f->capacity = capacity;
    }
    struct metric_value *v = &f->values[f->count++];
    *v = (struct metric_value){.value = 0};
    return v;
}

static uint64_t *value_of(struct metrics *m, enum metric id, const char *scef, const char *label)
{
    struct metric_family *f = &m->families[id];
    if (!label)
        return &f->value;
    for (uint32_t i = 0; i < f->count; i++)
        if (same(f->values[i].label, label) && same(f->values[i].scef, scef))
            return &f->values[i].value;
    struct metric_value *v = value_new(f, scef != NULL);
    if (!v) /* without any it is not shown, but never lost memory for a number */
        return f->count ? &f->values[f->count - 1].value : &f->value;
    const bool last = f->count == (scef ? METRIC_VALUES_MAX : METRIC_LABELS_MAX);
    v->scef = scef && last ? "other" : scef;
    v->label = last ? "other" : label;
    return &v->value;
}

void metric_add(struct metrics *m, enum metric id, const char *label, uint64_t n)
{
    *value_of(m, id, NULL, label) += n;
}

void metric_set(struct metrics *m, enum metric id, const char *label, uint64_t value)
{
    *value_of(m, id, NULL, label) = value;
}

void metric_scef_add(struct metrics *m, enum metric id, const char *scef, const char *label, uint64_t n)
{
    *value_of(m, id, scef, label) += n;
}

void metric_scef_set(struct metrics *m, enum metric id, const char *scef, const char *label, uint64_t value)
{
    *value_of(m, id, scef, label) = value;
}

uint64_t metric_get(const struct metrics *m, enum metric id, const char *label)
{
    const struct metric_family *f = &m->families[id];
    uint64_t sum = 0;
    for (uint32_t i = 0; label && i < f->count; i++)
        if (strcmp(f->values[i].label, label) == 0)
            sum += f->values[i].value;
    return label ? sum : f->value;
}

static void label_render(const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            buf_add_u8(out, '\\');
        if (*text == '\n')
            buf_add_str(out, "\\n");
        else
            buf_add_u8(out, (uint8_t)*text);
    }
}

void metrics_render(const struct metrics *m, struct buf *out)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_family *f = &m->families[i];
        buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", table[i].name, table[i].help, table[i].name, table[i].type);
        const char *labels = table[i].labels, *comma = strchr(labels, ',');
        if (!labels[0])
            buf_addf(out, "%s %" PRIu64 "\n", table[i].name, f->value);
        for (uint32_t v = 0; v < f->count; v++) {
            buf_addf(out, "%s{", table[i].name);
            if (comma) {
                buf_addf(out, "%.*s=\"", (int)(comma - labels), labels);
                label_render(f->values[v].scef, out);
                buf_add_str(out, "\",");
            }
            buf_addf(out, "%s=\"", comma ? comma + 1 : labels);
            label_render(f->values[v].label, out);
            buf_addf(out, "\"} %" PRIu64 "\n", f->values[v].value);
        }
    }
}

const char *metric_status_label(int http_status)
{
    static char texts[500][4]; /* 100 to 599 */
    if (http_status == 0)
        return "none";
    if (http_status < 100 || http_status > 599)
        return "other";
    char *text = texts[http_status - 100];
    if (!text[0])
        snprintf(text, 4, "%03u", (unsigned)http_status % 1000);
    return text;
}
