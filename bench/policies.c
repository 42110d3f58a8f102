/*
 * bench_policies [-n requests] [format:path ...]
 *
 * The same traces through the real cache with each policy, at 1, 5, 10 and 30 % of the footprint: which share of the requests, of
 * their bytes and of the work they stand for is missed, and the CPU time of one request (lookup, and on a miss creation and insert
 * of an object without a body). See traces.h for the formats; without files the traces are generated.
 *
 * Objects have no body and are charged what the trace says. That is the one liberty taken with the library: an object is sealed
 * here, with the charge wanted, before it is handed over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "bench/traces.h"
#include "image_cache/image_cache_private.h"

#define NUM_REQUESTS 4000000
#define NUM_OBJECTS 200000
#define OVERHEAD_BYTES 256 /* of an object beside its body */

static const char *const policy_names[ICACHE_NUM_POLICIES] = {
    [ICACHE_POLICY_LRU] = "lru", [ICACHE_POLICY_S3_FIFO] = "s3-fifo", [ICACHE_POLICY_COST] = "cost"};
static const unsigned percents[] = {1, 5, 10, 30};
static const shape_t shapes[] = {
    {"zipf 0.8", .8, 0, 0},        {"zipf 1.0", 1., 0, 0},         {"zipf 1.2", 1.2, 0, 0},
    {"zipf 0.9, scan", .9, 20, 0}, {"zipf 0.9, churn", .9, 0, 50},
};

struct st_result_t {
    double missed, missed_bytes, missed_cost, ns;
};

static double cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void insert(icache_t *cache, const icache_key_t *key, const request_t *request)
{
    icache_object_t *object = icache_object_create(cache, ICACHE_CLASS_RENDITION, key, 0, 0);

    if (object == NULL)
        abort();
    object->cost_us = request->cost_us;
    object->_charge_bytes = request->size_bytes + OVERHEAD_BYTES;
    object->_sealed = 1;
    icache_insert(cache, object, 0);
}

static int get(icache_t *cache, const icache_key_t *key)
{
    icache_object_t *object = icache_get(cache, NULL, key, 0);
    int hit = object != NULL;

    icache_object_unref(&object);
    return hit;
}

static struct st_result_t replay(const trace_t *trace, icache_policy_kind_t policy, uint64_t capacity_bytes)
{
    icache_config_t config = {.capacity_bytes = capacity_bytes, .max_object_bytes = UINT64_MAX, .seed = 1, .policy = policy};
    icache_t *cache = icache_create(&config);
    double bytes = 0, cost = 0, from = cpu_ns();
    struct st_result_t result = {.missed = 0};

    if (cache == NULL)
        abort();
    for (size_t i = 0; i < trace->num_requests; ++i) {
        const request_t *request = &trace->requests[i];
        icache_key_t key = icache_key(cache, (const char *)&request->id, sizeof(request->id));
        bytes += request->size_bytes;
        cost += request->cost_us;
        if (get(cache, &key))
            continue;
        ++result.missed;
        result.missed_bytes += request->size_bytes;
        result.missed_cost += request->cost_us;
        insert(cache, &key, request);
    }
    result.ns = (cpu_ns() - from) / (double)trace->num_requests;
    result.missed /= (double)trace->num_requests;
    result.missed_bytes /= bytes;
    result.missed_cost /= cost;
    icache_destroy(&cache);
    return result;
}

static void compare(const trace_t *trace)
{
    printf("%s: %zu requests, %zu objects, %.1f MB\n", trace->name, trace->num_requests, trace->num_objects,
           (double)trace->footprint_bytes / 1e6);
    printf("  %5s  %-8s  %8s %8s %8s %8s\n", "cache", "policy", "objects", "bytes", "cost", "ns");
    for (size_t i = 0; i < sizeof(percents) / sizeof(*percents); ++i)
        for (int policy = 0; policy < ICACHE_NUM_POLICIES; ++policy) {
            struct st_result_t result = replay(trace, (icache_policy_kind_t)policy, trace->footprint_bytes / 100 * percents[i]);
            printf("  %3u %%  %-8s  %8.4f %8.4f %8.4f %8.0f\n", percents[i], policy_names[policy], result.missed,
                   result.missed_bytes, result.missed_cost, result.ns);
            fflush(stdout);
        }
}

int main(int argc, char **argv)
{
    size_t num_requests = NUM_REQUESTS;
    trace_t trace;
    int option;

    while ((option = getopt(argc, argv, "n:")) != -1) {
        if (option != 'n' || (num_requests = strtoul(optarg, NULL, 10)) == 0)
            return 2;
    }
    for (int i = optind; i < argc; ++i) {
        if (trace_read(&trace, argv[i]) != 0)
            return 1;
        compare(&trace);
        trace_dispose(&trace);
    }
    for (size_t i = 0; optind == argc && i < sizeof(shapes) / sizeof(*shapes); ++i) {
        trace_generate(&trace, &shapes[i], num_requests, NUM_OBJECTS);
        compare(&trace);
        trace_dispose(&trace);
    }
    return 0;
}
