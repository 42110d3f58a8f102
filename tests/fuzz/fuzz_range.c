/* the Range field. The first byte of the input is the size of the body, as a power of two */
#include "module/byte_range.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    uint64_t first = 0, count = 0;

    if (len == 0)
        return 0;
    uint64_t size = bytes[0] % 64 == 0 ? 0 : (UINT64_C(1) << bytes[0] % 64) - bytes[0] / 64;
    if (sluice_byte_range((const char *)bytes + 1, len - 1, size, &first, &count) == SLUICE_RANGE_PART)
        FUZZ_WANT(count != 0 && first < size && count <= size - first);
    return 0;
}
