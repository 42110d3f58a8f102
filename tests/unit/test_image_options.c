#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "tests/unit/options_parse.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

struct st_row_t {
    const char *query, *text;
};

static void assert_texts(const struct st_row_t *rows, size_t count)
{
    for (size_t i = 0; i != count; ++i)
        assert_text(rows[i].query, rows[i].text);
}

static void test_each_option(void **state)
{
    static const struct st_row_t rows[] = {
        {"", ""},
        {"w=300", "&w=300"},
        {"w=1", "&w=1"},
        {"w=8192", "&w=8192"},
        {"w=50%25", "&w=50%25"},

        {"h=200", "&h=200"},
        {"h=12.5%25", "&h=12.5%25"},
        {"h=800%25", "&h=800%25"},
        {"w=3&h=2&fit=outside", "&w=3&h=2&fit=outside"},
        {"w=3&h=2&fit=cover", "&w=3&h=2&fit=cover"},
        {"w=3&h=2&fit=fill", "&w=3&h=2&fit=fill"},
        {"w=3&h=2&fit=contain", "&w=3&h=2&fit=contain"},
        {"w=3&we", "&w=3&we=1"},
        {"w=3&h=2&fit=contain&cbg=red", "&w=3&h=2&fit=contain&cbg=ff0000"},
        {"w=3&h=2&fit=contain&cbg=8f00", "&w=3&h=2&fit=contain&cbg=88ff0000"},
        {"w=3&h=2&fit=cover&a=top", "&w=3&h=2&fit=cover&a=top"},
        {"w=3&h=2&fit=cover&a=entropy", "&w=3&h=2&fit=cover&a=entropy"},
        {"w=3&h=2&fit=cover&a=attention", "&w=3&h=2&fit=cover&a=attention"},
        {"w=3&h=2&fit=contain&a=bottom-right", "&w=3&h=2&fit=contain&a=bottom-right"},
        {"w=3&h=2&fit=cover&a=focal&fpx=0.25", "&w=3&h=2&fit=cover&a=focal&fpx=0.25"},
        {"w=3&h=2&fit=cover&a=focal&fpx=0&fpy=1", "&w=3&h=2&fit=cover&a=focal&fpx=0&fpy=1"},
        {"w=3&h=2&fit=cover&a=focal&fpx=0.33333", "&w=3&h=2&fit=cover&a=focal&fpx=0.3333"},
        {"cx=1", "&cx=1"},
        {"cy=10%25", "&cy=10%25"},
        {"cw=10000000", "&cw=10000000"},
        {"ch=5&precrop", "&ch=5&precrop=1"},
        {"trim=1", "&trim=1"},
        {"trim=254", "&trim=254"},
        {"ro=90", "&ro=90"},
        {"ro=45", "&ro=45"},
        {"ro=45&rbg=0f0", "&ro=45&rbg=00ff00"},
        {"flip", "&flip=1"},
        {"flop", "&flop=1"},
        {"blur", "&blur=true"},
        {"blur=0.3", "&blur=0.3"},
        {"blur=1000", "&blur=1000"},
        {"sharp", "&sharp=true"},
        {"sharp=0.001", "&sharp=0.001"},
        {"sharp=10", "&sharp=10"},
        {"sharp=2&sharpf=3&sharpj=0", "&sharp=2&sharpf=3&sharpj=0"},
        {"sharp=2&sharpf=1000000", "&sharp=2&sharpf=1000000"},
        {"con=-100", "&con=-100"},
        {"bri=100", "&bri=100"},
        {"gam=3", "&gam=3"},
        {"gam=1.0005", "&gam=1.001"},
        {"mod=0", "&mod=0"},
        {"mod=1.5", "&mod=1.5"},
        {"sat=10000", "&sat=10000"},
        {"sat=0.5", "&sat=0.5"},
        {"hue=180", "&hue=180"},
        {"filt=greyscale", "&filt=greyscale"},
        {"filt=sepia", "&filt=sepia"},
        {"filt=negate", "&filt=negate"},
        {"filt=duotone", "&filt=duotone"},
        {"filt=duotone&start=red", "&filt=duotone&start=ff0000"},
        {"filt=duotone&stop=00f", "&filt=duotone&stop=0000ff"},
        {"tint=123", "&tint=112233"},
        {"bg=fff", "&bg=ffffff"},
        {"bg=80ffffff", "&bg=80ffffff"},
        {"q=1", "&q=1"},
        {"q=100", "&q=100"},
        {"l=0", "&l=0"},
        {"l=9", "&l=9"},
        {"output=jpg", "&output=jpg"},
        {"output=png", "&output=png"},
        {"output=webp", "&output=webp"},
        {"output=gif", "&output=gif"},
        {"output=avif", "&output=avif"},
        {"output=tiff", "&output=tiff"},
        {"output=json", "&output=json"},
        {"il", "&il=1"},
        {"ll", "&ll=1"},
        {"af", "&af=1"},
        {"page=3", "&page=3"},
        {"page=-1", "&page=-1"},
        {"page=-2", "&page=-2"},
        {"page=100000", "&page=100000"},
        {"n=2", "&n=2"},
        {"n=256", "&n=256"},
        {"n=-1", "&n=-1"},
        {"lqip", "&lqip=1"},
        {"encoding=base64", "&encoding=base64"},
    };

    (void)state;
    assert_texts(rows, COUNT(rows));
}

