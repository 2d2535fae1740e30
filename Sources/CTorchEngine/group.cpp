// Processes that work together: libtorch's rendezvous over TCP and its Gloo collectives.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "support.h"

struct CGroup {
    c10::intrusive_ptr<c10d::TCPStore> store;
    c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

CGroup *ct_group(const char *host, int32_t port, bool serves, int32_t rank, int32_t size, double timeout) {
    CGroup *result = nullptr;
    ctorch::guard([&] {
        const auto patience = std::chrono::milliseconds(static_cast<int64_t>(timeout * 1000));
        c10d::TCPStoreOptions options;
        options.port = static_cast<uint16_t>(port);
        options.isServer = serves;
        options.numWorkers = static_cast<size_t>(size);
        options.waitWorkers = false;
        options.timeout = patience;
        auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
        auto settings = c10d::ProcessGroupGloo::Options::create(patience);
        // The address by which this machine is known to the others; where it has none, they are all on this one.
        settings->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
        auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, settings);
        result = new CGroup{std::move(store), std::move(gloo)};
    });
    return result;
}

int32_t ct_group_meet(CGroup *group, double timeout) {
    return ctorch::guard([&] {
        c10d::BarrierOptions options;
        options.timeout = std::chrono::milliseconds(static_cast<int64_t>(timeout * 1000));
        group->gloo->monitoredBarrier(options, false);
    });
}

int32_t ct_group_reach(CGroup *group, int32_t rank) {
    return ctorch::guard([&] {
        // Nothing is ever sent by this tag: that it can be waited for tells that the other is there.
        constexpr int tag = 1 << 20;
        std::vector<at::Tensor> nothing{at::zeros({1}, at::kByte)};
        group->gloo->recv(nothing, rank, tag)->abort();
    });
}

CTensor *ct_group_gather(CGroup *group, const CTensor *t) {
    return ctorch::make([&] {
        std::vector<at::Tensor> inputs{t->value.contiguous()};
        std::vector<std::vector<at::Tensor>> outputs(1);
        for (int rank = 0; rank < group->gloo->getSize(); ++rank) outputs[0].push_back(at::empty_like(inputs[0]));
        group->gloo->allgather(outputs, inputs)->wait();
        return at::stack(outputs[0]);
    });
}

int32_t ct_group_count(CGroup *group, const char *key, int64_t more, int64_t *out) {
    return ctorch::guard([&] { *out = group->store->add(key, more); });
}

void ct_group_free(CGroup *group) { delete group; }
