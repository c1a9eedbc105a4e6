// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include <chrono>
#include <set>

namespace espalier::cli {

// The addresses of this machine's interfaces, read again where they may have changed. [control]
class LocalAddresses {
 public:
  bool has(const IpAddress& address);

 private:
  void read();

  std::set<IpAddress> addresses_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace espalier::cli
