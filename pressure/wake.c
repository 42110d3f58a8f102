#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "pressure/cgroup.h"
#include "pressure/wake.h"

static const char psi_trigger[] = "some 100000 2000000"; /* its NUL is written too, as the kernel's own example does */

const char *pressure_wake_name(pressure_wake_source_t source)
{
    static const char *const names[PRESSURE_NUM_WAKE_SOURCES] = {
        [PRESSURE_WAKE_NONE] = "none",
        [PRESSURE_WAKE_WATCH] = "MEMORY_PRESSURE_WATCH",
        [PRESSURE_WAKE_STREAM] = "MEMORY_PRESSURE_WATCH",
        [PRESSURE_WAKE_PSI_GROUP] = "stalls in the cgroup",
        [PRESSURE_WAKE_PSI_SYSTEM] = "stalls in the system",
        [PRESSURE_WAKE_EVENTS] = "memory.events",
        [PRESSURE_WAKE_V1] = "memory.pressure_level",
    };

    return names[source];
}

static void set_source(pressure_wake_t *wake, pressure_wake_source_t source, int fd, short events)
{
    *wake = (pressure_wake_t){source, fd, events};
}

/* --- $MEMORY_PRESSURE_WATCH --- */

/**
 * Returns the number of bytes, or -1 if the text is not base64 or does not fit
 */
static ssize_t decode_base64(const char *text, uint8_t *bytes, size_t size)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text), used = 0;
    uint32_t bits = 0;
    unsigned num_bits = 0;

    while (len != 0 && text[len - 1] == '=')
        --len;
    for (size_t i = 0; i != len; ++i) {
        const char *at = memchr(alphabet, text[i], sizeof(alphabet) - 1);
        if (at == NULL)
            return -1;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        if ((num_bits += 6) < 8)
            continue;
        num_bits -= 8;
        if (used == size)
            return -1;
        bytes[used++] = (uint8_t)(bits >> num_bits);
    }
    return (ssize_t)used;
}

