/* scefctl: what its files share. */
#ifndef SCEF_ADAPTER_SCEFCTL_H
#define SCEF_ADAPTER_SCEFCTL_H

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>

enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 }; /* exit status */
#define CTL_ENOUGH (-1)                             /* none: what a walk is ended with when nothing has failed */

struct ctl {
    CURL *curl;
    const char *admin; /* "http://127.0.0.1:8090" */
    bool json;
    unsigned long limit; /* of a list; 0 = all */
    struct ctl_purge {
        bool all, yes;
        const char *older_than_s, *server; /* NULL: not given */
    } purge;
};

/* ---- scefctl_client.c: each tells a failure on standard error, in one line, and returns the exit status */

/* One GET. The body is freed by the caller. `status` NULL: anything but 200 is a failure. */
int ctl_get_text(struct ctl *c, const char *path, char **body, long *status);
int ctl_get_json(struct ctl *c, const char *path, json_t **out, long *status);
/* Any method; any 2xx is fine. *out is freed by the caller. */
int ctl_request_json(struct ctl *c, const char *method, const char *path, json_t **out, long *status);
/* Every entry of the list under `member`, over all pages; each(...) returns an exit status, and ends the walk unless it
 * is CTL_OK. */
int ctl_each(struct ctl *c, const char *path, const char *member, int (*each)(void *ctx, const json_t *entry),
             void *ctx);
/* "/v1/devices/{id percent-encoded}{rest}"; freed by the caller; NULL when memory is short. */
char *ctl_device_path(struct ctl *c, const char *id, const char *rest);

/* ---- scefctl_show.c */
int ctl_scef_ls(struct ctl *c, char **args);
int ctl_group_ls(struct ctl *c, char **args);
int ctl_route_ls(struct ctl *c, char **args);
int ctl_device_ls(struct ctl *c, char **args);
int ctl_device_show(struct ctl *c, char **args);
int ctl_queue_ls(struct ctl *c, char **args);
int ctl_queue_show(struct ctl *c, char **args);
int ctl_queue_totals(struct ctl *c, char **args);
int ctl_history_ls(struct ctl *c, char **args);

/* ---- scefctl_operate.c */
int ctl_queue_cancel(struct ctl *c, char **args);
int ctl_queue_purge(struct ctl *c, char **args);
int ctl_queue_replay(struct ctl *c, char **args);
/* "/v1/devices/{id}/queue/{seq}{rest}" as ctl_device_path; NULL also when that is no sequence number, which is told. */
char *ctl_message_path(struct ctl *c, const char *id, const char *seq, const char *rest, int *rc);

#endif
