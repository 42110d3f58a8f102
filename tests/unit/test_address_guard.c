#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>
#include "module/address_guard.h"

static sluice_address_t address_of(const char *text)
{
    sluice_address_t address;

    if (sluice_address_parse(text, &address) != 0)
        fail_msg("`%s` is no address", text);
    return address;
}

static int is_public(const char *text)
{
    sluice_address_t address = address_of(text);

    return sluice_address_is_public(&address);
}

/* the first and the last address of each block of IANA's registries that is not public, and the neighbours that are */
static void test_public_or_not(void **state)
{
    static const char *const no[] = {
        "0.0.0.0",
        "0.0.0.1",
        "0.255.255.255",
        "10.0.0.0",
        "10.1.2.3",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.0",
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.192",
        "192.0.0.255",
        "192.0.2.0",
        "192.0.2.255",
        "192.88.99.0",
        "192.88.99.255",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.0",
        "198.51.100.255",
        "203.0.113.0",
        "203.0.113.255",
        "224.0.0.0",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.254",
        "255.255.255.255",
        /* IPv6: unspecified, loopback, what has not been given out, discarded, segment routing, ULA, link-local, site-local, groups
         */
        "::",
        "::1",
        "::2",
        "::ffff",
        "1::",
        "64:ff9b:1::1",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "64:ff9b:2::8.8.8.8",
        "100::",
        "100::1",
        "100:0:0:1::1",
        "200::1",
        "1fff:ffff::1",
        "4000::",
        "5f00::1",
        "8000::",
        "e000::1",
        "f000::1",
        "fc00::",
        "fc00::1",
        "fd00::1",
        "fd00:ec2::254",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fe00::1",
        "fe80::",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff00::",
        "ff02::1",
        "ff05::2",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        /* protocol assignments, benchmarks, ORCHID, documentation */
        "2001:1::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::",
        "2001:db8:ffff:ffff::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        /* IPv4 within: mapped, compatible, translated, 6to4 */
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:169.254.169.254",
        "::ffff:192.168.1.1",
        "::127.0.0.1",
        "::10.0.0.1",
        "::0.0.0.2",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2002:c0a8:101::1",
        "2002:a9fe:a9fe::1",
        "2002::1",
        "::ffff:0:127.0.0.1",
        "::ffff:0:8.8.8.8",
        /* Teredo: the server's address, or that of the client, turned over */
        "2001:0:7f00:1::f7f7:f7f7",
        "2001:0:808:808::80ff:fffe",
        "2001:0:808:808::f5ff:fffe",
        "2001::",
        "2001:0:808:808::",
        /* ISATAP below public prefixes */
        "2606:4700::5efe:127.0.0.1",
        "2606:4700::200:5efe:10.0.0.1",
        "2606:4700:1:2:0:5efe:a9fe:a9fe",
        "2002:808:808::5efe:10.0.0.1",
        "fe80::5efe:8.8.8.8",
        "fd00::200:5efe:8.8.8.8",
    };
    static const char *const yes[] = {
        "1.0.0.0",
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.1.255",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700::1111",
        "2a00:1450::1",
        "3ffe::1",
        "3fff:1000::1",
        "2606:4700::5eff:10.0.0.1",
        "2606:4700::5efe:8.8.8.8",
        "2606:4700::200:5efe:8.8.8.8",
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2001:0:808:808::f7f7:f7f7",
    };

    (void)state;
    for (size_t i = 0; i != sizeof(no) / sizeof(no[0]); ++i)
        if (is_public(no[i]))
            fail_msg("%s is taken for public", no[i]);
    for (size_t i = 0; i != sizeof(yes) / sizeof(yes[0]); ++i)
        if (!is_public(yes[i]))
            fail_msg("%s is not taken for public", yes[i]);
}

/* an IPv6 address that carries an IPv4 one is as public as that, for every first byte and some of what follows it */
static void test_embedded_as_bare(void **state)
{
    static const unsigned seconds[] = {0, 16, 18, 31, 32, 51, 63, 64, 88, 127, 128, 168, 254, 255};
    static const char *const forms[] = {"::ffff:%u.%u.%u.%u", "64:ff9b::%u.%u.%u.%u", "::%u.%u.%u.%u"};
    char bare[32], within[64];

    (void)state;
    for (unsigned a = 0; a != 256; ++a) {
        for (size_t i = 0; i != sizeof(seconds) / sizeof(seconds[0]); ++i) {
            unsigned b = seconds[i], c = 99 + (a & 1), d = 1;
            snprintf(bare, sizeof(bare), "%u.%u.%u.%u", a, b, c, d);
            for (size_t form = 0; form != sizeof(forms) / sizeof(forms[0]); ++form) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(within, sizeof(within), forms[form], a, b, c, d);
#pragma GCC diagnostic pop
                assert_int_equal(is_public(within), is_public(bare));
            }
            snprintf(within, sizeof(within), "2002:%x:%x::1", a << 8 | b, c << 8 | d);
            assert_int_equal(is_public(within), is_public(bare));
            snprintf(within, sizeof(within), "2001:0:%x:%x::f7f7:f7f7", a << 8 | b, c << 8 | d);
            assert_int_equal(is_public(within), is_public(bare));
            snprintf(within, sizeof(within), "2001:0:808:808::%x:%x", (a << 8 | b) ^ 0xffff, (c << 8 | d) ^ 0xffff);
            assert_int_equal(is_public(within), is_public(bare));
            snprintf(within, sizeof(within), "2a00::5efe:%x:%x", a << 8 | b, c << 8 | d);
            assert_int_equal(is_public(within), is_public(bare));
        }
    }
}

