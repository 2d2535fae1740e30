// The loops of blocks.cpp, compiled once for any processor and once for those with AVX2: TARGET differs. The layouts are those of
// Sources/SutureFormats/Dequantization.swift. With a value of scale * level - minimum, a part of a row adds
//
//     scale * sum (level x) - minimum * sum x
//
// so that only levels are made float32, and the sums of x are there for all rows.

/// 8 levels as float32.
template <typename Bytes> TARGET static inline F8 wide8(Bytes levels) { return __builtin_convertvector(levels, F8); }

/// 8 inputs.
TARGET static inline F8 load(const float *x) {
    F8 values;
    std::memcpy(&values, x, sizeof values);
    return values;
}

/// The sum of 16 levels times inputs, in 8 lanes.
template <typename Bytes> TARGET static inline F8 dot16(Bytes levels, const float *x) {
    const F8 low = wide8(__builtin_shufflevector(levels, levels, 0, 1, 2, 3, 4, 5, 6, 7));
    const F8 high = wide8(__builtin_shufflevector(levels, levels, 8, 9, 10, 11, 12, 13, 14, 15));
    return high * load(x + 8) + low * load(x);
}

TARGET static inline U16 load16(const uint8_t *bytes) {
    U16 values;
    std::memcpy(&values, bytes, sizeof values);
    return values;
}

/// 16 where a bit is set, for 16 bits.
TARGET static inline U16 fifthBits(const uint8_t *bits) {
    const uint64_t pair[2] = {spread.table[bits[0]], spread.table[bits[1]]};
    U16 values;
    std::memcpy(&values, pair, sizeof values);
    return values;
}

/// What a row has added up.
struct Sum {
    F8 lanes = {};
    float rest = 0;

    TARGET inline void add(float scale, F8 products) { lanes += scale * products; }
    TARGET inline float total() const {
        float sum = rest;
        for (int i = 0; i < 8; i++) sum += lanes[i];
        return sum;
    }
};

struct F16 {
    static constexpr int length = 32, width = 64;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *) {
        for (int i = 0; i < 32; i += 8) {
            F8 values;
            for (int j = 0; j < 8; j++) values[j] = half(b + 2 * (i + j));
            sum.lanes += values * load(x + i);
        }
    }
};

struct BF16 {
    static constexpr int length = 32, width = 64;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *) {
        for (int i = 0; i < 32; i += 8) {
            H8 bits;
            std::memcpy(&bits, b + 2 * i, sizeof bits);
            const I8 numbers = __builtin_convertvector(bits, I8) << 16;
            F8 values;
            std::memcpy(&values, &numbers, sizeof values);
            sum.lanes += values * load(x + i);
        }
    }
};

struct Q8_0 {
    static constexpr int length = 32, width = 34;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *) {
        S16 low, high;
        std::memcpy(&low, b + 2, sizeof low);
        std::memcpy(&high, b + 18, sizeof high);
        sum.add(half(b), dot16(low, x) + dot16(high, x + 16));
    }
};

struct Q4_0 {
    static constexpr int length = 32, width = 18;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *sums) {
        const float d = half(b);
        const U16 q = load16(b + 2);
        sum.add(d, dot16(q & 15, x) + dot16(q >> 4, x + 16));
        sum.rest -= 8 * d * sums[0];
    }
};

struct Q4_1 {
    static constexpr int length = 32, width = 20;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *sums) {
        const U16 q = load16(b + 4);
        sum.add(half(b), dot16(q & 15, x) + dot16(q >> 4, x + 16));
        sum.rest += half(b + 2) * sums[0];
    }
};

struct Q5_0 {
    static constexpr int length = 32, width = 22;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *sums) {
        const float d = half(b);
        const U16 q = load16(b + 6);
        sum.add(d, dot16((q & 15) | fifthBits(b + 2), x) + dot16((q >> 4) | fifthBits(b + 4), x + 16));
        sum.rest -= 16 * d * sums[0];
    }
};

