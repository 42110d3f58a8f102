/*
 * Many cameras and editors put the profile of sRGB into every picture. There are dozens of it, of different lengths and names, so
 * that it is told by its numbers: lcms takes longer to prepare the conversion, for each picture anew, than a thumbnail takes
 * besides.
 */
#include <math.h>
#include <string.h>
#include "module/byte_order.h"
#include "module/icc_profile.h"

#define HEADER_LEN 128
#define TAG_LEN 12
#define MAX_TAGS 100
#define PRIMARY_ERROR 0.0015 /* profiles are rounded differently */
#define CURVE_ERROR 0.0016   /* of the light: less than half a step of 8 bits, wherever the curve is at least that steep */

struct st_icc_t {
    const uint8_t *bytes;
    size_t len;
};

static double fixed(const uint8_t *p)
{
    return (int32_t)be32(p) / 65536.0;
}

static int is_text(const uint8_t *p, const char *four)
{
    return memcmp(p, four, 4) == 0;
}

/* a tag's data, of at least `min` bytes, and its length; NULL if there is none, or it is not all there */
static const uint8_t *find_tag(const struct st_icc_t *icc, const char *name, size_t min, size_t *len)
{
    uint32_t count = be32(icc->bytes + HEADER_LEN);

    for (uint32_t i = 0; i != count; ++i) {
        const uint8_t *tag = icc->bytes + HEADER_LEN + 4 + (size_t)i * TAG_LEN;
        uint32_t at = be32(tag + 4), size = be32(tag + 8);
        if (!is_text(tag, name))
            continue;
        if (size < min || at > icc->len || size > icc->len - at)
            return NULL;
        *len = size;
        return icc->bytes + at;
    }
    return NULL;
}

static int is_display_of_rgb(const struct st_icc_t *icc)
{
    if (icc->len < HEADER_LEN + 4 || !is_text(icc->bytes + 36, "acsp") || !is_text(icc->bytes + 12, "mntr") ||
        !is_text(icc->bytes + 16, "RGB ") || !is_text(icc->bytes + 20, "XYZ "))
        return 0;
    uint32_t count = be32(icc->bytes + HEADER_LEN);
    return count <= MAX_TAGS && icc->len >= HEADER_LEN + 4 + (size_t)count * TAG_LEN;
}

/* tables come before matrix and curves, if there are both */
static int has_tables(const struct st_icc_t *icc)
{
    static const char *const names[] = {"A2B0", "A2B1", "A2B2", "D2B0", "D2B1", "D2B2"};
    size_t len;

    for (size_t i = 0; i != sizeof(names) / sizeof(*names); ++i)
        if (find_tag(icc, names[i], 0, &len) != NULL)
            return 1;
    return 0;
}

static int has_primary(const struct st_icc_t *icc, const char *name, const double xyz[3])
{
    size_t len;
    const uint8_t *data = find_tag(icc, name, 20, &len);

    if (data == NULL || !is_text(data, "XYZ "))
        return 0;
    for (int i = 0; i != 3; ++i)
        if (fabs(fixed(data + 8 + 4 * i) - xyz[i]) > PRIMARY_ERROR)
            return 0;
    return 1;
}

static double srgb_light(double sample)
{
    return sample <= 0.04045 ? sample / 12.92 : pow((sample + 0.055) / 1.055, 2.4);
}

static int is_srgb_table(const uint8_t *data, size_t len)
{
    uint32_t count = be32(data + 8);

    if (count < 256 || count > 65536 || (len - 12) / 2 < count)
        return 0; /* one number is a gamma, and few are not precise enough */
    for (uint32_t i = 0; i != count; ++i) {
        double light = (data[12 + 2 * i] << 8 | data[13 + 2 * i]) / 65535.0;
        if (fabs(light - srgb_light((double)i / (count - 1))) > CURVE_ERROR)
            return 0;
    }
    return 1;
}

/* Y = (aX + b)^g where X >= d, else cX */
static int is_srgb_formula(const uint8_t *data, size_t len)
{
    static const double srgb[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};

    if (len < 12 + sizeof(srgb) / sizeof(*srgb) * 4 || data[8] != 0 || data[9] != 3)
        return 0;
    for (size_t i = 0; i != sizeof(srgb) / sizeof(*srgb); ++i)
        if (fabs(fixed(data + 12 + 4 * i) - srgb[i]) > 0.0002)
            return 0;
    return 1;
}

static int has_curve(const struct st_icc_t *icc, const char *name)
{
    size_t len;
    const uint8_t *data = find_tag(icc, name, 12, &len);

    if (data == NULL)
        return 0;
    return is_text(data, "curv") ? is_srgb_table(data, len) : is_text(data, "para") && is_srgb_formula(data, len);
}

int sluice_icc_profile_is_srgb(const void *bytes, size_t len)
{
    /* under the light that profiles relate to, D50 */
    static const double red[] = {0.4361, 0.2225, 0.0139}, green[] = {0.3851, 0.7169, 0.0971}, blue[] = {0.1431, 0.0606, 0.7141};
    const struct st_icc_t icc = {bytes, len};

    return is_display_of_rgb(&icc) && !has_tables(&icc) && has_primary(&icc, "rXYZ", red) && has_primary(&icc, "gXYZ", green) &&
           has_primary(&icc, "bXYZ", blue) && has_curve(&icc, "rTRC") && has_curve(&icc, "gTRC") && has_curve(&icc, "bTRC");
}
