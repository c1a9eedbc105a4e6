// SPDX-License-Identifier: Apache-2.0
#include "io/bind_error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <string>

#include "io/os_error.hpp"
#include "io/port_holder.hpp"

namespace espalier::io {
namespace {

// The holder, and how it is found where that is not known.
std::string taken_by(std::uint16_t port) {
  const auto holder = udp_port_holder(port);
  if (!holder) return fmt::format("another program ('ss -lunp sport = :{}' may name it)", port);
  const char* const another = holder->name == "espalier" ? "another " : "";
  return fmt::format("{}{} (pid {})", another, holder->name, holder->pid);
}

}  // namespace

Error bind_error(const Endpoint& local, int error) {
  switch (error) {
    case EADDRINUSE:
      return {ErrorCode::conflict,
              fmt::format("UDP port {} of {} is taken by {}. Stop it, or give this site another "
                          "'port' in its [site] table.",
                          local.port, to_string(local.address), taken_by(local.port))};
    case EADDRNOTAVAIL:
      return {ErrorCode::not_found,
              fmt::format("No interface of this machine has the address {}, so that UDP port {} "
                          "cannot be opened on it. Set the address up first ('ip address'), or "
                          "correct the 'address' of its [site] table.",
                          to_string(local.address), local.port)};
    case EACCES:
    case EPERM:
      return {ErrorCode::permission,
              fmt::format("No permission to open UDP port {} of {}. Ports below 1024 need root or "
                          "CAP_NET_BIND_SERVICE.",
                          local.port, to_string(local.address))};
    default:
      return {ErrorCode::io, fmt::format("UDP port {} of {} cannot be opened: {}.", local.port,
                                         to_string(local.address), words_of(error))};
  }
}

}  // namespace espalier::io
