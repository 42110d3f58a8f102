#include <string.h>
#include "module/option_kinds.h"

#define FIELD(field) .offset = offsetof(sluice_draft_t, field), .size = sizeof(((sluice_draft_t *)0)->field)
#define OF_PICTURE(field) FIELD(options.field)
#define OF_ANSWER(field) FIELD(presentation.field)
#define KIND(kind) .read = sluice_read_option_##kind, .write = sluice_write_option_##kind
#define READ(kind) .read = sluice_read_option_##kind
#define WRITE(kind) .write = sluice_write_option_##kind
#define WHOLE(low, high) .min = (low), .max = (high), .unit = 1
#define DECIMAL(low, high, stored_unit) .min = (int64_t)((low)*1000), .max = (int64_t)((high)*1000), .unit = (stored_unit)

#define SOURCE_SIDE_MAX 10000000 /* of libvips */
#define FLAG_TAKES "no value, 1, true, 0 or false"
#define COLOR_TAKES "a color: rgb, argb, rrggbb or aarrggbb in hexadecimal digits, or a name of CSS"
#define SOURCE_LENGTH_TAKES "pixels of the source, or percent of it such as 50%25"

static const sluice_option_word_t fits[] = {{"inside", SLUICE_FIT_INSIDE},
                                            {"outside", SLUICE_FIT_OUTSIDE},
                                            {"cover", SLUICE_FIT_COVER},
                                            {"fill", SLUICE_FIT_FILL},
                                            {"contain", SLUICE_FIT_CONTAIN},
                                            {"fit", SLUICE_FIT_INSIDE},
                                            {"fitup", SLUICE_FIT_INSIDE},
                                            {"square", SLUICE_FIT_COVER},
                                            {"squaredown", SLUICE_FIT_COVER},
                                            {"crop", SLUICE_FIT_COVER},
                                            {"absolute", SLUICE_FIT_FILL},
                                            {"letterbox", SLUICE_FIT_CONTAIN},
                                            {NULL, 0}};
static const sluice_option_word_t aligns[] = {{"center", SLUICE_ALIGN_CENTER},
                                              {"top", SLUICE_ALIGN_TOP},
                                              {"right", SLUICE_ALIGN_RIGHT},
                                              {"bottom", SLUICE_ALIGN_BOTTOM},
                                              {"left", SLUICE_ALIGN_LEFT},
                                              {"top-left", SLUICE_ALIGN_TOP_LEFT},
                                              {"top-right", SLUICE_ALIGN_TOP_RIGHT},
                                              {"bottom-left", SLUICE_ALIGN_BOTTOM_LEFT},
                                              {"bottom-right", SLUICE_ALIGN_BOTTOM_RIGHT},
                                              {"entropy", SLUICE_ALIGN_ENTROPY},
                                              {"attention", SLUICE_ALIGN_ATTENTION},
                                              {"focal", SLUICE_ALIGN_FOCAL},
                                              {"t", SLUICE_ALIGN_TOP},
                                              {"r", SLUICE_ALIGN_RIGHT},
                                              {"b", SLUICE_ALIGN_BOTTOM},
                                              {"l", SLUICE_ALIGN_LEFT},
                                              {NULL, 0}};
static const sluice_option_word_t filters[] = {{"none", SLUICE_FILTER_NONE},     {"greyscale", SLUICE_FILTER_GREYSCALE},
                                               {"sepia", SLUICE_FILTER_SEPIA},   {"duotone", SLUICE_FILTER_DUOTONE},
                                               {"negate", SLUICE_FILTER_NEGATE}, {NULL, 0}};
static const sluice_option_word_t outputs[] = {
    {"jpg", SLUICE_FORMAT_JPEG},  {"png", SLUICE_FORMAT_PNG},   {"webp", SLUICE_FORMAT_WEBP}, {"gif", SLUICE_FORMAT_GIF},
    {"avif", SLUICE_FORMAT_AVIF}, {"tiff", SLUICE_FORMAT_TIFF}, {"json", SLUICE_FORMAT_JSON}, {"origin", SLUICE_FORMAT_NONE},
    {"jpeg", SLUICE_FORMAT_JPEG}, {"tif", SLUICE_FORMAT_TIFF},  {"av1", SLUICE_FORMAT_AVIF},  {NULL, 0}};
