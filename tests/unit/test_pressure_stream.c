/*
 * Streams that do not end: parties that always have another operation for the queue, small and large ones, in a simulated world.
 * Every operation is granted within the bound that operation.h promises in terms of the work of others, a large one in a crowd of
 * small ones too; memory is not left idle while something that may go would fit. Without the bound on overtaking the same streams
 * starve the large ones, which shows that the worlds are sharp.
 */
#include "test_pressure_fake.h"

#define MAX_PARTIES 24
#define PER_PARTY 4 /* operations of a party that are there at a time */
#define TICK_MS 5

typedef struct st_job_t {
    pressure_operation_t operation; /* first */
    unsigned party;
    enum { JOB_AWAY, JOB_WAITS, JOB_RUNS } state;
    unsigned ticks_left;
    unsigned before; /* operations of its party that were there before it */
    uint64_t granted_bytes_at_start;
} job_t;

static struct {
    pressure_t *pressure;
    unsigned num_parties, max_hold_ticks, max_away_ticks;
    uint64_t least_mib[MAX_PARTIES], most_mib[MAX_PARTIES];
    job_t jobs[MAX_PARTIES][PER_PARTY];
    uint64_t seed, base_bytes;
    uint64_t granted_bytes; /* since the start */
    uint64_t granted[MAX_PARTIES], worst_bytes[MAX_PARTIES];
    unsigned violations;
} world;

static int sample_world(void *ctx, pressure_sample_t *sample)
{
    (void)ctx;
    sample->resident_bytes = world.base_bytes;
    for (unsigned p = 0; p < world.num_parties; ++p)
        for (unsigned i = 0; i < PER_PARTY; ++i)
            if (world.jobs[p][i].state == JOB_RUNS)
                sample->resident_bytes += world.jobs[p][i].operation.bytes;
    return 0;
}

/* what may have been granted in the meantime, as operation.h says: each party had as many turns as this one, at most of its size;
 * each of these, and the operation itself, may have been overtaken by so many times its own bytes. One turn more for a place in the
 * ring that was just ahead. */
static uint64_t bound_of(const job_t *job)
{
    uint64_t ahead_bytes = 0;

    for (unsigned p = 0; p < world.num_parties; ++p)
        ahead_bytes += (job->before + 1) * world.most_mib[p] * FAKE_MIB;
    return ahead_bytes + PRESSURE_OVERTAKE_FACTOR * (ahead_bytes + job->operation.bytes);
}

static void begin(job_t *job)
{
    uint64_t waited_bytes = world.granted_bytes - job->granted_bytes_at_start;

    world.violations += waited_bytes > bound_of(job);
    if (waited_bytes > world.worst_bytes[job->party])
        world.worst_bytes[job->party] = waited_bytes;
    world.granted_bytes += job->operation.bytes;
    ++world.granted[job->party];
    job->state = JOB_RUNS;
    job->ticks_left = 1 + fake_random(&world.seed) % world.max_hold_ticks;
}

static void on_granted(pressure_operation_t *operation, int result)
{
    assert_int_equal(result, PRESSURE_OK);
    begin((job_t *)(void *)operation);
}

static unsigned count_waiting(unsigned party)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PER_PARTY; ++i)
        count += world.jobs[party][i].state == JOB_WAITS;
    return count;
}

static void arrive(job_t *job)
{
    uint64_t least = world.least_mib[job->party], most = world.most_mib[job->party];

    job->before = count_waiting(job->party);
    job->granted_bytes_at_start = world.granted_bytes;
    job->operation = (pressure_operation_t){.resource_class = PRESSURE_CLASS_DECODE,
                                            .bytes = (least + fake_random(&world.seed) % (most - least + 1)) * FAKE_MIB,
                                            .party = job->party,
                                            .deadline_ms = UINT64_MAX,
                                            .on_done = on_granted};
    job->state = JOB_WAITS;
    if (pressure_operation_start(world.pressure, &job->operation) == PRESSURE_OK)
        begin(job);
}

static void run_job(job_t *job)
{
    if (job->state == JOB_WAITS || job->ticks_left-- != 0)
        return;
    if (job->state == JOB_AWAY) {
        arrive(job);
        return;
    }
    job->state = JOB_AWAY;
    job->ticks_left = fake_random(&world.seed) % (world.max_away_ticks + 1);
    pressure_operation_end(world.pressure, &job->operation);
}

