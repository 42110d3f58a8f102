#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "module/address_guard.h"

struct st_range4_t {
    uint8_t prefix[4];
    unsigned bits;
};
struct st_range6_t {
    uint8_t prefix[16];
    unsigned bits;
};

/* https://www.iana.org/assignments/iana-ipv4-special-registry; a few addresses that it makes public again (anycast of protocols)
 * are of no use to an origin */
static const struct st_range4_t special4[] = {
    {{0}, 8},             /* this network; 0.0.0.0 is this host to Linux */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* carrier-grade NAT */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local; clouds' metadata */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* relays to 6to4, given up */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* multicast */
    {{240}, 4},           /* reserved, and broadcast */
};

/* https://www.iana.org/assignments/iana-ipv6-special-registry: what of 2000::/3, all that has been given out for use, is special */
static const struct st_range6_t special6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments, benchmarks, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x3f, 0xff}, 20},             /* documentation */
};
static const struct st_range6_t global_unicast = {{0x20}, 3};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t compatible[12] = {0};                                    /* ::a.b.c.d; :: and ::1 are 0.0.0.0 and 0.0.0.1 */
static const uint8_t translated[12] = {0x00, 0x64, 0xff, 0x9b};               /* 64:ff9b::/96, NAT64 */
static const uint8_t teredo[4] = {0x20, 0x01};                                /* 2001::/32 */
static const uint8_t six_to_four[2] = {0x20, 0x02};                           /* 2002::/16 */
static const uint8_t isatap[2][4] = {{0, 0, 0x5e, 0xfe}, {2, 0, 0x5e, 0xfe}}; /* in the interface's part of any prefix */

static int has_prefix(const uint8_t *bytes, const uint8_t *prefix, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(bytes, prefix, whole) != 0)
        return 0;
    return rest == 0 || (bytes[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

#define BEGINS_WITH(address, prefix) (memcmp((address)->bytes, (prefix), sizeof(prefix)) == 0)

static int is_public4(const uint8_t bytes[4])
{
    for (size_t i = 0; i != sizeof(special4) / sizeof(special4[0]); ++i)
        if (has_prefix(bytes, special4[i].prefix, special4[i].bits))
            return 0;
    return 1;
}

static int is_public6(const uint8_t bytes[16])
{
    for (size_t i = 0; i != sizeof(special6) / sizeof(special6[0]); ++i)
        if (has_prefix(bytes, special6[i].prefix, special6[i].bits))
            return 0;
    return has_prefix(bytes, global_unicast.prefix, global_unicast.bits);
}

/* the server that helps, and the client that it leads to, whose address is written with all bits turned over */
static int is_public_teredo(const uint8_t bytes[16])
{
    uint8_t client[4];

    for (size_t i = 0; i != sizeof(client); ++i)
        client[i] = bytes[12 + i] ^ 0xff;
    return is_public4(bytes + 4) && is_public4(client);
}

int sluice_address_is_public(const sluice_address_t *address)
{
    const uint8_t *bytes = address->bytes;

    if (BEGINS_WITH(address, mapped) || BEGINS_WITH(address, compatible) || BEGINS_WITH(address, translated))
        return is_public4(bytes + 12);
    if (BEGINS_WITH(address, teredo))
        return is_public_teredo(bytes);
    if ((memcmp(bytes + 8, isatap[0], 4) == 0 || memcmp(bytes + 8, isatap[1], 4) == 0) && !is_public4(bytes + 12))
        return 0;
    if (BEGINS_WITH(address, six_to_four))
        return is_public4(bytes + 2);
    return is_public6(bytes);
}

static void set4(const void *bytes, sluice_address_t *address)
{
    memcpy(address->bytes, mapped, sizeof(mapped));
    memcpy(address->bytes + sizeof(mapped), bytes, 4);
}

int sluice_address_parse(const char *text, sluice_address_t *address)
{
    struct in_addr four;

    if (inet_pton(AF_INET, text, &four) == 1) {
        set4(&four, address);
        return 0;
    }
    return inet_pton(AF_INET6, text, address->bytes) == 1 ? 0 : -1;
}

int sluice_address_of(const struct sockaddr *from, socklen_t len, sluice_address_t *address, uint16_t *port)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;

    if (from->sa_family == AF_INET && len >= sizeof(four)) {
        memcpy(&four, from, sizeof(four));
        set4(&four.sin_addr, address);
        *port = ntohs(four.sin_port);
        return 0;
    }
    if (from->sa_family == AF_INET6 && len >= sizeof(six)) {
        memcpy(&six, from, sizeof(six));
        memcpy(address->bytes, &six.sin6_addr, sizeof(address->bytes));
        *port = ntohs(six.sin6_port);
        return 0;
    }
    return -1;
}

/* digits without a sign or a zero in front, up to `max` */
static int parse_bits(const char *text, unsigned max, unsigned *bits)
{
    unsigned value = 0;
    size_t len = strlen(text);

    if (len == 0 || len > 3 || (text[0] == '0' && len > 1))
        return -1;
    for (; *text != '\0'; ++text) {
        if (*text < '0' || *text > '9')
            return -1;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *bits = value;
    return value <= max ? 0 : -1;
}

static int is_zero_behind(const uint8_t *bytes, unsigned bits)
{
    for (; bits != 128; ++bits)
        if ((bytes[bits / 8] & 0x80 >> bits % 8) != 0)
            return 0;
    return 1;
}

int sluice_network_parse(const char *text, sluice_network_t *network)
{
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    unsigned unwritten = memchr(text, ':', len) == NULL ? 96 : 0; /* of an IPv4 network */

    if (len >= sizeof(address))
        return -1;
    memcpy(address, text, len);
    address[len] = '\0';
    network->prefix_bits = 128 - unwritten;
    if (sluice_address_parse(address, &network->address) != 0 ||
        (text[len] == '/' && parse_bits(text + len + 1, 128 - unwritten, &network->prefix_bits) != 0))
        return -1;
    network->prefix_bits += unwritten;
    return is_zero_behind(network->address.bytes, network->prefix_bits) ? 0 : -1;
}

int sluice_network_has(const sluice_network_t *network, const sluice_address_t *address)
{
    if (BEGINS_WITH(address, mapped) && network->prefix_bits < 96)
        return 0;
    return has_prefix(address->bytes, network->address.bytes, network->prefix_bits);
}
