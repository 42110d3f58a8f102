/* what the first bytes of a picture say: never more of a part than of the whole */
#include "module/picture_check.h"
#include "module/picture_facts.h"
#include "module/svg_scan.h"
#include "module/transform_estimate.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    sluice_picture_facts_t facts;
    uint64_t need_bytes;
    sluice_svg_cost_t cost;
    const sluice_check_t check = {.source_bytes = len, .max_pixels = 50000000, .largest_bytes = UINT64_C(1) << 30, .svg = 1};

    sluice_picture_sniff(bytes, len, &facts);
    FUZZ_WANT((unsigned)facts.format < SLUICE_NUM_SOURCE_FORMATS);
    FUZZ_WANT((unsigned)facts.whole <= SLUICE_WHOLE);
    FUZZ_WANT(sluice_transform_least(&facts) != 0);
    sluice_picture_check(bytes, len, &check, &need_bytes);
    if (sluice_svg_scan(bytes, len, &cost) == 0)
        FUZZ_WANT(cost.surfaces != 0);
    return 0;
}
