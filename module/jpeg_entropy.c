#include "module/jpeg_blocks.h"

/* the places of the blocks of the first MCU of a row; of a scan of one component each block is an MCU */
static void place(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, uint32_t row)
{
    int alone = scan->num_components == 1;

    mcu->num_blocks = 0;
    for (unsigned i = 0; i != scan->num_components; ++i) {
        sluice_jpeg_component_t *component = scan->of[i].component;
        size_t size = scan->progressive ? 1 : component->size, stride = (size_t)component->all_columns * size;
        unsigned h = alone ? 1 : component->h, v = alone ? 1 : component->v;
        for (unsigned y = 0; y != v; ++y)
            for (unsigned x = 0; x != h; ++x)
                mcu->blocks[mcu->num_blocks++] = (sluice_jpeg_block_t){.component = component,
                                                                       .dc = scan->of[i].dc,
                                                                       .ac = scan->of[i].ac,
                                                                       .predicted = &mcu->predicted[i],
                                                                       .at = ((size_t)row * v + y) * size * stride + x * size,
                                                                       .step = h * size};
    }
}

static int restart(sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *bits, unsigned number)
{
    sluice_jpeg_segment_t *segment = &scan->segment;

    if (sluice_jpeg_segment_finish(segment, bits) != 0 || segment->end - segment->next < 2 || segment->next[1] != 0xd0 + number)
        return -1;
    segment->next += 2;
    sluice_jpeg_segment_begin(segment, bits);
    memset(mcu->predicted, 0, sizeof(mcu->predicted));
    mcu->empty_blocks = 0;
    return 0;
}

static sluice_jpeg_read_mcu_t choose_reader(const sluice_jpeg_scan_t *scan)
{
    if (!scan->progressive)
        return sluice_jpeg_read_sequential_mcu;
    if (scan->first == 0)
        return scan->high == 0 ? sluice_jpeg_read_means : sluice_jpeg_refine_means;
    return scan->high == 0 ? sluice_jpeg_read_details : sluice_jpeg_refine_details;
}

int sluice_jpeg_scan_read(sluice_jpeg_scan_t *scan)
{
    sluice_jpeg_read_mcu_t read = choose_reader(scan);
    int alone = scan->num_components == 1;
    uint32_t columns = alone ? scan->of[0].component->columns : scan->columns;
    uint32_t rows = alone ? scan->of[0].component->rows : scan->rows, until_restart = scan->restart_interval;
    unsigned number = 0;
    sluice_jpeg_mcu_t mcu = {.num_blocks = 0};
    sluice_jpeg_bits_t bits;

    sluice_jpeg_segment_begin(&scan->segment, &bits);
    for (uint32_t row = 0; row != rows; ++row) {
        place(scan, &mcu, row);
        for (uint32_t column = 0; column != columns; ++column) {
            if (scan->restart_interval != 0 && until_restart-- == 0) {
                if (restart(scan, &mcu, &bits, number++ & 7) != 0)
                    return -1;
                until_restart = scan->restart_interval - 1;
            }
            if (sluice_jpeg_segment_ensure(&scan->segment, &bits) != 0 || read(scan, &mcu, &bits) != 0)
                return -1;
        }
    }
    return mcu.empty_blocks == 0 ? sluice_jpeg_segment_finish(&scan->segment, &bits) : -1;
}
