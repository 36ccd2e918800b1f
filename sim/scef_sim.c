/* scef-sim: the program. */
#include "sim/scef_sim.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { EXIT_CONFIG = 2 };

static const char usage[] =
    "usage: scef-sim --config FILE [--trace FILE]\n"
    "\n"
    "A 3GPP SCEF (T8, TS 29.122) with UEs behind it: power saving, loss, delay. Each UE is a built-in LwM2M client, or "
    "a\n"
    "UDP port that any real client is told as its server's.\n"
    "\n"
    "  --config FILE    what to simulate (YAML)\n"
    "  --trace FILE     append one JSON line per NAS message, client's doing and T8 exchange; - is standard output\n"
    "  --help-config    print a configuration with every key, its default and its meaning\n"
    "  --version        print the version\n"
    "  --help           print this\n"
    "\n"
    "Beside T8 (NIDD, device triggering, monitoring events) it answers, at the same address:\n"
    "  POST /oauth2/token\n         a token, when oauth is configured (RFC 6749 clause 4.4)\n";
static const char usage_end[] =
    "\n"
    "SIGTERM ends it. Exit status: 0, 1 it could not start, 2 wrong configuration or arguments.\n";

struct arguments {
    const char *config, *trace;
};

/* Returns the exit status when the arguments alone decide it, else -1. */
static int arguments_read(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"trace", required_argument, NULL, 't'},
        {"help-config", no_argument, NULL, 'e'},  {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            out->config = optarg;
            break;
        case 't':
            out->trace = optarg;
            break;
        case 'e':
            sim_config_help(stdout);
            return EXIT_SUCCESS;
        case 'v':
            puts("scef-sim " SCEF_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            sim_control_help(stdout);
            fputs(usage_end, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_CONFIG;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "scef-sim: what is '%s'? see scef-sim --help\n", argv[optind]);
        return EXIT_CONFIG;
    }
    if (out->config == NULL) {
        fputs("scef-sim: --config FILE is needed; see scef-sim --help\n", stderr);
        return EXIT_CONFIG;
    }
    return -1;
}

/* The mistake as told by sim_start: "LINE: KEY: what", or "KEY: what". */
static int start_failed(const char *file, enum error err, struct buf *why)
{
    buf_add_u8(why, 0);
    if (why->failed || why->len == 1)
        fprintf(stderr, "scef-sim: %s\n", error_text(err));
    else
        fprintf(stderr, "%s:%s\n", file, (const char *)why->data);
    return err == ERR_IDENTITY ? EXIT_CONFIG : EXIT_FAILURE;
}

static int run(const struct arguments *a, const struct sim_config *c)
{
    static struct scef_sim s;
    struct buf why = {0};
    int status = EXIT_SUCCESS;
    if (sim_trace_open(&s.trace, a->trace) != OK) {
        fprintf(stderr, "scef-sim: %s: %s\n", a->trace, strerror(errno));
        return EXIT_FAILURE;
    }
    enum error err = loop_init(&s.loop);
    if (err != OK) {
        fprintf(stderr, "scef-sim: %s\n", error_text(err));
        return EXIT_FAILURE;
    }
    err = sim_start(&s, c, &why);
    if (err == OK)
        uv_run(&s.loop.uv, UV_RUN_DEFAULT);
    else
        status = start_failed(a->config, err, &why);
    sim_stop(&s);
    loop_free(&s.loop);
    buf_free(&why);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    int status = arguments_read(argc, argv, &a);
    if (status >= 0)
        return status;
    struct sim_config config;
    struct buf errors = {0};
    enum error err = sim_config_load(a.config, &config, &errors);
    if (err == OK)
        status = run(&a, &config);
    else if (errors.len > 0)
        fwrite(errors.data, 1, errors.len, stderr);
    else
        fprintf(stderr, "scef-sim: %s\n", error_text(err));
    buf_free(&errors);
    if (err != OK)
        return err == ERR_CONFIG ? EXIT_CONFIG : EXIT_FAILURE;
    sim_config_free(&config);
    return status;
}
