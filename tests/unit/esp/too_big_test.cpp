// SPDX-License-Identifier: Apache-2.0
#include "esp/too_big.hpp"

#include "esp/bytes.hpp"
#include "esp/checksum.hpp"
#include "esp/ip_header.hpp"
#include "esp/layout.hpp"
#include "unit/esp/two_gateways.hpp"

namespace espalier::esp {
namespace {

using test::Bytes;
using test::OwnedPacket;

std::optional<Bytes> answer(const Bytes& packet, std::uint32_t mtu) {
  OwnedPacket owned(packet);
  if (!answer_too_big(owned.packet, parse_inner(packet).value(), mtu)) {
    EXPECT_EQ(owned.bytes(), packet) << "a packet without an answer was changed";
    return std::nullopt;
  }
  return owned.bytes();
}

TEST(AnswerTooBig, TellsAnIpv4SenderWhatFits) {
  const Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 1400);
  const auto got = answer(packet, 1300);
  ASSERT_TRUE(got);
  const auto inner = parse_inner(*got);
  ASSERT_TRUE(inner) << "it is no whole packet";
  EXPECT_EQ(got->size(), 576u);
  EXPECT_EQ(Bytes(got->begin() + 12, got->begin() + 16), (Bytes{10, 2, 0, 1}));
  EXPECT_EQ(Bytes(got->begin() + 16, got->begin() + 20), (Bytes{10, 1, 0, 1}));
  EXPECT_EQ((*got)[20], 3);
  EXPECT_EQ((*got)[21], 4);
  EXPECT_EQ(load_be32(got->data() + 24), 1300u);
  EXPECT_TRUE(std::equal(got->begin() + 28, got->end(), packet.begin()));
  EXPECT_EQ(checksum_of(sum_words(std::span(*got).first(20))), 0);
  EXPECT_EQ(checksum_of(sum_words(std::span(*got).subspan(20))), 0);
}

TEST(AnswerTooBig, TellsAnIpv6SenderWhatFits) {
  const Bytes packet = test::udp_packet("fd00:1::1", "fd00:2::1", 1500);
  const auto got = answer(packet, 1300);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size(), 1280u);
  EXPECT_EQ((*got)[40], 2);
  EXPECT_EQ((*got)[41], 0);
  EXPECT_EQ(load_be32(got->data() + 44), 1300u);
  EXPECT_TRUE(std::equal(got->begin() + 48, got->end(), packet.begin()));
  const IpHeader header{IpAddress::parse("fd00:2::1").value(),
                        IpAddress::parse("fd00:1::1").value(), kIcmp6};
  EXPECT_EQ(upper_checksum(header, std::span(*got).subspan(40)), 0);
}

// It would not believe it (RFC 8201 4), and send on what is too long.
TEST(AnswerTooBig, NoIpv6SenderIsToldLessThanEveryPathTakes) {
  const auto got = answer(test::udp_packet("fd00:1::1", "fd00:2::1", 1400), 1238);
  ASSERT_TRUE(got);
  EXPECT_EQ(load_be32(got->data() + 44), 1280u);
}

TEST(AnswerTooBig, AShortPacketIsQuotedWhole) {
  const Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 100);
  const auto got = answer(packet, 68);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size(), 28 + packet.size());
}

TEST(AnswerTooBig, IsNotGivenToErrorsFragmentsAndGroups) {
  Bytes error = test::udp_packet("10.1.0.1", "10.2.0.1", 100);
  error[9] = kIcmp;
  error[20] = 3;
  EXPECT_FALSE(answer(error, 100));
  error[20] = 8;
  EXPECT_TRUE(answer(error, 100)) << "an echo request is no error";
  Bytes fragment = test::udp_packet("10.1.0.1", "10.2.0.1", 100);
  fragment[7] = 5;
  EXPECT_FALSE(answer(fragment, 100));
  EXPECT_FALSE(answer(test::udp_packet("10.1.0.1", "224.0.0.1", 100), 100));
  EXPECT_FALSE(answer(test::udp_packet("fd00:1::1", "ff02::1", 100), 100));
  Bytes error6 = test::udp_packet("fd00:1::1", "fd00:2::1", 100);
  error6[6] = kIcmp6;
  error6[40] = 1;
  EXPECT_FALSE(answer(error6, 100));
}

// A ping with more than fits: all its fragments but the last are as long as the first.
TEST(AnswerTooBig, IsGivenToTheFirstFragmentOfAnIcmp6MessageThatIsNoError) {
  constexpr std::size_t kFragmentHeader = 40, kOffset = 42, kType = 48;
  Bytes echo = test::udp_packet("fd00:1::1", "fd00:2::1", 1400);
  echo[6] = 44;
  std::fill_n(echo.begin() + kFragmentHeader, 8, std::uint8_t{0});
  echo[kFragmentHeader] = kIcmp6;
  echo[kOffset + 1] = 1;  // more follow
  echo[kType] = 128;
  EXPECT_TRUE(answer(echo, 1300));
  Bytes error = echo;
  error[kType] = 1;
  EXPECT_FALSE(answer(error, 1300));
  Bytes later = echo;
  later[kOffset] = 5;
  EXPECT_FALSE(answer(later, 1300)) << "what it is a part of is not known";
  Bytes behind_more = echo;
  behind_more[6] = 60;  // destination options, and the fragment header behind them
  std::copy_n(echo.begin() + 40, 8, behind_more.begin() + 48);
  behind_more[40] = 44;
  EXPECT_FALSE(answer(behind_more, 1300));
}

TEST(AnswerLimit, LetsABurstThroughAndThenOneEachInterval) {
  AnswerLimit limit;
  AnswerLimit::TimePoint now = AnswerLimit::TimePoint{} + std::chrono::hours(1);
  std::uint32_t given = 0;
  while (limit.take(now)) ++given;
  EXPECT_EQ(given, AnswerLimit::kBurst);
  now += AnswerLimit::kInterval;
  EXPECT_TRUE(limit.take(now));
  EXPECT_FALSE(limit.take(now));
}

TEST(LongestInner, IsTheLongestPacketThatFits) {
  for (const char* transform : {"aes256gcm16", "aes128-sha1", "3des-md5", "null-sha1"}) {
    for (const auto encapsulation : {Encapsulation::udp, Encapsulation::none}) {
      for (const auto mode : {Mode::tunnel, Mode::transport}) {
        SaSpec sa = test::tunnel_sa("a", Direction::outbound, transform);
        sa.encapsulation = encapsulation;
        sa.mode = mode;
        const EspLayout layout = layout_of(sa.transform).value();
        for (std::uint32_t mtu = 576; mtu < 700; ++mtu) {
          const std::uint32_t longest = longest_inner(sa, layout, mtu);
          const auto on_wire = [&](std::uint32_t inner) {
            const std::uint32_t payload = inner - (mode == Mode::transport ? 20 : 0);
            return 20 + (encapsulation == Encapsulation::udp ? 8 : 0) + layout.header_bytes() +
                   payload + layout.padding(payload) + kEspTrailer + layout.icv_bytes;
          };
          ASSERT_LE(on_wire(longest), mtu) << transform;
          ASSERT_GT(on_wire(longest + 1), mtu) << transform;
        }
        EXPECT_EQ(longest_inner(sa, layout, 30), 0u);
      }
    }
  }
}

}  // namespace
}  // namespace espalier::esp
