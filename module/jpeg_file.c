#include <stdlib.h>
#include "module/byte_order.h"
#include "module/jpeg_file.h"
#include "module/jpeg_scans.h"
#include "module/jpeg_thin.h"

enum { SOF0 = 0xc0, SOF1 = 0xc1, SOF2 = 0xc2, DHT = 0xc4, RST0 = 0xd0, RST7 = 0xd7, SOI = 0xd8, EOI = 0xd9 };
enum { SOS = 0xda, DQT = 0xdb, DRI = 0xdd, APP0 = 0xe0, APP14 = 0xee, APP15 = 0xef, COM = 0xfe };

static uint32_t divide_up(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

static int read_quants(sluice_jpeg_file_t *file, const uint8_t *p, size_t len)
{
    while (len != 0) {
        size_t wide = p[0] >> 4, id = p[0] & 15, size = wide ? 128 : 64;
        if (wide > 1 || id >= SLUICE_JPEG_CODES || len < 1 + size)
            return -1;
        for (size_t i = 0; i != 64; ++i)
            file->quants[id][i] = (uint16_t)(wide ? be16(p + 1 + 2 * i) : p[1 + i]);
        file->quants_defined[id] = 1;
        p += 1 + size;
        len -= 1 + size;
    }
    return 0;
}

static int read_codes(sluice_jpeg_file_t *file, const uint8_t *p, size_t len)
{
    while (len != 0) {
        size_t num_values = 0, kind = p[0] >> 4, id = p[0] & 15;
        if (len < 17 || kind > 1 || id >= SLUICE_JPEG_CODES)
            return -1;
        for (size_t i = 1; i != 17; ++i)
            num_values += p[i];
        if (num_values > 256 || len < 17 + num_values)
            return -1;
        for (size_t i = 0; kind == 0 && i != num_values; ++i)
            if (p[17 + i] > 15)
                return -1;
        if (sluice_jpeg_code_define(&file->codes[kind][id], p + 1, p + 17, num_values) != 0)
            return -1;
        p += 17 + num_values;
        len -= 17 + num_values;
    }
    return 0;
}

/* what a component adds to the group of blocks, and how it is read. Returns 0, or -1 if its samples do not fall on pixels */
static int measure_component(const sluice_jpeg_file_t *file, sluice_jpeg_component_t *component)
{
    unsigned h = component->h, v = component->v;

    component->size = file->max_h % (2 * h) == 0 && file->max_v % (2 * v) == 0 ? 2 : 1;
    if (file->max_h % h != 0 || file->max_v % v != 0 || (file->max_h % (4 * h) == 0 && file->max_v % (4 * v) == 0))
        return -1;
    component->columns = divide_up(file->width * h, 8 * file->max_h);
    component->rows = divide_up(file->height * v, 8 * file->max_v);
    component->all_columns = file->scan.columns * h;
    component->all_rows = file->scan.rows * v;
    memset(component->known, -1, sizeof(component->known));
    return 0;
}

static int read_component(sluice_jpeg_file_t *file, const uint8_t *p, unsigned i)
{
    sluice_jpeg_component_t *component = &file->components[i];

    *component = (sluice_jpeg_component_t){.id = p[0], .h = p[1] >> 4, .v = p[1] & 15, .table = p[2]};
    for (unsigned j = 0; j != i; ++j)
        if (file->components[j].id == component->id)
            return -1;
    if (component->h == 0 || component->h > 4 || component->v == 0 || component->v > 4 || component->table >= SLUICE_JPEG_CODES)
        return -1;
    file->max_h = component->h > file->max_h ? component->h : file->max_h;
    file->max_v = component->v > file->max_v ? component->v : file->max_v;
    return 0;
}

static int allocate(const sluice_jpeg_file_t *file, sluice_jpeg_component_t *component)
{
    size_t blocks = (size_t)component->all_columns * component->all_rows;

    if (file->progressive && (component->means = calloc(blocks, sizeof(*component->means))) == NULL)
        return -1;
    if (file->progressive && component->size == 2 && (component->details = calloc(blocks, sizeof(*component->details))) == NULL)
        return -1;
    return (component->samples = malloc(blocks * component->size * component->size)) != NULL ? 0 : -1;
}

static int read_frame(sluice_jpeg_file_t *file, const uint8_t *p, size_t len)
{
    if (file->framed || len < 6 || p[0] != 8 || (p[5] != 1 && p[5] != 3) || len != 6 + 3 * (size_t)p[5])
        return -1;
    file->framed = 1;
    file->height = be16(p + 1);
    file->width = be16(p + 3);
    file->num_components = p[5];
    if (file->width < SLUICE_JPEG_THIN_SHRINK || file->height < SLUICE_JPEG_THIN_SHRINK)
        return -1;
    for (unsigned i = 0; i != file->num_components; ++i)
        if (read_component(file, p + 6 + 3 * i, i) != 0)
            return -1;
    file->scan.progressive = file->progressive;
    file->scan.columns = divide_up(file->width, 8 * file->max_h);
    file->scan.rows = divide_up(file->height, 8 * file->max_v);
    for (unsigned i = 0; i != file->num_components; ++i)
        if (measure_component(file, &file->components[i]) != 0 || (!file->only_look && allocate(file, &file->components[i]) != 0))
            return -1;
    return 0;
}

static void read_application(sluice_jpeg_file_t *file, uint8_t marker, const uint8_t *p, size_t len)
{
    if (marker == APP0 && len >= 14 && memcmp(p, "JFIF", 5) == 0)
        file->jfif = 1;
    if (marker == APP14 && len >= 12 && memcmp(p, "Adobe", 5) == 0)
        file->adobe_transform = p[11];
}

/* the precision of coefficients has to grow bit by bit. Returns 0, or -1 */
static int note_progress(sluice_jpeg_component_t *component, unsigned first, unsigned last, unsigned high, unsigned low)
{
    if (first != 0 && component->known[0] == -1)
        return -1;
    for (unsigned i = first; i <= last; ++i) {
        if (component->known[i] == -1 ? high != 0 : high != (unsigned)component->known[i] || high == 0)
            return -1;
        component->known[i] = (int8_t)low;
    }
    return 0;
}

/* to the next marker that is not a restart. Returns 0, or -1 at the end of the file */
static int skip_data(sluice_jpeg_file_t *file)
{
    const uint8_t *p = file->at;

    while ((p = memchr(p, 0xff, (size_t)(file->end - p))) != NULL && file->end - p >= 2) {
        if (p[1] != 0 && !(p[1] >= RST0 && p[1] <= RST7)) {
            file->at = p;
            return 0;
        }
        p += 2;
    }
    return -1;
}

/* Returns 0, or -1 */
static int read_scan_component(sluice_jpeg_file_t *file, const uint8_t *p, unsigned i, int needs_dc, int needs_ac)
{
    unsigned dc = p[1] >> 4, ac = p[1] & 15, j = 0;

    while (j != file->num_components && file->components[j].id != p[0])
        ++j;
    if (j == file->num_components || dc >= SLUICE_JPEG_CODES || ac >= SLUICE_JPEG_CODES ||
        (needs_dc && !file->codes[0][dc].defined) || (needs_ac && !file->codes[1][ac].defined))
        return -1;
    sluice_jpeg_component_t *component = &file->components[j];
    for (unsigned k = 0; k != i; ++k)
        if (file->scan.of[k].component == component)
            return -1;
    if (!component->quantised) {
        if (!file->quants_defined[component->table])
            return -1;
        memcpy(component->quants, file->quants[component->table], sizeof(component->quants));
        component->quantised = 1;
    }
    file->scan.of[i].component = component;
    file->scan.of[i].dc = &file->codes[0][dc];
    file->scan.of[i].ac = &file->codes[1][ac];
    if (!file->only_look && !file->progressive && component->size == 1)
        sluice_jpeg_code_define_skips(&file->codes[1][ac]);
    return 0;
}

/* the segment behind SOS: components with their codes, first and last coefficient, and bits known before and after */
static int read_scan_header(sluice_jpeg_file_t *file, const uint8_t *p, size_t len)
{
    unsigned num_components = p[0], blocks = 0;

    if (num_components == 0 || num_components > file->num_components || len != 4 + 2 * (size_t)num_components)
        return -1;
    unsigned first = p[len - 3], last = p[len - 2], high = p[len - 1] >> 4, low = p[len - 1] & 15;
    if (file->progressive ? last > 63 || first > last || (first == 0) != (last == 0) || low > 13 ||
                                (high != 0 && high != low + 1) || (first != 0 && num_components != 1)
                          : first != 0 || last != 63 || high != 0 || low != 0)
        return -1;
    for (unsigned i = 0; i != num_components; ++i) {
        if (read_scan_component(file, p + 1 + 2 * i, i, first == 0 && high == 0, last != 0) != 0)
            return -1;
        sluice_jpeg_component_t *component = file->scan.of[i].component;
        if (note_progress(component, first, last, high, low) != 0)
            return -1;
        blocks += component->h * component->v;
    }
    file->scan.num_components = num_components;
    file->scan.first = first;
    file->scan.last = last;
    file->scan.high = high;
    file->scan.low = low;
    return (num_components == 1 || blocks <= SLUICE_JPEG_MCU_BLOCKS) && ++file->num_scans <= SLUICE_JPEG_SCANS_MAX ? 0 : -1;
}

/* Returns 1 if nothing else has to be looked at, 0, or -1 */
static int read_scan(sluice_jpeg_file_t *file, const uint8_t *p, size_t len)
{
    if (!file->framed || len < 1 || read_scan_header(file, p, len) != 0)
        return -1;
    if (file->only_look && !file->progressive && file->scan.num_components == file->num_components)
        return 1;
    if (file->only_look || (file->scan.first != 0 && file->scan.of[0].component->size == 1))
        return skip_data(file);
    file->scan.segment.next = file->at;
    file->scan.segment.end = file->end;
    int ret = sluice_jpeg_scan_read(&file->scan);
    file->at = file->scan.segment.next;
    return ret;
}

static int read_segment(sluice_jpeg_file_t *file, uint8_t marker, const uint8_t *p, size_t len)
{
    switch (marker) {
    case SOF0:
    case SOF1:
    case SOF2:
        file->progressive = marker == SOF2;
        return read_frame(file, p, len);
    case DHT:
        return read_codes(file, p, len);
    case DQT:
        return read_quants(file, p, len);
    case DRI:
        file->scan.restart_interval = len == 2 ? be16(p) : 0;
        return len == 2 ? 0 : -1;
    case SOS:
        return read_scan(file, p, len);
    default:
        if (marker != COM && (marker < APP0 || marker > APP15))
            return -1;
        if (file->num_scans == 0) /* what colours are is decided then */
            read_application(file, marker, p, len);
        return 0;
    }
}

/* Returns 0 if all coefficients that count are there, to the last bit; else -1 */
static int finish(const sluice_jpeg_file_t *file)
{
    for (unsigned i = 0; i != file->num_components; ++i)
        for (unsigned j = 0; j != 64; ++j)
            if (file->components[i].known[j] != 0)
                return -1;
    return file->framed ? 0 : -1;
}

int sluice_jpeg_file_read(sluice_jpeg_file_t *file)
{
    if (file->end - file->at < 2 || file->at[0] != 0xff || file->at[1] != SOI)
        return -1;
    file->at += 2;
    while (1) {
        while (file->end - file->at >= 2 && file->at[0] == 0xff && file->at[1] == 0xff)
            ++file->at;
        if (file->end - file->at < 2 || file->at[0] != 0xff)
            return -1;
        if (file->at[1] == EOI)
            return finish(file);
        if (file->end - file->at < 4)
            return -1;
        size_t len = be16(file->at + 2);
        const uint8_t *p = file->at + 4;
        if (len < 2 || (size_t)(file->end - file->at) < 2 + len)
            return -1;
        uint8_t marker = file->at[1];
        file->at += 2 + len;
        int ret = read_segment(file, marker, p, len - 2);
        if (ret != 0)
            return ret < 0 ? -1 : 0;
    }
}

sluice_jpeg_file_t *sluice_jpeg_file_create(const uint8_t *bytes, size_t len, int only_look)
{
    sluice_jpeg_file_t *file = calloc(1, sizeof(*file));

    if (file != NULL) {
        file->at = bytes;
        file->end = bytes + len;
        file->only_look = only_look;
        file->adobe_transform = -1;
    }
    return file;
}

void sluice_jpeg_file_destroy(sluice_jpeg_file_t **file)
{
    if (*file == NULL)
        return;
    for (unsigned i = 0; i != SLUICE_JPEG_COMPONENTS; ++i) {
        free((*file)->components[i].samples);
        free((*file)->components[i].means);
        free((*file)->components[i].details);
    }
    free(*file);
    *file = NULL;
}
