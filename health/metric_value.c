/*
 * All series there can be are walked through in the order of the table, once per look-up. That is slow and simple; look-ups are
 * rare, and reading a value that was found is not.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "health/metric_value.h"
#include "health/metrics.h"
#include "health/names.h"

#define MAX_LABELS 4
#define MAX_NEAR 3

struct st_series_t {
    size_t row, element;
    const char *owner_label, *owner; /* NULL: it is of the process */
    const char *label, *value;       /* NULL: it has none */
};

typedef void (*series_cb)(void *ctx, const struct st_series_t *series);

/* --- all series */

static int is_number(const metric_t *metric)
{
    return strcmp(metric->type, "histogram") != 0 && metric->place.kind != PLACE_INFO;
}

static void walk_elements(size_t row, const char *owner_label, const char *owner, series_cb on_series, void *ctx)
{
    const place_t *place = &health_metrics[row].place;
    size_t count = is_number(health_metrics + row) ? place->count : 1;

    for (size_t i = 0; i != count; ++i)
        on_series(ctx, &(struct st_series_t){row, i, owner_label, owner, place->label,
                                             place->label_values != NULL ? place->label_values[i] : NULL});
}

static void walk_series(const health_snapshot_t *names, series_cb on_series, void *ctx)
{
    for (size_t row = 0; row != health_num_metrics; ++row) {
        switch (health_metrics[row].scope) {
        case HEALTH_SCOPE_CACHE:
            for (size_t i = 0; i != health_num_caches(names); ++i)
                walk_elements(row, "cache", names->caches[i].name, on_series, ctx);
            break;
        case HEALTH_SCOPE_QUOTA:
            for (size_t i = 0; i != health_num_quotas(names); ++i)
                walk_elements(row, "route", names->quotas[i].route, on_series, ctx);
            break;
        case HEALTH_SCOPE_ROUTE:
            for (size_t i = 0; i != names->num_routes; ++i)
                walk_elements(row, "route", names->routes[i].name, on_series, ctx);
            break;
        default:
            walk_elements(row, NULL, NULL, on_series, ctx);
        }
    }
}

/* the name of its family, with that of its cache in place of the star */
static void write_family(const struct st_series_t *series, char *buf, size_t buf_len)
{
    const char *name = health_metrics[series->row].name, *star = strchr(name, '*');
    size_t len = star != NULL ? (size_t)(star - name) : strlen(name);

    snprintf(buf, buf_len, "%.*s%s%s", (int)len, name, star != NULL && series->owner != NULL ? series->owner : "",
             star != NULL ? star + 1 : "");
    for (size_t i = len; star != NULL && series->owner != NULL && buf[i] != '\0' && i != len + strlen(series->owner); ++i)
        buf[i] = health_name_char(buf[i]);
}

/* --- what is asked for */

struct st_query_t {
    char text[HEALTH_SERIES_MAX + 1]; /* the parts below, each with a NUL behind it */
    const char *family, *labels[MAX_LABELS], *values[MAX_LABELS];
    size_t num_labels;
};

/* undoes the escapes of the text format in place, up to the closing quote. Returns what follows it, or NULL */
static char *take_value(char *at)
{
    char *to = at;

    for (; *at != '"' && *at != '\0'; ++at) {
        int is_escape = *at == '\\';
        at += is_escape;
        if (is_escape && (*at == '\0' || strchr("\\\"n", *at) == NULL))
            return NULL;
        *to++ = is_escape && *at == 'n' ? '\n' : *at;
    }
    if (*at == '\0')
        return NULL;
    *to = '\0';
    return at + 1;
}

static int take_label(struct st_query_t *query, char **at)
{
    char *equals = strchr(*at, '=');

    if (equals == NULL || equals[1] != '"' || query->num_labels == MAX_LABELS)
        return -1;
    *equals = '\0';
    query->labels[query->num_labels] = *at;
    query->values[query->num_labels++] = equals + 2;
    *at = take_value(equals + 2);
    return *at != NULL ? 0 : -1;
}

static int parse_query(const char *series, struct st_query_t *query)
{
    size_t len = strlen(series);

    query->num_labels = 0;
    if (len > HEALTH_SERIES_MAX)
        return -1;
    memcpy(query->text, series, len + 1);
    query->family = query->text;
    char *at = strchr(query->text, '{');
    if (at == NULL)
        return 0;
    *at++ = '\0';
    for (; take_label(query, &at) == 0; ++at)
        if (*at != ',')
            return strcmp(at, "}") == 0 ? 0 : -1;
    return -1;
}

static int has_label(const struct st_series_t *series, const char *label, const char *value)
{
    if (series->owner_label != NULL && series->owner != NULL && strcmp(series->owner_label, label) == 0)
        return strcmp(series->owner, value) == 0;
    return series->label != NULL && series->value != NULL && strcmp(series->label, label) == 0 && strcmp(series->value, value) == 0;
}

/* --- finding */

struct st_near_t {
    char text[HEALTH_SERIES_MAX + 1];
    size_t distance;
};

struct st_search_t {
    const struct st_query_t *query;
    struct st_series_t found;
    size_t num_found, num_of_family; /* with all labels; with the name alone */
    struct st_near_t near[MAX_NEAR]; /* the nearest first */
    size_t num_near;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's, of texts that are cut at 127 */
static size_t distance(const char *a, const char *b)
{
    size_t row[128], len = least(strlen(b), 127);

    for (size_t j = 0; j <= len; ++j)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0' && i != 127; ++i) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j != len; ++j) {
            size_t above = row[j + 1];
            row[j + 1] = least(diagonal + (a[i] != b[j]), least(above, row[j]) + 1);
            diagonal = above;
        }
    }
    return row[len];
}

