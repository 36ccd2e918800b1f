/* A store at work, and nothing else: what bench_redis.py sets beside redis-benchmark. Messages of 120 bytes go into the
 * queues of devices at random; `under-way` flushes of `puts` messages each are kept under way.
 *
 *   bench_store_load --store redis --uri URI [--durability fsync] | --store lmdb --path DIRECTORY
 *                    [--devices 100000] [--seconds 1] [--warmup 0.2] [--puts 16] [--under-way 64]
 *                    prints one line of JSON
 *   ...              --fill devices|messages      the records of each device, or a message for it, then ends
 *   bench_store_load --command PUTS [--puts 16]   the command that stores so many messages, as it goes to Redis; each
 *                    device's number is written __rand_int__. After it an empty line and the script. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "buffering/record.h"
#include "buffering/store_redis.h"
#include "buffering/store_redis_script.h"
#include "tests/bench/common.h"

#define MESSAGE_BYTES 120
#define MAP_BYTES     ((uint64_t)8 << 30)
#define UNDER_WAY_MAX 4096
#define LIFETIME_MS   86400000u

struct load {
    struct loop loop;
    struct store *store;
    struct prng prng;
    uint64_t seq, base_ms;
    uint32_t devices;
    unsigned puts, under_way;
    struct buf key, value;
    uint64_t flushed, told, failed;
    uint64_t flushed_ns[UNDER_WAY_MAX]; /* by ticket, which counts flushes */
    struct samples latency;
    bool measuring;
};

static void must(enum error err, const char *what)
{
    if (err)
        die("%s: %s", what, error_text(err));
}

static void on_committed(void *ctx, uint64_t ticket, enum error err)
{
    struct load *l = ctx;
    const uint64_t now = now_ns();
    must(err, "committed");
    while (l->told < ticket) {
        l->told++;
        if (l->measuring)
            samples_add(&l->latency, now - l->flushed_ns[l->told % UNDER_WAY_MAX]);
    }
}

static void store_start(struct load *l, int argc, char **argv)
{
    const char *kind = arg_text(argc, argv, "--store", NULL);
    const struct store_sink sink = {l, on_committed};
    must(loop_init(&l->loop), "loop");
    if (strcmp(kind, "lmdb") == 0) {
        const char *why = NULL;
        enum error err =
            store_lmdb_open(&l->loop, arg_text(argc, argv, "--path", NULL), MAP_BYTES, sink, &l->store, &why);
        if (err)
            die("%s", why ? why : error_text(err));
        return;
    }
    static const char *const levels[] = {"memory", "everysec", "fsync", "replicated"};
    static struct store_redis_options o = {.prefix = "bench", .replicas = 1, .timeout_ms = 10000};
    static char why[STORE_REDIS_WHY_MAX];
    const char *level = arg_text(argc, argv, "--durability", "fsync");
    const char *fault = redis_uri_parse(arg_text(argc, argv, "--uri", NULL), &o.address, &o.tls.on, &o.database);
    if (fault)
        die("uri: %s", fault);
    while (strcmp(levels[o.durability], level) != 0)
        if (++o.durability > STORE_REPLICATED)
            die("durability: what is %s?", level);
    if (store_redis_open(&l->loop, &o, sink, &l->store, why) != OK)
        die("%s", why);
}

static void device_id(uint32_t number, char id[48])
{
    snprintf(id, 48, "%015" PRIu32 "@n.example", number);
}

static void message_put(struct load *l, const char *id)
{
    static const uint8_t message[MESSAGE_BYTES];
    const struct record_message m = {.device_id = bytes_of_str(id),
                                     .seq = ++l->seq,
                                     .server = BYTES_LIT("main"),
                                     .accepted_ms = l->base_ms,
                                     .deadline_ms = l->base_ms + LIFETIME_MS,
                                     .message = bytes_of(message, sizeof(message))};
    buf_reset(&l->key);
    buf_reset(&l->value);
    record_message_key(RECORD_DOWNLINK, m.device_id, m.seq, &l->key);
    record_message_encode(buf_bytes(&l->key), &m, &l->value);
}

static void device_put(struct load *l, uint32_t number)
{
    char id[48];
    char link[128];
    device_id(number, id);
    snprintf(link, sizeof(link), "http://127.0.0.1:8080/3gpp-nidd/v1/as1/configurations/%08" PRIx32, number);
    const struct record_device d = {.id = bytes_of_str(id),
                                    .configuration_link = bytes_of_str(link),
                                    .leg = number,
                                    .maximum_packet_size_bytes = 1358};
    buf_reset(&l->key);
    buf_reset(&l->value);
    record_device_key(d.id, &l->key);
    record_device_encode(buf_bytes(&l->key), &d, &l->value);
    store_put(l->store, buf_bytes(&l->key), buf_bytes(&l->value));
    buf_reset(&l->key);
    buf_reset(&l->value);
    record_leg_key(number, &l->key);
    record_index_encode(buf_bytes(&l->key), d.id, &l->value);
    store_put(l->store, buf_bytes(&l->key), buf_bytes(&l->value));
}

