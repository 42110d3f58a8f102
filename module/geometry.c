#include <math.h>
#include "module/geometry.h"

static uint32_t scale_side(uint32_t side, double factor)
{
    double scaled = rint(side * factor);

    if (scaled < 1)
        return 1;
    return scaled > UINT32_MAX ? UINT32_MAX : (uint32_t)scaled;
}

/* the factor that `fit` applies to both sides; of two requested sides it takes the smaller or the larger one */
static double scale_factor(sluice_size_t source, const sluice_options_t *options)
{
    double by_width = (double)options->width / source.width, by_height = (double)options->height / source.height;

    if (options->width == 0 && options->height == 0)
        return 1;
    if (options->height == 0)
        return by_width;
    if (options->width == 0)
        return by_height;
    if (options->fit == SLUICE_FIT_OUTSIDE || options->fit == SLUICE_FIT_COVER)
        return fmax(by_width, by_height);
    return fmin(by_width, by_height);
}

sluice_size_t sluice_scaled_size(sluice_size_t source, const sluice_options_t *options)
{
    double factor = scale_factor(source, options);

    if (options->fit == SLUICE_FIT_FILL)
        return (sluice_size_t){options->width != 0 ? options->width : source.width,
                               options->height != 0 ? options->height : source.height};
    return (sluice_size_t){scale_side(source.width, factor), scale_side(source.height, factor)};
}

sluice_size_t sluice_answer_size(sluice_size_t source, const sluice_options_t *options)
{
    int both = options->width != 0 && options->height != 0;

    if (both && (options->fit == SLUICE_FIT_COVER || options->fit == SLUICE_FIT_CONTAIN))
        return (sluice_size_t){options->width, options->height};
    return sluice_scaled_size(source, options);
}
