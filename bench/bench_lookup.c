/*
 * bench_lookup [operations]
 * bench_lookup --count KIND POLICY OPERATIONS
 *
 * What a lookup and an insert cost, on 1 to 16 threads, with a policy whose hits take no lock and with LRU, whose hits do:
 *   zipf           icache_key() and icache_get() of 20,000 keys of 64 bytes, drawn by Zipf 0.9
 *   hot            the same of one key, by all threads
 *   handle         icache_get_by_handle() of the same keys as zipf
 *   hot-handle     of one object, by all threads
 *   miss           icache_get() that finds nothing
 *   insert         into a full cache: creation of an object with 1 KiB of body that is not written, and eviction of another
 *   read           the loop alone: drawing the key, and a look at its text
 * A hit's reference is given back at once. Rounds are interleaved, and the fastest of them counts. `ns` is CPU time per operation,
 * `M/s` millions of operations per second of all threads together. Threads beyond the processor's cores take turns on them, so
 * their columns show what waiting threads cost, not what more cores would do.
 *
 * With --count, one thread does that many operations of one kind, for a tool that counts instructions (bench/lookup.py).
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "image_cache/image_cache.h"

#define NUM_KEYS 20000
#define KEY_LEN 64
#define NUM_DRAWN (1 << 18)
#define BODY_BYTES 1024
#define ROUNDS 5
#define MAX_THREADS 16

enum { ZIPF, HOT, HANDLE, HOT_HANDLE, MISS, INSERT, READ, NUM_KINDS };
static const char *const kind_names[] = {"zipf", "hot", "handle", "hot-handle", "miss", "insert", "read"};
static const unsigned thread_counts[] = {1, 2, 4, 8, 16};
#define NUM_COUNTS (sizeof(thread_counts) / sizeof(thread_counts[0]))

static const struct {
    const char *name;
    icache_policy_kind_t policy;
} policies[] = {{"s3-fifo", ICACHE_POLICY_S3_FIFO}, {"lru", ICACHE_POLICY_LRU}};
#define NUM_BENCH_POLICIES (sizeof(policies) / sizeof(policies[0]))

struct st_bench_t {
    icache_t *roomy, *full;
    icache_lane_t *lanes[MAX_THREADS];
    icache_handle_t handles[NUM_KEYS];
};

static struct st_bench_t benches[NUM_BENCH_POLICIES];
static char texts[NUM_KEYS][KEY_LEN + 16];
static uint32_t drawn[NUM_DRAWN];
static pthread_barrier_t start;

struct st_run_t {
    pthread_t thread;
    struct st_bench_t *bench;
    int kind;
    unsigned number;
    unsigned long operations;
    double from_ns, to_ns, cpu_ns;
    unsigned read;
};

static double read_clock(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void insert(icache_t *into, uint32_t number, icache_handle_t *handle)
{
    icache_key_t key = icache_key(into, texts[number], KEY_LEN);
    icache_object_t *object = icache_object_create(into, ICACHE_CLASS_RENDITION, &key, 0, BODY_BYTES);

    if (object == NULL)
        abort();
    if (handle != NULL)
        *handle = icache_object_handle(object);
    icache_insert(into, object, 0);
}

static void get(struct st_bench_t *bench, icache_lane_t *lane, const char *text, size_t len, int expected)
{
    icache_key_t key = icache_key(bench->roomy, text, len);
    icache_object_t *object = icache_get(bench->roomy, lane, &key, 0);

    if ((object != NULL) != expected)
        abort();
    icache_object_unref(&object);
}

static void get_by_handle(struct st_bench_t *bench, icache_lane_t *lane, uint32_t number)
{
    icache_object_t *object = icache_get_by_handle(bench->roomy, lane, bench->handles[number], 0);

    if (object == NULL)
        abort();
    icache_object_unref(&object);
}

static void operate(struct st_run_t *run, icache_lane_t *lane, unsigned long i)
{
    uint32_t number = drawn[(i + run->number * (NUM_DRAWN / MAX_THREADS)) % NUM_DRAWN];

    switch (run->kind) {
    case ZIPF:
        get(run->bench, lane, texts[number], KEY_LEN, 1);
        break;
    case HOT:
        get(run->bench, lane, texts[0], KEY_LEN, 1);
        break;
    case HANDLE:
        get_by_handle(run->bench, lane, number);
        break;
    case HOT_HANDLE:
        get_by_handle(run->bench, lane, 0);
        break;
    case MISS:
        get(run->bench, lane, texts[number], KEY_LEN - 1, 0);
        break;
    case INSERT:
        insert(run->bench->full, (uint32_t)((i + run->number * (NUM_KEYS / MAX_THREADS)) % NUM_KEYS), NULL);
        break;
    default:
        run->read += (unsigned char)texts[number][0];
    }
}

static void *run_thread(void *arg)
{
    struct st_run_t *run = arg;

    pthread_barrier_wait(&start);
    run->from_ns = read_clock(CLOCK_MONOTONIC);
    run->cpu_ns = -read_clock(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned long i = 0; i < run->operations; ++i)
        operate(run, run->bench->lanes[run->number], i);
    run->cpu_ns += read_clock(CLOCK_THREAD_CPUTIME_ID);
    run->to_ns = read_clock(CLOCK_MONOTONIC);
    return NULL;
}

struct st_result_t {
    double cpu_ns, wall_ns; /* per operation; wall: of all threads together */
};

