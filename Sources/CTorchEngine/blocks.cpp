// Products of a few vectors with a matrix in the blocks of a GGUF file: one token is decoded as fast as its weights are read,
// and those are a fraction of what they are as float32.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "support.h"

using namespace ctorch;

namespace {

/// A product that is shared out by its rows.
struct Work {
    const uint8_t *blocks;
    /// Which stored row each row of the output is; null where they stand in order.
    const int64_t *order;
    int64_t rows, columns;
    const float *input;
    /// The sum of each 32 inputs.
    const float *sums;
    int64_t inputs;
    float *output;
};

using Loop = void (*)(const Work &, int64_t, int64_t);

// Vectors never leave this file, and most calls are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
typedef float F8 __attribute__((vector_size(32)));
typedef int32_t I8 __attribute__((vector_size(32)));
typedef uint16_t H8 __attribute__((vector_size(16)));
typedef uint8_t U16 __attribute__((vector_size(16)));
typedef int8_t S16 __attribute__((vector_size(16)));

/// The value of a float16.
inline float half(const uint8_t *bytes) {
    uint16_t bits;
    std::memcpy(&bits, bytes, sizeof bits);
    uint32_t number = uint32_t(bits & 0x7FFF) << 13;
    float value;
    std::memcpy(&value, &number, sizeof value);
    // The exponent of a half has another bias.
    value *= 0x1p112f;
    std::memcpy(&number, &value, sizeof value);
    number |= ((bits & 0x7C00) == 0x7C00 ? 0x7F800000u : 0u) | uint32_t(bits & 0x8000) << 16;
    std::memcpy(&value, &number, sizeof value);
    return value;
}

/// For each byte, 8 bytes: 16 where a bit is set.
struct Spread {
    uint64_t table[256];
    constexpr Spread() : table() {
        for (int byte = 0; byte < 256; byte++)
            for (int bit = 0; bit < 8; bit++) table[byte] |= uint64_t(byte >> bit & 1 ? 16 : 0) << (8 * bit);
    }
};
constexpr Spread spread;

/// Scale and minimum of a part of a Q4_K or Q5_K block: 6 bits each.
struct PartScale {
    float scale, minimum;
    inline PartScale(const uint8_t *packed, int part) {
        const int low = packed[part + (part < 4 ? 0 : 4)], other = packed[part + (part < 4 ? 4 : 0)];
        if (part < 4) {
            scale = float(low & 63), minimum = float(other & 63);
        } else {
            scale = float((low & 15) | (packed[part - 4] & 0xC0) >> 2);
            minimum = float((low >> 4) | (other & 0xC0) >> 2);
        }
    }
};

namespace plain {
#define TARGET
#include "blocks.h"
#undef TARGET
} // namespace plain

#if defined(__x86_64__)
namespace wide {
#define TARGET __attribute__((target("avx2,fma")))
#include "blocks.h"
#undef TARGET
} // namespace wide

bool isWide() {
    static const bool found = (__builtin_cpu_init(), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
    return found;
}

Loop loop(int type) { return isWide() ? wide::loop(type) : plain::loop(type); }
#else
Loop loop(int type) { return plain::loop(type); }
#endif

/// How many numbers of weights are worth a thread's while.
constexpr int64_t grain = 1 << 15;

} // namespace

bool ct_block_suits(int32_t type, int64_t columns) {
    return loop(type) && columns > 0 && columns % (type >= 10 && type <= 14 ? 256 : 32) == 0;
}

CTensor *ct_block_linear(
    const CTensor *input, const void *blocks, int32_t type, const int64_t *order, int64_t rows, int64_t columns) {
    return make([&] {
        const auto x = input->value.contiguous();
        TORCH_CHECK(
            x.device().is_cpu() && x.scalar_type() == at::kFloat && x.dim() > 0 && x.size(-1) == columns &&
                ct_block_suits(type, columns),
            "this is not multiplied with blocks");
        auto shape = x.sizes().vec();
        shape.back() = rows;
        auto output = at::empty(shape, x.options());
        const float *values = x.const_data_ptr<float>();
        std::vector<float> sums(x.numel() / 32);
        for (size_t part = 0; part < sums.size(); part++)
            for (int i = 0; i < 32; i++) sums[part] += values[32 * part + i];
        const Work work{
            static_cast<const uint8_t *>(blocks), order, rows, columns, values, sums.data(), x.numel() / columns,
            output.mutable_data_ptr<float>()};
        const auto run = loop(type);
        at::parallel_for(0, rows, std::max<int64_t>(1, grain / columns), [&](int64_t begin, int64_t end) {
            run(work, begin, end);
        });
        return output;
    });
}
