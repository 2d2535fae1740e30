// A C interface to libtorch: handles, operators, autograd, errors. No logic lives here.
//
// A CTensor owns one reference to a tensor and is freed with ct_free. A function that makes a tensor
// returns NULL on failure, one that returns int32_t returns 0 on success; the reason is then in
// ct_last_error(), which is kept for each thread until its next failure. No C++ exception leaves.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CTensor CTensor;
typedef struct CGenerator CGenerator;
typedef struct COptimizer COptimizer;
typedef struct CGroup CGroup;

// Element types, by the numbers of c10::ScalarType.
enum { CT_UINT8 = 0, CT_INT32 = 3, CT_INT64 = 4, CT_FLOAT16 = 5, CT_FLOAT32 = 6, CT_FLOAT64 = 7, CT_BOOL = 11, CT_BFLOAT16 = 15 };
// Devices, by the numbers of c10::DeviceType.
enum { CT_CPU = 0, CT_CUDA = 1, CT_MPS = 13 };

// ---- runtime
const char *ct_last_error(void);
const char *ct_built_version(void);
const char *ct_loaded_version(void);
void ct_set_threads(int32_t count);
int32_t ct_threads(void);
void ct_keep_freed_memory(void);
bool ct_device_available(int32_t kind);
int32_t ct_synchronize(int32_t kind);
bool ct_grad_enabled(void);
void ct_set_grad_enabled(bool enabled);

// ---- making and reading
typedef void (*ct_release)(void *context);
CTensor *ct_copy_bytes(const void *bytes, const int64_t *shape, int32_t rank, int32_t dtype);
CTensor *ct_borrow_bytes(const void *bytes, const int64_t *shape, int32_t rank, int32_t dtype, ct_release release, void *context);
CTensor *ct_full(const int64_t *shape, int32_t rank, double value, int32_t dtype, int32_t device, int32_t index);
CTensor *ct_arange(int64_t start, int64_t end, int32_t dtype, int32_t device, int32_t index);
CTensor *ct_normal(const int64_t *shape, int32_t rank, CGenerator *generator);
CTensor *ct_uniform(const int64_t *shape, int32_t rank, CGenerator *generator);
CTensor *ct_permutation(int64_t count, CGenerator *generator);
CGenerator *ct_generator(uint64_t seed);
void ct_generator_free(CGenerator *generator);
void ct_free(CTensor *tensor);
int32_t ct_rank(const CTensor *t);
void ct_shape(const CTensor *t, int64_t *out);
int32_t ct_dtype(const CTensor *t);
void ct_device(const CTensor *t, int32_t *kind, int32_t *index);
int32_t ct_read(const CTensor *t, void *out, size_t bytes);  // contiguous copy to host memory
int32_t ct_item(const CTensor *t, double *out);

// ---- conversion and shape
CTensor *ct_to_dtype(const CTensor *t, int32_t dtype);
CTensor *ct_to_device(const CTensor *t, int32_t device, int32_t index);
int32_t ct_copy_into(const CTensor *target, const CTensor *source);  // converted, in the target's memory
CTensor *ct_contiguous(const CTensor *t);
CTensor *ct_clone(const CTensor *t);
CTensor *ct_reshape(const CTensor *t, const int64_t *shape, int32_t rank);
CTensor *ct_expand(const CTensor *t, const int64_t *shape, int32_t rank);
CTensor *ct_permute(const CTensor *t, const int64_t *order, int32_t rank);
CTensor *ct_transpose(const CTensor *t, int64_t a, int64_t b);
CTensor *ct_unsqueeze(const CTensor *t, int64_t dim);
CTensor *ct_squeeze(const CTensor *t, int64_t dim);
CTensor *ct_narrow(const CTensor *t, int64_t dim, int64_t start, int64_t length);
CTensor *ct_select(const CTensor *t, int64_t dim, int64_t index);
CTensor *ct_index_select(const CTensor *t, int64_t dim, const CTensor *indices);
CTensor *ct_gather(const CTensor *t, int64_t dim, const CTensor *indices);
CTensor *ct_index_add(const CTensor *t, int64_t dim, const CTensor *indices, const CTensor *source);
CTensor *ct_index_copy(const CTensor *t, int64_t dim, const CTensor *indices, const CTensor *source);
CTensor *ct_cat(const CTensor *const *tensors, int32_t count, int64_t dim);
CTensor *ct_stack(const CTensor *const *tensors, int32_t count, int64_t dim);
CTensor *ct_triu(const CTensor *t, int64_t diagonal);

