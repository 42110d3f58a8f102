/*
 * doc_table.h - tables in documents that are written by a program, between two marker lines.
 */
#ifndef tests__doc_table_h
#define tests__doc_table_h

#include <stdio.h>

typedef struct st_doc_table_t {
    const char *begin, *end; /* parts of the marker lines, which stay as they are */
    void (*write)(FILE *out, int markdown);
    const char *source; /* where the truth is, for complaints */
} doc_table_t;

/**
 * Writes the table into a file, Markdown if its name ends in .md; with `check`, says on stderr whether it stands there as it
 * should. Returns 0, or 1 when it does not or cannot be.
 */
int doc_table_process(const doc_table_t *table, const char *path, int check);
/**
 * main() of a program that is called with [--check] FILE...
 */
int doc_table_main(const doc_table_t *table, int argc, char **argv);

#endif
