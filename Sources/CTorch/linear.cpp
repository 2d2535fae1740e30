#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdlib>

#include "support.h"

using namespace ctorch;

namespace {

using Optional = std::optional<at::Tensor>;
using LinearSignature = at::Tensor(
    const at::Tensor &, const at::Tensor &, const Optional &, std::string_view,
    c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);

/// oneDNN's linear layer, where it is better than MKL's: MKL takes AVX-512 on Intel's processors only, and is half as
/// fast elsewhere (210 against 445 GFLOP/s on two cores of an EPYC).
std::optional<c10::TypedOperatorHandle<LinearSignature>> wide() {
#if defined(__x86_64__)
    static const auto found = []() -> std::optional<c10::TypedOperatorHandle<LinearSignature>> {
        __builtin_cpu_init();
        if (__builtin_cpu_is("intel") || !__builtin_cpu_supports("avx512f")) return std::nullopt;
        auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
        if (!schema) return std::nullopt;
        // Code is kept for this many shapes, two entries each: replays have as many as they have layers and starts.
        setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4096", /*overwrite=*/0);
        return schema->typed<LinearSignature>();
    }();
    return found;
#else
    return std::nullopt;
#endif
}

at::Tensor call(const at::Tensor &input, const at::Tensor &weight, const Optional &bias) {
    return wide()->call(input, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

/// A layer whose weights do not learn: the gradient of its input needs only another such layer.
struct Frozen : torch::autograd::Function<Frozen> {
    static at::Tensor forward(
        torch::autograd::AutogradContext *context, const at::Tensor &input, const at::Tensor &weight,
        const Optional &bias) {
        context->save_for_backward({weight});
        at::AutoDispatchBelowADInplaceOrView below;
        return call(input, weight, bias);
    }

    static torch::autograd::variable_list backward(
        torch::autograd::AutogradContext *context, torch::autograd::variable_list gradients) {
        const auto weight = context->get_saved_variables()[0];
        // A gradient of the gradient is asked for rarely, and left to what is differentiable itself.
        const auto input = at::GradMode::is_enabled() ? at::matmul(gradients[0], weight)
                                                      : call(gradients[0], weight.t(), std::nullopt);
        return {input, at::Tensor(), at::Tensor()};
    }
};

/// oneDNN compiles code for each new shape, which pays for matrices of some size only.
bool suits(const at::Tensor &input, const at::Tensor &weight, const Optional &bias) {
    const auto plain = [](const at::Tensor &t) {
        return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.layout() == at::kStrided;
    };
    return input.dim() > 0 && input.numel() > 0 && weight.dim() == 2 && weight.numel() >= 1 << 16 &&
           input.size(-1) == weight.size(1) && plain(input) && plain(weight) && !weight.requires_grad() &&
           (!bias || (plain(*bias) && bias->dim() == 1 && bias->size(0) == weight.size(0) && !bias->requires_grad()));
}

} // namespace

CTensor *ct_linear(const CTensor *input, const CTensor *weight, const CTensor *bias) {
    return make([&] {
        const auto &x = input->value;
        const auto b = optional(bias);
        if (!suits(x, weight->value, b) || !wide()) return at::linear(x, weight->value, b);
        const bool isTracked = at::GradMode::is_enabled() && x.requires_grad();
        return isTracked ? Frozen::apply(x, weight->value, b) : call(x, weight->value, b);
    });
}
