// SPDX-License-Identifier: Apache-2.0
#include "esp/checksum.hpp"

#include "unit/io/ip_packets.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace espalier::esp {
namespace {

TEST(Checksum, IsThatOfTheExampleInRfc1071) {
  const std::uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(fold(sum_words(bytes)), word_of(0xddf2));
}

TEST(Checksum, CountsAnOddByteAsIfAZeroFollowed) {
  const std::uint8_t odd[] = {0x12, 0x34, 0x56}, even[] = {0x12, 0x34, 0x56, 0x00};
  EXPECT_EQ(fold(sum_words(odd)), fold(sum_words(even)));
}

TEST(Checksum, CarriesWhatDoesNotFit) {
  const std::vector<std::uint8_t> ones(65535, 0xff);
  EXPECT_EQ(fold(sum_words(ones)), word_of(0xff00)) << "0xffff is 0 in this sum";
  EXPECT_EQ(fold(~std::uint64_t{0}), 0xffff);
  EXPECT_EQ(fold(0), 0);
}

TEST(Checksum, IsTheSlowOneForEveryLengthAndAlignment) {
  std::mt19937 random(7);
  test::Bytes bytes(400);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  for (std::size_t from = 0; from < 40; ++from)
    for (std::size_t to = from; to <= bytes.size(); ++to) {
      const auto part = std::span(bytes).subspan(from, to - from);
      ASSERT_EQ(fold(sum_words(part)),
                word_of(static_cast<std::uint16_t>(test::slow_sum(bytes, from, to))))
          << from << " to " << to;
    }
}

TEST(Checksum, OfThePseudoHeaderTakesALengthOver64KiB) {
  const std::uint8_t addresses[] = {10, 0, 0, 1, 10, 0, 0, 2};
  EXPECT_EQ(fold(sum_pseudo_header(addresses, 6, 0x10005)),
            word_of(0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 6 + 1 + 5));
}

TEST(Checksum, IsUpdatedForOneWordAsIfMadeAnew) {
  std::mt19937 random(11);
  std::array<std::uint8_t, 20> bytes;
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  for (int i = 0; i < 100'000; ++i) {
    const std::uint16_t before = checksum_of(sum_words(bytes));
    const auto old = static_cast<std::uint16_t>(bytes[4] << 8 | bytes[5]);
    bytes[4] = static_cast<std::uint8_t>(random()), bytes[5] = static_cast<std::uint8_t>(random());
    const auto now = static_cast<std::uint16_t>(bytes[4] << 8 | bytes[5]);
    ASSERT_EQ(updated_checksum(before, old, now), checksum_of(sum_words(bytes)));
  }
}

}  // namespace
}  // namespace espalier::esp
