#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/util/Logging.h>
#include <dlfcn.h>
#include <torch/version.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <cstdlib>
#include <limits>
#include <mutex>
#include <string>

#include "support.h"

namespace {

thread_local std::string last_error;

// libtorch writes warnings and stack frames to stderr by itself, in its own words; what matters of that comes back as an error.
const bool is_quiet = [] {
    // libtorch looks at the variable only when it first has something to say.
    setenv("TORCH_CPP_LOG_LEVEL", "FATAL", 0);
    c10::initLogging();
    return true;
}();

// CUDA's kernels register themselves when their library is loaded; nothing links it, so that one
// binary serves machines with and without it.
void load_cuda() {
    static std::once_flag once;
    std::call_once(once, [] { dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL); });
}

}  // namespace

void ctorch::set_error(const char *message) noexcept {
    try {
        last_error = message;
    } catch (...) {
    }
}

const char *ct_last_error(void) { return last_error.c_str(); }

const char *ct_built_version(void) { return TORCH_VERSION; }

const char *ct_loaded_version(void) {
    static const std::string version = [] {
        // "PyTorch built with:" does not carry the version; the build settings line does.
        const std::string config = at::show_config();
        const std::string key = "TORCH_VERSION=";
        const auto start = config.find(key);
        if (start == std::string::npos) return std::string();
        return config.substr(start + key.size(), config.find(',', start) - start - key.size());
    }();
    return version.c_str();
}

void ct_set_threads(int32_t count) {
    ctorch::guard([&] { at::set_num_threads(count); });
}

int32_t ct_threads(void) { return at::get_num_threads(); }

void ct_keep_freed_memory(void) {
#if defined(__GLIBC__)
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
    mallopt(M_TOP_PAD, 64 << 20);
#endif
}

bool ct_device_available(int32_t kind) {
    bool available = false;
    ctorch::guard([&] {
        switch (kind) {
            case CT_CPU: available = true; break;
            case CT_CUDA:
                load_cuda();
                available = at::hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0;
                break;
            case CT_MPS: available = at::hasMPS(); break;
            default: break;
        }
    });
    return available;
}

int32_t ct_synchronize(int32_t kind) {
    return ctorch::guard([&] {
        if (kind == CT_CUDA) at::detail::getCUDAHooks().deviceSynchronize(0);
    });
}

bool ct_grad_enabled(void) { return at::GradMode::is_enabled(); }

void ct_set_grad_enabled(bool enabled) { at::GradMode::set_enabled(enabled); }
