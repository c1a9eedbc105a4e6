// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_client.hpp"

#include "gateway/control_socket.hpp"
#include "io/os_error.hpp"

#include <sys/socket.h>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <string>

namespace espalier {
namespace {

ErrorCode code_named(const std::string& name) {
  for (const ErrorCode code :
       {ErrorCode::unsupported, ErrorCode::capacity, ErrorCode::transient, ErrorCode::lost,
        ErrorCode::permission, ErrorCode::invalid, ErrorCode::not_found, ErrorCode::conflict})
    if (name == to_string(code)) return code;
  return ErrorCode::io;
}

bool is_gone(int error) { return error == EPIPE || error == ECONNRESET; }

Error gateway_ended() {
  return {ErrorCode::lost, "The gateway ended before it answered. Its log says why."};
}

Result<void> send_all(int socket, std::span<const char> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && is_gone(errno)) return std::unexpected(gateway_ended());
    if (sent < 0 && errno == EAGAIN) return std::unexpected(control_silence(socket, path));
    if (sent < 0)
      return fail(ErrorCode::io,
                  fmt::format("The gateway did not take the request: {}.", io::words_of(errno)));
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

// The lines that the gateway sends.
class Lines {
 public:
  Lines(int socket, const std::filesystem::path& path) : socket_(socket), path_(path) {}

  Result<std::string> next() {
    for (;;) {
      if (const auto end = text_.find('\n'); end != std::string::npos) {
        std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return line;
      }
      std::array<char, 16384> part;
      const ssize_t got = ::recv(socket_, part.data(), part.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got == 0 || (got < 0 && is_gone(errno))) return std::unexpected(gateway_ended());
      if (got < 0 && errno != EAGAIN)
        return fail(ErrorCode::io,
                    fmt::format("The gateway's answer cannot be read: {}.", io::words_of(errno)));
      if (got < 0) return std::unexpected(control_silence(socket_, path_));
      text_.append(part.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  int socket_;
  const std::filesystem::path& path_;
  std::string text_;
};

Result<nlohmann::ordered_json> parse_reply(const std::string& line,
                                           const std::filesystem::path& path) {
  auto value = nlohmann::ordered_json::parse(line, nullptr, false);
  if (!value.is_object() || !value.contains("ok") || !value["ok"].is_boolean())
    return fail(ErrorCode::io, fmt::format("What answers at '{}' is no gateway of this version of "
                                           "Espalier.",
                                           path.native()));
  if (value["ok"].get<bool>()) return value;
  const auto error = value.value("error", nlohmann::ordered_json::object());
  return fail(code_named(error.value("code", "")),
              error.value("message", "The gateway refused without a reason."));
}

Result<nlohmann::ordered_json> exchange(int socket, Lines& lines, std::span<const char> line,
                                        const std::filesystem::path& path) {
  auto sent = send_all(socket, line, path);
  if (sent) sent = send_all(socket, std::array{'\n'}, path);
  const auto reply = lines.next();  // a refusal may come before all was sent
  if (!reply) return std::unexpected(sent ? reply.error() : sent.error());
  return parse_reply(*reply, path);
}

}  // namespace

Result<nlohmann::ordered_json> ask_gateway(const std::filesystem::path& path,
                                           std::span<const char> line,
                                           std::chrono::milliseconds patience) {
  const auto socket = connect_control(path, patience);
  if (!socket) return std::unexpected(socket.error());
  Lines lines(socket->get(), path);
  return exchange(socket->get(), lines, line, path);
}

Result<nlohmann::ordered_json> ask_gateway(const std::filesystem::path& path,
                                           const nlohmann::json& request) {
  const std::string line = request.dump();
  return ask_gateway(path, std::span<const char>(line));
}

Result<void> follow_gateway(const std::filesystem::path& path, const nlohmann::json& request,
                            const std::function<bool(const nlohmann::ordered_json&)>& take) {
  const auto socket = connect_control(path);
  if (!socket) return std::unexpected(socket.error());
  Lines lines(socket->get(), path);
  const auto reply = exchange(socket->get(), lines, request.dump(), path);
  if (!reply) return std::unexpected(reply.error());
  be_patient(socket->get(), {});
  for (bool on = take(*reply); on;) {
    const auto line = lines.next();
    if (!line && line.error().code == ErrorCode::lost) return {};
    if (!line) return std::unexpected(line.error());
    on = take(nlohmann::ordered_json::parse(*line, nullptr, false));
  }
  return {};
}

}  // namespace espalier
