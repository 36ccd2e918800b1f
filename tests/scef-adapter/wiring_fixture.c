#include "tests/scef-adapter/wiring_fixture.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void nothing(void *ctx)
{
    (void)ctx;
}

static void committed(void *ctx, uint64_t ticket, enum error err)
{
    (void)ctx;
    (void)ticket;
    assert_int_equal(err, OK);
}

uint16_t fixture_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return ntohs(a.sin_port);
}

void fixture_configure(struct fixture *f, const char *devices)
{
    struct buf text = {0}, faults = {0};
    const uint16_t port = f->config ? f->config->server_leg.port : fixture_free_port();
    config_free(f->config);
    buf_addf(&text,
             "scef: {api_root: 'http://127.0.0.1:9', scs_as_id: as1}\n"
             "callback: {listen: '127.0.0.1:0', url: 'http://127.0.0.1:1/t8'}\n"
             "admin: {listen: '127.0.0.1:0'}\n"
             "store: {path: %s/store, max_size_mib: 16}\n"
             "server_leg: {port: %u}\n"
             "servers: %s\n"
             "devices: [%s]\n"
             "log: {level: error}\n",
             f->folder, port, f->servers, devices);
    assert_int_equal(config_parse(buf_bytes(&text), "c.yaml", true, &f->config, &faults), OK);
    buf_free(&text);
}

void fixture_set_up(struct fixture *f)
{
    fixture_set_up_with(f, "[{name: main, uri: 'coap://127.0.0.1:5683'}]");
}

void fixture_set_up_with(struct fixture *f, const char *servers)
{
    memset(f, 0, sizeof(*f));
    f->servers = servers;
    snprintf(f->folder, sizeof(f->folder), "/tmp/test_wiring_XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(loop_init(&f->loop), OK);
    fixture_configure(f, "{external_id: a@b}, {external_id: c@d}");
}

void fixture_start(struct fixture *f)
{
    struct buf why = {0};
    struct adapter_options o = {.config = f->config, .stopped = nothing};
    if (adapter_new(&f->loop, &o, &f->adapter, &why) != OK)
        fail_msg("%.*s", (int)why.len, (const char *)why.data);
}

void fixture_stop(struct fixture *f)
{
    for (int i = 0; i < 10; i++)
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    adapter_free(f->adapter);
    f->adapter = NULL;
}

void fixture_tear_down(struct fixture *f)
{
    char command[128];
    adapter_free(f->adapter);
    loop_free(&f->loop);
    config_free(f->config);
    snprintf(command, sizeof(command), "rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
}

struct store *fixture_store(struct fixture *f)
{
    struct store *s;
    const char *why;
    assert_int_equal(
        store_lmdb_open(&f->loop, f->config->store.path, 16 << 20, (struct store_sink){f, committed}, &s, &why), OK);
    return s;
}

void fixture_put_device(struct store *s, const char *id, uint32_t leg, bool damaged)
{
    struct buf key = {0}, value = {0};
    record_device_key(bytes_of_str(id), &key);
    record_device_encode(buf_bytes(&key), &(struct record_device){.id = bytes_of_str(id), .leg = leg}, &value);
    if (damaged)
        value.data[value.len / 2] ^= 1;
    store_put(s, buf_bytes(&key), buf_bytes(&value));
    buf_free(&key);
    buf_free(&value);
}

void fixture_put_message(struct store *s, enum record_kind kind, const char *id, uint64_t seq, const char *server)
{
    struct buf key = {0}, value = {0};
    record_message_key(kind, bytes_of_str(id), seq, &key);
    record_message_encode(buf_bytes(&key),
                          &(struct record_message){.device_id = bytes_of_str(id),
                                                   .seq = seq,
                                                   .server = bytes_of_str(server),
                                                   .queue_class = QUEUE_REQUEST,
                                                   .accepted_ms = 1,
                                                   .deadline_ms = UINT64_MAX / 2,
                                                   .message = BYTES_LIT("\x40\x01\x00\x01")},
                          &value);
    store_put(s, buf_bytes(&key), buf_bytes(&value));
    buf_free(&key);
    buf_free(&value);
}
