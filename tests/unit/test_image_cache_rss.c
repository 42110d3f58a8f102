/*
 * Bytes that are claimed to be freed leave the resident set. Not under sanitizers, whose allocators keep what is freed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>
#include "image_cache/image_cache.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OWN_ALLOCATOR
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_ALLOCATOR
#endif

#define CAPACITY_BYTES (128 << 20)

static uint64_t rss_bytes(void)
{
    char text[128];
    unsigned long size, resident;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    char *end;
    size = strtoul(text, &end, 10);
    resident = strtoul(end, NULL, 10);
    assert_true(size >= resident && resident > 0);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t random_state;

static size_t draw(size_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

static icache_key_t number_key(icache_t *cache, size_t number)
{
    static char text[32];
    return icache_key(cache, text, (size_t)snprintf(text, sizeof(text), "picture-%zu", number));
}

static void insert(icache_t *cache, size_t number, size_t body_len)
{
    icache_key_t key = number_key(cache, number);
    icache_object_t *object = icache_object_create(cache, ICACHE_CLASS_RENDITION, &key, 64, body_len);

    assert_non_null(object);
    memset(object->body, 1, body_len);
    icache_insert(cache, object, 0);
}

static size_t fill(icache_t *cache, size_t min, size_t max)
{
    icache_stats_t stats;
    size_t number = 0;

    do {
        insert(cache, number++, min + draw(max - min));
        icache_get_stats(cache, &stats);
    } while (stats.removed[ICACHE_REASON_CAPACITY] == 0);
    return number;
}

static void touch_at_random(icache_t *cache, size_t number, size_t times)
{
    for (size_t i = 0; i < times; ++i) {
        icache_key_t key = number_key(cache, draw(number));
        icache_object_t *object = icache_get(cache, NULL, &key, 0);
        icache_object_unref(&object);
    }
}

/* evicts in an order that is neither that of arrival nor of size */
static void churn(icache_t *cache, size_t number, size_t min, size_t max)
{
    for (size_t i = 0; i < 2 * number; ++i) {
        touch_at_random(cache, number, 4);
        insert(cache, draw(number), min + draw(max - min));
    }
}

enum { IN_ORDER, TOUCHED, CHURNED };

static void shrink_and_measure(size_t min, size_t max, int history, int percent_wanted)
{
#ifdef HAS_OWN_ALLOCATOR
    skip();
#endif
    icache_config_t config = {.capacity_bytes = CAPACITY_BYTES, .max_object_bytes = CAPACITY_BYTES, .seed = 1};
    icache_t *cache = icache_create(&config);

    random_state = 42;
    malloc_trim(0);
    uint64_t empty = rss_bytes();
    size_t number = fill(cache, min, max);
    if (history == CHURNED)
        churn(cache, number, min, max);
    if (history != IN_ORDER)
        touch_at_random(cache, number, number);
    uint64_t before = rss_bytes();
    uint64_t claimed = icache_shrink_to(cache, (uint64_t)CAPACITY_BYTES / 10 * 6), could = icache_free_bytes(cache);
    uint64_t trimmed = icache_trim(cache, UINT64_MAX), after = rss_bytes(), gone = before - after;
    assert_true(trimmed == could && icache_free_bytes(cache) == 0);
    print_message("full %.3f of the accounted bytes resident; claimed %.1f MiB, gone %.1f MiB (%.1f %%)\n",
                  (double)(before - empty) / CAPACITY_BYTES, (double)claimed / 1048576, (double)gone / 1048576,
                  100. * (double)gone / (double)claimed);
    assert_true(claimed >= (uint64_t)CAPACITY_BYTES / 10 * 3);
    assert_true(before > after && gone * 100 >= claimed * (uint64_t)percent_wanted);
    /* a clear: but for the index and the like, it is as if there had been nothing */
    icache_clear(cache);
    icache_trim(cache, UINT64_MAX);
    assert_true(rss_bytes() < empty + CAPACITY_BYTES / 50);
    icache_destroy(&cache);
}

static void pictures_in_order_of_arrival(void **state)
{
    (void)state;
    shrink_and_measure(20000, 200000, IN_ORDER, 95);
}

