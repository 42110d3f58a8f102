/*
 * text.h - a buffer that grows up to a ceiling. Private to health/.
 *
 * An append that fails (memory is out, or the ceiling is in the way) empties the buffer and makes it refuse all that follows, so
 * that a writer can go on without looking and ask once, at health_text_take(). Not for use by two threads at a time.
 */
#ifndef health__text_h
#define health__text_h

#include <stddef.h>
#include <stdint.h>

typedef struct st_health_text_t {
    char *bytes;
    size_t len, size, ceiling; /* the ceiling bounds len and the NUL that take() adds */
    void *(*resize)(void *bytes, size_t size);
    int failed;
} health_text_t;

/**
 * @param resize realloc, or a test's own; what it returns must be good for free()
 */
void health_text_init(health_text_t *text, size_t ceiling, void *(*resize)(void *bytes, size_t size));
void health_text_dispose(health_text_t *text);

/**
 * returns 0, or -1 when the text has failed, now or before
 */
int health_text_append(health_text_t *text, const char *bytes, size_t len);
void health_text_puts(health_text_t *text, const char *s);
void health_text_put_u64(health_text_t *text, uint64_t value);
/**
 * up to six decimals, with a point in every locale; a negative number counts as 0; NaN for what is not finite
 */
void health_text_put_double(health_text_t *text, double value);

/**
 * the length of the UTF-8 sequence at s (1 to 4), or 0 if it is none: stray or missing continuation, overlong, surrogate, above
 * U+10FFFF. Never looks beyond the NUL.
 */
size_t health_utf8_len(const char *s);
/**
 * appends the UTF-8 character at s, or U+FFFD if it is none, and returns how many bytes of s that took
 */
size_t health_text_put_char(health_text_t *text, const char *s);

/**
 * hands over the text, NUL-terminated, to be freed with free(), or NULL if it has failed. The buffer is disposed of either way.
 */
char *health_text_take(health_text_t *text, size_t *len);

#endif
