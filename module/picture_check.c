#include "module/picture_check.h"
#include "module/svg_scan.h"
#include "module/svg_tokens.h"

#define SIGNATURE_BYTES 12 /* of the longest one, so that with so many a format that we read is known */

sluice_error_t sluice_picture_check_need(const sluice_picture_facts_t *facts, const sluice_check_t *check, uint64_t *need_bytes)
{
    uint64_t least = sluice_transform_least(facts), need;

    if (__builtin_add_overflow(least, check->source_bytes, &need))
        need = UINT64_MAX;
    if (need <= check->largest_bytes)
        return SLUICE_OK;
    *need_bytes = need;
    return SLUICE_ERROR_SOURCE_NEVER_FITS;
}

sluice_error_t sluice_picture_check(const uint8_t *bytes, size_t len, const sluice_check_t *check, uint64_t *need_bytes)
{
    sluice_picture_facts_t facts;

    if (len < SIGNATURE_BYTES)
        return SLUICE_OK;
    sluice_picture_sniff(bytes, len, &facts);
    if (facts.format == SLUICE_FORMAT_NONE && check->svg && len < SLUICE_SVG_HEADER_BYTES && sluice_svg_may_be(bytes[0]))
        return SLUICE_OK; /* so far */
    if (facts.format == SLUICE_FORMAT_NONE || (facts.format == SLUICE_FORMAT_SVG && !check->svg))
        return SLUICE_ERROR_NOT_AN_IMAGE;
    if (facts.format == SLUICE_FORMAT_SVG && check->source_bytes > SLUICE_SVG_MAX_BYTES)
        return SLUICE_ERROR_SOURCE_TOO_LARGE;
    if (facts.height != 0 && facts.width > check->max_pixels / facts.height)
        return SLUICE_ERROR_TOO_MANY_PIXELS;
    return sluice_picture_check_need(&facts, check, need_bytes);
}
