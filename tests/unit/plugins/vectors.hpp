// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::test {

using Bytes = std::vector<std::uint8_t>;

Bytes from_hex(std::string_view text);
std::string to_hex(const std::uint8_t* data, std::size_t size);

// One block of a file in tests/data/vectors. Names are in upper case.
class Vector {
 public:
  void set(std::string name, std::string value) { values_[std::move(name)] = std::move(value); }
  bool has(const std::string& name) const { return values_.contains(name); }
  const std::string& text(const std::string& name) const { return values_.at(name); }
  Bytes bytes(const std::string& name) const { return from_hex(values_.at(name)); }
  bool empty() const { return values_.empty(); }
  int line = 0;  // where it starts

 private:
  std::map<std::string, std::string> values_;
};

// Throws when the file is missing or has no vectors: a test over nothing proves nothing.
std::vector<Vector> read_vectors(const std::string& file);

}  // namespace espalier::test
