#include <stdio.h>
#include <string.h>
#include "health/dashboard.h"

extern const char health_dashboard_html[] __attribute__((visibility("hidden")));
extern const char health_dashboard_html_end[] __attribute__((visibility("hidden")));

__asm__(".pushsection .rodata\n"
        ".globl health_dashboard_html, health_dashboard_html_end\n"
        ".hidden health_dashboard_html, health_dashboard_html_end\n"
        "health_dashboard_html:\n"
        ".incbin \"health/dashboard.html\"\n"
        "health_dashboard_html_end:\n"
        ".byte 0\n"
        ".popsection\n");

const char *health_dashboard_page(size_t *len)
{
    *len = (size_t)(health_dashboard_html_end - health_dashboard_html);
    return health_dashboard_html;
}

const char *health_dashboard_element(const char *tag, size_t *len)
{
    char open[32], close[32];
    const char *start, *end;

    snprintf(open, sizeof(open), "<%s>", tag);
    snprintf(close, sizeof(close), "</%s>", tag);
    if ((start = strstr(health_dashboard_html, open)) == NULL || (end = strstr(start, close)) == NULL)
        return NULL;
    start += strlen(open);
    *len = (size_t)(end - start);
    return start;
}
