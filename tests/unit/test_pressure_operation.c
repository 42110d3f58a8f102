/*
 * Operations one at a time: who is granted when, in which order, and what is left behind.
 */
#include "test_pressure_fake.h"

#define MAX_OPERATIONS 64
#define NO_RESULT 99

typedef struct st_probe_t {
    pressure_operation_t operation; /* first */
    int result;
    unsigned calls;
} probe_t;

static struct {
    pressure_t *pressure;
    probe_t probes[MAX_OPERATIONS];
    char order[MAX_OPERATIONS + 1]; /* names of what was granted by a callback */
    unsigned num_granted;
} world;

static void on_done(pressure_operation_t *operation, int result)
{
    probe_t *probe = (probe_t *)(void *)operation;

    probe->result = result;
    ++probe->calls;
    if (result == PRESSURE_OK)
        world.order[world.num_granted++] = (char)('a' + (probe - world.probes));
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    for (unsigned i = 0; i < MAX_OPERATIONS; ++i) {
        world.probes[i].operation.on_done = on_done;
        world.probes[i].result = NO_RESULT;
    }
    return 0;
}

/* of 800 MiB that may be granted, `resident_mib` are taken */
static void create_with(uint64_t resident_mib, pressure_config_t *config)
{
    fake.resident_bytes = resident_mib * FAKE_MIB;
    world.pressure = pressure_create(config);
    assert_non_null(world.pressure);
}

static void create(void)
{
    pressure_config_t config = fake_config();

    create_with(0, &config);
}

static void destroy(void)
{
    pressure_queue_snapshot_t queue;

    pressure_get_queue_snapshot(world.pressure, &queue);
    assert_int_equal(queue.waiting + queue.waiting_bytes + queue.granted + queue.granted_bytes, 0);
    assert_int_equal(fake_snapshot(world.pressure).reserved_total_bytes, 0);
    for (unsigned i = 0; i < MAX_OPERATIONS; ++i)
        assert_true(world.probes[i].calls <= 1);
    pressure_destroy(&world.pressure);
}

static pressure_operation_t *op(char name)
{
    return &world.probes[name - 'a'].operation;
}

static int result_of(char name)
{
    return world.probes[name - 'a'].result;
}

static int start_on(char name, uint64_t mib, uint64_t party, pressure_route_t *route, uint64_t within_ms)
{
    pressure_operation_t *operation = op(name);

    operation->resource_class = PRESSURE_CLASS_DECODE;
    operation->bytes = mib * FAKE_MIB;
    operation->party = party;
    operation->route = route;
    operation->deadline_ms = fake.now_ms + within_ms;
    world.probes[name - 'a'].result = NO_RESULT;
    world.probes[name - 'a'].calls = 0;
    return pressure_operation_start(world.pressure, operation);
}

static int start(char name, uint64_t mib, uint64_t party)
{
    return start_on(name, mib, party, NULL, 10000);
}

static void end(const char *names)
{
    for (; *names != '\0'; ++names)
        pressure_operation_end(world.pressure, op(*names));
}

static pressure_queue_snapshot_t queue(void)
{
    pressure_queue_snapshot_t snapshot;

    pressure_get_queue_snapshot(world.pressure, &snapshot);
    return snapshot;
}

static void test_granted_at_once(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('a', 300, 1), PRESSURE_OK);
    assert_int_equal(start('b', 500, 2), PRESSURE_OK);
    assert_int_equal(fake_snapshot(world.pressure).reserved_bytes[PRESSURE_CLASS_DECODE], 800 * FAKE_MIB);
    assert_int_equal(queue().granted_bytes, 800 * FAKE_MIB);
    end("ba");
    assert_int_equal(start('a', 800, 1), PRESSURE_OK); /* idle again, it can be started again */
    end("a");
    assert_int_equal(world.num_granted, 0);
    destroy();
}

static void test_waits_and_is_told(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('a', 500, 1), PRESSURE_OK);
    assert_int_equal(start('b', 400, 2), PRESSURE_WAITING);
    assert_int_equal(queue().waiting, 1);
    assert_int_equal(queue().waiting_bytes, 400 * FAKE_MIB);
    assert_int_equal(result_of('b'), NO_RESULT);
    end("a");
    assert_int_equal(result_of('b'), PRESSURE_OK);
    assert_int_equal(queue().waited, 1);
    end("b");
    destroy();
}

