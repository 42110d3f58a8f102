/*
 * Commands that show lists of the server.
 */
#include <string.h>
#include "module/sluicectl/ctl.h"
#include "module/sluicectl/text.h"

#define DEFAULT_TOP 20

/* asks, and shows what comes as a page or as it is */
static ctl_exit_t show(ctl_t *ctl, const ctl_request_t *request, void (*add)(ctl_page_t *page, const json_t *answer))
{
    static ctl_page_t page;
    json_t *answer;
    ctl_exit_t result = ctl_call(ctl, request, &answer);

    if (result != CTL_DONE)
        return result;
    if (ctl->as_json)
        ctl_print_json(answer);
    else {
        page.num_lines = 0;
        page.with_colour = ctl->with_colour;
        add(&page, answer);
        ctl_write_page(stdout, &page);
    }
    json_decref(answer);
    return result;
}

/* rows of a list, each with a line of its own, however many: what does not fit on a page is printed before */
static void add_row(ctl_page_t *page, ctl_tone_t tone, const char *line)
{
    if (page->num_lines == CTL_PAGE_LINES) {
        ctl_write_page(stdout, page);
        page->num_lines = 0;
    }
    ctl_add(page, tone, "%s", line);
}

/* --- top */

static void add_entries(ctl_page_t *page, const json_t *answer)
{
    const json_t *entries = ctl_find(answer, "entries");
    char line[CTL_LINE_MAX];

    add_row(page, CTL_DIM, "     bytes class            age        ttl  hits key");
    for (size_t i = 0; i < json_array_size(entries); ++i) {
        const json_t *entry = json_array_get(entries, i);
        int is_forever = json_is_null(ctl_find(entry, "ttl_seconds"));
        snprintf(line, sizeof(line), "%10s %-9s %10s %10s %5.0f %s", ctl_bytes(ctl_number(entry, "bytes")).text,
                 ctl_string(entry, "class"), ctl_seconds(ctl_number(entry, "age_seconds")).text,
                 is_forever ? "never" : ctl_seconds(ctl_number(entry, "ttl_seconds")).text, ctl_number(entry, "hits"),
                 ctl_string(entry, "key"));
        add_row(page, CTL_PLAIN, line);
    }
    snprintf(line, sizeof(line), "%zu of %.0f entries", json_array_size(entries), ctl_number(answer, "scanned"));
    add_row(page, CTL_DIM, line);
}

ctl_exit_t ctl_run_top(ctl_t *ctl, const ctl_options_t *options)
{
    static const char *const orders[] = {"bytes", "age", "hits"};
    const char *sort = options->sort != NULL ? options->sort : "bytes";
    long count = options->count != 0 ? options->count : DEFAULT_TOP;
    char path[80];
    size_t i = 0;

    while (i != 3 && strcmp(sort, orders[i]) != 0)
        ++i;
    if (i == 3 || count > 200)
        return ctl_fail(ctl, CTL_WRONG_USAGE, "top takes -n from 1 to 200, and --sort bytes, age or hits");
    snprintf(path, sizeof(path), "/cache/entries?n=%ld&sort=%s", count, sort);
    const ctl_request_t request = {.path = path, .is_admin = 1, .timeout_s = 60};
    return show(ctl, &request, add_entries);
}

/* --- alerts */

static ctl_tone_t tone_of_state(const char *state)
{
    return strcmp(state, "firing") == 0 ? CTL_BAD : strcmp(state, "pending") == 0 ? CTL_WARNING : CTL_PLAIN;
}

static void add_rules(ctl_page_t *page, const json_t *answer)
{
    const json_t *rules = ctl_find(answer, "rules");
    char line[CTL_LINE_MAX];

    add_row(page, CTL_DIM, "state    severity  name                            value  rule");
    for (size_t i = 0; i < json_array_size(rules); ++i) {
        const json_t *rule = json_array_get(rules, i);
        const char *state = ctl_string(rule, "state");
        snprintf(line, sizeof(line), "%-8s %-9s %-26s %10.4g  %s %s %.4g for %s", state, ctl_string(rule, "severity"),
                 ctl_string(rule, "name"), ctl_number(rule, "value"), ctl_string(rule, "metric"), ctl_string(rule, "comparison"),
                 ctl_number(rule, "threshold"), ctl_seconds(ctl_number(rule, "for_seconds")).text);
        add_row(page, tone_of_state(state), line);
    }
    snprintf(line, sizeof(line), "%zu rules, %zu firing", json_array_size(rules), json_array_size(ctl_find(answer, "active")));
    add_row(page, CTL_DIM, line);
}