static void test_fields(void **state)
{
    sluice_options_t o = parsed("w=300&h=20%25&fit=cover&q=75&output=webp&a=focal&fpx=0&ro=-30&mod=0.5&page=-2&cx=7", &strict);

    (void)state;
    assert_true(o.width.amount == 300 && !o.width.is_share && o.height.amount == 2000 && o.height.is_share);
    assert_true(o.fit == SLUICE_FIT_COVER && o.align == SLUICE_ALIGN_FOCAL && o.focal_x == 0 && o.focal_y == 5000);
    assert_true(o.quality == 75 && o.output == SLUICE_FORMAT_WEBP && o.rotation == 330 && o.page == SLUICE_PAGE_SMALLEST);
    assert_true(o.modulate_brightness == -500 && o.crop_x.amount == 7);
    o = parsed("sharp=0.5&blur&filt=duotone&start=80010203&n=-1&l=0&tint=8f00", &strict);
    assert_true(o.sharpen && o.sharpen_sigma == 500 && o.sharpen_flat == 1000 && o.sharpen_jagged == 2000);
    assert_true(o.blur && o.blur_sigma == 0 && o.num_pages == SLUICE_ALL_PAGES && o.level == 1);
    assert_true(o.duotone_start.red == 1 && o.duotone_start.blue == 3 && o.duotone_start.alpha == 255);
    assert_true(o.duotone_stop.red == 0xd8 && o.duotone_stop.alpha == 255 && o.tint.red == 255 && o.tint.alpha == 255);
}

static void test_nothing_is_all_zero(void **state)
{
    static const sluice_options_t zero;
    static const sluice_presentation_t nothing;
    char error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_presentation_t presentation;
    sluice_options_t o = parsed("", &strict);

    (void)state;
    assert_memory_equal(&o, &zero, sizeof(o));
    memset(&presentation, 0x7f, sizeof(presentation));
    assert_int_equal(sluice_options_parse(NULL, 0, &strict, &o, &presentation, error), 0);
    assert_memory_equal(&o, &zero, sizeof(o));
    assert_memory_equal(&presentation, &nothing, sizeof(presentation));
}

static void test_synonyms(void **state)
{
    static const struct st_row_t rows[] = {
        {"width=3&height=2", "&w=3&h=2"},
        {"w=3&h=2&t=cover&align=top", "&w=3&h=2&fit=cover&a=top"},
        {"or=90", "&ro=90"},
        {"quality=3", "&q=3"},
        {"level=3", "&l=3"},
        {"lossless", "&ll=1"},
        {"pages=3", "&n=3"},
        {"fm=avif", "&output=avif"},
        {"fm=JPEG", "&output=jpg"},
        {"output=jpeg", "&output=jpg"},
        {"output=av1", "&output=avif"},
        {"output=tif", "&output=tiff"},
        {"output=origin", ""},
        {"w=3&h=2&t=fit", "&w=3&h=2&we=1"},
        {"w=3&h=2&t=fitup", "&w=3&h=2"},
        {"w=3&h=2&t=square", "&w=3&h=2&fit=cover"},
        {"w=3&h=2&t=squaredown", "&w=3&h=2&fit=cover&we=1"},
        {"w=3&h=2&t=crop", "&w=3&h=2&fit=cover"},
        {"w=3&h=2&t=absolute", "&w=3&h=2&fit=fill"},
        {"w=3&h=2&t=letterbox", "&w=3&h=2&fit=contain"},
        {"w=3&h=2&we=0&t=fit", "&w=3&h=2"},
        {"w=3&h=2&t=fit&we=0", "&w=3&h=2"},
        {"w=3&h=2&fit=cover&a=t", "&w=3&h=2&fit=cover&a=top"},
        {"w=3&h=2&fit=cover&a=l", "&w=3&h=2&fit=cover&a=left"},
        {"w=3&h=2&fit=cover&a=r", "&w=3&h=2&fit=cover&a=right"},
        {"w=3&h=2&fit=cover&a=b", "&w=3&h=2&fit=cover&a=bottom"},
        {"w=3&h=2&fit=cover&a=focal-25-100", "&w=3&h=2&fit=cover&a=focal&fpx=0.25&fpy=1"},
        {"w=3&h=2&fit=cover&a=crop-25%25-0%25", "&w=3&h=2&fit=cover&a=focal&fpx=0.25&fpy=0"},
        {"w=3&h=2&fit=cover&a=focal-25", "&w=3&h=2&fit=cover&a=focal&fpx=0.25"},
        {"w=3&h=2&fit=cover&fpx=0.1&a=focal-25-30", "&w=3&h=2&fit=cover&a=focal&fpx=0.1&fpy=0.3"},
        {"crop=1,2,3,4", "&cx=3&cy=4&cw=1&ch=2"},
        {"cx=9&crop=1,2,3,4", "&cx=9&cy=4&cw=1&ch=2"},
        {"mod=2,3,40", "&mod=2&sat=3&hue=40"},
        {"mod=2,3", "&mod=2&sat=3"},
        {"hue=7&mod=2,3,40", "&mod=2&sat=3&hue=7"},
        {"sharp=3,4,5", "&sharp=5&sharpf=3&sharpj=4"},
        {"sharpf=7&sharp=3,4,5", "&sharp=5&sharpf=7&sharpj=4"},
        {"gam", "&gam=2.2"},
        {"trim", "&trim=10"},
        {"blur=TRUE", "&blur=true"},
        {"ro=-90", "&ro=270"},
        {"ro=450", "&ro=90"},
        {"hue=-1", "&hue=359"},
        {"flip=true&flop=false&il=0", "&flip=1"},
        {"tint=%23Abc", "&tint=aabbcc"},
        {"tint=SteelBlue", "&tint=4682b4"}};

    (void)state;
    assert_texts(rows, COUNT(rows));
}