static void test_never(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('a', 801, 1), PRESSURE_NEVER);
    assert_int_equal(start('b', 700, 1), PRESSURE_OK);
    /* behind one that nobody may overtake it is seen as well */
    assert_int_equal(start('c', 500, 1), PRESSURE_WAITING);
    assert_int_equal(start('d', 900, 1), PRESSURE_NEVER);
    end("bc");
    destroy();
}

/* ten renditions of one picture are not served before one of another */
static void test_pictures_take_turns(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('z', 800, 9), PRESSURE_OK);
    for (char name = 'a'; name <= 'd'; ++name)
        assert_int_equal(start(name, 800, 1), PRESSURE_WAITING);
    assert_int_equal(start('e', 800, 2), PRESSURE_WAITING);
    assert_int_equal(start('f', 800, 2), PRESSURE_WAITING);
    assert_int_equal(start('g', 800, 3), PRESSURE_WAITING);
    end("zaegbfcd");
    assert_string_equal(world.order, "aegbfcd");
    destroy();
}

static void test_small_work_overtakes_for_a_while(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('z', 500, 100), PRESSURE_OK);
    assert_int_equal(start('y', 400, 101), PRESSURE_WAITING); /* the head: 4 x 400 MiB may go past */
    for (unsigned i = 0; i < 16; ++i) {
        assert_int_equal(start('a', 100, 1), PRESSURE_OK);
        end("a");
    }
    assert_int_equal(queue().overtakes, 16);
    assert_int_equal(start('a', 100, 1), PRESSURE_WAITING);
    assert_int_equal(start('b', 1, 2), PRESSURE_WAITING);
    fake_step(world.pressure, 10, 0); /* time alone changes nothing, as long as something runs */
    assert_int_equal(result_of('a'), NO_RESULT);
    end("z");
    assert_string_equal(world.order, "yab");
    end("yab");
    destroy();
}

/* what would overtake by too much waits, what is smaller goes on */
static void test_overtaking_is_by_bytes(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('z', 790, 100), PRESSURE_OK);
    assert_int_equal(start('y', 20, 101), PRESSURE_WAITING); /* 80 MiB may go past */
    for (unsigned i = 0; i < 25; ++i) {
        assert_int_equal(start('a', 3, 1), PRESSURE_OK);
        end("a");
    }
    assert_int_equal(start('b', 6, 2), PRESSURE_WAITING);
    assert_int_equal(start('c', 5, 3), PRESSURE_OK);
    assert_int_equal(start('d', 1, 4), PRESSURE_WAITING);
    end("cz");
    assert_string_equal(world.order, "ybd");
    end("ybd");
    destroy();
}

/* the head is too large for what something else holds, not for what runs: to hold up the others would not help it */
static void test_a_hopeless_head_gives_way(void **state)
{
    (void)state;
    create();
    fake_step(world.pressure, 10, 0);
    fake_step(world.pressure, 10, 500); /* nobody knows what, but it stays */
    assert_int_equal(start('z', 100, 100), PRESSURE_OK);
    assert_int_equal(start('y', 310, 101), PRESSURE_WAITING);
    for (unsigned i = 0; i < 12; ++i) {
        assert_int_equal(start('a', 100, 1), PRESSURE_OK);
        end("a");
    }
    assert_int_equal(start('b', 100, 2), PRESSURE_WAITING);
    fake_step(world.pressure, 10, 500);
    assert_int_equal(result_of('b'), NO_RESULT); /* z may be what is in its way */
    end("z");
    assert_int_equal(result_of('b'), NO_RESULT);
    fake_step(world.pressure, 10, 500);
    assert_string_equal(world.order, "b"); /* no: a reading says so */
    end("b");
    fake_step(world.pressure, 10, 400);
    assert_string_equal(world.order, "by");
    end("y");
    destroy();
}

