// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/spsc_ring.hpp"

#include <espalier/packet.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace espalier::esp {

// A packet on its way from the worker that received it to the worker that owns its SA.
struct HandedOver {
  bool inbound = false;
  std::uint32_t length = 0;
  WireAddress wire;
  std::array<std::uint8_t, kMaxPacket + 1> data;
};

// One ring for every ordered pair of workers. Packets are copied, so that no buffer ever changes
// its owner.
class HandoffMatrix {
 public:
  static constexpr std::size_t kDepth = 64;

  explicit HandoffMatrix(std::uint32_t workers) : workers_(workers) {
    if (workers == 1) return;
    for (std::uint32_t i = 0; i < workers * workers; ++i) {
      rings_.push_back(std::make_unique<SpscRing<HandedOver>>(kDepth));
    }
  }

  std::uint32_t workers() const noexcept { return workers_; }
  SpscRing<HandedOver>& ring(std::uint32_t from, std::uint32_t to) noexcept {
    return *rings_[from * workers_ + to];
  }

 private:
  std::uint32_t workers_;
  std::vector<std::unique_ptr<SpscRing<HandedOver>>> rings_;
};

}  // namespace espalier::esp