static const sluice_option_word_t encodings[] = {{"base64", 1}, {NULL, 0}};
static const sluice_option_word_t automatic[] = {{"format", 1}, {NULL, 0}};

static int is_contained(const sluice_options_t *o)
{
    return o->fit == SLUICE_FIT_CONTAIN;
}

static int is_placed(const sluice_options_t *o)
{
    return o->fit == SLUICE_FIT_CONTAIN || o->fit == SLUICE_FIT_COVER;
}

static int is_focal(const sluice_options_t *o)
{
    return o->align == SLUICE_ALIGN_FOCAL;
}

static int is_scaled(const sluice_options_t *o)
{
    return o->width.amount != 0 || o->height.amount != 0;
}

static int is_cropped(const sluice_options_t *o)
{
    return o->crop_x.amount != 0 || o->crop_y.amount != 0 || o->crop_width.amount != 0 || o->crop_height.amount != 0;
}

static int is_tilted(const sluice_options_t *o)
{
    return o->rotation % 90 != 0;
}

static int is_sharpened_by_sigma(const sluice_options_t *o)
{
    return o->sharpen_sigma != 0;
}

static int is_duotone(const sluice_options_t *o)
{
    return o->filter == SLUICE_FILTER_DUOTONE;
}

/* of these it is a matter of the output, which may be that of the source */

static int is_png(const sluice_options_t *o)
{
    return o->output == SLUICE_FORMAT_PNG || o->output == SLUICE_FORMAT_NONE;
}

static int can_be_interlaced(const sluice_options_t *o)
{
    return o->output == SLUICE_FORMAT_JPEG || is_png(o);
}

static int has_lossless_form(const sluice_options_t *o)
{
    return o->output == SLUICE_FORMAT_WEBP || o->output == SLUICE_FORMAT_AVIF || o->output == SLUICE_FORMAT_NONE;
}

static int is_picture(const sluice_options_t *o)
{
    return o->output != SLUICE_FORMAT_JSON;
}

static int has_quality(const sluice_options_t *o)
{
    if (o->output == SLUICE_FORMAT_NONE)
        return 1;
    return sluice_format_default_quality(o->output) != 0 && !(o->lossless && has_lossless_form(o));
}

const sluice_options_t sluice_default_options = {.focal_x = 5000,
                                                 .focal_y = 5000,
                                                 .sharpen_flat = 1000,
                                                 .sharpen_jagged = 2000,
                                                 .duotone_start = {0xc8, 0x36, 0x58, 255},
                                                 .duotone_stop = {0xd8, 0xe7, 0x4f, 255}};