static void test_room_that_appears_by_itself(void **state)
{
    (void)state;
    create();
    fake_step(world.pressure, 10, 700);
    assert_int_equal(start('a', 200, 1), PRESSURE_WAITING);
    atomic_store(&world.pressure->nap.kicked, 0);
    assert_true(fake_step(world.pressure, 10, 700) <= 50); /* it is looked for */
    assert_int_equal(atomic_load(&world.pressure->nap.kicked), 0);
    assert_int_equal(result_of('a'), NO_RESULT);
    fake_step(world.pressure, 10, 500);
    assert_int_equal(result_of('a'), PRESSURE_OK);
    end("a");
    destroy();
}

static pressure_result_t note_wish(void *ctx, const pressure_event_t *event)
{
    *(uint64_t *)ctx = event->wanted_bytes;
    return (pressure_result_t){.bytes_freed = 0};
}

static void test_only_the_head_asks_for_room(void **state)
{
    uint64_t wanted_bytes = 0;
    pressure_listener_t listener = {.name = "ear", .phase = 1, .on_event = note_wish, .ctx = &wanted_bytes};
    pressure_registration_t *registration;

    (void)state;
    create();
    assert_int_equal(pressure_register(world.pressure, &listener, &registration), 0);
    fake_step(world.pressure, 10, 650);
    assert_int_equal(start('a', 200, 1), PRESSURE_WAITING);
    assert_true(atomic_load(&world.pressure->nap.kicked));
    assert_int_equal(start('b', 300, 2), PRESSURE_WAITING);
    fake_step(world.pressure, 60, 650);
    assert_int_equal(wanted_bytes, 50 * FAKE_MIB);
    wanted_bytes = 0;
    fake_step(world.pressure, 60, 650); /* as long as it waits */
    fake_step(world.pressure, 60, 650);
    assert_int_equal(wanted_bytes, 50 * FAKE_MIB);
    fake_step(world.pressure, 60, 400);
    end("a");
    assert_string_equal(world.order, "ab");
    end("b");
    pressure_unregister(world.pressure, &registration);
    destroy();
}

typedef struct st_fake_cache_t {
    uint64_t wanted_bytes, evictable_bytes;
} fake_cache_t;

static pressure_result_t note_what_is_wanted(void *ctx, const pressure_event_t *event)
{
    ((fake_cache_t *)ctx)->wanted_bytes = event->wanted_bytes;
    return (pressure_result_t){.bytes_freed = 0};
}

static void tell_what_is_evictable(void *ctx, pressure_level_t level, pressure_usage_t *usage)
{
    (void)level;
    *usage = (pressure_usage_t){.evictable_bytes = ((const fake_cache_t *)ctx)->evictable_bytes};
}

static uint64_t wanted_when_evictable(fake_cache_t *cache, uint64_t evictable_mib)
{
    *cache = (fake_cache_t){.evictable_bytes = evictable_mib * FAKE_MIB};
    fake_step(world.pressure, 60, 450);
    return cache->wanted_bytes / FAKE_MIB;
}

/* caches are not emptied for what they cannot give, as long as something runs that will give it */
static void test_a_wish_that_cannot_be_granted(void **state)
{
    fake_cache_t cache;
    pressure_listener_t listener = {
        .name = "cache", .on_event = note_what_is_wanted, .usage = tell_what_is_evictable, .ctx = &cache};
    pressure_registration_t *registration;

    (void)state;
    create();
    assert_int_equal(pressure_register(world.pressure, &listener, &registration), 0);
    wanted_when_evictable(&cache, 0);
    assert_int_equal(start('r', 200, 9), PRESSURE_OK);
    assert_int_equal(start('a', 200, 1), PRESSURE_WAITING); /* 50 too much */
    assert_int_equal(wanted_when_evictable(&cache, 49), 0);
    assert_int_equal(wanted_when_evictable(&cache, 50), 50);
    end("r");
    assert_string_equal(world.order, "a");
    assert_int_equal(start('b', 400, 2), PRESSURE_WAITING);
    end("a");
    assert_int_equal(result_of('b'), NO_RESULT);
    assert_int_equal(wanted_when_evictable(&cache, 1), 50); /* nothing runs: they give what they have */
    fake_step(world.pressure, 60, 100);
    end("b");
    pressure_unregister(world.pressure, &registration);
    destroy();
}

