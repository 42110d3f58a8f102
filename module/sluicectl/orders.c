/*
 * Commands that have the server do something, and `report`. All but the latter need the token.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "module/config_values.h"
#include "module/sluicectl/ctl.h"
#include "module/sluicectl/text.h"

#define ORDER_TIMEOUT_S 120L

static ctl_exit_t give_order(ctl_t *ctl, const char *path, const json_t *body, json_t **answer)
{
    const ctl_request_t request = {.path = path, .body = body, .is_post = 1, .is_admin = 1, .timeout_s = ORDER_TIMEOUT_S};

    return ctl_call(ctl, &request, answer);
}

/* gives the order and shows the answer, as a sentence or as it is */
static ctl_exit_t carry_out(ctl_t *ctl, const char *path, json_t *body, void (*say)(const json_t *answer))
{
    json_t *answer;
    ctl_exit_t result = give_order(ctl, path, body, &answer);

    json_decref(body);
    if (result == CTL_DONE && ctl->as_json)
        ctl_print_json(answer);
    else if (result == CTL_DONE)
        say(answer);
    json_decref(answer);
    return result;
}

static void say_resident(const json_t *answer)
{
    printf("resident %s -> %s in %.1f ms\n", ctl_bytes(ctl_number(answer, "resident_before_bytes")).text,
           ctl_bytes(ctl_number(answer, "resident_after_bytes")).text, ctl_number(answer, "duration_ms"));
}

static void say_trim(const json_t *answer)
{
    printf("%s given back; ", ctl_bytes(ctl_number(answer, "purged_bytes")).text);
    say_resident(answer);
}

ctl_exit_t ctl_run_trim(ctl_t *ctl, const ctl_options_t *options)
{
    (void)options;
    return carry_out(ctl, "/memory/trim", NULL, say_trim);
}

static void say_cleanup(const json_t *answer)
{
    printf("%.0f objects of %s cleared; ", ctl_number(answer, "objects"), ctl_bytes(ctl_number(answer, "claimed_bytes")).text);
    say_resident(answer);
}

ctl_exit_t ctl_run_cleanup(ctl_t *ctl, const ctl_options_t *options)
{
    (void)options;
    return carry_out(ctl, "/memory/cleanup", NULL, say_cleanup);
}

/* --- purge */

static void say_purge(const json_t *answer)
{
    printf("%.0f renditions and %.0f sources of %s purged, %.0f under way set aside\n", ctl_number(answer, "renditions"),
           ctl_number(answer, "sources"), ctl_bytes(ctl_number(answer, "bytes")).text, ctl_number(answer, "flights"));
}

ctl_exit_t ctl_run_purge(ctl_t *ctl, const ctl_options_t *options)
{
    json_t *body = json_object();

    if ((options->num_words == 1) + (options->prefix != NULL) + (options->all != 0) != 1 ||
        (options->all && options->host != NULL)) {
        json_decref(body);
        return ctl_fail(
            ctl, CTL_WRONG_USAGE,
            "say what to purge: a path such as /images/shoe.jpg, or --prefix /images/shop/, each with --host if need be, or "
            "--all");
    }
    if (options->all)
        json_object_set_new(body, "all", json_true());
    else
        json_object_set_new(body, options->prefix != NULL ? "prefix" : "url",
                            json_string(options->prefix != NULL ? options->prefix : options->words[0]));
    if (options->host != NULL)
        json_object_set_new(body, "host", json_string(options->host));
    return carry_out(ctl, "/cache/purge", body, say_purge);
}

/* --- simulate */

static void say_simulation(const json_t *answer)
{
    if (ctl_number(answer, "bytes") > 0 && ctl_number(answer, "seconds") > 0)
        printf("%s are pretended for %s\n", ctl_bytes(ctl_number(answer, "bytes")).text,
               ctl_seconds(ctl_number(answer, "seconds")).text);
    else
        printf("nothing is pretended any more\n");
}

ctl_exit_t ctl_run_simulate(ctl_t *ctl, const ctl_options_t *options)
{
    uint64_t bytes, duration_ms;

    if (options->num_words != 2 || sluice_parse_value(SLUICE_UNIT_BYTES, options->words[0], &bytes) != 0 ||
        sluice_parse_value(SLUICE_UNIT_MS, options->words[1], &duration_ms) != 0 || duration_ms % 1000 != 0)
        return ctl_fail(ctl, CTL_WRONG_USAGE,
                        "simulate takes a size such as 300MiB and whole seconds such as 30 or 2m; `simulate 0 0` ends it");
    return carry_out(ctl, "/memory/simulate",
                     json_pack("{sI sI}", "bytes", (json_int_t)bytes, "seconds", (json_int_t)(duration_ms / 1000)), say_simulation);
}

/* --- report, snapshot */

static void say_files(const json_t *answer)
{
    const json_t *files = ctl_find(answer, "files");

    for (size_t i = 0; i < json_array_size(files); ++i)
        printf("%s\n", ctl_string(json_array_get(files, i), ""));
}

ctl_exit_t ctl_run_snapshot(ctl_t *ctl, const ctl_options_t *options)
{
    (void)options;
    return carry_out(ctl, "/memory/snapshot", NULL, say_files);
}

/* for its user only: a report tells what is asked for */
static ctl_exit_t write_file(ctl_t *ctl, const char *path, const json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2) | CTL_JSON_REALS);
    int fd = text != NULL ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    FILE *file = fd != -1 ? fdopen(fd, "w") : NULL;
    int failed = file == NULL;

    if (file != NULL) {
        failed = fprintf(file, "%s\n", text) < 0;
        failed |= fclose(file) != 0;
    } else if (fd != -1) {
        close(fd);
    }
    free(text);
    return failed ? ctl_fail(ctl, CTL_FAILED, "cannot write %.300s: %s", path, strerror(errno)) : CTL_DONE;
}

ctl_exit_t ctl_run_report(ctl_t *ctl, const ctl_options_t *options)
{
    const ctl_request_t request = {.path = "/memory/report", .is_health = 1, .is_admin = CTL_IF_THERE};
    json_t *report;
    ctl_exit_t result = ctl_call(ctl, &request, &report);

    if (result == CTL_DONE && options->file != NULL)
        result = write_file(ctl, options->file, report);
    else if (result == CTL_DONE)
        ctl_print_json(report);
    json_decref(report);
    return result;
}
