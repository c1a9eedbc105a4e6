// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <conform/derived_keys.hpp>
#include <conform/memory_search.hpp>
#include <load/descriptor.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <unordered_map>

namespace espalier::conform {
namespace {

constexpr std::uint8_t kMask = 0xc3;
constexpr std::size_t kPrefix = 8;
constexpr std::size_t kPiece = 16;
constexpr std::size_t kChunk = 1U << 20;

std::uint64_t word_at(const std::uint8_t* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// Numbers of so many bytes in the other byte order.
Bytes words_swapped(Bytes bytes, std::size_t word) {
  for (std::size_t i = 0; i + word <= bytes.size(); i += word)
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + word));
  return bytes;
}

struct Mapping {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string name;
};

// What can be read, but for what the kernel maps into every process, and the shadow memory of a
// sanitizer, which holds no byte of the program's and is larger than any machine's memory.
std::vector<Mapping> readable_memory() {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 36;
  std::vector<Mapping> all;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Mapping mapping;
    char dash = 0;
    std::string rights;
    std::istringstream fields(line);
    fields >> std::hex >> mapping.begin >> dash >> mapping.end >> rights;
    const auto name = line.find_first_of("/[");
    mapping.name = name == std::string::npos ? "anonymous memory" : line.substr(name);
    const bool is_memory =
        !mapping.name.starts_with("[v") && mapping.end - mapping.begin < kLargest;
    if (rights.starts_with('r') && is_memory) all.push_back(mapping);
  }
  return all;
}

// Read into memory of its own, which is not searched.
class Window {
 public:
  Window()
      : memory_(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
        file_(open("/proc/self/mem", O_RDONLY | O_CLOEXEC)) {
    if (memory_ == MAP_FAILED || !file_) throw KitError("this process cannot read its own memory");
  }
  ~Window() { munmap(memory_, kSize); }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  std::span<const std::uint8_t> read(std::uint64_t at, std::size_t size) {
    const auto n = pread(file_.get(), memory_, size, static_cast<off_t>(at));
    return {static_cast<const std::uint8_t*>(memory_), n < 0 ? 0 : static_cast<std::size_t>(n)};
  }
  bool covers(std::uint64_t address) const {
    const auto begin = reinterpret_cast<std::uintptr_t>(memory_);
    return address >= begin && address < begin + kSize;
  }

 private:
  static constexpr std::size_t kSize = kChunk + 4096;
  void* memory_;
  load::Descriptor file_;
};

}  // namespace

void MemorySearch::add(std::span<const std::uint8_t> secret, std::string_view what) {
  if (secret.size() < kPrefix) return;
  ++count_;
  add_one(secret, std::string(what));
  if (secret.size() == kPiece) return;
  for (std::size_t at = 0; at + kPiece <= secret.size(); at += kPrefix)
    add_one(secret.subspan(at, kPiece), fmt::format("a part of {}", what));
}

void MemorySearch::add_one(std::span<const std::uint8_t> bytes, std::string what) {
  Bytes masked(bytes.begin(), bytes.end());
  for (auto& byte : masked) byte ^= kMask;
  secrets_.push_back({std::move(masked), std::move(what), count_});
}

// Both byte orders of its words, and wiped.
void MemorySearch::add_words(Bytes secret, std::size_t word, const std::string& what) {
  add(secret, what);
  secret = words_swapped(std::move(secret), word);
  add(secret, what);
  explicit_bzero(secret.data(), secret.size());
}

void MemorySearch::add_aes_key(std::span<const std::uint8_t> key, std::string_view what) {
  add(key, fmt::format("the key of {}", what));
  Bytes schedule = aes_key_schedule(key);
  for (std::size_t at = 16 * ((key.size() + 15) / 16); at + 16 <= schedule.size(); at += 16) {
    const auto round_key = std::span(schedule).subspan(at, 16);
    const std::string name = fmt::format("round key {} of {}", at / 16, what);
    add_words(Bytes(round_key.begin(), round_key.end()), 4, name);
    add_words(aes_inverse_round_key(round_key), 4, name);
  }
  explicit_bzero(schedule.data(), schedule.size());
}

void MemorySearch::add_ghash_key(std::span<const std::uint8_t> key, std::string_view what) {
  const std::string name = fmt::format("the GHASH key of {}", what);
  for (Bytes h : {ghash_key(key), ghash_key_doubled(key)}) {
    add_words(h, 8, name);
    std::rotate(h.begin(), h.begin() + 8, h.end());
    add_words(std::move(h), 8, name);
  }
}

void MemorySearch::add_hmac_key(Integrity integrity, std::span<const std::uint8_t> key,
                                std::string_view what) {
  if (key.empty()) return;
  add(key, fmt::format("the HMAC key of {}", what));
  for (const HmacPad pad : {HmacPad::inner, HmacPad::outer}) {
    Bytes padded = hmac_padded(key, pad, key.size());
    add(padded, fmt::format("the padded HMAC key of {}", what));
    explicit_bzero(padded.data(), padded.size());
    HmacState state = hmac_state(integrity, key, pad);
    add_words(
        std::move(state.words), state.word_bytes,
        fmt::format("the {} hash of HMAC of {}", pad == HmacPad::inner ? "inner" : "outer", what));
  }
}

std::vector<std::string> MemorySearch::run() const {
  std::unordered_multimap<std::uint64_t, const Secret*> by_prefix;
  std::vector<bool> first(1U << 16);  // by the first two bytes: most of memory ends here
  std::size_t longest = 0;
  for (const Secret& secret : secrets_) {
    by_prefix.emplace(word_at(secret.masked.data()), &secret);
    first[word_at(secret.masked.data()) & 0xffff] = true;
    longest = std::max(longest, secret.masked.size());
  }
  constexpr std::uint64_t kMaskWord = 0x0101010101010101ULL * kMask;
  std::set<std::size_t> seen;
  std::vector<std::string> found;
  Window window;
  for (const Mapping& mapping : readable_memory()) {
    for (std::uint64_t at = mapping.begin; at < mapping.end; at += kChunk) {
      if (window.covers(at)) continue;
      const auto want = std::min<std::uint64_t>(mapping.end - at, kChunk + longest);
      const auto bytes = window.read(at, static_cast<std::size_t>(want));
      for (std::size_t i = 0; i + kPrefix <= bytes.size(); ++i) {
        const std::uint64_t word = word_at(bytes.data() + i) ^ kMaskWord;
        if (!first[word & 0xffff] || window.covers(at + i)) continue;
        const auto [begin, end] = by_prefix.equal_range(word);
        for (auto it = begin; it != end; ++it) {
          const Secret& secret = *it->second;
          const bool same =
              i + secret.masked.size() <= bytes.size() &&
              std::equal(secret.masked.begin(), secret.masked.end(),
                         bytes.begin() + static_cast<std::ptrdiff_t>(i),
                         [](std::uint8_t m, std::uint8_t b) { return m == (b ^ kMask); });
          if (same && seen.insert(secret.number).second)
            found.push_back(
                fmt::format("{} is at {:#x}, in {}", secret.what, at + i, mapping.name));
        }
      }
    }
  }
  return found;
}

}  // namespace espalier::conform
