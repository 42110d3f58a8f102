#include <stdlib.h>
#include <string.h>
#include "tests/doc_table.h"

/* copies `text` to `out` with the part between the markers replaced */
static int rewrite(const doc_table_t *table, const char *text, int markdown, FILE *out)
{
    const char *begin = strstr(text, table->begin), *end = strstr(text, table->end);

    if (begin == NULL || end == NULL || end < begin || (begin = strchr(begin, '\n')) == NULL)
        return -1;
    while (end > text && end[-1] != '\n')
        --end;
    fwrite(text, 1, (size_t)(begin + 1 - text), out);
    table->write(out, markdown);
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

static int is_markdown(const char *path)
{
    size_t len = strlen(path);

    return len > 3 && strcmp(path + len - 3, ".md") == 0;
}

int doc_table_process(const doc_table_t *table, const char *path, int check)
{
    char *before = read_file(path), *after = NULL;
    size_t after_len = 0;
    int failed = 1;
    FILE *out = open_memstream(&after, &after_len);

    if (before == NULL || out == NULL || rewrite(table, before, is_markdown(path), out) != 0) {
        fprintf(stderr, "%s: cannot be read, or has no lines with `%s` and `%s`\n", path, table->begin, table->end);
    } else if (fflush(out), strcmp(before, after) == 0) {
        failed = 0;
    } else if (check) {
        fprintf(stderr, "%s: the table is not that of %s; run make docs\n", path, table->source);
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

int doc_table_main(const doc_table_t *table, int argc, char **argv)
{
    int check = argc > 1 && strcmp(argv[1], "--check") == 0, failed = 0;

    for (int i = 1 + check; i < argc; ++i)
        failed |= doc_table_process(table, argv[i], check);
    return failed;
}
