#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/negotiate.h"
#include "module/siblings.h"

/* animated AVIF is a film to decode, and few encoders and clients know it */
void sluice_negotiate(sluice_options_t *options, sluice_taken_t taken)
{
    int several = options->num_pages != 0 && options->num_pages != 1;

    if (!several && (taken == SLUICE_TAKES_AVIF || taken == SLUICE_TAKES_AVIF_OR_WEBP))
        options->output = SLUICE_FORMAT_AVIF;
    else if (taken == SLUICE_TAKES_WEBP || taken == SLUICE_TAKES_AVIF_OR_WEBP)
        options->output = SLUICE_FORMAT_WEBP;
    else
        options->common = 1;
    sluice_options_canonicalise(options);
}

uint32_t sluice_outputs_taken(sluice_taken_t taken)
{
    static const sluice_options_t common = {.common = 1}, webp = {.output = SLUICE_FORMAT_WEBP},
                                  avif = {.output = SLUICE_FORMAT_AVIF};
    uint32_t outputs = sluice_output_bit(&common);

    if (taken == SLUICE_TAKES_WEBP || taken == SLUICE_TAKES_AVIF_OR_WEBP)
        outputs |= sluice_output_bit(&webp);
    if (taken == SLUICE_TAKES_AVIF || taken == SLUICE_TAKES_AVIF_OR_WEBP)
        outputs |= sluice_output_bit(&avif);
    return outputs;
}

static sluice_taken_t read_line(const char *line, size_t len)
{
    sluice_accept_t accept;

    sluice_accept_init(&accept);
    sluice_accept_add(&accept, line, len);
    return sluice_accept_decide(&accept);
}

static int is_in(const sluice_accept_memory_t *memory, size_t slot, const char *line, size_t len)
{
    return memory->slots[slot].len == len && memcmp(memory->slots[slot].text, line, len) == 0;
}

sluice_taken_t sluice_accept_recall(sluice_accept_memory_t *memory, const char *line, size_t len)
{
    size_t slot;

    if (len == 0 || len > SLUICE_ACCEPT_TEXT_MAX)
        return read_line(line, len);
    if (is_in(memory, memory->last, line, len))
        return memory->slots[memory->last].taken;
    slot = memory->last = XXH3_64bits(line, len) & (SLUICE_ACCEPT_SLOTS - 1);
    if (!is_in(memory, slot, line, len)) {
        memory->slots[slot].len = len;
        memcpy(memory->slots[slot].text, line, len);
        memory->slots[slot].taken = read_line(line, len);
    }
    return memory->slots[slot].taken;
}
