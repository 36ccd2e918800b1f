/* scefctl: looks into a running scef-adapter, and works on its queues, by its admin port. */
#include "scef-adapter/scefctl.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ctl_health(struct ctl *c, char **args);
static int ctl_metrics(struct ctl *c, char **args);

static const struct command {
    const char *noun, *verb; /* verb NULL: the noun alone */
    const char *arguments;
    int min, max; /* how many of them */
    int (*run)(struct ctl *c, char **args);
    const char *help;
} commands[] = {
    {"scef", "ls", "", 0, 0, ctl_scef_ls, "the SCEFs, and how they are"},
    {"group", "ls", "", 0, 0, ctl_group_ls, "the groups of devices, and their NIDD configurations"},
    {"route", "ls", "", 0, 0, ctl_route_ls, "the routes in force: which server gets what"},
    {"device", "ls", "", 0, 0, ctl_device_ls, "all devices"},
    {"device", "show", "ID", 1, 1, ctl_device_show, "one device, by External Identifier or MSISDN"},
    {"queue", "ls", "[ID]", 0, 1, ctl_queue_ls, "messages that wait for a device, or for any"},
    {"queue", "show", "ID SEQ", 2, 2, ctl_queue_show, "one of them, with its options and bytes"},
    {"queue", "totals", "", 0, 0, ctl_queue_totals, "how many wait, in which states, since when, for whom most"},
    {"queue", "cancel", "ID SEQ", 2, 2, ctl_queue_cancel, "end one; its server gets 5.03"},
    {"queue", "purge", "ID | --all", 0, 1, ctl_queue_purge, "end all of a device, or of all devices"},
    {"queue", "replay", "ID [SEQ]", 1, 2, ctl_queue_replay, "try now, whatever it waits for: one, or all of a device"},
    {"history", "ls", "[ID]", 0, 1, ctl_history_ls, "what became of messages, latest first"},
    {"health", NULL, "", 0, 0, ctl_health, "is it alive, is it ready; exit status 0 when it is alive"},
    {"metrics", NULL, "", 0, 0, ctl_metrics, "counters and gauges in Prometheus' format"},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *f)
{
    fputs("usage: scefctl [--admin URL] [--json] [--limit N] COMMAND\n\n", f);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *k = &commands[i];
        char line[80];
        snprintf(line, sizeof(line), "%s%s%s %s", k->noun, k->verb ? " " : "", k->verb ? k->verb : "", k->arguments);
        fprintf(f, "  %-22s %s\n", line, k->help);
    }
    fputs("\n"
          "  --admin URL          the adapter's admin port (default: $SCEFCTL_ADMIN, else http://127.0.0.1:8090)\n"
          "  --json               JSON, one object per line\n"
          "  --limit N            at most N entries of a list\n"
          "  --all                queue purge: of all devices\n"
          "  --older-than S       queue purge: only what was accepted more than S seconds ago\n"
          "  --server NAME        queue purge: only what this server has sent\n"
          "  --yes                queue purge: without a question\n"
          "  --version, --help\n"
          "\n"
          "Exit status: 0, 1 it failed or there is no such thing, 2 wrong arguments.\n",
          f);
}

static int ctl_health(struct ctl *c, char **args)
{
    (void)args;
    char *alive = NULL;
    json_t *ready = NULL;
    long status = 0;
    int rc = ctl_get_text(c, "/livez", &alive, NULL);
    free(alive);
    if (rc == CTL_OK)
        rc = ctl_get_json(c, "/readyz", &ready, &status);
    if (rc != CTL_OK)
        return rc;
    if (c->json) {
        json_dumpf(ready, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        printf("alive, %s\n", status == 200 ? "ready" : "not ready");
        size_t i;
        json_t *reason;
        json_array_foreach(json_object_get(ready, "reasons"), i, reason)
            printf("  %s\n", json_is_string(reason) ? json_string_value(reason) : "?");
    }
    json_decref(ready);
    return CTL_OK;
}

static int ctl_metrics(struct ctl *c, char **args)
{
    (void)args;
    char *body = NULL;
    int rc = ctl_get_text(c, "/metrics", &body, NULL);
    if (rc == CTL_OK)
        fputs(body, stdout);
    free(body);
    return rc;
}

static const struct command *command_find(int argc, char **argv, int *used)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *k = &commands[i];
        if (argc < 1 || strcmp(argv[0], k->noun) != 0)
            continue;
        if (k->verb && (argc < 2 || strcmp(argv[1], k->verb) != 0))
            continue;
        *used = k->verb ? 2 : 1;
        return k;
    }
    return NULL;
}

static int command_run(struct ctl *c, int argc, char **argv)
{
    int used = 0;
    const struct command *k = command_find(argc, argv, &used);
    if (!k) {
        if (argc < 1)
            usage(stderr);
        else
            fprintf(stderr, "scefctl: no command '%s%s%s'; --help lists them\n", argv[0], argc > 1 ? " " : "",
                    argc > 1 ? argv[1] : "");
        return CTL_USAGE;
    }
    if (argc - used < k->min || argc - used > k->max) {
        fprintf(stderr, "scefctl: usage: scefctl %s%s%s %s\n", k->noun, k->verb ? " " : "", k->verb ? k->verb : "",
                k->arguments);
        return CTL_USAGE;
    }
    const struct ctl_purge *p = &c->purge;
    if (k->run != ctl_queue_purge && (p->all || p->yes || p->older_than_s || p->server)) {
        fputs("scefctl: --all, --older-than, --server and --yes go with `queue purge` only\n", stderr);
        return CTL_USAGE;
    }
    c->curl = curl_easy_init();
    if (!c->curl) {
        fputs("scefctl: out of memory\n", stderr);
        return CTL_FAILED;
    }
    int rc = k->run(c, argv + used); /* argv ends with NULL */
    curl_easy_cleanup(c->curl);
    if (fflush(stdout) != 0 && rc == CTL_OK) {
        perror("scefctl: standard output");
        rc = CTL_FAILED;
    }
    return rc;
}

static bool limit_parse(const char *text, unsigned long *out)
{
    size_t n = strlen(text);
    *out = strtoul(text, NULL, 10);
    return n > 0 && n < 10 && strspn(text, "0123456789") == n && *out > 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},
        {"limit", required_argument, NULL, 'l'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"all", no_argument, NULL, 'A'},
        {"older-than", required_argument, NULL, 'o'},
        {"server", required_argument, NULL, 's'},
        {"yes", no_argument, NULL, 'y'},
        {NULL, 0, NULL, 0},
    };
    const char *from_environment = getenv("SCEFCTL_ADMIN");
    struct ctl c = {.admin = from_environment && *from_environment ? from_environment : "http://127.0.0.1:8090"};
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (o) {
        case 'a':
            c.admin = optarg;
            break;
        case 'j':
            c.json = true;
            break;
        case 'l':
            if (limit_parse(optarg, &c.limit))
                break;
            fprintf(stderr, "scefctl: --limit '%s': expected a number from 1\n", optarg);
            return CTL_USAGE;
        case 'A':
            c.purge.all = true;
            break;
        case 'o':
            c.purge.older_than_s = optarg;
            break;
        case 's':
            c.purge.server = optarg;
            break;
        case 'y':
            c.purge.yes = true;
            break;
        case 'v':
            puts("scefctl " SCEF_VERSION);
            return CTL_OK;
        case 'h':
            usage(stdout);
            return CTL_OK;
        default:
            fputs("scefctl: --help lists the arguments\n", stderr);
            return CTL_USAGE;
        }
    }
    return command_run(&c, argc - optind, argv + optind);
}
