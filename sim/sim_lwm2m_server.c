/*
 * sim-lwm2m-server: a small LwM2M 1.1 server for tests and demonstrations. It accepts
 * registrations, performs a script of operations on each client and prints what happens.
 */
#include "sim/sim_lwm2m_server.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: sim-lwm2m-server [OPTION]...\n"
    "A small LwM2M 1.1 server over CoAP/UDP: accepts registrations, performs a script of operations\n"
    "on each client that registers, prints every event as one line on standard output.\n"
    "\n"
    "  --listen HOST:PORT   where to listen (default 127.0.0.1:5683; port 0 picks a free one,\n"
    "                       told by the first event)\n"
    "  --script FILE        operations, see below; may be repeated\n"
    "  --op \"OPERATION\"     one operation; may be repeated, in order with --script\n"
    "  --expect N           start the script when N clients have registered (default: for each\n"
    "                       client as soon as it registers)\n"
    "  --timeout S          how long an operation may take (default 120); an answer may be late\n"
    "                       when a device sleeps, as long as an empty ACK came in time\n"
    "  --once               end when the expected clients (default 1) have finished the script\n"
    "  --duration S         end after S seconds in any case\n"
    "  --delay MS           answer registrations separately: empty ACK now, answer after MS\n"
    "  --json               events as JSON objects instead of key=value\n"
    "  --verbose            libcoap's debug log on standard error\n"
    "  --help               this text\n"
    "\n"
    "Exit status: 0 when asked to stop, or with --once when every operation of every expected\n"
    "client was answered as wished; 1 when not, with a summary on standard error; 2 for a bad\n"
    "command line or script.\n"
    "\n";

struct options {
    const char *listen;
    coap_address_t address;
    bool once, help;
    double duration_s; /* 0: no end */
};

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static bool bad_value(const char *option, const char *value)
{
    fprintf(stderr, "sim-lwm2m-server: --%s: bad value: %s\n", option, value);
    return false;
}

