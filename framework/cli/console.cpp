// SPDX-License-Identifier: Apache-2.0
#include "console.hpp"

#include "model/escaped.hpp"
#include "model/json_text.hpp"
#include "model/sentence.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace espalier::cli {

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : noun.ends_with('s') ? "es" : "s");
}

namespace {

constexpr std::string_view kKept = "\n\t";  // of the control characters, in what is printed

// The colour that the text begins with, or "".
std::string_view colour_at(std::string_view text) {
  for (const std::string_view code : {"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m"})
    if (text.starts_with(code)) return code;
  return {};
}

// Control characters are escaped, whatever the text is made of, but those of the style's own
// colours.
std::string shown(std::string_view text, const TextStyle& style) {
  if (!style.colour) return escaped(text, kKept);
  std::string all;
  while (!text.empty()) {
    const std::string_view colour = colour_at(text);
    const std::size_t end = std::min(text.find('\x1b', 1), text.size());
    all += colour;
    all += escaped(text.substr(colour.size(), end - colour.size()), kKept);
    text.remove_prefix(end);
  }
  return all;
}

}  // namespace

// https://no-color.org
Console::Console() {
  const char* no_colour = std::getenv("NO_COLOR");
  style_.colour = ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
}

void Console::print(std::string_view any_text) const {
  const std::string text = shown(any_text, style_);
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if ((std::fflush(stdout) != 0 || !written) && write_error_ == 0) write_error_ = errno;
}

int Console::end(int exit_code) const {
  print({});  // and what others wrote there
  if (write_error_ == 0 || write_error_ == EPIPE) return exit_code;
  tell(fmt::format("The output cannot be written: {}.",
                   std::generic_category().message(write_error_)));
  return exit_code == kDone ? kFailed : exit_code;
}

void Console::print_json(const nlohmann::ordered_json& value) const { print(json_text(value)); }

void Console::tell(std::string_view sentence) const {
  while (sentence.ends_with('\n')) sentence.remove_suffix(1);
  write_error(fmt::format("espalier: {}\n", as_sentence(sentence)));
}

void Console::write_error(std::string_view text) noexcept {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

int Console::fail(const Error& error) const {
  tell(error.message);
  return kFailed;
}

int Console::refuse(const Error& error) const {
  tell(error.message);
  return kUsage;
}

}  // namespace espalier::cli
