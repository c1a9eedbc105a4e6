// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>
#include <espalier/result.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace espalier {

// What a network interface shall have.
struct InterfacePlan {
  std::string name;
  std::uint32_t mtu = 1400;
  std::vector<IpPrefix> addresses;  // with host bits
  std::vector<IpPrefix> routes;     // networks that are reached through the interface
};

// An interface set up by us: MTU, addresses, up, routes. Undoes in reverse order what it did when
// it is destroyed, and when apply() fails half-way. [control]
class InterfaceSetup {
 public:
  static Result<InterfaceSetup> apply(const InterfacePlan& plan);
  ~InterfaceSetup();
  InterfaceSetup(InterfaceSetup&& other) noexcept;
  InterfaceSetup& operator=(InterfaceSetup&& other) noexcept;

  // Later changes, undone with the rest. A route that the setup has made already is left as it is.
  Result<void> add_route(const IpPrefix& network);
  void delete_route(const IpPrefix& network);  // one that is not the setup's own is left alone

 private:
  struct Impl;
  explicit InterfaceSetup(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier
