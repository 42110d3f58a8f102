#include <stdarg.h>
#include <string.h>
#include <time.h>
#include "module/sluicectl/text.h"

#define MAX_BAR 48
#define FAR_AWAY_S (20 * 3600)

/* --- numbers */

ctl_text_t ctl_bytes(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    ctl_text_t out;

    for (; (bytes >= 1024 || bytes <= -1024) && unit + 1 < sizeof(units) / sizeof(units[0]); ++unit)
        bytes /= 1024;
    snprintf(out.text, sizeof(out.text), "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
    return out;
}

ctl_text_t ctl_seconds(double seconds)
{
    ctl_text_t out;
    const char *sign = seconds < 0 ? "-" : "";

    if (seconds < 0)
        seconds = -seconds;
    unsigned long long whole = (unsigned long long)(seconds < 1e15 ? seconds : 1e15);
    if (seconds < 60)
        snprintf(out.text, sizeof(out.text), "%s%.1f s", sign, seconds);
    else if (whole < 3600)
        snprintf(out.text, sizeof(out.text), "%s%llum %llus", sign, whole / 60, whole % 60);
    else if (whole < 86400)
        snprintf(out.text, sizeof(out.text), "%s%lluh %llum", sign, whole / 3600, whole / 60 % 60);
    else
        snprintf(out.text, sizeof(out.text), "%s%llud %lluh", sign, whole / 86400, whole / 3600 % 24);
    return out;
}

ctl_text_t ctl_time_of_day(double at)
{
    time_t then = (time_t)at, now = time(NULL);
    struct tm parts;
    ctl_text_t out = {"-"};

    if (at > 0 && localtime_r(&then, &parts) != NULL)
        strftime(out.text, sizeof(out.text), then < now - FAR_AWAY_S || then > now + FAR_AWAY_S ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S",
                 &parts);
    return out;
}

static unsigned place_of(double fraction, unsigned width)
{
    return fraction <= 0 ? 0 : fraction >= 1 ? width : (unsigned)(fraction * width + 0.5);
}

ctl_text_t ctl_bar(double fraction, double mark, unsigned width)
{
    ctl_text_t out;
    unsigned filled, marked;

    if (width > MAX_BAR)
        width = MAX_BAR;
    filled = place_of(fraction, width);
    marked = place_of(mark, width);
    out.text[0] = '[';
    memset(out.text + 1, '.', width);
    memset(out.text + 1, '#', filled);
    if (mark >= 0 && marked < width)
        out.text[1 + marked] = '|';
    memcpy(out.text + 1 + width, "]", 2);
    return out;
}

/* --- texts of others */

/* length of what a terminal may act upon at this place, 0: it would not */
static size_t control_at(const char *text)
{
    unsigned char first = (unsigned char)text[0], second = (unsigned char)text[first == '\0' ? 0 : 1];

    if (first < ' ' || first == 0x7f)
        return 1;
    return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0; /* U+0080 to U+009F */
}

void ctl_clean(char *text)
{
    for (; *text != '\0'; ++text)
        for (size_t len = control_at(text); len != 0; --len)
            text[len - 1] = '?';
}

size_t ctl_fit(const char *text, size_t columns)
{
    size_t len = 0;

    for (size_t used = 0; text[len] != '\0'; ++len) {
        int starts = ((unsigned char)text[len] & 0xc0) != 0x80;
        if (starts && used == columns)
            break;
        used += (size_t)starts;
    }
    return len;
}

/* --- answers */

const json_t *ctl_find(const json_t *json, const char *path)
{
    char name[64];

    while (json != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        if (len >= sizeof(name))
            return NULL;
        memcpy(name, path, len);
        name[len] = '\0';
        json = json_object_get(json, name);
        path += len + (path[len] == '.');
    }
    return json;
}

double ctl_number(const json_t *json, const char *path)
{
    return json_number_value(ctl_find(json, path));
}

int ctl_is_true(const json_t *json, const char *path)
{
    return json_is_true(ctl_find(json, path));
}

/* a few at a time: those of one line */
const char *ctl_string(const json_t *json, const char *path)
{
    static char copies[8][CTL_LINE_MAX];
    static unsigned next;
    const char *value = json_string_value(ctl_find(json, path));
    char *copy = copies[next++ % 8];

    if (value == NULL)
        return "";
    size_t len = strnlen(value, CTL_LINE_MAX - 1);
    memcpy(copy, value, len);
    copy[len] = '\0';
    ctl_clean(copy);
    return copy;
}

/* --- pages */

void ctl_add(ctl_page_t *page, ctl_tone_t tone, const char *format, ...)
{
    va_list args;

    if (page->num_lines == CTL_PAGE_LINES)
        return;
    va_start(args, format);
    vsnprintf(page->lines[page->num_lines].text, CTL_LINE_MAX, format, args);
    va_end(args);
    page->lines[page->num_lines++].tone = tone;
}

void ctl_write_line(FILE *out, const ctl_page_t *page, size_t line, size_t columns)
{
    static const char *const codes[] = {
        [CTL_PLAIN] = "", [CTL_GOOD] = "\033[32m", [CTL_WARNING] = "\033[33m", [CTL_BAD] = "\033[31m", [CTL_DIM] = "\033[2m"};
    const char *text = page->lines[line].text;
    int coloured = page->with_colour && page->lines[line].tone != CTL_PLAIN;
    size_t len = columns != 0 ? ctl_fit(text, columns) : strlen(text);

    fprintf(out, "%s%.*s%s", coloured ? codes[page->lines[line].tone] : "", (int)len, text, coloured ? "\033[0m" : "");
}

void ctl_write_page(FILE *out, const ctl_page_t *page)
{
    for (size_t i = 0; i != page->num_lines; ++i) {
        ctl_write_line(out, page, i, 0);
        fputc('\n', out);
    }
}