static void offer(struct st_search_t *search, const char *text, size_t away)
{
    size_t at = search->num_near;

    for (size_t i = 0; i != search->num_near; ++i)
        if (strcmp(search->near[i].text, text) == 0)
            return;
    while (at != 0 && search->near[at - 1].distance > away)
        --at;
    if (at == MAX_NEAR)
        return;
    search->num_near = least(search->num_near + 1, MAX_NEAR);
    memmove(search->near + at + 1, search->near + at, (search->num_near - at - 1) * sizeof(search->near[0]));
    snprintf(search->near[at].text, sizeof(search->near[at].text), "%s", text);
    search->near[at].distance = away;
}

static void write_series(const struct st_series_t *series, const char *family, char *buf, size_t buf_len)
{
    const char *label = series->label != NULL ? series->label : series->owner_label;
    const char *value = series->label != NULL ? series->value : series->owner;

    if (label != NULL && value != NULL)
        snprintf(buf, buf_len, "%s{%s=\"%s\"}", family, label, value);
    else
        snprintf(buf, buf_len, "%s", family);
}

static void look_at(void *_search, const struct st_series_t *series)
{
    struct st_search_t *search = _search;
    char family[HEALTH_SERIES_MAX + 1], text[2 * HEALTH_SERIES_MAX];
    int is_found = 1;

    write_family(series, family, sizeof(family));
    if (strcmp(family, search->query->family) != 0) {
        if (search->num_of_family == 0 && is_number(health_metrics + series->row))
            offer(search, family, distance(search->query->family, family));
        return;
    }
    if (search->num_of_family++ == 0)
        search->num_near = 0;
    for (size_t i = 0; i != search->query->num_labels; ++i)
        is_found &= has_label(series, search->query->labels[i], search->query->values[i]);
    if (is_found && search->num_found++ == 0)
        search->found = *series;
    write_series(series, family, text, sizeof(text));
    offer(search, text, 0);
}

static int refuse(const struct st_search_t *search, const char *series, const char *fault, char *error, size_t error_len)
{
    int len = snprintf(error, error_len, "`%.200s` %s", series, fault);

    for (size_t i = 0; i != search->num_near && len >= 0 && (size_t)len < error_len; ++i)
        len += snprintf(error + len, error_len - (size_t)len, "%s%s", i == 0 ? ", such as " : ", ", search->near[i].text);
    return -1;
}

int health_metric_find(const health_snapshot_t *names, const char *series, health_metric_t *metric, char *error, size_t error_len)
{
    struct st_query_t query;
    struct st_search_t search = {.query = &query};

    if (parse_query(series, &query) != 0)
        return refuse(&search, series, "is not the name of a series: write it as /metrics does, name or name{label=\"value\"}",
                      error, error_len);
    walk_series(names, look_at, &search);
    if (search.num_of_family == 0)
        return refuse(&search, series, "is no metric; /metrics lists all of them", error, error_len);
    if (search.num_found == 0)
        return refuse(&search, series, "is no series of its metric; there are others", error, error_len);
    if (search.num_found != 1)
        return refuse(&search, series, "is several series; name one of them", error, error_len);
    search.num_near = 0;
    if (!is_number(health_metrics + search.found.row))
        return refuse(&search, series, "has no single number as its value, and cannot be watched", error, error_len);
    *metric = (health_metric_t){.row = search.found.row, .element = search.found.element};
    if (search.found.owner != NULL)
        snprintf(metric->owner, sizeof(metric->owner), "%s", search.found.owner);
    return 0;
}

/* --- reading */

static int is_owner(const health_metric_t *metric, const char *name)
{
    return name != NULL && strcmp(metric->owner, name) == 0;
}

/* what offsets count from; NULL: it is not there */
static const void *find_base(const health_metric_t *metric, const health_snapshot_t *snapshot)
{
    switch (health_metrics[metric->row].scope) {
    case HEALTH_SCOPE_CACHE:
        for (size_t i = 0; i != health_num_caches(snapshot); ++i)
            if (is_owner(metric, snapshot->caches[i].name))
                return snapshot->caches + i;
        return NULL;
    case HEALTH_SCOPE_QUOTA:
        for (size_t i = 0; i != health_num_quotas(snapshot); ++i)
            if (is_owner(metric, snapshot->quotas[i].route))
                return snapshot->quotas + i;
        return NULL;
    case HEALTH_SCOPE_ROUTE:
        for (size_t i = 0; i != snapshot->num_routes; ++i)
            if (is_owner(metric, snapshot->routes[i].name))
                return snapshot->routes + i;
        return NULL;
    case HEALTH_SCOPE_RECLAIM:
        return snapshot->last_reclaim.generation != 0 ? snapshot : NULL;
    default:
        return snapshot;
    }
}

double health_metric_value(const health_metric_t *metric, const health_snapshot_t *snapshot)
{
    const place_t *place = &health_metrics[metric->row].place;
    const char *base = find_base(metric, snapshot), *at = base;
    uint64_t number;
    double real;

    if (base == NULL)
        return NAN;
    if (place->kind == PLACE_COMPUTED)
        return place->compute(base);
    at += place->offset + metric->element * sizeof(number);
    if (place->kind == PLACE_REAL) {
        memcpy(&real, at, sizeof(real));
        return real;
    }
    memcpy(&number, at, sizeof(number));
    return place->kind == PLACE_MS ? (double)number / 1000 : (double)number;
}

int health_metric_is_counter(const health_metric_t *metric)
{
    return strcmp(health_metrics[metric->row].type, "counter") == 0;
}

const char *health_metric_unit(const health_metric_t *metric)
{
    return health_metrics[metric->row].unit;
}
