#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/errors.h"
#include "module/knobs.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"

static const char *title_of(int status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 413:
        return "Content Too Large";
    case 422:
        return "Unprocessable Content";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "a status that no document promises";
    }
}

static void test_rows(void **state)
{
    (void)state;
    assert_int_equal(sluice_errors[SLUICE_OK].status, 200);
    assert_string_equal(sluice_errors[SLUICE_OK].code, "ok");
    for (int i = SLUICE_OK + 1; i != SLUICE_NUM_ERRORS; ++i) {
        const sluice_error_info_t *info = sluice_errors + i;
        assert_non_null(info->code);
        assert_true(strlen(info->code) > 0 && strspn(info->code, LOWER "-") == strlen(info->code));
        assert_string_equal(info->title, title_of(info->status));
        assert_true(info->detail != NULL && strlen(info->detail) > 20);
        for (int j = SLUICE_OK; j != i; ++j) {
            assert_string_not_equal(info->code, sluice_errors[j].code);
            assert_string_not_equal(info->detail, sluice_errors[j].detail);
        }
    }
}

/* it is worth trying again exactly when the answer is 503, and a 5xx says nothing of the picture that would be true again soon */
static void test_retry_and_memory(void **state)
{
    (void)state;
    for (int i = SLUICE_OK; i != SLUICE_NUM_ERRORS; ++i) {
        const sluice_error_info_t *info = sluice_errors + i;
        assert_int_equal(info->retry, info->status == 503);
        if (info->negative)
            assert_in_range(info->status, 404, 499);
        if (info->status >= 500)
            assert_int_equal(info->negative, 0);
        else
            assert_int_equal(info->brief || info->stale, 0);
    }
    assert_true(sluice_errors[SLUICE_ERROR_NOT_FOUND].negative);
    assert_true(sluice_errors[SLUICE_ERROR_BROKEN_IMAGE].negative);
    /* what the origin says of itself and what it says of the picture: a picture that it no longer hands out is not served on */
    assert_true(sluice_errors[SLUICE_ERROR_ORIGIN_FAILED].brief && sluice_errors[SLUICE_ERROR_ORIGIN_FAILED].stale);
    assert_true(sluice_errors[SLUICE_ERROR_ORIGIN_STATUS].brief && !sluice_errors[SLUICE_ERROR_ORIGIN_STATUS].stale);
    assert_false(sluice_errors[SLUICE_ERROR_UNREADABLE].stale);
    /* these two depend on what was asked and on the budget, not on the picture alone */
    assert_false(sluice_errors[SLUICE_ERROR_ANSWER_TOO_LARGE].negative);
    assert_false(sluice_errors[SLUICE_ERROR_NEVER_FITS].negative);
    assert_true(sluice_errors[SLUICE_ERROR_SOURCE_NEVER_FITS].negative);
}

static void test_promised_statuses(void **state)
{
    static const int statuses[SLUICE_NUM_ERRORS] = {
        [SLUICE_OK] = 200,
        [SLUICE_ERROR_NOT_FOUND] = 404,
        [SLUICE_ERROR_NOT_AN_IMAGE] = 422,
        [SLUICE_ERROR_BROKEN_IMAGE] = 422,
        [SLUICE_ERROR_SOURCE_TOO_LARGE] = 413,
        [SLUICE_ERROR_UNBOUNDED_DRAWING] = 422,
        [SLUICE_ERROR_TOO_MANY_PIXELS] = 413,
        [SLUICE_ERROR_TOO_MANY_PAGES] = 413,
        [SLUICE_ERROR_NO_SUCH_PAGE] = 400,
        [SLUICE_ERROR_ANSWER_TOO_LARGE] = 413,
        [SLUICE_ERROR_SOURCE_NEVER_FITS] = 413,
        [SLUICE_ERROR_NEVER_FITS] = 413,
        [SLUICE_ERROR_ORIGIN_REFUSED] = 502,
        [SLUICE_ERROR_ORIGIN_STATUS] = 502,
        [SLUICE_ERROR_ORIGIN_FAILED] = 502,
        [SLUICE_ERROR_ORIGIN_BROKEN] = 502,
        [SLUICE_ERROR_ORIGIN_REDIRECTS] = 502,
        [SLUICE_ERROR_FORBIDDEN_REDIRECT] = 502,
        [SLUICE_ERROR_FORBIDDEN_ADDRESS] = 502,
        [SLUICE_ERROR_ORIGIN_TIMEOUT] = 504,
        [SLUICE_ERROR_NO_ROOM] = 503,
        [SLUICE_ERROR_QUEUE_FULL] = 503,
        [SLUICE_ERROR_TRANSFORM_TIMEOUT] = 503,
        [SLUICE_ERROR_OUT_OF_MEMORY] = 503,
        [SLUICE_ERROR_UNREADABLE] = 502,
        [SLUICE_ERROR_REQUEST_TIMEOUT] = 504,
        [SLUICE_ERROR_NOT_CACHED] = 504,
        [SLUICE_ERROR_DRAINING] = 503,
        [SLUICE_ERROR_CANCELLED] = 503,
    };

    (void)state;
    for (int i = SLUICE_OK; i != SLUICE_NUM_ERRORS; ++i)
        assert_int_equal(sluice_errors[i].status, statuses[i]);
}

