#include "module/jpeg_blocks.h"

/* for each AC coefficient, in zigzag order, its place in sluice_jpeg_details_t.of; UNUSED for those that do not count at 2 x 2 */
enum { UNUSED = 24 };
static const uint8_t places[64] = {
    UNUSED, 0,      1,      UNUSED, 2,      UNUSED, 3,      UNUSED, UNUSED, 4,      UNUSED, 5,      UNUSED, 6,      UNUSED, 7,
    UNUSED, UNUSED, UNUSED, UNUSED, 8,      UNUSED, 9,      UNUSED, 10,     UNUSED, 11,     UNUSED, 12,     UNUSED, UNUSED, UNUSED,
    UNUSED, UNUSED, UNUSED, 13,     14,     UNUSED, 15,     UNUSED, 16,     UNUSED, 17,     UNUSED, UNUSED, UNUSED, UNUSED, UNUSED,
    UNUSED, 18,     UNUSED, 19,     UNUSED, 20,     UNUSED, UNUSED, UNUSED, UNUSED, 21,     UNUSED, 22,     UNUSED, UNUSED, 23};
#define COUNTING UINT64_C(0x942a05581550aa56) /* a bit for each that does */

int sluice_jpeg_read_means(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *at)
{
    sluice_jpeg_bits_t bits = *at;

    for (unsigned i = 0; i != mcu->num_blocks; ++i) {
        sluice_jpeg_block_t *block = &mcu->blocks[i];
        sluice_jpeg_refill(&bits);
        if (sluice_jpeg_take_mean(&bits, block->dc, block->predicted) != 0)
            return -1;
        block->component->means[block->at] = (int16_t)(*block->predicted * (1 << scan->low));
        block->at += block->step;
    }
    *at = bits;
    return 0;
}

int sluice_jpeg_refine_means(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *at)
{
    sluice_jpeg_bits_t bits = *at;

    for (unsigned i = 0; i != mcu->num_blocks; ++i) {
        sluice_jpeg_block_t *block = &mcu->blocks[i];
        int16_t *mean = &block->component->means[block->at];
        sluice_jpeg_refill(&bits);
        *mean = (int16_t)(*mean | (int)(sluice_jpeg_take(&bits, 1) << scan->low));
        block->at += block->step;
    }
    *at = bits;
    return 0;
}

static sluice_jpeg_details_t *next_details(sluice_jpeg_mcu_t *mcu)
{
    return &mcu->blocks[0].component->details[mcu->blocks[0].at++];
}

/* for how many more blocks there is nothing, behind the code that says so. The bits must have been refilled */
static uint32_t take_run(sluice_jpeg_bits_t *bits, unsigned size)
{
    return (UINT32_C(1) << size) + sluice_jpeg_take(bits, size);
}

int sluice_jpeg_read_details(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *bits)
{
    sluice_jpeg_details_t *details = next_details(mcu);

    if (mcu->empty_blocks != 0) {
        --mcu->empty_blocks;
        return 0;
    }
    for (unsigned i = scan->first; i <= scan->last; ++i) {
        sluice_jpeg_refill(bits);
        int number, value = sluice_jpeg_take_value(bits, mcu->blocks[0].ac, &number);
        if (value < 0)
            return -1;
        unsigned run = (unsigned)value >> 4, size = value & 15;
        if (size == 0 && run != 15) {
            mcu->empty_blocks = take_run(bits, run) - 1;
            return 0;
        }
        if ((i += run) > scan->last)
            return -1;
        if (size == 0)
            continue;
        details->of[places[i]] = (int16_t)(number * (1 << scan->low));
        details->set |= UINT64_C(1) << i;
    }
    return 0;
}

/* one more bit of a coefficient that is set already; of those that do not count the value is none, but the bit is there */
static void refine_one(const sluice_jpeg_scan_t *scan, sluice_jpeg_bits_t *bits, int16_t *value)
{
    int bit = 1 << scan->low;

    sluice_jpeg_refill(bits);
    if (sluice_jpeg_take(bits, 1) != 0 && (*value & bit) == 0)
        *value = (int16_t)(*value < 0 ? *value - bit : *value + bit);
}

/*
 * Refines what is set from *i on, and passes over `zeros` coefficients that are not. Afterwards *i is that of the next one that is
 * not set, or behind the last one.
 */
static void refine_up_to(const sluice_jpeg_scan_t *scan, sluice_jpeg_bits_t *bits, sluice_jpeg_details_t *details, unsigned *i,
                         unsigned zeros)
{
    for (; *i <= scan->last; ++*i) {
        if ((details->set >> *i & 1) != 0)
            refine_one(scan, bits, &details->of[places[*i]]);
        else if (zeros-- == 0)
            return;
    }
}

int sluice_jpeg_refine_details(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *bits)
{
    sluice_jpeg_details_t *details = next_details(mcu);
    unsigned i = scan->first;

    while (mcu->empty_blocks == 0 && i <= scan->last) {
        sluice_jpeg_refill(bits);
        int symbol = sluice_jpeg_take_symbol(bits, mcu->blocks[0].ac), value = 0;
        if (symbol < 0 || (symbol & 15) > 1)
            return -1;
        unsigned run = (unsigned)symbol >> 4;
        if ((symbol & 15) == 0 && run != 15) {
            mcu->empty_blocks = take_run(bits, run);
            break;
        }
        if ((symbol & 15) != 0)
            value = sluice_jpeg_take(bits, 1) != 0 ? 1 << scan->low : -(1 << scan->low);
        refine_up_to(scan, bits, details, &i, run);
        if (i > scan->last)
            return -1;
        if (value != 0) {
            details->of[places[i]] = (int16_t)value;
            details->set |= UINT64_C(1) << i;
        }
        ++i;
    }
    if (mcu->empty_blocks != 0) {
        for (uint64_t set = details->set >> i << i; set != 0; set &= set - 1) {
            unsigned next = (unsigned)__builtin_ctzll(set);
            if (next > scan->last)
                break;
            refine_one(scan, bits, &details->of[places[next]]);
        }
        --mcu->empty_blocks;
    }
    return 0;
}

static void draw_details(const sluice_jpeg_component_t *component, size_t block, uint8_t *at, size_t stride)
{
    const sluice_jpeg_details_t *details = &component->details[block];
    sluice_jpeg_sums_t sums = {{{0}}};

    sluice_jpeg_add_coefficient(&sums, 0, component->means[block] * component->quants[0]);
    for (uint64_t set = details->set & COUNTING; set != 0; set &= set - 1) {
        unsigned i = (unsigned)__builtin_ctzll(set);
        sluice_jpeg_add_coefficient(&sums, sluice_jpeg_zigzag[i], details->of[places[i]] * component->quants[i]);
    }
    (void)sluice_jpeg_draw_block(&sums, at, stride);
}

void sluice_jpeg_draw_component(sluice_jpeg_component_t *component)
{
    size_t stride = (size_t)component->all_columns * component->size, block = 0;

    for (size_t y = 0; y != component->all_rows; ++y)
        for (size_t x = 0; x != component->all_columns; ++x, ++block) {
            uint8_t *at = component->samples + y * component->size * stride + x * component->size;
            if (component->size == 1)
                *at = sluice_jpeg_to_sample(sluice_jpeg_descale(component->means[block] * component->quants[0], 3));
            else
                draw_details(component, block, at, stride);
        }
}
