// SPDX-License-Identifier: Apache-2.0
//
// What a device holds, kept so that it can go on in software. Where an interface is set down, the
// kernel deletes what is offloaded to it, and tells nobody (net/xfrm/xfrm_device.c, xfrm_dev_down).
#pragma once

#include <espalier/result.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

#include "xfrm/sa_copy.hpp"
#include "xfrm/transport.hpp"

namespace espalier::adopt {

// An SA that a device holds, as it was when it was last seen, with its keys. [control]
class HeldCopy {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // More than any interface sends in a second.
  static constexpr std::uint64_t kNumbersPerSecond = std::uint64_t{1} << 28U;

  // Of what the kernel answered to a question of that time; nothing of an SA that no device holds
  // for the kernel to number, or that cannot be put back as it is (xfrm::SaCopy).
  static std::optional<HeldCopy> of(const xfrm::Message& told, Direction direction, Time asked);

  // goes_on: from a number that cannot have been used, however fast it was since.
  // closed: nothing passes it. So are inbound ones: nobody knows what has come since, and that must
  // not pass twice; and outbound ones that have not enough numbers left.
  enum class End { goes_on, closed };
  // Puts it back, in software. Refused where its owner has put one of its SPI there.
  Result<End> put_back(xfrm::Transport& kernel, Time now) const;

 private:
  HeldCopy(xfrm::SaCopy copy, Direction direction, Time asked)
      : copy_(std::move(copy)), direction_(direction), asked_(asked) {}
  std::optional<xfrm::SaNumbers> beyond(Time now) const;

  xfrm::SaCopy copy_;
  Direction direction_;
  Time asked_;
};

}  // namespace espalier::adopt
