// SPDX-License-Identifier: Apache-2.0
#include "fuzz.hpp"

#include <string>

namespace espalier::fuzz {

MemoryFile::MemoryFile(const char* suffix) {
  std::string folder = "/dev/shm/espalier-fuzz.XXXXXX";
  require(::mkdtemp(folder.data()) != nullptr, "a folder in /dev/shm can be made");
  folder_ = folder;
  path_ = folder_ / (std::string("input") + suffix);
}

MemoryFile::~MemoryFile() { std::filesystem::remove_all(folder_); }

void MemoryFile::write(Input bytes) const {
  std::FILE* file = std::fopen(path_.c_str(), "wb");
  require(file != nullptr, "the file can be written");
  std::fwrite(bytes.data(), 1, bytes.size(), file);
  std::fclose(file);
}

}  // namespace espalier::fuzz