/* one that was refused behind another, and is the next now */
static void test_a_new_head_asks_at_once(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('y', 300, 8), PRESSURE_OK);
    assert_int_equal(start('z', 200, 9), PRESSURE_OK);
    assert_int_equal(start('a', 390, 1), PRESSURE_WAITING);
    assert_int_equal(start('b', 350, 2), PRESSURE_WAITING);
    atomic_store(&world.pressure->nap.kicked, 0);
    end("z");
    assert_string_equal(world.order, "a");
    assert_true(atomic_load(&world.pressure->nap.kicked));
    assert_true(atomic_load(&world.pressure->wanted_bytes) >= 350 * FAKE_MIB);
    end("yab");
    destroy();
}

static void test_deadlines(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('z', 800, 9), PRESSURE_OK);
    assert_int_equal(start_on('a', 100, 1, NULL, 300), PRESSURE_WAITING);
    atomic_store(&world.pressure->nap.kicked, 0);
    assert_int_equal(start_on('b', 100, 1, NULL, 100), PRESSURE_WAITING);
    assert_true(atomic_load(&world.pressure->nap.kicked)); /* it is the first now */
    atomic_store(&world.pressure->nap.kicked, 0);
    assert_int_equal(start_on('c', 100, 1, NULL, 200), PRESSURE_WAITING);
    assert_false(atomic_load(&world.pressure->nap.kicked));
    assert_int_equal(start_on('d', 100, 1, NULL, 0), PRESSURE_NOT_NOW);
    fake_step(world.pressure, 99, 0);
    assert_int_equal(result_of('b'), NO_RESULT);
    fake_step(world.pressure, 1, 0);
    assert_int_equal(result_of('b'), PRESSURE_NOT_NOW);
    assert_int_equal(result_of('c'), NO_RESULT);
    fake.now_ms += 200;
    end("z"); /* who can be served is, even if it is late */
    assert_string_equal(world.order, "ac");
    assert_int_equal(queue().timed_out, 2);
    end("ac");
    destroy();
}

/* those who wait for a slot, not for memory, have deadlines too, and the coordinator comes for them */
static void test_steps_come_in_time(void **state)
{
    pressure_route_t route = {.name = "r", .max_concurrent = 1};

    (void)state;
    create();
    pressure_add_route(world.pressure, &route);
    assert_int_equal(start_on('a', 1, 1, &route, 1000), PRESSURE_OK);
    assert_int_equal(fake_step(world.pressure, 0, 0), 1000);
    assert_int_equal(start_on('b', 1, 2, &route, 730), PRESSURE_WAITING);
    assert_int_equal(fake_step(world.pressure, 0, 0), 730);
    assert_int_equal(fake_step(world.pressure, 30, 0), 700);
    fake_step(world.pressure, 700, 0);
    assert_int_equal(result_of('b'), PRESSURE_NOT_NOW);
    assert_int_equal(atomic_load(&route.refused), 1);
    end("a");
    destroy();
}

static void test_bounds_of_the_queue(void **state)
{
    pressure_config_t config = fake_config();

    (void)state;
    config.max_waiting = 3;
    config.max_waiting_bytes = 300 * FAKE_MIB;
    create_with(0, &config);
    assert_int_equal(start('z', 800, 9), PRESSURE_OK);
    assert_int_equal(start('a', 700, 1), PRESSURE_WAITING); /* one may always wait */
    assert_int_equal(start('b', 1, 2), PRESSURE_FULL);
    assert_int_equal(pressure_operation_cancel(world.pressure, op('a')), 1);
    assert_int_equal(start('a', 200, 1), PRESSURE_WAITING);
    assert_int_equal(start('b', 101, 2), PRESSURE_FULL);
    assert_int_equal(start('b', 100, 2), PRESSURE_WAITING);
    assert_int_equal(pressure_operation_cancel(world.pressure, op('b')), 1);
    assert_int_equal(start('b', 1, 2), PRESSURE_WAITING);
    assert_int_equal(start('c', 1, 3), PRESSURE_WAITING);
    assert_int_equal(start('d', 1, 3), PRESSURE_FULL);
    assert_int_equal(queue().refused_full, 3);
    end("zabc");
    destroy();
}

