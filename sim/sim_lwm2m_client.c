/*
 * sim-lwm2m-client: a small LwM2M 1.1 client for tests and demonstrations, with the objects Server
 * (1) and Device (3). It talks only to one server and prints what happens.
 */
#include "sim/sim_lwm2m_client.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: sim-lwm2m-client --server HOST:PORT --endpoint NAME [OPTION]...\n"
    "A small LwM2M 1.1 client over CoAP/UDP: registers, keeps the registration alive, answers\n"
    "reads, writes, executes, discovers and observes on the objects Server (/1/0) and Device\n"
    "(/3/0), prints every event as one line on standard output. It hears only the server's address.\n"
    "\n"
    "  --server HOST:PORT   the LwM2M server, or whatever relays to it\n"
    "  --endpoint NAME      endpoint name, such as urn:nai:dev4@example.org\n"
    "  --lifetime S         of the registration (default 300)\n"
    "  --binding B          U or UQ for queue mode (default U)\n"
    "  --notify-period S    let the battery level fall and notify every observer each S seconds\n"
    "                       (default: notify only what a write changes)\n"
    "  --non-notify         notifications as NON (default CON)\n"
    "  --update-period S    registration update each S seconds (default: at 3/4 of the lifetime)\n"
    "  --send-period S      LwM2M Send of battery level and time each S seconds (default: never)\n"
    "  --local-port P       port to send from (default: a free one)\n"
    "  --ack-timeout S      CoAP's ACK_TIMEOUT: first retransmission after S to 1.5 S (default 2)\n"
    "  --answer-timeout S   wait so long for an answer once acknowledged (default 120)\n"
    "  --duration S         deregister and end after S seconds\n"
    "  --json               events as JSON objects instead of key=value\n"
    "  --verbose            libcoap's debug log on standard error\n"
    "  --help               this text\n"
    "\n"
    "SIGTERM and SIGINT make it deregister and end; a second one ends it at once.\n"
    "Exit status: 0 when it has been registered, 1 when it never was, 2 for a bad command line.\n";

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked++;
}

static bool bad_value(const char *option, const char *value)
{
    fprintf(stderr, "sim-lwm2m-client: --%s: bad value: %s\n", option, value);
    return false;
}

