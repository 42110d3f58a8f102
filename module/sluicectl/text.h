/*
 * text.h - how numbers and answers are written for people, and pages of lines.
 */
#ifndef module__sluicectl__text_h
#define module__sluicectl__text_h

#include <jansson.h>
#include <stdio.h>
#include <stddef.h>

#define CTL_LINE_MAX 512
#define CTL_PAGE_LINES 64

typedef struct st_ctl_text_t {
    char text[64];
} ctl_text_t;

/**
 * "38.6 MiB", "0 B"
 */
ctl_text_t ctl_bytes(double bytes);
/**
 * "1.2 s", "3m 20s", "2h 5m", "4d 1h"
 */
ctl_text_t ctl_seconds(double seconds);
/**
 * time of day, of seconds since 1970: "20:15:03"; more than 20 hours away with the date in front
 */
ctl_text_t ctl_time_of_day(double at);
/**
 * "[#####....]" of so many characters within, and a mark (|) where at least one fits; fractions are cut to 0 to 1
 * @param mark a fraction; negative: none
 */
ctl_text_t ctl_bar(double fraction, double mark, unsigned width);
/**
 * replaces what a terminal would act upon: control characters, of C1 too
 */
void ctl_clean(char *text);
/**
 * how many columns of a terminal a text takes, one per character; and how many bytes of it fit into so many
 */
size_t ctl_fit(const char *text, size_t columns);

/* --- looking into an answer, by names with dots between: "memory.level" */

double ctl_number(const json_t *json, const char *path); /* 0: there is none */
int ctl_is_true(const json_t *json, const char *path);
/**
 * a copy, cleaned for a terminal and cut to CTL_LINE_MAX, which the eighth call after this one uses again; "" where there is none
 */
const char *ctl_string(const json_t *json, const char *path);
const json_t *ctl_find(const json_t *json, const char *path);

/* --- pages */

typedef enum en_ctl_tone_t { CTL_PLAIN, CTL_GOOD, CTL_WARNING, CTL_BAD, CTL_DIM } ctl_tone_t;

typedef struct st_ctl_page_t {
    int with_colour;
    size_t num_lines;
    struct {
        ctl_tone_t tone;
        char text[CTL_LINE_MAX];
    } lines[CTL_PAGE_LINES]; /* what is more is left out */
} ctl_page_t;

__attribute__((format(printf, 3, 4))) void ctl_add(ctl_page_t *page, ctl_tone_t tone, const char *format, ...);
/**
 * writes a line, in colour if the page has that, cut to so many columns (0: not), without a line end
 */
void ctl_write_line(FILE *out, const ctl_page_t *page, size_t line, size_t columns);
void ctl_write_page(FILE *out, const ctl_page_t *page);

#endif
