/*
 * The ledger of reservations.
 *
 * What must hold: the resident set never exceeds the mark of `high`, whenever the pages of granted work are touched. Split the
 * resident set into O, what belongs to no reservation, and F, the touched part of the reserved bytes T. F never exceeds T, so O + T
 * is the bound, and a grant is safe as long as O + T + bytes stays at or below the mark. But a sample shows R = O + F only:
 *   - to take R for O counts every touched page twice for as long as the work lasts; half of the memory would lie idle;
 *   - to take R + (granted since the sample) for the bound forgets grants whose pages were still untouched at the sample;
 *   - to take the smallest R ever seen for O forgets a cache that has filled up since.
 * So an upper bound of O is carried along, `settled`:
 *   - O never exceeds R: at each sample settled = min(settled, R);
 *   - O grows when work ends and leaves something behind, at most what it had reserved. That is what class SOURCE does (the bytes
 *     go into a cache) and class DECODE does not (scratch memory, free before the release): settled += released source bytes.
 *     A shrinking resize stands for bytes that are gone, whatever the class;
 *   - whatever else grows O shows as soon as R exceeds what the ledger explains: settled = max(settled, R - T).
 *     committed = max(R + what T has grown by since the sample, settled + source bytes released since the sample + T)
 * This is an upper bound of the resident set, now and later, while (a) no work touches more than it reserved and (b) O grows by
 * released source bytes alone. Where (b) fails (connections, results that decodes leave behind, pages that the allocator keeps) the
 * error is that growth, as far as a sample has not shown it, and a sample hides no more of it than there are reserved bytes still
 * untouched; the part of the budget above the mark is for that. The bound is too high by what was settled and is gone again, until
 * R falls below settled; at a sample that is F at most. Once no work is left R is O and the excess is gone.
 *
 * Atomics: `granted` only ever grows by compare-and-swap, so a view that was current at the swap cannot have missed a grant (a
 * plain count of the reserved bytes could go down and up again in between and hide a release). The reading is taken first, an older
 * one only counts more grants as new. `released` comes next: what is released after that still counts as reserved. `kept` is raised
 * before `released` and read after it, so source bytes are in T, in kept, or in both, never in neither. A sample notes the ledger
 * before it reads: a grant in between counts as newer than the sample. Readings are published in two slots, written in turn; a
 * reader that was overtaken reads again.
 */
#include <assert.h>
#include "pressure/excess.h"
#include "pressure/pressure_private.h"

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    return a + b >= a ? a + b : UINT64_MAX;
}

uint64_t pressure_committed_bytes(const pressure_reading_t *reading, uint64_t reserved_bytes, uint64_t kept_bytes)
{
    uint64_t by_sample = add_saturated(reading->resident_bytes, pressure_excess(reserved_bytes, reading->reserved_bytes));
    uint64_t by_ledger = add_saturated(add_saturated(reading->settled_bytes, kept_bytes - reading->kept_bytes), reserved_bytes);

    return by_sample > by_ledger ? by_sample : by_ledger;
}

pressure_reading_t pressure_next_reading(const pressure_reading_t *last, uint64_t resident_bytes, uint64_t reserved_bytes,
                                         uint64_t kept_bytes)
{
    pressure_reading_t next = {.resident_bytes = resident_bytes,
                               .settled_bytes = resident_bytes,
                               .base_bytes = resident_bytes,
                               .reserved_bytes = reserved_bytes,
                               .kept_bytes = kept_bytes};
    uint64_t unexplained_bytes = pressure_excess(resident_bytes, reserved_bytes);

    if (last == NULL)
        return next;
    uint64_t carried_bytes = add_saturated(last->settled_bytes, kept_bytes - last->kept_bytes);
    if (carried_bytes < next.settled_bytes)
        next.settled_bytes = carried_bytes;
    if (unexplained_bytes > next.settled_bytes)
        next.settled_bytes = unexplained_bytes;
    if (last->base_bytes < next.base_bytes)
        next.base_bytes = last->base_bytes;
    return next;
}

