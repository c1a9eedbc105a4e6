// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace espalier {
namespace {

// Walks over the string tokens of a JSON text.
class StringScanner {
 public:
  explicit StringScanner(std::span<char> text) : text_(text) {}

  // The next string token without its quotes; false at the end, or in the middle of one.
  bool next(std::span<char>& token) {
    while (at_ < text_.size() && text_[at_] != '"') ++at_;
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) return false;
    token = text_.subspan(begin, at_++ - begin);
    return true;
  }

  // True after a token that names a member whose value is a string.
  bool string_value_follows() {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != ':') return false;
    ++at_;
    skip_blanks();
    return at_ < text_.size() && text_[at_] == '"';
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
  }
  std::span<char> text_;
  std::size_t at_ = 0;
};

SecretBytes* member(SaKeys& keys, std::string_view name) {
  if (name == "cipher") return &keys.cipher;
  if (name == "salt") return &keys.salt;
  if (name == "integrity") return &keys.integrity;
  return nullptr;
}

Result<void> check_length(const SaSpec& sa, std::string_view which, std::size_t has,
                          std::size_t takes) {
  if (has == takes) return {};
  return fail(ErrorCode::invalid,
              takes == 0 ? fmt::format("SA '{}' was given a{} {} of {} bytes; {} has none.",
                                       sa.name, which.starts_with('i') ? "n" : "", which, has,
                                       to_string(sa.transform))
                         : fmt::format("The {} of SA '{}' is {} bytes long; {} takes {}. Keys are "
                                       "given as hex, two digits a byte.",
                                       which, sa.name, has, to_string(sa.transform), takes));
}

}  // namespace

Result<SaKeys> lift_keys(std::span<char> json, SecretPool& secrets) {
  SaKeys keys;
  Result<void> outcome;
  StringScanner scanner(json);
  for (std::span<char> token; scanner.next(token);) {
    const std::string_view name(token.data(), token.size());
    SecretBytes* target = member(keys, name);
    if (target == nullptr || !scanner.string_value_follows()) continue;
    std::span<char> hex;
    if (!scanner.next(hex)) break;
    auto bytes = SecretBytes::from_hex(secrets, {hex.data(), hex.size()});
    std::ranges::fill(hex, '*');
    if (!bytes) {  // goes on: no key may stay in the text
      outcome =
          fail(bytes.error().code, fmt::format("The key '{}': {}", name, bytes.error().message));
      continue;
    }
    if (!target->empty())
      outcome = fail(ErrorCode::invalid, fmt::format("The key '{}' is given twice.", name));
    *target = std::move(*bytes);
  }
  if (!outcome) return std::unexpected(outcome.error());
  return keys;
}

Result<void> validate_keys(const SaSpec& sa, const SaKeys& keys) {
  const TransformInfo* info = transform_info(sa.transform);
  if (info == nullptr)
    return fail(ErrorCode::unsupported, fmt::format("SA '{}': Espalier has no transform '{}'.",
                                                    sa.name, to_string(sa.transform)));
  auto checked = check_length(sa, "cipher key", keys.cipher.size(), info->cipher_key_bytes);
  if (checked) checked = check_length(sa, "salt", keys.salt.size(), info->salt_bytes);
  if (checked)
    checked = check_length(sa, "integrity key", keys.integrity.size(), info->integrity_key_bytes);
  return checked;
}

}  // namespace espalier
