/*
 * signals.h - signals as bytes of a pipe, for loops that wait.
 */
#ifndef module__sluicectl__signals_h
#define module__sluicectl__signals_h

#include <signal.h>

extern volatile sig_atomic_t ctl_stop;    /* SIGINT, SIGTERM or SIGHUP came */
extern volatile sig_atomic_t ctl_suspend; /* SIGTSTP; to be set to 0 by who looks */

/**
 * catches these signals, and SIGWINCH, from now on. Returns a descriptor that is readable after any of them, or -1.
 */
int ctl_signals_catch(void);
/**
 * empties it
 */
void ctl_signals_take(void);

#endif
