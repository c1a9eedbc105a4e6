// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fake_queue.hpp>

namespace espalier::mock {

// What a fake device claims to be. Set by FakeBackendBuilder.
struct FakeDeviceSpec {
  std::string name = "card0";
  bool asynchronous = false;
  std::uint32_t queue_depth = 64;
  std::uint32_t score = 100;
  std::vector<espalier_capability> caps;  // empty: those of the backend behind, or of the toy
  std::vector<espalier_pool> pools;
  std::shared_ptr<FakeControl> control;
};

// An open fake device. Dead for good once its device was lost.
class FakeDevice final : public sdk::Device {
 public:
  FakeDevice(const FakeDeviceSpec& spec, std::shared_ptr<OpTrace> trace,
             std::shared_ptr<InnerBackend> inner, void* inner_device)
      : inner_device_(inner_device) {
    state_.control = spec.control;
    state_.trace = std::move(trace);
    state_.name = spec.name;
    state_.queue_depth = spec.queue_depth;
    state_.inner = std::move(inner);
    const std::lock_guard lock(spec.control->mutex_);
    state_.generation = spec.control->generation_;
    ++spec.control->counters_.devices_opened;
  }
  ~FakeDevice() override {
    {
      const std::lock_guard lock(control().mutex_);
      ++control().counters_.devices_closed;
      if (!state_.sessions.empty()) {
        control().violations_.push_back("a device was closed with sessions open");
      }
    }
    if (inner_device_ != nullptr) state_.inner->table().device_close(inner_device_);
  }

  sdk::Result<std::uint64_t> session_open(const espalier_session_params& params) override {
    const std::lock_guard lock(control().mutex_);
    auto& counters = control().counters_;
    ++counters.sessions_asked;
    if (control().dead_locked(state_.generation)) return lost();
    if (const auto refusal = control().refusal_locked(Call::session_open)) return *refusal;
    if (counters.sessions() >= control().sa_capacity_) {
      return sdk::Refusal{ESPALIER_CAPACITY, "the fake device's SA table is full"};
    }
    FakeSession session{key_fingerprint(params), params.direction, params.cipher,
                        iv_bytes_of(params.cipher), 0};
    if (state_.inner != nullptr) {
      char text[256] = "";
      espalier_message message{text, sizeof(text)};
      const auto status =
          state_.inner->table().session_open(inner_device_, &params, &session.inner, &message);
      if (status != ESPALIER_OK) return sdk::Refusal{status, text};
    }
    ++counters.sessions_opened;
    const std::uint64_t handle = control().next_session_++;
    state_.sessions.emplace(handle, session);
    return handle;
  }

  void session_close(std::uint64_t handle) override {
    const std::lock_guard lock(control().mutex_);
    const auto it = state_.sessions.find(handle);
    if (it == state_.sessions.end()) {
      control().violations_.push_back("a session was closed that is not open");
      return;
    }
    for (const espalier_op* op : control().in_flight_) {
      if (op->session != handle) continue;
      control().violations_.push_back("a session was closed with packets in flight");
      break;
    }
    if (state_.inner != nullptr) {
      state_.inner->table().session_close(inner_device_, it->second.inner);
    }
    state_.sessions.erase(it);
    ++control().counters_.sessions_closed;
  }

  sdk::Result<std::unique_ptr<sdk::Queue>> queue_open() override {
    {
      const std::lock_guard lock(control().mutex_);
      if (control().dead_locked(state_.generation)) return lost();
      if (const auto refusal = control().refusal_locked(Call::queue_open)) return *refusal;
    }
    void* inner_queue = nullptr;
    if (state_.inner != nullptr) {
      char text[256] = "";
      espalier_message message{text, sizeof(text)};
      const auto status = state_.inner->table().queue_open(inner_device_, &inner_queue, &message);
      if (status != ESPALIER_OK) return sdk::Refusal{status, text};
    }
    return std::unique_ptr<sdk::Queue>(std::make_unique<FakeQueue>(state_, inner_queue));
  }

 private:
  FakeControl& control() const { return *state_.control; }
  sdk::Refusal lost() const {
    const auto& why = control().health_.second;
    return {ESPALIER_LOST, why.empty() ? "the fake device was lost" : why};
  }

  FakeDeviceState state_;
  void* inner_device_;
};

}  // namespace espalier::mock
