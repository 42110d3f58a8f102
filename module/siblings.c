#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/siblings.h"

struct st_entry_t {
    uint64_t source_lo, source_hi;
    uint64_t look;
    icache_handle_t handle; /* without an object: empty */
    uint32_t width, height;
    uint32_t output_bit;
};

struct st_set_t {
    struct st_entry_t entries[SLUICE_SIBLINGS_WAYS];
    uint32_t next; /* that goes */
};

struct st_sluice_siblings_t {
    pthread_mutex_t mutex;
    struct st_set_t sets[SLUICE_SIBLINGS_SETS];
};

sluice_siblings_t *sluice_siblings_create(void)
{
    sluice_siblings_t *siblings = calloc(1, sizeof(*siblings));

    if (siblings != NULL)
        pthread_mutex_init(&siblings->mutex, NULL);
    return siblings;
}

size_t sluice_siblings_bytes(void)
{
    return sizeof(sluice_siblings_t);
}

void sluice_siblings_destroy(sluice_siblings_t **siblings)
{
    if (*siblings == NULL)
        return;
    pthread_mutex_destroy(&(*siblings)->mutex);
    free(*siblings);
    *siblings = NULL;
}

static int is_whole(const sluice_options_t *options)
{
    return options->fit == SLUICE_FIT_INSIDE || options->fit == SLUICE_FIT_OUTSIDE;
}

/* whether it looks the same at another size */
static int has_siblings(const sluice_options_t *options)
{
    int is_cut = options->crop_x.amount != 0 || options->crop_y.amount != 0 || options->crop_width.amount != 0 ||
                 options->crop_height.amount != 0 || options->trim_threshold != 0;
    int goes_by_pixels = options->blur || options->sharpen || options->rotation % 90 != 0;
    int is_other = options->placeholder || options->base64 || options->output == SLUICE_FORMAT_JSON ||
                   (options->num_pages != 0 && options->num_pages != 1);

    return !is_cut && !goes_by_pixels && !is_other && (options->width.amount != 0 || options->height.amount != 0);
}

/* a hash of all options but size and format. They are written as if they had both sides, so that what says how to fill them counts
 */
static uint64_t look_of(const sluice_options_t *options, const icache_key_t *source)
{
    sluice_options_t look = *options;
    char text[SLUICE_OPTIONS_TEXT_MAX + 4];
    size_t len;

    look.width = look.height = (sluice_length_t){.amount = 1};
    if (is_whole(options))
        look.fit = SLUICE_FIT_INSIDE;
    look.output = SLUICE_FORMAT_NONE;
    look.common = 0;
    len = sluice_options_text(&look, text);
    text[len++] = (char)options->lossless; /* these two depend on the format, and may not have been written */
    text[len++] = (char)options->quality;
    return XXH3_64bits_withSeed(text, len, source->lo);
}

static int is_of(const struct st_entry_t *entry, const icache_key_t *source, uint64_t look)
{
    return entry->handle.object != NULL && entry->source_lo == source->lo && entry->source_hi == source->hi && entry->look == look;
}

static struct st_entry_t *choose_entry(struct st_set_t *set, const struct st_entry_t *entry, const icache_key_t *source)
{
    for (size_t i = 0; i != SLUICE_SIBLINGS_WAYS; ++i) {
        struct st_entry_t *same = set->entries + i;
        if (is_of(same, source, entry->look) && same->output_bit == entry->output_bit && same->width == entry->width &&
            same->height == entry->height)
            return same;
    }
    return set->entries + set->next++ % SLUICE_SIBLINGS_WAYS;
}

void sluice_siblings_add(sluice_siblings_t *siblings, const icache_key_t *source, const sluice_options_t *options, uint32_t width,
                         uint32_t height, icache_handle_t handle)
{
    struct st_set_t *set = siblings->sets + (source->lo & (SLUICE_SIBLINGS_SETS - 1));

    if (!has_siblings(options))
        return;
    const struct st_entry_t entry = {source->lo, source->hi, look_of(options, source),  handle,
                                     width,      height,     sluice_output_bit(options)};
    pthread_mutex_lock(&siblings->mutex);
    *choose_entry(set, &entry, source) = entry;
    pthread_mutex_unlock(&siblings->mutex);
}

/* `entry` is of the same look. Sides of 0 were not asked for */
static int is_large_enough(const struct st_entry_t *entry, const sluice_options_t *options)
{
    uint64_t width = options->width.amount, height = options->height.amount;

    if (is_whole(options) && options->fit == SLUICE_FIT_INSIDE && width != 0 && height != 0) /* the nearer side decides */
        return entry->width >= width || entry->height >= height;
    return entry->width >= width && entry->height >= height;
}

static int has_ratio(const struct st_entry_t *entry, const sluice_options_t *options)
{
    int64_t off = (int64_t)options->width.amount * entry->height - (int64_t)options->height.amount * entry->width;

    return is_whole(options) || (options->width.amount != 0 && options->height.amount != 0 && llabs(off) < entry->width);
}

static int is_smaller(const struct st_entry_t *a, const struct st_entry_t *b)
{
    return (uint64_t)a->width * a->height < (uint64_t)b->width * b->height;
}

/* puts it where it belongs among those found so far */
static void insert(const struct st_entry_t **found, size_t count, const struct st_entry_t *entry)
{
    for (; count != 0 && is_smaller(entry, found[count - 1]); --count)
        found[count] = found[count - 1];
    found[count] = entry;
}

size_t sluice_siblings_find(sluice_siblings_t *siblings, const icache_key_t *source, const sluice_options_t *options,
                            uint32_t outputs, icache_handle_t found[SLUICE_SIBLINGS_WAYS])
{
    const struct st_set_t *set = siblings->sets + (source->lo & (SLUICE_SIBLINGS_SETS - 1));
    const struct st_entry_t *sorted[SLUICE_SIBLINGS_WAYS];
    size_t count = 0;
    uint64_t look;

    if (!has_siblings(options) || options->width.is_share || options->height.is_share)
        return 0;
    look = look_of(options, source);
    pthread_mutex_lock(&siblings->mutex);
    for (size_t i = 0; i != SLUICE_SIBLINGS_WAYS; ++i) {
        const struct st_entry_t *entry = set->entries + i;
        if (is_of(entry, source, look) && (entry->output_bit & outputs) && is_large_enough(entry, options) &&
            has_ratio(entry, options))
            insert(sorted, count++, entry);
    }
    for (size_t i = 0; i != count; ++i)
        found[i] = sorted[i]->handle;
    pthread_mutex_unlock(&siblings->mutex);
    return count;
}