static void test_no_queue_at_all(void **state)
{
    pressure_config_t config = fake_config();

    (void)state;
    config.max_waiting = 0;
    create_with(0, &config);
    assert_int_equal(start('a', 800, 1), PRESSURE_OK);
    assert_int_equal(start('b', 1, 1), PRESSURE_FULL);
    end("a");
    assert_int_equal(start('b', 1, 1), PRESSURE_OK);
    end("b");
    destroy();
}

static void test_cancel(void **state)
{
    (void)state;
    create();
    assert_int_equal(pressure_operation_cancel(world.pressure, op('a')), 0); /* never started */
    assert_int_equal(start('z', 700, 9), PRESSURE_OK);
    assert_int_equal(pressure_operation_cancel(world.pressure, op('z')), 0);
    assert_int_equal(start('a', 200, 1), PRESSURE_WAITING);
    assert_int_equal(start('b', 200, 1), PRESSURE_WAITING);
    assert_int_equal(start('c', 200, 1), PRESSURE_WAITING);
    assert_int_equal(start('d', 700, 2), PRESSURE_WAITING);
    assert_int_equal(pressure_operation_cancel(world.pressure, op('b')), 1); /* from the middle of its party */
    assert_int_equal(pressure_operation_cancel(world.pressure, op('a')), 1); /* its first one: the place stays */
    assert_int_equal(pressure_operation_cancel(world.pressure, op('a')), 0);
    end("z");
    assert_string_equal(world.order, "c");
    end("c");
    assert_string_equal(world.order, "cd");
    assert_int_equal(world.probes[0].calls + world.probes[1].calls, 0);
    assert_int_equal(queue().cancelled, 2);
    end("d");
    destroy();
}

/* one that nobody may overtake any more leaves: the coordinator is asked to look at the others */
static void test_cancel_lets_the_others_go_on(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('z', 790, 9), PRESSURE_OK);
    assert_int_equal(start('a', 20, 1), PRESSURE_WAITING);
    for (unsigned i = 0; i < 10; ++i) {
        assert_int_equal(start('b', 8, 2), PRESSURE_OK);
        end("b");
    }
    assert_int_equal(start('b', 8, 2), PRESSURE_WAITING);
    atomic_store(&world.pressure->nap.kicked, 0);
    assert_int_equal(pressure_operation_cancel(world.pressure, op('a')), 1);
    assert_true(atomic_load(&world.pressure->nap.kicked));
    fake_step(world.pressure, 1, 0);
    assert_int_equal(result_of('b'), PRESSURE_OK);
    end("bz");
    destroy();
}

static void test_close(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('a', 800, 1), PRESSURE_OK);
    assert_int_equal(start('b', 800, 2), PRESSURE_WAITING);
    pressure_close_queue(world.pressure);
    assert_int_equal(result_of('b'), PRESSURE_NOT_NOW);
    assert_int_equal(start('b', 800, 2), PRESSURE_NOT_NOW);
    end("a");
    assert_int_equal(start('b', 800, 2), PRESSURE_OK);
    end("b");
    destroy();
}

/* --- routes */

static void test_caps_of_path_and_host(void **state)
{
    pressure_route_t host = {.name = "host", .max_concurrent = 3};
    pressure_route_t one = {.name = "one", .max_concurrent = 2, .parent = &host}, two = {.name = "two", .parent = &host};

    (void)state;
    create();
    pressure_add_route(world.pressure, &host);
    pressure_add_route(world.pressure, &one);
    pressure_add_route(world.pressure, &two);
    assert_int_equal(start_on('a', 1, 1, &one, 1000), PRESSURE_OK);
    assert_int_equal(start_on('b', 1, 2, &one, 1000), PRESSURE_OK);
    assert_int_equal(start_on('c', 1, 3, &one, 1000), PRESSURE_WAITING); /* the path is full */
    assert_int_equal(start_on('d', 1, 4, &two, 1000), PRESSURE_OK);
    assert_int_equal(start_on('e', 1, 5, &two, 1000), PRESSURE_WAITING); /* the host is full */
    assert_int_equal(start_on('f', 1, 6, NULL, 1000), PRESSURE_OK);
    assert_int_equal(atomic_load(&host.in_use), 3);
    assert_int_equal(atomic_load(&one.in_use), 2);
    assert_int_equal(atomic_load(&two.in_use), 1);
    assert_int_equal(atomic_load(&host.waiting), 2);
    end("d");
    assert_string_equal(world.order, "e"); /* c still lacks a slot of its path */
    end("a");
    assert_string_equal(world.order, "ec");
    end("bcef");
    assert_int_equal(atomic_load(&host.in_use) + atomic_load(&one.in_use) + atomic_load(&two.in_use), 0);
    assert_int_equal(atomic_load(&host.waiting) + atomic_load(&one.waiting) + atomic_load(&two.waiting), 0);
    destroy();
}

