#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/accept.h"

enum { COMMON = SLUICE_TAKES_COMMON, WEBP = SLUICE_TAKES_WEBP, AVIF = SLUICE_TAKES_AVIF, BOTH = SLUICE_TAKES_AVIF_OR_WEBP };

/* lines are divided by |. Each is read from a copy of exactly its bytes, so that a sanitizer sees a look behind the end */
static sluice_taken_t decide(const char *lines)
{
    sluice_accept_t accept;

    sluice_accept_init(&accept);
    for (const char *line = lines;; ++line) {
        size_t len = strcspn(line, "|");
        char *copy = malloc(len + (len == 0));
        assert_non_null(copy);
        memcpy(copy, line, len);
        sluice_accept_add(&accept, copy, len);
        free(copy);
        if (*(line += len) == '\0')
            break;
    }
    return sluice_accept_decide(&accept);
}

static void test_table(void **state)
{
    static const struct {
        const char *lines;
        int taken;
    } rows[] = {
        /* what browsers send for pictures: Chrome, Firefox 92 to 127 and 128 on, Safari 16, Chrome 80, Edge 18, curl */
        {"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", BOTH},
        {"image/avif,image/webp,*/*", BOTH},
        {"image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", BOTH},
        {"image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/"
         "*;q=0.5",
         BOTH},
        {"image/webp,image/apng,image/*,*/*;q=0.8", WEBP},
        {"image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", COMMON},
        {"*/*", COMMON},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8", BOTH},
        /* nothing said, or nothing of use */
        {"", COMMON},
        {" ", COMMON},
        {",", COMMON},
        {", ,,", COMMON},
        {"text/html", COMMON},
        /* by name, not by wildcard */
        {"image/*", COMMON},
        {"image/*, */*;q=0.1", COMMON},
        {"image/avif", AVIF},
        {"image/webp", WEBP},
        {"image/webp, image/*;q=0.1", WEBP},
        {"image/avifs", COMMON},
        {"image/avi", COMMON},
        {"ximage/avif", COMMON},
        {"image/webp2, image/web", COMMON},
        {"text/avif, video/webp", COMMON},
        /* q=0 excludes */
        {"image/avif;q=0", COMMON},
        {"image/avif;q=0, image/webp", WEBP},
        {"image/avif, image/webp;q=0", AVIF},
        {"image/avif;q=0.000, image/webp;q=0.0", COMMON},
        {"image/avif;q=0., image/webp;q=0.", COMMON},
        {"image/avif;q=0,image/*;q=0.5", COMMON},
        {"image/webp;q=0,*/*;q=0", COMMON},
        {"image/avif;q=0.001, */*;q=0", AVIF},
        /* order of q, and ties */
        {"image/webp;q=1, image/avif;q=0.5", WEBP},
        {"image/webp;q=0.5, image/avif;q=1", BOTH},
        {"image/webp;q=0.5, image/avif;q=0.5", BOTH},
        {"image/avif;q=0.5, image/webp;q=0.5", BOTH},
        {"image/avif;q=0.899, image/webp;q=0.9", WEBP},
        {"image/avif;q=0.9, image/webp;q=0.899", BOTH},
        {"image/avif;q=0.9, image/webp;q=0.90", BOTH},
        {"image/avif;q=0.09, image/webp;q=0.1", WEBP},
        /* never behind what JPEG or PNG are liked, by name or wildcard, the nearer wins */
        {"image/webp;q=0.5, */*", COMMON},
        {"image/webp;q=0.5, image/*", COMMON},
        {"image/webp;q=0.5, image/jpeg", COMMON},
        {"image/webp;q=0.5, image/png", COMMON},
        {"image/webp;q=0.5, image/jpeg;q=0.5, image/png;q=0.5", WEBP},
        {"image/webp;q=0.5, image/jpeg;q=0.5, image/png;q=0.5, image/*;q=1, */*;q=1", WEBP},
        {"image/webp;q=0.5, image/*;q=0.4, */*;q=1", WEBP},
        {"image/webp;q=0.5, image/jpeg;q=0.4, */*;q=1", COMMON},
        {"image/webp;q=0.5, image/jpeg;q=0, image/png;q=0, */*", WEBP},
        {"image/webp;q=0.5, image/gif;q=1, */*;q=0.1", WEBP},
        {"image/avif;q=0.7, image/webp;q=0.9, image/jpeg;q=0.8", WEBP},
        {"image/avif;q=0.8, image/webp;q=0.7, image/jpeg;q=0.8", AVIF},
        /* case, white space, other parts */
        {"IMAGE/AVIF;Q=1, Image/WebP", BOTH},
        {"image/avif;Q=0, Image/WebP", WEBP},
        {"  image/avif\t ; \t q=0.5 \t, \timage/webp ;q=0.6", WEBP},
        {"image/avif ,image/webp;q=0 ", AVIF},
        {"image/ avif", COMMON},
        {"image /avif", COMMON},
        {"image/avif;q =1", COMMON},
        {"image/avif;q= 1", COMMON},
        {"image/avif image/webp", COMMON},
        {"image/avif;;q=0.5;, image/webp;q=0.4", BOTH},
        {"image/avif;", AVIF},
        /* weights that are none take the part with them */
        {"image/avif;q=2, image/webp", WEBP},
        {"image/avif;q=1.001, image/webp", WEBP},
        {"image/avif;q=1.000", AVIF},
        {"image/avif;q=1.", AVIF},
        {"image/avif;q=0.1234, image/webp", WEBP},
        {"image/avif;q=.5, image/webp", WEBP},
        {"image/avif;q=, image/webp", WEBP},
        {"image/avif;q, image/webp", WEBP},
        {"image/avif;q=-1, image/webp", WEBP},
        {"image/avif;q=1e0, image/webp", WEBP},
        {"image/avif;q=00, image/webp", WEBP},
        {"image/avif;q=0x, image/webp", WEBP},
        {"image/avif;q=\"1\", image/webp", WEBP},
        {"image/jpeg;q=9, image/webp;q=0.1", WEBP},
        /* parameters: a range with some of its own is not what is sent; those behind the weight are no matter */
        {"image/avif;level=1, image/webp", WEBP},
        {"image/avif;level=1;q=1, image/webp", WEBP},
        {"image/avif;q=0.5;ext=1;x=\"y\", image/webp;q=0.4", BOTH},
        {"image/avif;q=0.5;q=0, image/webp;q=0.4", BOTH},
        {"image/avif;q=0.5;bad, image/webp;q=0.4", WEBP},
        {"image/webp;p=\",image/avif,\"", COMMON},
        {"image/webp;p=\"\\\",image/avif\"", COMMON},
        {"text/x;p=\"a,b\\\\\", image/avif", AVIF},
        {"text/x;p=\"image/avif, image/webp", COMMON},
        {"\"image/avif\", image/webp", WEBP},
        {"text/x\",image/avif,\", image/webp", WEBP},
        {"image/webp;p=\"", COMMON},
        {"image/webp;p=\"\\", COMMON},
        /* malformed neighbours */
        {"image, image/avif", AVIF},
        {"/, image/avif", AVIF},
        {"image//avif", COMMON},
        {"image/avif/x", COMMON},
        {"*, image/avif", AVIF},
        {"*/jpeg, image/webp;q=0.5", WEBP},
        {"@@@, image/avif, =;=", AVIF},
        {"image/avif\x01, image/webp", WEBP},
        {"image/avif\xff, image/webp", WEBP},
        /* twice: the lower */
        {"image/avif, image/avif;q=0", COMMON},
        {"image/avif;q=0, image/avif", COMMON},
        /* several lines are one list */
        {"image/avif|image/webp;q=0.5", BOTH},
        {"text/html|image/webp||", WEBP},
        {"image/webp;q=0.5|*/*", COMMON},
        {"image/avif;p=\"|image/webp", WEBP},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        if ((int)decide(rows[i].lines) != rows[i].taken)
            fail_msg("%s: %d, not %d", rows[i].lines, (int)decide(rows[i].lines), rows[i].taken);
}

/* all three digits count, and nothing but the order of the two */
static void test_every_weight(void **state)
{
    char line[64];

    (void)state;
    for (int avif = 0; avif <= 1000; avif += 37) {
        for (int webp = 0; webp <= 1000; ++webp) {
            int expected = avif == 0 && webp == 0 ? COMMON : webp == 0 ? AVIF : avif == 0 || avif < webp ? WEBP : BOTH;
            snprintf(line, sizeof(line), "image/avif;q=%d.%03d,image/webp;q=%d.%03d", avif / 1000, avif % 1000, webp / 1000,
                     webp % 1000);
            assert_int_equal(decide(line), expected);
        }
    }
}

static void test_a_nul_is_no_end(void **state)
{
    static const char line[] = "image/avif\0, image/webp";
    sluice_accept_t accept;

    (void)state;
    sluice_accept_init(&accept);
    sluice_accept_add(&accept, line, sizeof(line) - 1);
    assert_int_equal(sluice_accept_decide(&accept), WEBP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_every_weight),
                                       cmocka_unit_test(test_a_nul_is_no_end)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
