#include <string.h>
#include "module/sluicectl/overview.h"

#define BAR_WIDTH 40
#define CACHE_BAR_WIDTH 12
#define MAX_ALERTS 4

/* --- asking */

static ctl_exit_t ask_health(ctl_t *ctl, json_t **health)
{
    const ctl_request_t request = {.path = "/health", .is_health = 1};
    ctl_exit_t result = ctl_call(ctl, &request, health);

    if (result != CTL_DONE)
        return result == CTL_FAILED ? CTL_UNREACHABLE : result; /* a server without that route is no Sluice, or none to be asked */
    const char *status = ctl_string(*health, "status");
    if (strcmp(status, "healthy") == 0 || strcmp(status, "degraded") == 0 || strcmp(status, "critical") == 0)
        return CTL_DONE;
    json_decref(*health);
    *health = NULL;
    return ctl_fail(ctl, CTL_UNREACHABLE, "what answers at %.200s/health is not a Sluice: it says no status", ctl->base);
}

/* what older servers do not have is null */
static json_t *ask_part(ctl_t *ctl, const char *path)
{
    const ctl_request_t request = {.path = path};
    json_t *part;

    return ctl_call(ctl, &request, &part) == CTL_DONE ? part : json_null();
}

ctl_exit_t ctl_overview_ask(ctl_t *ctl, json_t **overview)
{
    json_t *health;
    ctl_exit_t result = ask_health(ctl, &health);

    *overview = NULL;
    if (result != CTL_DONE)
        return result;
    *overview = json_pack("{so so so so}", "health", health, "alerts", ask_part(ctl, "/memory/alerts"), "process",
                          ask_part(ctl, "/memory/process"), "stats", ask_part(ctl, "/memory/stats"));
    ctl->error[0] = '\0';
    return *overview != NULL ? CTL_DONE : ctl_fail(ctl, CTL_FAILED, "out of memory");
}

ctl_exit_t ctl_overview_verdict(const json_t *overview)
{
    const char *status = ctl_string(overview, "health.status");

    return strcmp(status, "healthy") == 0 ? CTL_DONE : strcmp(status, "critical") == 0 ? CTL_CRITICAL : CTL_FAILED;
}

/* --- lines */

static ctl_tone_t tone_of(const json_t *overview)
{
    static const ctl_tone_t tones[] = {[CTL_DONE] = CTL_GOOD, [CTL_FAILED] = CTL_WARNING, [CTL_CRITICAL] = CTL_BAD};

    return tones[ctl_overview_verdict(overview)];
}

static void add_head(ctl_page_t *page, const json_t *overview)
{
    char pid[32] = "";

    if (ctl_number(overview, "process.pid") > 0)
        snprintf(pid, sizeof(pid), ", pid %.0f", ctl_number(overview, "process.pid"));
    ctl_add(page, tone_of(overview), "%s, level %s; sluice %s%s, up %s", ctl_string(overview, "health.status"),
            ctl_string(overview, "health.memory.level"), ctl_string(overview, "health.version"), pid,
            ctl_seconds(ctl_number(overview, "health.uptime_seconds")).text);
}

static void add_reasons(ctl_page_t *page, const json_t *overview)
{
    const json_t *reasons = ctl_find(overview, "health.reasons"), *advice = ctl_find(overview, "health.recommendations");

    for (size_t i = 0; i < json_array_size(reasons); ++i)
        ctl_add(page, CTL_WARNING, "  %s", ctl_string(json_array_get(reasons, i), ""));
    for (size_t i = 0; i < json_array_size(advice); ++i)
        if (json_is_string(json_array_get(advice, i)))
            ctl_add(page, CTL_PLAIN, "  -> %s", ctl_string(json_array_get(advice, i), ""));
}

static void add_memory(ctl_page_t *page, const json_t *overview)
{
    const json_t *memory = ctl_find(overview, "health.memory");
    double budget = ctl_number(memory, "budget_bytes"), ratio = ctl_number(memory, "ratio");
    double critical = ctl_number(overview, "stats.marks_bytes.critical"), pretended = ctl_number(overview, "stats.simulated_bytes");

    ctl_add(page, tone_of(overview), "memory     %s %3.0f %%",
            ctl_bar(ratio, critical > 0 && budget > 0 ? critical / budget : -1, BAR_WIDTH).text, ratio * 100);
    ctl_add(page, CTL_PLAIN, "           %s of %s; peak %s, accounted for %s", ctl_bytes(ctl_number(memory, "resident_bytes")).text,
            ctl_bytes(budget).text, ctl_bytes(ctl_number(memory, "peak_resident_bytes")).text,
            ctl_bytes(ctl_number(memory, "accounted_bytes")).text);
    if (pretended > 0)
        ctl_add(page, CTL_WARNING, "           %s of it are pretended (simulate)", ctl_bytes(pretended).text);
}

