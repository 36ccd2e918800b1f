#include "tests/buffering/redis_server.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/buffering/store_harness.h"

#define WORDS_MAX 40

static void answers_wait(const struct redis_server *s)
{
    for (int i = 0; i < 2000; i++) {
        redisContext *c = redisConnectUnix(s->socket);
        redisReply *r = c && !c->err ? redisCommand(c, "PING") : NULL;
        const bool up = r && r->type == REDIS_REPLY_STATUS;
        freeReplyObject(r);
        redisFree(c);
        if (up)
            return;
        usleep(5000);
    }
    fail_msg("%s does not answer", s->program);
}

void redis_server_launch(struct redis_server *s, const char *const *words)
{
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    answers_wait(s);
}

static void launch(struct redis_server *s, va_list more)
{
    const char *words[WORDS_MAX] = {s->program, "--port",       "0",         "--unixsocket",  s->socket,
                                    "--dir",    s->dir,         "--logfile", "log",           "--save",
                                    "",         "--appendonly", "yes",       "--appendfsync", "always"};
    size_t count = 15;
    for (const char *word; (word = va_arg(more, const char *)) && count < WORDS_MAX - 1;)
        words[count++] = word;
    redis_server_launch(s, words);
}

void redis_server_start(struct redis_server *s, const char *program, ...)
{
    va_list more;
    *s = (struct redis_server){.program = program};
    dir_make(s->dir, sizeof(s->dir));
    snprintf(s->socket, sizeof(s->socket), "%s/socket", s->dir);
    va_start(more, program);
    launch(s, more);
    va_end(more);
}

void redis_server_restart(struct redis_server *s, ...)
{
    va_list more;
    va_start(more, s);
    launch(s, more);
    va_end(more);
}

void redis_server_end(struct redis_server *s, int signal)
{
    int status;
    if (!s->pid)
        return;
    kill(s->pid, signal);
    kill(s->pid, SIGCONT);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    s->pid = 0;
    unlink(s->socket);
}

void redis_server_free(struct redis_server *s)
{
    redis_server_end(s, SIGKILL);
    dir_remove(s->dir);
}

static redisReply *command(const struct redis_server *s, const char *format, va_list args)
{
    redisContext *c = redisConnectUnix(s->socket);
    assert_true(c && !c->err);
    redisReply *r = redisvCommand(c, format, args);
    assert_non_null(r);
    redisFree(c);
    return r;
}

redisReply *redis_server_command(const struct redis_server *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *r = command(s, format, args);
    va_end(args);
    return r;
}

void redis_server_do(const struct redis_server *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *r = command(s, format, args);
    va_end(args);
    if (r->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", format, r->str);
    freeReplyObject(r);
}

void redis_server_options(const struct redis_server *s, struct store_redis_options *o)
{
    *o = (struct store_redis_options){.prefix = "t", .durability = STORE_FSYNC, .replicas = 1, .timeout_ms = 5000};
    snprintf(o->address.path, sizeof(o->address.path), "%s", s->socket);
}

unsigned redis_server_free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

unsigned redis_server_listen(const struct redis_server *s)
{
    for (int i = 0; i < 20; i++) {
        const unsigned port = redis_server_free_port();
        redisReply *r = redis_server_command(s, "CONFIG SET port %u", port);
        const bool taken = r->type == REDIS_REPLY_ERROR;
        freeReplyObject(r);
        if (!taken)
            return port;
    }
    fail_msg("no port");
    return 0;
}

void redis_server_replica_wait(const struct redis_server *s)
{
    for (int i = 0; i < 1000; i++) {
        redisReply *r = redis_server_command(s, "INFO replication");
        const bool up = strstr(r->str, "state=online") != NULL;
        freeReplyObject(r);
        if (up)
            return;
        usleep(20000);
    }
    fail_msg("no replica");
}
