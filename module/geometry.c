#include <math.h>
#include "module/geometry.h"

static const double pi = 3.14159265358979323846;

static uint32_t min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static sluice_size_t swap_if(sluice_size_t size, int condition)
{
    return condition ? (sluice_size_t){size.height, size.width} : size;
}

static sluice_area_t all_of(sluice_size_t size)
{
    return (sluice_area_t){0, 0, size.width, size.height};
}

static sluice_size_t size_of(sluice_area_t area)
{
    return (sluice_size_t){area.width, area.height};
}

int sluice_area_is_all(sluice_area_t area, sluice_size_t size)
{
    return area.width == size.width && area.height == size.height;
}

/* ---- turns: degrees clockwise, then perhaps a mirror from left to right ---- */

struct st_turn_t {
    uint32_t degrees;
    int mirror;
};

/* a mirror makes whatever turn follows it one in the other direction */
static struct st_turn_t and_then(struct st_turn_t first, struct st_turn_t second)
{
    uint32_t degrees = first.mirror ? 360 - second.degrees : second.degrees;

    return (struct st_turn_t){(first.degrees + degrees) % 360, first.mirror != second.mirror};
}

static struct st_turn_t turn_upright(int orientation)
{
    static const struct st_turn_t turns[9] = {{0, 0}, {0, 0}, {0, 1}, {180, 0}, {180, 1}, {90, 1}, {90, 0}, {270, 1}, {270, 0}};

    return orientation >= 1 && orientation <= 8 ? turns[orientation] : turns[0];
}

static int lies(struct st_turn_t turn)
{
    return turn.degrees % 180 != 0;
}

static int is_right_angle(uint32_t rotation)
{
    return rotation % 90 == 0;
}

/* what makes the stored picture the one that is seen, but for a rotation by other than right angles */
static struct st_turn_t turn_of(int orientation, const sluice_options_t *options)
{
    static const struct st_turn_t flip = {180, 1}, flop = {0, 1};
    struct st_turn_t turn = turn_upright(orientation);

    if (is_right_angle(options->rotation))
        turn = and_then(turn, (struct st_turn_t){options->rotation, 0});
    if (options->flip)
        turn = and_then(turn, flip);
    return options->flop ? and_then(turn, flop) : turn;
}

/* the area in the stored picture that is `seen` in the turned one, which is as large as `turned` */
static sluice_area_t as_stored(sluice_area_t seen, sluice_size_t turned, struct st_turn_t turn)
{
    uint32_t left = turn.mirror ? turned.width - seen.left - seen.width : seen.left;
    uint32_t right = turned.width - left - seen.width, bottom = turned.height - seen.top - seen.height;

    switch (turn.degrees) {
    case 90:
        return (sluice_area_t){seen.top, right, seen.height, seen.width};
    case 180:
        return (sluice_area_t){right, bottom, seen.width, seen.height};
    case 270:
        return (sluice_area_t){bottom, left, seen.height, seen.width};
    default:
        return (sluice_area_t){left, seen.top, seen.width, seen.height};
    }
}

/* ---- scaling ---- */

/* side x numerator / denominator */
static uint32_t scale_side(uint32_t side, uint32_t numerator, uint32_t denominator)
{
    uint64_t product = (uint64_t)side * numerator, whole = product / denominator, twice_rest = product % denominator * 2;

    whole += twice_rest > denominator || (twice_rest == denominator && whole % 2 == 1);
    if (whole == 0)
        return 1;
    return whole > UINT32_MAX ? UINT32_MAX : (uint32_t)whole;
}

static uint32_t pixels(sluice_length_t length, uint32_t base)
{
    uint32_t n = sluice_length_pixels(length, base);

    return n == 0 && length.amount != 0 ? 1 : n;
}

/* the sides that are asked for, of the picture as it is seen; 0: not given */
static sluice_size_t box_of(sluice_size_t stored, int orientation, const sluice_options_t *options)
{
    struct st_turn_t upright = turn_upright(orientation), turn = turn_of(orientation, options);
    sluice_size_t meant_of = swap_if(stored, lies(options->crop_first ? turn : upright));
    sluice_size_t box = {pixels(options->width, meant_of.width), pixels(options->height, meant_of.height)};

    return swap_if(box, !options->crop_first && lies(turn) != lies(upright));
}