static void flush(struct load *l)
{
    l->flushed_ns[++l->flushed % UNDER_WAY_MAX] = now_ns();
    store_flush(l->store);
}

/* Until fewer than so many flushes are under way. */
static void wait_below(struct load *l, uint64_t under_way)
{
    uv_run(&l->loop.uv, UV_RUN_NOWAIT);
    while (l->flushed - l->told >= under_way)
        uv_run(&l->loop.uv, UV_RUN_ONCE);
}

static void fill(struct load *l, const char *what)
{
    const bool messages = strcmp(what, "messages") == 0;
    for (uint32_t n = 0; n < l->devices;) {
        for (unsigned i = 0; i < l->puts && n < l->devices; i++, n++) {
            char id[48];
            device_id(n, id);
            if (!messages) {
                device_put(l, n);
                continue;
            }
            message_put(l, id);
            store_put(l->store, buf_bytes(&l->key), buf_bytes(&l->value));
        }
        flush(l);
        wait_below(l, l->under_way);
    }
    wait_below(l, 1);
}

static void run_until(struct load *l, uint64_t end_ns)
{
    while (now_ns() < end_ns) {
        for (unsigned i = 0; i < l->puts; i++) {
            char id[48];
            device_id((uint32_t)prng_below(&l->prng, l->devices), id);
            message_put(l, id);
            store_put(l->store, buf_bytes(&l->key), buf_bytes(&l->value));
        }
        flush(l);
        wait_below(l, l->under_way);
    }
}

static void measure(struct load *l, double warmup, double seconds, int watched)
{
    struct span span;
    samples_init(&l->latency, 1u << 20);
    run_until(l, now_ns() + (uint64_t)(warmup * 1e9));
    span_begin(&span, watched);
    l->measuring = true;
    const uint64_t before = l->told;
    run_until(l, now_ns() + (uint64_t)(seconds * 1e9));
    span_end(&span);
    const uint64_t told = l->told - before;
    wait_below(l, 1);
    printf("{\"puts\":%" PRIu64 ",\"seconds\":%.6f,\"own_cpu\":%.6f,\"watched_cpu\":%.6f,\"foreign_cpu\":%.6f,"
           "\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
           told * l->puts, span.seconds, span.own_cpu, span.watched_cpu, span.foreign_cpu, samples_ms(&l->latency, 0.5),
           samples_ms(&l->latency, 0.99));
}

/* Everything is as in a run, but that all devices are one. */
static void command_print(struct load *l, unsigned count)
{
    struct batches batches = {0};
    struct batch_list list = {0};
    struct redis_commit commit = {0};
    static const char sha[REDIS_SHA_LEN + 1] = "________________________________________";
    must(batches_init(&batches), "batches");
    for (unsigned n = 0; n < count; n++) {
        char id[48];
        snprintf(id, sizeof(id), "%03u__rand_int__@n.example", n % 1000);
        message_put(l, id);
        batches_put(&batches, buf_bytes(&l->key), buf_bytes(&l->value));
        if ((n + 1) % l->puts == 0 || n + 1 == count)
            batch_list_push(&list, batches_close(&batches));
    }
    size_t taken = 0;
    must(redis_commit_encode(&commit, "bench", sha, 1, list.first, &taken), "encode");
    fwrite(commit.out.data, 1, commit.out.len, stdout);
    printf("\n%s", redis_script_commit);
    for (struct batch *b; (b = batch_list_pop(&list));)
        batches_recycle(&batches, b);
    redis_commit_free(&commit);
    batches_free(&batches);
}

int main(int argc, char **argv)
{
    static struct load l = {.base_ms = 1767225600000u};
    const char *what = arg_text(argc, argv, "--fill", "");
    const unsigned command = (unsigned)arg_number(argc, argv, "--command", 0);
    l.devices = (uint32_t)arg_number(argc, argv, "--devices", 100000);
    l.puts = (unsigned)arg_number(argc, argv, "--puts", 16);
    l.under_way = (unsigned)arg_number(argc, argv, "--under-way", 64);
    if (l.puts == 0 || l.under_way == 0 || l.under_way >= UNDER_WAY_MAX || l.devices == 0)
        die("--puts, --under-way (below %d) and --devices are at least 1", UNDER_WAY_MAX);
    prng_seed(&l.prng, 1);
    if (command) {
        command_print(&l, command);
    } else {
        store_start(&l, argc, argv);
        if (*what)
            fill(&l, what);
        else
            measure(&l, arg_number(argc, argv, "--warmup", 0.2), arg_number(argc, argv, "--seconds", 1),
                    (int)arg_number(argc, argv, "--watch", 0));
        store_close(l.store);
        loop_free(&l.loop);
    }
    buf_free(&l.key);
    buf_free(&l.value);
    return fflush(stdout) ? 1 : 0;
}
