// SPDX-License-Identifier: Apache-2.0
//
// Looks for a text in all memory of this process, without having the text in memory to do so.
#pragma once

#include <fcntl.h>
#include <unistd.h>
#include <unit/sanitized.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace espalier {

// Sanitizers keep shadows of all memory that cannot be walked in a test's time.
inline constexpr bool kCanScanMemory = !kSanitized;

inline constexpr char kScramble = 0x55;  // what a scrambled text is combined with

// How often the end of the text whose scrambled form is given stands in a writable page. (The
// beginning of a block that was freed unwiped is overwritten by the heap.)
inline int copies_in_memory(const std::string& text) {
  const std::string scrambled = text.substr(text.size() - std::min<std::size_t>(text.size(), 12));
  int found = 0;
  std::ifstream maps("/proc/self/maps");
  const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  std::vector<char> piece(1 << 20);
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    char mode[5] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, mode) != 3 || mode[1] != 'w')
      continue;
    for (unsigned long at = begin; at < end; at += piece.size() - scrambled.size()) {
      const auto want = std::min<std::size_t>(piece.size(), end - at);
      const ssize_t got = ::pread(memory, piece.data(), want, static_cast<off_t>(at));
      if (got < static_cast<ssize_t>(scrambled.size())) break;
      const auto last = piece.begin() + got;
      for (auto from = piece.begin();;) {
        // Nothing is unscrambled in memory: this function would find its own traces.
        from = std::search(from, last, scrambled.begin(), scrambled.end(),
                           [](char plain, char other) { return (plain ^ kScramble) == other; });
        if (from == last) break;
        ++found;
        ++from;
      }
    }
  }
  ::close(memory);
  return found;
}

// Reads a part of a file, scrambled as it comes.
inline std::string read_scrambled(const std::string& file, std::size_t offset, std::size_t size) {
  std::string scrambled;
  const int in = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  for (std::size_t i = 0; i < size; ++i) {
    char plain = 0;
    if (::pread(in, &plain, 1, static_cast<off_t>(offset + i)) != 1) break;
    scrambled += static_cast<char>(plain ^ kScramble);
  }
  ::close(in);
  return scrambled;
}

// Appends the plain text to a file, a character at a time.
inline void append_plain(const std::string& file, const std::string& scrambled) {
  const int out = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  for (const char c : scrambled) {
    const char plain = static_cast<char>(c ^ kScramble);
    if (::write(out, &plain, 1) != 1) break;
  }
  ::close(out);
}

}  // namespace espalier