/* of two sides that are given, whether the width decides */
static int width_decides(sluice_size_t size, sluice_size_t box, sluice_fit_t fit)
{
    uint64_t by_width = (uint64_t)box.width * size.height, by_height = (uint64_t)box.height * size.width;

    if (box.width == 0 || box.height == 0)
        return box.height == 0;
    return fit == SLUICE_FIT_OUTSIDE || fit == SLUICE_FIT_COVER ? by_width > by_height : by_width < by_height;
}

static sluice_size_t fill(sluice_size_t size, sluice_size_t box, int without_enlargement)
{
    sluice_size_t filled = {box.width != 0 ? box.width : size.width, box.height != 0 ? box.height : size.height};

    return without_enlargement ? (sluice_size_t){min(filled.width, size.width), min(filled.height, size.height)} : filled;
}

static sluice_size_t scale(sluice_size_t size, sluice_size_t box, const sluice_options_t *options)
{
    if (options->fit == SLUICE_FIT_FILL)
        return fill(size, box, options->without_enlargement);
    int by_width = width_decides(size, box, options->fit);
    uint32_t wanted = by_width ? box.width : box.height, given = by_width ? size.width : size.height;
    if (wanted == 0 || wanted == given || (options->without_enlargement && wanted > given))
        return size;
    return (sluice_size_t){scale_side(size.width, wanted, given), scale_side(size.height, wanted, given)};
}

/* ---- cropping ---- */

/* half of what is left over; at the end; or by the focal point */
static uint32_t align(uint32_t left_over, int at_end, int in_middle)
{
    return at_end ? left_over : in_middle ? left_over / 2 : 0;
}

static int at_right(sluice_align_t a)
{
    return a == SLUICE_ALIGN_RIGHT || a == SLUICE_ALIGN_TOP_RIGHT || a == SLUICE_ALIGN_BOTTOM_RIGHT;
}

static int at_bottom(sluice_align_t a)
{
    return a == SLUICE_ALIGN_BOTTOM || a == SLUICE_ALIGN_BOTTOM_LEFT || a == SLUICE_ALIGN_BOTTOM_RIGHT;
}

static int at_left(sluice_align_t a)
{
    return a == SLUICE_ALIGN_LEFT || a == SLUICE_ALIGN_TOP_LEFT || a == SLUICE_ALIGN_BOTTOM_LEFT;
}

static int at_top(sluice_align_t a)
{
    return a == SLUICE_ALIGN_TOP || a == SLUICE_ALIGN_TOP_LEFT || a == SLUICE_ALIGN_TOP_RIGHT;
}

/* to the nearest, from the middle up; negative numbers are 0 */
static uint32_t divide(int64_t numerator, int64_t denominator)
{
    int64_t twice = 2 * numerator + denominator;

    return twice < 0 ? 0 : (uint32_t)(twice / (2 * denominator));
}

/*
 * where a part begins of which `share` shall be the middle, as far as there is room: `exact` x numerator / denominator is as long
 * as the whole, and not rounded
 */
static uint32_t focus(uint32_t share, uint32_t exact, uint32_t numerator, uint32_t denominator, uint32_t part, uint32_t whole)
{
    int64_t twice_middle = (int64_t)2 * share * exact * numerator, half_part = (int64_t)10000 * part * denominator;

    return min(divide(twice_middle - half_part, (int64_t)20000 * denominator), whole - part);
}

static sluice_area_t place_focus(sluice_size_t size, sluice_size_t scaled, sluice_size_t part, const sluice_options_t *options)
{
    int by_width = (uint64_t)size.width * part.height < (uint64_t)size.height * part.width;
    uint32_t numerator = by_width ? part.width : part.height, denominator = by_width ? size.width : size.height;

    return (sluice_area_t){focus(options->focal_x, size.width, numerator, denominator, part.width, scaled.width),
                           focus(options->focal_y, size.height, numerator, denominator, part.height, scaled.height), part.width,
                           part.height};
}

static sluice_area_t place(sluice_size_t size, sluice_size_t part, sluice_align_t a)
{
    return (sluice_area_t){align(size.width - part.width, at_right(a), !at_left(a)),
                           align(size.height - part.height, at_bottom(a), !at_top(a)), part.width, part.height};
}

static int is_found(sluice_align_t a)
{
    return a == SLUICE_ALIGN_ENTROPY || a == SLUICE_ALIGN_ATTENTION;
}

static int is_cropped(const sluice_options_t *options)
{
    return (options->crop_x.amount | options->crop_y.amount | options->crop_width.amount | options->crop_height.amount) != 0;
}

