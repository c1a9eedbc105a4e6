// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace espalier::io {

// A process that has a socket.
struct PortHolder {
  int pid = 0;
  std::string name;  // of the program, as /proc/PID/comm has it: what is not printable is '?'

  friend bool operator==(const PortHolder&, const PortHolder&) = default;
};

// Who has a UDP socket on the port in this network namespace, as far as /proc shows it to this
// user: nothing if it shows none. Reads every process's descriptors: for an error's words alone.
std::optional<PortHolder> udp_port_holder(std::uint16_t port,
                                          const std::filesystem::path& proc = "/proc");

}  // namespace espalier::io
