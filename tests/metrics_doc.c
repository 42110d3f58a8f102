/*
 * metrics-doc [--check] README.md
 *
 * Writes the table of metrics (health/metrics_table.h) into each file, one line per family.
 */
#include <string.h>
#include "health/metrics_table.h"
#include "tests/doc_table.h"

/* of a place, its label; of a scope, the one that all its rows have */
#define U64(field) ""
#define REAL(field) ""
#define MS(field) ""
#define EACH(field, label, names) label
#define LABELLED(kind, field, label, value) label
#define COMPUTED(function) ""
#define HISTOGRAM(kind, field) ""
#define HISTOGRAMS(kind, field, label, names) label
#define INFO(field, label) label
#define CACHE_U64(field) ""
#define CACHE_MS(field) ""
#define CACHE_EACH(field, label, names) label
#define CACHE_COMPUTED(function) ""
#define QUOTA_U64(field) ""
#define ROUTE_U64(field) ""
#define ROW(name, type, unit, scope, place, help) {name, #type, #scope, place, help},

static const struct {
    const char *name, *type, *scope, *label, *help;
} rows[] = {HEALTH_METRICS(ROW)};

static const char *label_of_scope(const char *scope)
{
    if (strcmp(scope, "CACHE") == 0)
        return "cache";
    return strcmp(scope, "QUOTA") == 0 || strcmp(scope, "ROUTE") == 0 ? "route" : "";
}

static void write_labels(FILE *out, const char *a, const char *b)
{
    if (a[0] != '\0')
        fprintf(out, "`%s`", a);
    if (b[0] != '\0')
        fprintf(out, "%s`%s`", a[0] != '\0' ? ", " : "", b);
}

static void write_metrics(FILE *out, int markdown)
{
    (void)markdown;
    fprintf(out, "| metric | type | labels | what it is |\n|---|---|---|---|\n");
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        if (i != 0 && strcmp(rows[i].name, rows[i - 1].name) == 0)
            continue;
        fprintf(out, "| `%s` | %s | ", rows[i].name, rows[i].type);
        write_labels(out, label_of_scope(rows[i].scope), rows[i].label);
        fprintf(out, " | %s |\n", rows[i].help);
    }
}

int main(int argc, char **argv)
{
    const doc_table_t table = {"metrics: written by `make docs`", "metrics: end", write_metrics, "health/metrics_table.h"};

    return doc_table_main(&table, argc, argv);
}
