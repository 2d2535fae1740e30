// Processes that work together: libtorch's rendezvous over TCP and its Gloo collectives.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "support.h"

struct CGroup {
    c10::intrusive_ptr<c10d::Store> store;
    c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

namespace {

std::chrono::milliseconds milliseconds(double seconds) {
    return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

}  // namespace

CGroup *ct_group(const char *host, int32_t port, bool serves, const char *prefix, double timeout) {
    CGroup *result = nullptr;
    ctorch::guard([&] {
        c10d::TCPStoreOptions options;
        options.port = static_cast<uint16_t>(port);
        options.isServer = serves;
        options.waitWorkers = false;
        options.timeout = milliseconds(timeout);
        auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
        result = new CGroup{c10::make_intrusive<c10d::PrefixStore>(prefix, std::move(store)), nullptr};
    });
    return result;
}

int32_t ct_group_connect(
    CGroup *group, int32_t rank, int32_t size, const char *interface, const char *address, double timeout) {
    return ctorch::guard([&] {
        auto settings = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout));
        settings->devices.push_back(
            interface  ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
            : address  ? c10d::ProcessGroupGloo::createDeviceForHostname(address)
                       : c10d::ProcessGroupGloo::createDefaultDevice());
        group->gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(group->store, rank, size, settings);
    });
}

int32_t ct_group_meet(CGroup *group, double timeout) {
    return ctorch::guard([&] {
        c10d::BarrierOptions options;
        options.timeout = milliseconds(timeout);
        group->gloo->monitoredBarrier(options, false);
    });
}

CTensor *ct_group_gather(CGroup *group, const CTensor *t, double timeout) {
    return ctorch::make([&] {
        std::vector<at::Tensor> inputs{t->value.contiguous()};
        std::vector<std::vector<at::Tensor>> outputs(1);
        for (int rank = 0; rank < group->gloo->getSize(); ++rank) outputs[0].push_back(at::empty_like(inputs[0]));
        c10d::AllgatherOptions options;
        options.timeout = milliseconds(timeout);
        group->gloo->allgather(outputs, inputs, options)->wait();
        return at::stack(outputs[0]);
    });
}

int32_t ct_group_send(CGroup *group, const CTensor *t, int32_t to, double timeout) {
    return ctorch::guard([&] {
        std::vector<at::Tensor> tensors{t->value.contiguous()};
        group->gloo->send(tensors, to, 0)->wait(milliseconds(timeout));
    });
}

int32_t ct_group_receive(CGroup *group, CTensor *t, int32_t from, double timeout) {
    return ctorch::guard([&] {
        std::vector<at::Tensor> tensors{t->value};
        group->gloo->recv(tensors, from, 0)->wait(milliseconds(timeout));
    });
}

int32_t ct_group_count(CGroup *group, const char *key, int64_t more, int64_t *out) {
    return ctorch::guard([&] { *out = group->store->add(key, more); });
}

void ct_group_free(CGroup *group) { delete group; }
