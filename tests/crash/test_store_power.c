/* The power fails: what LMDB had written and not synced is on the disk in any part, or not at all.
 *
 * A store takes batches while this program's pwrite, writev, fdatasync and their like stand in front of libc's and note
 * what is done to data.mdb, which is made as data.mdb.new. Then, for a cut at each of these calls, files are made as a
 * disk may have kept them: all that was synced; of the rest any sectors of 512 bytes, and any length of the file that
 * this allows; of a write through a descriptor with O_DSYNC any sectors while it lasts, all afterwards. Each is opened.
 * It must hold exactly what some number of batches leaves, at least all that were told to be committed; be it an empty
 * store when none was. And it must take another batch.
 *
 * Batch n is a function of the seed and n alone. SEED chooses the first of SEEDS runs. */
#undef _FILE_OFFSET_BITS /* it would rename what stands in front of libc's */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "tests/buffering/store_harness.h"

#define SEEDS           12
#define BATCHES         40
#define KEYS            60
#define VALUE_BYTES_MAX 9000 /* some take several pages */
#define MAP_BYTES       (8u << 20)
#define IMAGES_A_CUT    5
#define SECTOR          512
#define NUMBER_KEY      "number"

/* --- what is done to the file ------------------------------------------------------------------------- */

enum what { WRITTEN, SYNCED, RENAMED, TOLD };
struct step {
    enum what what;
    bool direct; /* WRITTEN: durable when the call returns */
    size_t at, len;
    uint8_t *data;
    uint64_t number; /* TOLD: of the batch */
};

static struct {
    pthread_mutex_t mutex;
    bool on;
    char path[96];
    char fresh[96];
    struct step *steps;
    size_t count, capacity;
} record = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void step_add(struct step s)
{
    pthread_mutex_lock(&record.mutex);
    if (record.count == record.capacity) {
        record.capacity = record.capacity ? record.capacity * 2 : 256;
        record.steps = realloc(record.steps, record.capacity * sizeof(*record.steps));
        assert_non_null(record.steps);
    }
    record.steps[record.count++] = s;
    pthread_mutex_unlock(&record.mutex);
}

static bool is_recorded(int fd)
{
    struct stat file, ours;
    return record.on && fstat(fd, &file) == 0 && (stat(record.path, &ours) == 0 || stat(record.fresh, &ours) == 0) &&
           file.st_ino == ours.st_ino && file.st_dev == ours.st_dev;
}

static void written(int fd, const void *data, ssize_t len, off_t at)
{
    if (len <= 0)
        return;
    uint8_t *copy = malloc((size_t)len);
    assert_non_null(copy);
    memcpy(copy, data, (size_t)len);
    step_add((struct step){.what = WRITTEN,
                           .direct = (fcntl(fd, F_GETFL) & O_DSYNC) != 0,
                           .at = (size_t)at,
                           .len = (size_t)len,
                           .data = copy});
}

static void *next_of(const char *name)
{
    void *fn = dlsym(RTLD_NEXT, name);
    if (!fn)
        abort();
    return fn;
}
#define REAL(name, ...)                                                                                                \
    __extension__({                                                                                                    \
        __typeof__(name) *real_;                                                                                       \
        *(void **)&real_ = next_of(#name);                                                                             \
        real_(__VA_ARGS__);                                                                                            \
    })

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    const ssize_t n = REAL(pwrite, fd, data, len, at);
    if (is_recorded(fd))
        written(fd, data, n, at);
    return n;
}

static void written_parts(int fd, const struct iovec *parts, int count, ssize_t n, off_t at)
{
    for (int i = 0; i < count && n > 0; i++) {
        const ssize_t len = n < (ssize_t)parts[i].iov_len ? n : (ssize_t)parts[i].iov_len;
        written(fd, parts[i].iov_base, len, at);
        n -= len;
        at += len;
    }
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    const off_t at = is_recorded(fd) ? lseek(fd, 0, SEEK_CUR) : -1;
    const ssize_t n = REAL(writev, fd, parts, count);
    if (at >= 0)
        written_parts(fd, parts, count, n, at);
    return n;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    const ssize_t n = REAL(pwritev, fd, parts, count, at);
    if (is_recorded(fd))
        written_parts(fd, parts, count, n, at);
    return n;
}

