/*
 * Profiles are put together here, with the numbers of the specification (IEC 61966-2-1, adapted to D50), and then made wrong one
 * number at a time.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "module/icc_profile.h"

enum { NUM_TAGS = 6, TAGS_AT = 132, DATA_AT = TAGS_AT + NUM_TAGS * 12, XYZ_LEN = 20, MAX_LEN = 16384 };

struct st_profile_t {
    uint8_t bytes[MAX_LEN];
    size_t len;
};

static const double srgb[3][3] = {{0.43607, 0.22249, 0.01392}, {0.38515, 0.71687, 0.09708}, {0.14307, 0.06061, 0.71410}};

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i != 4; ++i)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void put_fixed(uint8_t *p, double value)
{
    put32(p, (uint32_t)(int32_t)lround(value * 65536));
}

static void add_tag(struct st_profile_t *profile, int number, const char *name, size_t len)
{
    uint8_t *tag = profile->bytes + TAGS_AT + 12 * number;

    memcpy(tag, name, 4);
    put32(tag + 4, (uint32_t)profile->len);
    put32(tag + 8, (uint32_t)len);
    profile->len += len;
}

static double srgb_curve(double x)
{
    return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

static double gamma_curve(double x)
{
    return pow(x, 2.2);
}

static struct st_profile_t make(const double primaries[3][3], double (*curve)(double), unsigned count)
{
    static const char *const xyz[] = {"rXYZ", "gXYZ", "bXYZ"}, *const curves[] = {"rTRC", "gTRC", "bTRC"};
    struct st_profile_t profile = {.len = DATA_AT};
    uint8_t *at;

    memcpy(profile.bytes + 12, "mntrRGB XYZ ", 12);
    memcpy(profile.bytes + 36, "acsp", 4);
    put32(profile.bytes + 128, NUM_TAGS);
    for (int i = 0; i != 3; ++i) {
        at = profile.bytes + profile.len;
        memcpy(at, "XYZ ", 4);
        for (int j = 0; j != 3; ++j)
            put_fixed(at + 8 + 4 * j, primaries[i][j]);
        add_tag(&profile, i, xyz[i], XYZ_LEN);
    }
    for (int i = 0; i != 3; ++i) {
        at = profile.bytes + profile.len;
        memcpy(at, "curv", 4);
        put32(at + 8, count);
        for (unsigned j = 0; j != count; ++j) {
            unsigned light = (unsigned)lround(curve(count > 1 ? j / (count - 1.0) : 1) * 65535);
            at[12 + 2 * j] = (uint8_t)(light >> 8);
            at[13 + 2 * j] = (uint8_t)light;
        }
        add_tag(&profile, 3 + i, curves[i], 12 + 2 * count);
    }
    return profile;
}

static int is_srgb(const struct st_profile_t *profile)
{
    return sluice_icc_profile_is_srgb(profile->bytes, profile->len);
}

static void test_srgb_by_tables(void **state)
{
    (void)state;
    for (unsigned count = 256; count <= 2048; count *= 2) {
        struct st_profile_t profile = make(srgb, srgb_curve, count);
        assert_true(is_srgb(&profile));
    }
}

static void test_srgb_by_formula(void **state)
{
    static const double numbers[] = {2.4, 0.94787, 0.05213, 0.07739, 0.04045};
    struct st_profile_t profile = make(srgb, srgb_curve, 256);

    (void)state;
    for (int i = 0; i != 3; ++i) {
        uint8_t *data = profile.bytes + DATA_AT + 3 * XYZ_LEN + i * (12 + 512);
        memset(data, 0, 32);
        memcpy(data, "para", 4);
        data[9] = 3;
        for (int j = 0; j != 5; ++j)
            put_fixed(data + 12 + 4 * j, numbers[j]);
    }
    assert_true(is_srgb(&profile));
    put_fixed(profile.bytes + DATA_AT + 3 * XYZ_LEN + 12, 2.2);
    assert_false(is_srgb(&profile));
}

static void test_other_spaces(void **state)
{
    static const double p3[3][3] = {{0.51512, 0.24120, -0.00105}, {0.29198, 0.69225, 0.04189}, {0.15710, 0.06657, 0.78407}};
    static const double adobe[3][3] = {{0.60974, 0.31111, 0.01947}, {0.20528, 0.62567, 0.06087}, {0.14919, 0.06322, 0.74457}};
    struct st_profile_t profile;

    (void)state;
    profile = make(p3, srgb_curve, 1024);
    assert_false(is_srgb(&profile));
    profile = make(adobe, gamma_curve, 1024);
    assert_false(is_srgb(&profile));
    profile = make(srgb, gamma_curve, 1024);
    assert_false(is_srgb(&profile));
    profile = make(srgb, srgb_curve, 1); /* a gamma */
    assert_false(is_srgb(&profile));
}

