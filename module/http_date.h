/*
 * http_date.h - dates as HTTP writes them (RFC 9110, 5.6.7). Pure.
 */
#ifndef module__http_date_h
#define module__http_date_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_HTTP_DATE_LEN 29

/**
 * seconds since 1970 of a date in one of the three forms ("Sun, 06 Nov 1994 08:49:37 GMT" and the two obsolete ones), or -1 if it
 * is none or before 1970. `now_s` decides what a year of two digits means: the one nearest to it.
 */
int64_t sluice_http_date(const char *text, size_t len, int64_t now_s);
/**
 * writes the first form, or an empty text for what is before 1970 or after the year 9999
 */
void sluice_http_date_format(int64_t seconds, char buf[SLUICE_HTTP_DATE_LEN + 1]);

#endif
