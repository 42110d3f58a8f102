#include <time.h>
#include "module/event_hub.h"

void sluice_event_hub_init(sluice_event_hub_t *hub, void (*wake)(void *loop))
{
    hub->wake = wake;
}

sluice_event_slot_t *sluice_event_hub_attach(sluice_event_hub_t *hub, void *loop)
{
    sluice_event_slot_t *slot = hub->slots;

    while (atomic_load(&slot->loop) != NULL)
        ++slot;
    atomic_store(&slot->loop, loop);
    return slot;
}

void sluice_event_hub_detach(sluice_event_hub_t *hub, sluice_event_slot_t *slot)
{
    const struct timespec a_moment = {0, 1000000};

    atomic_store(&slot->loop, NULL);
    while (atomic_load(&hub->num_publishers) != 0)
        nanosleep(&a_moment, NULL);
}

int sluice_event_hub_enter(sluice_event_hub_t *hub, sluice_event_slot_t *slot)
{
    if (atomic_fetch_add(&hub->num_streams, 1) >= SLUICE_MAX_EVENT_STREAMS) {
        atomic_fetch_sub(&hub->num_streams, 1);
        sluice_count(&hub->refused, 1);
        return -1;
    }
    atomic_fetch_add(&slot->num_streams, 1);
    return 0;
}

void sluice_event_hub_leave(sluice_event_hub_t *hub, sluice_event_slot_t *slot)
{
    atomic_fetch_sub(&slot->num_streams, 1);
    atomic_fetch_sub(&hub->num_streams, 1);
}

/* the event was stored before this, and a stream is counted before it looks for events: one of the two sees the other */
void sluice_event_hub_publish(void *_hub)
{
    sluice_event_hub_t *hub = _hub;

    if (atomic_load(&hub->num_streams) == 0)
        return;
    atomic_fetch_add(&hub->num_publishers, 1);
    for (size_t i = 0; i != ICACHE_MAX_LANES; ++i) {
        void *loop = atomic_load(&hub->slots[i].num_streams) != 0 ? atomic_load(&hub->slots[i].loop) : NULL;
        if (loop != NULL)
            hub->wake(loop);
    }
    atomic_fetch_sub(&hub->num_publishers, 1);
}

void sluice_event_hub_count(const sluice_event_hub_t *hub, health_event_counts_t *counts)
{
    counts->streams = atomic_load(&hub->num_streams);
    counts->streams_dropped = sluice_counted(&hub->dropped);
    counts->streams_refused = sluice_counted(&hub->refused);
    counts->missed = sluice_counted(&hub->missed);
}