const sluice_option_t sluice_options_table[] = {
    {"p", READ(preset), .takes = "the name of a preset"},

    {"w", READ(side), WRITE(length), OF_PICTURE(width), .min = 1},
    {"h", READ(side), WRITE(length), OF_PICTURE(height), .min = 1},
    {"dpr", READ(number), FIELD(pixel_ratio), DECIMAL(0, 8, 1000000), .takes = "a device pixel ratio from 0 to 8"},
    {"fit", READ(fit), WRITE(word), OF_PICTURE(fit), .words = fits, .takes = "inside, outside, cover, fill or contain"},
    {"we", READ(enlargement), WRITE(flag), OF_PICTURE(without_enlargement), .applies = is_scaled, .bare = "1", .takes = FLAG_TAKES},
    {"cbg", KIND(color), OF_PICTURE(contain_background), .applies = is_contained, .takes = COLOR_TAKES},

    {"a", READ(align), WRITE(word), OF_PICTURE(align), .words = aligns, .applies = is_placed,
     .takes = "center, top, right, bottom, left, top-left, top-right, bottom-left, bottom-right, entropy, attention, focal or "
              "focal-x-y in percent"},
    {"fpx", KIND(number), OF_PICTURE(focal_x), DECIMAL(0, 1, 10000), .applies = is_focal, .takes = "a share from 0 to 1"},
    {"fpy", KIND(number), OF_PICTURE(focal_y), DECIMAL(0, 1, 10000), .applies = is_focal, .takes = "a share from 0 to 1"},
    {"crop", READ(crop), .takes = "width,height,x,y in pixels or percent"},
    {"cx", KIND(length), OF_PICTURE(crop_x), WHOLE(0, SOURCE_SIDE_MAX), .takes = SOURCE_LENGTH_TAKES},
    {"cy", KIND(length), OF_PICTURE(crop_y), WHOLE(0, SOURCE_SIDE_MAX), .takes = SOURCE_LENGTH_TAKES},
    {"cw", KIND(length), OF_PICTURE(crop_width), WHOLE(1, SOURCE_SIDE_MAX), .takes = SOURCE_LENGTH_TAKES},
    {"ch", KIND(length), OF_PICTURE(crop_height), WHOLE(1, SOURCE_SIDE_MAX), .takes = SOURCE_LENGTH_TAKES},
    {"precrop", KIND(flag), OF_PICTURE(crop_first), .applies = is_cropped, .bare = "1", .takes = FLAG_TAKES},
    {"trim", KIND(number), OF_PICTURE(trim_threshold), WHOLE(1, 254), .or_zero = 1, .bare = "10",
     .takes = "a threshold from 1 to 254, or 0"},

    {"ro", READ(degrees), WRITE(number), OF_PICTURE(rotation), WHOLE(-3600, 3600), .takes = "degrees from -3600 to 3600"},
    {"rbg", KIND(color), OF_PICTURE(rotate_background), .applies = is_tilted, .takes = COLOR_TAKES},
    {"flip", KIND(flag), OF_PICTURE(flip), .bare = "1", .takes = FLAG_TAKES},
    {"flop", KIND(flag), OF_PICTURE(flop), .bare = "1", .takes = FLAG_TAKES},

    {"blur", KIND(effect), OF_PICTURE(blur), DECIMAL(0.3, 1000, 1000), .or_zero = 1, .bare = "true",
     .takes = "no value, or a sigma from 0.3 to 1000, or 0"},
    {"sharp", READ(sharpen), WRITE(effect), OF_PICTURE(sharpen), DECIMAL(0.001, 10, 1000), .or_zero = 1, .bare = "true",
     .takes = "no value, or a sigma from 0.001 to 10, or 0, or flat,jagged,sigma"},
    {"sharpf", KIND(number), OF_PICTURE(sharpen_flat), DECIMAL(0, 1000000, 1000), .applies = is_sharpened_by_sigma,
     .takes = "a slope from 0 to 1000000"},
    {"sharpj", KIND(number), OF_PICTURE(sharpen_jagged), DECIMAL(0, 1000000, 1000), .applies = is_sharpened_by_sigma,
     .takes = "a slope from 0 to 1000000"},
    {"con", KIND(number), OF_PICTURE(contrast), WHOLE(-100, 100), .takes = "a number from -100 to 100"},
    {"bri", KIND(number), OF_PICTURE(brightness), WHOLE(-100, 100), .takes = "a number from -100 to 100"},
    {"gam", KIND(number), OF_PICTURE(gamma), DECIMAL(1, 3, 1000), .or_zero = 1, .bare = "2.2",
     .takes = "a gamma from 1 to 3, or 0"},
    {"mod", READ(modulate), WRITE(number), OF_PICTURE(modulate_brightness), DECIMAL(0, 10000, 1000), .bias = -1000,
     .takes = "a factor from 0 to 10000, or brightness,saturation,hue"},
    {"sat", KIND(number), OF_PICTURE(saturation), DECIMAL(0, 10000, 1000), .bias = -1000, .takes = "a factor from 0 to 10000"},
    {"hue", READ(degrees), WRITE(number), OF_PICTURE(hue), WHOLE(-3600, 3600), .takes = "degrees from -3600 to 3600"},
    {"filt", KIND(word), OF_PICTURE(filter), .words = filters, .takes = "greyscale, sepia, duotone, negate or none"},
    {"start", KIND(color), OF_PICTURE(duotone_start), .applies = is_duotone, .takes = COLOR_TAKES},
    {"stop", KIND(color), OF_PICTURE(duotone_stop), .applies = is_duotone, .takes = COLOR_TAKES},
    {"tint", KIND(color), OF_PICTURE(tint), .takes = COLOR_TAKES},
    {"bg", KIND(color), OF_PICTURE(background), .takes = COLOR_TAKES},

    {"q", KIND(number), OF_PICTURE(quality), WHOLE(1, 100), .applies = has_quality, .takes = "a quality from 1 to 100"},
    {"l", KIND(number), OF_PICTURE(level), WHOLE(0, 9), .bias = 1, .applies = is_png,
     .takes = "a level of compression from 0 to 9"},
    {"output", KIND(word), OF_PICTURE(output), .words = outputs, .takes = "jpg, png, webp, gif, avif, tiff, json or origin"},
    {"il", KIND(flag), OF_PICTURE(interlaced), .applies = can_be_interlaced, .bare = "1", .takes = FLAG_TAKES},
    {"ll", KIND(flag), OF_PICTURE(lossless), .applies = has_lossless_form, .bare = "1", .takes = FLAG_TAKES},
    {"af", KIND(flag), OF_PICTURE(all_filters), .applies = is_png, .bare = "1", .takes = FLAG_TAKES},
    {"page", KIND(number), OF_PICTURE(page), WHOLE(-2, 100000),
     .takes = "a page from 0 to 100000, or -1 (the largest) or -2 (the smallest)"},
    {"n", READ(count), WRITE(number), OF_PICTURE(num_pages), WHOLE(-1, 256),
     .takes = "a number of pages from 1 to 256, or -1 (all)"},
    {"lqip", KIND(flag), OF_PICTURE(placeholder), .bare = "1", .takes = FLAG_TAKES},
    {"encoding", KIND(word), OF_PICTURE(base64), .applies = is_picture, .words = encodings, .takes = "base64"},

    {"auto", READ(word), OF_ANSWER(negotiate), .words = automatic, .takes = "format"},
    {"maxage", READ(age), OF_ANSWER(max_age_s),
     .takes = "a time from 1d to 1y such as 31d, with the unit h, d, w, M or y, or in seconds"},
    {"filename", READ(filename), OF_ANSWER(filename), .takes = "up to 100 letters, digits, -, _ and ."},
    {"default", READ(fallback), OF_ANSWER(fallback), .takes = "the path of a picture of the same origin, of up to 512 bytes"},
};
_Static_assert(sizeof(sluice_options_table) / sizeof(sluice_options_table[0]) <= SLUICE_OPTIONS_MAX, "too many options");
const size_t sluice_num_options = sizeof(sluice_options_table) / sizeof(sluice_options_table[0]);

