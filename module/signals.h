/*
 * signals.h - hearing of signals that the server has its own handler for, or none. The handler that was there is called too, so
 * that h2o does what it does.
 */
#ifndef module__signals_h
#define module__signals_h

#include "module/sluice.h"

/**
 * counts the arrivals of a signal in *counter from now on, and wakes the sluice's observer at each. Of several
 * sluices the last one hears. Returns 0 or -1 (errno of sigaction).
 */
int sluice_signal_count(int signal_number, sluice_t *sluice, sluice_counter_t *counter);

#endif