/* an operation that lacks a slot holds up nobody, whatever its size, and keeps its place */
static void test_without_a_slot_nobody_is_held_up(void **state)
{
    pressure_route_t route = {.name = "r", .max_concurrent = 1};

    (void)state;
    create();
    pressure_add_route(world.pressure, &route);
    assert_int_equal(start_on('a', 100, 1, &route, 1000), PRESSURE_OK);
    assert_int_equal(start_on('b', 300, 2, &route, 1000), PRESSURE_WAITING);
    for (unsigned i = 0; i < 100; ++i) {
        assert_int_equal(start('c', 700, 3), PRESSURE_OK);
        end("c");
    }
    assert_int_equal(queue().overtakes, 0);
    assert_int_equal(start_on('d', 1, 4, &route, 1000), PRESSURE_WAITING);
    end("a");
    assert_string_equal(world.order, "b");
    end("b");
    assert_string_equal(world.order, "bd");
    end("d");
    destroy();
}

/* two operations of one picture on two routes: the one that lacks a slot does not hold up the other */
static void test_a_picture_on_two_routes(void **state)
{
    pressure_route_t route = {.name = "r", .max_concurrent = 1};

    (void)state;
    create();
    pressure_add_route(world.pressure, &route);
    assert_int_equal(start_on('a', 1, 1, &route, 1000), PRESSURE_OK);
    assert_int_equal(start_on('b', 1, 1, &route, 1000), PRESSURE_WAITING);
    assert_int_equal(start_on('c', 1, 1, NULL, 1000), PRESSURE_OK);
    end("acb");
    destroy();
}

static void test_as_many_as_there_are_workers(void **state)
{
    pressure_config_t config = fake_config();

    (void)state;
    config.max_operations = 2;
    create_with(0, &config);
    assert_int_equal(start('a', 1, 1), PRESSURE_OK);
    assert_int_equal(start('b', 1, 2), PRESSURE_OK);
    assert_int_equal(start('c', 1, 3), PRESSURE_WAITING);
    assert_int_equal(start('d', 1, 4), PRESSURE_WAITING);
    end("b");
    assert_string_equal(world.order, "c");
    end("acd");
    destroy();
}

/* --- reconciliation */

static void test_a_leaked_slot_heals(void **state)
{
    pressure_route_t host = {.name = "h", .max_concurrent = 3}, route = {.name = "h/leaky", .max_concurrent = 2, .parent = &host};

    (void)state;
    create();
    pressure_add_route(world.pressure, &host);
    pressure_add_route(world.pressure, &route);
    assert_int_equal(start_on('a', 1, 1, &route, 100000), PRESSURE_OK);
    atomic_fetch_add(&route.in_use, 1); /* nobody's */
    assert_int_equal(start_on('b', 1, 2, &route, 100000), PRESSURE_WAITING);
    fake_step(world.pressure, 10000, 0);
    assert_int_equal(queue().healed, 0); /* once is not enough */
    fake_step(world.pressure, 9000, 0);
    assert_int_equal(queue().healed, 0);
    fake_step(world.pressure, 1000, 0);
    assert_int_equal(queue().healed, 1);
    assert_string_equal(fake_last_line(), "pressure: route h/leaky: 2 slots were taken by 1 operations; set right");
    fake_step(world.pressure, 10, 0);
    assert_int_equal(result_of('b'), PRESSURE_OK);
    unsigned lines = fake.num_lines;
    for (unsigned i = 0; i < 5; ++i)
        fake_step(world.pressure, 10000, 0);
    assert_int_equal(fake.num_lines, lines); /* said once */
    assert_int_equal(queue().healed, 1);
    end("ab");
    assert_int_equal(atomic_load(&route.in_use) + atomic_load(&host.in_use), 0);
    destroy();
}

