#include <string.h>
#include <time.h>
#include "module/http_date.h"

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* what is left to read; `bad` stays set once something did not fit */
struct st_scan_t {
    const char *at, *end;
    int bad;
};

static void skip_char(struct st_scan_t *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        scan->bad = 1;
    else
        ++scan->at;
}

/* a number of exactly so many digits; the first may be a space where one is allowed */
static int read_number(struct st_scan_t *scan, int digits, int padded)
{
    int number = 0;

    if (scan->end - scan->at < digits) {
        scan->bad = 1;
        return 0;
    }
    for (int i = 0; i != digits; ++i) {
        char c = *scan->at++;
        if (padded && i == 0 && c == ' ')
            continue;
        if (c < '0' || c > '9')
            scan->bad = 1;
        else
            number = number * 10 + (c - '0');
    }
    return number;
}

static int read_month(struct st_scan_t *scan)
{
    if (scan->end - scan->at >= 3) {
        for (int month = 0; month != 12; ++month) {
            if (memcmp(scan->at, month_names + month * 3, 3) == 0) {
                scan->at += 3;
                return month;
            }
        }
    }
    scan->bad = 1;
    return 0;
}

/* its name is not looked at: the date says which day it is */
static size_t skip_weekday(struct st_scan_t *scan)
{
    const char *start = scan->at;

    while (scan->at != scan->end && ((*scan->at | 0x20) >= 'a' && (*scan->at | 0x20) <= 'z'))
        ++scan->at;
    return (size_t)(scan->at - start);
}

static void read_time(struct st_scan_t *scan, struct tm *tm)
{
    tm->tm_hour = read_number(scan, 2, 0);
    skip_char(scan, ':');
    tm->tm_min = read_number(scan, 2, 0);
    skip_char(scan, ':');
    tm->tm_sec = read_number(scan, 2, 0);
}

static int full_year(int two_digits, int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm today;

    if (gmtime_r(&now, &today) == NULL)
        return two_digits;
    int year = (today.tm_year + 1900) / 100 * 100 + two_digits;
    if (year > today.tm_year + 1900 + 50)
        year -= 100;
    else if (year <= today.tm_year + 1900 - 50)
        year += 100;
    return year;
}

/* "06 Nov 1994 08:49:37 GMT", or "06-Nov-94 08:49:37 GMT" */
static void read_day_first(struct st_scan_t *scan, struct tm *tm, int64_t now_s)
{
    tm->tm_mday = read_number(scan, 2, 0);
    char separator = scan->at != scan->end && *scan->at == '-' ? '-' : ' ';
    skip_char(scan, separator);
    tm->tm_mon = read_month(scan);
    skip_char(scan, separator);
    tm->tm_year = separator == ' ' ? read_number(scan, 4, 0) : full_year(read_number(scan, 2, 0), now_s);
    skip_char(scan, ' ');
    read_time(scan, tm);
    for (const char *zone = " GMT"; *zone != '\0'; ++zone)
        skip_char(scan, *zone);
}

/* "Nov  6 08:49:37 1994" */
static void read_month_first(struct st_scan_t *scan, struct tm *tm)
{
    tm->tm_mon = read_month(scan);
    skip_char(scan, ' ');
    tm->tm_mday = read_number(scan, 2, 1);
    skip_char(scan, ' ');
    read_time(scan, tm);
    skip_char(scan, ' ');
    tm->tm_year = read_number(scan, 4, 0);
}

static int is_real(const struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = tm->tm_mon == 1 && ((tm->tm_year % 4 == 0 && tm->tm_year % 100 != 0) || tm->tm_year % 400 == 0);

    return tm->tm_year >= 1970 && tm->tm_mday >= 1 && tm->tm_mday <= days[tm->tm_mon] + leap && tm->tm_hour <= 23 &&
           tm->tm_min <= 59 && tm->tm_sec <= 60;
}

int64_t sluice_http_date(const char *text, size_t len, int64_t now_s)
{
    struct st_scan_t scan = {text, text + len, 0};
    struct tm tm = {0};

    if (skip_weekday(&scan) < 3)
        return -1;
    if (scan.at != scan.end && *scan.at == ',') {
        ++scan.at;
        skip_char(&scan, ' ');
        read_day_first(&scan, &tm, now_s);
    } else {
        skip_char(&scan, ' ');
        read_month_first(&scan, &tm);
    }
    if (scan.bad || scan.at != scan.end || !is_real(&tm))
        return -1;
    tm.tm_year -= 1900;
    return (int64_t)timegm(&tm);
}

static void put_number(char *dst, int64_t number, size_t digits)
{
    while (digits-- != 0) {
        dst[digits] = (char)('0' + number % 10);
        number /= 10;
    }
}

/*
 * The day of a year that begins in March, so that the leap day is its last and the length of the months before a month is a
 * straight line. By hand, for it is done on event loops, and gmtime_r() takes a lock.
 */
static void put_day(char *buf, int64_t days)
{
    int64_t since = days + 719468, era = since / 146097, day_of_era = since % 146097; /* from year 0, in spans of 400 years */
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153, month = (from_march + 2) % 12;

    memcpy(buf, day_names + (days + 4) % 7 * 3, 3); /* 1970 began on a Thursday */
    put_number(buf + 5, day_of_year - (153 * from_march + 2) / 5 + 1, 2);
    memcpy(buf + 8, month_names + month * 3, 3);
    put_number(buf + 12, era * 400 + year_of_era + (month < 2), 4);
}

void sluice_http_date_format(int64_t seconds, char buf[SLUICE_HTTP_DATE_LEN + 1])
{
    if (seconds < 0 || seconds > LAST_SECOND) {
        buf[0] = '\0';
        return;
    }
    memcpy(buf, "www, dd mmm yyyy hh:mm:ss GMT", SLUICE_HTTP_DATE_LEN + 1);
    put_day(buf, seconds / 86400);
    put_number(buf + 17, seconds / 3600 % 24, 2);
    put_number(buf + 20, seconds / 60 % 60, 2);
    put_number(buf + 23, seconds % 60, 2);
}
