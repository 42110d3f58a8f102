/*
 * jpeg_huffman.h - the Huffman codes of a JPEG, and the bits that they are read from, for decoders that want few coefficients of
 * many. Pure; allocates nothing.
 *
 * The bits come from a segment: the bytes between two markers, without the zeros that are stuffed behind each 0xff. They are copied
 * in pieces into a buffer, so that nothing that reads bits has to look for 0xff or for the end: behind the last byte there are
 * zeros, more than one group of blocks (MCU) can take, and whoever took bits from there finds out afterwards.
 */
#ifndef module__jpeg_huffman_h
#define module__jpeg_huffman_h

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SLUICE_JPEG_SYMBOL_BITS 9  /* codes up to this length are looked up at once */
#define SLUICE_JPEG_SKIP_BITS 12   /* what the codes in them say of AC coefficients is skipped at once */
#define SLUICE_JPEG_SKIPPED_MAX 18 /* bits at once, so that three times is less than there are after a refill */
#define SLUICE_JPEG_EOB 128        /* in the steps of `skips`: the block ends here; */
#define SLUICE_JPEG_LONG 192       /* no whole code */

typedef struct st_sluice_jpeg_code_t {
    int defined, has_skips;
    uint8_t values[256];
    uint16_t first[17];                             /* of each length: its first code, */
    uint16_t index[17];                             /* where that is in values, */
    uint32_t end[17];                               /* and the first code behind them, in 16 bits; 0: none */
    uint16_t symbols[1 << SLUICE_JPEG_SYMBOL_BITS]; /* length << 8 | value; 0: a longer code, or none */
    uint16_t skips[1 << SLUICE_JPEG_SKIP_BITS];     /* steps of coefficients << 8 | bits */
} sluice_jpeg_code_t;

/**
 * @param counts of the codes of 1 to 16 bits
 * @param values as many as the sum of the counts
 * Returns 0, or -1 if these are no codes.
 */
int sluice_jpeg_code_define(sluice_jpeg_code_t *code, const uint8_t counts[16], const uint8_t *values, size_t num_values);
/**
 * fills in `skips`, of a code of AC coefficients in sequential mode
 */
void sluice_jpeg_code_define_skips(sluice_jpeg_code_t *code);

#define SLUICE_JPEG_MCU_BYTES 2560 /* more than 10 blocks of 64 coefficients with codes and values of 31 bits */
#define SLUICE_JPEG_SEGMENT_BYTES (32 * 1024)

typedef struct st_sluice_jpeg_segment_t {
    const uint8_t *next, *end; /* of the file: what was not copied yet */
    int ended;                 /* `next` is at a marker, or at the end of the file */
    const uint8_t *copied_end;
    uint8_t copied[SLUICE_JPEG_SEGMENT_BYTES + SLUICE_JPEG_MCU_BYTES + 8];
} sluice_jpeg_segment_t;

/**
 * a place in a segment: `count` bits at the top of `bits`, the next ones are at `at`
 */
typedef struct st_sluice_jpeg_bits_t {
    uint64_t bits;
    unsigned count;
    const uint8_t *at;
} sluice_jpeg_bits_t;

/**
 * begins to read at segment->next
 */
void sluice_jpeg_segment_begin(sluice_jpeg_segment_t *segment, sluice_jpeg_bits_t *bits);
/**
 * see sluice_jpeg_segment_ensure(). Returns 0, or -1 at the end of the data
 */
int sluice_jpeg_segment_fill(sluice_jpeg_segment_t *segment, sluice_jpeg_bits_t *bits);
/**
 * Returns 0 if all whole bytes of the segment were read, and no more; else -1.
 */
int sluice_jpeg_segment_finish(const sluice_jpeg_segment_t *segment, const sluice_jpeg_bits_t *bits);
/**
 * one that sluice_jpeg_code_t.symbols does not have; or -1
 */
int sluice_jpeg_long_symbol(const sluice_jpeg_code_t *code, uint64_t bits, unsigned *len);

/**
 * before each MCU: what it takes can be read without a look at the end. Returns 0, or -1 if there is no more
 */
static inline int sluice_jpeg_segment_ensure(sluice_jpeg_segment_t *segment, sluice_jpeg_bits_t *bits)
{
    return segment->copied_end - bits->at >= SLUICE_JPEG_MCU_BYTES ? 0 : sluice_jpeg_segment_fill(segment, bits);
}

/**
 * there are at least 56 bits afterwards
 */
static inline void sluice_jpeg_refill(sluice_jpeg_bits_t *bits)
{
    uint64_t next;

    memcpy(&next, bits->at, sizeof(next));
    bits->bits |= be64toh(next) >> bits->count;
    bits->at += (63 - bits->count) >> 3;
    bits->count |= 56;
}

static inline void sluice_jpeg_drop(sluice_jpeg_bits_t *bits, unsigned n)
{
    bits->bits <<= n;
    bits->count -= n;
}

/**
 * takes 0 to 16 bits
 */
static inline uint32_t sluice_jpeg_take(sluice_jpeg_bits_t *bits, unsigned n)
{
    uint32_t value = (uint32_t)(bits->bits >> 32 >> (32 - n));

    sluice_jpeg_drop(bits, n);
    return value;
}

/**
 * takes one symbol, of up to 16 bits; -1: there is none
 */
static inline int sluice_jpeg_take_symbol(sluice_jpeg_bits_t *bits, const sluice_jpeg_code_t *code)
{
    unsigned entry = code->symbols[bits->bits >> (64 - SLUICE_JPEG_SYMBOL_BITS)], len = entry >> 8;
    int value = (int)(entry & 0xff);

    if (__builtin_expect(entry == 0, 0) && (value = sluice_jpeg_long_symbol(code, bits->bits, &len)) < 0)
        return -1;
    sluice_jpeg_drop(bits, len);
    return value;
}

/**
 * takes a symbol, the lower half of which is the length of a number, and this number, up to 15 bits: the half of the numbers that
 * begins with 0 is negative. -1: there is none
 */
static inline int sluice_jpeg_take_value(sluice_jpeg_bits_t *bits, const sluice_jpeg_code_t *code, int *number)
{
    unsigned entry = code->symbols[bits->bits >> (64 - SLUICE_JPEG_SYMBOL_BITS)], len = entry >> 8;
    int symbol = (int)(entry & 0xff);

    if (__builtin_expect(entry == 0, 0) && (symbol = sluice_jpeg_long_symbol(code, bits->bits, &len)) < 0)
        return -1;
    unsigned size = (unsigned)symbol & 15;
    uint64_t rest = bits->bits << len;
    int positive = (int)((int64_t)rest >> 63); /* no branch: it would be the wrong one every other time */
    *number = (int)(rest >> 32 >> (32 - size)) - (((1 << size) - 1) & ~positive);
    sluice_jpeg_drop(bits, len + size);
    return symbol;
}

#endif
