// SPDX-License-Identifier: Apache-2.0
#include "sa_request.hpp"

#include <espalier/secret.hpp>

#include "config/source_text.hpp"
#include "gateway/control_socket.hpp"
#include "io/os_error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace espalier::cli {
namespace {

// A file must be one that may hold keys, as a key file; a pipe is whoever's it is.
Result<config::Descriptor> open_keys(const std::filesystem::path& file) {
  struct stat found{};
  if (file != "-" && ::stat(file.c_str(), &found) == 0 && S_ISREG(found.st_mode))
    return config::open_secret_file(file, config::Owner::caller);
  config::Descriptor opened(file == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                        : ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened)
    return fail(ErrorCode::io,
                fmt::format("'{}' cannot be read: {}.", file.native(), io::words_of(errno)));
  return opened;
}

// Fills the buffer from the file; gives the number of bytes.
Result<std::size_t> read_file(const std::filesystem::path& file, std::span<char> buffer) {
  const auto opened = open_keys(file);
  if (!opened) return std::unexpected(opened.error());
  std::size_t used = 0;
  while (used < buffer.size()) {
    const ssize_t got = ::read(opened->get(), buffer.data() + used, buffer.size() - used);
    if (got == 0) return used;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    used += static_cast<std::size_t>(got);
  }
  if (used == buffer.size())
    return fail(ErrorCode::invalid, fmt::format("'{}' is longer than the {} bytes that a request "
                                                "may have.",
                                                file.native(), kMaxControlLine));
  return fail(ErrorCode::io,
              fmt::format("'{}' cannot be read: {}.", file.native(), io::words_of(errno)));
}

// Where the text stops being JSON, if it does. No key is shown to the parser: what is within quotes
// is covered.
Result<void> check_json(const std::filesystem::path& file, std::span<const char> text,
                        std::string_view help) {
  std::string covered(text.begin(), text.end());
  bool quoted = false;
  for (std::size_t i = 0; i < covered.size(); ++i) {
    if (covered[i] == '"') quoted = !quoted;
    if (!quoted || covered[i] == '"') continue;
    const bool escape = covered[i] == '\\' && i + 1 < covered.size();
    covered[i] = '*';
    if (escape) covered[++i] = '*';
  }
  try {
    [[maybe_unused]] const auto parsed = nlohmann::json::parse(covered);
    return {};
  } catch (const nlohmann::json::parse_error& error) {
    const std::size_t at = error.byte == 0 ? 0 : std::min(error.byte - 1, text.size());
    const auto before = text.first(at);
    const auto line = std::ranges::count(before, '\n') + 1;
    const auto start = std::ranges::find(before.rbegin(), before.rend(), '\n');
    return fail(ErrorCode::invalid,
                fmt::format("{}:{}:{}: this is not JSON. '{}' shows an example.",
                            file == "-" ? "stdin" : file.native(), line,
                            start - before.rbegin() + 1, help));
  }
}

}  // namespace

// The request is the head with the members of the file's object behind its own: no second copy of
// the keys is made, as parsing the file would.
Result<SaRequest> SaRequest::read(const std::filesystem::path& file, const nlohmann::json& head) {
  std::string verb = head.at("verb").get<std::string>();  // "sa.add"
  std::ranges::replace(verb, '.', ' ');
  const std::string help = fmt::format("espalier {} --help", verb);
  SaRequest request;
  request.buffer_.resize(kMaxControlLine);
  std::string start = head.dump();
  start.back() = ',';  // instead of the closing brace
  std::ranges::copy(start, request.buffer_.begin());
  const std::span<char> room = std::span(request.buffer_).subspan(start.size());
  const auto got = read_file(file, room);
  if (!got) return std::unexpected(got.error());
  const auto text = room.first(*got);
  const auto brace = std::ranges::find_if(
      text, [](char c) { return c != ' ' && c != '\n' && c != '\r' && c != '\t'; });
  if (brace == text.end() || *brace != '{')
    return fail(
        ErrorCode::invalid,
        fmt::format("'{}' does not hold a JSON object with \"sa\" and \"keys\". '{}' shows one.",
                    file.native(), help));
  if (auto json = check_json(file, text, help); !json) return std::unexpected(json.error());
  *brace = ' ';
  std::ranges::replace(text, '\n', ' ');  // only between tokens can there be one
  request.used_ = start.size() + *got;
  return request;
}

SaRequest::~SaRequest() { wipe(buffer_.data(), buffer_.size()); }

}  // namespace espalier::cli