int fdatasync(int fd)
{
    const int rc = REAL(fdatasync, fd);
    if (rc == 0 && is_recorded(fd))
        step_add((struct step){.what = SYNCED});
    return rc;
}

int fsync(int fd)
{
    const int rc = REAL(fsync, fd);
    if (rc == 0 && is_recorded(fd))
        step_add((struct step){.what = SYNCED});
    return rc;
}

int rename(const char *old, const char *new)
{
    const int rc = REAL(rename, old, new);
    if (rc == 0 && record.on && strcmp(old, record.fresh) == 0 && strcmp(new, record.path) == 0)
        step_add((struct step){.what = RENAMED});
    return rc;
}

/* None of these is expected of LMDB here; should it begin to, the model must learn it. */
int ftruncate(int fd, off_t len)
{
    assert_false(is_recorded(fd));
    return REAL(ftruncate, fd, len);
}

int msync(void *start, size_t len, int flags)
{
    assert_false(record.on);
    return REAL(msync, start, len, flags);
}

/* --- batches ------------------------------------------------------------------------------------------ */

struct model {
    uint16_t writer[BATCHES + 1][KEYS]; /* after so many batches: the one that wrote the key; 0: absent */
};

static size_t value_make(uint64_t seed, unsigned number, unsigned key, uint8_t out[VALUE_BYTES_MAX])
{
    struct prng p;
    prng_seed(&p, (seed * BATCHES + number) * KEYS + key);
    const size_t len = prng_below(&p, 6) ? prng_below(&p, 300) : prng_below(&p, VALUE_BYTES_MAX);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)prng_next(&p);
    return len;
}

static size_t key_make(unsigned key, char out[16])
{
    return (size_t)snprintf(out, 16, "k%03u", key);
}

static void batch_put(struct store *s, uint64_t seed, unsigned number, struct model *m)
{
    struct prng p;
    uint8_t value[VALUE_BYTES_MAX];
    char text[16];
    const uint64_t wide = number;
    prng_seed(&p, seed * 1000003 + number);
    memcpy(m->writer[number], m->writer[number - 1], sizeof(m->writer[number]));
    (void)store_put(s, BYTES_LIT(NUMBER_KEY), bytes_of(&wide, sizeof(wide)));
    for (unsigned i = 1 + (unsigned)prng_below(&p, 12); i > 0; i--) {
        const unsigned key = (unsigned)prng_below(&p, KEYS);
        const struct bytes k = bytes_of(text, key_make(key, text));
        const bool put = prng_below(&p, 3) != 0;
        if (put)
            (void)store_put(s, k, bytes_of(value, value_make(seed, number, key, value)));
        else
            (void)store_delete(s, k);
        m->writer[number][key] = (uint16_t)(put ? number : 0);
    }
    store_flush(s);
}

static uint64_t told;
static void committed(void *ctx, uint64_t ticket, enum error err)
{
    (void)ctx;
    assert_int_equal(err, OK);
    told = ticket;
    if (record.on)
        step_add((struct step){.what = TOLD, .number = ticket});
}
static const struct store_sink sink = {.committed = committed};

