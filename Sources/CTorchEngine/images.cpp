#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>

#include "support.h"

using namespace ctorch;

CTensor *ct_channels_last(const CTensor *t) {
    return make([&] { return t->value.contiguous(at::MemoryFormat::ChannelsLast); });
}

CTensor *ct_conv2d(const CTensor *t, const CTensor *weight, const CTensor *bias, int64_t stride, int64_t padding) {
    return make([&] { return at::conv2d(t->value, weight->value, optional(bias), {stride, stride}, {padding, padding}); });
}

CTensor *ct_batch_norm(
    const CTensor *t, const CTensor *gain, const CTensor *bias, const CTensor *mean, const CTensor *variance,
    double epsilon) {
    return make([&] {
        return at::batch_norm(
            t->value, gain->value, bias->value, mean->value, variance->value, /*training=*/false, /*momentum=*/0, epsilon,
            /*cudnn_enabled=*/true);
    });
}

int32_t ct_relu_in_place(const CTensor *t) {
    return guard([&] {
        auto own = t->value;
        at::relu_(own);
    });
}

int32_t ct_batch_norm_training(
    const CTensor *t, const CTensor *gain, const CTensor *bias, const CTensor *mean, const CTensor *variance,
    double momentum, double epsilon, CTensor **out, CTensor **new_mean, CTensor **new_variance) {
    return guard([&] {
        // libtorch moves the averages in place; those that came in stay as they are.
        auto moved_mean = mean->value.clone(), moved_variance = variance->value.clone();
        auto result = at::batch_norm(
            t->value, gain->value, bias->value, moved_mean, moved_variance, /*training=*/true, momentum, epsilon,
            /*cudnn_enabled=*/true);
        *out = new CTensor{result};
        *new_mean = new CTensor{moved_mean};
        *new_variance = new CTensor{moved_variance};
    });
}

CTensor *ct_max_pool2d(const CTensor *t, int64_t size, int64_t stride, int64_t padding) {
    return make([&] {
        return at::max_pool2d(t->value, {size, size}, {stride, stride}, {padding, padding}, {1, 1}, /*ceil_mode=*/false);
    });
}

CTensor *ct_adaptive_avg_pool2d(const CTensor *t, int64_t height, int64_t width) {
    return make([&] { return at::adaptive_avg_pool2d(t->value, {height, width}); });
}
