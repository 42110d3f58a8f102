/*
 * bench_lookup [operations per thread]
 *
 * Nanoseconds per lookup that hits (keys of 64 bytes by Zipf 0.9, hash included), per hit on one hot key, per icache_get() that
 * misses, and per insert that evicts (the object's creation included, its body of 1 KiB not written), on one and on two threads.
 * The best of five rounds, kinds interleaved; the numbers of one run compare with each other, not with those of another machine.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "image_cache/image_cache.h"

#define NUM_KEYS 100000
#define KEY_LEN 64
#define NUM_DRAWN (1 << 18)
#define BODY_BYTES 1024
#define ROUNDS 5
#define MAX_THREADS 2

enum { HIT_ZIPF, HIT_HOT, MISS, INSERT, NUM_KINDS };
static const char *const kind_names[] = {"hit, Zipf 0.9", "hit, one hot key", "miss", "insert + evict"};

static icache_t *cache, *full_cache;
static char (*texts)[KEY_LEN + 16];
static uint32_t *drawn;
static unsigned long operations;
static pthread_barrier_t start;

struct st_run_t {
    pthread_t thread;
    int kind;
    unsigned offset;
    double ns;
};

static double now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void insert(icache_t *into, uint32_t number)
{
    icache_key_t key = icache_key(into, texts[number], KEY_LEN);
    icache_object_t *object = icache_object_create(into, ICACHE_CLASS_RENDITION, &key, 0, BODY_BYTES);

    if (object == NULL)
        abort();
    icache_insert(into, object, 0);
}

static void hit(const char *text)
{
    icache_key_t key = icache_key(cache, text, KEY_LEN);
    icache_waiter_t waiter = {.on_done = NULL};
    icache_flight_t *flight;
    icache_object_t *object;

    if (icache_lookup(cache, &key, 0, &waiter, &object, &flight) != ICACHE_HIT)
        abort();
    icache_object_unref(&object);
}

static void *run(void *arg)
{
    struct st_run_t *self = arg;

    pthread_barrier_wait(&start);
    double from = now_ns();
    for (unsigned long i = 0; i < operations; ++i) {
        uint32_t number = drawn[(i + self->offset) % NUM_DRAWN];
        if (self->kind == HIT_ZIPF) {
            hit(texts[number]);
        } else if (self->kind == HIT_HOT) {
            hit(texts[0]);
        } else if (self->kind == MISS) {
            icache_key_t key = icache_key(cache, texts[number], KEY_LEN - 1);
            if (icache_get(cache, NULL, &key, 0) != NULL)
                abort();
        } else {
            insert(full_cache, (uint32_t)((i + self->offset) % NUM_KEYS));
        }
    }
    self->ns = (now_ns() - from) / (double)operations;
    return NULL;
}

static double measure(int kind, unsigned num_threads)
{
    struct st_run_t runs[MAX_THREADS];
    double sum = 0;

    pthread_barrier_init(&start, NULL, num_threads);
    for (unsigned i = 0; i < num_threads; ++i) {
        runs[i] = (struct st_run_t){.kind = kind, .offset = i * (NUM_KEYS / 2)};
        if (pthread_create(&runs[i].thread, NULL, run, &runs[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < num_threads; ++i) {
        pthread_join(runs[i].thread, NULL);
        sum += runs[i].ns;
    }
    pthread_barrier_destroy(&start);
    return sum / num_threads;
}

/* ranks by Zipf 0.9, by inversion of the sum of weights; each rank is a key anywhere in memory */
static void draw_keys(void)
{
    double *sums = malloc(NUM_KEYS * sizeof(*sums)), sum = 0;
    uint64_t random = 1;

    texts = malloc(NUM_KEYS * sizeof(*texts));
    drawn = malloc(NUM_DRAWN * sizeof(*drawn));
    if (sums == NULL || texts == NULL || drawn == NULL)
        abort();
    for (int i = 0; i < NUM_KEYS; ++i) {
        snprintf(texts[i], sizeof(texts[i]), "http://origin.example/pictures/%08d.jpg?w=640&f=webp&q=80&v2", i);
        sums[i] = sum += pow(i + 1, -.9);
    }
    for (int i = 0; i < NUM_DRAWN; ++i) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        double point = (double)(random >> 11) / 9007199254740992. * sum;
        uint32_t low = 0, high = NUM_KEYS - 1;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (sums[middle] < point)
                low = middle + 1;
            else
                high = middle;
        }
        drawn[i] = (uint32_t)((uint64_t)low * 7919 % NUM_KEYS);
    }
    free(sums);
}

int main(int argc, char **argv)
{
    icache_config_t roomy = {.capacity_bytes = 1 << 30, .max_object_bytes = 1 << 20, .seed = 1}, tight = roomy;
    double best[NUM_KINDS][MAX_THREADS];

    tight.capacity_bytes = 20 << 20;
    operations = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    draw_keys();
    if (operations == 0 || (cache = icache_create(&roomy)) == NULL || (full_cache = icache_create(&tight)) == NULL)
        abort();
    for (uint32_t i = 0; i < NUM_KEYS; ++i)
        insert(cache, (uint32_t)((uint64_t)i * 7919 % NUM_KEYS));
    for (int round = 0; round < ROUNDS; ++round)
        for (int kind = 0; kind < NUM_KINDS; ++kind)
            for (unsigned i = 0; i < MAX_THREADS; ++i) {
                double ns = measure(kind, i + 1);
                if (round == 0 || ns < best[kind][i])
                    best[kind][i] = ns;
            }
    printf("%-18s %10s %10s   (ns per operation and thread)\n", "", "1 thread", "2 threads");
    for (int kind = 0; kind < NUM_KINDS; ++kind)
        printf("%-18s %10.0f %10.0f\n", kind_names[kind], best[kind][0], best[kind][1]);
    icache_destroy(&cache);
    icache_destroy(&full_cache);
    free(texts);
    free(drawn);
    return 0;
}
