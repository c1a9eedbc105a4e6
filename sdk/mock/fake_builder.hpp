// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fake_backend.hpp>

namespace espalier::mock {

// Setters in a chain, each with a default that works. Those of devices act on the device named last
// by device(); before that, on the one device that every backend has.
class FakeBackendBuilder {
 public:
  FakeBackendBuilder() : spec_{} { add_device({}); }

  // ---- The backend ---------------------------------------------------------------------------
  FakeBackendBuilder& name(std::string name) { return spec_.name = std::move(name), *this; }
  // The backend that does the cryptography; its entry must live on.
  FakeBackendBuilder& inner(const espalier_plugin_entry& entry) {
    return spec_.inner = &entry, *this;
  }
  // Records ops into a trace that other fakes share.
  FakeBackendBuilder& trace(std::shared_ptr<OpTrace> trace) {
    return spec_.trace = std::move(trace), *this;
  }
  // The backend refuses to start.
  FakeBackendBuilder& refuse_to_start(espalier_status status, std::string words) {
    return spec_.negotiate = {status, std::move(words)}, *this;
  }

  // ---- Its devices ---------------------------------------------------------------------------
  // A device of that name; the first call names the first device, later ones add one each.
  FakeBackendBuilder& device(std::string device_name) {
    if (named_) add_device({});
    named_ = true;
    last().name = std::move(device_name);
    return *this;
  }
  FakeBackendBuilder& asynchronous(bool yes = true) { return last().asynchronous = yes, *this; }
  FakeBackendBuilder& queue_depth(std::uint32_t ops) { return last().queue_depth = ops, *this; }
  FakeBackendBuilder& score(std::uint32_t score) { return last().score = score, *this; }
  FakeBackendBuilder& caps(std::vector<espalier_capability> caps) {
    return last().caps = std::move(caps), *this;
  }
  // A table of this many SAs, reported in a pool of this use. For a lie, set the control's
  // sa_capacity or report_used to something else.
  FakeBackendBuilder& sa_capacity(std::uint64_t sas, std::uint32_t use = ESPALIER_USE_COUNTED) {
    control().set_sa_capacity(sas);
    last().pools = {fake_pool("sas", sas, use)};
    return *this;
  }
  FakeBackendBuilder& pool(const espalier_pool& pool) {
    return last().pools.push_back(pool), *this;
  }
  FakeBackendBuilder& completion_order(Order order, std::uint64_t seed = 1) {
    return control().set_order(order, seed), *this;
  }
  FakeBackendBuilder& hold_completions() { return control().hold_completions(), *this; }
  FakeBackendBuilder& latency(std::chrono::nanoseconds latency) {
    return control().set_latency(latency), *this;
  }

  FakeBackend build() const { return FakeBackend(spec_); }

 private:
  void add_device(FakeDeviceSpec device) {
    device.control = std::make_shared<FakeControl>();
    device.control->set(device.control->index_, std::uint64_t{spec_.devices.size()});
    spec_.devices.push_back(std::move(device));
    if (spec_.trace == nullptr) spec_.trace = std::make_shared<OpTrace>();
  }
  FakeDeviceSpec& last() { return spec_.devices.back(); }
  FakeControl& control() { return *last().control; }

  FakeBackendSpec spec_;
  bool named_ = false;
};

}  // namespace espalier::mock
