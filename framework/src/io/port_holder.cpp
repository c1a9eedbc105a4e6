// SPDX-License-Identifier: Apache-2.0
#include "io/port_holder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

namespace espalier::io {
namespace {

namespace fs = std::filesystem;

// As the links of descriptors name them: "socket:[4711]". Lines of /proc/net/udp: number, local
// address:port in hex, remote one, state, queues, timer, retransmits, user, timeout, inode.
void add_sockets(const fs::path& table, std::uint16_t port, std::set<std::string>& sockets) {
  std::ifstream file(table);
  const std::string wanted = fmt::format(":{:04X}", port);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string number, local, skipped, inode;
    words >> number >> local;
    for (int i = 0; i < 7; ++i) words >> skipped;
    if (words >> inode && local.ends_with(wanted)) sockets.insert("socket:[" + inode + "]");
  }
}

bool holds_one(const fs::path& process, const std::set<std::string>& sockets) {
  std::error_code error;
  for (fs::directory_iterator it(process / "fd", error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    if (sockets.contains(fs::read_symlink(it->path(), gone).native())) return true;
  }
  return false;
}

std::string program_name(const fs::path& process) {
  std::string name;
  std::getline(std::ifstream(process / "comm"), name);
  std::ranges::replace_if(name, [](char c) { return c < ' ' || c > '~'; }, '?');
  return name;
}

}  // namespace

std::optional<PortHolder> udp_port_holder(std::uint16_t port, const fs::path& proc) {
  std::set<std::string> sockets;
  for (const char* table : {"udp", "udp6"}) add_sockets(proc / "net" / table, port, sockets);
  if (sockets.empty()) return std::nullopt;
  std::error_code error;
  for (fs::directory_iterator it(proc, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    int pid = 0;
    const auto [last, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc() || last != name.data() + name.size()) continue;
    if (holds_one(it->path(), sockets)) return PortHolder{pid, program_name(it->path())};
  }
  return std::nullopt;
}

}  // namespace espalier::io
