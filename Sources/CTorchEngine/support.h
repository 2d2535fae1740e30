// What every file of CTorch shares: the handle, and the wall that no C++ exception crosses.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <exception>
#include <utility>

#include "ctorch.h"

struct CTensor {
    at::Tensor value;
};

namespace ctorch {

void set_error(const char *message) noexcept;

template <class Body>
int32_t guard(Body &&body) noexcept {
    try {
        body();
        return 0;
    } catch (const c10::Error &error) {
        set_error(error.what_without_backtrace());
    } catch (const std::exception &error) {
        set_error(error.what());
    } catch (...) {
        set_error("unknown C++ exception");
    }
    return 1;
}

template <class Body>
CTensor *make(Body &&body) noexcept {
    CTensor *result = nullptr;
    guard([&] { result = new CTensor{body()}; });
    return result;
}

inline at::IntArrayRef list(const int64_t *values, int32_t count) {
    return at::IntArrayRef(values, static_cast<size_t>(count));
}

inline std::vector<at::Tensor> tensors(const CTensor *const *handles, int32_t count) {
    std::vector<at::Tensor> result;
    result.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; ++i) result.push_back(handles[i]->value);
    return result;
}

inline std::optional<at::Tensor> optional(const CTensor *handle) {
    return handle ? std::optional<at::Tensor>(handle->value) : std::nullopt;
}

}  // namespace ctorch
