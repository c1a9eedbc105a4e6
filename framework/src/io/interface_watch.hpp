// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "io/descriptor.hpp"

#include <cstdint>

namespace espalier::io {

// Hears from the kernel when an interface goes up or down, or loses an address or a route.
// [control]
class InterfaceWatch {
 public:
  static Result<InterfaceWatch> open(int index);

  // Whether that has happened since the last call, other than by requests of this netlink port.
  // What was missed counts as a change. Does not wait.
  bool changed(std::uint32_t own_port);

 private:
  InterfaceWatch(Descriptor socket, int index) : socket_(std::move(socket)), index_(index) {}

  Descriptor socket_;
  int index_;
};

}  // namespace espalier::io
