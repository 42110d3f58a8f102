/*
 * wake.h - what the kernel, or the service manager, has to say about memory that gets scarce. It never sets a level: it is a reason
 * to take a sample at once.
 *
 * The first of these that can be had:
 *   1. $MEMORY_PRESSURE_WATCH, systemd's protocol: a PSI file, a FIFO or a socket, which $MEMORY_PRESSURE_WRITE (base64) is written
 *      to. "/dev/null" means that there shall be no wake-ups;
 *   2. PSI, "some 100000 2000000" (tasks stalled for 100 ms in 2 s; a shorter window takes a privilege): memory.pressure of a v2
 *      group of the chain, the own one first, or <proc>/pressure/memory;
 *   3. changes of memory.events of such a group (v2), which needs no right to write;
 *   4. memory.pressure_level "medium" of a v1 group, through an eventfd.
 * Whatever the kernel refuses (no PSI, not permitted, read-only) is passed over.
 */
#ifndef pressure__wake_h
#define pressure__wake_h

typedef enum en_pressure_wake_source_t {
    PRESSURE_WAKE_NONE,
    PRESSURE_WAKE_WATCH,      /* 1, a PSI file */
    PRESSURE_WAKE_STREAM,     /* 1, a FIFO or a socket */
    PRESSURE_WAKE_PSI_GROUP,  /* 2 */
    PRESSURE_WAKE_PSI_SYSTEM, /* 2 */
    PRESSURE_WAKE_EVENTS,     /* 3 */
    PRESSURE_WAKE_V1,         /* 4 */
    PRESSURE_NUM_WAKE_SOURCES
} pressure_wake_source_t;

typedef struct st_pressure_wake_t {
    pressure_wake_source_t source;
    int fd; /* to poll(2) for `events`; -1: none */
    short events;
} pressure_wake_t;

/**
 * opens the first source that works; none is no error. To be called by the process that will wait: a fork in between shares it.
 * @param watch,data the values of $MEMORY_PRESSURE_WATCH and $MEMORY_PRESSURE_WRITE; each may be NULL
 */
void pressure_wake_open(pressure_wake_t *wake, const char *proc_root, const char *sys_root, const char *watch, const char *data);
void pressure_wake_close(pressure_wake_t *wake);
/**
 * takes what has come, so that the descriptor is quiet until there is news. Does not block. Returns 0, or -1 if nothing will ever
 * come of it again: its other end or its group is gone.
 * @param revents what poll(2) said; 0: it was not asked
 */
int pressure_wake_drain(const pressure_wake_t *wake, short revents);
/**
 * a few words for the operator
 */
const char *pressure_wake_name(pressure_wake_source_t source);

#endif
