/*
 * Sluice without its observer, to see what that costs: no thread looks at trends, leaks, alerts and stale work.
 *
 * The linker puts __wrap_X() in place of each X() that other files call (--wrap; the Makefile takes the names from this file).
 */
#include "module/observer.h"

#define WRAP(result, function, ...)                                                                                                \
    result __wrap_##function(__VA_ARGS__);                                                                                         \
    result __wrap_##function(__VA_ARGS__)

static char nobody;

WRAP(sluice_observer_t *, sluice_observer_create, sluice_t *sluice)
{
    (void)sluice;
    return (sluice_observer_t *)(void *)&nobody;
}

WRAP(void, sluice_observer_destroy, sluice_observer_t **observer)
{
    *observer = NULL;
}

WRAP(void, sluice_observer_wake, sluice_observer_t *observer)
{
    (void)observer;
}
