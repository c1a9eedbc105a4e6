// SPDX-License-Identifier: Apache-2.0
//
// Published vectors: the files of tests/data/vectors, which are built into the program.
#pragma once

#include <conform/sa.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::conform {

Bytes from_hex(std::string_view text);
std::string to_hex(const std::uint8_t* data, std::size_t size);

// One block of a file of vectors. Names are in upper case.
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

std::vector<Vector> parse_vectors(std::string_view text);

struct VectorFile {
  std::string_view name;  // "esp_gcm.txt"
  std::string_view text;
};
std::span<const VectorFile> vector_files() noexcept;
// Those of one of these files. Throws where there are none: a test over nothing proves nothing.
std::vector<Vector> read_vectors(std::string_view file);

// A packet that somebody else has published, or a published primitive wrapped into one.
struct KnownPacket {
  std::string source{};  // "rfc3686_ctr.txt, line 3"
  Sa sa{};
  std::uint32_t seq_hi = 0;
  Bytes clear{};   // header, IV, payload
  Bytes sealed{};  // with ICV; without where that is not published
  bool has_icv = true;
};
std::vector<KnownPacket> known_packets();

}  // namespace espalier::conform
