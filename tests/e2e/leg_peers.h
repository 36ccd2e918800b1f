/* LwM2M servers as bare messages, by UDP, DTLS, TCP and TLS (RFC 7252, RFC 8323): sockets, OpenSSL and a framing of
 * their own, nothing of what is tested. A server tells one device from another by where its messages come from. A
 * device that begins a DTLS session anew from the same address stays the same end (RFC 6347 clause 4.2.8). What is
 * against the protocols ends the program. */
#ifndef TESTS_E2E_LEG_PEERS_H
#define TESTS_E2E_LEG_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_MESSAGE_MAX 4096

enum peer_scheme { PEER_UDP, PEER_DTLS, PEER_TCP, PEER_TLS };

enum peer_scheme peer_scheme_of(const char *text); /* "coap", "coaps", "coap+tcp", "coaps+tcp" */

struct peer;
struct peer_end; /* an address or connection that a device has here; lives as long as the program */

struct peer_hooks {
    void *ctx;
    /* A message as it is in a datagram; by a connection it is a NON with Message ID 0. Signalling messages (RFC 8323
     * clause 5) are seen to before. */
    void (*message)(void *ctx, struct peer_end *end, const uint8_t *message, size_t len);
};

/* Listens at the address, of IPv4 or IPv6. DTLS and TLS: with certificate and key of these files. */
struct peer *peer_new(int epoll, enum peer_scheme scheme, const char *host, uint16_t port, const char *certificate_file,
                      const char *key_file, struct peer_hooks hooks);
/* false: its session or connection is over, or not there yet. */
[[nodiscard]] bool peer_say(struct peer_end *end, const uint8_t *message, size_t len);
bool peer_is_stream(const struct peer *p);
/* What the owner remembers of it: NULL at first. */
void *peer_end_owner(const struct peer_end *end);
void peer_end_owner_set(struct peer_end *end, void *owner);

#endif
