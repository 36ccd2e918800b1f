/* Asks a SCEF for operations by our client, one after the other, and prints what each came to: for the tests in Python,
 * which play the SCEF.
 *
 *     ask_scef --root URL [--dialect NAME] [--ca FILE] [--follow] OPERATION...
 *
 * OPERATION: CONFIGURATION_CREATE and so on (t8/dialect.h). A line of JSON each. With --follow later operations are
 * about what earlier ones have made, else about made-up resources. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "tests/t8/scs_requests.h"

struct answered {
    struct loop *loop;
    bool done;
    enum t8_operation operation;
    size_t items;
    bool follow;
    struct scs_links links;
};

static const char *operation_name(enum t8_operation o)
{
    static const char *const names[] = {
#define X(name, api, resource, method) #name,
        T8_OPERATION_TABLE(X)
#undef X
    };
    return names[o];
}

static void keep_link(struct answered *a, struct bytes link)
{
    char *made = a->operation == T8_CONFIGURATION_CREATE  ? a->links.configuration
                 : a->operation == T8_DELIVERY_CREATE     ? a->links.delivery
                 : a->operation == T8_TRANSACTION_CREATE  ? a->links.transaction
                 : a->operation == T8_SUBSCRIPTION_CREATE ? a->links.subscription
                                                          : NULL;
    if (made)
        snprintf(made, T8_MAX_LINK_BYTES, "%.*s", (int)link.len, (const char *)link.data);
}

static void print(struct answered *a, int http_status, enum t8_cause cause, struct bytes link, int shows)
{
    printf("{\"operation\":\"%s\",\"status\":%d,\"cause\":\"%s\",\"link\":\"%.*s\",\"shows\":%d,\"items\":%zu}\n",
           operation_name(a->operation), http_status, t8_cause_name(cause), (int)link.len, (const char *)link.data,
           shows, a->items);
    keep_link(a, link);
    a->done = true;
    uv_stop(&a->loop->uv);
}

static void on_configuration(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    (void)ref;
    print(ctx, r->http_status, r->cause, r->link, 0);
}

static void on_found(void *ctx, uint64_t ref, const struct nidd_configuration_found *found)
{
    struct answered *a = ctx;
    (void)ref, (void)found;
    a->items++;
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    (void)ref;
    print(ctx, r->http_status, r->cause, r->link, 0);
}

static void on_item(void *ctx, uint64_t ref, const struct scs_result *r)
{
    struct answered *a = ctx;
    (void)ref, (void)r;
    a->items++;
}

static void on_result(void *ctx, uint64_t ref, const struct scs_result *r)
{
    (void)ref;
    print(ctx, r->http_status, r->cause, r->link, (int)r->shows);
}

static enum t8_operation operation_of(const char *name)
{
    for (int o = 0; o < T8_OPERATION_COUNT; o++)
        if (strcmp(operation_name((enum t8_operation)o), name) == 0)
            return (enum t8_operation)o;
    fprintf(stderr, "no operation: %s\n", name);
    exit(2);
}

static void ask(struct answered *a, struct scs_client *c, const char *name)
{
    a->done = false;
    a->items = 0;
    a->operation = operation_of(name);
    enum error err = scs_ask(c, 1, a->operation, a->follow ? &a->links : NULL);
    if (err) {
        printf("{\"operation\":\"%s\",\"error\":\"%s\"}\n", name, error_name(err));
        return;
    }
    while (!a->done)
        uv_run(&a->loop->uv, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"root", required_argument, NULL, 'r'},
        {"dialect", required_argument, NULL, 'd'},
        {"ca", required_argument, NULL, 'c'},
        {"follow", no_argument, NULL, 'f'},
        {0},
    };
    struct loop loop;
    struct scs_client *c;
    struct scs_client_options o = {
        .api_root = "",
        .scs_as_id = "as1",
        .http = {.connect_timeout_ms = 5000, .timeout_ms = 10000, .max_connections = 1, .max_body_bytes = 1u << 20}};
    static struct answered a;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == 'r')
            o.api_root = optarg;
        else if (option == 'd')
            o.dialect = t8_dialect_find(optarg);
        else if (option == 'c')
            o.http.tls.ca_file = optarg;
        else if (option == 'f')
            a.follow = true;
        else
            return 2;
    }
    a.loop = &loop;
    const struct scs_client_sink sink = {.ctx = &a,
                                         .configuration_result = on_configuration,
                                         .configuration_found = on_found,
                                         .configuration_listed = on_configuration,
                                         .submit_result = on_submit,
                                         .item = on_item,
                                         .result = on_result};
    if (loop_init(&loop) != OK || scs_client_new(&loop, &o, &sink, &c) != OK)
        return 1;
    for (int i = optind; i < argc; i++)
        ask(&a, c, argv[i]);
    scs_client_free(c);
    loop_free(&loop);
    return 0;
}
