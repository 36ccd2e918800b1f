/* What the embedded store costs against a bare loop of LMDB that does the same puts, in one run:
 *
 *   bench_store [DIRECTORY [SECONDS]]      default /var/tmp, 3; on a tmpfs a sync costs nothing and the CPU shows
 *
 * A flush holds 64 puts: message records of 160 bytes, of devices at random. "bare 64" commits every 64 puts and waits,
 * as a program without a writer thread would; "store xN" keeps N flushes under way. Latency is from flush to told. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/prng.h"
#include "buffering/record.h"
#include "buffering/store.h"

#define PUTS_PER_FLUSH 64
#define DEVICES        100000
#define MAP_BYTES      ((uint64_t)8 << 30)
#define SAMPLES_MAX    (1u << 20)
#define UNDER_WAY_MAX  256

struct bench {
    struct prng prng;
    uint64_t seq;
    uint64_t puts;
    uint64_t started_ns;
    uint64_t end_ns;
    uint64_t *samples_ns;
    size_t samples;
    struct buf key;
    struct buf value;

    struct store *store;
    struct loop loop;
    uint64_t flushed_ns[UNDER_WAY_MAX]; /* by ticket */
    uint64_t told;
};

static void record_next(struct bench *b)
{
    char id[32];
    static const uint8_t payload[100];
    snprintf(id, sizeof(id), "dev%06u@example.org", (unsigned)prng_below(&b->prng, DEVICES));
    const struct record_message m = {.device_id = bytes_of_str(id),
                                     .seq = ++b->seq,
                                     .server = BYTES_LIT("leshan"),
                                     .message = bytes_of(payload, sizeof(payload))};
    buf_reset(&b->key);
    buf_reset(&b->value);
    record_message_key(RECORD_DOWNLINK, m.device_id, m.seq, &b->key);
    record_message_encode(buf_bytes(&b->key), &m, &b->value);
}

static void sample(struct bench *b, uint64_t ns)
{
    if (b->samples < SAMPLES_MAX)
        b->samples_ns[b->samples++] = ns;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void report(struct bench *b, const char *what)
{
    const double seconds = (double)(uv_hrtime() - b->started_ns) / 1e9;
    qsort(b->samples_ns, b->samples, sizeof(uint64_t), by_size);
    const size_t p50 = b->samples / 2;
    const size_t p99 = b->samples * 99 / 100;
    printf("%-12s %10.0f puts/s   latency ms p50 %.3f p99 %.3f\n", what, (double)b->puts / seconds,
           (double)b->samples_ns[p50] / 1e6, (double)b->samples_ns[p99] / 1e6);
}

static void begin(struct bench *b, double seconds)
{
    b->puts = 0;
    b->samples = 0;
    b->told = 0;
    b->started_ns = uv_hrtime();
    b->end_ns = b->started_ns + (uint64_t)(seconds * 1e9);
}

static void check(int rc, const char *what)
{
    if (rc == 0)
        return;
    fprintf(stderr, "bench_store: %s: %d\n", what, rc);
    exit(1);
}

static void directory_clear(const char *dir)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "adapter.lock"};
    char path[600];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
}

static void run_bare(struct bench *b, const char *dir, unsigned puts_per_commit, double seconds)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    char what[32];
    directory_clear(dir);
    check(mdb_env_create(&env), "create");
    check(mdb_env_set_mapsize(env, MAP_BYTES), "mapsize");
    check(mdb_env_open(env, dir, 0, 0600), "open");
    check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    check(mdb_dbi_open(txn, NULL, 0, &dbi), "dbi");
    check(mdb_txn_commit(txn), "commit");
    begin(b, seconds);
    for (uint64_t now = uv_hrtime(); now < b->end_ns;) {
        check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
        for (unsigned i = 0; i < puts_per_commit; i++) {
            record_next(b);
            MDB_val key = {.mv_size = b->key.len, .mv_data = b->key.data};
            MDB_val value = {.mv_size = b->value.len, .mv_data = b->value.data};
            check(mdb_put(txn, dbi, &key, &value, 0), "put");
        }
        check(mdb_txn_commit(txn), "commit");
        b->puts += puts_per_commit;
        const uint64_t then = now;
        now = uv_hrtime();
        sample(b, now - then);
    }
    snprintf(what, sizeof(what), "bare %u", puts_per_commit);
    report(b, what);
    mdb_env_close(env);
}

static void on_committed(void *ctx, uint64_t ticket, enum error err)
{
    struct bench *b = ctx;
    const uint64_t now = uv_hrtime();
    check((int)err, "committed");
    while (b->told < ticket) {
        sample(b, now - b->flushed_ns[++b->told % UNDER_WAY_MAX]);
        b->puts += PUTS_PER_FLUSH;
    }
}

static void run_store(struct bench *b, const char *dir, unsigned under_way, double seconds)
{
    const char *why;
    char what[32];
    directory_clear(dir);
    check((int)loop_init(&b->loop), "loop");
    if (store_lmdb_open(&b->loop, dir, MAP_BYTES, (struct store_sink){b, on_committed}, &b->store, &why) != OK) {
        fprintf(stderr, "bench_store: %s\n", why);
        exit(1);
    }
    begin(b, seconds);
    for (uint64_t flushed = 0; uv_hrtime() < b->end_ns;) {
        while (flushed - b->told < under_way) {
            for (unsigned i = 0; i < PUTS_PER_FLUSH; i++) {
                record_next(b);
                store_put(b->store, buf_bytes(&b->key), buf_bytes(&b->value));
            }
            b->flushed_ns[++flushed % UNDER_WAY_MAX] = uv_hrtime();
            store_flush(b->store);
            uv_run(&b->loop.uv, UV_RUN_NOWAIT);
        }
        uv_run(&b->loop.uv, UV_RUN_ONCE);
    }
    snprintf(what, sizeof(what), "store x%u", under_way);
    report(b, what);
    store_close(b->store);
    loop_free(&b->loop);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    char dir[512];
    const double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
    snprintf(dir, sizeof(dir), "%s/bench_store.XXXXXX", argc > 1 ? argv[1] : "/var/tmp");
    b.samples_ns = calloc(SAMPLES_MAX, sizeof(uint64_t));
    if (!b.samples_ns || !mkdtemp(dir)) {
        perror("bench_store");
        free(b.samples_ns);
        return 1;
    }
    prng_seed(&b.prng, 1);
    run_bare(&b, dir, 64, seconds);
    run_store(&b, dir, 1, seconds);
    run_store(&b, dir, 4, seconds);
    run_store(&b, dir, 16, seconds);
    run_store(&b, dir, 64, seconds);
    run_bare(&b, dir, 64, seconds); /* again: the disk may have changed its mind */
    run_bare(&b, dir, 1024, seconds);
    directory_clear(dir);
    rmdir(dir);
    buf_free(&b.key);
    buf_free(&b.value);
    free(b.samples_ns);
    return 0;
}
