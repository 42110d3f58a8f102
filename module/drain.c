#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "health/json.h"
#include "module/drain.h"
#include "module/parked.h"
#include "module/signals.h"
#include "module/source.h"

#define SAY_PAUSE_MS 1000 /* between two lines about nothing being left */

static const char *const phase_names[] = {[SLUICE_DRAIN_NONE] = "none",
                                          [SLUICE_DRAIN_BEGUN] = "begun",
                                          [SLUICE_DRAIN_REFUSING] = "refusing",
                                          [SLUICE_DRAIN_ANSWERED] = "answered",
                                          [SLUICE_DRAIN_CUTTING_OFF] = "cutting-off",
                                          [SLUICE_DRAIN_OVER] = "over"};

void sluice_drain_listen(sluice_t *sluice)
{
    if (sluice_signal_count(SIGTERM, sluice, &sluice->drain.signals) != 0)
        perror("sluice: SIGTERM");
}

const char *sluice_drain_state(const sluice_t *sluice)
{
    return phase_names[atomic_load(&sluice->draining)];
}

/* --- what is said */

static void publish(sluice_t *sluice, sluice_drain_phase_t phase, uint64_t elapsed_ms)
{
    json_t *data = json_object();

    health_json_add(&data, "state", json_string(phase_names[phase]));
    health_json_add(&data, "elapsed_ms", health_json_integer(elapsed_ms));
    health_json_add(&data, "timeout_ms", health_json_integer(sluice->settings.drain_timeout_ms));
    health_json_add(&data, "operations", health_json_integer(health_operations_in_progress(sluice->operations)));
    health_json_add(&data, "ended", health_json_integer(sluice_counted(&sluice->drain.ended)));
    health_json_add(&data, "cancelled", health_json_integer(sluice_counted(&sluice->drain.cancelled)));
    health_events_publish(sluice->events, "drain", sluice_wall_ms(), data);
}

void sluice_drain_note_end(sluice_t *sluice, uint64_t num_left)
{
    uint64_t now_ms = sluice_exact_ms(), said_ms = sluice_counted(&sluice->drain.said_ms);
    uint64_t ended = atomic_fetch_add(&sluice->drain.ended, 1) + 1;

    if (num_left != 0 || now_ms < said_ms + SAY_PAUSE_MS ||
        !atomic_compare_exchange_strong(&sluice->drain.said_ms, &said_ms, now_ms))
        return;
    fprintf(stderr,
            "sluice: shutdown: %.1f s after its begin nothing is under way; %" PRIu64 " operations have ended, %" PRIu64
            " of them cancelled\n",
            (double)(now_ms - sluice_counted(&sluice->drain.begun_ms)) / 1000, ended, sluice_counted(&sluice->drain.cancelled));
}

/* --- the observer's steps */

static void begin(sluice_t *sluice)
{
    fprintf(stderr, "sluice: shutdown: %" PRIu64 " operations are under way, and have %.1f s (health.drain-timeout)\n",
            health_operations_in_progress(sluice->operations), (double)sluice->settings.drain_timeout_ms / 1000);
}

static void refuse(void)
{
    fprintf(stderr, "sluice: shutdown: half of health.drain-timeout is over; misses are answered 503 from now on\n");
}

static void wake_loops(sluice_t *sluice)
{
    pthread_mutex_lock(&sluice->links_mutex);
    for (sluice_loop_t *loop = sluice->loops; loop != NULL; loop = loop->next)
        sluice_loop_wake(loop);
    pthread_mutex_unlock(&sluice->links_mutex);
}

static void cancel_all(sluice_t *sluice, uint64_t now_ms)
{
    size_t count = health_operations_drain(sluice->operations, now_ms);

    sluice_count(&sluice->drain.cancelled, count);
    fprintf(stderr, "sluice: shutdown: health.drain-timeout is over; %zu operations are cancelled, and who waits is answered 503\n",
            count);
    sluice_fetcher_wake(sluice->fetcher);
    wake_loops(sluice);
}

static void cut_off(sluice_t *sluice)
{
    fprintf(stderr, "sluice: shutdown: clients that have not read their answers by now are cut off\n");
    wake_loops(sluice);
}

/* as h2o ends, without a look back */
static void __attribute__((noreturn)) end_process(const sluice_t *sluice)
{
    fprintf(stderr, "sluice: shutdown: ends now, with %" PRIu64 " operations and connections that cannot be closed\n",
            health_operations_in_progress(sluice->operations));
    _exit(0);
}

static void enter(sluice_t *sluice, sluice_drain_phase_t phase, uint64_t now_ms)
{
    atomic_store(&sluice->draining, (int)phase);
    if (phase == SLUICE_DRAIN_BEGUN)
        begin(sluice);
    else if (phase == SLUICE_DRAIN_REFUSING)
        refuse();
    else if (phase == SLUICE_DRAIN_ANSWERED)
        cancel_all(sluice, now_ms);
    else if (phase == SLUICE_DRAIN_CUTTING_OFF)
        cut_off(sluice);
    else if (phase == SLUICE_DRAIN_OVER)
        end_process(sluice);
    publish(sluice, phase, now_ms - sluice_counted(&sluice->drain.begun_ms));
}

void sluice_drain_observe(sluice_t *sluice, const sluice_observation_t *observation)
{
    uint64_t timeout_ms = sluice->settings.drain_timeout_ms, elapsed_ms;

    if (sluice_counted(&sluice->drain.signals) == 0)
        return;
    if (atomic_load(&sluice->draining) == SLUICE_DRAIN_NONE)
        atomic_store(&sluice->drain.begun_ms, observation->now_ms);
    elapsed_ms = observation->now_ms - sluice_counted(&sluice->drain.begun_ms);
    while (atomic_load(&sluice->draining) < (int)sluice_drain_phase(elapsed_ms, timeout_ms))
        enter(sluice, (sluice_drain_phase_t)(atomic_load(&sluice->draining) + 1), observation->now_ms);
    sluice_observer_wake_in(atomic_load(&sluice->observer), sluice_drain_next_ms(elapsed_ms, timeout_ms));
}

/* --- a loop's part */

/* h2o sees the end of the stream, or fails to write, and closes the connection itself */
static int shut_down(h2o_req_t *req, void *ctx)
{
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);

    (void)ctx;
    if (socket != NULL)
        shutdown(h2o_socket_get_fd(socket), SHUT_RDWR);
    return 0;
}

static void close_connections(h2o_context_t *ctx)
{
    const h2o_globalconf_t *conf = ctx->globalconf;

    if (conf->http1.callbacks.foreach_request != NULL)
        conf->http1.callbacks.foreach_request(ctx, shut_down, NULL);
    if (conf->http2.callbacks.foreach_request != NULL)
        conf->http2.callbacks.foreach_request(ctx, shut_down, NULL);
}

void sluice_drain_loop(sluice_loop_t *loop)
{
    int phase = atomic_load(&loop->sluice->draining), before = loop->drained;

    loop->drained = phase;
    if (before < SLUICE_DRAIN_ANSWERED && phase >= SLUICE_DRAIN_ANSWERED)
        sluice_parked_answer_all(loop);
    if (before < SLUICE_DRAIN_CUTTING_OFF && phase >= SLUICE_DRAIN_CUTTING_OFF)
        close_connections(loop->ctx);
}
