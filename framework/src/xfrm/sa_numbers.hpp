// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "xfrm/message.hpp"

namespace espalier::xfrm {

// Which numbers an SA without ESN has used, in the form in which the kernel keeps them: the old one
// of fixed size, or the wide one of any window.
struct SaNumbers {
  bool wide = false;
  std::uint32_t sent = 0;                 // last
  std::uint32_t received = 0;             // highest
  std::uint32_t window = 0;               // of the wide form
  std::vector<std::uint32_t> seen = {0};  // the received ones below, a bit each

  bool untouched() const noexcept { return sent == 0 && received == 0; }
  // Such as no packet gets past: no number is left to send, and all that may come has been there.
  bool closed() const noexcept { return sent == kLast || received == kLast; }
  // The same form, closed. The kernel refuses numbers of the other way where it knows an SA's.
  enum class Way : std::uint8_t { in = 1, out = 2, both = 3 };
  SaNumbers close(Way way) const;

  static constexpr std::uint32_t kLast = 0xffff'ffff;
  friend bool operator==(const SaNumbers&, const SaNumbers&) = default;
};

// Of a NEWSA or DELSA; nothing where it says none, or those of an SA with ESN.
std::optional<SaNumbers> read_numbers(const Attributes& attributes);
void put_numbers(Request& request, const SaNumbers& numbers);

}  // namespace espalier::xfrm