static void store_record(uint64_t seed, struct model *m)
{
    char dir[64];
    struct loop loop;
    struct store *s;
    const char *why;
    struct prng p;
    prng_seed(&p, seed);
    dir_make(dir, sizeof(dir));
    snprintf(record.path, sizeof(record.path), "%s/data.mdb", dir);
    snprintf(record.fresh, sizeof(record.fresh), "%s/data.mdb.new", dir);
    record.on = true;
    told = 0;
    assert_int_equal(loop_init(&loop), OK);
    assert_int_equal(store_lmdb_open(&loop, dir, MAP_BYTES, sink, &s, &why), OK);
    for (unsigned number = 1; number <= BATCHES; number++) {
        batch_put(s, seed, number, m);
        while (prng_below(&p, 3) == 0 && told < number) /* else several become one transaction */
            uv_run(&loop.uv, UV_RUN_ONCE);
    }
    store_close(s);
    loop_free(&loop);
    record.on = false;
    assert_int_equal(told, BATCHES);
    dir_remove(dir);
}

/* --- what the disk has kept --------------------------------------------------------------------------- */

struct image {
    uint8_t *data;
    size_t len, capacity;
};

static void image_write(struct image *i, size_t at, const uint8_t *data, size_t len)
{
    if (at + len > i->capacity) {
        i->capacity = (at + len) * 2;
        i->data = realloc(i->data, i->capacity);
        assert_non_null(i->data);
    }
    if (at > i->len)
        memset(i->data + i->len, 0, at - i->len); /* a hole */
    memcpy(i->data + at, data, len);
    if (at + len > i->len)
        i->len = at + len;
}

enum part { PART_NONE, PART_ALL, PART_SOME, PART_KINDS };
static void part_write(struct image *i, const struct step *s, enum part part, struct prng *p)
{
    static const uint8_t nothing;
    for (size_t at = 0; at < s->len && part != PART_NONE;) {
        const size_t end = (s->at + at) / SECTOR * SECTOR + SECTOR - s->at;
        const size_t len = (end < s->len ? end : s->len) - at;
        if (part == PART_ALL || prng_below(p, 2))
            image_write(i, s->at + at, s->data + at, len);
        at += len;
    }
    /* The file may have become longer without its content. */
    if (s->at + s->len > i->len && prng_below(p, 4) == 0)
        image_write(i, s->at + s->len - 1, &nothing, 1);
}

/* The file, cut off at step `cut`, which may be under way. `kept` is what is synced by then; `from` the first step that
 * may not be. */
static void image_make(struct image *out, const struct image *kept, size_t from, size_t cut, unsigned kind,
                       struct prng *p)
{
    out->len = 0;
    if (kept->len)
        image_write(out, 0, kept->data, kept->len);
    for (size_t i = from; i <= cut; i++) {
        const struct step *s = &record.steps[i];
        if (s->what != WRITTEN || (s->direct && i < cut))
            continue; /* a direct one that has returned is in `kept` */
        const enum part part = kind < 2 ? (enum part)kind : (enum part)prng_below(p, PART_KINDS);
        part_write(out, s, part, p);
    }
}

/* --- is it a store? ----------------------------------------------------------------------------------- */

struct check {
    const struct model *model;
    uint64_t seed, number;
    unsigned records;
};

static enum error read_number(void *ctx, struct bytes key, struct bytes value)
{
    (void)key;
    assert_int_equal(value.len, sizeof(uint64_t));
    memcpy(ctx, value.data, sizeof(uint64_t));
    return OK;
}

static enum error check_record(void *ctx, struct bytes key, struct bytes value)
{
    struct check *c = ctx;
    uint8_t expected[VALUE_BYTES_MAX];
    char text[4] = {0};
    assert_int_equal(key.len, 4);
    memcpy(text, key.data + 1, 3);
    const unsigned k = (unsigned)strtoul(text, NULL, 10);
    assert_true(k < KEYS);
    const unsigned writer = c->model->writer[c->number][k];
    assert_true(writer != 0);
    assert_true(bytes_equal(value, bytes_of(expected, value_make(c->seed, writer, k, expected))));
    c->records++;
    return OK;
}

