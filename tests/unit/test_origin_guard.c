#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/origin_guard.h"

/* "http://host:port/path", written as the guard gets it; hosts have no colons here but those of "[v6]" */
static sluice_url_t url_of(const char *text)
{
    sluice_url_t url = {.https = strncmp(text, "https", 5) == 0};
    const char *host = strstr(text, "://") + 3, *path = host + strcspn(host, "/");
    size_t bracket = host[0] == '[';
    const char *end = bracket ? strchr(host, ']') : memchr(host, ':', (size_t)(path - host));

    url.port = url.https ? 443 : 80;
    if (end == NULL)
        end = path;
    else if (end[bracket] == ':')
        url.port = (uint16_t)strtoul(end + bracket + 1, NULL, 10);
    url.host = strndup(host + bracket, (size_t)(end - host) - bracket);
    url.path = strdup(*path != '\0' ? path : "/");
    return url;
}

static int is_below(const char *url_text, const char *base_text)
{
    sluice_url_t url = url_of(url_text), base = url_of(base_text);
    int is = sluice_url_is_below(&url, &base);

    sluice_url_dispose(&url);
    sluice_url_dispose(&base);
    return is;
}

static void test_below(void **state)
{
    static const struct {
        const char *base, *url;
        int is;
    } rows[] = {
        {"http://a/", "http://a/", 1},
        {"http://a/", "http://a/x/y", 1},
        {"http://a/", "https://a/", 0},
        {"http://a/", "http://a:81/", 0},
        {"http://a:80/", "http://a/", 1},
        {"https://a:443/", "https://a/", 1},
        {"http://a/", "http://b/", 0},
        {"http://a/", "http://a.b/", 0},
        {"http://a.b/", "http://b/", 0},
        {"http://a.b/", "http://x.a.b/", 0},
        {"http://a/pictures", "http://a/pictures", 1},
        {"http://a/pictures", "http://a/pictures/", 1},
        {"http://a/pictures", "http://a/pictures/x", 1},
        {"http://a/pictures", "http://a/pictures-secret", 0},
        {"http://a/pictures", "http://a/picturesx/y", 0},
        {"http://a/pictures", "http://a/pictures%2Dsecret", 0},
        {"http://a/pictures", "http://a/picture", 0},
        {"http://a/pictures", "http://a/", 0},
        {"http://a/pictures", "http://a/Pictures/x", 0},
        {"http://a/pictures", "http://a/x/pictures", 0},
        {"http://a/pictures", "http://a//pictures", 0},
        {"http://a/pictures", "http://a/pictures%2Fx", 0},
        {"http://a/pictures", "http://a/pictures;x", 0},
        {"http://a/pictures/", "http://a/pictures/", 1},
        {"http://a/pictures/", "http://a/pictures/x", 1},
        {"http://a/pictures/", "http://a/pictures", 0},
        {"http://a/pictures/", "http://a/pictures/../x", 0},
        {"http://a/pictures/", "http://a/pictures/..", 0},
        {"http://a/pictures/", "http://a/pictures/%2e%2e/x", 0},
        {"http://a/pictures/", "http://a/pictures/.%2E/x", 0},
        {"http://a/pictures/", "http://a/pictures/%2e%2e%2fx", 0},
        {"http://a/pictures/", "http://a/pictures/..%2fx", 0},
        {"http://a/pictures/", "http://a/pictures/x%2f..%2f..%2fy", 0},
        {"http://a/pictures/", "http://a/pictures/..%5cx", 0},
        {"http://a/pictures/", "http://a/pictures/..\\x", 0},
        {"http://a/pictures/", "http://a/pictures/x%5c..%5c..%5cy", 0},
        {"http://a/pictures/", "http://a/pictures/%252e%252e/x", 0},
        {"http://a/pictures/", "http://a/pictures/%252e%252e%252fx", 0},
        {"http://a/pictures/", "http://a/pictures/%25252e%25252e%25252fx", 0},
        {"http://a/pictures/", "http://a/pictures/%2525252525252525252e", 0},
        {"http://a/pictures/", "http://a/pictures/%2525", 1},
        {"http://a/pictures/", "http://a/pictures/..;/x", 0},
        {"http://a/pictures/", "http://a/pictures/..;a=b/x", 0},
        {"http://a/pictures/", "http://a/pictures/..%3b/x", 0},
        {"http://a/pictures/", "http://a/pictures/./x", 0},
        {"http://a/pictures/", "http://a/pictures/x%00.png", 0},
        {"http://a/pictures/", "http://a/pictures/x%0d%0ay", 0},
        {"http://a/pictures/", "http://a/pictures/x%2500y", 0},
        {"http://a/pictures/", "http://a/pictures/x%7fy", 0},
        {"http://a/pictures/", "http://a/pictures/a%2Fb.png", 1},
        {"http://a/pictures/", "http://a/pictures/a%20b.png", 1},
        {"http://a/pictures/", "http://a/pictures/...", 1},
        {"http://a/pictures/", "http://a/pictures/..x/x..", 1},
        {"http://a/pictures/", "http://a/pictures/.hidden", 1},
        {"http://a/pictures/", "http://a/pictures/100%", 1},
        {"http://a/pictures/", "http://a/pictures/%zz%2", 1},
        {"http://a/%70ictures/", "http://a/pictures/x", 1},
        {"http://a/pictures/", "http://a/%70ictures/x", 1},
        {"http://a/caf%c3%a9/", "http://a/caf%C3%A9/x", 1},
        {"http://a/a%2Fb/", "http://a/a/b/x", 0},
        {"http://a/a/b/", "http://a/a%2Fb/x", 0},
        {"http://a/~u/", "http://a/%7Eu/x", 1},
        {"http://a/", "http://a/%2e%2e/x", 1}, /* there is nothing above */
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        if (is_below(rows[i].url, rows[i].base) != rows[i].is)
            fail_msg("%s below %s is not %d", rows[i].url, rows[i].base, rows[i].is);
}

static void test_long_paths(void **state)
{
    enum { LEN = 100000 };
    char *text = malloc(LEN + 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', LEN);
    text[LEN] = '\0';
    memcpy(text, "http://a/x/", 11);
    assert_false(is_below(text, "http://a/x/"));
    assert_true(is_below(text, "http://a/"));
    text[8000] = '\0';
    assert_true(is_below(text, "http://a/x/"));
    free(text);
}

/* lists are given as texts with spaces between; NULL: the setting is missing */
static sluice_urls_t *urls_of(const char *text)
{
    sluice_urls_t *list = calloc(1, sizeof(*list) + 8 * sizeof(list->entries[0]));
    char word[128];

    assert_non_null(list);
    while (*(text += strspn(text, " ")) != '\0') {
        size_t len = strcspn(text, " ");
        snprintf(word, sizeof(word), "%.*s", (int)len, text);
        list->entries[list->count++] = url_of(word);
        text += len;
    }
    return list;
}

static int admits_redirect(const char *base, const char *origins, const char *from, const char *to)
{
    sluice_urls_t *list = origins != NULL ? urls_of(origins) : NULL;
    sluice_guard_t guard = {.base = url_of(base), .origins = list};
    sluice_url_t from_url = url_of(from), to_url = url_of(to);
    int admits = sluice_guard_admits_redirect(&guard, &from_url, &to_url);

    sluice_url_dispose(&guard.base);
    sluice_url_dispose(&from_url);
    sluice_url_dispose(&to_url);
    sluice_urls_free(&list);
    return admits;
}

static void test_redirects(void **state)
{
    static const struct {
        const char *base, *origins, *from, *to;
        int admits;
    } rows[] = {
        /* without a list */
        {"http://a/p/", NULL, "http://a/p/x", "http://a/p/y", 1},
        {"http://a/p/", NULL, "http://a/p/x", "http://a/anything", 1},
        {"http://a/p/", NULL, "http://a/p/x", "https://a/x", 1},
        {"http://a/p/", NULL, "http://a/p/x", "https://a:8443/x", 0},
        {"http://a/p/", NULL, "http://a/p/x", "http://a:443/x", 0},
        {"http://a/p/", NULL, "http://a/p/x", "http://a:81/x", 0},
        {"http://a/p/", NULL, "http://a/p/x", "http://b/p/x", 0},
        {"http://a/p/", NULL, "http://a/p/x", "http://www.a/p/x", 0},
        {"http://a/p/", NULL, "https://a/p/x", "http://a/p/x", 0},
        {"http://a:8080/p/", NULL, "http://a:8080/p/x", "http://a:8080/x", 1},
        {"http://a:8080/p/", NULL, "http://a:8080/p/x", "https://a/x", 0},
        {"http://a:8080/p/", NULL, "http://a:8080/p/x", "http://a/x", 0},
        {"https://a/p/", NULL, "https://a/p/x", "https://a/x", 1},
        {"https://a/p/", NULL, "https://a/p/x", "http://a/x", 0},
        {"https://a/p/", NULL, "https://a/p/x", "http://a:443/x", 0},
        {"https://a:8443/p/", NULL, "https://a:8443/p/x", "https://a/x", 0},
        {"http://127.0.0.1:81/", NULL, "http://127.0.0.1:81/", "http://127.0.0.2:81/", 0},
        /* with a list: nothing but the list and what is below the base */
        {"http://a/p/", "", "http://a/p/x", "http://a/p/y", 1},
        {"http://a/p/", "", "http://a/p/x", "http://a/q", 0},
        {"http://a/p/", "", "http://a/p/x", "https://a/p/x", 0},
        {"http://a/p/", "http://b/q/", "http://a/p/x", "http://b/q/x", 1},
        {"http://a/p/", "http://b/q/", "http://a/p/x", "http://b/r/x", 0},
        {"http://a/p/", "http://b/q/", "http://a/p/x", "http://b/q/../r", 0},
        {"http://a/p/", "http://b/q/", "http://a/p/x", "http://b:81/q/x", 0},
        {"http://a/p/", "http://b/q/", "http://b/q/x", "http://a/p/x", 1},
        {"http://a/p/", "http://b/q/ https://c/", "http://b/q/x", "https://c/x", 1},
        {"http://a/p/", "http://b/q/ https://c/", "https://c/x", "http://b/q/x", 1}, /* the list has it with http */
        {"http://a/p/", "http://b/q/ https://c/", "https://c/x", "http://a/p/x", 0},
        {"https://a/p/", "http://a/p/", "https://a/p/x", "http://a/p/x", 1},
        {"https://a/p/", "https://b/", "https://a/p/x", "http://b/x", 0},
        {"http://a/p/", "http://a:81/ https://a:8443/", "http://a/p/x", "https://a:8443/x", 1},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        if (admits_redirect(rows[i].base, rows[i].origins, rows[i].from, rows[i].to) != rows[i].admits)
            fail_msg("origin %s, list %s: %s -> %s is not %d", rows[i].base, rows[i].origins != NULL ? rows[i].origins : "none",
                     rows[i].from, rows[i].to, rows[i].admits);
}

static int admits_address(const char *base, const char *origins, const char *network, const char *address_text, uint16_t port)
{
    union {
        sluice_networks_t list;
        char room[sizeof(sluice_networks_t) + sizeof(sluice_network_t)];
    } networks = {.list = {.count = 1}};
    sluice_urls_t *list = origins != NULL ? urls_of(origins) : NULL;
    sluice_guard_t guard = {.base = url_of(base), .addresses = network != NULL ? &networks.list : NULL, .origins = list};
    sluice_address_t address;

    assert_int_equal(sluice_address_parse(address_text, &address), 0);
    if (network != NULL)
        assert_int_equal(sluice_network_parse(network, networks.list.entries), 0);
    int admits = sluice_guard_admits_address(&guard, &address, port);
    sluice_url_dispose(&guard.base);
    sluice_urls_free(&list);
    return admits;
}

static void test_addresses(void **state)
{
    static const struct {
        const char *base, *origins, *network, *address;
        uint16_t port;
        int admits;
    } rows[] = {
        {"http://a/", NULL, NULL, "8.8.8.8", 80, 1},
        {"http://a/", NULL, NULL, "8.8.8.8", 22, 1},
        {"http://a/", NULL, NULL, "10.0.0.1", 80, 0},
        {"http://a/", NULL, "10.0.0.0/8", "10.0.0.1", 80, 1},
        {"http://a/", NULL, "10.0.0.0/8", "10.0.0.1", 22, 1},
        {"http://a/", NULL, "10.0.0.0/8", "127.0.0.1", 80, 0},
        {"http://a/", NULL, "::/0", "127.0.0.1", 80, 0},
        {"http://127.0.0.1:9001/", NULL, NULL, "127.0.0.1", 9001, 1},
        {"http://127.0.0.1:9001/", NULL, NULL, "::ffff:127.0.0.1", 9001, 1},
        {"http://127.0.0.1:9001/", NULL, NULL, "127.0.0.1", 9002, 0},
        {"http://127.0.0.1:9001/", NULL, NULL, "127.0.0.2", 9001, 0},
        {"http://127.0.0.1:9001/", NULL, NULL, "::1", 9001, 0},
        {"http://127.0.0.1/", NULL, NULL, "127.0.0.1", 80, 1},
        {"https://127.0.0.1/", NULL, NULL, "127.0.0.1", 443, 1},
        {"https://127.0.0.1/", NULL, NULL, "127.0.0.1", 80, 0},
        {"http://[::1]:81/", NULL, NULL, "::1", 81, 1},
        {"http://[::1]:81/", NULL, NULL, "127.0.0.1", 81, 0},
        {"http://[fd00::1]/", NULL, NULL, "fd00::1", 80, 1},
        {"http://[fd00::1]/", NULL, NULL, "fd00::2", 80, 0},
        {"http://localhost:81/", NULL, NULL, "127.0.0.1", 81, 1},
        {"http://localhost:81/", NULL, NULL, "::1", 81, 1},
        {"http://localhost:81/", NULL, NULL, "127.0.0.2", 81, 0},
        {"http://localhost:81/", NULL, NULL, "127.0.0.1", 82, 0},
        {"http://localhost:81/", NULL, NULL, "10.0.0.1", 81, 0},
        {"http://x.localhost:81/", NULL, NULL, "127.0.0.1", 81, 0},
        {"http://localhost.localdomain/", NULL, NULL, "127.0.0.1", 80, 0},
        {"http://a/", "http://b/ http://127.0.0.1:82/", NULL, "127.0.0.1", 82, 1},
        {"http://a/", "http://b/ http://127.0.0.1:82/", NULL, "127.0.0.1", 80, 0},
        {"http://a/", "http://localhost:82/", NULL, "::1", 82, 1},
        {"http://a/", "http://b/", NULL, "127.0.0.1", 80, 0},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        if (admits_address(rows[i].base, rows[i].origins, rows[i].network, rows[i].address, rows[i].port) != rows[i].admits)
            fail_msg("origin %s: %s port %u is not %d", rows[i].base, rows[i].address, (unsigned)rows[i].port, rows[i].admits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_long_paths),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
