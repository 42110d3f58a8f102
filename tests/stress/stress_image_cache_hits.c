/*
 * stress_image_cache_hits [lookups per reader] [readers] [writers]
 *
 * Hits against everything that takes objects away, with each policy: see tests/hit_hammer.h.
 */
#include "tests/hit_hammer.h"

int main(int argc, char **argv)
{
    unsigned long iterations = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000;
    unsigned num_readers = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 3;
    unsigned num_writers = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 2;

    HAMMER_REQUIRE(num_readers > 0 && num_writers > 0 && HAMMER_KEYS % num_writers == 0);
    for (int policy = 0; policy < ICACHE_NUM_POLICIES; ++policy)
        hammer_run((icache_policy_kind_t)policy, iterations, num_readers, num_writers);
    return 0;
}
