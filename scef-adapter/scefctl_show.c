/* Devices and queues for human eyes, or as JSON lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scef-adapter/scefctl.h"

#define COLUMNS_MAX 16
#define ROWS_MAX    1000 /* laid out together */
#define CELL_BYTES  64

struct column {
    const char *title;
    const char *member; /* of the entry; NULL: filled in by the caller; "..._s": shown as a time */
};

/* Rows are kept until their widths are known; a long list is laid out a thousand rows at a time. */
struct table {
    struct ctl *c;
    const struct column *columns;
    size_t column_count;
    size_t widths[COLUMNS_MAX];
    char (*cells)[COLUMNS_MAX][CELL_BYTES];
    size_t rows;
    bool title_printed;
    const char *first_cell; /* for a column without a member */
    unsigned long most;     /* rows of several lists together; 0 = all */
    unsigned long given;
};

/* What peers have written must not speak to the terminal. */
static char printable(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
}

/* As much of a text as a cell holds, without the half of a character (RFC 3629). */
static void text_fill(char cell[CELL_BYTES], const char *text, size_t len)
{
    size_t n = len < CELL_BYTES ? len : CELL_BYTES - 1;
    while (n < len && n && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        cell[i] = printable(text[i]);
    cell[n] = '\0';
}

static void cell_fill(char cell[CELL_BYTES], const json_t *v)
{
    if (json_is_string(v) && json_string_length(v))
        text_fill(cell, json_string_value(v), json_string_length(v));
    else if (json_is_integer(v))
        snprintf(cell, CELL_BYTES, "%lld", (long long)json_integer_value(v));
    else if (json_is_boolean(v))
        snprintf(cell, CELL_BYTES, "%s", json_is_true(v) ? "yes" : "no");
    else
        snprintf(cell, CELL_BYTES, "-");
}

/* "45s", "12m", "5h", "3d": to one unit, rounded down. */
static void cell_fill_age(char cell[CELL_BYTES], const json_t *v)
{
    const json_int_t s = json_integer_value(v);
    static const struct {
        json_int_t from, unit;
        char letter;
    } units[] = {{2 * 86400, 86400, 'd'}, {2 * 3600, 3600, 'h'}, {2 * 60, 60, 'm'}, {0, 1, 's'}};
    size_t i = 0;
    while (s < units[i].from)
        i++;
    snprintf(cell, CELL_BYTES, "%lld%c", (long long)(s / units[i].unit), units[i].letter);
}

static bool is_age(const char *member)
{
    const size_t n = strlen(member);
    return n > 2 && strcmp(member + n - 2, "_s") == 0;
}

static void row_print(const struct table *t, char cells[COLUMNS_MAX][CELL_BYTES])
{
    for (size_t i = 0; i < t->column_count; i++) {
        bool last = i + 1 == t->column_count;
        printf("%-*s%s", last ? 0 : (int)t->widths[i], cells[i], last ? "\n" : "  ");
    }
}

static void table_print(struct table *t)
{
    for (size_t r = 0; r < t->rows; r++)
        for (size_t i = 0; i < t->column_count; i++)
            if (strlen(t->cells[r][i]) > t->widths[i])
                t->widths[i] = strlen(t->cells[r][i]);
    if (!t->title_printed) {
        char titles[COLUMNS_MAX][CELL_BYTES];
        for (size_t i = 0; i < t->column_count; i++) {
            snprintf(titles[i], CELL_BYTES, "%s", t->columns[i].title);
            if (strlen(titles[i]) > t->widths[i])
                t->widths[i] = strlen(titles[i]);
        }
        row_print(t, titles);
        t->title_printed = true;
    }
    for (size_t r = 0; r < t->rows; r++)
        row_print(t, t->cells[r]);
    t->rows = 0;
}

static int table_row(void *ctx, const json_t *entry)
{
    struct table *t = ctx;
    if (t->most && t->given++ == t->most)
        return CTL_ENOUGH;
    if (t->c->json) {
        json_dumpf(entry, stdout, JSON_COMPACT);
        putchar('\n');
        return CTL_OK;
    }
    if (!t->cells)
        t->cells = calloc(ROWS_MAX, sizeof(*t->cells));
    if (!t->cells) {
        fputs("scefctl: out of memory\n", stderr);
        return CTL_FAILED;
    }
    for (size_t i = 0; i < t->column_count; i++) {
        const json_t *v = t->columns[i].member ? json_object_get(entry, t->columns[i].member) : NULL;
        if (!t->columns[i].member)
            snprintf(t->cells[t->rows][i], CELL_BYTES, "%s", t->first_cell);
        else if (json_is_integer(v) && is_age(t->columns[i].member) && json_integer_value(v) >= 0)
            cell_fill_age(t->cells[t->rows][i], v);
        else if (i == 0 && !v) /* a device that has no External Identifier */
            cell_fill(t->cells[t->rows][i], json_object_get(entry, "msisdn"));
        else
            cell_fill(t->cells[t->rows][i], v);
    }
    if (++t->rows == ROWS_MAX)
        table_print(t);
    return CTL_OK;
}

static int table_end(struct table *t, int rc)
{
    if (rc == CTL_ENOUGH)
        rc = CTL_OK;
    if (rc == CTL_OK && !t->c->json && (t->rows || !t->title_printed))
        table_print(t);
    free(t->cells);
    return rc;
}

/* What lies in an object in numbers: a line each, "MEMBER=VALUE ...". */
static void list_show(const char *key, const json_t *list)
{
    size_t i;
    json_t *entry, *v;
    if (json_array_size(list) == 0)
        printf("%-26s -\n", key);
    json_array_foreach(list, i, entry)
    {
        const char *member;
        printf("%-26s", key);
        json_object_foreach(entry, member, v)
        {
            char cell[CELL_BYTES];
            cell_fill(cell, v);
            printf(" %s=%s", member, cell);
        }
        putchar('\n');
    }
}

/* Objects in an object: a line each, "KEY NAME MEMBER=VALUE ...", without those that count no message. */
static void counts_show(const char *key, const json_t *object)
{
    json_t *entry, *v;
    const char *name, *member;
    json_object_foreach((json_t *)object, name, entry)
    {
        if (json_integer_value(json_object_get(entry, "messages")) == 0)
            continue;
        printf("%-26s %s", key, name);
        json_object_foreach(entry, member, v)
        {
            char cell[CELL_BYTES];
            cell_fill(cell, v);
            printf(" %s=%s", member, cell);
        }
        putchar('\n');
    }
}

/* What a cell is too short for is shown whole: links and messages. */
static void member_print(const char *key, const json_t *v)
{
    char cell[CELL_BYTES];
    cell_fill(cell, v);
    printf("%-26s %s", key, cell);
    if (json_is_string(v) && json_string_length(v))
        for (size_t i = strlen(cell); i < json_string_length(v); i++)
            putchar(printable(json_string_value(v)[i]));
    putchar('\n');
}

/* One object, a member per line. */
static int object_show(struct ctl *c, const char *path)
{
    json_t *object, *v;
    const char *key;
    int rc = ctl_get_json(c, path, &object, NULL);
    if (rc != CTL_OK)
        return rc;
    if (c->json) {
        json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        json_object_foreach(object, key, v)
        {
            if (json_is_array(v) || json_is_object(v)) {
                (json_is_array(v) ? list_show : counts_show)(key, v);
                continue;
            }
            member_print(key, v);
        }
    }
    json_decref(object);
    return CTL_OK;
}

int ctl_scef_ls(struct ctl *c, char **args)
{
    static const struct column columns[] = {{"SCEF", "name"},
                                            {"DIALECT", "dialect"},
                                            {"BREAKER", "breaker"},
                                            {"IN FLIGHT", "requests_in_flight"},
                                            {"DEVICES", "devices"},
                                            {"CONFIGURATIONS", "configurations_active"},
                                            {"IN LINE", "configurations_in_line"},
                                            {"TEST NOTIFICATION", "test_notification"},
                                            {"API ROOT", "api_root"}};
    struct table t = {.c = c, .columns = columns, .column_count = sizeof(columns) / sizeof(columns[0])};
    (void)args;
    return table_end(&t, ctl_each(c, "/v1/scefs", "scefs", table_row, &t));
}

int ctl_group_ls(struct ctl *c, char **args)
{
    static const struct column columns[] = {{"GROUP", "external_group_id"}, {"SCEF", "scef"},
                                            {"SERVER", "server"},           {"CONFIGURATION", "configuration"},
                                            {"FOREIGN", "foreign"},         {"DEVICES", "devices"},
                                            {"LEARNED", "learned"},         {"LEARN MAX", "learn_max"}};
    struct table t = {.c = c, .columns = columns, .column_count = sizeof(columns) / sizeof(columns[0])};
    (void)args;
    return table_end(&t, ctl_each(c, "/v1/groups", "groups", table_row, &t));
}

int ctl_route_ls(struct ctl *c, char **args)
{
    static const struct column columns[] = {
        {"SERVER", "server"},     {"RDS UE PORT", "rds_ue_port"}, {"RDS SCEF PORT", "rds_scef_port"},
        {"URI HOST", "uri_host"}, {"URI PORT", "uri_port"},       {"BOOTSTRAP", "bootstrap"},
        {"DTLS", "dtls"},         {"DOMAIN", "domain"},           {"EXTERNAL ID", "external_id"}};
    struct table t = {.c = c, .columns = columns, .column_count = sizeof(columns) / sizeof(columns[0])};
    (void)args;
    return table_end(&t, ctl_each(c, "/v1/routes", "routes", table_row, &t));
}

int ctl_device_ls(struct ctl *c, char **args)
{
    static const struct column columns[] = {{"DEVICE", "external_id"},
                                            {"SERVER", "server"},
                                            {"CONFIGURATION", "configuration"},
                                            {"REACHABLE", "reachable"},
                                            {"QUEUE", "queue_messages"},
                                            {"SPOOL", "spooled_messages"},
                                            {"UPLINKS", "uplink_count"},
                                            {"DOWNLINKS", "downlink_count"},
                                            {"LAST UPLINK", "last_uplink"},
                                            {"SCEF", "scef"},
                                            {"GROUP", "group"}};
    struct table t = {.c = c, .columns = columns, .column_count = sizeof(columns) / sizeof(columns[0])};
    (void)args;
    return table_end(&t, ctl_each(c, "/v1/devices", "devices", table_row, &t));
}

int ctl_device_show(struct ctl *c, char **args)
{
    char *path = ctl_device_path(c, args[0], "");
    int rc = path ? object_show(c, path) : CTL_FAILED;
    free(path);
    return rc;
}

static const struct column queue_columns[] = {
    {"DEVICE", NULL},           {"SEQ", "seq"},        {"CLASS", "class"}, {"STATE", "state"},
    {"WAITS FOR", "waits_for"}, {"METHOD", "method"},  {"PATH", "path"},   {"BYTES", "bytes"},
    {"PRIO", "priority"},       {"TRIES", "attempts"}, {"AGE", "age_s"},   {"DEADLINE", "deadline"},
    {"SERVER", "server"},
};

static int queue_of(struct table *t, const char *id)
{
    char *path = ctl_device_path(t->c, id, "/queue");
    t->first_cell = id;
    int rc = path ? ctl_each(t->c, path, "messages", table_row, t) : CTL_FAILED;
    free(path);
    return rc;
}

static int queue_of_device(void *ctx, const json_t *device)
{
    const char *id = json_string_value(json_object_get(device, "external_id"));
    if (!id)
        id = json_string_value(json_object_get(device, "msisdn"));
    return id ? queue_of(ctx, id) : CTL_OK;
}

int ctl_queue_ls(struct ctl *c, char **args)
{
    struct table t = {
        .c = c, .columns = queue_columns, .column_count = sizeof(queue_columns) / sizeof(queue_columns[0])};
    if (args[0])
        return table_end(&t, queue_of(&t, args[0]));
    t.most = c->limit;
    c->limit = 0;
    return table_end(&t, ctl_each(c, "/v1/devices?queued=1", "devices", queue_of_device, &t));
}

int ctl_queue_show(struct ctl *c, char **args)
{
    int rc;
    char *path = ctl_message_path(c, args[0], args[1], "", &rc);
    if (path)
        rc = object_show(c, path);
    free(path);
    return rc;
}

int ctl_queue_totals(struct ctl *c, char **args)
{
    (void)args;
    return object_show(c, "/v1/queue");
}

int ctl_history_ls(struct ctl *c, char **args)
{
    static const struct column columns[] = {{"DEVICE", "device"}, {"SEQ", "seq"},        {"STATE", "state"},
                                            {"CLASS", "class"},   {"METHOD", "method"},  {"PATH", "path"},
                                            {"BYTES", "bytes"},   {"TRIES", "attempts"}, {"ACCEPTED", "accepted"},
                                            {"ENDED", "ended"},   {"SERVER", "server"},  {"REASON", "reason"}};
    struct table t = {.c = c, .columns = columns, .column_count = sizeof(columns) / sizeof(columns[0])};
    char *path = args[0] ? ctl_device_path(c, args[0], "/history") : NULL;
    int rc = CTL_FAILED;
    if (path || !args[0])
        rc = ctl_each(c, path ? path : "/v1/history", "final_states", table_row, &t);
    free(path);
    return table_end(&t, rc);
}
