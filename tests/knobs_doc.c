/*
 * knobs-doc [--check] README.md h2o.conf
 *
 * Writes the table of settings (module/knobs.c) into each file, between its two marker lines; with --check, says whether they stand
 * there as they should. Markdown gets a table, h2o.conf one commented directive per setting, at its default.
 */
#include <stdio.h>
#include "module/knobs.h"
#include "tests/doc_table.h"

static const char *const levels[SLUICE_NUM_SCOPES] = {
    [SLUICE_SCOPE_PROCESS] = "global", [SLUICE_SCOPE_PATH] = "path", [SLUICE_SCOPE_ROUTE] = "host, path"};

static void write_markdown(FILE *out)
{
    char def[32], min[32], max[32];

    fprintf(out, "| directive | level | default | from | to | what it is |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i != sluice_num_knobs; ++i) {
        const sluice_knob_t *k = sluice_knobs + i;
        sluice_knob_format(k, k->def, def, sizeof(def));
        sluice_format_value(k->unit, k->min, min, sizeof(min));
        sluice_format_value(k->unit, k->max, max, sizeof(max));
        fprintf(out, "| `%s` | %s | %s | %s | %s | %s%s%s%s |\n", k->name, levels[k->scope], def, min, max, k->help,
                k->env != NULL ? " (environment: `" : "", k->env != NULL ? k->env : "", k->env != NULL ? "`)" : "");
    }
}

static void write_conf_level(FILE *out, sluice_scope_t scope)
{
    char def[32], min[32], max[32];

    for (size_t i = 0; i != sluice_num_knobs; ++i) {
        const sluice_knob_t *k = sluice_knobs + i;
        if (k->scope != scope)
            continue;
        sluice_knob_format(k, k->def, def, sizeof(def));
        sluice_format_value(k->unit, k->min, min, sizeof(min));
        sluice_format_value(k->unit, k->max, max, sizeof(max));
        fprintf(out, "#\n# %s\n# %s to %s%s%s\n# %s: %s\n", k->help, min, max, k->env != NULL ? "; environment: " : "",
                k->env != NULL ? k->env : "", k->name, def);
    }
}

static void write_conf(FILE *out)
{
    fprintf(out, "#\n# --- of the process, at the top level of this file ---\n");
    write_conf_level(out, SLUICE_SCOPE_PROCESS);
    fprintf(out, "#\n# --- of a path; at the top level or in a host they are the default of the paths below ---\n");
    write_conf_level(out, SLUICE_SCOPE_PATH);
    fprintf(out, "#\n# --- of a host or a path, for all that is in it; what a path says holds beside what its host says ---\n");
    write_conf_level(out, SLUICE_SCOPE_ROUTE);
    fprintf(out, "#\n");
}

static void write_settings(FILE *out, int markdown)
{
    if (markdown)
        write_markdown(out);
    else
        write_conf(out);
}

int main(int argc, char **argv)
{
    const doc_table_t table = {"settings: written by `make docs`", "settings: end", write_settings, "module/knobs.c"};

    return doc_table_main(&table, argc, argv);
}