static int connect_stream(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int fd;

    if (len >= sizeof(address.sun_path) || (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return -1;
    memcpy(address.sun_path, path, len + 1);
    if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int write_all(int fd, const void *bytes, size_t len)
{
    return write(fd, bytes, len) == (ssize_t)len ? 0 : -1;
}

static int open_watch(pressure_wake_t *wake, const char *path, const char *data)
{
    uint8_t bytes[512];
    ssize_t len = data != NULL ? decode_base64(data, bytes, sizeof(bytes)) : 0;
    struct stat status;
    int fd;

    if (len < 0 || path[0] != '/' || stat(path, &status) != 0)
        return -1;
    if (S_ISSOCK(status.st_mode))
        fd = connect_stream(path);
    else if (S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode)) /* a FIFO that is open for writing too has no end */
        fd = open(path, (len != 0 || S_ISFIFO(status.st_mode) ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    else
        return -1;
    if (fd < 0)
        return -1;
    if (len != 0 && write_all(fd, bytes, (size_t)len) != 0) {
        close(fd);
        return -1;
    }
    if (S_ISREG(status.st_mode))
        set_source(wake, PRESSURE_WAKE_WATCH, fd, POLLPRI);
    else
        set_source(wake, PRESSURE_WAKE_STREAM, fd, POLLIN);
    return 0;
}

/* --- the kernel's files --- */

static int open_psi(const char *folder, const char *file)
{
    int fd = pressure_open_in(folder, file, O_RDWR | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (write_all(fd, psi_trigger, sizeof(psi_trigger)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* a pressure_cgroup_cb */
static void try_group_psi(void *_wake, pressure_cgroup_version_t version, const char *folder)
{
    pressure_wake_t *wake = _wake;
    int fd;

    if (wake->fd < 0 && version == PRESSURE_CGROUP_V2 && (fd = open_psi(folder, "memory.pressure")) >= 0)
        set_source(wake, PRESSURE_WAKE_PSI_GROUP, fd, POLLPRI);
}

/* a pressure_cgroup_cb */
static void try_events(void *_wake, pressure_cgroup_version_t version, const char *folder)
{
    pressure_wake_t *wake = _wake;
    int fd;

    if (wake->fd >= 0 || version != PRESSURE_CGROUP_V2 || (fd = pressure_open_in(folder, "memory.events", O_RDONLY)) < 0)
        return;
    set_source(wake, PRESSURE_WAKE_EVENTS, fd, POLLPRI);
    pressure_wake_drain(wake, 0); /* what has happened so far is no news */
}

/**
 * tells a v1 group to signal the eventfd. The registration outlives the two other descriptors.
 */
static int register_eventfd(int fd, int level_fd, int control_fd)
{
    char order[64];
    int len = snprintf(order, sizeof(order), "%d %d medium", fd, level_fd);

    return len > 0 && (size_t)len < sizeof(order) ? write_all(control_fd, order, (size_t)len) : -1;
}

/* a pressure_cgroup_cb */
static void try_v1(void *_wake, pressure_cgroup_version_t version, const char *folder)
{
    pressure_wake_t *wake = _wake;

    if (wake->fd >= 0 || version != PRESSURE_CGROUP_V1)
        return;
    int level_fd = pressure_open_in(folder, "memory.pressure_level", O_RDONLY);
    int control_fd = pressure_open_in(folder, "cgroup.event_control", O_WRONLY);
    int fd = level_fd >= 0 && control_fd >= 0 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (fd >= 0 && register_eventfd(fd, level_fd, control_fd) == 0) {
        set_source(wake, PRESSURE_WAKE_V1, fd, POLLIN);
    } else if (fd >= 0) {
        close(fd);
    }
    if (level_fd >= 0)
        close(level_fd);
    if (control_fd >= 0)
        close(control_fd);
}

void pressure_wake_open(pressure_wake_t *wake, const char *proc_root, const char *sys_root, const char *watch, const char *data)
{
    char chain[PRESSURE_CHAIN_TEXT_BYTES];
    int fd;

    set_source(wake, PRESSURE_WAKE_NONE, -1, 0);
    if (watch != NULL && (strcmp(watch, "/dev/null") == 0 || open_watch(wake, watch, data) == 0))
        return;
    int chain_fd = pressure_open_in(proc_root, "self/cgroup", O_RDONLY);
    ssize_t len = pressure_read_text(chain_fd, chain, sizeof(chain));
    if (chain_fd >= 0)
        close(chain_fd);
    size_t chain_len = len > 0 ? (size_t)len : 0;
    pressure_cgroup_walk(chain, chain_len, sys_root, try_group_psi, wake);
    if (wake->fd < 0 && (fd = open_psi(proc_root, "pressure/memory")) >= 0)
        set_source(wake, PRESSURE_WAKE_PSI_SYSTEM, fd, POLLPRI);
    pressure_cgroup_walk(chain, chain_len, sys_root, try_events, wake);
    pressure_cgroup_walk(chain, chain_len, sys_root, try_v1, wake);
}

void pressure_wake_close(pressure_wake_t *wake)
{
    if (wake->fd >= 0)
        close(wake->fd);
    set_source(wake, PRESSURE_WAKE_NONE, -1, 0);
}

static int discard(int fd)
{
    char waste[4096];
    ssize_t len;

    for (unsigned i = 0; i != 16; ++i) {
        if ((len = read(fd, waste, sizeof(waste))) <= 0)
            return len == 0 || (errno != EAGAIN && errno != EINTR) ? -1 : 0;
    }
    return 0;
}

int pressure_wake_drain(const pressure_wake_t *wake, short revents)
{
    char waste[4096];

    switch (wake->source) {
    case PRESSURE_WAKE_STREAM:
    case PRESSURE_WAKE_V1:
        return discard(wake->fd);
    case PRESSURE_WAKE_EVENTS: /* POLLERR comes with all news of such a file */
        return pressure_read_text(wake->fd, waste, sizeof(waste)) > 0 ? 0 : -1;
    default: /* the poll itself takes the news of PSI; such a descriptor must never be read */
        return (revents & (POLLERR | POLLHUP | POLLNVAL)) == 0 ? 0 : -1;
    }
}
