#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/_to_copy.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/rand.h>

#include <cstring>

#include "support.h"

using namespace ctorch;

struct CGenerator {
    at::Generator value;
};

namespace {

at::TensorOptions options(int32_t dtype, int32_t device = CT_CPU, int32_t index = -1) {
    return at::TensorOptions()
        .dtype(static_cast<at::ScalarType>(dtype))
        .device(static_cast<at::DeviceType>(device), static_cast<c10::DeviceIndex>(index));
}

}  // namespace

CTensor *ct_copy_bytes(const void *bytes, const int64_t *shape, int32_t rank, int32_t dtype) {
    return make([&] {
        at::Tensor result = at::empty(list(shape, rank), options(dtype));
        if (result.nbytes() > 0) std::memcpy(result.mutable_data_ptr(), bytes, result.nbytes());
        return result;
    });
}

CTensor *ct_borrow_bytes(
    const void *bytes, const int64_t *shape, int32_t rank, int32_t dtype, ct_release release, void *context) {
    // Released exactly once: by the tensor's deleter, or here when no tensor came to be.
    CTensor *result = make([&] {
        return at::from_blob(
            const_cast<void *>(bytes), list(shape, rank), [release, context](void *) { release(context); }, options(dtype));
    });
    if (!result) release(context);
    return result;
}

CTensor *ct_full(const int64_t *shape, int32_t rank, double value, int32_t dtype, int32_t device, int32_t index) {
    return make([&] { return at::full(list(shape, rank), value, options(dtype, device, index)); });
}

CTensor *ct_arange(int64_t start, int64_t end, int32_t dtype, int32_t device, int32_t index) {
    return make([&] { return at::arange(start, end, options(dtype, device, index)); });
}

CTensor *ct_normal(const int64_t *shape, int32_t rank, CGenerator *generator) {
    return make([&] { return at::randn(list(shape, rank), generator->value, options(CT_FLOAT32)); });
}

CTensor *ct_uniform(const int64_t *shape, int32_t rank, CGenerator *generator) {
    return make([&] { return at::rand(list(shape, rank), generator->value, options(CT_FLOAT32)); });
}

CTensor *ct_permutation(int64_t count, CGenerator *generator) {
    return make([&] { return at::randperm(count, generator->value, options(CT_INT64)); });
}

CTensor *ct_dropout(const CTensor *t, double rate, CGenerator *generator) {
    return make([&] {
        const auto kept = at::empty_like(t->value).bernoulli_(1 - rate, generator->value);
        return at::mul(t->value, kept.div_(1 - rate));
    });
}

CGenerator *ct_generator(uint64_t seed) {
    CGenerator *result = nullptr;
    guard([&] { result = new CGenerator{at::detail::createCPUGenerator(seed)}; });
    return result;
}

void ct_generator_free(CGenerator *generator) { delete generator; }

void ct_free(CTensor *tensor) { delete tensor; }

int32_t ct_rank(const CTensor *t) { return static_cast<int32_t>(t->value.dim()); }

void ct_shape(const CTensor *t, int64_t *out) {
    const auto sizes = t->value.sizes();
    std::copy(sizes.begin(), sizes.end(), out);
}

int32_t ct_dtype(const CTensor *t) { return static_cast<int32_t>(t->value.scalar_type()); }

void ct_device(const CTensor *t, int32_t *kind, int32_t *index) {
    const auto device = t->value.device();
    *kind = static_cast<int32_t>(device.type());
    *index = device.index();
}

int32_t ct_read(const CTensor *t, void *out, size_t bytes) {
    return guard([&] {
        const at::Tensor host = t->value.detach().cpu().contiguous();
        TORCH_CHECK(host.nbytes() == bytes, "the tensor has ", host.nbytes(), " bytes, the buffer ", bytes);
        if (bytes > 0) std::memcpy(out, host.const_data_ptr(), bytes);
    });
}

int32_t ct_item(const CTensor *t, double *out) {
    return guard([&] { *out = t->value.item().toDouble(); });
}

CTensor *ct_to_dtype(const CTensor *t, int32_t dtype) {
    return make([&] { return t->value.to(static_cast<at::ScalarType>(dtype)); });
}

int32_t ct_copy_into(const CTensor *target, const CTensor *source) {
    return guard([&] { target->value.copy_(source->value); });
}

CTensor *ct_to_device(const CTensor *t, int32_t device, int32_t index) {
    return make([&] {
        return t->value.to(at::Device(static_cast<at::DeviceType>(device), static_cast<c10::DeviceIndex>(index)));
    });
}
