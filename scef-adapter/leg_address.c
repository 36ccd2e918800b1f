#include "scef-adapter/leg_address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

bool leg_address_resolve(const struct config_endpoint *e, int family, union leg_address *out)
{
    char port[8];
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    snprintf(port, sizeof(port), "%u", e->port);
    if (getaddrinfo(e->host, port, &hints, &found) != 0)
        return false;
    memset(out, 0, sizeof(*out));
    memcpy(out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

socklen_t leg_address_len(const union leg_address *a)
{
    return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

bool leg_address_equal(const union leg_address *a, const union leg_address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET6)
        return a->v6.sin6_port == b->v6.sin6_port && memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
    return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

static unsigned host_bits(const struct config_prefix *p)
{
    return (p->ipv6 ? 128 : 32) - p->length;
}

bool leg_address_of(const struct config_prefix *p, uint32_t leg, uint8_t out[16])
{
    uint64_t host = (uint64_t)leg + 1;
    if (host_bits(p) < 33 && host >= (UINT64_C(1) << host_bits(p)) - 1) /* the last one is IPv4's broadcast address */
        return false;
    memcpy(out, p->address, 16);
    /* The host bits of the prefix are zero; a leg number has 32 of them, and one more after the addition. */
    size_t end = p->ipv6 ? 16 : 4;
    for (size_t i = 0; i < 5 && i < end; i++, host >>= 8)
        out[end - 1 - i] |= (uint8_t)(host & 0xff);
    return true;
}

bool leg_address_to_leg(const struct config_prefix *p, const uint8_t address[16], uint32_t *leg)
{
    uint8_t again[16];
    size_t end = p->ipv6 ? 16 : 4;
    uint64_t host = 0;
    for (size_t i = p->ipv6 ? end - 5 : 0; i < end; i++)
        host = host << 8 | address[i];
    if (host_bits(p) < 40)
        host &= (UINT64_C(1) << host_bits(p)) - 1;
    if (host == 0 || host > UINT32_MAX)
        return false;
    *leg = (uint32_t)(host - 1);
    return leg_address_of(p, *leg, again) && memcmp(again, address, end) == 0;
}

size_t leg_address_control_put(bool ipv6, const uint8_t source[16], void *control)
{
    struct msghdr m = {.msg_control = control, .msg_controllen = LEG_ADDRESS_CONTROL_BYTES};
    memset(control, 0, LEG_ADDRESS_CONTROL_BYTES);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (ipv6) {
        struct in6_pktinfo info = {.ipi6_ifindex = 0};
        memcpy(&info.ipi6_addr, source, 16);
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        return CMSG_SPACE(sizeof(info));
    }
    struct in_pktinfo info = {.ipi_ifindex = 0};
    memcpy(&info.ipi_spec_dst, source, 4);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(c), &info, sizeof(info));
    return CMSG_SPACE(sizeof(info));
}

bool leg_address_control_get(bool ipv6, struct msghdr *m, uint8_t destination[16])
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (ipv6 && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(destination, &info.ipi6_addr, 16);
            return true;
        }
        if (!ipv6 && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memset(destination, 0, 16);
            memcpy(destination, &info.ipi_addr, 4);
            return true;
        }
    }
    return false;
}
