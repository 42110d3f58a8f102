/* JPEG that is thinned: never more than what was said to be needed, and nothing of what is cut off */
#include "module/jpeg_thin.h"
#include "tests/fuzz/fuzz.h"

#define MOST_BYTES (UINT64_C(16) << 20) /* of memory; more is only slow */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    uint64_t needed = sluice_jpeg_thin_bytes(bytes, len);
    sluice_thin_t thin;

    if (needed > MOST_BYTES)
        return 0;
    int ret = sluice_jpeg_thin(bytes, len, &thin);
    FUZZ_WANT(ret == 0 || (ret == -1 && thin.pixels == NULL));
    if (ret != 0)
        return 0;
    FUZZ_WANT(needed != 0 && (thin.bands == 1 || thin.bands == 3));
    size_t size = (size_t)thin.width * thin.height * thin.bands;
    FUZZ_WANT(size != 0 && size < needed);
    unsigned sum = 0;
    for (size_t i = 0; i != size; ++i) /* all of them are set, and there */
        sum += thin.pixels[i];
    FUZZ_WANT(sum <= size * 255);
    free(thin.pixels);
    return 0;
}
