#include <stdlib.h>
#include "module/jpeg_file.h"
#include "module/jpeg_planes.h"
#include "module/jpeg_thin.h"

/* Returns whether it is known what three components mean: 0, or -1; the same guesses as libjpeg's */
static int guess_colours(const sluice_jpeg_file_t *file, int *is_rgb)
{
    const sluice_jpeg_component_t *of = file->components;

    *is_rgb = 0;
    if (file->num_components == 1 || file->jfif)
        return 0;
    if (file->adobe_transform != -1) {
        *is_rgb = file->adobe_transform == 0;
        return file->adobe_transform <= 1 ? 0 : -1;
    }
    *is_rgb = of[0].id == 'R' && of[1].id == 'G' && of[2].id == 'B';
    return 0;
}

static int draw(sluice_jpeg_file_t *file, sluice_thin_t *thin)
{
    sluice_jpeg_planes_t planes = {.components = file->components,
                                   .num_components = file->num_components,
                                   .max_h = file->max_h,
                                   .max_v = file->max_v,
                                   .width = file->width / SLUICE_JPEG_THIN_SHRINK,
                                   .height = file->height / SLUICE_JPEG_THIN_SHRINK};

    if (guess_colours(file, &planes.is_rgb) != 0)
        return -1;
    for (unsigned i = 0; i != file->num_components && file->progressive; ++i)
        sluice_jpeg_draw_component(&file->components[i]);
    *thin = (sluice_thin_t){.width = planes.width, .height = planes.height, .bands = planes.num_components};
    if ((thin->pixels = malloc((size_t)planes.width * planes.height * planes.num_components)) == NULL)
        return -1;
    if (sluice_jpeg_planes_merge(&planes, thin->pixels) == 0)
        return 0;
    free(thin->pixels);
    thin->pixels = NULL;
    return -1;
}

/* what reading and drawing will ask for; afterwards there are the pixels, and the caller may make as many of them once more */
static uint64_t count_bytes(const sluice_jpeg_file_t *file)
{
    uint64_t columns = file->width / SLUICE_JPEG_THIN_SHRINK, rows = file->height / SLUICE_JPEG_THIN_SHRINK;
    uint64_t pixels = columns * rows * file->num_components, bytes = sizeof(*file) + columns * file->num_components;

    for (unsigned i = 0; i != file->num_components; ++i) {
        const sluice_jpeg_component_t *component = &file->components[i];
        uint64_t per_block = (uint64_t)component->size * component->size;
        if (file->progressive)
            per_block += sizeof(*component->means) + (component->size == 2 ? sizeof(*component->details) : 0);
        bytes += per_block * component->all_columns * component->all_rows;
    }
    return pixels + (bytes > pixels ? bytes : pixels);
}

uint64_t sluice_jpeg_thin_bytes(const uint8_t *bytes, size_t len)
{
    sluice_jpeg_file_t *file = sluice_jpeg_file_create(bytes, len, 1);
    uint64_t needed = 0;
    int is_rgb;

    if (file == NULL)
        return 0;
    if (sluice_jpeg_file_read(file) == 0 && guess_colours(file, &is_rgb) == 0)
        needed = count_bytes(file);
    sluice_jpeg_file_destroy(&file);
    return needed;
}

int sluice_jpeg_thin(const uint8_t *bytes, size_t len, sluice_thin_t *thin)
{
    sluice_jpeg_file_t *file = sluice_jpeg_file_create(bytes, len, 0);

    *thin = (sluice_thin_t){.pixels = NULL};
    if (file == NULL)
        return -1;
    int ret = sluice_jpeg_file_read(file);
    if (ret == 0)
        ret = draw(file, thin);
    sluice_jpeg_file_destroy(&file);
    return ret;
}