static struct st_result_t measure(struct st_bench_t *bench, int kind, unsigned num_threads, unsigned long operations)
{
    struct st_run_t runs[MAX_THREADS];
    struct st_result_t result = {0, 0};
    double from_ns = 0, to_ns = 0;

    pthread_barrier_init(&start, NULL, num_threads);
    for (unsigned i = 0; i < num_threads; ++i) {
        runs[i] = (struct st_run_t){.bench = bench, .kind = kind, .number = i, .operations = operations / num_threads};
        if (pthread_create(&runs[i].thread, NULL, run_thread, &runs[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < num_threads; ++i) {
        pthread_join(runs[i].thread, NULL);
        from_ns = i == 0 || runs[i].from_ns < from_ns ? runs[i].from_ns : from_ns;
        to_ns = i == 0 || runs[i].to_ns > to_ns ? runs[i].to_ns : to_ns;
        result.cpu_ns += runs[i].cpu_ns / (double)operations;
    }
    result.wall_ns = (to_ns - from_ns) / (double)operations;
    pthread_barrier_destroy(&start);
    return result;
}

/* ranks by Zipf 0.9, by inversion of the sum of weights; each rank is a key anywhere in memory */
static void draw_keys(void)
{
    static double sums[NUM_KEYS];
    double sum = 0;
    uint64_t random = 1;

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
}

static void no_wake(void *ctx)
{
    (void)ctx;
}

static void create_caches(struct st_bench_t *bench, icache_policy_kind_t policy)
{
    icache_config_t config = {.capacity_bytes = 1 << 30, .max_object_bytes = 1 << 20, .seed = 1, .policy = policy};

    bench->roomy = icache_create(&config);
    config.capacity_bytes = 4 << 20;
    bench->full = icache_create(&config);
    if (bench->roomy == NULL || bench->full == NULL)
        abort();
    for (int i = 0; i < MAX_THREADS; ++i)
        if ((bench->lanes[i] = icache_lane_create(bench->roomy, no_wake, NULL)) == NULL)
            abort();
    for (uint32_t i = 0; i < NUM_KEYS; ++i) {
        uint32_t number = (uint32_t)((uint64_t)i * 7919 % NUM_KEYS);
        insert(bench->roomy, number, &bench->handles[number]);
        insert(bench->full, number, NULL);
    }
}

static void destroy_caches(struct st_bench_t *bench)
{
    for (int i = 0; i < MAX_THREADS; ++i)
        icache_lane_destroy(&bench->lanes[i]);
    icache_destroy(&bench->roomy);
    icache_destroy(&bench->full);
}

static void print_results(struct st_result_t (*best)[NUM_KINDS][NUM_COUNTS])
{
    printf("%-10s %-8s", "", "threads");
    for (size_t i = 0; i < NUM_COUNTS; ++i)
        printf(" %6u %7s", thread_counts[i], "");
    printf("\n%-10s %-8s", "", "");
    for (size_t i = 0; i < NUM_COUNTS; ++i)
        printf(" %6s %7s", "ns", "M/s");
    printf("\n");
    for (int kind = 0; kind < NUM_KINDS; ++kind)
        for (size_t policy = 0; policy < NUM_BENCH_POLICIES; ++policy) {
            printf("%-10s %-8s", kind_names[kind], policies[policy].name);
            for (size_t i = 0; i < NUM_COUNTS; ++i)
                printf(" %6.1f %7.1f", best[policy][kind][i].cpu_ns, 1e3 / best[policy][kind][i].wall_ns);
            printf("\n");
        }
}

static void measure_all(unsigned long operations)
{
    static struct st_result_t best[NUM_BENCH_POLICIES][NUM_KINDS][NUM_COUNTS];

    for (int round = 0; round < ROUNDS; ++round)
        for (int kind = 0; kind < NUM_KINDS; ++kind)
            for (size_t i = 0; i < NUM_COUNTS; ++i)
                for (size_t policy = 0; policy < NUM_BENCH_POLICIES; ++policy) {
                    struct st_result_t *slot = &best[policy][kind][i];
                    struct st_result_t result = measure(&benches[policy], kind, thread_counts[i], operations);
                    if (round == 0 || result.wall_ns < slot->wall_ns)
                        *slot = result;
                }
    print_results(best);
}

static int count(const char *kind_name, const char *policy_name, unsigned long operations)
{
    for (int kind = 0; kind < NUM_KINDS; ++kind)
        for (size_t policy = 0; policy < NUM_BENCH_POLICIES; ++policy)
            if (strcmp(kind_name, kind_names[kind]) == 0 && strcmp(policy_name, policies[policy].name) == 0) {
                measure(&benches[policy], kind, 1, operations);
                return 0;
            }
    fprintf(stderr, "bench_lookup: unknown kind or policy: %s %s\n", kind_name, policy_name);
    return 1;
}

int main(int argc, char **argv)
{
    int counting = argc == 5 && strcmp(argv[1], "--count") == 0, result = 0;
    unsigned long operations = strtoul(counting ? argv[4] : argc > 1 ? argv[1] : "1000000", NULL, 10);

    if (operations < MAX_THREADS) {
        fprintf(stderr, "bench_lookup: the number of operations has to be at least %d\n", MAX_THREADS);
        return 1;
    }
    draw_keys();
    for (size_t i = 0; i < NUM_BENCH_POLICIES; ++i)
        create_caches(&benches[i], policies[i].policy);
    if (counting)
        result = count(argv[2], argv[3], operations);
    else
        measure_all(operations);
    for (size_t i = 0; i < NUM_BENCH_POLICIES; ++i)
        destroy_caches(&benches[i]);
    return result;
}
