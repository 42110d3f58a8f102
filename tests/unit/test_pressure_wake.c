/*
 * Where wake-ups come from, on made-up trees and from this kernel, and the nap that they end.
 */
#include "test_cgroup_fake.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "pressure/nap.h"
#include "module/clock.h"

#define TRIGGER "some 100000 2000000"

static pressure_wake_t wake = {.fd = -1};
static char watch_path[128];

static int set_up(void **arg)
{
    int result = make_root(arg);

    snprintf(watch_path, sizeof(watch_path), "%s/watch", root);
    return result;
}

static int tear_down(void **arg)
{
    pressure_wake_close(&wake);
    return remove_root(arg);
}

static pressure_wake_source_t open_wake(const char *watch, const char *data)
{
    pressure_wake_close(&wake);
    pressure_wake_open(&wake, proc_root, sys_root, watch, data);
    assert_int_equal(wake.fd >= 0, wake.source != PRESSURE_WAKE_NONE);
    return wake.source;
}

static void get(const char *path, char *text, size_t size)
{
    char full[512];

    snprintf(full, sizeof(full), "%s/%s", root, path);
    FILE *file = fopen(full, "re");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

static int is_ready(void)
{
    struct pollfd fd = {.fd = wake.fd, .events = wake.events};

    return poll(&fd, 1, 0) == 1;
}

static void test_none(void **arg)
{
    (void)arg;
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_NONE);
    put("proc/self/cgroup", "0::/a\n4:memory:/a\n");
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_NONE);
}

static void test_psi(void **arg)
{
    char text[64];

    (void)arg;
    put("proc/self/cgroup", "4:memory:/v1\n0::/a/b\n");
    put("proc/pressure/memory", "");
    put("sys/memory/v1/memory.pressure", ""); /* v1 has no such file, and if it had: another hierarchy */
    put("sys/a/b/memory.events", "low 0\n");
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_PSI_SYSTEM);
    assert_int_equal(wake.events, POLLPRI);
    get("proc/pressure/memory", text, sizeof(text));
    assert_string_equal(text, TRIGGER);
    put("sys/a/memory.pressure", "");
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_PSI_GROUP);
    get("sys/a/memory.pressure", text, sizeof(text));
    assert_string_equal(text, TRIGGER);
    put("sys/a/memory.pressure", "");
    put("sys/a/b/memory.pressure", "");
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_PSI_GROUP);
    get("sys/a/memory.pressure", text, sizeof(text));
    assert_string_equal(text, ""); /* the own group's, not the one above */
    get("sys/a/b/memory.pressure", text, sizeof(text));
    assert_string_equal(text, TRIGGER);
}

/* a kernel that refuses PSI: here a folder, which cannot be opened for writing, not even by root */
static void test_events_where_psi_is_refused(void **arg)
{
    (void)arg;
    put("proc/self/cgroup", "0::/a/b\n");
    put("proc/pressure/memory/x", "");
    put("sys/a/b/memory.pressure/x", "");
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_NONE);
    put("sys/a/memory.events", "low 0\n");
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_EVENTS);
    assert_int_equal(wake.events, POLLPRI);
    assert_int_equal(pressure_wake_drain(&wake, POLLERR | POLLPRI), 0);
    put("sys/a/memory.events", "");
    assert_int_equal(pressure_wake_drain(&wake, POLLERR | POLLPRI), -1);
}

static void test_v1(void **arg)
{
    char order[64];
    int fd, level_fd;

    (void)arg;
    put("proc/self/cgroup", "4:memory:/a\n");
    put("sys/memory/a/memory.pressure_level", "");
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_NONE);
    put("sys/memory/a/cgroup.event_control", "");
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_V1);
    get("sys/memory/a/cgroup.event_control", order, sizeof(order));
    char *end;
    fd = (int)strtol(order, &end, 10);
    level_fd = (int)strtol(end, &end, 10);
    assert_int_equal(fd, wake.fd);
    assert_true(level_fd > 2 && level_fd != fd);
    assert_string_equal(end, " medium");
    assert_false(is_ready());
    assert_int_equal(write(wake.fd, &(uint64_t){1}, 8), 8);
    assert_true(is_ready());
    assert_int_equal(pressure_wake_drain(&wake, POLLIN), 0);
    assert_false(is_ready());
}

static void test_watch_dev_null(void **arg)
{
    (void)arg;
    put("proc/pressure/memory", "");
    assert_int_equal(open_wake("/dev/null", NULL), PRESSURE_WAKE_NONE);
    assert_int_equal(open_wake(NULL, NULL), PRESSURE_WAKE_PSI_SYSTEM);
}

