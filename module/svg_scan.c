/*
 * Two passes over the tags. The first counts, and notes the names that are referred to and those of elements that may be drawn, as
 * bits by their hash: two names with the same bit make a drawing look worse than it is, never better. The second looks what is in
 * elements that are referred to.
 */
#include <string.h>
#include <strings.h>
#include "module/picture_facts.h"
#include "module/svg_scan.h"
#include "module/svg_tokens.h"

#define NAME_BITS 65536
#define ELEMENT_BYTES 2048 /* of the tree; 1250 were measured */
#define TREE_FACTOR 32     /* bytes of the tree for each byte of text, which may be a number */
#define TEXT_FACTOR 64     /* bytes of edges for each byte of text, which may be a line */
#define PATH_FACTOR 2048   /* and of a path, which may be a curve of many lines */
#define FONT_BYTES (UINT64_C(8) << 20)
#define IMAGE_PIXEL_BYTES 16 /* decoded, converted, and on the way */
#define DRAWN_AGAIN 1000000  /* references, times elements in what is referred to */
#define STYLE_WORK 5000000   /* selectors, times elements, times depth */
#define EFFECT_SURFACES 2    /* of an element that is faded, clipped, masked and filtered */
#define MAX_DEPTH 256        /* libxml2 reads no deeper ones */

struct st_scan_t {
    uint8_t referred[NAME_BITS / 8], drawn[NAME_BITS / 8];
    uint64_t image_pixels, rules, path_bytes;
    uint32_t elements, depth, primitives;
    uint32_t chain;   /* how many elements may be referred to, one from within the other */
    uint32_t effects; /* how often it is said that something is drawn apart first */
    int fonts, markers, sheet, sheet_refers;
};

static int ends_reference(uint8_t c)
{
    return sluice_svg_is_space(c) || c == '"' || c == '\'' || c == ')';
}

/* by another spelling */
static int name_is_hidden(const uint8_t *at, const uint8_t *end)
{
    for (; at < end && !ends_reference(*at); ++at)
        if (*at == '&' || *at == '%')
            return 1;
    return 0;
}

static uint32_t hash_name(const uint8_t *at, const uint8_t *end)
{
    uint32_t hash = 2166136261u;

    for (; at < end && !ends_reference(*at); ++at)
        hash = (hash ^ *at) * 16777619u;
    return (hash ^ hash >> 16) % NAME_BITS;
}

static int has(const uint8_t *bits, uint32_t n)
{
    return bits[n / 8] >> n % 8 & 1;
}

static void set(uint8_t *bits, uint32_t n)
{
    bits[n / 8] |= (uint8_t)(1 << n % 8);
}

/* calls `seen` with each id: what looks like one in the text of another attribute counts, too. Returns -1 if one is hidden */
static int each_id(const sluice_svg_tag_t *tag, void (*seen)(void *ctx, uint32_t name), void *ctx)
{
    const uint8_t *at = tag->rest;

    while ((at = memmem(at, (size_t)(tag->end - at), "id", 2)) != NULL) {
        int begins = at != tag->rest && (sluice_svg_is_space(at[-1]) || at[-1] == ':');
        for (at += 2; at < tag->end && sluice_svg_is_space(*at); ++at)
            ;
        if (!begins || at == tag->end || *at != '=')
            continue;
        for (++at; at < tag->end && sluice_svg_is_space(*at); ++at)
            ;
        if (at == tag->end)
            return 0;
        if (name_is_hidden(++at, tag->end))
            return -1;
        seen(ctx, hash_name(at, tag->end));
    }
    return 0;
}

static int note_references(struct st_scan_t *scan, const uint8_t *at, const uint8_t *end)
{
    while ((at = memchr(at, '#', (size_t)(end - at))) != NULL) {
        if (name_is_hidden(++at, end))
            return -1;
        set(scan->referred, hash_name(at, end));
    }
    return 0;
}

/* to what may be drawn */
static uint32_t count_references(const struct st_scan_t *scan, const uint8_t *at, const uint8_t *end)
{
    uint32_t count = 0;

    while ((at = memchr(at, '#', (size_t)(end - at))) != NULL) {
        ++at;
        count += (uint32_t)has(scan->drawn, hash_name(at, end));
    }
    return count;
}

