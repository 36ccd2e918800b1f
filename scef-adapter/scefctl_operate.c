/* What changes queues: cancel, purge, replay. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scef-adapter/scefctl.h"

static bool is_number(const char *text)
{
    const size_t n = strlen(text);
    return n > 0 && n < 20 && strspn(text, "0123456789") == n;
}

char *ctl_message_path(struct ctl *c, const char *id, const char *seq, const char *rest, int *rc)
{
    char *tail = NULL, *path = NULL;
    *rc = CTL_USAGE;
    if (!is_number(seq)) {
        fprintf(stderr, "scefctl: '%s' is no sequence number; `scefctl queue ls %s` shows them\n", seq, id);
        return NULL;
    }
    *rc = CTL_FAILED;
    if (asprintf(&tail, "/queue/%s%s", seq, rest) < 0)
        tail = NULL;
    if (tail)
        path = ctl_device_path(c, id, tail);
    else
        fputs("scefctl: out of memory\n", stderr);
    free(tail);
    return path;
}

static int answer_print(struct ctl *c, json_t *answer, const char *what)
{
    if (c->json) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        const json_int_t asked = json_integer_value(json_object_get(answer, "asked"));
        if (json_is_integer(json_object_get(answer, "cancelled")))
            printf("%s %lld", what, (long long)json_integer_value(json_object_get(answer, "cancelled")));
        else
            printf("%s", what);
        if (asked)
            printf("; %lld lie with the SCEF, which is asked to let go of them (`scefctl history ls` tells)",
                   (long long)asked);
        putchar('\n');
    }
    json_decref(answer);
    return CTL_OK;
}

/* Takes `path` over. */
static int change(struct ctl *c, const char *method, char *path, const char *what)
{
    json_t *answer;
    long status;
    int rc = path ? ctl_request_json(c, method, path, &answer, &status) : CTL_FAILED;
    free(path);
    return rc == CTL_OK ? answer_print(c, answer, what) : rc;
}

int ctl_queue_cancel(struct ctl *c, char **args)
{
    int rc;
    char *path = ctl_message_path(c, args[0], args[1], "", &rc);
    return path ? change(c, "DELETE", path, "cancelled") : rc;
}

int ctl_queue_replay(struct ctl *c, char **args)
{
    int rc = CTL_FAILED;
    char *path =
        args[1] ? ctl_message_path(c, args[0], args[1], "/replay", &rc) : ctl_device_path(c, args[0], "/queue/replay");
    return path ? change(c, "POST", path, "tried now; `scefctl queue ls` and `history ls` tell what comes of it") : rc;
}

/* ---- purge ---- */

/* Of every message that fits. */
static char *purge_path(struct ctl *c, const char *id)
{
    const struct ctl_purge *p = &c->purge;
    char *server = curl_easy_escape(c->curl, p->server ? p->server : "", 0), *query = NULL, *path = NULL;
    if (!server || asprintf(&query, "%s%s%s%s%s%s", p->older_than_s || p->server ? "?" : "",
                            p->older_than_s ? "older_than_s=" : "", p->older_than_s ? p->older_than_s : "",
                            p->older_than_s && p->server ? "&" : "", p->server ? "server=" : "", server) < 0)
        query = NULL;
    char *rest = NULL;
    if (query && asprintf(&rest, "%s%s", id ? "/queue" : "/v1/queue", query) < 0)
        rest = NULL;
    if (rest && id) {
        path = ctl_device_path(c, id, rest);
        free(rest);
    } else {
        path = rest;
    }
    if (!query)
        fputs("scefctl: out of memory\n", stderr);
    curl_free(server);
    free(query);
    return path;
}

static int confirm(const struct ctl *c, const char *id)
{
    char answer[16];
    if (c->purge.yes)
        return CTL_OK;
    if (!isatty(STDIN_FILENO)) {
        fputs("scefctl: a purge ends messages for good; say --yes\n", stderr);
        return CTL_USAGE;
    }
    fprintf(stderr, "End the waiting messages of %s%s%s%s%s for good? [y/N] ", id ? id : "ALL devices",
            c->purge.server ? " from server " : "", c->purge.server ? c->purge.server : "",
            c->purge.older_than_s ? ", older than (s) " : "", c->purge.older_than_s ? c->purge.older_than_s : "");
    if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return CTL_OK;
    fputs("scefctl: nothing was done\n", stderr);
    return CTL_FAILED;
}

int ctl_queue_purge(struct ctl *c, char **args)
{
    if (!args[0] != c->purge.all) {
        fputs("scefctl: queue purge: whose? One device's ID, or --all\n", stderr);
        return CTL_USAGE;
    }
    if (c->purge.older_than_s && !is_number(c->purge.older_than_s)) {
        fprintf(stderr, "scefctl: --older-than '%s': expected seconds\n", c->purge.older_than_s);
        return CTL_USAGE;
    }
    int rc = confirm(c, args[0]);
    return rc == CTL_OK ? change(c, "DELETE", purge_path(c, args[0]), "cancelled") : rc;
}
