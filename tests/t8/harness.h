/* Peers for HTTP tests: everything runs in one thread on one loop, and waits by pumping it. */
#ifndef TESTS_T8_HARNESS_H
#define TESTS_T8_HARNESS_H

#include "tests/base/test.h"

#include "base/loop.h"

#define HARNESS_PATIENCE_MS 5000

/* Runs the loop until *count reaches want; fails the test when that takes too long. */
void harness_wait(struct loop *l, const size_t *count, size_t want);
void harness_pump(struct loop *l, uint64_t ms);

/* ---- a server that answers what it is told, byte by byte */

enum raw_then {
    RAW_KEEP,  /* the connection stays */
    RAW_CLOSE, /* orderly, after the answer */
    RAW_RESET  /* RST, after the answer */
};

struct raw_step {
    const char *answer; /* NULL: none */
    size_t answer_len;  /* 0: strlen */
    enum raw_then then;
};

#define RAW_MAX_REQUESTS 128

struct raw_server {
    struct loop *loop;
    uv_tcp_t listener;
    uint16_t port;
    const struct raw_step *steps; /* one per request, of all connections; the last one serves all further ones */
    size_t step_count;
    bool reset_at_accept;
    size_t connections;               /* accepted so far */
    size_t open;                      /* of them */
    size_t most_open;                 /* at once */
    size_t count;                     /* requests so far */
    char *requests[RAW_MAX_REQUESTS]; /* as they came, with their bodies */
};

/* The struct must stay until loop_free has run; then raw_server_release. */
void raw_server_start(struct raw_server *s, struct loop *l, const struct raw_step *steps, size_t step_count);
void raw_server_stop(struct raw_server *s);
void raw_server_release(struct raw_server *s);

/* ---- a client that says what it is told */

int raw_connect(uint16_t port);
int raw_try_connect(uint16_t port); /* -1: refused */
void raw_send(int fd, const char *text);
/* Pumps until `want` has been received or the server has closed; returns what came, NUL-terminated, in a static buffer.
 */
const char *raw_receive(struct loop *l, int fd, const char *want);
/* Pumps until the server has closed fd, then closes it too. */
void raw_await_close(struct loop *l, int fd);

#endif
