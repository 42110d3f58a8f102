/*
 * Each second the overview is asked for and drawn, with the last events below it, which come over a stream of their own. A server
 * that goes away is shown as such, and looked for again. Where stdout is no terminal, a look is one line, and so is an event.
 */
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "module/sluicectl/overview.h"
#include "module/sluicectl/screen.h"
#include "module/sluicectl/signals.h"
#include "module/sluicectl/stream.h"

#define PERIOD_MS 1000
#define KEPT_EVENTS 48

typedef struct st_watch_t {
    ctl_t *ctl;
    int has_screen, signal_fd;
    long left; /* looks; negative: any number */
    ctl_stream_t *stream;
    json_t *overview; /* NULL: the server cannot be asked */
    char events[KEPT_EVENTS][CTL_LINE_MAX];
    size_t num_events; /* in all */
    char last_id[32];  /* of these, for when the stream has to be opened anew */
    ctl_page_t page;
} watch_t;

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void print_line(const watch_t *watch, const char *what)
{
    if (watch->ctl->as_json)
        return;
    printf("%s %s\n", ctl_time_of_day((double)time(NULL)).text, what);
    fflush(stdout);
}

static void take_event(void *_watch, const char *id, const char *type, const char *data)
{
    watch_t *watch = _watch;
    char *line = watch->events[watch->num_events % KEPT_EVENTS];

    if (id[0] != '\0' && strspn(id, "0123456789") == strlen(id))
        snprintf(watch->last_id, sizeof(watch->last_id), "%s", id);
    if (strcmp(type, "state") == 0)
        return; /* the overview says that */
    ctl_describe_event(line, type, data);
    ++watch->num_events;
    if (!watch->has_screen && !watch->ctl->as_json) {
        puts(line);
        fflush(stdout);
    }
}

/* --- a look */

static void add_events(watch_t *watch, size_t rows)
{
    size_t room = rows > watch->page.num_lines + 1 ? rows - watch->page.num_lines - 1 : 0;
    size_t shown = watch->num_events < KEPT_EVENTS ? watch->num_events : KEPT_EVENTS;

    if (shown > room)
        shown = room;
    ctl_add(&watch->page, CTL_DIM, watch->num_events != 0 ? "--- events" : "--- no events yet");
    for (size_t i = watch->num_events - shown; i != watch->num_events; ++i)
        ctl_add(&watch->page, CTL_PLAIN, "%s", watch->events[i % KEPT_EVENTS]);
}

static int draw(watch_t *watch)
{
    size_t rows, columns;

    ctl_screen_size(&rows, &columns);
    watch->page.num_lines = 0;
    ctl_add(&watch->page, CTL_DIM, "%s   %s   q quits", ctl_time_of_day((double)time(NULL)).text, watch->ctl->base);
    if (watch->overview != NULL)
        ctl_overview_add(&watch->page, watch->overview);
    else
        ctl_add(&watch->page, CTL_BAD, "%s", watch->ctl->error);
    add_events(watch, rows);
    return ctl_screen_draw(&watch->page);
}

static void print_look(watch_t *watch)
{
    watch->page.num_lines = 0;
    if (watch->overview == NULL) {
        print_line(watch, watch->ctl->error);
    } else if (watch->ctl->as_json) {
        json_dumpf(watch->overview, stdout, JSON_COMPACT | CTL_JSON_REALS);
        putchar('\n');
        fflush(stdout);
    } else {
        ctl_overview_add_brief(&watch->page, watch->overview);
        print_line(watch, watch->page.lines[0].text);
    }
}

/* returns CTL_DONE, or why the server could not be asked */
static ctl_exit_t look(watch_t *watch)
{
    json_decref(watch->overview);
    ctl_exit_t result = ctl_overview_ask(watch->ctl, &watch->overview);

    watch->left -= watch->left > 0;
    return result;
}

static int show(watch_t *watch)
{
    if (watch->has_screen)
        return draw(watch);
    print_look(watch);
    return ferror(stdout) ? -1 : 0;
}

/* --- between two looks */

static void wait_some(watch_t *watch, int wait_ms)
{
    const int fds[2] = {watch->signal_fd, watch->has_screen && isatty(STDIN_FILENO) ? STDIN_FILENO : -1};
    char kept[CTL_ERROR_MAX];

    if (watch->stream != NULL) {
        memcpy(kept, watch->ctl->error, sizeof(kept));
        if (ctl_stream_run(watch->ctl, watch->stream, fds, wait_ms) != CTL_DONE)
            ctl_stream_close(&watch->stream);
        memcpy(watch->ctl->error, kept, sizeof(kept));
    } else {
        struct pollfd poll_fds[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
        poll(poll_fds, 2, wait_ms);
    }
}

static void suspend(watch_t *watch)
{
    ctl_suspend = 0;
    if (watch->has_screen)
        ctl_screen_leave();
    raise(SIGSTOP);
    if (watch->has_screen)
        ctl_screen_enter();
}

/* waits for the time of the next look; what comes meanwhile is shown at once. Returns whether to end */
static int wait_for_next(watch_t *watch, long long until_ms)
{
    long long left_ms;

    while (!ctl_stop && (left_ms = until_ms - now_ms()) > 0) {
        wait_some(watch, (int)left_ms);
        ctl_signals_take();
        if (ctl_suspend)
            suspend(watch);
        char key = watch->has_screen ? ctl_screen_key() : 0;
        if (key == 'q' || key == 'Q')
            return 1;
        if (watch->has_screen && draw(watch) != 0)
            return 1;
    }
    return ctl_stop;
}

static void run(watch_t *watch)
{
    for (;;) {
        long long next_ms = now_ms() + PERIOD_MS;
        if (watch->stream == NULL && watch->overview != NULL)
            watch->stream = ctl_stream_open(watch->ctl, watch->last_id, take_event, watch);
        if (show(watch) != 0 || watch->left == 0 || wait_for_next(watch, next_ms))
            return;
        look(watch);
        if (ctl_stop)
            return;
    }
}

ctl_exit_t ctl_run_watch(ctl_t *ctl, const ctl_options_t *options)
{
    static watch_t watch;
    ctl_exit_t result;

    watch.ctl = ctl;
    watch.page.with_colour = ctl->with_colour;
    memcpy(watch.last_id, "0", 2);
    watch.left = options->count != 0 ? options->count : -1;
    if ((result = look(&watch)) != CTL_DONE)
        return result; /* a wrong URL is said, and not drawn */
    watch.has_screen = isatty(STDOUT_FILENO) && !ctl->as_json;
    watch.signal_fd = ctl_signals_catch();
    ctl->stop = &ctl_stop;
    if (watch.has_screen)
        ctl_screen_enter();
    run(&watch);
    if (watch.has_screen)
        ctl_screen_leave();
    ctl_stream_close(&watch.stream);
    json_decref(watch.overview);
    return CTL_DONE;
}
