/*
 * svg_tokens.h - the tags of a drawing (SVG), one after the other. Pure; allocates nothing, and takes time by the bytes.
 *
 * Knows tags, comments and quotes, and no more of XML. What it cannot see through, it refuses: entities that are not short plain
 * text, style sheets from elsewhere, encodings in which a tag can be something else than `<` and its name, and what has no end.
 */
#ifndef module__svg_tokens_h
#define module__svg_tokens_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_SVG_HEADER_BYTES 1000 /* within which libvips looks for <svg, too */

/**
 * whether a text begins as a drawing does: byte order mark, spaces, XML declaration, comments, DOCTYPE, and <svg in the first KB
 */
int sluice_svg_is(const uint8_t *bytes, size_t len);
/**
 * whether what begins with this byte may turn out to be a drawing when SLUICE_SVG_HEADER_BYTES are there
 */
int sluice_svg_may_be(uint8_t first);

/**
 * what is left to read
 */
typedef struct st_sluice_svg_text_t {
    const uint8_t *at, *end;
} sluice_svg_text_t;

/**
 * points into the text
 */
typedef struct st_sluice_svg_tag_t {
    const uint8_t *name, *rest, *end; /* the attributes are from rest to end */
    size_t name_len;                  /* without a prefix */
    int closing, empty;
} sluice_svg_tag_t;

/**
 * the next element's tag, which is taken off the text. Returns 1, 0 at the end, or -1 for what is refused
 */
int sluice_svg_next_tag(sluice_svg_text_t *text, sluice_svg_tag_t *tag);
int sluice_svg_tag_is(const sluice_svg_tag_t *tag, const char *name);
/**
 * @param names up to a NULL
 */
int sluice_svg_tag_is_one_of(const sluice_svg_tag_t *tag, const char *const *names);

static inline int sluice_svg_is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

#endif