/* whatever single number is wrong by a per cent or more */
static void test_each_number_counts(void **state)
{
    (void)state;
    for (int i = 0; i != 3; ++i)
        for (int j = 0; j != 3; ++j) {
            struct st_profile_t profile = make(srgb, srgb_curve, 1024);
            put_fixed(profile.bytes + DATA_AT + i * XYZ_LEN + 8 + 4 * j, srgb[i][j] + 0.01);
            assert_false(is_srgb(&profile));
        }
    for (unsigned i = 0; i < 3 * 1024; i += 17) {
        struct st_profile_t profile = make(srgb, srgb_curve, 1024);
        uint8_t *light = profile.bytes + DATA_AT + 3 * XYZ_LEN + i / 1024 * (12 + 2048) + 12 + 2 * (i % 1024);
        *light ^= 4;
        assert_false(is_srgb(&profile));
    }
}

static void test_other_kinds(void **state)
{
    static const struct {
        size_t at;
        const char *text;
    } changes[] = {{12, "scnr"}, {16, "CMYK"}, {16, "GRAY"}, {20, "Lab "}, {36, "xxxx"}, {TAGS_AT, "xxxx"}, {DATA_AT, "text"}};
    struct st_profile_t profile;

    (void)state;
    for (size_t i = 0; i != sizeof(changes) / sizeof(*changes); ++i) {
        profile = make(srgb, srgb_curve, 1024);
        memcpy(profile.bytes + changes[i].at, changes[i].text, 4);
        assert_false(is_srgb(&profile));
    }
    /* with a table, which goes before the rest */
    profile = make(srgb, srgb_curve, 1024);
    memmove(profile.bytes + TAGS_AT + 12, profile.bytes + TAGS_AT, profile.len - TAGS_AT);
    profile.len += 12;
    put32(profile.bytes + 128, NUM_TAGS + 1);
    for (int i = 1; i <= NUM_TAGS; ++i) {
        uint8_t *at = profile.bytes + TAGS_AT + 12 * i + 4;
        put32(at, ((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]) + 12);
    }
    memcpy(profile.bytes + TAGS_AT, "wtpt", 4);
    assert_true(is_srgb(&profile));
    memcpy(profile.bytes + TAGS_AT, "A2B0", 4);
    assert_false(is_srgb(&profile));
}

/* nothing is read beyond the end: the sanitizer looks */
static void test_every_length(void **state)
{
    struct st_profile_t profile = make(srgb, srgb_curve, 256);

    (void)state;
    for (size_t len = 0; len != profile.len; ++len) {
        uint8_t *exact = test_malloc(len + 1);
        memcpy(exact, profile.bytes, len);
        assert_false(sluice_icc_profile_is_srgb(exact, len));
        test_free(exact);
    }
    put32(profile.bytes + 128, UINT32_MAX);
    assert_false(is_srgb(&profile));
    profile = make(srgb, srgb_curve, 256);
    put32(profile.bytes + TAGS_AT + 4, UINT32_MAX);
    assert_false(is_srgb(&profile));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_srgb_by_tables), cmocka_unit_test(test_srgb_by_formula),    cmocka_unit_test(test_other_spaces),
        cmocka_unit_test(test_other_kinds),    cmocka_unit_test(test_each_number_counts), cmocka_unit_test(test_every_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