static void test_a_slot_too_few_heals(void **state)
{
    pressure_route_t route = {.name = "r", .max_concurrent = 1};

    (void)state;
    create();
    pressure_add_route(world.pressure, &route);
    assert_int_equal(start_on('a', 1, 1, &route, 100000), PRESSURE_OK);
    atomic_store(&route.in_use, 0);
    fake_step(world.pressure, 10000, 0);
    fake_step(world.pressure, 10000, 0);
    assert_int_equal(atomic_load(&route.in_use), 1);
    atomic_store(&route.in_use, 0);
    end("a"); /* and it does not go below zero */
    assert_int_equal(atomic_load(&route.in_use), 0);
    destroy();
}

/* differences that change are not the same one seen twice */
static void test_what_changes_is_not_healed(void **state)
{
    pressure_route_t route = {.name = "r", .max_concurrent = 0};

    (void)state;
    create();
    pressure_add_route(world.pressure, &route);
    for (unsigned i = 1; i <= 6; ++i) {
        atomic_fetch_add(&route.in_use, 1);
        fake_step(world.pressure, 10000, 0);
    }
    assert_int_equal(queue().healed, 0);
    atomic_store(&route.in_use, 0);
    destroy();
}

/* what an operation finds out it needs while it runs is its own, however long it runs */
static void test_an_operation_that_grew_is_no_leak(void **state)
{
    pressure_config_t config = fake_config();

    (void)state;
    config.operation_classes = 1u << PRESSURE_CLASS_DECODE;
    create_with(0, &config);
    assert_int_equal(start('a', 100, 1), PRESSURE_OK);
    assert_int_equal(pressure_operation_grow(world.pressure, &world.probes[0].operation, 7 * FAKE_MIB), PRESSURE_OK);
    assert_int_equal(queue().granted_bytes, 107 * FAKE_MIB);
    for (unsigned i = 0; i < 4; ++i)
        fake_step(world.pressure, 10000, 0);
    assert_int_equal(queue().healed, 0);
    assert_int_equal(fake_snapshot(world.pressure).reserved_bytes[PRESSURE_CLASS_DECODE], 107 * FAKE_MIB);
    end("a");
    assert_int_equal(fake_snapshot(world.pressure).reserved_total_bytes, 0);
    destroy();
}

static void test_growth_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    create();
    assert_int_equal(start('a', 500, 1), PRESSURE_OK);
    assert_int_equal(start('b', 250, 2), PRESSURE_OK);
    assert_int_equal(pressure_operation_grow(world.pressure, &world.probes[1].operation, 100 * FAKE_MIB), PRESSURE_NOT_NOW);
    assert_int_equal(pressure_operation_grow(world.pressure, &world.probes[1].operation, 600 * FAKE_MIB), PRESSURE_NEVER);
    assert_int_equal(queue().granted_bytes, 750 * FAKE_MIB);
    end("ab");
    assert_int_equal(fake_snapshot(world.pressure).reserved_total_bytes, 0);
    destroy();
}

/* by who was taken for a leak and was none */
static void test_what_was_healed_may_be_given_back(void **state)
{
    pressure_config_t config = fake_config();

    (void)state;
    config.operation_classes = 1u << PRESSURE_CLASS_DECODE;
    create_with(0, &config);
    assert_int_equal(pressure_reserve(world.pressure, PRESSURE_CLASS_DECODE, 7 * FAKE_MIB), PRESSURE_OK);
    fake_step(world.pressure, 10000, 0);
    fake_step(world.pressure, 10000, 0);
    assert_int_equal(queue().healed, 1);
    pressure_release(world.pressure, PRESSURE_CLASS_DECODE, 7 * FAKE_MIB);
    assert_int_equal(fake_snapshot(world.pressure).reserved_total_bytes, 0);
    destroy();
}

