#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

#include "support.h"

using namespace ctorch;

CTensor *ct_embedding(const CTensor *weight, const CTensor *ids) {
    return make([&] { return at::embedding(weight->value, ids->value); });
}

CTensor *ct_softmax(const CTensor *t, int64_t dim) {
    return make([&] { return at::softmax(t->value, dim); });
}

CTensor *ct_log_softmax(const CTensor *t, int64_t dim) {
    return make([&] { return at::log_softmax(t->value, dim); });
}

CTensor *ct_layer_norm(const CTensor *t, const CTensor *gain, const CTensor *bias, double epsilon) {
    return make([&] {
        return at::layer_norm(t->value, t->value.sizes().slice(t->value.dim() - 1), optional(gain), optional(bias), epsilon);
    });
}

CTensor *ct_rms_norm(const CTensor *t, const CTensor *gain, double epsilon) {
    return make([&] {
        return at::rms_norm(t->value, t->value.sizes().slice(t->value.dim() - 1), optional(gain), epsilon);
    });
}

CTensor *ct_attention(
    const CTensor *q, const CTensor *k, const CTensor *v, const CTensor *mask, bool causal, double scale, bool grouped) {
    return make([&] {
        return at::scaled_dot_product_attention(
            q->value, k->value, v->value, optional(mask), /*dropout_p=*/0.0, causal, scale, grouped);
    });
}

CTensor *ct_cross_entropy(const CTensor *logits, const CTensor *targets) {
    return make([&] { return at::cross_entropy_loss(logits->value, targets->value); });
}