/* holes between the survivors: each keeps the pages at its two ends */
static void pictures_in_random_order(void **state)
{
    (void)state;
    shrink_and_measure(20000, 200000, TOUCHED, 95);
}

static void pictures_after_churn(void **state)
{
    (void)state;
    shrink_and_measure(20000, 200000, CHURNED, 95);
}

static void mapped_objects(void **state)
{
    (void)state;
    shrink_and_measure(300000, 3000000, CHURNED, 99);
}

/* eight threads make objects and evict each other's: what is kept between them is memory that nobody accounts for */

enum { CHURNERS = 8 };

struct st_churner_t {
    pthread_t thread;
    icache_t *cache;
    uint64_t random;
    size_t min, max, inserts;
};

static size_t draw_for(struct st_churner_t *self, size_t below)
{
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    return (self->random >> 33) % below;
}

static void *churn_thread(void *arg)
{
    struct st_churner_t *self = arg;
    char text[32];

    for (size_t i = 0; i < self->inserts; ++i) {
        size_t body_len = self->min + draw_for(self, self->max - self->min);
        int len = snprintf(text, sizeof(text), "picture-%zu", draw_for(self, 4 * CAPACITY_BYTES / self->max));
        icache_key_t key = icache_key(self->cache, text, (size_t)len);
        icache_object_t *object = icache_object_create(self->cache, ICACHE_CLASS_RENDITION, &key, 64, body_len);
        if (object == NULL)
            break;
        memset(object->body, 1, body_len);
        icache_insert(self->cache, object, 0);
    }
    return NULL;
}

/* over the accounted bytes, as it is after the churn, with nothing trimmed */
static double resident_after_churn(size_t min, size_t max)
{
    icache_config_t config = {
        .capacity_bytes = CAPACITY_BYTES, .max_object_bytes = CAPACITY_BYTES, .seed = 1, .policy = ICACHE_POLICY_COST};
    icache_t *cache = icache_create(&config);
    struct st_churner_t churners[CHURNERS];
    icache_stats_t stats;

    malloc_trim(0);
    uint64_t empty = rss_bytes();
    for (unsigned i = 0; i < CHURNERS; ++i) {
        churners[i] = (struct st_churner_t){.cache = cache, .random = i, .min = min, .max = max};
        churners[i].inserts = 10 * (size_t)CAPACITY_BYTES / ((min + max) / 2) / CHURNERS;
        assert_int_equal(pthread_create(&churners[i].thread, NULL, churn_thread, &churners[i]), 0);
    }
    for (unsigned i = 0; i < CHURNERS; ++i)
        pthread_join(churners[i].thread, NULL);
    uint64_t full = rss_bytes() - empty;
    icache_get_stats(cache, &stats);
    uint64_t gone = icache_trim(cache, UINT64_MAX), trimmed = rss_bytes() - empty;
    assert_true(stats.used_bytes > CAPACITY_BYTES / 10 * 9 && stats.pinned_bytes == 0);
    print_message("%zu to %zu bytes, %zu objects: %.3f of the accounted bytes resident, %.3f after a trim\n", min, max,
                  (size_t)stats.entries, (double)full / (double)stats.used_bytes, (double)trimmed / (double)stats.used_bytes);
    assert_int_equal(gone, stats.free_bytes);
    icache_destroy(&cache);
    return (double)full / (double)stats.used_bytes;
}

static void churn_by_eight_threads(void **state)
{
    (void)state;
#ifdef HAS_OWN_ALLOCATOR
    skip();
#endif
    assert_true(resident_after_churn(2000, 20000) < 1.1);
    assert_true(resident_after_churn(20000, 200000) < 1.1);
    assert_true(resident_after_churn(300000, 3000000) < 1.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(churn_by_eight_threads),   cmocka_unit_test(pictures_in_order_of_arrival),
        cmocka_unit_test(pictures_in_random_order), cmocka_unit_test(pictures_after_churn),
        cmocka_unit_test(mapped_objects),           cmocka_unit_test(churn_by_eight_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