static void test_spellings(void **state)
{
    static const struct st_row_t rows[] = {{"fit=COVER&w=3&h=2&output=WebP", "&w=3&h=2&fit=cover&output=webp"},
                                           {"h=2&w=3", "&w=3&h=2"},
                                           {"w=0300", "&w=300"},
                                           {"%77=%33%30%30", "&w=300"},
                                           {"f%69t=c%6Fver&w=3&h=2", "&w=3&h=2&fit=cover"},
                                           {"&&w=300&&h=2&", "&w=300&h=2"},
                                           {"&", ""},
                                           {"w=300&w=200", "&w=200"}, /* the last one counts */
                                           {"output=png&fm=gif", "&output=gif"},
                                           {"blur=3&blur=0", ""},
                                           {"sharp=2,2,2&sharp=5", "&sharp=5"},
                                           {"gam=2.20&sat=.5", "&gam=2.2&sat=0.5"}};

    (void)state;
    assert_texts(rows, COUNT(rows));
    assert_text_by(&lax, "f%6dt=1", "");
}

static void test_what_makes_no_difference(void **state)
{
    static const struct st_row_t rows[] = {
        {"fit=cover", ""},
        {"fit=fill", ""},
        {"we", ""},
        {"t=squaredown", ""},
        {"w=3&h=2&fit=inside&we=0", "&w=3&h=2"},
        {"w=3&fit=cover&a=top", "&w=3"},
        {"h=3&fit=outside", "&h=3"},
        {"h=3&fit=contain&cbg=red", "&h=3"},
        {"w=3&fit=fill", "&w=3&fit=fill"}, /* this one does: the height stays */
        {"w=3&h=2&a=top&cbg=red&fpx=0.1", "&w=3&h=2"},
        {"w=3&h=2&fit=cover&a=center", "&w=3&h=2&fit=cover"},
        {"w=3&h=2&fit=cover&a=focal", "&w=3&h=2&fit=cover"},
        {"w=3&h=2&fit=cover&a=top&fpx=0.1&cbg=red", "&w=3&h=2&fit=cover&a=top"},
        {"w=3&h=2&fit=contain&a=attention&cbg=00123456", "&w=3&h=2&fit=contain"},
        {"precrop&w=3", "&w=3"},
        {"cw=100%25&ch=100%25&cx=0&cy=0%25&precrop", ""},
        {"ro=0&flip=0", ""},
        {"ro=360", ""},
        {"rbg=red&ro=90", "&ro=90"},
        {"flip&flop", "&ro=180"},
        {"ro=180&flip", "&flop=1"},
        {"ro=180&flop", "&flip=1"},
        {"ro=180&flip&flop", ""},
        {"ro=270&flop", "&ro=90&flip=1"},
        {"ro=270&flip", "&ro=90&flop=1"},
        {"ro=90&flip&flop", "&ro=270"},
        {"ro=45&flip&flop", "&ro=45&flip=1&flop=1"},
        {"sharpf=3&sharpj=4", ""},
        {"sharp&sharpf=3", "&sharp=true"},
        {"sharp=2&sharpf=1&sharpj=2.0", "&sharp=2"},
        {"blur=0&sharp=0&trim=0&gam=0", ""},
        {"con=0&bri=0&gam=1&mod=1&sat=1&hue=360&filt=none", ""},
        {"start=red&stop=blue", ""},
        {"filt=sepia&start=red", "&filt=sepia"},
        {"filt=duotone&start=C83658&stop=d8e74f", "&filt=duotone"},
        {"filt=duotone&start=00C83658", "&filt=duotone"},
        {"tint=0123&bg=00ffffff", ""},
        {"tint=8123", "&tint=112233"},
        {"output=jpg&q=80", "&output=jpg"},
        {"output=webp&q=79", "&output=webp"},
        {"output=avif&q=50", "&output=avif"},
        {"output=jpg&q=79", "&q=79&output=jpg"},
        {"output=png&q=30&ll", "&output=png"},
        {"output=gif&q=30&l=3&il&ll&af", "&output=gif"},
        {"output=jpg&l=3&ll&af&il", "&output=jpg&il=1"},
        {"output=png&l=6&il&af", "&output=png&il=1&af=1"},
        {"output=webp&il&af&l=2&ll&q=3", "&output=webp&ll=1"},
        {"output=avif&il&q=3", "&q=3&output=avif"},
        {"output=json&q=3&l=2&il&ll&af", "&output=json"},
        {"output=webp&q=79&lqip", "&q=79&output=webp&lqip=1"}, /* whose default is not that of WebP */
        {"output=json&encoding=base64", "&output=json"},
        {"q=80&l=6", "&q=80"}, /* of what format is not known yet */
        {"page=0&n=1&lqip=0", ""}};

    (void)state;
    assert_texts(rows, COUNT(rows));
}