static void test_watch_file(void **arg)
{
    char text[64];

    (void)arg;
    put("proc/pressure/memory", "");
    put("watch", "");
    assert_int_equal(open_wake(watch_path, "c29tZSAxMDAgMjAwAA=="), PRESSURE_WAKE_WATCH);
    assert_int_equal(wake.events, POLLPRI);
    get("watch", text, sizeof(text));
    assert_string_equal(text, "some 100 200");
    get("proc/pressure/memory", text, sizeof(text));
    assert_string_equal(text, "");
    put("watch", "unread");
    assert_int_equal(open_wake(watch_path, NULL), PRESSURE_WAKE_WATCH);
    get("watch", text, sizeof(text));
    assert_string_equal(text, "unread");
    assert_int_equal(pressure_wake_drain(&wake, POLLPRI), 0);
    assert_int_equal(lseek(wake.fd, 0, SEEK_CUR), 0); /* nothing was read of it */
    assert_int_equal(pressure_wake_drain(&wake, POLLPRI | POLLERR), -1);
}

/* what is no good falls back to what there would be without it */
static void test_watch_is_no_good(void **arg)
{
    static char long_data[2000];

    (void)arg;
    memset(long_data, 'A', sizeof(long_data) - 1);
    put("proc/pressure/memory", "");
    put("watch", "");
    assert_int_equal(open_wake("", NULL), PRESSURE_WAKE_PSI_SYSTEM);
    assert_int_equal(open_wake("watch", NULL), PRESSURE_WAKE_PSI_SYSTEM);
    assert_int_equal(open_wake("/does/not/exist", NULL), PRESSURE_WAKE_PSI_SYSTEM);
    assert_int_equal(open_wake(root, NULL), PRESSURE_WAKE_PSI_SYSTEM);
    assert_int_equal(open_wake(watch_path, "not base64!"), PRESSURE_WAKE_PSI_SYSTEM);
    assert_int_equal(open_wake(watch_path, long_data), PRESSURE_WAKE_PSI_SYSTEM);
}

static void test_watch_fifo(void **arg)
{
    (void)arg;
    assert_int_equal(mkfifo(watch_path, 0600), 0);
    assert_int_equal(open_wake(watch_path, NULL), PRESSURE_WAKE_STREAM);
    assert_false(is_ready());
    int fd = open(watch_path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, "now", 3), 3);
    assert_true(is_ready());
    assert_int_equal(pressure_wake_drain(&wake, POLLIN), 0);
    assert_false(is_ready());
    close(fd); /* a writer that leaves is not the end */
    assert_false(is_ready());
}

static void test_watch_socket(void **arg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char data[64];

    (void)arg;
    memcpy(address.sun_path, watch_path, strlen(watch_path) + 1);
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server, 1), 0);
    assert_int_equal(open_wake(watch_path, "aGVsbG8="), PRESSURE_WAKE_STREAM);
    int peer = accept(server, NULL, NULL);
    assert_int_equal(read(peer, data, sizeof(data)), 5);
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(write(peer, "now", 3), 3);
    assert_true(is_ready());
    assert_int_equal(pressure_wake_drain(&wake, POLLIN), 0);
    assert_false(is_ready());
    close(peer);
    assert_true(is_ready());
    assert_int_equal(pressure_wake_drain(&wake, POLLIN | POLLHUP), -1); /* or it would be ready for ever */
    close(server);
}

/* --- what this kernel gives, if anything; it must at least not be ready at once for ever */

static void test_this_kernel(void **arg)
{
    (void)arg;
    pressure_wake_open(&wake, "/proc", "/sys/fs/cgroup", NULL, NULL);
    printf("wake-ups here: %s\n", pressure_wake_name(wake.source));
    for (unsigned i = 0; wake.fd >= 0 && is_ready(); ++i) {
        assert_int_equal(pressure_wake_drain(&wake, POLLPRI), 0);
        assert_true(i < 100);
    }
}

/* --- the nap */

static void test_nap_ends_when_due(void **arg)
{
    pressure_nap_t nap;
    uint64_t began_ms = sluice_exact_ms();

    (void)arg;
    assert_int_equal(pressure_nap_init(&nap, NULL), 0);
    pressure_nap_take(&nap, 30);
    assert_true(sluice_exact_ms() - began_ms >= 30);
    pressure_nap_dispose(&nap);
}

