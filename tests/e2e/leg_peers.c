#include "tests/e2e/leg_peers.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/common.h"

#define SOCKET_BUFFER_BYTES (4 << 20)
#define IN_BYTES            (4 * PEER_MESSAGE_MAX)
#define HEADER_BYTES        4
#define NON_FIRST_BYTE      0x50
#define RANDOM_AT           27 /* of a ClientHello: behind the heads of record and message and the version */

enum { CODE_CSM = 0xe1, CODE_PING, CODE_PONG, CODE_RELEASE, CODE_ABORT };

struct peer {
    struct source source;
    int epoll;
    enum peer_scheme scheme;
    struct sockaddr_storage address;
    socklen_t address_len;
    SSL_CTX *context; /* NULL in clear */
    struct peer_hooks hooks;
    struct peer_end *ends;
};

struct peer_end {
    struct source source; /* not of UDP, where all ends share the server's */
    struct peer *peer;
    struct peer_end *next;
    void *owner;
    SSL *ssl;           /* NULL in clear */
    uint8_t random[32]; /* of the ClientHello that began it; DTLS */
    bool ready, closed;
    struct sockaddr_storage address;
    socklen_t address_len;
    size_t in_len;
    uint8_t in[IN_BYTES]; /* of a connection */
};

enum peer_scheme peer_scheme_of(const char *text)
{
    static const char *const names[] = {
        [PEER_UDP] = "coap", [PEER_DTLS] = "coaps", [PEER_TCP] = "coap+tcp", [PEER_TLS] = "coaps+tcp"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0)
            return (enum peer_scheme)i;
    die("no scheme '%s'", text);
}

bool peer_is_stream(const struct peer *p)
{
    return p->scheme == PEER_TCP || p->scheme == PEER_TLS;
}

void *peer_end_owner(const struct peer_end *end)
{
    return end->owner;
}

void peer_end_owner_set(struct peer_end *end, void *owner)
{
    end->owner = owner;
}

/* Instead of the one that is there. */
static void session_new(struct peer_end *e)
{
    SSL_free(e->ssl);
    e->ssl = SSL_new(e->peer->context);
    BIO *bio = e->peer->scheme == PEER_DTLS ? BIO_new_dgram(e->source.fd, BIO_NOCLOSE)
                                            : BIO_new_socket(e->source.fd, BIO_NOCLOSE);
    if (!e->ssl || !bio)
        die("no TLS session");
    if (e->peer->scheme == PEER_DTLS)
        BIO_ctrl_set_connected(bio, &e->address);
    SSL_set_bio(e->ssl, bio, bio);
    SSL_set_accept_state(e->ssl);
}

static struct peer_end *end_new(struct peer *p, int fd, const struct sockaddr_storage *address, socklen_t address_len,
                                void (*ready)(struct source *))
{
    struct peer_end *e = must_alloc(1, sizeof(*e));
    e->source = (struct source){fd, ready};
    e->peer = p;
    e->address = *address;
    e->address_len = address_len;
    e->next = p->ends;
    p->ends = e;
    if (p->context)
        session_new(e);
    return e;
}

