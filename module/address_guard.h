/*
 * address_guard.h - which IP addresses belong to the public internet, and networks that are allowed besides. Pure.
 *
 * An address is public if IANA's registries of special-purpose addresses (RFC 6890) do not say that it is anything else: what is of
 * this host, of a private or shared network, of one link, for documentation, measurements, groups or the future is not. IPv6
 * addresses that carry an IPv4 address lead to that one, through a translator or a tunnel, and are as public as it is.
 */
#ifndef module__address_guard_h
#define module__address_guard_h

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/**
 * of IPv6, in network order; an IPv4 address is written ::ffff:a.b.c.d, so that both spellings of one destination are equal
 */
typedef struct st_sluice_address_t {
    uint8_t bytes[16];
} sluice_address_t;

typedef struct st_sluice_network_t {
    sluice_address_t address; /* the bits behind the prefix are 0 */
    unsigned prefix_bits;     /* of the 128; an IPv4 network has 96 more than it is written with */
} sluice_network_t;

/**
 * "192.0.2.1" or "2001:db8::1": dotted decimal with four parts, no names, ports, brackets or zones. Returns 0 or -1.
 */
int sluice_address_parse(const char *text, sluice_address_t *address);
/**
 * the address and port of a socket address. Returns 0, or -1 if it is neither of IPv4 nor of IPv6.
 */
int sluice_address_of(const struct sockaddr *from, socklen_t len, sluice_address_t *address, uint16_t *port);
int sluice_address_is_public(const sluice_address_t *address);

/**
 * an address, or one with "/" and the length of a prefix behind which all bits are 0: "10.0.0.0/8". Returns 0 or -1.
 */
int sluice_network_parse(const char *text, sluice_network_t *network);
/**
 * IPv4 addresses are in IPv4 networks only: "::/0" is all of IPv6
 */
int sluice_network_has(const sluice_network_t *network, const sluice_address_t *address);

#endif
