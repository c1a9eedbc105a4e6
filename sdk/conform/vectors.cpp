// SPDX-License-Identifier: Apache-2.0
#include <conform/vectors.hpp>

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace espalier::conform {
namespace {

std::uint8_t digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  const int lower = std::tolower(static_cast<unsigned char>(c));
  if (lower >= 'a' && lower <= 'f') return static_cast<std::uint8_t>(lower - 'a' + 10);
  throw KitError(std::string("not a hexadecimal digit: ") + c);
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

Bytes from_hex(std::string_view text) {
  if (text.size() % 2 != 0) throw KitError("odd number of hexadecimal digits");
  Bytes bytes;
  bytes.reserve(text.size() / 2);  // and no copy of the beginning is left behind as it grows
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
  return bytes;
}

std::string to_hex(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += digits[data[i] >> 4];
    text += digits[data[i] & 15];
  }
  return text;
}

std::vector<Vector> parse_vectors(std::string_view text) {
  std::vector<Vector> vectors;
  Vector current;
  const auto finish = [&] {
    if (!current.empty()) vectors.push_back(std::move(current));
    current = {};
  };
  for (int number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (trimmed(line).empty()) finish();
    const auto equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    if (current.empty()) current.line = number;
    std::string name(trimmed(line.substr(0, equals)));
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    current.set(std::move(name), std::string(trimmed(line.substr(equals + 1))));
  }
  finish();
  return vectors;
}

std::vector<Vector> read_vectors(std::string_view file) {
  for (const VectorFile& each : vector_files()) {
    if (each.name != file) continue;
    auto vectors = parse_vectors(each.text);
    if (!vectors.empty()) return vectors;
  }
  throw KitError("there are no vectors in " + std::string(file));
}

}  // namespace espalier::conform
