/*
 *   SIGUSR2 --> counted (signals.c) --> observer sees that there are more --> clerk: both files, a line on stderr
 *   POST /api/memory/snapshot --> clerk: both files --> answer
 *
 * Signals that come while the clerk is at it are one. Nothing is left of a file that could not be written to its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "module/allocator.h"
#include "module/observer.h"
#include "module/report.h"
#include "module/report_files.h"
#include "module/signals.h"
#include "module/sluice.h"
#include "module/snapshot.h"

typedef struct st_target_t {
    sluice_t *sluice;
    int folder_fd;
    int64_t wall_ms;
    char *error;
} target_t;

__attribute__((format(printf, 2, 3))) static int fail_with(char *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, SLUICE_SNAPSHOT_ERROR_MAX, format, args);
    va_end(args);
    return -1;
}

/* --- what is written */

static int write_report(sluice_t *sluice, FILE *file, const char *path)
{
    json_t *report = sluice_report_new(sluice);
    int failed = report == NULL || json_dumpf(report, file, JSON_COMPACT) != 0;

    (void)path;
    if (report == NULL)
        errno = ENOMEM;
    fputc('\n', file);
    json_decref(report);
    return failed ? -1 : 0;
}

static int write_heap(sluice_t *sluice, FILE *file, const char *path)
{
    (void)sluice;
    return sluice_allocator_write_profile(file, path);
}

/* --- one file */

/* closes the file in any case; 0 if all of it was written */
static int fill_file(const target_t *target, int fd, int (*write)(sluice_t *, FILE *, const char *), const char *path)
{
    FILE *file = fdopen(fd, "w");

    if (file == NULL) {
        close(fd);
        return -1;
    }
    int failed = write(target->sluice, file, path) != 0;
    failed |= ferror(file) != 0 || fflush(file) != 0;
    int saved_errno = errno;
    failed |= fclose(file) != 0;
    if (saved_errno != 0)
        errno = saved_errno;
    return failed ? -1 : 0;
}

static int write_file(const target_t *target, const char *kind, const char *ending, int (*write)(sluice_t *, FILE *, const char *),
                      char *path)
{
    const char *folder = target->sluice->report_dir;
    char name[SLUICE_REPORT_NAME_MAX] = "";
    int fd = sluice_report_file_create(target->folder_fd, kind, ending, target->wall_ms, getpid(), name);

    if (fd == -1)
        return fail_with(target->error,
                         "cannot create %s in %.300s: %s; let user %d write there, or set health.report-dir to another folder",
                         name, folder, strerror(errno), (int)geteuid());
    snprintf(path, SLUICE_SNAPSHOT_PATH_MAX, "%s/%s", folder, name);
    errno = 0;
    if (fill_file(target, fd, write, path) != 0) {
        int err = errno;
        unlinkat(target->folder_fd, name, 0);
        return fail_with(target->error,
                         "cannot write %s in %.300s: %s; make room there, or set health.report-dir to another folder", name, folder,
                         err != 0 ? strerror(err) : "the allocator refuses");
    }
    sluice_report_files_prune(target->folder_fd, kind, name);
    return 0;
}

int sluice_snapshot_write(sluice_t *sluice, sluice_snapshot_files_t *files, char *error)
{
    target_t target = {sluice, open(sluice->report_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), sluice_wall_ms(), error};

    if (target.folder_fd == -1)
        return fail_with(error, "cannot open the folder %.300s: %s; make it, or set health.report-dir to another one",
                         sluice->report_dir, strerror(errno));
    int result = write_file(&target, "report", "json", write_report, files->report);
    if (result == 0)
        result = write_file(&target, "heap", sluice_allocator_profile_ending(), write_heap, files->heap);
    close(target.folder_fd);
    return result;
}

/* --- SIGUSR2 */

static void write_on_signal(sluice_task_t *task)
{
    sluice_snapshots_t *snapshots = (sluice_snapshots_t *)(void *)((char *)task - offsetof(sluice_snapshots_t, task));
    sluice_t *sluice = (sluice_t *)(void *)((char *)snapshots - offsetof(sluice_t, snapshots));
    char error[SLUICE_SNAPSHOT_ERROR_MAX];
    sluice_snapshot_files_t files;

    if (sluice_snapshot_write(sluice, &files, error) == 0)
        fprintf(stderr, "sluice: SIGUSR2: wrote %s and %s\n", files.report, files.heap);
    else
        fprintf(stderr, "sluice: SIGUSR2: %s\n", error);
    atomic_store(&snapshots->is_queued, 0);
}

void sluice_snapshot_observe(sluice_t *sluice, const sluice_observation_t *observation)
{
    sluice_snapshots_t *snapshots = &sluice->snapshots;
    uint64_t num_signals = sluice_counted(&snapshots->num_signals);

    (void)observation;
    if (num_signals == snapshots->num_seen || atomic_exchange(&snapshots->is_queued, 1))
        return;
    snapshots->num_seen = num_signals;
    snapshots->task.run = write_on_signal;
    sluice_pool_push(sluice->clerk, &snapshots->task);
}

void sluice_snapshot_listen(sluice_t *sluice)
{
    if (sluice_signal_count(SIGUSR2, sluice, &sluice->snapshots.num_signals) != 0)
        fprintf(stderr, "sluice: cannot listen to SIGUSR2: %s\n", strerror(errno));
}

void sluice_snapshot_start(const sluice_t *sluice)
{
    if (faccessat(AT_FDCWD, sluice->report_dir, W_OK | X_OK, AT_EACCESS) != 0)
        fprintf(stderr, "sluice: health.report-dir: user %d cannot write to %s (%s): there will be no snapshots\n", (int)geteuid(),
                sluice->report_dir, strerror(errno));
}