static void test_pixel_ratio(void **state)
{
    static const struct st_row_t rows[] = {{"w=300&dpr=2", "&w=600"},
                                           {"dpr=2&w=300&h=5", "&w=600&h=10"},
                                           {"w=300&dpr=1.3333333333333333", "&w=400"},
                                           {"w=3&dpr=1.5", "&w=5"}, /* 4.5 */
                                           {"w=3&dpr=0.01", "&w=1"},
                                           {"w=300&dpr=1", "&w=300"},
                                           {"w=300&dpr=0", "&w=300"},
                                           {"dpr=2", ""},
                                           {"w=8000&dpr=2", "&w=8192"},
                                           {"w=8000&h=4000&dpr=2", "&w=8192&h=4096"},
                                           {"w=4000&h=8000&dpr=8", "&w=4096&h=8192"},
                                           {"w=8000&h=1&dpr=8", "&w=8192&h=1"},
                                           {"w=50%25&dpr=2", "&w=100%25"},
                                           {"w=800%25&dpr=8", "&w=800%25"},
                                           {"w=8000&h=50%25&dpr=2", "&w=8192&h=100%25"}};

    (void)state;
    assert_texts(rows, COUNT(rows));
}

static void test_what_belongs_to_the_answer(void **state)
{
    sluice_presentation_t p = presented("auto=format&maxage=31d&filename=a-B_9.x&default=/a%20b/%C3%A9.jpg");
    char query[2000] = "filename=";

    (void)state;
    assert_true(p.negotiate && p.max_age_s == 31 * 86400);
    assert_string_equal(p.filename, "a-B_9.x");
    assert_string_equal(p.fallback, "a b/\xc3\xa9.jpg");
    assert_string_equal(presented("default=x.jpg").fallback, "x.jpg");
    assert_int_equal(presented("maxage=1y").max_age_s, 365 * 86400);
    assert_int_equal(presented("maxage=86400").max_age_s, 86400);
    assert_false(presented("fm=webp").negotiate);
    assert_text("auto=format&maxage=31d&filename=x&default=a.jpg&w=3", "&w=3");
    memset(query + 9, 'a', 100);
    assert_int_equal(strlen(presented(query).filename), 100);
    memset(query + 9, 'a', 101);
    assert_refused(query, "option filename ");
    memset(query, 0, sizeof(query));
    memcpy(query, "default=", 8);
    memset(query + 8, 'a', 512);
    assert_int_equal(strlen(presented(query).fallback), 512);
    memset(query + 8, 'a', 513);
    assert_refused(query, "option default ");
    memset(query, 0, sizeof(query));
    memcpy(query, "default=/", 9);
    memset(query + 9, 'a', 512);
    assert_int_equal(strlen(presented(query).fallback), 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_option),         cmocka_unit_test(test_fields),
        cmocka_unit_test(test_nothing_is_all_zero), cmocka_unit_test(test_synonyms),
        cmocka_unit_test(test_spellings),           cmocka_unit_test(test_what_makes_no_difference),
        cmocka_unit_test(test_pixel_ratio),         cmocka_unit_test(test_what_belongs_to_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