static void test_forms_of_addresses(void **state)
{
    static const char *const bad[] = {"",           "1",          "127.1",      "2130706433",   "0x7f000001",
                                      "0177.0.0.1", "127.0.0.1 ", " 127.0.0.1", "127.0.0.1:80", "127.0.0.256",
                                      "127.0.0.1.", "[::1]",      "::1%lo",     "fe80::1%1",    ":",
                                      ":::",        "::g",        "localhost",  "1.2.3.4/32"};
    sluice_address_t address, mapped = address_of("::ffff:1.2.3.4"), bare = address_of("1.2.3.4");

    (void)state;
    for (size_t i = 0; i != sizeof(bad) / sizeof(bad[0]); ++i)
        if (sluice_address_parse(bad[i], &address) == 0)
            fail_msg("`%s` is taken for an address", bad[i]);
    assert_memory_equal(&mapped, &bare, sizeof(bare));
}

static void test_socket_addresses(void **state)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(81), .sin_addr.s_addr = htonl(0x01020304)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(443), .sin6_scope_id = 7};
    struct sockaddr_storage other = {.ss_family = AF_UNIX};
    sluice_address_t address, expected = address_of("1.2.3.4");
    uint16_t port;

    (void)state;
    assert_int_equal(sluice_address_of((const void *)&four, sizeof(four), &address, &port), 0);
    assert_memory_equal(&address, &expected, sizeof(address));
    assert_int_equal(port, 81);
    inet_pton(AF_INET6, "fe80::9", &six.sin6_addr);
    expected = address_of("fe80::9");
    assert_int_equal(sluice_address_of((const void *)&six, sizeof(six), &address, &port), 0);
    assert_memory_equal(&address, &expected, sizeof(address));
    assert_int_equal(port, 443);
    assert_int_equal(sluice_address_of((const void *)&other, sizeof(other), &address, &port), -1);
    assert_int_equal(sluice_address_of((const void *)&six, sizeof(four), &address, &port), -1);
}

static int has(const char *network_text, const char *address_text)
{
    sluice_network_t network;
    sluice_address_t address = address_of(address_text);

    if (sluice_network_parse(network_text, &network) != 0)
        fail_msg("`%s` is no network", network_text);
    return sluice_network_has(&network, &address);
}

static void test_networks(void **state)
{
    static const struct {
        const char *network, *address;
        int has;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0", 1},
        {"10.0.0.0/8", "10.255.255.255", 1},
        {"10.0.0.0/8", "11.0.0.0", 0},
        {"10.0.0.0/8", "9.255.255.255", 0},
        {"10.0.0.0/8", "::ffff:10.9.9.9", 1},
        {"10.0.0.0/8", "::10.9.9.9", 0},
        {"10.0.0.0/8", "64:ff9b::10.9.9.9", 0},
        {"10.0.0.0/8", "a00::", 0},
        {"172.16.0.0/12", "172.31.255.255", 1},
        {"172.16.0.0/12", "172.32.0.0", 0},
        {"127.0.0.1", "127.0.0.1", 1},
        {"127.0.0.1", "127.0.0.2", 0},
        {"127.0.0.1", "::1", 0},
        {"127.0.0.1/32", "127.0.0.1", 1},
        {"127.0.0.0/31", "127.0.0.1", 1},
        {"127.0.0.0/31", "127.0.0.2", 0},
        {"0.0.0.0/0", "8.8.8.8", 1},
        {"0.0.0.0/0", "::1", 0},
        {"0.0.0.0/0", "::ffff:8.8.8.8", 1},
        {"::1", "::1", 1},
        {"::1", "::", 0},
        {"fd00::/8", "fdff::1", 1},
        {"fd00::/8", "fc00::1", 0},
        {"fe80::/10", "febf::1", 1},
        {"fe80::/10", "fec0::1", 0},
        {"::/0", "::1", 1},
        {"::/0", "127.0.0.1", 0},
        {"::/0", "fd00::1", 1},
        {"::ffff:10.0.0.0/104", "10.2.3.4", 1},
        {"::ffff:0:0/96", "10.2.3.4", 1},
        {"2001:db8::1/128", "2001:db8::1", 1},
        {"2001:db8::/33", "2001:db8:8000::", 0},
        {"2001:db8::/33", "2001:db8:7fff::", 1},
    };
    static const char *const bad[] = {"",
                                      "/",
                                      "/8",
                                      "10",
                                      "10/8",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/+8",
                                      "10.0.0.0/ 8",
                                      "10.0.0.0/08",
                                      "10.0.0.0/8 ",
                                      "10.0.0.0/8/8",
                                      "10.0.0.0/0x8",
                                      "10.0.0.0/4294967304",
                                      "10.0.0.0/255.0.0.0",
                                      "10.0.0.1/8",
                                      "10.128.0.0/8",
                                      "0.0.0.1/0",
                                      "fd00::1/8",
                                      "fd00::/129",
                                      "fd00::/1000",
                                      "[fd00::]/8",
                                      "::1%lo",
                                      "localhost",
                                      "10.0.0.*",
                                      "10.0.0.0-10.0.0.9",
                                      "http://10.0.0.1/",
                                      "::ffff:10.0.0.0/8",
                                      "1234:1234:1234:1234:1234:1234:1234:1234:1234:1234:1234/8"};
    sluice_network_t network;

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        if (has(rows[i].network, rows[i].address) != rows[i].has)
            fail_msg("%s in %s is not %d", rows[i].address, rows[i].network, rows[i].has);
    for (size_t i = 0; i != sizeof(bad) / sizeof(bad[0]); ++i)
        if (sluice_network_parse(bad[i], &network) == 0)
            fail_msg("`%s` is taken for a network", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_or_not),    cmocka_unit_test(test_embedded_as_bare), cmocka_unit_test(test_forms_of_addresses),
        cmocka_unit_test(test_socket_addresses), cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
