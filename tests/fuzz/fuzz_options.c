/* the query of an image URL: a sentence, or a canonical text that means itself */
#include "module/image_options.h"
#include "tests/fuzz/fuzz.h"

static void want_canonical(const sluice_options_t *options, int strict)
{
    char text[SLUICE_OPTIONS_TEXT_MAX], again[SLUICE_OPTIONS_TEXT_MAX], error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_options_t parsed;
    size_t len = sluice_options_text(options, text);

    FUZZ_WANT(len < sizeof(text) && strlen(text) == len);
    FUZZ_WANT(sluice_options_parse(text, len, strict, UINT32_MAX, &parsed, error) == 0);
    FUZZ_WANT(sluice_options_text(&parsed, again) == len && strcmp(text, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    sluice_options_t options;
    char error[SLUICE_OPTIONS_ERROR_MAX];
    int strict;

    if (len == 0)
        return 0;
    strict = bytes[0] & 1;
    memset(error, 0x7f, sizeof(error));
    if (sluice_options_parse((const char *)bytes + 1, len - 1, strict, 8192, &options, error) == 0)
        want_canonical(&options, strict);
    else
        fuzz_want_sentence(error, sizeof(error));
    return 0;
}