/* Bytes, 0: nothing there, -1: closed. */
static ssize_t end_read(struct peer_end *e, uint8_t *out, size_t size)
{
    if (!e->ssl) {
        ssize_t n = recv(e->source.fd, out, size, 0);
        if (n < 0 && errno != EAGAIN && errno != ECONNRESET)
            die("recv: %s", strerror(errno));
        return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
    }
    ERR_clear_error();
    int n = SSL_read(e->ssl, out, (int)size);
    if (n > 0)
        return n;
    switch (SSL_get_error(e->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return -1;
    case SSL_ERROR_SYSCALL: /* a device that is gone: a connection is over, a session may go on */
        return e->peer->scheme == PEER_DTLS ? 0 : -1;
    default:
        die("TLS: %s", ERR_reason_error_string(ERR_get_error()));
    }
}

static void end_write(struct peer_end *e, const uint8_t *data, size_t len)
{
    if (!e->ssl)
        send_all(e->source.fd, data, len);
    else if (SSL_write(e->ssl, data, (int)len) != (int)len) /* what is sent is far smaller than a socket's buffer */
        die("SSL_write: %s", ERR_reason_error_string(ERR_get_error()));
}

/* ---- datagrams ---- */

static void on_udp(struct source *source)
{
    struct peer *p = OWNER_OF(source, struct peer, source);
    uint8_t message[PEER_MESSAGE_MAX];
    struct sockaddr_storage from = {0};
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(source->fd, message, sizeof(message), 0, (struct sockaddr *)&from, &from_len);
    if (n < 0)
        return;
    struct peer_end *e = p->ends;
    while (e && (e->address_len != from_len || memcmp(&e->address, &from, from_len) != 0))
        e = e->next;
    if (!e)
        e = end_new(p, source->fd, &from, from_len, NULL);
    p->hooks.message(p->hooks.ctx, e, message, (size_t)n);
}

/* The next datagram is a ClientHello of another handshake than the session's: the device has begun anew. */
static bool begins_anew(struct peer_end *e)
{
    uint8_t hello[RANDOM_AT + sizeof(e->random)];
    if (recv(e->source.fd, hello, sizeof(hello), MSG_PEEK) != (ssize_t)sizeof(hello) || hello[0] != 22 || hello[3] ||
        hello[4] || hello[13] != 1)
        return false;
    const bool other = SSL_is_init_finished(e->ssl) && memcmp(e->random, hello + RANDOM_AT, sizeof(e->random)) != 0;
    memcpy(e->random, hello + RANDOM_AT, sizeof(e->random));
    return other;
}

static void on_dtls(struct source *source)
{
    struct peer_end *e = OWNER_OF(source, struct peer_end, source);
    uint8_t message[PEER_MESSAGE_MAX];
    if (begins_anew(e))
        session_new(e);
    ssize_t n = end_read(e, message, sizeof(message));
    if (n > 0)
        e->peer->hooks.message(e->peer->hooks.ctx, e, message, (size_t)n);
    if (n < 0)
        session_new(e); /* it has said goodbye, and may come again */
}

static int socket_new(struct peer *p, int type);

/* Each session has a socket of its own, connected to its device; only its first datagram comes here. */
static void on_dtls_stranger(struct source *source)
{
    struct peer *p = OWNER_OF(source, struct peer, source);
    uint8_t first[PEER_MESSAGE_MAX];
    struct sockaddr_storage from = {0};
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(source->fd, first, sizeof(first), 0, (struct sockaddr *)&from, &from_len);
    if (n < RANDOM_AT + (ssize_t)sizeof(p->ends->random))
        return;
    for (const struct peer_end *known = p->ends; known; known = known->next)
        if (known->address_len == from_len && memcmp(&known->address, &from, from_len) == 0)
            return; /* it came while the socket was connected; DTLS repeats it */
    int fd = socket_new(p, SOCK_DGRAM);
    if (connect(fd, (const struct sockaddr *)&from, from_len) != 0)
        die("connect: %s", strerror(errno));
    struct peer_end *e = end_new(p, fd, &from, from_len, on_dtls);
    memcpy(e->random, first + RANDOM_AT, sizeof(e->random));
    source_add(p->epoll, &e->source);

    BIO *memory = BIO_new_mem_buf(first, (int)n), *socket = SSL_get_wbio(e->ssl);
    if (!memory || BIO_up_ref(socket) != 1)
        die("no memory");
    BIO_set_mem_eof_return(memory, -1);
    SSL_set0_rbio(e->ssl, memory);
    (void)SSL_do_handshake(e->ssl); /* it goes on with the next datagram */
    SSL_set0_rbio(e->ssl, socket);
}

/* ---- connections ---- */

static void frame_send(struct peer_end *e, const uint8_t *message, size_t len)
{
    uint8_t out[PEER_MESSAGE_MAX + 8];
    const size_t token_len = message[0] & 15, rest = len - HEADER_BYTES, length = rest - token_len;
    size_t at = 0;
    if (len > PEER_MESSAGE_MAX || length >= 65805)
        die("a message of %zu bytes", len);
    out[at++] = (uint8_t)((length < 13 ? length : length < 269 ? 13 : 14) << 4 | token_len);
    if (length >= 269)
        out[at++] = (uint8_t)((length - 269) >> 8);
    if (length >= 13)
        out[at++] = (uint8_t)(length - (length < 269 ? 13 : 269));
    out[at++] = message[1];
    if (rest)
        memcpy(out + at, message + HEADER_BYTES, rest);
    end_write(e, out, at + rest);
}

static void on_signal(struct peer_end *e, const uint8_t *message, size_t len)
{
    uint8_t pong[HEADER_BYTES + 8];
    const size_t token_len = message[0] & 15;
    switch (message[1]) {
    case CODE_PING:
        memcpy(pong, message, HEADER_BYTES + token_len);
        pong[1] = CODE_PONG;
        frame_send(e, pong, HEADER_BYTES + token_len);
        break;
    case CODE_ABORT:
        die("the adapter aborts a connection: %.*s", (int)(len - HEADER_BYTES), (const char *)message + HEADER_BYTES);
    case CODE_CSM:
    case CODE_PONG:
    case CODE_RELEASE: /* closed next */
        break;
    default:
        die("signal %u", message[1]);
    }
}

/* The bytes of the first frame of `in`, or 0 while it is not whole; `message` is as in a datagram. */
static size_t frame_read(const uint8_t *in, size_t len, uint8_t *message, size_t *message_len)
{
    if (len < 2)
        return 0;
    const size_t nibble = in[0] >> 4, token_len = in[0] & 15, more = nibble == 15 ? 4 : nibble > 12 ? nibble - 12 : 0;
    size_t length = 0;
    if (token_len > 8 || len < 2 + more)
        return 0;
    for (size_t i = 0; i < more; i++)
        length = length << 8 | in[1 + i];
    length = nibble < 13 ? nibble : length + (nibble == 13 ? 13 : nibble == 14 ? 269 : 65805);
    const size_t rest = token_len + length;
    if (rest + HEADER_BYTES > PEER_MESSAGE_MAX)
        die("a frame of %zu bytes", rest);
    if (len < 2 + more + rest)
        return 0;
    message[0] = (uint8_t)(NON_FIRST_BYTE | token_len);
    message[1] = in[1 + more];
    message[2] = message[3] = 0;
    memcpy(message + HEADER_BYTES, in + 2 + more, rest);
    *message_len = HEADER_BYTES + rest;
    return 2 + more + rest;
}

static void frames_take(struct peer_end *e)
{
    uint8_t message[PEER_MESSAGE_MAX];
    size_t at = 0, len = 0;
    for (size_t n; (n = frame_read(e->in + at, e->in_len - at, message, &len)) != 0; at += n) {
        if (message[1] >> 5 == 7)
            on_signal(e, message, len);
        else
            e->peer->hooks.message(e->peer->hooks.ctx, e, message, len);
    }
    e->in_len -= at;
    memmove(e->in, e->in + at, e->in_len);
}

static void on_stream(struct source *source)
{
    struct peer_end *e = OWNER_OF(source, struct peer_end, source);
    static const uint8_t csm[] = {NON_FIRST_BYTE, CODE_CSM, 0, 0, 0x22, 0x10, 0x00}; /* Max-Message-Size 4096 */
    if (e->ssl && !SSL_is_init_finished(e->ssl)) {
        ERR_clear_error();
        const int n = SSL_do_handshake(e->ssl), error = SSL_get_error(e->ssl, n);
        if (n != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_SYSCALL)
            die("handshake: %s", ERR_reason_error_string(ERR_get_error()));
        e->closed = n != 1 && error == SSL_ERROR_SYSCALL; /* who came is gone */
        if (e->closed)
            close(source->fd);
        if (n != 1)
            return;
    }
    if (!e->ready)
        frame_send(e, csm, sizeof(csm));
    e->ready = true;
    for (ssize_t n; !e->closed && (n = end_read(e, e->in + e->in_len, sizeof(e->in) - e->in_len)) != 0;) {
        e->closed = n < 0;
        e->in_len += n > 0 ? (size_t)n : 0;
        frames_take(e);
    }
    if (e->closed)
        close(source->fd);
}

static void on_connection(struct source *source)
{
    struct peer *p = OWNER_OF(source, struct peer, source);
    struct sockaddr_storage from = {0};
    socklen_t from_len = sizeof(from);
    int fd = accept4(source->fd, (struct sockaddr *)&from, &from_len, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct peer_end *e = end_new(p, fd, &from, from_len, on_stream);
    source_add(p->epoll, &e->source);
}

/* ---- all ---- */

bool peer_say(struct peer_end *e, const uint8_t *message, size_t len)
{
    if (e->closed || (e->ssl && !SSL_is_init_finished(e->ssl)))
        return false;
    if (peer_is_stream(e->peer))
        frame_send(e, message, len);
    else if (e->ssl)
        end_write(e, message, len);
    else if (sendto(e->source.fd, message, len, 0, (const struct sockaddr *)&e->address, e->address_len) !=
             (ssize_t)len)
        die("sendto: %s", strerror(errno));
    return true;
}

/* Bound to the server's address. */
static int socket_new(struct peer *p, int type)
{
    const int one = 1, size = SOCKET_BUFFER_BYTES;
    int fd = socket(p->address.ss_family, type | SOCK_NONBLOCK, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (fd < 0 || bind(fd, (const struct sockaddr *)&p->address, p->address_len) != 0)
        die("a server's socket: %s", strerror(errno));
    return fd;
}

static SSL_CTX *context_new(enum peer_scheme scheme, const char *certificate_file, const char *key_file)
{
    SSL_CTX *c = SSL_CTX_new(scheme == PEER_DTLS ? DTLS_server_method() : TLS_server_method());
    if (!c || SSL_CTX_use_certificate_chain_file(c, certificate_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(c, key_file, SSL_FILETYPE_PEM) != 1)
        die("%s, %s: %s", certificate_file, key_file, ERR_reason_error_string(ERR_get_error()));
    /* The suite of constrained devices (RFC 7925 clause 4.4), whose tag of 8 bytes OpenSSL holds to be weak. */
    if (scheme == PEER_DTLS && SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0") != 1)
        die("no AES_128_CCM_8");
    return c;
}

struct peer *peer_new(int epoll, enum peer_scheme scheme, const char *host, uint16_t port, const char *certificate_file,
                      const char *key_file, struct peer_hooks hooks)
{
    static void (*const ready[])(struct source *) = {
        [PEER_UDP] = on_udp, [PEER_DTLS] = on_dtls_stranger, [PEER_TCP] = on_connection, [PEER_TLS] = on_connection};
    struct peer *p = must_alloc(1, sizeof(*p));
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found = NULL;
    char port_text[8];
    snprintf(port_text, sizeof(port_text), "%u", port);
    if (getaddrinfo(host, port_text, &hints, &found) != 0)
        die("%s is no address", host);
    p->epoll = epoll;
    p->scheme = scheme;
    p->hooks = hooks;
    p->address_len = found->ai_addrlen;
    memcpy(&p->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (scheme == PEER_DTLS || scheme == PEER_TLS)
        p->context = context_new(scheme, certificate_file, key_file);
    p->source = (struct source){socket_new(p, peer_is_stream(p) ? SOCK_STREAM : SOCK_DGRAM), ready[scheme]};
    if (peer_is_stream(p) && listen(p->source.fd, SOMAXCONN) != 0)
        die("listen: %s", strerror(errno));
    source_add(epoll, &p->source);
    return p;
}
