#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/topk.h>

#include "support.h"

using namespace ctorch;

CTensor *ct_sum(const CTensor *t, const int64_t *dims, int32_t count, bool keep) {
    return make([&] { return at::sum(t->value, list(dims, count), keep); });
}

CTensor *ct_mean(const CTensor *t, const int64_t *dims, int32_t count, bool keep) {
    return make([&] { return at::mean(t->value, list(dims, count), keep); });
}

CTensor *ct_amax(const CTensor *t, const int64_t *dims, int32_t count, bool keep) {
    return make([&] { return at::amax(t->value, list(dims, count), keep); });
}

CTensor *ct_amin(const CTensor *t, const int64_t *dims, int32_t count, bool keep) {
    return make([&] { return at::amin(t->value, list(dims, count), keep); });
}

CTensor *ct_logsumexp(const CTensor *t, int64_t dim, bool keep) {
    return make([&] { return at::logsumexp(t->value, dim, keep); });
}

CTensor *ct_norm(const CTensor *t, int64_t dim, bool keep) {
    return make([&] { return at::linalg_vector_norm(t->value, 2, at::IntArrayRef(dim), keep); });
}

CTensor *ct_argmax(const CTensor *t, int64_t dim) {
    return make([&] { return at::argmax(t->value, dim); });
}

CTensor *ct_cumsum(const CTensor *t, int64_t dim) {
    return make([&] { return at::cumsum(t->value, dim); });
}

namespace {

void pair(std::tuple<at::Tensor, at::Tensor> results, CTensor **first, CTensor **second) {
    *first = new CTensor{std::get<0>(results)};
    *second = new CTensor{std::get<1>(results)};
}

}  // namespace

int32_t ct_topk(const CTensor *t, int64_t k, int64_t dim, bool largest, CTensor **values, CTensor **indices) {
    return guard([&] { pair(at::topk(t->value, k, dim, largest, true), values, indices); });
}

int32_t ct_sort(const CTensor *t, int64_t dim, bool descending, CTensor **values, CTensor **indices) {
    return guard([&] { pair(at::sort(t->value, /*stable=*/true, dim, descending), values, indices); });
}
