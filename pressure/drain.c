#include <math.h>
#include "pressure/operation.h"

/* lets time go by until now_ms */
static void fade(pressure_drain_t *drain, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms > drain->at_ms ? now_ms - drain->at_ms : 0;

    if (drain->busy) {
        double left = exp(-(double)elapsed_ms / PRESSURE_DRAIN_MS);
        drain->ended_bytes *= left;
        drain->busy_ms = drain->busy_ms * left + PRESSURE_DRAIN_MS * (1 - left);
    }
    if (now_ms > drain->at_ms)
        drain->at_ms = now_ms;
}

void pressure_drain_note(pressure_drain_t *drain, uint64_t now_ms, uint64_t ended_bytes, int busy)
{
    fade(drain, now_ms);
    drain->ended_bytes += (double)ended_bytes;
    drain->busy = busy;
}

double pressure_drain_rate(const pressure_drain_t *drain, uint64_t now_ms)
{
    pressure_drain_t now = *drain;

    fade(&now, now_ms);
    return now.busy_ms >= 1 ? now.ended_bytes / now.busy_ms * 1000 : 0;
}

uint64_t pressure_retry_after_ms(uint64_t waiting_bytes, double bytes_per_s, uint64_t least_ms, uint64_t most_ms, uint32_t random)
{
    uint64_t top_ms = most_ms > least_ms ? most_ms - (most_ms - least_ms) / 5 : least_ms; /* a quarter more is most_ms */
    double drained_ms = bytes_per_s > 0 ? (double)waiting_bytes / bytes_per_s * 1000 : 0;
    uint64_t base_ms = drained_ms >= (double)top_ms ? top_ms : drained_ms > (double)least_ms ? (uint64_t)drained_ms : least_ms;

    return base_ms + (uint64_t)((double)(base_ms - least_ms) / 4 * random / UINT32_MAX);
}