static void test_kinds(void **state)
{
    (void)state;
    for (int i = SLUICE_OK + 1; i != SLUICE_NUM_ERRORS; ++i) {
        const sluice_error_info_t *info = sluice_errors + i;
        assert_true(info->kind >= SLUICE_ERROR_OF_REQUEST && info->kind <= SLUICE_ERROR_OF_TIME);
        if (info->status == 502 || info->status == 404)
            assert_int_equal(info->kind, SLUICE_ERROR_OF_ORIGIN);
        if (info->status == 413 || info->status == 422)
            assert_int_equal(info->kind, SLUICE_ERROR_OF_IMAGE);
        assert_int_equal(info->kind == SLUICE_ERROR_OF_TIME, strstr(info->code, "timeout") != NULL);
    }
}

/* is no plain value, and so no row of the table */
static int is_directive_of_its_own(const char *name)
{
    static const char *const names[] = {"image.origin", "image.allow-addresses", "image.allow-origins"};
    int found = 0;

    for (size_t i = 0; i != sizeof(names) / sizeof(names[0]); ++i)
        found |= strcmp(name, names[i]) == 0;
    return found;
}

/* every setting that a sentence names is one that exists */
static void test_named_settings_exist(void **state)
{
    static const char *const prefixes[] = {"image.", "image-cache.", "pressure."};
    size_t named = 0;

    (void)state;
    for (int i = SLUICE_OK; i != SLUICE_NUM_ERRORS; ++i) {
        for (size_t p = 0; p != sizeof(prefixes) / sizeof(prefixes[0]); ++p) {
            const char *at = sluice_errors[i].detail;
            while ((at = strstr(at, prefixes[p])) != NULL) {
                size_t len = strlen(prefixes[p]);
                len += strspn(at + len, LOWER "-");
                char *name = strndup(at, len);
                assert_non_null(name);
                if (sluice_knob_find(name) == NULL && !is_directive_of_its_own(name))
                    fail_msg("%s names %s, which is no setting", sluice_errors[i].code, name);
                free(name);
                at += len;
                ++named;
            }
        }
        if (sluice_errors[i].status == 413)
            assert_non_null(strchr(sluice_errors[i].detail, '.')); /* a limit names itself */
    }
    assert_true(named >= 10);
}

static int names(const char *detail, const char *setting)
{
    size_t len = strlen(setting);

    for (const char *at = detail; (at = strstr(at, setting)) != NULL; at += len)
        if (strspn(at + len, LOWER "-") == 0)
            return 1;
    return 0;
}