static bool parse_options(int count, char **arguments, struct options *options, struct server *server)
{
    enum { LISTEN, SCRIPT, OP, EXPECT, TIMEOUT, ONCE, DURATION, DELAY, JSON, VERBOSE, HELP };
    static const struct option known[] = {
        {"listen", required_argument, NULL, LISTEN},
        {"script", required_argument, NULL, SCRIPT},
        {"op", required_argument, NULL, OP},
        {"expect", required_argument, NULL, EXPECT},
        {"timeout", required_argument, NULL, TIMEOUT},
        {"once", no_argument, NULL, ONCE},
        {"duration", required_argument, NULL, DURATION},
        {"delay", required_argument, NULL, DELAY},
        {"json", no_argument, NULL, JSON},
        {"verbose", no_argument, NULL, VERBOSE},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    unsigned ops = 0;
    long number;
    bool verbose = false;
    for (int which, index = 0; (which = getopt_long(count, arguments, "", known, &index)) != -1;) {
        switch (which) {
        case LISTEN:
            options->listen = optarg;
            break;
        case SCRIPT:
            if (!script_file_add(&server->script, optarg))
                return false;
            break;
        case OP:
            if (!script_line_add(&server->script, "--op", ++ops, optarg))
                return false;
            break;
        case EXPECT:
            if (!end_parse_number(optarg, 1, 1000000, &number))
                return bad_value(known[index].name, optarg);
            server->expect = (unsigned)number;
            break;
        case TIMEOUT:
            if (!end_parse_seconds(optarg, &server->timeout_s) || server->timeout_s <= 0)
                return bad_value(known[index].name, optarg);
            break;
        case ONCE:
            options->once = true;
            break;
        case DURATION:
            if (!end_parse_seconds(optarg, &options->duration_s) || options->duration_s <= 0)
                return bad_value(known[index].name, optarg);
            break;
        case DELAY:
            if (!end_parse_number(optarg, 0, 3600000, &number))
                return bad_value(known[index].name, optarg);
            server->register_delay_s = (double)number / 1000;
            break;
        case JSON:
            server->events.json = true;
            break;
        case VERBOSE:
            verbose = true;
            break;
        case HELP:
            options->help = true;
            return true;
        default: /* getopt has said what is wrong */
            return false;
        }
    }
    if (optind < count) {
        fprintf(stderr, "sim-lwm2m-server: unexpected argument: %s\n", arguments[optind]);
        return false;
    }
    end_libcoap_log_to_stderr(verbose);
    return end_address_parse(options->listen, &options->address);
}

static bool listen_on(struct server *server, const struct options *options)
{
    coap_endpoint_t *endpoint = coap_new_endpoint(server->context, &options->address, COAP_PROTO_UDP);
    if (endpoint == NULL) {
        fprintf(stderr, "sim-lwm2m-server: cannot listen on %s: %s\n", options->listen, strerror(errno));
        return false;
    }
    /* libcoap writes "ADDRESS:PORT UDP", with the port that the kernel chose for 0. */
    char text[128];
    snprintf(text, sizeof text, "%s", coap_endpoint_str(endpoint));
    text[strcspn(text, " ")] = '\0';
    end_event_begin(&server->events, "listening");
    end_event_text(&server->events, "address", text);
    end_event_int(&server->events, "ops", (int64_t)server->script.count);
    end_event_end(&server->events);
    return true;
}

static unsigned clients_done(const struct server *server, unsigned *failed)
{
    unsigned done = 0;
    *failed = 0;
    for (const struct client *client = server->clients; client != NULL; client = client->next) {
        done += client->run.done;
        *failed += client->run.failed;
    }
    return done;
}

static int serve(struct server *server, const struct options *options)
{
    const double longest_wait_s = 0.25; /* a signal may come between the check and the wait */
    double end_s = options->duration_s > 0 ? end_now_s() + options->duration_s : 0;
    unsigned wanted = server->expect > 0 ? server->expect : 1, failed, done;
    for (;;) {
        double now_s = end_now_s(), wake_s = now_s + longest_wait_s;
        rd_expire(server, now_s);
        if (server->clients_registered >= server->expect)
            server->running = true;
        for (struct client *client = server->clients; client != NULL; client = client->next) {
            double next_s = run_step(server, client, now_s);
            wake_s = next_s < wake_s ? next_s : wake_s;
        }
        done = clients_done(server, &failed);
        if (stop_asked || (end_s > 0 && now_s >= end_s) ||
            (options->once && done >= wanted && done == server->clients_registered))
            break;
        double wait_ms = (wake_s - end_now_s()) * 1000;
        /* 0 would mean for ever to libcoap. */
        coap_io_process(server->context, wait_ms < 1 ? 1 : (uint32_t)wait_ms);
    }
    if (!options->once || (done >= wanted && failed == 0))
        return END_EXIT_OK;
    fprintf(stderr,
            "sim-lwm2m-server: %u of %u expected clients finished, %u registered, "
            "%u operations failed\n",
            done, wanted, server->clients_registered, failed);
    return END_EXIT_FAILED;
}

int main(int count, char **arguments)
{
    struct options options = {.listen = "127.0.0.1:5683"};
    struct server server = {.timeout_s = 120, .next_location = 1, .events = {.file = stdout}};
    int status = END_EXIT_USAGE;

    coap_startup();
    if (!parse_options(count, arguments, &options, &server))
        goto out;
    if (options.help) {
        printf("%s%s", help, script_help);
        status = END_EXIT_OK;
        goto out;
    }
    signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    status = END_EXIT_FAILED;
    server.context = coap_new_context(NULL);
    if (server.context == NULL || !rd_init(&server)) {
        fprintf(stderr, "sim-lwm2m-server: out of memory\n");
        goto out;
    }
    coap_set_app_data(server.context, &server);
    run_init(&server);
    if (!listen_on(&server, &options))
        goto out;
    status = serve(&server, &options);
out:
    rd_clear(&server);
    coap_free_context(server.context);
    coap_cleanup();
    script_clear(&server.script);
    return status;
}
