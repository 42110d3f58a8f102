/*
 * thread.h - starts a thread that serves the process as a whole, and not a request.
 */
#ifndef module__thread_h
#define module__thread_h

#include <pthread.h>
#include <signal.h>

/**
 * Starts a thread that no signal is delivered to: those are for the server's own threads. Returns 0, or -1 when it cannot be had.
 */
static inline int sluice_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err == 0 ? 0 : -1;
}

#endif
