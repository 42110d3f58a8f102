#include <string.h>
#include <strings.h>
#include "module/svg_tokens.h"

#define ENTITY_BYTES 256

static int starts(const sluice_svg_text_t *text, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(text->end - text->at) >= len && memcmp(text->at, word, len) == 0;
}

static int skip_past(sluice_svg_text_t *text, const char *word)
{
    const uint8_t *found = memmem(text->at, (size_t)(text->end - text->at), word, strlen(word));

    if (found == NULL)
        return -1;
    text->at = found + strlen(word);
    return 0;
}

static int ends_name(uint8_t c)
{
    return sluice_svg_is_space(c) || c == '>' || c == '/';
}

/* an entity may be short text that cannot be a tag, another entity or a reference */
static int check_entity(sluice_svg_text_t *text)
{
    const uint8_t *from = text->at, *quote, *close;

    while (text->at < text->end && *text->at != '"' && *text->at != '\'' && *text->at != '>')
        ++text->at;
    if (text->at == text->end || *text->at == '>')
        return -1;
    for (quote = from; quote != text->at; ++quote)
        if (*quote == '%' || (text->at - quote >= 6 && (memcmp(quote, "SYSTEM", 6) == 0 || memcmp(quote, "PUBLIC", 6) == 0)))
            return -1;
    quote = text->at + 1;
    if ((close = memchr(quote, *text->at, (size_t)(text->end - quote))) == NULL || close - quote > ENTITY_BYTES)
        return -1;
    for (text->at = quote; text->at != close; ++text->at)
        if (memchr("<&#(\\%", *text->at, 6) != NULL)
            return -1;
    ++text->at;
    return skip_past(text, ">");
}

/* behind <!DOCTYPE: up to its end. Of what it may declare only entities are known */
static int skip_doctype(sluice_svg_text_t *text)
{
    while (text->at < text->end && *text->at != '>' && *text->at != '[') {
        const uint8_t *close;
        if ((*text->at == '"' || *text->at == '\'')) {
            if ((close = memchr(text->at + 1, *text->at, (size_t)(text->end - text->at - 1))) == NULL)
                return -1;
            text->at = close;
        }
        ++text->at;
    }
    if (text->at == text->end)
        return -1;
    if (*text->at++ == '>')
        return 0;
    for (;;) {
        while (text->at < text->end && sluice_svg_is_space(*text->at))
            ++text->at;
        if (starts(text, "]"))
            return skip_past(text, ">");
        if (starts(text, "<!--")) {
            if (skip_past(text, "-->") != 0)
                return -1;
        } else if (starts(text, "<!ENTITY")) {
            text->at += 8;
            if (check_entity(text) != 0)
                return -1;
        } else {
            return -1;
        }
    }
}

/* `<`, and the names of tags, are what they look like in these only */
static int check_declaration(const uint8_t *at, const uint8_t *end)
{
    static const char *const encodings[] = {"utf-8", "us-ascii", "iso-8859-1"};
    const uint8_t *found = memmem(at, (size_t)(end - at), "encoding", 8);

    if (found == NULL)
        return 0;
    for (found += 8; found < end && (sluice_svg_is_space(*found) || *found == '=' || *found == '"' || *found == '\''); ++found)
        ;
    for (size_t i = 0; i != sizeof(encodings) / sizeof(encodings[0]); ++i) {
        size_t len = strlen(encodings[i]);
        if ((size_t)(end - found) > len && strncasecmp((const char *)found, encodings[i], len) == 0 &&
            (found[len] == '"' || found[len] == '\''))
            return 0;
    }
    return -1;
}

/* what is no element. Returns 1 if there was some, 0 if not, -1 if it is refused or has no end */
static int skip_other(sluice_svg_text_t *text)
{
    const uint8_t *from = text->at;

    if (starts(text, "<!--"))
        return skip_past(text, "-->") == 0 ? 1 : -1;
    if (starts(text, "<![CDATA["))
        return skip_past(text, "]]>") == 0 ? 1 : -1;
    if (starts(text, "<?xml-stylesheet"))
        return -1;
    if (starts(text, "<?"))
        return skip_past(text, "?>") == 0 && check_declaration(from, text->at) == 0 ? 1 : -1;
    if (!starts(text, "<!DOCTYPE"))
        return 0;
    text->at += 9;
    return skip_doctype(text) == 0 ? 1 : -1;
}

int sluice_svg_is(const uint8_t *bytes, size_t len)
{
    sluice_svg_text_t text = {bytes, bytes + (len < SLUICE_SVG_HEADER_BYTES ? len : SLUICE_SVG_HEADER_BYTES)};

    if (starts(&text, "\xef\xbb\xbf"))
        text.at += 3;
    while (text.at < text.end) {
        while (text.at < text.end && sluice_svg_is_space(*text.at))
            ++text.at;
        if (starts(&text, "<svg"))
            return text.end - text.at > 4 && (ends_name(text.at[4]) || text.at[4] == ':');
        /* what a document type declares is looked at when all of it is there */
        if (starts(&text, "<!DOCTYPE"))
            return memmem(text.at, (size_t)(text.end - text.at), "<svg", 4) != NULL;
        if (skip_other(&text) <= 0)
            return 0;
    }
    return 0;
}

int sluice_svg_may_be(uint8_t first)
{
    return first == '<' || first == 0xef || sluice_svg_is_space(first);
}

int sluice_svg_next_tag(sluice_svg_text_t *text, sluice_svg_tag_t *tag)
{
    uint8_t quote = 0;

    for (;;) {
        const uint8_t *found = memchr(text->at, '<', (size_t)(text->end - text->at));
        if (found == NULL)
            return 0;
        text->at = found;
        int other = skip_other(text);
        if (other < 0)
            return -1;
        if (other == 0)
            break;
    }
    ++text->at;
    tag->closing = text->at < text->end && *text->at == '/';
    text->at += tag->closing;
    for (tag->name = text->at; text->at < text->end && !ends_name(*text->at); ++text->at)
        if (*text->at == ':')
            tag->name = text->at + 1;
    tag->name_len = (size_t)(text->at - tag->name);
    for (tag->rest = text->at; text->at < text->end && (quote != 0 || *text->at != '>'); ++text->at) {
        if (quote != 0)
            quote = *text->at == quote ? 0 : quote;
        else if (*text->at == '"' || *text->at == '\'')
            quote = *text->at;
        if (*text->at == '<')
            return -1;
    }
    if (text->at == text->end)
        return -1;
    tag->end = text->at++;
    tag->empty = !tag->closing && tag->end[-1] == '/';
    return 1;
}

int sluice_svg_tag_is(const sluice_svg_tag_t *tag, const char *name)
{
    return tag->name_len == strlen(name) && memcmp(tag->name, name, tag->name_len) == 0;
}

int sluice_svg_tag_is_one_of(const sluice_svg_tag_t *tag, const char *const *names)
{
    for (; *names != NULL; ++names)
        if (sluice_svg_tag_is(tag, *names))
            return 1;
    return 0;
}