static void publish_reading(pressure_ledger_t *ledger, const pressure_reading_t *reading)
{
    uint64_t number = atomic_load_explicit(&ledger->num_readings, memory_order_relaxed) + 1;
    unsigned slot = number % 2;

    /* release: a reader that sees one of these also sees the number before, and reads again */
    atomic_store_explicit(&ledger->slots[slot].resident_bytes, reading->resident_bytes, memory_order_release);
    atomic_store_explicit(&ledger->slots[slot].settled_bytes, reading->settled_bytes, memory_order_release);
    atomic_store_explicit(&ledger->slots[slot].base_bytes, reading->base_bytes, memory_order_release);
    atomic_store_explicit(&ledger->slots[slot].reserved_bytes, reading->reserved_bytes, memory_order_release);
    atomic_store_explicit(&ledger->slots[slot].kept_bytes, reading->kept_bytes, memory_order_release);
    atomic_store_explicit(&ledger->num_readings, number, memory_order_release);
}

/**
 * Returns 0, or -1 if there has been no reading yet
 */
static int get_reading(pressure_ledger_t *ledger, pressure_reading_t *reading)
{
    uint64_t number;

    do {
        number = atomic_load_explicit(&ledger->num_readings, memory_order_acquire);
        unsigned slot = number % 2;
        reading->resident_bytes = atomic_load_explicit(&ledger->slots[slot].resident_bytes, memory_order_acquire);
        reading->settled_bytes = atomic_load_explicit(&ledger->slots[slot].settled_bytes, memory_order_acquire);
        reading->base_bytes = atomic_load_explicit(&ledger->slots[slot].base_bytes, memory_order_acquire);
        reading->reserved_bytes = atomic_load_explicit(&ledger->slots[slot].reserved_bytes, memory_order_acquire);
        reading->kept_bytes = atomic_load_explicit(&ledger->slots[slot].kept_bytes, memory_order_acquire);
    } while (atomic_load_explicit(&ledger->num_readings, memory_order_relaxed) != number);
    return number != 0 ? 0 : -1;
}

int pressure_ledger_sample(pressure_ledger_t *ledger, const pressure_config_t *config, pressure_sample_t *sample)
{
    pressure_reading_t last, next;
    /* in this order, the difference may come out too small (and the bound too high), never too large */
    uint64_t granted_bytes = atomic_load_explicit(&ledger->granted_bytes, memory_order_acquire);
    uint64_t kept_bytes = atomic_load_explicit(&ledger->kept_bytes, memory_order_acquire);
    uint64_t released_bytes = atomic_load_explicit(&ledger->released_bytes, memory_order_acquire);
    int has_last = get_reading(ledger, &last) == 0;

    *sample = (pressure_sample_t){0};
    if (config->sample(config->sample_ctx, sample) != 0)
        return -1;
    next = pressure_next_reading(has_last ? &last : NULL, pressure_reading_of(sample, config->budget_bytes),
                                 pressure_excess(granted_bytes, released_bytes), kept_bytes);
    publish_reading(ledger, &next);
    return 0;
}

static pressure_level_t find_mark(const pressure_t *pressure, uint64_t bytes)
{
    pressure_level_t level = PRESSURE_EMERGENCY;

    while (level != PRESSURE_NORMAL && bytes < pressure->mark_bytes[level])
        --level;
    return level;
}

/**
 * Grants `bytes` if they fit. Returns PRESSURE_OK or PRESSURE_NOT_NOW, and whether a sample now would be of use.
 */
static int grant(pressure_t *pressure, uint64_t bytes, int *kick)
{
    pressure_ledger_t *ledger = &pressure->ledger;
    uint64_t released, kept, granted, before, after;
    pressure_reading_t reading;

    do {
        *kick = 1;
        if (pressure_level(pressure) >= PRESSURE_CRITICAL || get_reading(ledger, &reading) != 0)
            return PRESSURE_NOT_NOW;
        released = atomic_load_explicit(&ledger->released_bytes, memory_order_acquire);
        kept = atomic_load_explicit(&ledger->kept_bytes, memory_order_acquire);
        granted = atomic_load_explicit(&ledger->granted_bytes, memory_order_acquire);
        before = pressure_committed_bytes(&reading, granted - released, kept);
        after = pressure_committed_bytes(&reading, granted - released + bytes, kept);
        if (after > pressure->mark_bytes[PRESSURE_HIGH])
            return PRESSURE_NOT_NOW;
    } while (!atomic_compare_exchange_weak_explicit(&ledger->granted_bytes, &granted, granted + bytes, memory_order_acq_rel,
                                                    memory_order_relaxed));
    *kick = find_mark(pressure, after) > find_mark(pressure, before);
    return PRESSURE_OK;
}

