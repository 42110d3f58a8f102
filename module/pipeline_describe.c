#include <jansson.h>
#include <math.h>
#include <string.h>
#include "module/pipeline.h"

static const char *format_name(sluice_format_t format)
{
    switch (format) {
    case SLUICE_FORMAT_JPEG:
        return "jpeg";
    case SLUICE_FORMAT_AVIF:
        return "heif";
    default:
        return sluice_format_name(format);
    }
}

static void put_string(VipsImage *image, const char *field, json_t *facts, const char *name)
{
    const char *text;

    if (vips_image_get_typeof(image, field) != 0 && vips_image_get_string(image, field, &text) == 0)
        json_object_set_new(facts, name, json_string(text));
}

static void put_int(VipsImage *image, const char *field, json_t *facts, const char *name)
{
    int value;

    if (vips_image_get_typeof(image, field) != 0 && vips_image_get_int(image, field, &value) == 0)
        json_object_set_new(facts, name, json_integer(value));
}

static void put_delays(VipsImage *image, json_t *facts)
{
    int *delays_ms, count;

    if (vips_image_get_typeof(image, "delay") == 0 || vips_image_get_array_int(image, "delay", &delays_ms, &count) != 0)
        return;
    json_t *list = json_array();
    for (int i = 0; i != count; ++i)
        json_array_append_new(list, json_integer(delays_ms[i]));
    json_object_set_new(facts, "delay", list);
}

static void put_pages(VipsImage *image, json_t *facts)
{
    put_int(image, VIPS_META_N_PAGES, facts, "pages");
    if (vips_image_get_n_pages(image) == 1)
        return;
    json_object_set_new(facts, "pageHeight", json_integer(vips_image_get_page_height(image)));
    put_int(image, "loop", facts, "loop");
    put_delays(image, facts);
    put_int(image, "heif-primary", facts, "pagePrimary");
}

static void put_density(VipsImage *image, json_t *facts)
{
    double per_mm = vips_image_get_xres(image);

    if (per_mm > 1)
        json_object_set_new(facts, "density", json_integer((json_int_t)rint(per_mm * 25.4)));
}

static json_t *describe(VipsImage *image, const sluice_plan_t *plan)
{
    json_t *facts = json_object();

    json_object_set_new(facts, "format", json_string(format_name(plan->facts.format)));
    json_object_set_new(facts, "width", json_integer(vips_image_get_width(image)));
    json_object_set_new(facts, "height", json_integer(vips_image_get_page_height(image)));
    json_object_set_new(facts, "space",
                        json_string(vips_enum_nick(VIPS_TYPE_INTERPRETATION, vips_image_get_interpretation(image))));
    json_object_set_new(facts, "channels", json_integer(vips_image_get_bands(image)));
    json_object_set_new(facts, "depth", json_string(vips_enum_nick(VIPS_TYPE_BAND_FORMAT, vips_image_get_format(image))));
    put_density(image, facts);
    put_string(image, "jpeg-chroma-subsample", facts, "chromaSubsampling");
    json_object_set_new(facts, "isProgressive", json_boolean(vips_image_get_typeof(image, "interlaced") != 0));
    put_int(image, "palette-bit-depth", facts, "paletteBitDepth");
    put_string(image, "heif-compression", facts, "compression");
    put_pages(image, facts);
    json_object_set_new(facts, "hasProfile", json_boolean(vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0));
    json_object_set_new(facts, "hasAlpha", json_boolean(vips_image_hasalpha(image)));
    json_object_set_new(
        facts, "orientation",
        json_integer(vips_image_get_typeof(image, VIPS_META_ORIENTATION) != 0 ? vips_image_get_orientation(image) : 0));
    return facts;
}

int sluice_pipeline_describe(VipsImage *image, const sluice_plan_t *plan, void **out, size_t *out_len)
{
    json_t *facts = describe(image, plan);
    char *text = json_dumps(facts, JSON_COMPACT);

    json_decref(facts);
    if (text == NULL)
        return -1;
    *out = g_strdup(text);
    *out_len = strlen(text);
    free(text);
    return 0;
}