/* who is turned away is told all that can be behind it, and nothing that cannot */
static void test_settings_of_a_busy_server(void **state)
{
    static const struct {
        const char *setting;
        int of_no_room, of_queue_full;
    } cases[] = {
        {"image.queue-timeout", 1, 1},     {"pressure.budget", 1, 0},      {"pressure.source-share", 1, 0}, {"image.workers", 1, 0},
        {"pressure.max-concurrent", 1, 0}, {"image.origin-timeout", 1, 0}, /* over while a download had no memory */
        {"image.max-queue", 0, 1},         {"pressure.max-waiting", 0, 1}, {"image.max-fetches", 0, 1}, /* no connection was free */
        {"image.request-timeout", 0, 0},   {"image-cache.capacity", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        assert_int_equal(names(sluice_errors[SLUICE_ERROR_NO_ROOM].detail, cases[i].setting), cases[i].of_no_room);
        assert_int_equal(names(sluice_errors[SLUICE_ERROR_QUEUE_FULL].detail, cases[i].setting), cases[i].of_queue_full);
    }
}

/* each part comes back, whatever the others are */
static void test_failures(void **state)
{
    static const uint64_t needs[][2] = {{0, 0},
                                        {1, 1024},
                                        {1024, 1024},
                                        {1025, 2048},
                                        {UINT64_C(118) << 20, UINT64_C(118) << 20},
                                        {UINT64_MAX, (uint64_t)INT32_MAX << 10}};
    static const uint32_t statuses[] = {0, 200, 599, 65535};

    (void)state;
    for (int error = SLUICE_OK; error != SLUICE_NUM_ERRORS; ++error) {
        for (size_t n = 0; n != sizeof(needs) / sizeof(needs[0]); ++n) {
            for (size_t s = 0; s != sizeof(statuses) / sizeof(statuses[0]); ++s) {
                sluice_failure_t failure =
                    sluice_failure_with_need(sluice_failure((sluice_error_t)error, statuses[s]), needs[n][0]);
                assert_true(failure >= 0 && !(failure & SLUICE_FAILURE_REMEMBERED));
                failure |= SLUICE_FAILURE_REMEMBERED;
                assert_int_equal(sluice_failure_error(failure), error);
                assert_int_equal(sluice_failure_status(failure), statuses[s]);
                assert_int_equal(sluice_failure_need_bytes(failure), needs[n][1]);
            }
        }
    }
}

static void test_details(void **state)
{
    const uint64_t mib = UINT64_C(1) << 20;
    char detail[SLUICE_FAILURE_DETAIL_MAX];

    (void)state;
    for (int error = SLUICE_OK; error != SLUICE_NUM_ERRORS; ++error) {
        sluice_failure_detail(sluice_failure((sluice_error_t)error, 200), 128 * mib, 57 * mib, detail);
        assert_string_equal(detail, sluice_errors[error].detail);
        sluice_failure_detail(sluice_failure_with_need((sluice_failure_t)error, UINT64_MAX), UINT64_MAX, UINT64_MAX, detail);
        assert_non_null(strstr(detail, sluice_errors[error].detail)); /* there is room for all of it */
    }
    /* just too much, which must not look as if it fitted */
    sluice_failure_detail(sluice_failure_with_need(SLUICE_ERROR_SOURCE_NEVER_FITS, 57 * mib + 1), 128 * mib, 57 * mib + 1023,
                          detail);
    const char *numbers = "58 MiB of memory are needed, and pressure.budget (128 MiB) leaves 57 MiB: ";
    assert_memory_equal(detail, numbers, strlen(numbers));
}

static void test_what_a_fallback_is_for(void **state)
{
    static const char *const not_for[] = {"ok",         "answer-too-large", "never-fits",        "no-room",
                                          "queue-full", "not-cached",       "transform-timeout", "out-of-memory",
                                          "cancelled",  "no-such-page",     "too-many-pages",    "draining"};

    (void)state;
    for (int error = SLUICE_OK; error != SLUICE_NUM_ERRORS; ++error) {
        int expected = 1;
        for (size_t i = 0; i != sizeof(not_for) / sizeof(not_for[0]); ++i)
            expected &= strcmp(sluice_errors[error].code, not_for[i]) != 0;
        assert_int_equal(sluice_error_is_of_picture((sluice_error_t)error), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_retry_and_memory),
        cmocka_unit_test(test_promised_statuses),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_details),
        cmocka_unit_test(test_what_a_fallback_is_for),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_named_settings_exist),
        cmocka_unit_test(test_settings_of_a_busy_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
