#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/div.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/le.h>
#include <ATen/ops/log.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>

#include "support.h"

using namespace ctorch;

#define DEFINE_UNARY(name) \
    CTensor *ct_##name(const CTensor *t) { \
        return make([&] { return at::name(t->value); }); \
    }
#define DEFINE_BINARY(name) \
    CTensor *ct_##name(const CTensor *a, const CTensor *b) { \
        return make([&] { return at::name(a->value, b->value); }); \
    }
#define DEFINE_SCALAR(name) \
    CTensor *ct_##name##_scalar(const CTensor *a, double b) { \
        return make([&] { return at::name(a->value, b); }); \
    }
CT_UNARIES(DEFINE_UNARY)
CT_BINARIES(DEFINE_BINARY)
CT_SCALARS(DEFINE_SCALAR)

CTensor *ct_gelu(const CTensor *t, bool tanh_approximation) {
    return make([&] { return at::gelu(t->value, tanh_approximation ? "tanh" : "none"); });
}

CTensor *ct_clamp(const CTensor *t, double low, double high) {
    return make([&] { return at::clamp(t->value, low, high); });
}

CTensor *ct_where(const CTensor *condition, const CTensor *a, const CTensor *b) {
    return make([&] { return at::where(condition->value, a->value, b->value); });
}

CTensor *ct_masked_fill(const CTensor *t, const CTensor *mask, double value) {
    return make([&] { return at::masked_fill(t->value, mask->value, value); });
}
