/*
 * fuzz.h - what the fuzz targets share. A target is a file fuzz_NAME.c with LLVMFuzzerTestOneInput(); it calls pure code of module/
 * with any bytes, and aborts when what comes back contradicts itself. Sanitizers watch the rest.
 *
 *   make fuzz FUZZ_SECONDS=600 FUZZ_TARGETS="options range"     grows tests/fuzz/corpus/NAME
 *   make test                                                   replays the corpora
 */
#ifndef tests__fuzz__fuzz_h
#define tests__fuzz__fuzz_h

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define FUZZ_WANT(condition)                                                                                                       \
    do {                                                                                                                           \
        if (!(condition)) {                                                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                                \
            abort();                                                                                                               \
        }                                                                                                                          \
    } while (0)

/**
 * a sentence for JSON and logs: ends within `size`, and is plain ASCII
 */
static inline void fuzz_want_sentence(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);

    FUZZ_WANT(end != NULL && end != text);
    for (; text != end; ++text)
        FUZZ_WANT(*text >= 0x20 && *text <= 0x7e);
}

#endif