// ---- element by element
#define CT_UNARY(name) CTensor *ct_##name(const CTensor *t);
#define CT_BINARY(name) CTensor *ct_##name(const CTensor *a, const CTensor *b);
#define CT_SCALAR(name) CTensor *ct_##name##_scalar(const CTensor *a, double b);
#define CT_UNARIES(X) X(neg) X(abs) X(exp) X(log) X(sqrt) X(rsqrt) X(square) X(reciprocal) X(sign) X(sin) X(cos) X(tanh) \
    X(sigmoid) X(relu) X(silu) X(isfinite)
#define CT_BINARIES(X) X(add) X(sub) X(mul) X(div) X(maximum) X(minimum) X(eq) X(lt) X(le) X(logical_and) \
    X(matmul)
#define CT_SCALARS(X) X(add) X(sub) X(mul) X(div) X(pow) X(eq) X(lt) X(gt)
CT_UNARIES(CT_UNARY)
CT_BINARIES(CT_BINARY)
CT_SCALARS(CT_SCALAR)
CTensor *ct_gelu(const CTensor *t, bool tanh_approximation);
CTensor *ct_clamp(const CTensor *t, double low, double high);
CTensor *ct_where(const CTensor *condition, const CTensor *a, const CTensor *b);
CTensor *ct_masked_fill(const CTensor *t, const CTensor *mask, double value);

// ---- reductions; count 0 means every dimension
CTensor *ct_sum(const CTensor *t, const int64_t *dims, int32_t count, bool keep);
CTensor *ct_mean(const CTensor *t, const int64_t *dims, int32_t count, bool keep);
CTensor *ct_amax(const CTensor *t, const int64_t *dims, int32_t count, bool keep);
CTensor *ct_amin(const CTensor *t, const int64_t *dims, int32_t count, bool keep);
CTensor *ct_logsumexp(const CTensor *t, int64_t dim, bool keep);
CTensor *ct_norm(const CTensor *t, int64_t dim, bool keep);
CTensor *ct_argmax(const CTensor *t, int64_t dim);
CTensor *ct_cumsum(const CTensor *t, int64_t dim);
int32_t ct_topk(const CTensor *t, int64_t k, int64_t dim, bool largest, CTensor **values, CTensor **indices);
int32_t ct_sort(const CTensor *t, int64_t dim, bool descending, CTensor **values, CTensor **indices);

// ---- network layers
CTensor *ct_linear(const CTensor *input, const CTensor *weight, const CTensor *bias);
CTensor *ct_linear_silu(const CTensor *input, const CTensor *weight, const CTensor *bias);
CTensor *ct_linear_times(const CTensor *input, const CTensor *weight, const CTensor *bias, const CTensor *factor);
CTensor *ct_linear_plus(const CTensor *input, const CTensor *weight, const CTensor *bias, const CTensor *term);
// For gradients: the weight is not kept, but asked for again, as a new handle or NULL for an error. `release` is called once.
typedef CTensor *(*ct_weight)(void *context);
CTensor *ct_linear_again(
    const CTensor *input, const CTensor *weight, const CTensor *bias, ct_weight again, ct_release release, void *context);
// With a matrix `[rows, columns]` in the blocks of a GGUF file, of a type by its number there; `order` says which stored row
// each row of the matrix is, or is null.
bool ct_block_suits(int32_t type, int64_t columns);
CTensor *ct_block_linear(
    const CTensor *input, const void *blocks, int32_t type, const int64_t *order, int64_t rows, int64_t columns);
CTensor *ct_embedding(const CTensor *weight, const CTensor *ids);
CTensor *ct_softmax(const CTensor *t, int64_t dim);
CTensor *ct_log_softmax(const CTensor *t, int64_t dim);
CTensor *ct_layer_norm(const CTensor *t, const CTensor *gain, const CTensor *bias, double epsilon);
CTensor *ct_rms_norm(const CTensor *t, const CTensor *gain, double epsilon);
CTensor *ct_attention(const CTensor *q, const CTensor *k, const CTensor *v, const CTensor *mask, bool causal, double scale, bool grouped);
CTensor *ct_cross_entropy(const CTensor *logits, const CTensor *targets);

