// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <conform/memory_search.hpp>
#include <load/descriptor.hpp>

#include <algorithm>
#include <array>
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

// ---- AES's key schedule (FIPS 197), with tables that are computed once --------------------------
std::uint8_t times(std::uint8_t a, std::uint8_t b) {
  std::uint8_t product = 0;
  for (; b != 0; b = static_cast<std::uint8_t>(b >> 1)) {
    if ((b & 1) != 0) product ^= a;
    a = static_cast<std::uint8_t>(a << 1 ^ ((a & 0x80) != 0 ? 0x1b : 0));
  }
  return product;
}

std::array<std::uint8_t, 256> make_sbox() {
  std::array<std::uint8_t, 256> sbox{};
  std::uint8_t p = 1;
  std::uint8_t q = 1;  // p's inverse
  do {
    p = times(p, 3);
    q = times(q, 0xf6);
    const auto turned = [&](int n) { return static_cast<std::uint8_t>(q << n | q >> (8 - n)); };
    sbox[p] = static_cast<std::uint8_t>(q ^ turned(1) ^ turned(2) ^ turned(3) ^ turned(4) ^ 0x63);
  } while (p != 1);
  sbox[0] = 0x63;
  return sbox;
}

Bytes key_schedule(std::span<const std::uint8_t> key) {
  static const auto sbox = make_sbox();
  const std::size_t rounds = key.size() / 4 + 6;
  Bytes all;
  all.reserve(16 * (rounds + 1));  // growing, it would leave copies behind
  all.assign(key.begin(), key.end());
  std::uint8_t constant = 1;
  for (std::size_t i = key.size(); i < 16 * (rounds + 1); i += 4) {
    std::array<std::uint8_t, 4> t;
    std::copy_n(all.end() - 4, 4, t.begin());
    if (i % key.size() == 0) {
      std::rotate(t.begin(), t.begin() + 1, t.end());
      for (auto& byte : t) byte = sbox[byte];
      t[0] ^= constant;
      constant = times(constant, 2);
    } else if (key.size() == 32 && i % key.size() == 16) {
      for (auto& byte : t) byte = sbox[byte];
    }
    for (std::size_t k = 0; k < 4; ++k)
      all.push_back(static_cast<std::uint8_t>(all[i + k - key.size()] ^ t[k]));
  }
  return all;
}

// A block of zeros, enciphered (FIPS 197, 5.1): by SP 800-38D the key of GHASH.
Bytes enciphered_zeros(std::span<const std::uint8_t> schedule) {
  static const auto sbox = make_sbox();
  Bytes state(schedule.begin(), schedule.begin() + 16);
  Bytes shifted(16);
  for (std::size_t at = 16; at < schedule.size(); at += 16) {
    for (std::size_t i = 0; i < 16; ++i) shifted[i] = sbox[state[(i + 4 * (i % 4)) % 16]];
    for (std::size_t i = 0; i < 16; ++i) {
      const auto in_column = [&](std::size_t k) { return shifted[i / 4 * 4 + (i + k) % 4]; };
      const bool last = at + 16 == schedule.size();
      state[i] = last ? shifted[i]
                      : static_cast<std::uint8_t>(times(in_column(0), 2) ^ times(in_column(1), 3) ^
                                                  in_column(2) ^ in_column(3));
      state[i] ^= schedule[at + i];
    }
  }
  explicit_bzero(shifted.data(), shifted.size());
  return state;
}

// A round key of the equivalent inverse cipher.
Bytes inverse_mixed(std::span<const std::uint8_t> round_key) {
  Bytes mixed;
  for (std::size_t column = 0; column < 16; column += 4)
    for (std::size_t row = 0; row < 4; ++row) {
      constexpr std::uint8_t kFactors[] = {14, 11, 13, 9};
      std::uint8_t sum = 0;
      for (std::size_t k = 0; k < 4; ++k)
        sum ^= times(round_key[column + (row + k) % 4], kFactors[k]);
      mixed.push_back(sum);
    }
  return mixed;
}

Bytes words_swapped(Bytes bytes) {
  for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4)
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i) + 4);
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

void MemorySearch::add_aes_key(std::span<const std::uint8_t> key, std::string_view what) {
  add(key, fmt::format("the key of {}", what));
  Bytes schedule = key_schedule(key);
  for (std::size_t at = 16 * ((key.size() + 15) / 16); at + 16 <= schedule.size(); at += 16) {
    const auto round_key = std::span(schedule).subspan(at, 16);
    const std::string name = fmt::format("round key {} of {}", at / 16, what);
    for (Bytes form : {Bytes(round_key.begin(), round_key.end()), inverse_mixed(round_key)}) {
      add(form, name);
      form = words_swapped(std::move(form));
      add(form, name);
      explicit_bzero(form.data(), form.size());
    }
  }
  explicit_bzero(schedule.data(), schedule.size());
}

void MemorySearch::add_ghash_key(std::span<const std::uint8_t> key, std::string_view what) {
  Bytes schedule = key_schedule(key);
  Bytes h = enciphered_zeros(schedule);
  const std::string name = fmt::format("the GHASH key of {}", what);
  add(h, name);
  std::reverse(h.begin(), h.begin() + 8);
  std::reverse(h.begin() + 8, h.end());
  add(h, name);
  std::rotate(h.begin(), h.begin() + 8, h.end());  // the whole of it in reverse
  add(h, name);
  explicit_bzero(h.data(), h.size());
  explicit_bzero(schedule.data(), schedule.size());
}

void MemorySearch::add_hmac_key(std::span<const std::uint8_t> key, std::string_view what) {
  add(key, fmt::format("the HMAC key of {}", what));
  Bytes padded(key.begin(), key.end());
  for (const std::uint8_t pad : {std::uint8_t{0x36}, std::uint8_t{0x5c}}) {
    std::copy(key.begin(), key.end(), padded.begin());
    for (auto& byte : padded) byte ^= pad;
    add(padded, fmt::format("the padded HMAC key of {}", what));
  }
  explicit_bzero(padded.data(), padded.size());
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
