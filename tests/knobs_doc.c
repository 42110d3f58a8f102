/*
 * knobs-doc [--check] README.md h2o.conf
 *
 * Writes the table of settings (module/knobs.c) into each file, between its two marker lines; with --check, says whether they stand
 * there as they should. Markdown gets a table, h2o.conf one commented directive per setting, at its default.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "module/knobs.h"

#define BEGIN "settings: written by `make docs`"
#define END "settings: end"

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

/* copies `text` to `out` with the part between the markers replaced */
static int rewrite(const char *text, int markdown, FILE *out)
{
    const char *begin = strstr(text, BEGIN), *end = strstr(text, END);

    if (begin == NULL || end == NULL || end < begin || (begin = strchr(begin, '\n')) == NULL)
        return -1;
    while (end > text && end[-1] != '\n')
        --end;
    fwrite(text, 1, (size_t)(begin + 1 - text), out);
    if (markdown)
        write_markdown(out);
    else
        write_conf(out);
    fputs(end, out);
    return 0;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t len = 0;

    if (file == NULL)
        return NULL;
    if (getdelim(&text, &len, '\0', file) == -1) {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

static int process(const char *path, int check)
{
    char *before = read_file(path), *after = NULL;
    size_t after_len = 0, name_len = strlen(path);
    int failed = 1;
    FILE *out = open_memstream(&after, &after_len);

    if (before == NULL || out == NULL || rewrite(before, name_len > 3 && strcmp(path + name_len - 3, ".md") == 0, out) != 0) {
        fprintf(stderr, "%s: cannot be read, or has no lines with `" BEGIN "` and `" END "`\n", path);
    } else if (fflush(out), strcmp(before, after) == 0) {
        failed = 0;
    } else if (check) {
        fprintf(stderr, "%s: the settings are not those of module/knobs.c; run make docs\n", path);
    } else {
        FILE *file = fopen(path, "wb");
        failed = file == NULL || fputs(after, file) == EOF || fclose(file) != 0;
    }
    if (out != NULL)
        fclose(out);
    free(before);
    free(after);
    return failed;
}

int main(int argc, char **argv)
{
    int check = argc > 1 && strcmp(argv[1], "--check") == 0, failed = 0;

    for (int i = 1 + check; i < argc; ++i)
        failed |= process(argv[i], check);
    return failed;
}
