#include "module/jpeg_huffman.h"

int sluice_jpeg_code_define(sluice_jpeg_code_t *code, const uint8_t counts[16], const uint8_t *values, size_t num_values)
{
    uint32_t next = 0;
    size_t index = 0;

    *code = (sluice_jpeg_code_t){.defined = 1};
    memcpy(code->values, values, num_values);
    for (unsigned len = 1; len <= 16; ++len, next <<= 1) {
        unsigned count = counts[len - 1];
        /* no code is all ones */
        if (count != 0 && next + count >= UINT32_C(1) << len)
            return -1;
        code->first[len] = (uint16_t)next;
        code->index[len] = (uint16_t)index;
        for (unsigned i = 0; i != count && len <= SLUICE_JPEG_SYMBOL_BITS; ++i) {
            unsigned rest = SLUICE_JPEG_SYMBOL_BITS - len;
            for (uint32_t at = (next + i) << rest, end = at + (UINT32_C(1) << rest); at != end; ++at)
                code->symbols[at] = (uint16_t)(len << 8 | values[index + i]);
        }
        index += count;
        next += count;
        code->end[len] = count != 0 ? next << (16 - len) : 0;
    }
    return 0;
}

int sluice_jpeg_long_symbol(const sluice_jpeg_code_t *code, uint64_t bits, unsigned *len)
{
    uint32_t peeked = (uint32_t)(bits >> 48);

    for (*len = 1; *len <= 16; ++*len)
        if (peeked < code->end[*len])
            return code->values[code->index[*len] + (peeked >> (16 - *len)) - code->first[*len]];
    return -1;
}

/* as many whole codes as there are in the bits of an index; the values behind the last one may lie outside */
static uint16_t count_skips(const sluice_jpeg_code_t *code, uint32_t at)
{
    uint64_t bits = (uint64_t)at << (64 - SLUICE_JPEG_SKIP_BITS);
    unsigned used = 0, steps = 0;

    while (used < SLUICE_JPEG_SKIP_BITS) {
        sluice_jpeg_bits_t rest = {.bits = bits << used, .count = 64};
        int value = sluice_jpeg_take_symbol(&rest, code);
        unsigned len = 64 - rest.count;
        if (value < 0 || len > SLUICE_JPEG_SKIP_BITS - used)
            break;
        unsigned run = (unsigned)value >> 4, size = value & 15;
        if (size == 0 && run != 15)
            return (uint16_t)((steps | SLUICE_JPEG_EOB) << 8 | (used + len));
        if (steps + run + 1 > 63 || used + len + size > SLUICE_JPEG_SKIPPED_MAX)
            break;
        steps += run + 1;
        used += len + size;
    }
    return (uint16_t)((used != 0 ? steps : SLUICE_JPEG_LONG) << 8 | used);
}

void sluice_jpeg_code_define_skips(sluice_jpeg_code_t *code)
{
    if (code->has_skips)
        return;
    for (uint32_t at = 0; at != 1 << SLUICE_JPEG_SKIP_BITS; ++at)
        code->skips[at] = count_skips(code, at);
    code->has_skips = 1;
}

/* copies as much as there is room for, up to the next marker */
static uint8_t *copy(sluice_jpeg_segment_t *segment, uint8_t *to, const uint8_t *to_end)
{
    while (to != to_end && !segment->ended) {
        size_t left = (size_t)(segment->end - segment->next), room = (size_t)(to_end - to), n = left < room ? left : room;
        const uint8_t *next = segment->next, *ff = n != 0 ? memchr(next, 0xff, n) : NULL;
        if (ff != NULL)
            n = (size_t)(ff - next);
        memcpy(to, next, n);
        to += n;
        segment->next += n;
        if (ff == NULL) {
            segment->ended = n == left;
        } else if (left - n >= 2 && ff[1] == 0) {
            *to++ = 0xff;
            segment->next += 2;
        } else {
            segment->ended = 1;
        }
    }
    return to;
}

int sluice_jpeg_segment_fill(sluice_jpeg_segment_t *segment, sluice_jpeg_bits_t *bits)
{
    if (segment->ended)
        return bits->at <= segment->copied_end + 8 ? 0 : -1;

    size_t kept = (size_t)(segment->copied_end - bits->at);
    memmove(segment->copied, bits->at, kept);
    bits->at = segment->copied;
    uint8_t *end = copy(segment, segment->copied + kept, segment->copied + SLUICE_JPEG_SEGMENT_BYTES);
    segment->copied_end = end;
    if (segment->ended)
        memset(end, 0, (size_t)(segment->copied + sizeof(segment->copied) - end));
    return 0;
}

void sluice_jpeg_segment_begin(sluice_jpeg_segment_t *segment, sluice_jpeg_bits_t *bits)
{
    segment->ended = 0;
    segment->copied_end = segment->copied;
    *bits = (sluice_jpeg_bits_t){.at = segment->copied};
    sluice_jpeg_segment_fill(segment, bits);
}

int sluice_jpeg_segment_finish(const sluice_jpeg_segment_t *segment, const sluice_jpeg_bits_t *bits)
{
    ptrdiff_t left = (segment->copied_end - bits->at) * 8 + (ptrdiff_t)bits->count;

    return segment->ended && left >= 0 && left < 8 ? 0 : -1;
}
