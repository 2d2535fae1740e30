#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/add.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/silu.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <cstdlib>
#include <memory>
#include <tuple>

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

at::Tensor call(
    const at::Tensor &input, const at::Tensor &weight, const Optional &bias, std::string_view ending = "none") {
    return wide()->call(input, weight, bias, ending, c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

using PairedSignature = at::Tensor(
    const at::Tensor &, const at::Tensor &, const at::Tensor &, const Optional &, std::string_view);

/// The same with "mul" or "add" of another tensor while the product is still in the cache.
at::Tensor call(
    const at::Tensor &input, const at::Tensor &weight, const Optional &bias, std::string_view ending,
    const at::Tensor &other) {
    static const auto paired = c10::Dispatcher::singleton()
                                   .findSchemaOrThrow("mkldnn::_linear_pointwise", "binary")
                                   .typed<PairedSignature>();
    return paired.call(input, other, weight, bias, ending);
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

bool isTracked(const at::Tensor &t) { return at::GradMode::is_enabled() && t.requires_grad(); }

/// oneDNN compiles code for each new shape, which pays for matrices of some size only.
bool suits(const at::Tensor &input, const at::Tensor &weight, const Optional &bias) {
    const auto plain = [](const at::Tensor &t) {
        return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.layout() == at::kStrided;
    };
    return input.dim() > 0 && input.numel() > 0 && weight.dim() == 2 && weight.numel() >= 1 << 16 &&
           input.size(-1) == weight.size(1) && plain(input) && plain(weight) && !weight.requires_grad() &&
           (!bias || (plain(*bias) && bias->dim() == 1 && bias->size(0) == weight.size(0) && !bias->requires_grad()));
}

at::Tensor product(const at::Tensor &x, const at::Tensor &weight, const Optional &bias) {
    if (!suits(x, weight, bias) || !wide()) return at::linear(x, weight, bias);
    return isTracked(x) ? Frozen::apply(x, weight, bias) : call(x, weight, bias);
}

/// Where a weight comes from again.
struct Source : torch::CustomClassHolder {
    Source(ct_weight again, ct_release release, void *context) : again(again), release(release), context(context) {}
    ~Source() override { release(context); }

    at::Tensor weight() const {
        const std::unique_ptr<CTensor, decltype(&ct_free)> handle(again(context), ct_free);
        TORCH_CHECK(handle, "a weight could not be read again");
        return handle->value;
    }

    ct_weight again;
    ct_release release;
    void *context;
};

/// A layer whose weights do not learn, and are not kept for the gradient of its input.
struct Again : torch::autograd::Function<Again> {
    static at::Tensor forward(
        torch::autograd::AutogradContext *context, const at::Tensor &input, const at::Tensor &weight,
        const Optional &bias, const c10::intrusive_ptr<torch::CustomClassHolder> &source) {
        context->saved_data["source"] = c10::IValue::make_capsule(source);
        at::AutoDispatchBelowADInplaceOrView below;
        return product(input, weight, bias);
    }

    static torch::autograd::variable_list backward(
        torch::autograd::AutogradContext *context, torch::autograd::variable_list gradients) {
        const auto source = context->saved_data["source"].toCapsule();
        const auto weight = static_cast<const Source &>(*source).weight();
        const auto &gradient = gradients[0];
        // As the layer does it that keeps its weight.
        const auto input = at::GradMode::is_enabled() || !suits(gradient, weight.t(), std::nullopt) || !wide()
                               ? at::matmul(gradient, weight)
                               : call(gradient, weight.t(), std::nullopt);
        return {input, at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

/// Whether the product and what is done with it can be one operation: `other` has its shape and nothing is tracked.
bool fuses(const at::Tensor &x, const at::Tensor &weight, const Optional &bias, const at::Tensor *other = nullptr) {
    if (isTracked(x) || !suits(x, weight, bias) || !wide()) return false;
    if (!other) return true;
    auto shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return !isTracked(*other) && other->is_contiguous() && other->sizes() == shape && other->device().is_cpu() &&
           other->scalar_type() == at::kFloat;
}

} // namespace

CTensor *ct_linear(const CTensor *input, const CTensor *weight, const CTensor *bias) {
    return make([&] { return product(input->value, weight->value, optional(bias)); });
}

CTensor *ct_linear_again(
    const CTensor *input, const CTensor *weight, const CTensor *bias, ct_weight again, ct_release release,
    void *context) {
    return make([&] {
        const auto source = c10::make_intrusive<Source>(again, release, context);
        return Again::apply(
            input->value, weight->value, optional(bias), c10::intrusive_ptr<torch::CustomClassHolder>(source));
    });
}

CTensor *ct_linear_silu(const CTensor *input, const CTensor *weight, const CTensor *bias) {
    return make([&] {
        const auto b = optional(bias);
        if (fuses(input->value, weight->value, b)) return call(input->value, weight->value, b, "swish");
        return at::silu(product(input->value, weight->value, b));
    });
}

CTensor *ct_linear_times(const CTensor *input, const CTensor *weight, const CTensor *bias, const CTensor *factor) {
    return make([&] {
        const auto &[x, w, b, other] = std::tuple(input->value, weight->value, optional(bias), factor->value);
        return fuses(x, w, b, &other) ? call(x, w, b, "mul", other) : at::mul(other, product(x, w, b));
    });
}

CTensor *ct_linear_plus(const CTensor *input, const CTensor *weight, const CTensor *bias, const CTensor *term) {
    return make([&] {
        const auto &[x, w, b, other] = std::tuple(input->value, weight->value, optional(bias), term->value);
        return fuses(x, w, b, &other) ? call(x, w, b, "add", other) : at::add(other, product(x, w, b));
    });
}
