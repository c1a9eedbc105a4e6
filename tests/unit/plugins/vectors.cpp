// SPDX-License-Identifier: Apache-2.0
#include "vectors.hpp"

#include <unit/places.hpp>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <stdexcept>

namespace espalier::test {
namespace {

std::uint8_t digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  const int lower = std::tolower(static_cast<unsigned char>(c));
  if (lower >= 'a' && lower <= 'f') return static_cast<std::uint8_t>(lower - 'a' + 10);
  throw std::invalid_argument(std::string("not a hexadecimal digit: ") + c);
}

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

}  // namespace

Bytes from_hex(std::string_view text) {
  if (text.size() % 2 != 0) throw std::invalid_argument("odd number of hexadecimal digits");
  Bytes bytes;
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

std::vector<Vector> read_vectors(const std::string& file) {
  const std::string path = std::string(ESPALIER_TEST_DATA) + "/vectors/" + file;
  std::ifstream in(path);
  std::vector<Vector> vectors;
  Vector current;
  const auto finish = [&] {
    if (!current.empty()) vectors.push_back(std::move(current));
    current = {};
  };
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (trimmed(line).empty()) finish();
    const auto equals = line.find('=');
    if (line.starts_with('#') || equals == std::string::npos) continue;
    if (current.empty()) current.line = number;
    auto name = trimmed(std::string_view(line).substr(0, equals));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
    current.set(name, trimmed(std::string_view(line).substr(equals + 1)));
  }
  finish();
  if (vectors.empty()) throw std::runtime_error("no test vectors in " + path);
  return vectors;
}

}  // namespace espalier::test