static void crop_side(sluice_length_t at, sluice_length_t length, uint32_t side, uint32_t *start, uint32_t *rest)
{
    uint32_t wanted = pixels(length, side);

    *start = sluice_length_pixels(at, side);
    if (*start >= side)
        *start = 0;
    *rest = side - *start;
    if (wanted != 0)
        *rest = min(*rest, wanted);
}

/* cx, cy, cw and ch, of what `area` is of a picture */
static sluice_area_t crop(sluice_area_t area, const sluice_options_t *options)
{
    sluice_area_t inner;

    if (!is_cropped(options))
        return area;
    crop_side(options->crop_x, options->crop_width, area.width, &inner.left, &inner.width);
    crop_side(options->crop_y, options->crop_height, area.height, &inner.top, &inner.height);
    inner.left += area.left;
    inner.top += area.top;
    return inner;
}

/* ---- the canvas ---- */

static uint32_t on_canvas(uint32_t share, uint32_t left_over)
{
    return divide((int64_t)share * left_over, 10000);
}

static sluice_area_t extend(sluice_size_t size, sluice_size_t box, const sluice_options_t *options)
{
    sluice_size_t canvas = {box.width > size.width ? box.width : size.width, box.height > size.height ? box.height : size.height};
    sluice_area_t area = place(canvas, size, options->align);

    if (options->align == SLUICE_ALIGN_FOCAL) {
        area.left = on_canvas(options->focal_x, canvas.width - size.width);
        area.top = on_canvas(options->focal_y, canvas.height - size.height);
    }
    return (sluice_area_t){area.left, area.top, canvas.width, canvas.height};
}

/* the box around it, as libvips rounds it */
static sluice_size_t rotate(sluice_size_t size, uint32_t degrees)
{
    double angle = degrees * pi / 180, across = fabs(cos(angle)), along = fabs(sin(angle));

    return (sluice_size_t){(uint32_t)floor(size.width * across + size.height * along + 0.5),
                           (uint32_t)floor(size.width * along + size.height * across + 0.5)};
}

/* ---- all of it ---- */

static void set_turn(struct st_turn_t turn, const sluice_options_t *options, sluice_geometry_t *geometry)
{
    geometry->turn = turn.degrees;
    geometry->mirror = turn.mirror;
    geometry->angle = is_right_angle(options->rotation) ? 0 : options->rotation;
}

/* from what is left of the picture, turned */
static void set_answer(sluice_size_t seen, sluice_size_t box, const sluice_options_t *options, sluice_geometry_t *geometry)
{
    geometry->answer = seen;
    if (options->fit == SLUICE_FIT_CONTAIN) {
        sluice_area_t canvas = extend(seen, box, options);
        if (!sluice_area_is_all(canvas, seen))
            geometry->canvas = canvas;
        geometry->answer = size_of(canvas);
    }
    if (geometry->angle != 0)
        geometry->answer = rotate(geometry->answer, geometry->angle);
}

void sluice_geometry_make(sluice_size_t stored, sluice_area_t trimmed, int orientation, const sluice_options_t *options,
                          sluice_geometry_t *geometry)
{
    struct st_turn_t turn = turn_of(orientation, options);
    sluice_size_t box = box_of(stored, orientation, options), seen = swap_if(size_of(trimmed), lies(turn));
    sluice_area_t first = options->crop_first ? crop(all_of(seen), options) : all_of(seen);

    *geometry = (sluice_geometry_t){.source = as_stored(first, seen, turn)};
    geometry->source.left += trimmed.left;
    geometry->source.top += trimmed.top;
    sluice_size_t before = size_of(first), scaled = scale(before, box, options);
    geometry->scaled = swap_if(scaled, lies(turn));
    set_turn(turn, options, geometry);

    sluice_size_t covered = scaled;
    if (options->fit == SLUICE_FIT_COVER)
        covered = (sluice_size_t){box.width != 0 ? min(box.width, scaled.width) : scaled.width,
                                  box.height != 0 ? min(box.height, scaled.height) : scaled.height};
    int find = is_found(options->align) && !sluice_area_is_all(all_of(covered), scaled);
    sluice_area_t kept = find                                   ? all_of(covered)
                         : options->align == SLUICE_ALIGN_FOCAL ? place_focus(before, scaled, covered, options)
                                                                : place(scaled, covered, options->align);
    if (!options->crop_first)
        kept = crop(kept, options);
    if (find) {
        geometry->kept = all_of(geometry->scaled);
        geometry->found = covered;
        geometry->part = kept;
    } else {
        geometry->kept = as_stored(kept, scaled, turn);
    }
    set_answer(size_of(kept), box, options, geometry);
}