// ---- layers for images [batch, channels, height, width]
CTensor *ct_channels_last(const CTensor *t);
CTensor *ct_conv2d(const CTensor *t, const CTensor *weight, const CTensor *bias, int64_t stride, int64_t padding);
CTensor *ct_batch_norm(const CTensor *t, const CTensor *gain, const CTensor *bias, const CTensor *mean, const CTensor *variance, double epsilon);
int32_t ct_batch_norm_training(const CTensor *t, const CTensor *gain, const CTensor *bias, const CTensor *mean, const CTensor *variance, double momentum, double epsilon, CTensor **out, CTensor **new_mean, CTensor **new_variance);
int32_t ct_relu_in_place(const CTensor *t);
CTensor *ct_max_pool2d(const CTensor *t, int64_t size, int64_t stride, int64_t padding);
CTensor *ct_adaptive_avg_pool2d(const CTensor *t, int64_t height, int64_t width);
CTensor *ct_dropout(const CTensor *t, double rate, CGenerator *generator);

// ---- linear algebra
CTensor *ct_cholesky(const CTensor *t);
CTensor *ct_cholesky_solve(const CTensor *rhs, const CTensor *factor);
CTensor *ct_solve(const CTensor *a, const CTensor *b);
CTensor *ct_pinv(const CTensor *t, double relative_tolerance);
CTensor *ct_lstsq(const CTensor *a, const CTensor *b);
int32_t ct_qr(const CTensor *t, CTensor **q, CTensor **r);
int32_t ct_svd(const CTensor *t, CTensor **u, CTensor **s, CTensor **vh);
int32_t ct_eigh(const CTensor *t, CTensor **values, CTensor **vectors);

// ---- gradients
int32_t ct_set_requires_grad(const CTensor *t, bool on);
bool ct_is_tracked(const CTensor *t);  // recorded for gradients, on this thread
CTensor *ct_detach(const CTensor *t);
int32_t ct_backward(const CTensor *t);
int32_t ct_gradients(const CTensor *output, const CTensor *output_gradient, const CTensor *const *inputs, int32_t count, bool keep_graph, CTensor **out);

// ---- optimizers
COptimizer *ct_adam(const CTensor *const *parameters, int32_t count, double rate, double beta1, double beta2, double epsilon, double decay);
COptimizer *ct_sgd(const CTensor *const *parameters, int32_t count, double rate, double momentum, double decay);
int32_t ct_optimizer_set_rate(COptimizer *optimizer, double rate);
int32_t ct_optimizer_assign(COptimizer *optimizer, int32_t index, const CTensor *value);
// The momentum of one parameter of ct_sgd: NULL in *out before the first step.
int32_t ct_sgd_momentum(COptimizer *optimizer, int32_t index, CTensor **out);
int32_t ct_sgd_set_momentum(COptimizer *optimizer, int32_t index, const CTensor *momentum);
int32_t ct_optimizer_step(COptimizer *optimizer);
void ct_optimizer_zero_grad(COptimizer *optimizer);
void ct_optimizer_free(COptimizer *optimizer);

// ---- processes that work together; times in seconds
// The place where they meet, which this process may serve; what they leave there has names that begin with `prefix`.
CGroup *ct_group(const char *host, int32_t port, bool serves, const char *prefix, double timeout);
// Connects this process with each other one; all must have come. It is reached by an interface such as eth0, or else by an
// address, or else by the name that this machine has; where it has none, all are on this one.
int32_t ct_group_connect(CGroup *group, int32_t rank, int32_t size, const char *interface, const char *address, double timeout);
int32_t ct_group_meet(CGroup *group, double timeout);
CTensor *ct_group_gather(CGroup *group, const CTensor *t, double timeout);  // of all ranks, one upon the other
// From one process to another, whose tensor is of the same type and size; in the order of the calls.
int32_t ct_group_send(CGroup *group, const CTensor *t, int32_t to, double timeout);
int32_t ct_group_receive(CGroup *group, CTensor *t, int32_t from, double timeout);
// Adds to a number that all share, and has what it is then.
int32_t ct_group_count(CGroup *group, const char *key, int64_t more, int64_t *out);
void ct_group_free(CGroup *group);

#ifdef __cplusplus
}
#endif
