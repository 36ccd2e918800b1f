/* Counts a program's allocations: LD_PRELOAD this, with BENCH_MALLOC_COUNT naming a file of 16 bytes, which then holds
 * the calls so far and the bytes asked for, and may be read while the program runs. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);

struct counters {
    _Atomic uint64_t calls, bytes;
};

static struct counters before_main; /* until the file is there */
static struct counters *counters = &before_main;

[[gnu::constructor]] static void counters_open(void)
{
    const char *path = getenv("BENCH_MALLOC_COUNT");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
    if (fd < 0 || ftruncate(fd, sizeof(struct counters)) != 0)
        return;
    void *p = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED)
        counters = p;
    close(fd);
}

static void count(size_t bytes)
{
    atomic_fetch_add_explicit(&counters->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->bytes, bytes, memory_order_relaxed);
}

void *malloc(size_t n)
{
    count(n);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    count(n * size);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    count(n);
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    count(n);
    return __libc_memalign(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    count(n);
    *out = __libc_memalign(alignment, n);
    return *out ? 0 : ENOMEM;
}
