// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "io/descriptor.hpp"

#include <cstdint>

namespace espalier::io {

// Hears from the kernel when an interface goes up or down, or loses an address or a route; of all
// of them, when one goes up or down.
// [control]
class InterfaceWatch {
 public:
  static Result<InterfaceWatch> open(int index);
  static Result<InterfaceWatch> open_all();

  // Whether that has happened since the last call, other than by requests of this netlink port.
  // What was missed counts as a change. Does not wait.
  bool changed(std::uint32_t own_port);
  // To wait on: readable when there is something to hear.
  int descriptor() const noexcept { return socket_.get(); }

 private:
  InterfaceWatch(Descriptor socket, int index) : socket_(std::move(socket)), index_(index) {}
  static Result<InterfaceWatch> open(int index, std::uint32_t groups);

  bool matters(int interface) const noexcept;

  Descriptor socket_;
  int index_;  // 0: any
};

}  // namespace espalier::io
