// SPDX-License-Identifier: Apache-2.0
//
// What the fuzz targets share.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>

namespace espalier::fuzz {

using Input = std::span<const std::uint8_t>;

// A finding.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// A file in memory, for what is read from files, with the bytes of the last write().
class MemoryFile {
 public:
  explicit MemoryFile(const char* suffix);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void write(Input bytes) const;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path folder_;
  std::filesystem::path path_;
};

}  // namespace espalier::fuzz