static void add_cache(ctl_page_t *page, const char *name, const json_t *cache)
{
    double bytes = ctl_number(cache, "bytes"), capacity = ctl_number(cache, "capacity_bytes");
    double limit = ctl_number(cache, "limit_bytes");

    ctl_add(page, CTL_PLAIN, "%-10s %s %s of %s, %.0f entries, hits %.1f %%", name,
            ctl_bar(capacity > 0 ? bytes / capacity : 0, limit < capacity ? limit / capacity : -1, CACHE_BAR_WIDTH).text,
            ctl_bytes(bytes).text, ctl_bytes(capacity).text, ctl_number(cache, "entries"), ctl_number(cache, "hit_ratio") * 100);
}

static void add_caches(ctl_page_t *page, const json_t *overview)
{
    json_t *caches = json_object_get(json_object_get(overview, "health"), "caches");
    const char *name;
    json_t *cache;

    json_object_foreach(caches, name, cache)
    {
        char shown[12];
        snprintf(shown, sizeof(shown), "%s", name);
        ctl_clean(shown);
        add_cache(page, shown, cache);
    }
}

static void add_work(ctl_page_t *page, const json_t *overview)
{
    const json_t *work = ctl_find(overview, "health.operations");

    ctl_add(page, CTL_PLAIN, "operations %.0f requests, %.0f fetches, %.0f transforms, %.0f queued (%s); %.0f shed",
            ctl_number(work, "requests"), ctl_number(work, "fetches"), ctl_number(work, "transforms"),
            ctl_number(work, "transforms_queued"), ctl_bytes(ctl_number(overview, "health.queue.waiting_bytes")).text,
            ctl_number(overview, "health.shed_total"));
}

static void add_alerts(ctl_page_t *page, const json_t *overview)
{
    const json_t *active = ctl_find(overview, "alerts.active");
    size_t count = json_array_size(active);

    if (active == NULL)
        return;
    ctl_add(page, count != 0 ? CTL_BAD : CTL_PLAIN, "alerts     %zu firing", count);
    for (size_t i = 0; i != count && i != MAX_ALERTS; ++i) {
        const json_t *alert = json_array_get(active, i);
        ctl_add(page, CTL_BAD, "           %s (%s)", ctl_string(alert, "name"), ctl_string(alert, "severity"));
    }
    if (count > MAX_ALERTS)
        ctl_add(page, CTL_BAD, "           and %zu more", count - MAX_ALERTS);
}

void ctl_overview_add(ctl_page_t *page, const json_t *overview)
{
    add_head(page, overview);
    add_reasons(page, overview);
    add_memory(page, overview);
    add_caches(page, overview);
    add_work(page, overview);
    add_alerts(page, overview);
}

void ctl_overview_add_brief(ctl_page_t *page, const json_t *overview)
{
    const json_t *health = ctl_find(overview, "health");

    ctl_add(page, tone_of(overview),
            "%s %s, %s of %s resident, image cache %s, %.0f requests, %.0f transforms, %.0f queued, %zu alerts",
            ctl_string(health, "status"), ctl_string(health, "memory.level"),
            ctl_bytes(ctl_number(health, "memory.resident_bytes")).text, ctl_bytes(ctl_number(health, "memory.budget_bytes")).text,
            ctl_bytes(ctl_number(health, "caches.image.bytes")).text, ctl_number(health, "operations.requests"),
            ctl_number(health, "operations.transforms"), ctl_number(health, "operations.transforms_queued"),
            json_array_size(ctl_find(overview, "alerts.active")));
}

/* --- the command */

ctl_exit_t ctl_run_status(ctl_t *ctl, const ctl_options_t *options)
{
    static ctl_page_t page;
    json_t *overview;
    ctl_exit_t result = ctl_overview_ask(ctl, &overview);

    (void)options;
    if (result != CTL_DONE)
        return result;
    if (ctl->as_json)
        ctl_print_json(overview);
    else {
        page.num_lines = 0;
        page.with_colour = ctl->with_colour;
        ctl_overview_add(&page, overview);
        ctl_write_page(stdout, &page);
    }
    result = ctl_overview_verdict(overview);
    json_decref(overview);
    return result;
}
