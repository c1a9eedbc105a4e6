// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_client.hpp"

#include "gateway/control_socket.hpp"
#include "io/os_error.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <string>

namespace espalier {
namespace {

constexpr timeval kPatience{30, 0};

ErrorCode code_named(const std::string& name) {
  for (const ErrorCode code :
       {ErrorCode::unsupported, ErrorCode::capacity, ErrorCode::transient, ErrorCode::lost,
        ErrorCode::permission, ErrorCode::invalid, ErrorCode::not_found, ErrorCode::conflict})
    if (name == to_string(code)) return code;
  return ErrorCode::io;
}

Result<void> send_all(int socket, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0)
      return fail(ErrorCode::io,
                  fmt::format("The gateway did not take the request: {}.", io::words_of(errno)));
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::string> read_line(int socket) {
  std::string line;
  std::array<char, 16384> part;
  while (true) {
    const ssize_t got = ::recv(socket, part.data(), part.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return fail(ErrorCode::transient,
                  fmt::format("The gateway did not answer within {} s.", kPatience.tv_sec));
    if (got == 0)
      return fail(ErrorCode::lost, "The gateway ended before it answered. Its log says why.");
    line.append(part.data(), static_cast<std::size_t>(got));
    if (line.ends_with('\n')) return line;
  }
}

}  // namespace

Result<nlohmann::ordered_json> ask_gateway(const std::filesystem::path& path,
                                           std::span<const char> line) {
  const auto socket = connect_control(path);
  if (!socket) return std::unexpected(socket.error());
  ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  ::setsockopt(socket->get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  auto sent = send_all(socket->get(), line);
  if (sent) sent = send_all(socket->get(), std::array{'\n'});
  const auto reply = read_line(socket->get());  // a refusal may come before all was sent
  if (!reply) return std::unexpected(sent ? reply.error() : sent.error());

  auto value = nlohmann::ordered_json::parse(*reply, nullptr, false);
  if (!value.is_object() || !value.contains("ok") || !value["ok"].is_boolean())
    return fail(ErrorCode::io, fmt::format("What answers at '{}' is no gateway of this version of "
                                           "Espalier.",
                                           path.native()));
  if (value["ok"].get<bool>()) return value;
  const auto error = value.value("error", nlohmann::ordered_json::object());
  return fail(code_named(error.value("code", "")),
              error.value("message", "The gateway refused without a reason."));
}

Result<nlohmann::ordered_json> ask_gateway(const std::filesystem::path& path,
                                           const nlohmann::json& request) {
  const std::string line = request.dump();
  return ask_gateway(path, std::span<const char>(line));
}

}  // namespace espalier