static bool parse_options(int count, char **arguments, struct client *client)
{
    struct client_options *options = &client->options;
    enum {
        SERVER,
        ENDPOINT,
        LIFETIME,
        BINDING,
        NOTIFY,
        NON,
        UPDATE,
        SEND,
        PORT,
        ACK,
        ANSWER,
        DURATION,
        JSON,
        VERBOSE,
        HELP
    };
    static const struct option known[] = {
        {"server", required_argument, NULL, SERVER},
        {"endpoint", required_argument, NULL, ENDPOINT},
        {"lifetime", required_argument, NULL, LIFETIME},
        {"binding", required_argument, NULL, BINDING},
        {"notify-period", required_argument, NULL, NOTIFY},
        {"non-notify", no_argument, NULL, NON},
        {"update-period", required_argument, NULL, UPDATE},
        {"send-period", required_argument, NULL, SEND},
        {"local-port", required_argument, NULL, PORT},
        {"ack-timeout", required_argument, NULL, ACK},
        {"answer-timeout", required_argument, NULL, ANSWER},
        {"duration", required_argument, NULL, DURATION},
        {"json", no_argument, NULL, JSON},
        {"verbose", no_argument, NULL, VERBOSE},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    for (int which, index = 0; (which = getopt_long(count, arguments, "", known, &index)) != -1;) {
        double *period_s = NULL;
        switch (which) {
        case SERVER:
            options->server = optarg;
            break;
        case ENDPOINT:
            options->endpoint = optarg;
            if (*optarg == '\0' || strlen(optarg) > 250) /* with ep= it is one Uri-Query */
                return bad_value("endpoint", optarg);
            break;
        case LIFETIME:
            if (!end_parse_number(optarg, 1, INT32_MAX, &options->lifetime_s))
                return bad_value("lifetime", optarg);
            break;
        case BINDING:
            options->binding = optarg;
            if (strcmp(optarg, "U") != 0 && strcmp(optarg, "UQ") != 0)
                return bad_value("binding", optarg);
            break;
        case NON:
            options->non_notify = true;
            break;
        case PORT:
            if (!end_parse_number(optarg, 1, 65535, &options->local_port))
                return bad_value("local-port", optarg);
            break;
        case NOTIFY:
            period_s = &options->notify_period_s;
            break;
        case UPDATE:
            period_s = &options->update_period_s;
            break;
        case SEND:
            period_s = &options->send_period_s;
            break;
        case ACK:
            period_s = &options->ack_timeout_s;
            break;
        case ANSWER:
            period_s = &options->answer_timeout_s;
            break;
        case DURATION:
            period_s = &options->duration_s;
            break;
        case JSON:
            client->events.json = true;
            break;
        case VERBOSE:
            options->verbose = true;
            break;
        case HELP:
            options->help = true;
            return true;
        default:
            return false; /* getopt has said what is wrong */
        }
        if (period_s != NULL && (!end_parse_seconds(optarg, period_s) || *period_s <= 0))
            return bad_value(known[index].name, optarg);
    }
    const char *fault = options->server == NULL     ? "--server is missing"
                        : options->endpoint == NULL ? "--endpoint is missing"
                        : optind < count            ? "unexpected arguments"
                                                    : NULL;
    if (fault != NULL)
        fprintf(stderr, "sim-lwm2m-client: %s\n", fault);
    return fault == NULL && end_address_parse(options->server, &options->address);
}

static bool connect_to(struct client *client)
{
    const struct client_options *options = &client->options;
    coap_address_t local;
    coap_address_init(&local);
    local.size = options->address.size;
    local.addr.sa.sa_family = options->address.addr.sa.sa_family;
    coap_address_set_port(&local, (uint16_t)options->local_port);
    client->session = coap_new_client_session(client->context, options->local_port > 0 ? &local : NULL,
                                              &options->address, COAP_PROTO_UDP);
    if (client->session == NULL) {
        fprintf(stderr, "sim-lwm2m-client: cannot open a socket towards %s: %s\n", options->server, strerror(errno));
        return false;
    }
    unsigned ms = (unsigned)(options->ack_timeout_s * 1000 + 0.5);
    coap_session_set_ack_timeout(client->session, (coap_fixed_point_t){(uint16_t)(ms / 1000), (uint16_t)(ms % 1000)});
    return true;
}

static void run(struct client *client)
{
    const struct client_options *options = &client->options;
    double end_s = options->duration_s > 0 ? end_now_s() + options->duration_s : 0;
    client->notify_at_s = end_now_s() + options->notify_period_s;
    while (!client->stopped && stop_asked < 2) {
        double now_s = end_now_s();
        if (!client->stopping && (stop_asked > 0 || (end_s > 0 && now_s >= end_s)))
            registration_stop(client);
        if (options->notify_period_s > 0 && now_s >= client->notify_at_s) {
            client->notify_at_s += options->notify_period_s;
            if (client->notify_at_s < now_s) /* never a burst after a pause */
                client->notify_at_s = now_s + options->notify_period_s;
            if (client->registered && !client->stopping)
                requests_notify_all(client);
        }
        registration_step(client, now_s);
        /* Short enough for a period of a tenth of a second, and for signals. 0 would wait for ever.
         */
        coap_io_process(client->context, 20);
    }
}

int main(int count, char **arguments)
{
    struct client client = {
        .options = {.binding = "U", .lifetime_s = 300, .ack_timeout_s = 2, .answer_timeout_s = 120},
        .events = {.file = stdout},
    };
    int status = END_EXIT_USAGE;

    coap_startup();
    if (!parse_options(count, arguments, &client))
        goto out;
    if (client.options.help) {
        fputs(help, stdout);
        status = END_EXIT_OK;
        goto out;
    }
    end_libcoap_log_to_stderr(client.options.verbose);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    status = END_EXIT_FAILED;
    client.objects = objects_new();
    client.context = coap_new_context(NULL);
    if (client.objects == NULL || client.context == NULL || !requests_init(&client)) {
        fprintf(stderr, "sim-lwm2m-client: out of memory\n");
        goto out;
    }
    objects_resource(client.objects, OBJECT_SERVER, SERVER_LIFETIME)->number = client.options.lifetime_s;
    objects_set_text(objects_resource(client.objects, OBJECT_SERVER, SERVER_BINDING), client.options.binding);
    objects_set_text(objects_resource(client.objects, OBJECT_DEVICE, DEVICE_BINDING), client.options.binding);
    coap_set_app_data(client.context, &client);
    /* A Request-Tag on each short request would be bytes over the radio that no device sends. */
    coap_context_set_block_mode(client.context,
                                COAP_BLOCK_USE_LIBCOAP | COAP_BLOCK_SINGLE_BODY | COAP_BLOCK_NO_PREEMPTIVE_RTAG);
    registration_init(&client);
    if (!connect_to(&client))
        goto out;
    run(&client);
    status = client.ever_registered ? END_EXIT_OK : END_EXIT_FAILED;
out:
    coap_session_release(client.session);
    coap_free_context(client.context);
    coap_cleanup();
    end_replies_free(client.replies);
    objects_free(client.objects);
    return status;
}
