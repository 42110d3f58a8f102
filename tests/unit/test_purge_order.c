#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/purge_order.h"

static int parse(const char *text, sluice_purge_order_t *order, char *error)
{
    size_t len = strlen(text);
    char *copy = malloc(len + (len == 0));
    int ret;

    assert_non_null(copy);
    memcpy(copy, text, len);
    ret = sluice_purge_order_parse(copy, len, order, error);
    free(copy);
    return ret;
}

static void assert_order(const char *text, sluice_purge_kind_t kind, const char *path, const char *host)
{
    sluice_purge_order_t order;
    char error[SLUICE_PURGE_ERROR_MAX] = "";

    if (parse(text, &order, error) != 0)
        fail_msg("`%s`: %s", text, error);
    assert_int_equal(order.kind, kind);
    assert_true((order.path == NULL) == (path == NULL) && (order.host == NULL) == (host == NULL));
    if (path != NULL)
        assert_string_equal(order.path, path);
    if (host != NULL)
        assert_string_equal(order.host, host);
    sluice_purge_order_dispose(&order);
    assert_true(order.path == NULL && order.host == NULL);
}

static void test_orders(void **state)
{
    (void)state;
    assert_order("{\"url\": \"/images/a.jpg\"}", SLUICE_PURGE_URL, "/images/a.jpg", NULL);
    assert_order("{\"url\": \"/images/a.jpg?w=300\", \"host\": \"a.example\"}", SLUICE_PURGE_URL, "/images/a.jpg?w=300",
                 "a.example");
    assert_order(" {\"host\":\"b\",\"prefix\":\"/\"}\n", SLUICE_PURGE_PREFIX, "/", "b");
    assert_order("{\"prefix\": \"/im\"}", SLUICE_PURGE_PREFIX, "/im", NULL);
    assert_order("{\"all\": true}", SLUICE_PURGE_ALL, NULL, NULL);
    assert_order("{\"url\": \"/caf\\u00e9\"}", SLUICE_PURGE_URL, "/caf\xc3\xa9", NULL);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "not JSON"},
        {"url=/a", "not JSON"},
        {"{\"url\": \"/a\"} x", "not JSON"},
        {"{\"url\": \"/a\", \"url\": \"/b\"}", "not JSON"},
        {"{\"url\": \"/a\\u0000b\"}", "not JSON"},
        {"{\"url\": \"/\xff\"}", "not JSON"},
        {"[]", "no JSON object"},
        {"{}", "exactly one"},
        {"{\"host\": \"a\"}", "exactly one"},
        {"{\"url\": \"/a\", \"prefix\": \"/b\"}", "exactly one"},
        {"{\"url\": \"/a\", \"all\": true}", "exactly one"},
        {"{\"url\": \"/a\", \"prefix\": \"/b\", \"all\": true}", "exactly one"},
        {"{\"urls\": \"/a\"}", "unknown name urls"},
        {"{\"url\": \"/a\", \"prefx\": 1}", "unknown name prefx"},
        {"{\"url\": 1}", "starts with a slash"},
        {"{\"url\": null}", "starts with a slash"},
        {"{\"url\": [\"/a\"]}", "starts with a slash"},
        {"{\"url\": \"\"}", "starts with a slash"},
        {"{\"url\": \"a.jpg\"}", "starts with a slash"},
        {"{\"url\": \"http://a.example/a.jpg\"}", "starts with a slash"},
        {"{\"prefix\": \"images/\"}", "starts with a slash"},
        {"{\"prefix\": \"/a.jpg?w=\"}", "no query"},
        {"{\"all\": false}", "all takes true"},
        {"{\"all\": 1}", "all takes true"},
        {"{\"all\": \"true\"}", "all takes true"},
        {"{\"all\": true, \"host\": \"a\"}", "every host"},
        {"{\"url\": \"/a\", \"host\": 1}", "host takes a name"},
        {"{\"url\": \"/a\", \"host\": \"\"}", "host takes a name"},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_purge_order_t order;
        char error[SLUICE_PURGE_ERROR_MAX] = "";
        assert_int_equal(parse(cases[i].text, &order, error), -1);
        if (strstr(error, cases[i].says) == NULL || strstr(error, "{\"prefix\": \"/images/2024/\"}") == NULL)
            fail_msg("`%s` is refused with `%s`", cases[i].text, error);
        assert_true(order.path == NULL && order.host == NULL);
    }
}

static void test_long_names_are_cut(void **state)
{
    char text[2000] = "{\"", error[SLUICE_PURGE_ERROR_MAX];
    sluice_purge_order_t order;

    (void)state;
    memset(text + 2, 'x', 1900);
    memcpy(text + 1902, "\": 1}", 6);
    assert_int_equal(parse(text, &order, error), -1);
    assert_non_null(strstr(error, "\"host\" too"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_names_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