/* nothing that waits could be granted: of the operations that may go, the first lacks memory, and so does what may overtake it */
static void assert_work_conserving(void)
{
    uint64_t smallest = UINT64_MAX;
    int can_overtake = 0;

    for (unsigned p = 0; p < world.num_parties; ++p)
        for (unsigned i = 0; i < PER_PARTY; ++i)
            if (world.jobs[p][i].state == JOB_WAITS && world.jobs[p][i].operation._first &&
                world.jobs[p][i].operation.bytes < smallest)
                smallest = world.jobs[p][i].operation.bytes;
    if (smallest == UINT64_MAX)
        return;
    const pressure_operation_t *head = PRESSURE_OPERATION_OF(world.pressure->queue.turns.next, _turn);
    can_overtake = smallest <= PRESSURE_OVERTAKE_FACTOR * head->bytes - head->_overtaken_bytes;
    assert_false(pressure_looks_grantable(world.pressure, head->bytes));
    assert_false(can_overtake && pressure_looks_grantable(world.pressure, smallest));
}

static void for_each_job(void (*what)(job_t *))
{
    for (unsigned p = 0; p < world.num_parties; ++p)
        for (unsigned i = 0; i < PER_PARTY; ++i)
            what(&world.jobs[p][i]);
}

static void cancel_job(job_t *job)
{
    assert_int_equal(pressure_operation_cancel(world.pressure, &job->operation), job->state == JOB_WAITS);
}

static void end_job(job_t *job)
{
    if (job->state == JOB_RUNS)
        pressure_operation_end(world.pressure, &job->operation);
}

static void run_world(unsigned ticks)
{
    pressure_config_t config = fake_config();
    uint64_t due_ms = 0;

    config.sample = sample_world;
    assert_non_null(world.pressure = pressure_create(&config));
    for (unsigned p = 0; p < world.num_parties; ++p)
        for (unsigned i = 0; i < PER_PARTY; ++i)
            world.jobs[p][i].party = p;
    for (unsigned tick = 0; tick < ticks; ++tick) {
        fake.now_ms += TICK_MS;
        if (atomic_exchange(&world.pressure->nap.kicked, 0) || fake.now_ms >= due_ms)
            due_ms = fake.now_ms + pressure_step(world.pressure);
        for_each_job(run_job);
        assert_work_conserving();
    }
    for_each_job(cancel_job);
    for_each_job(end_job);
    assert_int_equal(fake_snapshot(world.pressure).reserved_total_bytes, 0);
    pressure_destroy(&world.pressure);
}

/* the stream that used to starve: small work that always fills the memory, and one party of large work */
static void test_large_work_in_a_crowd(void **arg)
{
    (void)arg;
    memset(&world, 0, sizeof(world));
    world.seed = 1;
    world.num_parties = MAX_PARTIES;
    world.max_hold_ticks = 20;
    for (unsigned p = 0; p < MAX_PARTIES; ++p)
        world.least_mib[p] = world.most_mib[p] = p == 0 ? 400 : 12;
    run_world(20000);
    assert_int_equal(world.violations, 0);
    assert_true(world.granted[0] > 100);
    print_message("a large one waited for at most %.1f times its own bytes; %llu were granted\n",
                  (double)world.worst_bytes[0] / (400.0 * FAKE_MIB), (unsigned long long)world.granted[0]);
}

/* parties with the same to do get the same share, however many operations each has in the queue */
static void test_parties_share_alike(void **arg)
{
    uint64_t least = UINT64_MAX, most = 0;

    (void)arg;
    memset(&world, 0, sizeof(world));
    world.seed = 2;
    world.num_parties = 12;
    world.max_hold_ticks = 10;
    for (unsigned p = 0; p < world.num_parties; ++p)
        world.least_mib[p] = world.most_mib[p] = 100;
    run_world(10000);
    assert_int_equal(world.violations, 0);
    for (unsigned p = 0; p < world.num_parties; ++p) {
        least = world.granted[p] < least ? world.granted[p] : least;
        most = world.granted[p] > most ? world.granted[p] : most;
    }
    assert_true(least * 100 >= most * 98);
}

static void test_random_streams(void **arg)
{
    (void)arg;
    for (uint64_t seed = 1; seed <= 60; ++seed) {
        memset(&world, 0, sizeof(world));
        world.seed = seed;
        world.num_parties = 2 + fake_random(&world.seed) % (MAX_PARTIES - 1);
        world.max_hold_ticks = 1 + fake_random(&world.seed) % 60;
        world.max_away_ticks = fake_random(&world.seed) % 40;
        world.base_bytes = fake_random(&world.seed) % 300 * FAKE_MIB;
        for (unsigned p = 0; p < world.num_parties; ++p) {
            world.least_mib[p] = 1 + fake_random(&world.seed) % (fake_random(&world.seed) % 4 == 0 ? 400 : 30);
            world.most_mib[p] = world.least_mib[p] + fake_random(&world.seed) % 90;
        }
        run_world(3000);
        assert_int_equal(world.violations, 0);
        for (unsigned p = 0; p < world.num_parties; ++p)
            assert_true(world.granted[p] > 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_work_in_a_crowd),
        cmocka_unit_test(test_parties_share_alike),
        cmocka_unit_test(test_random_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
