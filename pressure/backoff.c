#include "pressure/backoff.h"
#include "pressure/level.h"

/**
 * -1: not to be judged
 */
static int is_poor(const pressure_tuning_t *tuning, const pressure_outcome_t *outcome)
{
    uint64_t from_bytes = outcome->before_bytes + outcome->granted_bytes;
    uint64_t returned_bytes = from_bytes > outcome->after_bytes ? from_bytes - outcome->after_bytes : 0;

    if (outcome->claimed_bytes == 0 && outcome->failed)
        return 1;
    if (outcome->claimed_bytes == 0 ||
        outcome->claimed_bytes < pressure_mark_bytes(outcome->budget_bytes, (unsigned)tuning->effective_min_permille))
        return -1;
    return returned_bytes < pressure_mark_bytes(outcome->claimed_bytes, (unsigned)tuning->effective_permille);
}

static uint64_t next_pause_ms(const pressure_tuning_t *tuning, uint64_t pause_ms)
{
    if (pause_ms == 0)
        return tuning->backoff_ms;
    return pause_ms < tuning->backoff_max_ms / 2 ? pause_ms * 2 : tuning->backoff_max_ms;
}

int pressure_backoff_judge(const pressure_tuning_t *tuning, pressure_backoff_t *backoff, const pressure_outcome_t *outcome)
{
    int poor = is_poor(tuning, outcome);

    if (poor == 0)
        *backoff = (pressure_backoff_t){0};
    if (poor <= 0)
        return 0;
    if (++backoff->poor_in_row >= tuning->ineffective_after) {
        backoff->ineffective = 1;
        backoff->pause_ms = next_pause_ms(tuning, backoff->pause_ms);
    }
    return 1;
}
