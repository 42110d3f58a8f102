#include "module/jpeg_blocks.h"

/* one code, where several at a time do not do: it is long, or the block ends among them. Returns the next coefficient, or -1 */
SLUICE_JPEG_INLINE int skip_one(sluice_jpeg_bits_t *bits, const sluice_jpeg_code_t *code, unsigned next)
{
    int value = sluice_jpeg_take_symbol(bits, code);

    if (value < 0)
        return -1;
    unsigned run = (unsigned)value >> 4, size = value & 15;
    sluice_jpeg_drop(bits, size);
    if (size == 0 && run != 15)
        return 64;
    next += run + 1;
    return next <= 64 ? (int)next : -1;
}

SLUICE_JPEG_INLINE int skip_block(sluice_jpeg_bits_t *bits, const sluice_jpeg_code_t *code)
{
    unsigned next = 1, entry, then;

    while (next != 64) {
        do {
            sluice_jpeg_refill(bits);
            entry = code->skips[bits->bits >> (64 - SLUICE_JPEG_SKIP_BITS)];
            if ((then = next + (entry >> 8)) >= 64)
                break;
            next = then;
            sluice_jpeg_drop(bits, entry & 63);
            entry = code->skips[bits->bits >> (64 - SLUICE_JPEG_SKIP_BITS)];
            if ((then = next + (entry >> 8)) >= 64)
                break;
            next = then;
            sluice_jpeg_drop(bits, entry & 63);
            entry = code->skips[bits->bits >> (64 - SLUICE_JPEG_SKIP_BITS)];
            if ((then = next + (entry >> 8)) >= 64)
                break;
            next = then;
            sluice_jpeg_drop(bits, entry & 63);
        } while (1);
        /* an end of block counts only where the coefficients before it are not all there */
        if (then == 64 || (then >= SLUICE_JPEG_EOB && then < SLUICE_JPEG_EOB + 64)) {
            sluice_jpeg_drop(bits, entry & 63);
            break;
        }
        sluice_jpeg_refill(bits);
        int one = skip_one(bits, code, next);
        if (one < 0)
            return -1;
        next = (unsigned)one;
    }
    return 0;
}

/* Returns 1 if there are AC coefficients, 0 if there are none, or -1 */
SLUICE_JPEG_INLINE int take_block(sluice_jpeg_bits_t *bits, const sluice_jpeg_code_t *code, const uint16_t *quants,
                                  sluice_jpeg_sums_t *sums)
{
    int taken = 0, sane = 1, number;

    for (unsigned at = 1; at < 64; ++at) {
        if (bits->count < 32)
            sluice_jpeg_refill(bits);
        int value = sluice_jpeg_take_value(bits, code, &number);
        if (value < 0)
            return -1;
        unsigned run = (unsigned)value >> 4, size = value & 15;
        if (size == 0 && run != 15)
            break;
        at += run;
        if (at > 63)
            return -1;
        if (!taken)
            memset(sums, 0, sizeof(*sums));
        taken = 1;
        int coefficient = number * quants[at];
        sane &= coefficient == (int16_t)coefficient;
        sluice_jpeg_add_coefficient(sums, sluice_jpeg_zigzag[at], coefficient);
    }
    return sane ? taken : -1;
}

SLUICE_JPEG_INLINE int read_small_block(sluice_jpeg_bits_t *bits, sluice_jpeg_block_t *block, int mean)
{
    int sample = sluice_jpeg_descale(mean, 3);

    block->component->samples[block->at] = sluice_jpeg_to_sample(sample);
    return sluice_jpeg_is_sane(sample) ? skip_block(bits, block->ac) : -1;
}

SLUICE_JPEG_INLINE int read_large_block(sluice_jpeg_bits_t *bits, sluice_jpeg_block_t *block, int mean)
{
    sluice_jpeg_component_t *component = block->component;
    size_t stride = (size_t)component->all_columns * 2;
    uint8_t *at = component->samples + block->at;
    sluice_jpeg_sums_t sums;
    int taken = take_block(bits, block->ac, component->quants, &sums), sample = sluice_jpeg_descale(mean, 3);

    if (taken < 0 || !sluice_jpeg_is_sane(sample))
        return -1;
    if (taken != 0) {
        sluice_jpeg_add_coefficient(&sums, 0, mean);
        return sluice_jpeg_draw_block(&sums, at, stride);
    }
    at[0] = at[1] = at[stride] = at[stride + 1] = sluice_jpeg_to_sample(sample);
    return 0;
}

SLUICE_JPEG_INLINE int read_block(sluice_jpeg_bits_t *bits, sluice_jpeg_block_t *block)
{
    sluice_jpeg_refill(bits);
    if (sluice_jpeg_take_mean(bits, block->dc, block->predicted) != 0)
        return -1;
    int mean = *block->predicted * block->component->quants[0];
    return block->component->size == 1 ? read_small_block(bits, block, mean) : read_large_block(bits, block, mean);
}

int sluice_jpeg_read_sequential_mcu(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *at)
{
    sluice_jpeg_bits_t bits = *at;

    (void)scan;
    for (unsigned i = 0; i != mcu->num_blocks; ++i) {
        sluice_jpeg_block_t *block = &mcu->blocks[i];
        if (read_block(&bits, block) != 0)
            return -1;
        block->at += block->step;
    }
    *at = bits;
    return 0;
}
