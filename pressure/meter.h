/*
 * meter.h - the source of samples: the resident set, and the working set of the memory cgroup that is nearest to its limit.
 *
 * The resident set is read at each sample. The group is looked at less often while nothing is near: at the first sample that comes
 * 3.5 s after the last look, or 25 ms after it if the sample follows the one before within 0.9 s (they come faster, or somebody
 * asked for one), and at every sample once the group's working set or the resident set is at 60 % of the group's limit. In between
 * the last figure stands.
 *
 * Failures. A resident set that cannot be read fails the sample. A group that cannot be read keeps its last figure, is counted
 * (pressure_meter_failed_reads()), and is tried again at each sample; once it has failed for stale_after_ms samples fail, for a
 * figure that old may hide anything. What could not be read from the start is no limit, as in pressure_auto_budget(). A limit
 * that is changed, set or taken away, and a process that is moved to another group, are noticed at a look; a level of the chain
 * that vanished while the process did not move is a failure, not the end of a limit.
 */
#ifndef pressure__meter_h
#define pressure__meter_h

#include "pressure/pressure.h"

enum { PRESSURE_UNREADABLE = -2 };

typedef struct st_pressure_meter_t pressure_meter_t;

typedef struct st_pressure_meter_config_t {
    const char *proc_root, *sys_root; /* "/proc", "/sys/fs/cgroup"; kept by reference */
    uint64_t stale_after_ms;
    uint64_t (*now_ms)(void); /* monotonic */
} pressure_meter_config_t;

/**
 * opens what is there; what is not is tried again at each sample. Returns NULL if there is no memory for it.
 */
pressure_meter_t *pressure_meter_create(const pressure_meter_config_t *config);
/**
 * sets *meter to NULL; *meter may be NULL
 */
void pressure_meter_destroy(pressure_meter_t **meter);
/**
 * a pressure_sample_cb. Neither allocates nor uses stdio. One thread at a time; in the child of a fork it reads the child's own
 * figures. A group of limit 0 in the sample: none limits the process.
 */
int pressure_meter_sample(void *meter, pressure_sample_t *sample);
/**
 * the resident set, from a descriptor of a /proc/PID/statm. Returns 0, -1, or PRESSURE_UNREADABLE if nothing came from the
 * descriptor. Any thread.
 */
int pressure_read_statm(int fd, uint64_t *resident_bytes);
/**
 * looks at groups that failed, since the creation; any thread
 */
uint64_t pressure_meter_failed_reads(const pressure_meter_t *meter);

#endif
