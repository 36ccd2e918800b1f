/* What a device costs the engine that has nothing to say: its configuration is active, its queue empty, its exchanges
 * forgotten. The ports lead nowhere.
 *
 *   bench_idle_devices [--devices 1000000]        prints one line of JSON */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nidd/engine.h"
#include "tests/bench/common.h"
#include "tests/bench/wire.h"

#define PACKET_SIZE_BITS 12800
#define WINDOW           64

/* Configuration requests wait here: a port must not call an input. */
struct world {
    struct engine *engine;
    uint64_t now_ms, tickets;
    uint64_t refs[WINDOW];
    unsigned count;
    uint32_t created;
};

static enum error on_server_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                                 struct bytes rest)
{
    (void)ctx, (void)leg, (void)server, (void)header, (void)rest;
    return OK;
}

static void on_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    (void)ctx, (void)ref, (void)s;
    die("an idle device got a downlink");
}

static void on_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    struct world *w = ctx;
    (void)scef, (void)id;
    if (w->count == WINDOW)
        die("more than %d configuration requests at once", WINDOW);
    w->refs[w->count++] = ref;
}

static void on_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)ctx, (void)scef, (void)ref, (void)link;
    die("a new device has a link");
}

static uint64_t on_put(void *ctx, struct bytes key, struct bytes value)
{
    (void)key, (void)value;
    return ++((struct world *)ctx)->tickets;
}

static uint64_t on_delete(void *ctx, struct bytes key)
{
    (void)key;
    return ++((struct world *)ctx)->tickets;
}

static void on_uplink_answer(void *ctx, uint64_t uplink_ref, enum error err)
{
    (void)ctx, (void)uplink_ref, (void)err;
}

static void on_event(void *ctx, const struct engine_event *e)
{
    (void)ctx, (void)e;
}

static void must(enum error err, const char *what)
{
    if (err)
        die("%s: %s", what, error_text(err));
}

static void configurations_answer(struct world *w)
{
    while (w->count) {
        char link[64];
        uint64_t ref = w->refs[--w->count];
        snprintf(link, sizeof(link), "/as1/configurations/c%0*u", DEVICE_DIGITS, w->created++);
        const struct nidd_configuration_result r = {.http_status = 201,
                                                    .link = bytes_of_str(link),
                                                    .maximum_packet_size_bits = PACKET_SIZE_BITS,
                                                    .status = T8_NIDD_ACTIVE};
        engine_configuration_result(w->engine, w->now_ms, ref, &r);
        engine_stored(w->engine, w->now_ms, w->tickets, OK);
    }
    engine_wake(w->engine, ++w->now_ms);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static size_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
    if (!f || fscanf(f, "%*u %llu", &pages) != 1)
        die("/proc/self/statm cannot be read");
    fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    uint32_t devices = (uint32_t)arg_number(argc, argv, "--devices", 1000000);
    struct world w = {.now_ms = 1000000};
    const struct engine_ports ports = {.ctx = &w,
                                       .server_send = on_server_send,
                                       .downlink_submit = on_submit,
                                       .configuration_create = on_create,
                                       .configuration_get = on_get,
                                       .store_put = on_put,
                                       .store_delete = on_delete,
                                       .uplink_answer = on_uplink_answer,
                                       .event = on_event};
    struct engine_options o;
    struct engine_totals totals;
    struct span add, start;
    engine_options_default(&o);
    o.seed = 1;
    o.configuration_window = WINDOW;
    must(engine_new(&o, &ports, w.now_ms, &w.engine), "engine_new");
    must(engine_server_add(w.engine, &(struct engine_server_options){.name = "main"}), "engine_server_add");
    must(engine_scef_add(w.engine, &(struct engine_scef_options){.name = "scef"}), "engine_scef_add");

    size_t heap = heap_bytes(), resident = resident_bytes();
    span_begin(&add, 0);
    for (uint32_t i = 0; i < devices; i++) {
        char id[DEVICE_ID_CHARS];
        device_id_write(i, id);
        const struct engine_device_options d = {.id = {.external_id = bytes_of(id, sizeof(id))}, .group = ENGINE_NONE};
        must(engine_device_add(w.engine, &d), "engine_device_add");
    }
    engine_stored(w.engine, w.now_ms, w.tickets, OK);
    span_end(&add);
    span_begin(&start, 0);
    engine_start(w.engine, w.now_ms);
    while (w.count)
        configurations_answer(&w);
    span_end(&start);
    heap = heap_bytes() - heap;
    resident = resident_bytes() - resident;

    engine_totals_get(w.engine, &totals);
    if (totals.active_configurations != devices || totals.queued_messages || totals.exchanges)
        die("of %u devices %llu are active", devices, (unsigned long long)totals.active_configurations);
    printf("{\"devices\": %u, \"heap_bytes\": %zu, \"resident_bytes\": %zu, \"heap_per_device\": %.1f, "
           "\"resident_per_device\": %.1f, \"add_seconds\": %.3f, \"start_seconds\": %.3f}\n",
           devices, heap, resident, (double)heap / devices, (double)resident / devices, add.seconds, start.seconds);
    engine_free(w.engine);
    return 0;
}
