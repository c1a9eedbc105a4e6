// SPDX-License-Identifier: Apache-2.0
//
// The manifest reader sees files before anything else has judged them. Whatever is in them, it
// answers; the sanitizers see to it that it does not look elsewhere.
#include "plugin_folder.hpp"

#include <elf.h>
#include <load/manifest.hpp>

#include <cstring>
#include <random>

namespace espalier::load {
namespace {

using Bytes = std::vector<std::uint8_t>;

class DamagedElf : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_GE(good.size(), sizeof(Elf64_Ehdr));
    std::memcpy(&header, good.data(), sizeof(header));
    ASSERT_TRUE(read_manifest(good));
  }

  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  }

  // Half of the damage goes where the reader looks: file header, section headers, symbols.
  std::size_t place(std::size_t size) {
    switch (below(4)) {
      case 0:
        return below(sizeof(header));
      case 1:
        return std::min(size - 1, header.e_shoff + below(header.e_shnum * sizeof(Elf64_Shdr)));
      default:
        return below(size);
    }
  }

  // Small, huge and odd values find other mistakes than random ones.
  std::uint8_t value() {
    constexpr std::uint8_t kEdges[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};
    return below(2) == 0 ? kEdges[below(std::size(kEdges))] : static_cast<std::uint8_t>(below(256));
  }

  const Bytes good = test::bytes_of(test::built("good"));
  Elf64_Ehdr header{};
  std::mt19937_64 random{20240617};
};

TEST_F(DamagedElf, IsAnsweredWhateverIsDamaged) {
  int accepted = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes = good;
    for (std::size_t n = 1 + below(16); n > 0; --n) bytes[place(bytes.size())] = value();
    (read_manifest(bytes) ? accepted : refused) += 1;
  }
  EXPECT_GT(accepted, 0) << "the damage never missed, so little was reached";
  EXPECT_GT(refused, 0) << "the damage never hit anything that is read";
}

TEST_F(DamagedElf, IsAnsweredWhereverItIsCutOff) {
  for (int round = 0; round < 500; ++round) {
    const auto size = static_cast<std::ptrdiff_t>(below(round < 100 ? 256 : good.size()));
    EXPECT_FALSE(read_manifest(Bytes(good.begin(), good.begin() + size))) << size;
  }
}

// Offsets and sizes whose sum wraps around 64 bits pass a check of the wrong form.
TEST_F(DamagedElf, IsAnsweredWhenOffsetsWrapAround) {
  for (std::size_t section = 0; section < header.e_shnum; ++section)
    for (const std::uint64_t size : {UINT64_MAX, UINT64_MAX - 4096, std::uint64_t{1} << 63})
      for (const bool offset : {false, true}) {
        Bytes bytes = good;
        const auto at = header.e_shoff + section * sizeof(Elf64_Shdr) +
                        (offset ? offsetof(Elf64_Shdr, sh_offset) : offsetof(Elf64_Shdr, sh_size));
        std::memcpy(bytes.data() + at, &size, sizeof(size));
        // Whether it may still be accepted depends on whether that section matters.
        (void)read_manifest(bytes);
      }
  Bytes bytes = good;
  header.e_shoff = UINT64_MAX - 16;
  std::memcpy(bytes.data(), &header, sizeof(header));
  EXPECT_FALSE(read_manifest(bytes));
}

}  // namespace
}  // namespace espalier::load
