// How a program finds the functions of ctorch.h: they are in a library of their own, as libtorch takes 0.2 s to load and
// commands that only work on files never need it.
#pragma once
#include "ctorch.h"

// All of them, by name: what is not in this list cannot be reached from Swift.
#define CT_FUNCTIONS(X) \
    X(last_error) X(built_version) X(loaded_version) X(set_threads) X(threads) X(keep_freed_memory) \
    X(device_available) X(synchronize) X(grad_enabled) X(set_grad_enabled) \
    X(copy_bytes) X(borrow_bytes) X(full) X(arange) X(normal) X(uniform) X(permutation) X(generator) \
    X(generator_free) X(free) X(rank) X(shape) X(dtype) X(device) X(read) X(item) \
    X(to_dtype) X(to_device) X(copy_into) X(contiguous) X(clone) X(reshape) X(expand) X(permute) X(transpose) X(unsqueeze) \
    X(squeeze) X(narrow) X(select) X(index_select) X(gather) X(index_add) X(index_copy) X(cat) X(stack) X(triu) \
    CT_UNARIES(X) CT_BINARIES(X) X(add_scalar) X(sub_scalar) X(mul_scalar) X(div_scalar) X(pow_scalar) X(eq_scalar) \
    X(lt_scalar) X(gt_scalar) X(gelu) X(clamp) X(where) X(masked_fill) \
    X(sum) X(mean) X(amax) X(amin) X(logsumexp) X(norm) X(argmax) X(cumsum) X(topk) X(sort) \
    X(linear) X(linear_silu) X(linear_times) X(linear_plus) X(linear_again) X(block_suits) X(block_linear) X(embedding) \
    X(softmax) X(log_softmax) X(layer_norm) X(rms_norm) X(attention) X(cross_entropy) \
    X(channels_last) X(conv2d) X(batch_norm) X(batch_norm_training) X(relu_in_place) X(max_pool2d) \
    X(adaptive_avg_pool2d) X(dropout) \
    X(cholesky) X(cholesky_solve) X(solve) X(pinv) X(lstsq) X(qr) X(svd) X(eigh) \
    X(set_requires_grad) X(is_tracked) X(detach) X(backward) X(gradients) \
    X(adam) X(sgd) X(optimizer_set_rate) X(optimizer_assign) X(sgd_momentum) X(sgd_set_momentum) X(optimizer_step) \
    X(optimizer_zero_grad) X(optimizer_free) \
    X(group) X(group_connect) X(group_meet) X(group_gather) X(group_send) X(group_receive) X(group_count) X(group_free)

// The same in one string: where those of a program and a library differ, they are of different builds.
#define CT_NAME(name) #name " "
#define CT_NAMES CT_FUNCTIONS(CT_NAME)

#define CT_FIELD(name) __typeof__(ct_##name) *_Nonnull name;
typedef struct {
    CT_FUNCTIONS(CT_FIELD)
} CTorchFunctions;
#undef CT_FIELD

#ifdef __cplusplus
extern "C" {
#endif

// The functions where the engine is linked into the program; else those of its library, opened by the first call. Ends the
// program with a message where there is none, one of another build, or one that was built against another libtorch.
const CTorchFunctions *_Nonnull ct_functions(void);

// The engine's own table; NULL is its address where it is not linked.
extern const CTorchFunctions ct_engine;
extern const char ct_engine_names[];

#ifdef __cplusplus
}
#endif
