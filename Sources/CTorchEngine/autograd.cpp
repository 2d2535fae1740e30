#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include "support.h"

using namespace ctorch;

struct COptimizer {
    std::unique_ptr<torch::optim::Optimizer> value;
};

int32_t ct_set_requires_grad(const CTensor *t, bool on) {
    return guard([&] { t->value.requires_grad_(on); });
}

bool ct_is_tracked(const CTensor *t) { return at::GradMode::is_enabled() && t->value.requires_grad(); }

CTensor *ct_detach(const CTensor *t) {
    return make([&] { return t->value.detach(); });
}

int32_t ct_backward(const CTensor *t) {
    return guard([&] { t->value.backward(); });
}

int32_t ct_gradients(
    const CTensor *output, const CTensor *output_gradient, const CTensor *const *inputs, int32_t count, bool keep_graph,
    CTensor **out) {
    return guard([&] {
        std::vector<at::Tensor> seeds;
        if (output_gradient) seeds.push_back(output_gradient->value);
        const auto gradients = torch::autograd::grad(
            {output->value}, tensors(inputs, count), seeds, keep_graph, /*create_graph=*/false, /*allow_unused=*/false);
        for (int32_t i = 0; i < count; ++i) out[i] = new CTensor{gradients[static_cast<size_t>(i)]};
    });
}

namespace {

template <class Body>
COptimizer *optimizer(Body &&body) {
    COptimizer *result = nullptr;
    guard([&] { result = new COptimizer{body()}; });
    return result;
}

}  // namespace

COptimizer *ct_adam(
    const CTensor *const *parameters, int32_t count, double rate, double beta1, double beta2, double epsilon, double decay) {
    return optimizer([&] {
        auto options = torch::optim::AdamOptions(rate).betas({beta1, beta2}).eps(epsilon).weight_decay(decay);
        return std::make_unique<torch::optim::Adam>(tensors(parameters, count), options);
    });
}

namespace {

/// libtorch's own goes over the parameters several times and makes a copy of each; here one pass is enough.
struct FusedSGD : torch::optim::SGD {
    using SGD::SGD;

    at::Tensor step(LossClosure closure) override {
        TORCH_CHECK(!closure, "a closure is not supported");
        at::NoGradGuard no_gradients;
        for (auto &group : param_groups()) {
            const auto &options = static_cast<const torch::optim::SGDOptions &>(group.options());
            std::vector<at::Tensor> parameters, gradients, buffers;
            bool is_first = false;
            for (const auto &parameter : group.params()) {
                if (!parameter.grad().defined()) continue;
                parameters.push_back(parameter.detach());
                gradients.push_back(laid_out_as(parameter, parameter.grad()));
                if (options.momentum() == 0) continue;
                auto &state = state_[parameter.unsafeGetTensorImpl()];
                if (!state) {
                    is_first = true;
                    auto fresh = std::make_unique<torch::optim::SGDParamState>();
                    fresh->momentum_buffer(at::empty_like(parameter.detach()));
                    state = std::move(fresh);
                }
                buffers.push_back(static_cast<torch::optim::SGDParamState &>(*state).momentum_buffer());
            }
            if (parameters.empty()) continue;
            at::_fused_sgd_(
                parameters, gradients, buffers, options.weight_decay(), options.momentum(), options.lr(),
                /*dampening=*/0, /*nesterov=*/false, /*maximize=*/false, is_first);
        }
        return {};
    }

    /// The pass takes the elements in the order of memory.
    static at::Tensor laid_out_as(const at::Tensor &parameter, const at::Tensor &gradient) {
        if (gradient.strides() == parameter.strides()) return gradient;
        auto result = at::empty_like(parameter.detach());
        result.copy_(gradient);
        return result;
    }
};

}  // namespace

COptimizer *ct_sgd(const CTensor *const *parameters, int32_t count, double rate, double momentum, double decay) {
    return optimizer([&] {
        auto options = torch::optim::SGDOptions(rate).momentum(momentum).weight_decay(decay);
        return std::make_unique<FusedSGD>(tensors(parameters, count), options);
    });
}

int32_t ct_sgd_momentum(COptimizer *optimizer, int32_t index, CTensor **out) {
    return guard([&] {
        const auto &parameter = optimizer->value->param_groups().at(0).params().at(static_cast<size_t>(index));
        const auto &states = optimizer->value->state();
        const auto found = states.find(parameter.unsafeGetTensorImpl());
        if (found == states.end()) return;
        const auto &momentum = static_cast<const torch::optim::SGDParamState &>(*found->second).momentum_buffer();
        // The optimizer changes its own in place.
        if (momentum.defined()) *out = new CTensor{momentum.clone()};
    });
}

int32_t ct_sgd_set_momentum(COptimizer *optimizer, int32_t index, const CTensor *momentum) {
    return guard([&] {
        const auto &parameter = optimizer->value->param_groups().at(0).params().at(static_cast<size_t>(index));
        TORCH_CHECK(parameter.sizes() == momentum->value.sizes(), "the momentum has another shape than its parameter");
        auto state = std::make_unique<torch::optim::SGDParamState>();
        auto own = at::empty_like(parameter.detach());
        own.copy_(momentum->value);
        state->momentum_buffer(own);
        optimizer->value->state()[parameter.unsafeGetTensorImpl()] = std::move(state);
    });
}

int32_t ct_optimizer_set_rate(COptimizer *optimizer, double rate) {
    return guard([&] {
        for (auto &group : optimizer->value->param_groups()) group.options().set_lr(rate);
    });
}

int32_t ct_optimizer_assign(COptimizer *optimizer, int32_t index, const CTensor *value) {
    return guard([&] {
        const auto &parameter = optimizer->value->param_groups().at(0).params().at(static_cast<size_t>(index));
        TORCH_CHECK(parameter.sizes() == value->value.sizes(), "the value has another shape than its parameter");
        parameter.detach().copy_(value->value);
    });
}

int32_t ct_optimizer_step(COptimizer *optimizer) {
    return guard([&] { optimizer->value->step(); });
}

void ct_optimizer_zero_grad(COptimizer *optimizer) {
    guard([&] { optimizer->value->zero_grad(); });
}

void ct_optimizer_free(COptimizer *optimizer) { delete optimizer; }
