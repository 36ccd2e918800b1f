/* Secrets lie in files of their own, and leave no trace in a configuration or a log. */
#ifndef T8_SECRET_FILE_H
#define T8_SECRET_FILE_H

#include "base/bytes.h"

#define SECRET_BYTES_MAX 4096

/* Appends the file's first line, without blanks at its ends, and a NUL. ERR_CONFIG: it cannot be read (errno tells), or
 * is empty (errno is 0). */
[[gnu::warn_unused_result]] enum error secret_file_read(const char *path, struct buf *out);
/* Wipes, then frees. */
void secret_free(struct buf *b);
/* Every user of this host may read it: worth a warning. False when there is no such file. */
bool secret_file_exposed(const char *path);

#endif
