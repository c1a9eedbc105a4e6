// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "harness.hpp"

namespace espalier::test {

inline constexpr Transform kGcm{ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE, 16, 16};
inline constexpr std::uint32_t kLength = 200;

// Packets to be sealed by one session of an asynchronous device, in one region that is attached if
// the device asks for it, with a queue of their own. Submitted and polled by hand.
class Traffic {
 public:
  Traffic(OpenBackend& backend, std::size_t packets)
      : backend_(backend),
        sa_(random_sa(random_, kGcm, false)),
        session_(backend.session(sa_, ESPALIER_OUTBOUND)),
        queue_(backend.new_queue()),
        memory_(packets * kLength, 0x11),
        ops_(packets) {
    std::uint64_t iova = 0;
    if (needs_dma() && backend.table().mem_attach(backend.device(), memory_.data(), memory_.size(),
                                                  &iova, nullptr) != ESPALIER_OK)
      throw std::runtime_error("attach");
    for (std::size_t i = 0; i < packets; ++i) {
      ops_[i] = make_op(session_, sa_, memory_.data() + i * kLength, kLength);
      ops_[i].iova = iova + i * kLength;
      pointers_.push_back(&ops_[i]);
    }
  }
  ~Traffic() {
    backend_.close_queue(queue_);
    if (needs_dma()) backend_.table().mem_detach(backend_.device(), memory_.data(), memory_.size());
    backend_.close(session_);
  }
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  std::uint32_t submit(std::size_t from, std::size_t n) {
    return backend_.table().submit(queue_, pointers_.data() + from, static_cast<std::uint32_t>(n));
  }
  std::vector<std::size_t> poll() {  // which of the packets
    std::vector<espalier_op*> back(ops_.size());
    back.resize(
        backend_.table().poll(queue_, back.data(), static_cast<std::uint32_t>(back.size())));
    std::vector<std::size_t> which;
    for (const espalier_op* op : back) which.push_back(static_cast<std::size_t>(op - ops_.data()));
    return which;
  }
  std::vector<std::size_t> poll_until(std::size_t n) {
    std::vector<std::size_t> all;
    for (int i = 0; i < 20'000 && all.size() < n; ++i) {
      for (const auto one : poll()) all.push_back(one);
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return all;
  }
  espalier_status quiesce() {
    const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    return backend_.table().queue_quiesce(
        queue_, static_cast<std::uint64_t>(soon.time_since_epoch().count()));
  }
  espalier_op& op(std::size_t i) { return ops_[i]; }
  const Bytes& memory() const { return memory_; }
  const Sa& sa() const { return sa_; }
  Bytes packet(std::size_t i) const {
    const auto* const start = memory_.data() + i * kLength;
    return {start, start + kLength};
  }
  std::vector<std::uint16_t> statuses() const {
    std::vector<std::uint16_t> all;
    for (const auto& op : ops_) all.push_back(op.status);
    return all;
  }
  void forget(std::size_t i) { ops_[i].status = ESPALIER_OP_PENDING; }

 private:
  bool needs_dma() const { return (backend_.info().flags & ESPALIER_DEVICE_NEEDS_DMA) != 0; }

  OpenBackend& backend_;
  Random random_{test_seed()};
  Sa sa_;
  std::uint64_t session_;
  void* queue_;
  Bytes memory_;
  std::vector<espalier_op> ops_;
  std::vector<espalier_op*> pointers_;
};

}  // namespace espalier::test