static const struct {
    const char *synonym, *name;
} synonyms[] = {{"preset", "p"},  {"width", "w"}, {"height", "h"},    {"t", "fit"},     {"align", "a"}, {"or", "ro"},
                {"quality", "q"}, {"level", "l"}, {"lossless", "ll"}, {"fm", "output"}, {"pages", "n"}};

static const char *const foreign[] = {"mask", "shape", "mtrim", "strim", "mbg", "delay", "loop", "fsol", "url", "errorredirect"};

const sluice_option_t *sluice_option_find(const char *name)
{
    for (size_t i = 0; i != sizeof(synonyms) / sizeof(synonyms[0]); ++i)
        if (name[0] == synonyms[i].synonym[0] && strcmp(name, synonyms[i].synonym) == 0)
            name = synonyms[i].name;
    for (size_t i = 0; i != sluice_num_options; ++i)
        if (name[0] == sluice_options_table[i].name[0] && strcmp(name, sluice_options_table[i].name) == 0)
            return sluice_options_table + i;
    return NULL;
}

int sluice_option_is_foreign(const char *name)
{
    for (size_t i = 0; i != sizeof(foreign) / sizeof(foreign[0]); ++i)
        if (strcmp(name, foreign[i]) == 0)
            return 1;
    return 0;
}
