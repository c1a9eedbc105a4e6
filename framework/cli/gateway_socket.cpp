// SPDX-License-Identifier: Apache-2.0
#include "gateway_socket.hpp"

#include "gateway/control_socket.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace espalier::cli {
namespace {

namespace fs = std::filesystem;
constexpr const char* kFolder = "/run/espalier";

bool is_dead(const fs::path& socket) {
  const auto connected = connect_control(socket);
  return !connected && connected.error().code == ErrorCode::not_found;
}

}  // namespace

void add_socket_option(CLI::App& verb, fs::path& socket) {
  verb.add_option("--socket", socket,
                  "Control socket of the gateway; default: the only one in /run/espalier")
      ->envname("ESPALIER_SOCKET");
}

Result<fs::path> gateway_socket(const fs::path& given) {
  if (!given.empty()) return given;
  std::vector<fs::path> sockets;
  std::error_code error;
  for (fs::directory_iterator entry(kFolder, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->is_socket(error)) sockets.push_back(entry->path());
  std::ranges::sort(sockets);
  // What a killed gateway left behind is passed over; of several such, one is enough to say it.
  if (sockets.size() > 1) {
    const fs::path first = sockets.front();
    std::erase_if(sockets, is_dead);
    if (sockets.empty()) return first;
  }
  if (sockets.size() == 1) return sockets.front();
  if (sockets.empty())
    return fail(ErrorCode::not_found,
                fmt::format("No gateway is running: there is no socket in '{}'. Start one with "
                            "'espalier run CONFIG', or name its socket with --socket.",
                            kFolder));
  std::string names;
  for (const fs::path& socket : sockets) names += ' ' + socket.native();
  return fail(ErrorCode::invalid,
              fmt::format("Several gateways run here; name one with --socket:{}", names));
}

int no_gateway_socket(const Error& error, const Console& console) {
  return error.code == ErrorCode::invalid ? console.refuse(error) : console.fail(error);
}

}  // namespace espalier::cli