uint64_t pressure_shortage_bytes(pressure_t *pressure, uint64_t bytes)
{
    pressure_ledger_t *ledger = &pressure->ledger;
    pressure_reading_t reading;

    if (get_reading(ledger, &reading) != 0)
        return 0;
    uint64_t released = atomic_load_explicit(&ledger->released_bytes, memory_order_acquire);
    uint64_t kept = atomic_load_explicit(&ledger->kept_bytes, memory_order_acquire);
    uint64_t granted = atomic_load_explicit(&ledger->granted_bytes, memory_order_acquire);
    return pressure_excess(pressure_committed_bytes(&reading, granted - released + bytes, kept),
                           pressure->mark_bytes[PRESSURE_HIGH]);
}

int pressure_looks_grantable(pressure_t *pressure, uint64_t bytes)
{
    return pressure_level(pressure) < PRESSURE_CRITICAL &&
           atomic_load_explicit(&pressure->ledger.num_readings, memory_order_relaxed) != 0 &&
           pressure_shortage_bytes(pressure, bytes) == 0;
}

void pressure_want_room(pressure_t *pressure, uint64_t bytes)
{
    pressure_note_wish(pressure, bytes);
    pressure_kick(pressure);
}

void pressure_note_wish(pressure_t *pressure, uint64_t bytes)
{
    uint64_t before = atomic_load_explicit(&pressure->wanted_bytes, memory_order_relaxed);

    while (before < bytes && !atomic_compare_exchange_weak_explicit(&pressure->wanted_bytes, &before, bytes, memory_order_relaxed,
                                                                    memory_order_relaxed))
        ;
}

uint64_t pressure_largest_bytes(pressure_t *pressure)
{
    pressure_reading_t reading = {0};

    if (get_reading(&pressure->ledger, &reading) != 0)
        reading.base_bytes = 0;
    return pressure_excess(pressure->mark_bytes[PRESSURE_HIGH], reading.base_bytes);
}

/**
 * `total_bytes` is what the reservation would grow to
 */
static int reserve(pressure_t *pressure, pressure_class_t resource_class, uint64_t bytes, uint64_t total_bytes)
{
    pressure_ledger_t *ledger = &pressure->ledger;
    int kick = 0;
    int result = total_bytes <= pressure_largest_bytes(pressure) ? grant(pressure, bytes, &kick) : PRESSURE_NEVER;

    if (result == PRESSURE_OK) {
        atomic_fetch_add_explicit(&ledger->class_bytes[resource_class], bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&ledger->num_granted, 1, memory_order_relaxed);
    } else {
        atomic_fetch_add_explicit(&ledger->num_refused, 1, memory_order_relaxed);
    }
    if (kick)
        pressure_kick(pressure);
    return result;
}

/* never below zero: what the reconciliation has taken for a leak is gone already when its holder gives it back after all */
static uint64_t take_off(_Atomic uint64_t *count, uint64_t bytes)
{
    uint64_t held = atomic_load_explicit(count, memory_order_relaxed), taken;

    do {
        taken = held < bytes ? held : bytes;
    } while (!atomic_compare_exchange_weak_explicit(count, &held, held - taken, memory_order_relaxed, memory_order_relaxed));
    return taken;
}

static void give_back(pressure_t *pressure, pressure_class_t resource_class, uint64_t bytes, uint64_t kept_bytes)
{
    pressure_ledger_t *ledger = &pressure->ledger;
    uint64_t taken = take_off(&ledger->class_bytes[resource_class], bytes);

    assert(taken == bytes || (pressure->config.operation_classes >> resource_class & 1)); /* or it would be granted twice */
    if (kept_bytes != 0)
        atomic_fetch_add_explicit(&ledger->kept_bytes, kept_bytes, memory_order_release);
    atomic_fetch_add_explicit(&ledger->released_bytes, taken, memory_order_release);
}

int pressure_reserve(pressure_t *pressure, pressure_class_t resource_class, uint64_t bytes)
{
    return reserve(pressure, resource_class, bytes, bytes);
}

int pressure_resize(pressure_t *pressure, pressure_class_t resource_class, uint64_t old_bytes, uint64_t new_bytes)
{
    if (new_bytes > old_bytes)
        return reserve(pressure, resource_class, new_bytes - old_bytes, new_bytes);
    if (new_bytes < old_bytes)
        give_back(pressure, resource_class, old_bytes - new_bytes, 0);
    return PRESSURE_OK;
}

void pressure_release(pressure_t *pressure, pressure_class_t resource_class, uint64_t bytes)
{
    give_back(pressure, resource_class, bytes, resource_class == PRESSURE_CLASS_SOURCE ? bytes : 0);
}
