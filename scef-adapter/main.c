/* scef-adapter: the program. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "scef-adapter/wiring.h"

enum { EXIT_CONFIG = 2 };

static const char usage[] =
    "usage: scef-adapter --config FILE [--trace FILE]\n"
    "\n"
    "Relays CoAP and LwM2M between devices behind a 3GPP SCEF (T8) and LwM2M servers.\n"
    "\n"
    "  --config FILE    the configuration (YAML)\n"
    "  --check          check the configuration, tell every mistake, and exit\n"
    "  --trace FILE     append one JSON line per message event\n"
    "  --help-config    print a configuration with every key, its default and its meaning\n"
    "  --version        print the version\n"
    "  --help           print this\n"
    "\n"
    "SIGTERM ends it; what was accepted is in the store. SIGHUP has it read the configuration again: routes, devices'\n"
    "servers and endpoint names, the check of endpoint names and the log's level take effect at once, what needs a\n"
    "restart is told in the log, and with a mistake in it everything stays as it was. Exit status: 0, 1 it could not\n"
    "start, 2 wrong configuration or arguments.\n";

struct arguments {
    const char *config, *trace;
    bool check;
};

/* Returns the exit status when the arguments alone decide it, else -1. */
static int arguments_read(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"trace", required_argument, NULL, 't'},
        {"help-config", no_argument, NULL, 'e'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        struct buf text = {0};
        switch (o) {
        case 'c':
            out->config = optarg;
            break;
        case 'k':
            out->check = true;
            break;
        case 't':
            out->trace = optarg;
            break;
        case 'e':
            config_help(&text);
            fwrite(text.data, 1, text.len, stdout);
            buf_free(&text);
            return EXIT_SUCCESS;
        case 'v':
            puts("scef-adapter " SCEF_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs("scef-adapter: --help lists the arguments\n", stderr);
            return EXIT_CONFIG;
        }
    }
    if (optind < argc || !out->config) {
        if (optind < argc)
            fprintf(stderr, "scef-adapter: what is '%s'? --help lists the arguments\n", argv[optind]);
        else
            fputs("scef-adapter: --config FILE is missing; --help-config prints one to start from\n", stderr);
        return EXIT_CONFIG;
    }
    return -1;
}

/* The devices too, when it is only to be checked; else the start reads them, if it must. */
static int config_read(const char *path, bool whole, struct config **out)
{
    struct buf faults = {0};
    enum error err = whole ? config_load(path, out, &faults) : config_load_shared(path, out, &faults);
    if (faults.len)
        fwrite(faults.data, 1, faults.len, stderr);
    else if (err)
        fprintf(stderr, "scef-adapter: %s: %s\n", path, error_text(err));
    buf_free(&faults);
    return err ? EXIT_CONFIG : EXIT_SUCCESS;
}

struct program {
    struct loop loop;
    const char *config_path;
    struct adapter *adapter;
    bool stopping;
};

static void on_stopped(void *ctx)
{
    struct program *p = ctx;
    uv_stop(&p->loop.uv);
}

/* A second signal does not wait for anybody. */
static void on_signal(void *ctx)
{
    struct program *p = ctx;
    if (p->stopping || !p->adapter) {
        uv_stop(&p->loop.uv);
        return;
    }
    p->stopping = true;
    log_write(LOG_INFO, "stopping");
    adapter_stop(p->adapter);
}

static void on_hangup(void *ctx)
{
    struct program *p = ctx;
    if (p->adapter)
        adapter_reload(p->adapter, p->config_path);
}

static int run(struct config *c, const struct arguments *arguments)
{
    struct program p = {.config_path = arguments->config};
    struct loop_signals signals = {.fn = NULL};
    struct buf why = {0};
    if (loop_init(&p.loop) != OK) {
        fputs("scef-adapter: the event loop cannot be made\n", stderr);
        return EXIT_FAILURE;
    }
    const struct adapter_options o = {.config = c, .trace_path = arguments->trace, .stopped = on_stopped, .ctx = &p};
    enum error err = loop_signals_start(&p.loop, &signals, on_signal, &p);
    if (!err)
        err = loop_signals_hangup(&p.loop, &signals, on_hangup);
    if (!err)
        err = adapter_new(&p.loop, &o, &p.adapter, &why);
    if (err == ERR_CONFIG) {
        fwrite(why.data, 1, why.len, stderr);
    } else if (err) {
        fprintf(stderr, "scef-adapter: cannot start: %.*s\n", (int)why.len, why.len ? (const char *)why.data : "");
    } else {
        log_write(LOG_INFO, "started", LOG_S("version", SCEF_VERSION), LOG_S("scef", c->scefs[0].api_root),
                  LOG_I("scefs", c->scef_count), LOG_S("callback", c->callback.url),
                  LOG_I("callback_port", adapter_callback_port(p.adapter)),
                  LOG_I("admin_port", adapter_admin_port(p.adapter)));
        uv_run(&p.loop.uv, UV_RUN_DEFAULT);
        adapter_free(p.adapter);
        log_write(LOG_INFO, "stopped");
    }
    loop_signals_stop(&signals);
    loop_free(&p.loop);
    buf_free(&why);
    return err == ERR_CONFIG ? EXIT_CONFIG : err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.config = NULL};
    struct config *c;
    int status = arguments_read(argc, argv, &arguments);
    if (status >= 0)
        return status;
    status = config_read(arguments.config, arguments.check, &c);
    if (status != EXIT_SUCCESS)
        return status;
    log_set_level(c->log_level);
    if (arguments.check)
        printf("%s: ok\n", arguments.config);
    else
        status = run(c, &arguments);
    config_free(c);
    return status;
}
