// SPDX-License-Identifier: Apache-2.0
#include "model/escaped.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace espalier {
namespace {

// C0, DEL, and C1 as UTF-8 has it (0xc2 and 0x80 to 0x9f). Its size in bytes, or 0 for no control
// character.
std::size_t control_at(std::string_view text, std::size_t at, std::uint32_t& code) {
  code = static_cast<unsigned char>(text[at]);
  if (code < 0x20 || code == 0x7f) return 1;
  if (code != 0xc2 || at + 1 == text.size()) return 0;
  code = static_cast<unsigned char>(text[at + 1]);
  return code >= 0x80 && code <= 0x9f ? 2 : 0;
}

}  // namespace

std::string escaped(std::string_view text, std::string_view kept) {
  std::string shown;
  shown.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    std::uint32_t code = 0;
    const std::size_t size = control_at(text, at, code);
    if (size == 0 || kept.contains(text[at])) {
      shown += text[at++];
    } else {
      shown += fmt::format("\\u{:04x}", code);
      at += size;
    }
  }
  return shown;
}

}  // namespace espalier