static void store_check(struct store *s, const struct model *m, uint64_t seed, uint64_t least)
{
    struct check c = {.model = m, .seed = seed};
    unsigned expected = 0;
    assert_int_equal(store_scan(s, BYTES_LIT(NUMBER_KEY), &c.number, read_number), OK);
    assert_in_range(c.number, least, BATCHES);
    assert_int_equal(store_scan(s, BYTES_LIT("k"), &c, check_record), OK);
    for (unsigned k = 0; k < KEYS; k++)
        expected += m->writer[c.number][k] != 0;
    assert_int_equal(c.records, expected);
}

static void file_write(const char *dir, const char *name, const uint8_t *data, size_t len)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (len)
        assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

static void image_check(const char *dir, const char *name, const struct image *i, const struct model *m, uint64_t seed,
                        size_t cut, uint64_t least, struct prng *p)
{
    struct loop loop;
    struct store *s;
    const char *why = "";
    uint8_t lock[8192];
    for (size_t n = 0; n < sizeof(lock); n++)
        lock[n] = (uint8_t)prng_next(p);
    char old[96];
    snprintf(old, sizeof(old), "%s/data.mdb", dir);
    (void)unlink(old);
    file_write(dir, name, i->data, i->len);
    file_write(dir, "lock.mdb", lock, prng_below(p, sizeof(lock))); /* nobody syncs it */
    assert_int_equal(loop_init(&loop), OK);
    const enum error err = store_lmdb_open(&loop, dir, MAP_BYTES, sink, &s, &why);
    if (err)
        fail_msg("seed %llu, cut at step %zu (%zu bytes kept): %s", (unsigned long long)seed, cut, i->len, why);
    store_check(s, m, seed, least);
    if (prng_below(p, 8) == 0) {
        (void)store_put(s, BYTES_LIT("after"), BYTES_LIT("1"));
        store_close(s);
        assert_int_equal(store_lmdb_open(&loop, dir, MAP_BYTES, sink, &s, &why), OK);
        store_check(s, m, seed, least);
    }
    store_close(s);
    loop_free(&loop);
}

static unsigned long images;

static void cuts_check(const char *dir, const struct model *m, uint64_t seed)
{
    struct image kept = {0}, image = {0};
    struct prng p;
    size_t from = 0; /* the first step that may not be synced */
    uint64_t least = 0;
    const char *name = "data.mdb.new";
    prng_seed(&p, seed + 77);
    for (size_t cut = 0; cut < record.count; cut++) {
        const struct step *s = &record.steps[cut];
        for (unsigned kind = 0; kind < IMAGES_A_CUT && s->what == WRITTEN; kind++) {
            image_make(&image, &kept, from, cut, kind, &p);
            image_check(dir, name, &image, m, seed, cut, least, &p);
            images++;
        }
        if (s->what == RENAMED) {
            assert_int_equal(from, cut - (record.steps[cut - 1].what == SYNCED)); /* all of it is synced before */
            name = "data.mdb";
        }
        if (s->what == TOLD)
            least = s->number;
        if (s->what == WRITTEN && s->direct)
            image_write(&kept, s->at, s->data, s->len);
        for (; s->what == SYNCED && from < cut; from++)
            if (record.steps[from].what == WRITTEN && !record.steps[from].direct)
                image_write(&kept, record.steps[from].at, record.steps[from].data, record.steps[from].len);
    }
    assert_int_equal(least, BATCHES);
    image_check(dir, name, &kept, m, seed, record.count, least, &p);
    free(kept.data);
    free(image.data);
}

static void steps_free(void)
{
    for (size_t i = 0; i < record.count; i++)
        free(record.steps[i].data);
    free(record.steps);
    record.steps = NULL;
    record.count = record.capacity = 0;
}

static void test_power_cuts(void **state)
{
    (void)state;
    char dir[64];
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    dir_make(dir, sizeof(dir));
    images = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + SEEDS; seed++) {
        store_record(seed, m);
        cuts_check(dir, m, seed);
        steps_free();
    }
    print_message("%lu files that a power cut may leave\n", images);
    assert_true(images > 1000);
    dir_remove(dir);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_power_cuts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