ctl_exit_t ctl_run_alerts(ctl_t *ctl, const ctl_options_t *options)
{
    const ctl_request_t request = {.path = "/memory/alerts"};

    (void)options;
    return show(ctl, &request, add_rules);
}

/* --- leaks */

static void add_points(ctl_page_t *page, const json_t *answer)
{
    json_t *points = json_object_get(answer, "points"), *value;
    const char *name;

    json_object_foreach(points, name, value)
    {
        char shown[40];
        snprintf(shown, sizeof(shown), "%s", name);
        ctl_clean(shown);
        ctl_add(page, CTL_PLAIN, "  %3.0f points for %s", json_number_value(value), shown);
    }
}

static void add_leaks(ctl_page_t *page, const json_t *answer)
{
    const char *verdict = ctl_string(answer, "verdict");
    const json_t *advice = ctl_find(answer, "recommendations");

    ctl_add(page,
            strcmp(verdict, "likely") == 0      ? CTL_BAD
            : strcmp(verdict, "suspected") == 0 ? CTL_WARNING
                                                : CTL_GOOD,
            "%s, confidence %.0f of 100", verdict, ctl_number(answer, "confidence"));
    add_points(page, answer);
    ctl_add(page, CTL_PLAIN, "growth %s per hour, over %s in %.0f samples",
            ctl_bytes(ctl_number(answer, "growth_bytes_per_hour")).text, ctl_seconds(ctl_number(answer, "span_seconds")).text,
            ctl_number(answer, "samples"));
    if (json_is_number(ctl_find(answer, "seconds_to_budget")))
        ctl_add(page, CTL_WARNING, "the budget is used up in %s at that rate",
                ctl_seconds(ctl_number(answer, "seconds_to_budget")).text);
    for (size_t i = 0; i < json_array_size(advice); ++i)
        ctl_add(page, CTL_PLAIN, "-> %s", ctl_string(json_array_get(advice, i), ""));
}

ctl_exit_t ctl_run_leaks(ctl_t *ctl, const ctl_options_t *options)
{
    const ctl_request_t request = {.path = "/memory/leaks"};

    (void)options;
    return show(ctl, &request, add_leaks);
}

/* --- operations */

static void add_operations(ctl_page_t *page, const json_t *answer)
{
    const json_t *operations = ctl_find(answer, "operations");
    char line[CTL_LINE_MAX];

    add_row(page, CTL_DIM, "kind      state                    age      bytes  target");
    for (size_t i = 0; i < json_array_size(operations); ++i) {
        const json_t *operation = json_array_get(operations, i);
        int is_stale = ctl_is_true(operation, "stale");
        snprintf(line, sizeof(line), "%-9s %-18s %9s %10s  %s%s", ctl_string(operation, "kind"), ctl_string(operation, "state"),
                 ctl_seconds(ctl_number(operation, "age_ms") / 1000).text, ctl_bytes(ctl_number(operation, "bytes")).text,
                 ctl_string(operation, "target"),
                 ctl_is_true(operation, "stuck") ? " (stuck)"
                 : is_stale                      ? " (stale)"
                                                 : "");
        add_row(page, is_stale ? CTL_WARNING : CTL_PLAIN, line);
    }
    snprintf(line, sizeof(line), "%zu under way", json_array_size(operations));
    add_row(page, CTL_DIM, line);
}

ctl_exit_t ctl_run_operations(ctl_t *ctl, const ctl_options_t *options)
{
    const ctl_request_t request = {.path = "/memory/operations", .is_admin = CTL_IF_THERE};

    (void)options;
    return show(ctl, &request, add_operations);
}
