#include "module/sluicectl/signals.h"
#include "module/sluicectl/stream.h"

typedef struct st_tail_t {
    const ctl_t *ctl;
    long left; /* negative: any number */
} tail_t;

/* one line of JSON per event: what `jq` reads */
static void print_json_line(const char *id, const char *type, const char *data)
{
    json_t *value = json_loads(data, JSON_DECODE_ANY, NULL);
    json_t *line = json_pack("{ss ss so}", "id", id, "type", type, "data", value != NULL ? value : json_string(data));

    if (line != NULL) {
        json_dumpf(line, stdout, JSON_COMPACT | CTL_JSON_REALS);
        putchar('\n');
    }
    json_decref(line);
}

static void print_event(void *_tail, const char *id, const char *type, const char *data)
{
    tail_t *tail = _tail;
    char line[CTL_LINE_MAX];

    if (tail->left == 0)
        return;
    if (tail->ctl->as_json)
        print_json_line(id, type, data);
    else {
        ctl_describe_event(line, type, data);
        puts(line);
    }
    fflush(stdout);
    tail->left -= tail->left > 0;
}

ctl_exit_t ctl_run_events(ctl_t *ctl, const ctl_options_t *options)
{
    tail_t tail = {ctl, options->count != 0 ? options->count : -1};
    int fds[2] = {ctl_signals_catch(), -1};
    ctl_stream_t *stream = ctl_stream_open(ctl, options->all ? "0" : NULL, print_event, &tail);
    ctl_exit_t result = stream != NULL ? CTL_DONE : ctl_fail(ctl, CTL_FAILED, "out of memory");

    while (result == CTL_DONE && !ctl_stop && tail.left != 0 && !ferror(stdout)) {
        result = ctl_stream_run(ctl, stream, fds, 1000);
        if (ctl_suspend) {
            ctl_suspend = 0;
            raise(SIGSTOP);
        }
        ctl_signals_take();
    }
    ctl_stream_close(&stream);
    return ctl_stop || tail.left == 0 ? CTL_DONE : result;
}
