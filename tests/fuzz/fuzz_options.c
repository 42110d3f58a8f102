/* the query of an image URL: a sentence, or a canonical text that means itself. The first byte chooses the rules */
#include "module/image_options.h"
#include "module/source_path.h"
#include "tests/fuzz/fuzz.h"

static const uint32_t widths[] = {100, 320, 640};
static const sluice_preset_t presets[] = {{"a", "w=300&h=200&fit=squaredown"}, {"b", "mod=2,3,4&sharp=1,2,3&dpr=2&w=7"}};

static void want_canonical(const sluice_options_t *options)
{
    const sluice_options_rules_t any = {.strict = 1, .max_side = UINT32_MAX};
    char text[SLUICE_OPTIONS_TEXT_MAX], again[SLUICE_OPTIONS_TEXT_MAX], error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_presentation_t presentation;
    sluice_options_t parsed;
    size_t len = sluice_options_text(options, text);

    FUZZ_WANT(len < sizeof(text) && strlen(text) == len);
    FUZZ_WANT(sluice_options_parse(text, len, &any, &parsed, &presentation, error) == 0);
    FUZZ_WANT(sluice_options_text(&parsed, again) == len && strcmp(text, again) == 0);
}

static void want_presentable(const sluice_presentation_t *presentation)
{
    size_t len = strlen(presentation->fallback);

    FUZZ_WANT(len == 0 || sluice_source_path_ok(presentation->fallback, len));
    FUZZ_WANT(strspn(presentation->filename, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
              strlen(presentation->filename));
    FUZZ_WANT(presentation->max_age_s <= 366 * 86400);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    sluice_options_rules_t rules = {.max_side = 8192};
    sluice_options_t options;
    sluice_presentation_t presentation;
    char error[SLUICE_OPTIONS_ERROR_MAX];

    if (len == 0)
        return 0;
    rules.strict = bytes[0] & 1;
    if (bytes[0] & 2) {
        rules.widths = widths;
        rules.num_widths = sizeof(widths) / sizeof(widths[0]);
    }
    if (bytes[0] & 4) {
        rules.presets = presets;
        rules.num_presets = sizeof(presets) / sizeof(presets[0]);
    }
    rules.presets_only = (bytes[0] & 12) == 12;
    memset(error, 0x7f, sizeof(error));
    if (sluice_options_parse((const char *)bytes + 1, len - 1, &rules, &options, &presentation, error) == 0) {
        want_canonical(&options);
        want_presentable(&presentation);
    } else {
        fuzz_want_sentence(error, sizeof(error));
    }
    return 0;
}
