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
static double scale_factor(sluice_size_t source, sluice_size_t wanted, sluice_fit_t fit)
{
    double by_width = (double)wanted.width / source.width, by_height = (double)wanted.height / source.height;

    if (wanted.width == 0 && wanted.height == 0)
        return 1;
    if (wanted.height == 0)
        return by_width;
    if (wanted.width == 0)
        return by_height;
    if (fit == SLUICE_FIT_OUTSIDE || fit == SLUICE_FIT_COVER)
        return fmax(by_width, by_height);
    return fmin(by_width, by_height);
}

static sluice_size_t wanted_size(sluice_size_t source, const sluice_options_t *options)
{
    return (sluice_size_t){sluice_length_pixels(options->width, source.width),
                           sluice_length_pixels(options->height, source.height)};
}

sluice_size_t sluice_scaled_size(sluice_size_t source, const sluice_options_t *options)
{
    sluice_size_t wanted = wanted_size(source, options);
    double factor = scale_factor(source, wanted, options->fit);

    if (options->fit == SLUICE_FIT_FILL)
        return (sluice_size_t){wanted.width != 0 ? wanted.width : source.width, wanted.height != 0 ? wanted.height : source.height};
    return (sluice_size_t){scale_side(source.width, factor), scale_side(source.height, factor)};
}

sluice_size_t sluice_answer_size(sluice_size_t source, const sluice_options_t *options)
{
    sluice_size_t wanted = wanted_size(source, options);

    if (wanted.width != 0 && wanted.height != 0 && (options->fit == SLUICE_FIT_COVER || options->fit == SLUICE_FIT_CONTAIN))
        return wanted;
    return sluice_scaled_size(source, options);
}
