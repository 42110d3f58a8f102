#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "module/decimal.h"
#include "module/option_values.h"

#define WHOLE_DIGITS_MAX 12
#define SHARE_UNIT 10000 /* of the whole */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* reads digits up to something else; the number of digits is not limited, as zeros may be in front */
static const char *read_digits(const char *text, int64_t *value)
{
    int64_t n = 0, limit = 1;

    for (int i = 0; i != WHOLE_DIGITS_MAX; ++i)
        limit *= 10;
    for (; is_digit(*text); ++text)
        if ((n = n * 10 + (*text - '0')) >= limit)
            return NULL;
    *value = n;
    return text;
}

int sluice_read_whole(const char *text, int64_t *value)
{
    int negative = *text == '-';
    const char *digits = text + negative, *end;
    int64_t n;

    if (!is_digit(*digits) || (end = read_digits(digits, &n)) == NULL || *end != '\0')
        return -1;
    *value = negative ? -n : n;
    return 0;
}

int sluice_read_decimal(const char *text, int64_t *micro)
{
    int negative = *text == '-';
    const char *digits = text + negative, *end;
    int64_t n, unit = SLUICE_MICRO;

    if ((!is_digit(*digits) && !(*digits == '.' && is_digit(digits[1]))) || (end = read_digits(digits, &n)) == NULL)
        return -1;
    n *= unit;
    if (*end == '.')
        for (++end; is_digit(*end); ++end)
            n += (*end - '0') * (unit /= 10);
    if (*end != '\0')
        return -1;
    *micro = negative ? -n : n;
    return 0;
}

int sluice_read_flag(const char *text, int *value)
{
    if (*text == '\0' || strcmp(text, "1") == 0 || strcasecmp(text, "true") == 0)
        *value = 1;
    else if (strcmp(text, "0") == 0 || strcasecmp(text, "false") == 0)
        *value = 0;
    else
        return -1;
    return 0;
}

static int read_share(const char *text, size_t len, sluice_length_t *value)
{
    char number[32];
    int64_t micro;

    if (len >= sizeof(number))
        return -1;
    memcpy(number, text, len);
    number[len] = '\0';
    if (sluice_read_decimal(number, &micro) != 0 || micro < 0 || micro / SLUICE_MICRO > UINT32_MAX / SHARE_UNIT)
        return -1;
    *value = (sluice_length_t){(uint32_t)((micro * (SHARE_UNIT / 100) + SLUICE_MICRO / 2) / SLUICE_MICRO), 1};
    return 0;
}

int sluice_read_length(const char *text, sluice_length_t *value)
{
    size_t len = strlen(text);
    int64_t pixels;

    if (len != 0 && text[len - 1] == '%')
        return read_share(text, len - 1, value);
    if (sluice_read_whole(text, &pixels) != 0 || *text == '-' || pixels > UINT32_MAX)
        return -1;
    *value = (sluice_length_t){(uint32_t)pixels, 0};
    return 0;
}

static int hex_digit(int c)
{
    if (is_digit((char)c))
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* of 3, 4, 6 or 8 digits; the short forms double each */
static int read_hex_color(const char *text, sluice_color_t *value)
{
    size_t len = strlen(text), digits_each = len <= 4 ? 1 : 2;
    uint8_t parts[4] = {255}, *part = parts + (len % 4 != 0);

    if (len != 3 && len != 4 && len != 6 && len != 8)
        return -1;
    for (const char *end = text + len; text != end; text += digits_each, ++part) {
        int high = hex_digit((unsigned char)text[0]), low = hex_digit((unsigned char)text[digits_each - 1]);
        if (high < 0 || low < 0)
            return -1;
        *part = (uint8_t)(high * 16 + low);
    }
    *value = (sluice_color_t){parts[1], parts[2], parts[3], parts[0]};
    return 0;
}

static int read_color_name(const char *text, sluice_color_t *value)
{
    char name[SLUICE_COLOR_NAME_MAX + 1];
    size_t len = strlen(text);
    int32_t rgb;

    if (len >= sizeof(name))
        return -1;
    for (size_t i = 0; i <= len; ++i)
        name[i] = (char)tolower((unsigned char)text[i]);
    if ((rgb = sluice_color_of_name(name)) == -1)
        return -1;
    *value = (sluice_color_t){(uint8_t)(rgb >> 16), (uint8_t)(rgb >> 8), (uint8_t)rgb, 255};
    return 0;
}

int sluice_read_color(const char *text, sluice_color_t *value)
{
    text += *text == '#';
    return read_hex_color(text, value) == 0 ? 0 : read_color_name(text, value);
}

int sluice_read_age(const char *text, uint32_t *seconds)
{
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = {{'\0', 1}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}, {'M', 30 * 86400}, {'y', 365 * 86400}};
    const char *end;
    int64_t n;

    if (!is_digit(*text) || (end = read_digits(text, &n)) == NULL || (*end != '\0' && end[1] != '\0'))
        return -1;
    for (size_t i = 0; i != sizeof(units) / sizeof(units[0]); ++i) {
        if (*end == units[i].unit && n <= UINT32_MAX / units[i].seconds) {
            *seconds = (uint32_t)n * units[i].seconds;
            return 0;
        }
    }
    return -1;
}

size_t sluice_write_decimal(char *dst, int64_t value, uint32_t unit)
{
    uint64_t positive = value < 0 ? -(uint64_t)value : (uint64_t)value, rest = positive % unit;
    size_t n = 0;

    if (value < 0)
        dst[n++] = '-';
    n += sluice_put_decimal(dst + n, positive / unit);
    if (rest != 0)
        dst[n++] = '.';
    for (; rest != 0; rest %= unit)
        dst[n++] = (char)('0' + rest / (unit /= 10));
    return n;
}

size_t sluice_write_length(char *dst, sluice_length_t value)
{
    size_t n;

    if (!value.is_share)
        return sluice_put_decimal(dst, value.amount);
    n = sluice_write_decimal(dst, value.amount, SHARE_UNIT / 100);
    return n + sluice_put_text(dst + n, "%25");
}

size_t sluice_write_color(char *dst, sluice_color_t value)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t parts[] = {value.alpha, value.red, value.green, value.blue};
    size_t n = 0;

    for (size_t i = value.alpha == 255; i != sizeof(parts); ++i) {
        dst[n++] = digits[parts[i] >> 4];
        dst[n++] = digits[parts[i] & 15];
    }
    return n;
}
