#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/svg_scan.h"
#include "module/svg_tokens.h"

/* in a buffer of just that size, so that a sanitizer sees each byte too many */
static int scan(const char *text, size_t len, sluice_svg_cost_t *cost)
{
    uint8_t *copy = malloc(len + 1);

    assert_non_null(copy);
    copy = realloc(memcpy(copy, text, len), len != 0 ? len : 1);
    int ret = sluice_svg_scan(copy, len, cost);
    free(copy);
    return ret;
}

static void test_what_begins_as_a_drawing(void **state)
{
    static const struct {
        const char *text;
        int is;
    } cases[] = {
        {"<svg>", 1},
        {"<svg/>", 1},
        {"<svg:svg xmlns:svg=''>", 1},
        {"\xef\xbb\xbf \n<svg a>", 1},
        {"<?xml version='1.0'?><!-- <html> --><svg >", 1},
        {"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'><svg>", 1},
        {"<svgx>", 0},
        {"<svg", 0},
        {"<html><svg>", 0},
        {"<!-- <svg>", 0},
        {"text <svg>", 0},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        if (sluice_svg_is((const uint8_t *)cases[i].text, strlen(cases[i].text)) != cases[i].is)
            fail_msg("%s", cases[i].text);
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *text;
        int ret;
    } cases[] = {
        {"<svg><path d='M0 0'/></svg>", 0},
        {"<?xml version='1.0' encoding='UTF-8'?><svg/>", 0},
        {"<?xml version='1.0' encoding='utf-8x'?><svg/>", -1},
        {"<?xml version='1.0' encoding='UTF-7'?><svg/>", -1},
        {"<?xml-stylesheet href='data:text/css,a'?><svg/>", -1},
        {"<!DOCTYPE svg [<!ENTITY ns 'http://www.w3.org/2000/svg'>]><svg xmlns='&ns;'/>", 0},
        {"<!DOCTYPE svg [<!ENTITY a '<g/>'>]><svg/>", -1},
        {"<!DOCTYPE svg [<!ENTITY a '&b;'>]><svg/>", -1},
        {"<!DOCTYPE svg [<!ENTITY a '#b'>]><svg/>", -1},
        {"<!DOCTYPE svg [<!ENTITY a SYSTEM 'x'>]><svg/>", -1},
        {"<!DOCTYPE svg [<!ENTITY % a 'x'>]><svg/>", -1},
        {"<!DOCTYPE svg [%a;]><svg/>", -1},
        {"<svg><x:pattern/></svg>", -1},
        {"<svg><g title='&#35;'/></svg>", -1},
        {"<svg><text>&#35; \\</text></svg>", 0},
        {"<svg><g id='&e;'/></svg>", -1},
        {"<svg><style>.a{fill:red}</style></svg>", 0},
        {"<svg><style>@import 'a'</style></svg>", -1},
        {"<svg><style>.a{f\\69ll:red}</style></svg>", -1},
        {"<svg><image href='http://a/b?c&amp;d'/></svg>", 0},
        {"<svg><image href='DATA:image/png;base64,'/></svg>", -1},
        {"<svg><image href='&e;'/></svg>", -1},
        {"<svg><image href='data:image/png;base64,AAAA'/></svg>", -1},
        /* references: one may lead to the next, but not to two */
        {"<svg><g id='a'/><g id='b'><use href='#a'/></g><use href='#b'/></svg>", 0},
        {"<svg><g id='a'/><g id='b'><use href='#a'/><use href='#a'/></g></svg>", 0},
        {"<svg><g id='a'/><g id='b'><use href='#a'/><use href='#a'/></g><use href='#b'/></svg>", -1},
        {"<svg><g id='a'/><g id = 'b'><use href='#a'/><use href='#a'/></g><use href='#b'/></svg>", -1},
        {"<svg><g id='a'/><g title=' id=x' id='b'><use href='#a'/><use href='#a'/></g><use href='#b'/></svg>", -1},
        {"<svg><g id='a'/><g id='b'><!-- </g> --><use x='/>' href='#a'/><use href='#a'/></g><use href='#b'/></svg>", -1},
        {"<svg><linearGradient id='a'/><g id='b'><g fill='url(#a)'/><g fill='url(#a)'/></g><use href='#b'/></svg>", 0},
        {"<svg><style>.c{mask:url(#a)}</style><g id='a'><g class='c'/><g class='c'/></g></svg>", -1},
        /* no end */
        {"<svg><g a='>", -1},
        {"<svg><!-- ", -1},
        {"<svg><g <g/>", -1},
        {"<!DOCTYPE svg [", -1},
        {"<!DOCTYPE svg [<!ENTITY", -1},
        {"<!DOCTYPE svg [<!ENTITY a '", -1},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_svg_cost_t cost;
        if (scan(cases[i].text, strlen(cases[i].text), &cost) != cases[i].ret)
            fail_msg("%s", cases[i].text);
        for (size_t len = 0; len != strlen(cases[i].text); ++len)
            scan(cases[i].text, len, &cost);
    }
}

static void test_cost_grows_with_what_is_there(void **state)
{
    sluice_svg_cost_t plain, faded, filtered, more;

    (void)state;
    assert_int_equal(scan("<svg><g></g></svg>", 18, &plain), 0);
    assert_int_equal(scan("<svg><g opacity='1'><g/></g></svg>", 34, &faded), 0);
    assert_int_equal(scan("<svg><feFlood/><feFlood/></svg>", 31, &filtered), 0);
    assert_int_equal(scan("<svg><g/><g/><g/></svg>", 23, &more), 0);
    assert_true(faded.surfaces > plain.surfaces);
    assert_true(filtered.surfaces >= plain.surfaces + 2);
    assert_true(more.tree_bytes > plain.tree_bytes + 2 * 1250); /* as measured */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_begins_as_a_drawing),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_cost_grows_with_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
