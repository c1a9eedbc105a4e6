// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>
#include <espalier/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

// A network that is reached through the interface.
struct Route {
  IpPrefix network;
  // Whether the gateway's own outer packets go to addresses in there, too, or to everywhere. Then
  // the route stands in a table apart, which the outer sockets pass by, while the machine's own
  // routes to what is smaller than the network go before it.
  bool apart = false;
  std::optional<IpAddress> source{};  // of packets that have none yet

  friend bool operator==(const Route&, const Route&) = default;
};

// What a network interface shall have.
struct InterfacePlan {
  std::string name;
  std::uint32_t mtu = 1400;
  std::vector<IpPrefix> addresses;  // with host bits
  std::vector<IpPrefix> routes;     // networks that are reached through the interface
  // For routes that stand apart. Rules that a dead gateway of this site left are removed first.
  std::string site{};
  std::vector<int> outer_sockets{};        // descriptors; the setup keeps them open, too
  std::function<void(Family)> on_apart{};  // before the first of a family
};

// What became of an interface while nobody looked.
struct InterfaceChange {
  bool down = false;          // somebody has set it down since the last look
  std::size_t addresses = 0;  // put back, that somebody had taken away
  std::size_t routes = 0;

  friend bool operator==(const InterfaceChange&, const InterfaceChange&) = default;
};

// An interface set up by us: MTU, addresses, up, routes. Undoes in reverse order what it did when
// it is destroyed, and when apply() fails half-way. [control]
class InterfaceSetup {
 public:
  static Result<InterfaceSetup> apply(const InterfacePlan& plan);
  ~InterfaceSetup();
  InterfaceSetup(InterfaceSetup&& other) noexcept;
  InterfaceSetup& operator=(InterfaceSetup&& other) noexcept;

  // Later changes, undone with the rest. A route that the setup has made already to this network
  // gives way; an error leaves it.
  Result<void> add_route(const Route& route);
  void delete_route(const IpPrefix& network);  // one that is not the setup's own is left alone

  // Puts back addresses and routes that are gone, as the kernel takes them away with an interface
  // that is set down; waits for it to be up again. Costs nothing where nothing has happened, so it
  // may be called every second.
  Result<InterfaceChange> restore();

 private:
  struct Impl;
  explicit InterfaceSetup(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier
