#include "t8/secret_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum error secret_file_read(const char *path, struct buf *out)
{
    char line[SECRET_BYTES_MAX];
    errno = 0;
    FILE *f = fopen(path, "re");
    if (f)
        setvbuf(f, NULL, _IONBF, 0); /* no copy in a buffer of stdio's */
    bool ok = f && fgets(line, sizeof line, f);
    int why = errno;
    if (f)
        fclose(f);
    size_t n = ok ? strlen(line) : 0;
    const char *first = line;
    while (n && strchr(" \t\r\n", line[n - 1]))
        n--;
    for (; n && strchr(" \t", *first); n--)
        first++;
    if (n) {
        buf_add(out, bytes_of(first, n));
        buf_add_u8(out, 0);
    }
    explicit_bzero(line, sizeof line);
    errno = why;
    return out->failed ? ERR_NO_MEMORY : n ? OK : ERR_CONFIG;
}

void secret_free(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buf_free(b);
}

bool secret_file_exposed(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && (s.st_mode & S_IROTH);
}
