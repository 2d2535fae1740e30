#include <ATen/ops/cat.h>
#include <ATen/ops/expand.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/index_add.h>
#include <ATen/ops/index_copy.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/narrow.h>
#include <ATen/ops/permute.h>
#include <ATen/ops/reshape.h>
#include <ATen/ops/select.h>
#include <ATen/ops/squeeze.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/transpose.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/unsqueeze.h>

#include "support.h"

using namespace ctorch;

CTensor *ct_contiguous(const CTensor *t) {
    return make([&] { return t->value.contiguous(); });
}

CTensor *ct_clone(const CTensor *t) {
    return make([&] { return t->value.clone(); });
}

CTensor *ct_reshape(const CTensor *t, const int64_t *shape, int32_t rank) {
    return make([&] { return at::reshape(t->value, list(shape, rank)); });
}

CTensor *ct_expand(const CTensor *t, const int64_t *shape, int32_t rank) {
    return make([&] { return t->value.expand(list(shape, rank)); });
}

CTensor *ct_permute(const CTensor *t, const int64_t *order, int32_t rank) {
    return make([&] { return at::permute(t->value, list(order, rank)); });
}

CTensor *ct_transpose(const CTensor *t, int64_t a, int64_t b) {
    return make([&] { return at::transpose(t->value, a, b); });
}

CTensor *ct_unsqueeze(const CTensor *t, int64_t dim) {
    return make([&] { return at::unsqueeze(t->value, dim); });
}

CTensor *ct_squeeze(const CTensor *t, int64_t dim) {
    return make([&] { return at::squeeze(t->value, dim); });
}

CTensor *ct_narrow(const CTensor *t, int64_t dim, int64_t start, int64_t length) {
    return make([&] { return at::narrow(t->value, dim, start, length); });
}

CTensor *ct_select(const CTensor *t, int64_t dim, int64_t index) {
    return make([&] { return at::select(t->value, dim, index); });
}

CTensor *ct_index_select(const CTensor *t, int64_t dim, const CTensor *indices) {
    return make([&] { return at::index_select(t->value, dim, indices->value); });
}

CTensor *ct_gather(const CTensor *t, int64_t dim, const CTensor *indices) {
    return make([&] { return at::gather(t->value, dim, indices->value); });
}

CTensor *ct_index_add(const CTensor *t, int64_t dim, const CTensor *indices, const CTensor *source) {
    return make([&] { return at::index_add(t->value, dim, indices->value, source->value); });
}

CTensor *ct_index_copy(const CTensor *t, int64_t dim, const CTensor *indices, const CTensor *source) {
    return make([&] { return at::index_copy(t->value, dim, indices->value, source->value); });
}

CTensor *ct_cat(const CTensor *const *handles, int32_t count, int64_t dim) {
    return make([&] { return at::cat(tensors(handles, count), dim); });
}

CTensor *ct_stack(const CTensor *const *handles, int32_t count, int64_t dim) {
    return make([&] { return at::stack(tensors(handles, count), dim); });
}

CTensor *ct_triu(const CTensor *t, int64_t diagonal) {
    return make([&] { return at::triu(t->value, diagonal); });
}