struct Q5_1 {
    static constexpr int length = 32, width = 24;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *sums) {
        const U16 q = load16(b + 8);
        sum.add(half(b), dot16((q & 15) | fifthBits(b + 4), x) + dot16((q >> 4) | fifthBits(b + 6), x + 16));
        sum.rest += half(b + 2) * sums[0];
    }
};

struct Q4_K {
    static constexpr int length = 256, width = 144;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *sums) {
        const float d = half(b), m = half(b + 2);
        for (int part = 0; part < 8; part++) {
            const uint8_t *q = b + 16 + 32 * (part / 2);
            const int shift = part % 2 * 4;
            const PartScale own(b + 4, part);
            sum.add(
                d * own.scale, dot16(load16(q) >> shift & 15, x + 32 * part) +
                                   dot16(load16(q + 16) >> shift & 15, x + 32 * part + 16));
            sum.rest -= m * own.minimum * sums[part];
        }
    }
};

struct Q5_K {
    static constexpr int length = 256, width = 176;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *sums) {
        const float d = half(b), m = half(b + 2);
        for (int part = 0; part < 8; part++) {
            const uint8_t *q = b + 48 + 32 * (part / 2), *h = b + 16;
            const int shift = part % 2 * 4;
            const PartScale own(b + 4, part);
            const U16 low = (load16(q) >> shift & 15) | (load16(h) >> part & 1) << 4;
            const U16 high = (load16(q + 16) >> shift & 15) | (load16(h + 16) >> part & 1) << 4;
            sum.add(d * own.scale, dot16(low, x + 32 * part) + dot16(high, x + 32 * part + 16));
            sum.rest -= m * own.minimum * sums[part];
        }
    }
};

struct Q6_K {
    static constexpr int length = 256, width = 210;
    TARGET static inline void add(Sum &sum, const uint8_t *b, const float *x, const float *) {
        const float d = half(b + 208);
        for (int side = 0; side < 16; side++) {
            const int part = side / 2;
            const U16 q = load16(b + 64 * (part / 4) + 32 * (part % 2) + 16 * (side % 2)) >> (part / 2 % 2 * 4) & 15;
            const U16 h = load16(b + 128 + 32 * (part / 4) + 16 * (side % 2)) >> (part % 4 * 2) & 3;
            const U16 level = q | h << 4;
            S16 own;
            std::memcpy(&own, &level, sizeof own);
            sum.add(d * float(int8_t(b[192 + side])), dot16(own - 32, x + 16 * side));
        }
    }
};

/// Some rows of the output.
template <typename Block> TARGET static void multiply(const Work &work, int64_t begin, int64_t end) {
    const int64_t count = work.columns / Block::length;
    for (int64_t number = begin; number < end; number++) {
        const uint8_t *row = work.blocks + (work.order ? work.order[number] : number) * count * Block::width;
        for (int64_t input = 0; input < work.inputs; input++) {
            const float *x = work.input + input * work.columns, *sums = work.sums + input * work.columns / 32;
            // Two sums, as the next block need not wait for the last.
            Sum even, odd;
            int64_t block = 0;
            for (; block + 1 < count; block += 2) {
                Block::add(even, row + block * Block::width, x + block * Block::length, sums + block * Block::length / 32);
                Block::add(
                    odd, row + (block + 1) * Block::width, x + (block + 1) * Block::length,
                    sums + (block + 1) * Block::length / 32);
            }
            if (block < count)
                Block::add(even, row + block * Block::width, x + block * Block::length, sums + block * Block::length / 32);
            work.output[input * work.rows + number] = even.total() + odd.total();
        }
    }
}

static Loop loop(int type) {
    switch (type) {
    case 1: return multiply<F16>;
    case 2: return multiply<Q4_0>;
    case 3: return multiply<Q4_1>;
    case 6: return multiply<Q5_0>;
    case 7: return multiply<Q5_1>;
    case 8: return multiply<Q8_0>;
    case 12: return multiply<Q4_K>;
    case 13: return multiply<Q5_K>;
    case 14: return multiply<Q6_K>;
    case 30: return multiply<BF16>;
    default: return nullptr;
    }
}
