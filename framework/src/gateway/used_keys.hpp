// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/secret.hpp>

#include <array>
#include <cstdint>
#include <vector>

namespace espalier {

// Which keys of counter modes this process has used, so that none is used by a second SA: its
// numbers would begin anew, and with them the IVs (law 1) and the replay window (law 2). Keeps 64
// bits a key, a hash under a secret of its own, for as long as it lives. [control]
class UsedKeys {
 public:
  UsedKeys();

  // What stands for these keys here.
  std::uint64_t fingerprint(const SaKeys& keys) const noexcept;
  bool contains(std::uint64_t fingerprint) const noexcept;
  void insert(std::uint64_t fingerprint);

 private:
  std::array<std::uint8_t, 32> secret_{};
  std::vector<std::uint64_t> places_ = std::vector<std::uint64_t>(64);  // open addressing; 0: empty
  std::size_t used_ = 0;
};

}  // namespace espalier
