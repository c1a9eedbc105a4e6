// SPDX-License-Identifier: Apache-2.0
#include "model/sentence.hpp"

#include <fmt/format.h>

#include "model/escaped.hpp"

#include <algorithm>
#include <cctype>

namespace espalier {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

// What has more than a line ends with a list or a table.
bool lacks_stop(std::string_view text) {
  constexpr std::string_view kClosing = "'\")]}";
  const char last = text.back();
  return text.find('\n') == std::string_view::npos &&
         (std::isalnum(static_cast<unsigned char>(last)) != 0 ||
          kClosing.find(last) != std::string_view::npos);
}

}  // namespace

std::string as_sentence(std::string_view text) {
  std::string sentence = escaped(text, "\n");
  if (text.empty()) return sentence;
  if (is_word(text.substr(0, text.find(' '))))
    sentence[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(sentence[0])));
  if (lacks_stop(text)) sentence += '.';
  return sentence;
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

}  // namespace espalier
