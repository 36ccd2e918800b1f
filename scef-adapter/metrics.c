#include "scef-adapter/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *type, *label, *help;
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

static uint64_t *value_of(struct metrics *m, enum metric id, const char *label)
{
    struct metric_family *f = &m->families[id];
    if (!label)
        return &f->value;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->values[i].label == label || strcmp(f->values[i].label, label) == 0)
            return &f->values[i].value;
    if (!f->values)
        f->values = calloc(METRIC_LABELS_MAX, sizeof(*f->values));
    if (!f->values)
        return &f->value; /* not shown, but never lost memory for a number */
    if (f->count == METRIC_LABELS_MAX)
        return &f->values[METRIC_LABELS_MAX - 1].value;
    struct metric_value *v = &f->values[f->count++];
    v->label = f->count == METRIC_LABELS_MAX ? "other" : label;
    return &v->value;
}

void metric_add(struct metrics *m, enum metric id, const char *label, uint64_t n)
{
    *value_of(m, id, label) += n;
}

void metric_set(struct metrics *m, enum metric id, const char *label, uint64_t value)
{
    *value_of(m, id, label) = value;
}

uint64_t metric_get(const struct metrics *m, enum metric id, const char *label)
{
    const struct metric_family *f = &m->families[id];
    for (uint32_t i = 0; label && i < f->count; i++)
        if (strcmp(f->values[i].label, label) == 0)
            return f->values[i].value;
    return label ? 0 : f->value;
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
        if (!table[i].label[0])
            buf_addf(out, "%s %" PRIu64 "\n", table[i].name, f->value);
        for (uint32_t v = 0; v < f->count; v++) {
            buf_addf(out, "%s{%s=\"", table[i].name, table[i].label);
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
