/*
 * S3-FIFO (Yang et al., SOSP 2023), with bytes for sizes: probation, and a MAIN that is a FIFO too. An object that was hit since it
 * last came to MAIN's end goes round again, once per hit, up to three times.
 *
 * SIEVE would do with one list. Tried in its place on the traces of bench/, it missed more where popularity changes or a scan
 * passes.
 */
#include "image_cache/image_cache_private.h"

#define MAX_HITS 3

static void main_push(icache_policy_t *policy, icache_object_t *object, unsigned hits)
{
    (void)hits;
    icache_queue_push(&policy->main, object);
}

static void main_remove(icache_policy_t *policy, icache_object_t *object)
{
    icache_queue_remove(&policy->main, object);
}

static icache_object_t *main_victim(icache_policy_t *policy)
{
    icache_object_t *object;
    uint8_t hits;

    while ((object = policy->main.oldest) != NULL && (hits = icache_object_take_hits(object)) != 0) {
        icache_object_set_hits(object, hits - 1);
        icache_queue_remove(&policy->main, object);
        icache_queue_push(&policy->main, object);
    }
    return object;
}

static int main_walk(const icache_policy_t *policy, icache_visit_t visit, void *ctx)
{
    return icache_queue_walk(&policy->main, visit, ctx);
}

const icache_policy_ops_t icache_s3_fifo_ops = {.max_hits = MAX_HITS,
                                                .init = icache_probation_init,
                                                .dispose = icache_probation_dispose,
                                                .place = icache_probation_place,
                                                .on_insert = icache_probation_insert,
                                                .on_remove = icache_probation_remove,
                                                .victim = icache_probation_victim,
                                                .forget = icache_probation_forget,
                                                .walk = icache_probation_walk,
                                                .main_push = main_push,
                                                .main_remove = main_remove,
                                                .main_victim = main_victim,
                                                .main_walk = main_walk};
