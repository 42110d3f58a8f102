#include "module/request_clock.h"
#include "module/slow_requests.h"

#define STATUS_ABANDONED 499

static sluice_outcome_t outcome_of(const sluice_request_clock_t *clock)
{
    if (clock->req->res.status < 400)
        return SLUICE_OUTCOME_MISS;
    return clock->lacks_room ? SLUICE_OUTCOME_SHED : SLUICE_OUTCOME_ERROR;
}

static void note_if_slow(sluice_request_clock_t *clock, int status, uint64_t waited_us)
{
    uint64_t slow_ms = clock->sluice->settings.slow_request_ms;

    if (slow_ms != 0 && waited_us > slow_ms * 1000)
        clock->slow_id = sluice_slow_requests_note(clock->sluice, clock->req, status, waited_us);
}

static void on_answer(h2o_req_prefilter_t *_self, h2o_req_t *req, h2o_ostream_t **slot)
{
    sluice_request_clock_t *clock = (void *)_self;

    if (!clock->stopped) {
        uint64_t waited_us = sluice_now_us() - clock->begun_us;
        clock->stopped = 1;
        sluice_durations_count(clock->sluice->stats.request_durations + outcome_of(clock), waited_us, 1);
        note_if_slow(clock, req->res.status, waited_us);
    }
    h2o_setup_next_prefilter(&clock->super, req, slot);
}

sluice_request_clock_t *sluice_request_clock_start(sluice_t *sluice, h2o_req_t *req)
{
    sluice_request_clock_t *clock = (void *)h2o_add_prefilter(req, sizeof(*clock));
    h2o_req_prefilter_t *next = clock->super.next;

    *clock = (sluice_request_clock_t){{next, on_answer}, .sluice = sluice, .req = req, .begun_us = sluice_now_us()};
    return clock;
}

void sluice_request_clock_abandon(sluice_request_clock_t *clock)
{
    if (clock->stopped)
        return;
    clock->stopped = 1;
    note_if_slow(clock, STATUS_ABANDONED, sluice_now_us() - clock->begun_us);
    clock->slow_id = 0;
}

void sluice_request_clock_end(sluice_request_clock_t *clock)
{
    if (clock->slow_id != 0)
        health_slow_sent(clock->sluice->slow, clock->slow_id, sluice_now_us() - clock->begun_us);
    clock->slow_id = 0;
}
