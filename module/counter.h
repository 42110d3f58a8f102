/*
 * counter.h - one number that any thread counts up with a relaxed atomic; a reader sees it exact.
 */
#ifndef module__counter_h
#define module__counter_h

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t sluice_counter_t;

static inline void sluice_count(sluice_counter_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static inline void sluice_uncount(sluice_counter_t *counter, uint64_t by)
{
    atomic_fetch_sub_explicit(counter, by, memory_order_relaxed);
}

static inline uint64_t sluice_counted(const sluice_counter_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/**
 * for a counter with one writer: no locked instruction
 */
static inline void sluice_count_own(sluice_counter_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

#endif