static void test_leaked_bytes_heal(void **state)
{
    pressure_config_t config = fake_config();

    (void)state;
    config.operation_classes = 1u << PRESSURE_CLASS_DECODE;
    create_with(0, &config);
    assert_int_equal(start('a', 100, 1), PRESSURE_OK);
    assert_int_equal(pressure_reserve(world.pressure, PRESSURE_CLASS_DECODE, 7 * FAKE_MIB), PRESSURE_OK);
    assert_int_equal(pressure_reserve(world.pressure, PRESSURE_CLASS_SOURCE, 9 * FAKE_MIB), PRESSURE_OK); /* not ours */
    fake_step(world.pressure, 10000, 0);
    fake_step(world.pressure, 10000, 0);
    assert_int_equal(fake_snapshot(world.pressure).reserved_bytes[PRESSURE_CLASS_DECODE], 100 * FAKE_MIB);
    assert_int_equal(fake_snapshot(world.pressure).reserved_bytes[PRESSURE_CLASS_SOURCE], 9 * FAKE_MIB);
    assert_string_equal(fake_last_line(),
                        "pressure: 112197632 bytes of class decode were reserved by operations of 104857600 bytes; set right");
    assert_int_equal(queue().healed, 1);
    pressure_release(world.pressure, PRESSURE_CLASS_SOURCE, 9 * FAKE_MIB);
    end("a");
    destroy();
}

/* where others reserve too, nothing can be said */
static void test_bytes_of_others_are_left_alone(void **state)
{
    (void)state;
    create();
    assert_int_equal(pressure_reserve(world.pressure, PRESSURE_CLASS_DECODE, 7 * FAKE_MIB), PRESSURE_OK);
    for (unsigned i = 0; i < 4; ++i)
        fake_step(world.pressure, 10000, 0);
    assert_int_equal(fake_snapshot(world.pressure).reserved_total_bytes, 7 * FAKE_MIB);
    pressure_release(world.pressure, PRESSURE_CLASS_DECODE, 7 * FAKE_MIB);
    destroy();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_granted_at_once, set_up),
        cmocka_unit_test_setup(test_waits_and_is_told, set_up),
        cmocka_unit_test_setup(test_never, set_up),
        cmocka_unit_test_setup(test_pictures_take_turns, set_up),
        cmocka_unit_test_setup(test_small_work_overtakes_for_a_while, set_up),
        cmocka_unit_test_setup(test_overtaking_is_by_bytes, set_up),
        cmocka_unit_test_setup(test_a_hopeless_head_gives_way, set_up),
        cmocka_unit_test_setup(test_room_that_appears_by_itself, set_up),
        cmocka_unit_test_setup(test_only_the_head_asks_for_room, set_up),
        cmocka_unit_test_setup(test_a_wish_that_cannot_be_granted, set_up),
        cmocka_unit_test_setup(test_a_new_head_asks_at_once, set_up),
        cmocka_unit_test_setup(test_deadlines, set_up),
        cmocka_unit_test_setup(test_steps_come_in_time, set_up),
        cmocka_unit_test_setup(test_bounds_of_the_queue, set_up),
        cmocka_unit_test_setup(test_no_queue_at_all, set_up),
        cmocka_unit_test_setup(test_cancel, set_up),
        cmocka_unit_test_setup(test_cancel_lets_the_others_go_on, set_up),
        cmocka_unit_test_setup(test_close, set_up),
        cmocka_unit_test_setup(test_caps_of_path_and_host, set_up),
        cmocka_unit_test_setup(test_without_a_slot_nobody_is_held_up, set_up),
        cmocka_unit_test_setup(test_a_picture_on_two_routes, set_up),
        cmocka_unit_test_setup(test_as_many_as_there_are_workers, set_up),
        cmocka_unit_test_setup(test_a_leaked_slot_heals, set_up),
        cmocka_unit_test_setup(test_a_slot_too_few_heals, set_up),
        cmocka_unit_test_setup(test_what_changes_is_not_healed, set_up),
        cmocka_unit_test_setup(test_an_operation_that_grew_is_no_leak, set_up),
        cmocka_unit_test_setup(test_growth_that_is_refused_changes_nothing, set_up),
        cmocka_unit_test_setup(test_what_was_healed_may_be_given_back, set_up),
        cmocka_unit_test_setup(test_leaked_bytes_heal, set_up),
        cmocka_unit_test_setup(test_bytes_of_others_are_left_alone, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
