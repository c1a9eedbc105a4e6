// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_keys.hpp"

#include "gateway/complaints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace espalier {
namespace {

// Walks over the string tokens of a JSON text, without a copy of any.
class StringScanner {
 public:
  explicit StringScanner(std::span<char> text) : text_(text) {}

  // The next string token without its quotes; false at the end, or in the middle of one.
  bool next(std::span<char>& token) {
    object_ended_ = false;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) object_ended_ |= text_[at_] == '}';
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) return false;
    token = text_.subspan(begin, at_++ - begin);
    return true;
  }

  // Whether an object ended before the last token.
  bool object_ended() const { return object_ended_; }
  // After a token: whether it is the name of a member, and what that begins with.
  bool is_name() const { return at(blanks_from(at_)) == ':'; }
  char value_begins_with() const { return at(blanks_from(blanks_from(at_) + 1)); }

 private:
  char at(std::size_t place) const { return place < text_.size() ? text_[place] : '\0'; }
  std::size_t blanks_from(std::size_t place) const {
    while (place < text_.size() && std::string_view(" \t\r\n").contains(text_[place])) ++place;
    return place;
  }

  std::span<char> text_;
  std::size_t at_ = 0;
  bool object_ended_ = false;
};

// What no parser may see, since it could be a key, in whichever form.
std::unexpected<Error> no_such_key() {
  return fail(ErrorCode::invalid,
              "\"keys\" may hold \"cipher\", \"salt\" and \"integrity\", each a string of hex "
              "digits.");
}
std::unexpected<Error> escaped_name() {
  return fail(ErrorCode::invalid,
              "The name of a member is written with an escape ('\\'). Write names plainly, so that "
              "a key is known for what it is before the request is parsed.");
}

SecretBytes* member(SaKeys& keys, std::string_view name) {
  if (name == "cipher") return &keys.cipher;
  if (name == "salt") return &keys.salt;
  if (name == "integrity") return &keys.integrity;
  return nullptr;
}

Result<void> check_length(const SaSpec& sa, std::string_view which, std::size_t has,
                          std::size_t takes) {
  if (has == takes) return {};
  return fail(
      ErrorCode::invalid,
      takes == 0
          ? fmt::format("SA '{}' was given a{} {} of {} bytes; {} has none.", sa.name,
                        which.starts_with('i') ? "n" : "", which, has, to_string(sa.transform))
          : fmt::format("The {} of SA '{}' is {} byte{} long; {} takes {}. Keys are "
                        "given as hex, two digits a byte.",
                        which, sa.name, has, has == 1 ? "" : "s", to_string(sa.transform), takes));
}

}  // namespace

Result<SaKeys> lift_keys(std::span<char> json, SecretPool& secrets) {
  SaKeys keys;
  Result<void> outcome;
  StringScanner scanner(json);
  bool among_keys = false;
  const auto refuse = [&outcome](std::unexpected<Error> error) {
    if (outcome) outcome = std::move(error);
  };
  for (std::span<char> token; scanner.next(token);) {
    const std::string_view name(token.data(), token.size());
    const bool is_name = scanner.is_name();
    if (scanner.object_ended()) among_keys = false;  // "keys" holds no object
    if (is_name && name.contains('\\')) refuse(escaped_name());
    if (is_name && name == "keys") {
      among_keys = scanner.value_begins_with() == '{';
      if (!among_keys) refuse(no_such_key());
      continue;
    }
    SecretBytes* target = member(keys, name);
    if (target == nullptr || !is_name || scanner.value_begins_with() != '"') {
      if (among_keys) refuse(no_such_key());
      if (among_keys && !is_name) std::ranges::fill(token, '*');
      continue;
    }
    std::span<char> hex;
    if (!scanner.next(hex)) break;
    auto bytes = SecretBytes::from_hex(secrets, {hex.data(), hex.size()});
    std::ranges::fill(hex, '*');
    if (!bytes) {  // goes on: no key may stay in the text
      refuse(
          fail(bytes.error().code, fmt::format("The key '{}': {}", name, bytes.error().message)));
      continue;
    }
    if (!target->empty())
      refuse(fail(ErrorCode::invalid, fmt::format("The key '{}' is given twice.", name)));
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
  Complaints complaints;
  complaints.add(check_length(sa, "cipher key", keys.cipher.size(), info->cipher_key_bytes));
  complaints.add(check_length(sa, "salt", keys.salt.size(), info->salt_bytes));
  complaints.add(
      check_length(sa, "integrity key", keys.integrity.size(), info->integrity_key_bytes));
  return complaints.result();
}

}  // namespace espalier