static int base64_value(uint8_t c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != 0 ? strchr(digits, c) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* a picture within the drawing; what is only named is not fetched */
static int check_image(struct st_scan_t *scan, const sluice_svg_tag_t *tag)
{
    const uint8_t *at = memmem(tag->rest, (size_t)(tag->end - tag->rest), "data:", 5), *comma;
    uint8_t decoded[4096];
    size_t len = 0;
    uint32_t bits = 0, num_bits = 0;
    sluice_picture_facts_t facts;

    if (at == NULL) { /* the scheme may be in capitals, or an entity */
        for (at = tag->rest; tag->end - at >= 5; ++at)
            if (strncasecmp((const char *)at, "data:", 5) == 0 || (*at == '&' && memcmp(at, "&amp;", 5) != 0))
                return -1;
        return 0;
    }
    if (memmem(at + 5, (size_t)(tag->end - at - 5), "data:", 5) != NULL ||
        (comma = memchr(at, ',', (size_t)(tag->end - at))) == NULL || comma - at < 7 || memcmp(comma - 7, ";base64", 7) != 0)
        return -1;
    for (at = comma + 1; at < tag->end && len != sizeof(decoded); ++at) {
        int value = base64_value(*at);
        if (sluice_svg_is_space(*at))
            continue;
        if (value < 0)
            break;
        bits = bits << 6 | (uint32_t)value;
        if ((num_bits += 6) >= 8)
            decoded[len++] = (uint8_t)(bits >> (num_bits -= 8));
    }
    sluice_picture_sniff(decoded, len, &facts);
    if ((facts.format != SLUICE_FORMAT_PNG && facts.format != SLUICE_FORMAT_JPEG) || facts.width == 0 || facts.height == 0 ||
        facts.width > SLUICE_SVG_MAX_IMAGE_PIXELS / facts.height)
        return -1;
    scan->image_pixels += facts.width * facts.height;
    return scan->image_pixels <= SLUICE_SVG_MAX_IMAGE_PIXELS ? 0 : -1;
}

static int hides_something(const sluice_svg_tag_t *tag)
{
    size_t len = (size_t)(tag->end - tag->rest);

    return memchr(tag->rest, '\\', len) != NULL || memmem(tag->rest, len, "&#", 2) != NULL;
}

static void note_drawn(void *_scan, uint32_t name)
{
    struct st_scan_t *scan = _scan;

    set(scan->drawn, name);
}

static int count_tag(struct st_scan_t *scan, const sluice_svg_tag_t *tag)
{
    static const char *const refused[] = {"pattern", "feImage", "feConvolveMatrix", "feTurbulence", "feMorphology",
                                          "include", NULL};
    static const char *const not_drawn[] = {"linearGradient", "radialGradient", "stop", "filter", NULL};

    if (++scan->elements > SLUICE_SVG_MAX_ELEMENTS || sluice_svg_tag_is_one_of(tag, refused) || hides_something(tag))
        return -1;
    if (tag->name_len > 2 && memcmp(tag->name, "fe", 2) == 0 && ++scan->primitives > SLUICE_SVG_MAX_PRIMITIVES)
        return -1;
    scan->fonts |= sluice_svg_tag_is(tag, "text");
    scan->markers |= sluice_svg_tag_is(tag, "marker");
    if (sluice_svg_tag_is(tag, "path"))
        scan->path_bytes += (uint64_t)(tag->end - tag->rest);
    if (note_references(scan, tag->rest, tag->end) != 0 ||
        (!sluice_svg_tag_is_one_of(tag, not_drawn) && each_id(tag, note_drawn, scan) != 0))
        return -1;
    return sluice_svg_tag_is(tag, "image") ? check_image(scan, tag) : 0;
}

/* the text of a style sheet */
static int count_sheet(struct st_scan_t *scan, const uint8_t *at, const uint8_t *end)
{
    size_t len = (size_t)(end - at);

    if (memchr(at, '\\', len) != NULL || memmem(at, len, "&#", 2) != NULL || memchr(at, '@', len) != NULL)
        return -1;
    scan->sheet = 1;
    for (const uint8_t *p = at; p != end; ++p)
        scan->rules += *p == '{' || *p == ','; /* selectors, at most */
    scan->sheet_refers |= memmem(at, len, "url(", 4) != NULL;
    return note_references(scan, at, end);
}

static int count_all(struct st_scan_t *scan, sluice_svg_text_t text)
{
    const uint8_t *sheet = NULL;
    sluice_svg_tag_t tag;
    uint32_t depth = 0;
    int more;

    while ((more = sluice_svg_next_tag(&text, &tag)) > 0) {
        if (sheet != NULL && (!tag.closing || count_sheet(scan, sheet, tag.name) != 0))
            return -1;
        sheet = !tag.closing && !tag.empty && sluice_svg_tag_is(&tag, "style") ? text.at : NULL;
        if (tag.closing) {
            depth -= depth != 0;
            continue;
        }
        if (count_tag(scan, &tag) != 0 || (!tag.empty && ++depth > MAX_DEPTH))
            return -1;
        if (depth + 1 > scan->depth)
            scan->depth = depth + 1;
    }
    return more;
}

/* without these nothing is drawn on a surface of its own */
static void count_effects(struct st_scan_t *scan, sluice_svg_text_t text)
{
    static const char *const words[] = {"opacity", "mask", "filter", "clip", "blend", "isolation"};

    for (; text.at != text.end; ++text.at)
        for (size_t i = 0; i != sizeof(words) / sizeof(words[0]); ++i) {
            size_t len = strlen(words[i]);
            if ((*text.at | 0x20) == words[i][0] && (size_t)(text.end - text.at) >= len &&
                strncasecmp((const char *)text.at, words[i], len) == 0)
                ++scan->effects;
        }
}

struct st_referred_t {
    const struct st_scan_t *scan;
    int found;
};

static void look_up(void *_referred, uint32_t name)
{
    struct st_referred_t *referred = _referred;

    referred->found |= has(referred->scan->referred, name) && has(referred->scan->drawn, name);
}

static int is_referred_to(const struct st_scan_t *scan, const sluice_svg_tag_t *tag)
{
    struct st_referred_t referred = {scan, 0};

    each_id(tag, look_up, &referred);
    return referred.found;
}

/* what is referred to may refer on once: then a drawing of n elements draws n of them for each reference at most */
static int check_nesting(struct st_scan_t *scan, sluice_svg_text_t text)
{
    sluice_svg_tag_t tag;
    uint64_t drawn_again = 0, all_references = scan->markers ? (uint64_t)(text.end - text.at) / 2 : 0; /* one for each corner */
    uint32_t depth = 0, inside_from = 0, references = 0;

    while (sluice_svg_next_tag(&text, &tag) > 0) {
        if (tag.closing) {
            depth -= depth != 0;
            if (depth < inside_from)
                inside_from = 0;
            continue;
        }
        int begins = inside_from == 0 && is_referred_to(scan, &tag);
        uint32_t own = count_references(scan, tag.rest, tag.end);
        all_references += own == 0 && scan->sheet_refers ? 1 : own;
        if (begins)
            references = 0;
        if (inside_from != 0 || begins) {
            ++drawn_again;
            own = own == 0 && !begins && scan->sheet_refers ? 1 : own; /* it may have any class */
            scan->chain += own != 0;
            if ((references += own) > 1)
                return -1;
        }
        depth += !tag.empty;
        if (begins && !tag.empty)
            inside_from = depth;
    }
    return all_references * drawn_again <= DRAWN_AGAIN ? 0 : -1;
}

static uint32_t count_surfaces(const struct st_scan_t *scan)
{
    uint64_t levels = (uint64_t)scan->depth * (scan->chain + 2), surfaces = 4;

    levels = levels < scan->elements ? levels : scan->elements;
    if (scan->effects != 0)
        surfaces += EFFECT_SURFACES * (!scan->sheet && scan->effects < levels ? scan->effects : levels);
    return (uint32_t)surfaces + (scan->primitives != 0 ? scan->primitives + EFFECT_SURFACES : 0);
}

int sluice_svg_scan(const uint8_t *bytes, size_t len, sluice_svg_cost_t *cost)
{
    sluice_svg_text_t text = {bytes, bytes + len};
    struct st_scan_t scan = {.elements = 0};

    *cost = (sluice_svg_cost_t){0};
    if (len > SLUICE_SVG_MAX_BYTES || memchr(bytes, 0, len) != NULL || count_all(&scan, text) != 0 ||
        check_nesting(&scan, text) != 0 || scan.rules * scan.elements * scan.depth > STYLE_WORK)
        return -1;
    scan.sheet |= memmem(bytes, len, "<!ENTITY", 8) != NULL; /* one may be a property, and be used often */
    count_effects(&scan, text);
    cost->tree_bytes = (uint64_t)scan.elements * ELEMENT_BYTES + (uint64_t)len * TREE_FACTOR;
    cost->draw_bytes = (uint64_t)len * TEXT_FACTOR + scan.path_bytes * PATH_FACTOR + (scan.fonts ? FONT_BYTES : 0) +
                       scan.image_pixels * IMAGE_PIXEL_BYTES;
    cost->surfaces = count_surfaces(&scan);
    return 0;
}