static void test_wake_up_ends_the_nap(void **arg)
{
    pressure_nap_t nap;
    uint64_t began_ms = sluice_exact_ms();

    (void)arg;
    assert_int_equal(mkfifo(watch_path, 0600), 0);
    assert_int_equal(open_wake(watch_path, NULL), PRESSURE_WAKE_STREAM);
    assert_int_equal(pressure_nap_init(&nap, &wake), 0);
    int fd = open(watch_path, O_WRONLY | O_CLOEXEC);
    for (unsigned i = 0; i < 20; ++i) {
        assert_int_equal(write(fd, "now", 3), 3);
        pressure_nap_take(&nap, 10000);
    }
    assert_true(sluice_exact_ms() - began_ms < 50000); /* not one of them lasted */
    close(fd);
    pressure_nap_dispose(&nap);
}

/* a source that is ready all the time ends a nap once per pause, and kicks come through meanwhile */
static void test_storm_of_wake_ups(void **arg)
{
    pressure_nap_t nap;
    int ends[2];

    (void)arg;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    wake = (pressure_wake_t){PRESSURE_WAKE_WATCH, ends[0], POLLIN}; /* is never read */
    assert_int_equal(pressure_nap_init(&nap, &wake), 0);
    uint64_t began_ms = sluice_exact_ms();
    for (unsigned i = 0; i < 21; ++i)
        pressure_nap_take(&nap, 10000);
    uint64_t took_ms = sluice_exact_ms() - began_ms;
    assert_true(took_ms >= 20 * (PRESSURE_WAKE_PAUSE_MS - 1) && took_ms < 100000);
    for (unsigned i = 0; i < 20; ++i) {
        pressure_nap_kick(&nap);
        pressure_nap_take(&nap, 10000);
    }
    /* and a nap that is due within the pause ends when it is due */
    for (unsigned i = 0; i < 20; ++i)
        pressure_nap_take(&nap, 1);
    pressure_nap_dispose(&nap);
    close(ends[1]);
}

/* a source that is gone is let go */
static void test_dead_source(void **arg)
{
    pressure_nap_t nap;
    int ends[2];

    (void)arg;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    wake = (pressure_wake_t){PRESSURE_WAKE_STREAM, ends[0], POLLIN};
    assert_int_equal(pressure_nap_init(&nap, &wake), 0);
    close(ends[1]);
    pressure_nap_take(&nap, 10000);
    assert_int_equal(nap.wake.fd, -1);
    uint64_t began_ms = sluice_exact_ms();
    pressure_nap_take(&nap, 60);
    assert_true(sluice_exact_ms() - began_ms >= 60);
    pressure_nap_dispose(&nap);
}

static struct {
    pressure_nap_t nap;
    atomic_uint asked, stop;
} race;

static void *keep_kicking(void *arg)
{
    (void)arg;
    while (!atomic_load(&race.stop)) {
        atomic_fetch_add(&race.asked, 1);
        pressure_nap_kick(&race.nap);
    }
    return NULL;
}

/* no kick is lost, wherever it falls: a nap that sleeps through one lasts for 10 s */
static void test_kicks_from_two_threads(void **arg)
{
    pthread_t threads[2];
    uint64_t longest_ms = 0;

    (void)arg;
    assert_int_equal(pressure_nap_init(&race.nap, NULL), 0);
    for (unsigned i = 0; i < 2; ++i)
        assert_int_equal(pthread_create(threads + i, NULL, keep_kicking, NULL), 0);
    for (unsigned i = 0; i < 20000; ++i) {
        uint64_t began_ms = sluice_exact_ms();
        pressure_nap_take(&race.nap, 10000);
        uint64_t took_ms = sluice_exact_ms() - began_ms;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
    }
    atomic_store(&race.stop, 1);
    for (unsigned i = 0; i < 2; ++i)
        pthread_join(threads[i], NULL);
    assert_true(race.asked != 0);
    assert_true(longest_ms < 9000);
    pressure_nap_dispose(&race.nap);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_none),
        TEST(test_psi),
        TEST(test_events_where_psi_is_refused),
        TEST(test_v1),
        TEST(test_watch_dev_null),
        TEST(test_watch_file),
        TEST(test_watch_is_no_good),
        TEST(test_watch_fifo),
        TEST(test_watch_socket),
        TEST(test_this_kernel),
        TEST(test_nap_ends_when_due),
        TEST(test_wake_up_ends_the_nap),
        TEST(test_storm_of_wake_ups),
        TEST(test_dead_source),
        TEST(test_kicks_from_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
