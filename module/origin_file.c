/*
 * Sources from a local directory: blocking reads on the readers' threads. The directory was opened when the configuration was read;
 * openat2() with RESOLVE_BENEATH keeps every name, and every symbolic link on the way, below it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "module/operations.h"
#include "module/picture_check.h"
#include "module/source.h"

#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* for kernels and sandboxes without openat2(): segment by segment, and no symbolic links at all */
static int open_step_by_step(int directory_fd, const char *path)
{
    int at = directory_fd, fd = -1;

    for (const char *slash; at != -1; path = slash + 1) {
        char segment[NAME_MAX + 1];
        slash = strchrnul(path, '/');
        if ((size_t)snprintf(segment, sizeof(segment), "%.*s", (int)(slash - path), path) >= sizeof(segment)) {
            errno = ENAMETOOLONG;
            fd = -1;
        } else {
            fd = openat(at, segment, O_NOFOLLOW | (*slash != '\0' ? O_PATH | O_DIRECTORY | O_CLOEXEC : READ_FLAGS));
        }
        if (at != directory_fd)
            close(at);
        if (*slash == '\0')
            return fd;
        at = fd;
    }
    return -1;
}

static int open_beneath(int directory_fd, const char *path)
{
    struct open_how how = {.flags = READ_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd, tries = 8;

    do { /* EAGAIN: something was renamed on the way, so that it cannot be told whether we are still below */
        fd = (int)syscall(SYS_openat2, directory_fd, path, &how, sizeof(how));
    } while (fd == -1 && errno == EAGAIN && --tries != 0);
    return fd == -1 && errno == ENOSYS ? open_step_by_step(directory_fd, path) : fd;
}

static sluice_error_t open_error(int err)
{
    switch (err) {
    case EACCES:
    case EPERM:
        return SLUICE_ERROR_UNREADABLE;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return SLUICE_ERROR_NO_ROOM;
    default: /* EXDEV: a link that leads out of the directory, which is nobody's business */
        return SLUICE_ERROR_NOT_FOUND;
    }
}

/*
 * A file says nothing about caching, but when it was changed and which one it is will do for a validator. Not if it was changed a
 * moment ago: it may be changed again without its time getting a new value.
 */
static void describe(sluice_fetch_t *fetch, const struct stat *st)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    fetch->answered_ms = sluice_now_ms();
    sluice_said_init(&fetch->said, (int64_t)now.tv_sec);
    fetch->said.last_modified_s = (int64_t)st->st_mtim.tv_sec;
    if (now.tv_sec - st->st_mtim.tv_sec < 2)
        return;
    fetch->said.etag_len =
        (uint8_t)snprintf(fetch->said.etag, sizeof(fetch->said.etag), "%llx.%lx-%llx-%llx", (unsigned long long)st->st_mtim.tv_sec,
                          (unsigned long)st->st_mtim.tv_nsec, (unsigned long long)st->st_size, (unsigned long long)st->st_ino);
}

static int is_unchanged(const sluice_fetch_t *fetch)
{
    const sluice_said_t *then = &fetch->known.said, *now = &fetch->said;

    return fetch->conditional && now->etag_len != 0 && now->etag_len == then->etag_len &&
           memcmp(now->etag, then->etag, now->etag_len) == 0;
}

static sluice_error_t open_source(sluice_fetch_t *fetch, int *fd, size_t *size)
{
    struct stat st;

    if ((*fd = open_beneath(fetch->origin->directory_fd, fetch->path)) == -1)
        return open_error(errno);
    if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode))
        return SLUICE_ERROR_NOT_FOUND;
    if ((uint64_t)st.st_size > fetch->sluice->settings.max_object_bytes)
        return SLUICE_ERROR_SOURCE_TOO_LARGE;
    describe(fetch, &st);
    *size = (size_t)st.st_size;
    return SLUICE_OK;
}

static sluice_error_t read_bytes(sluice_fetch_t *fetch, int fd, icache_object_t *object, size_t at, size_t end)
{
    while (at != end) {
        ssize_t n = pread(fd, object->body + at, end - at, (off_t)at);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0) /* it was cut short under our hands, or the disk fails */
            return SLUICE_ERROR_ORIGIN_BROKEN;
        at += (size_t)n;
        health_operation_set_bytes(&fetch->operation, at);
        health_operation_set_deadline(&fetch->operation, sluice_operation_silence(fetch->sluice));
    }
    return SLUICE_OK;
}

/* the head first: it may tell that the rest is of no use */
static sluice_error_t read_body(sluice_fetch_t *fetch, int fd, icache_object_t *object)
{
    size_t len = object->body_len, head = len < SLUICE_CHECK_BYTES ? len : SLUICE_CHECK_BYTES;
    sluice_error_t error = read_bytes(fetch, fd, object, 0, head);

    if (error == SLUICE_OK)
        error = sluice_source_check(fetch, object->body, head, len);
    return error == SLUICE_OK ? read_bytes(fetch, fd, object, head, len) : error;
}

static sluice_error_t read_source(sluice_fetch_t *fetch, int fd, size_t size, icache_object_t **object)
{
    sluice_error_t error = sluice_source_reserve(fetch, size);

    if (error != SLUICE_OK)
        return error;
    if ((*object = sluice_source_new_object(fetch, size)) == NULL)
        return SLUICE_ERROR_OUT_OF_MEMORY;
    if ((error = read_body(fetch, fd, *object)) != SLUICE_OK)
        icache_object_unref(object);
    return error;
}

static int is_wanted(const sluice_fetch_t *fetch)
{
    return icache_flight_wanted(fetch->flight) && !atomic_load(&fetch->sluice->stopping) &&
           sluice_operation_goes_on(&fetch->operation);
}

static void run_read(sluice_task_t *task)
{
    sluice_fetch_t *fetch = (sluice_fetch_t *)(void *)task;
    icache_object_t *object = NULL;
    size_t size = 0;
    int fd = -1;
    sluice_error_t error = SLUICE_ERROR_CANCELLED;

    health_operation_enter(&fetch->operation, HEALTH_OPERATION_READING, sluice_now_ms(), sluice_operation_silence(fetch->sluice));
    if (is_wanted(fetch) && (error = open_source(fetch, &fd, &size)) == SLUICE_OK && !is_unchanged(fetch))
        error = read_source(fetch, fd, size, &object);
    if (fd != -1)
        close(fd);
    if (error == SLUICE_OK && object == NULL) {
        sluice_source_finish_unchanged(fetch);
        return;
    }
    if (error == SLUICE_ERROR_NO_ROOM && sluice_now_ms() < fetch->deadline_ms) {
        health_operation_enter(&fetch->operation, HEALTH_OPERATION_PAUSED_FOR_MEMORY, sluice_now_ms(),
                               sluice_operation_overtime(fetch->deadline_ms));
        sluice_pool_park(fetch->sluice->readers, task);
        return;
    }
    sluice_source_finish(fetch, object, error);
}

void sluice_file_start(sluice_fetch_t *fetch)
{
    fetch->task.run = run_read;
    sluice_pool_push(fetch->sluice->readers, &fetch->task);
}
