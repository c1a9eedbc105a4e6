// SPDX-License-Identifier: Apache-2.0
//
// The two halves of the packet path before and after the device, without any cryptography: what the
// device would leave behind is written here by hand.
#include "esp/bytes.hpp"
#include "esp/checksum.hpp"
#include "esp/ecn.hpp"
#include "esp/inbound.hpp"
#include "esp/ip_header.hpp"
#include "esp/outbound.hpp"
#include "unit/esp/two_gateways.hpp"

#include <gmock/gmock.h>

#include <numeric>
#include <set>
#include <string_view>

namespace espalier::esp {
namespace {

using test::Bytes;

constexpr std::uint64_t kTwoTo32 = std::uint64_t{1} << 32;

class PathTest : public testing::Test {
 protected:
  static SaSpec spec(Direction direction, std::string_view transform, bool esn) {
    SaSpec sa = test::tunnel_sa("a", direction, transform);
    sa.esn = esn;
    return sa;
  }
  OutboundSa outbound(std::string_view transform, bool esn = true) {
    const SaSpec sa = spec(Direction::outbound, transform, esn);
    return {sa, layout_of(sa.transform).value(), 0};
  }
  InboundSa inbound(bool esn = true) {
    const SaSpec sa = spec(Direction::inbound, "aes256gcm16", esn);
    return {sa, layout_of(sa.transform).value(), 0};
  }

  // Prepares one packet to be sent; its ESP packet is then in slot_.
  std::optional<Drop> prepare(OutboundSa& sa, const Bytes& packet) {
    sa.binding = &binding_;
    slot_.packet.offset = kHeadroom;
    slot_.packet.length = static_cast<std::uint32_t>(packet.size());
    std::ranges::copy(packet, slot_.packet.data());
    return prepare_outbound(slot_, sa, parse_inner(slot_.packet.view()).value(), ivs_);
  }

  // What the device leaves of an arrived packet: header, IV, `body` in the clear, and an ICV.
  void arrive(const Bytes& body, std::uint32_t low_sequence = 1) {
    slot_.packet.offset = kHeadroom;
    slot_.packet.length = static_cast<std::uint32_t>(16 + body.size() + 16);
    std::ranges::fill(slot_.packet.view(), std::uint8_t{0});
    store_be32(slot_.packet.data(), 0x1001);
    store_be32(slot_.packet.data() + 4, low_sequence);
    std::ranges::copy(body, slot_.packet.data() + 16);
  }
  std::optional<Drop> receive(InboundSa& sa, const Bytes& body, std::uint32_t low_sequence = 1) {
    sa.binding = &binding_;
    arrive(body, low_sequence);
    if (const auto early = prepare_inbound(slot_, sa)) return early;
    return finish_inbound(slot_, sa);
  }
  static Bytes with_trailer(Bytes packet, const Bytes& padding, std::uint8_t next_header) {
    for (const std::uint8_t byte : padding) packet.push_back(byte);
    packet.push_back(static_cast<std::uint8_t>(padding.size()));
    packet.push_back(next_header);
    return packet;
  }
  // 28 bytes and a whole trailer: 32.
  static Bytes good_body() {
    return with_trailer(test::udp_packet("10.1.0.1", "10.2.0.1", 0), {1, 2}, kNextHeaderIpv4);
  }

  SlotPool pool_{4};
  Slot& slot_ = *pool_.take();
  Binding binding_;
  IvSource ivs_ = IvSource::create().value();
};

TEST_F(PathTest, APacketIsPaddedWithOneTwoThreeAndNamesWhatIsInside) {
  for (const auto& [packet, next_header] :
       {std::pair{test::udp_packet("10.1.0.1", "10.2.0.1", 33), kNextHeaderIpv4},
        std::pair{test::udp_packet("fd00:1::1", "fd00:2::1", 33), kNextHeaderIpv6}}) {
    for (const char* transform : {"aes256gcm16", "aes128-sha1", "3des-md5", "null-sha1"}) {
      OutboundSa sa = outbound(transform);
      ASSERT_EQ(prepare(sa, packet), std::nullopt);
      const EspLayout& layout = sa.layout;
      const std::uint8_t* end = slot_.op.esp + slot_.op.icv_offset;
      const std::size_t payload = slot_.op.icv_offset - layout.header_bytes();
      EXPECT_EQ(payload % layout.block_bytes, 0u) << transform;
      EXPECT_EQ(end[-1], next_header);
      const std::size_t padding = end[-2];
      EXPECT_LT(padding, layout.block_bytes);
      EXPECT_EQ(payload, packet.size() + padding + 2);
      for (std::size_t i = 0; i < padding; ++i) EXPECT_EQ(end[i - padding - 2], i + 1);
      EXPECT_EQ(slot_.op.length, slot_.op.icv_offset + layout.icv_bytes);
    }
  }
}

TEST_F(PathTest, WithoutEsnNothingIsSentAfterTheLast32BitNumber) {
  OutboundSa sa = outbound("aes256gcm16", false);
  sa.counter = SequenceCounter(false, kTwoTo32 - 2);
  const Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 10);
  EXPECT_EQ(prepare(sa, packet), std::nullopt);
  EXPECT_EQ(slot_.sequence, kTwoTo32 - 1);
  EXPECT_EQ(prepare(sa, packet), Drop::out_sequence_end);
  EXPECT_EQ(prepare(sa, packet), Drop::out_sequence_end) << "the number wrapped";
  EXPECT_EQ(sa.counter.current(), kTwoTo32 - 1);
}

TEST_F(PathTest, WithEsnTheHighBitsGoToTheDeviceAndTheLowOnesOntoTheWire) {
  OutboundSa sa = outbound("aes256gcm16");
  sa.counter = SequenceCounter(true, 5 * kTwoTo32 - 1);
  ASSERT_EQ(prepare(sa, test::udp_packet("10.1.0.1", "10.2.0.1", 10)), std::nullopt);
  EXPECT_EQ(slot_.op.seq_hi, 5u);
  EXPECT_EQ(load_be32(slot_.op.esp + 4), 0u);
}

TEST_F(PathTest, APacketThatIsTooLongUsesNoNumber) {
  OutboundSa sa = outbound("aes256gcm16");
  binding_.max_length = 200;
  EXPECT_EQ(prepare(sa, test::udp_packet("10.1.0.1", "10.2.0.1", 300)), Drop::out_too_long);
  EXPECT_EQ(sa.counter.current(), 0u);
}

TEST_F(PathTest, DscpAndCongestionMarkGoToTheOuterHeader) {
  OutboundSa sa = outbound("aes256gcm16");
  Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 10);
  packet[1] = 0xb8 | 1;  // EF, ECT(1)
  ASSERT_EQ(prepare(sa, packet), std::nullopt);
  EXPECT_EQ(slot_.packet.wire.tos, 0xb8 | 1);
}

TEST_F(PathTest, TheOuterHeaderHasWhatTheSaSays) {
  SaSpec fixed = spec(Direction::outbound, "aes256gcm16", true);
  fixed.outer = {.dscp = 10, .ecn = false, .dont_fragment = OuterHeader::DontFragment::clear};
  OutboundSa sa(fixed, layout_of(fixed.transform).value(), 0);
  Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 10);
  packet[1] = 0xb8 | 3;
  ASSERT_EQ(prepare(sa, packet), std::nullopt);
  EXPECT_EQ(slot_.packet.wire.tos, 10 << 2);
  EXPECT_FALSE(slot_.packet.wire.dont_fragment);
}

TEST_F(PathTest, DontFragmentIsCopied) {
  OutboundSa sa = outbound("aes256gcm16");
  Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 10);
  ASSERT_EQ(prepare(sa, packet), std::nullopt);
  EXPECT_TRUE(slot_.packet.wire.dont_fragment);
  packet[6] = 0;
  ASSERT_EQ(prepare(sa, packet), std::nullopt);
  EXPECT_FALSE(slot_.packet.wire.dont_fragment);
  ASSERT_EQ(prepare(sa, test::udp_packet("fd00:1::1", "fd00:2::1", 10)), std::nullopt);
  EXPECT_TRUE(slot_.packet.wire.dont_fragment);
}

// A path that takes inner packets of 600 bytes: what must stay whole is refused, the rest may be
// fragmented.
TEST_F(PathTest, WhatIsTooLongForThePathIsRefusedOrFragmented) {
  OutboundSa sa = outbound("aes256gcm16");
  sa.longest = 600;
  EXPECT_EQ(prepare(sa, test::udp_packet("10.1.0.1", "10.2.0.1", 573)), Drop::out_too_big);
  EXPECT_EQ(sa.counter.current(), 0u) << "a number was used";
  EXPECT_EQ(prepare(sa, test::udp_packet("10.1.0.1", "10.2.0.1", 572)), std::nullopt);
  Bytes may_be_fragmented = test::udp_packet("10.1.0.1", "10.2.0.1", 700);
  may_be_fragmented[6] = 0;
  ASSERT_EQ(prepare(sa, may_be_fragmented), std::nullopt);
  EXPECT_FALSE(slot_.packet.wire.dont_fragment);
  EXPECT_EQ(prepare(sa, test::udp_packet("fd00:1::1", "fd00:2::1", 1233)), Drop::out_too_big);
  ASSERT_EQ(prepare(sa, test::udp_packet("fd00:1::1", "fd00:2::1", 1232)), std::nullopt)
      << "1280 bytes are carried whatever the path (RFC 8200 5)";
  EXPECT_FALSE(slot_.packet.wire.dont_fragment);
}

TEST_F(PathTest, ADummyNamesNextHeader59AndUsesANumber) {
  OutboundSa sa = outbound("aes128-sha1");
  sa.binding = &binding_;
  slot_.packet.offset = kHeadroom;
  slot_.packet.length = 100;
  ASSERT_EQ(prepare_dummy(slot_, sa, ivs_), std::nullopt);
  EXPECT_EQ(slot_.op.esp[slot_.op.icv_offset - 1], kNextHeaderNone);
  EXPECT_EQ(sa.counter.current(), 1u);
}

// ---- transport mode ---------------------------------------------------------------------------

class TransportTest : public PathTest {
 protected:
  static SaSpec spec(Direction direction, std::string_view local, std::string_view peer,
                     Encapsulation encapsulation = Encapsulation::none) {
    SaSpec sa = test::tunnel_sa("t", direction, "aes256gcm16");
    sa.mode = Mode::transport;
    sa.encapsulation = encapsulation;
    sa.local.address = IpAddress::parse(local).value();
    sa.peer.address = IpAddress::parse(peer).value();
    const bool out = direction == Direction::outbound;
    sa.selectors = {
        {IpPrefix::parse(out ? local : peer).value(), IpPrefix::parse(out ? peer : local).value()}};
    EXPECT_TRUE(validate(sa));
    return sa;
  }
  // What comes out at `to` of a packet from `from`, the device left out.
  Bytes carry(const Bytes& packet, std::string_view from, std::string_view to,
              Encapsulation encapsulation = Encapsulation::none) {
    const SaSpec out = spec(Direction::outbound, from, to, encapsulation);
    const SaSpec in = spec(Direction::inbound, to, from, encapsulation);
    OutboundSa sender(out, layout_of(out.transform).value(), 0);
    InboundSa receiver(in, layout_of(in.transform).value(), 0);
    receiver.binding = &binding_;
    EXPECT_EQ(prepare(sender, packet), std::nullopt);
    EXPECT_EQ(prepare_inbound(slot_, receiver), std::nullopt);
    EXPECT_EQ(finish_inbound(slot_, receiver), std::nullopt);
    const auto view = slot_.packet.view();
    return {view.begin(), view.end()};
  }
};

TEST_F(TransportTest, TheIpHeaderGoesAndItsProtocolStandsInTheTrailer) {
  const SaSpec out = spec(Direction::outbound, "192.0.2.1", "192.0.2.2");
  OutboundSa sa(out, layout_of(out.transform).value(), 0);
  const Bytes packet = test::udp_packet("192.0.2.1", "192.0.2.2", 30);
  ASSERT_EQ(prepare(sa, packet), std::nullopt);
  const EspLayout& layout = sa.layout;
  const std::uint8_t* end = slot_.op.esp + slot_.op.icv_offset;
  EXPECT_EQ(end[-1], 17);
  EXPECT_EQ(slot_.op.icv_offset - layout.header_bytes() - end[-2] - 2, packet.size() - 20);
  EXPECT_TRUE(std::equal(packet.begin() + 20, packet.end(), slot_.op.esp + layout.header_bytes()));
}

TEST_F(TransportTest, APacketComesOutWithTheHeaderThatItHad) {
  for (const auto& [from, to] :
       {std::pair{"192.0.2.1", "192.0.2.2"}, std::pair{"2001:db8::1", "2001:db8::2"}}) {
    Bytes packet = test::udp_packet(from, to, 30);
    const Bytes got = carry(packet, from, to);
    if (packet[0] == 0x45) {  // udp_packet() leaves the header's checksum away
      store_be16(&packet[10], checksum_of(sum_words(std::span(packet).first(20))));
    }
    EXPECT_EQ(got, packet);
  }
}

TEST_F(TransportTest, TheTrafficClassIsThatOfTheWire) {
  Bytes packet = test::udp_packet("192.0.2.1", "192.0.2.2", 30);
  packet[1] = 0xb8 | 2;
  EXPECT_EQ(carry(packet, "192.0.2.1", "192.0.2.2")[1], 0xb8 | 2);
}

TEST_F(TransportTest, BehindANatTheChecksumsAreMadeAnew) {
  Bytes packet = test::udp_packet("192.0.2.1", "192.0.2.2", 30);
  packet[26] = 0xde, packet[27] = 0xad;  // over other addresses
  const Bytes got = carry(packet, "192.0.2.1", "192.0.2.2", Encapsulation::udp);
  EXPECT_EQ(got[26] | got[27], 0) << "UDP over IPv4 goes without";
  Bytes six = test::udp_packet("2001:db8::1", "2001:db8::2", 31);
  const Bytes got6 = carry(six, "2001:db8::1", "2001:db8::2", Encapsulation::udp);
  const IpHeader header{IpAddress::parse("2001:db8::1").value(),
                        IpAddress::parse("2001:db8::2").value(), 17};
  EXPECT_EQ(upper_checksum(header, std::span(got6).subspan(40)), 0) << "the sum with it is wrong";
}

TEST_F(TransportTest, FragmentsAndOptionsAreNotForIt) {
  const SaSpec out = spec(Direction::outbound, "192.0.2.1", "192.0.2.2");
  OutboundSa sa(out, layout_of(out.transform).value(), 0);
  for (const int flags : {0x20, 0x01}) {  // more fragments; a later one
    Bytes fragment = test::udp_packet("192.0.2.1", "192.0.2.2", 30);
    fragment[6] = static_cast<std::uint8_t>(flags);
    EXPECT_EQ(prepare(sa, fragment), Drop::out_transport);
  }
  Bytes options = test::udp_packet("192.0.2.1", "192.0.2.2", 30);
  options[0] = 0x46;
  EXPECT_EQ(prepare(sa, options), Drop::out_transport);
  EXPECT_EQ(sa.counter.current(), 0u);
}

TEST_F(TransportTest, WhatThePeerWouldTakeForADummyIsNotForIt) {
  for (const auto& [from, to] :
       {std::pair{"192.0.2.1", "192.0.2.2"}, std::pair{"2001:db8::1", "2001:db8::2"}}) {
    const SaSpec out = spec(Direction::outbound, from, to);
    OutboundSa sa(out, layout_of(out.transform).value(), 0);
    Bytes nothing_follows = test::udp_packet(from, to, 30);
    nothing_follows[nothing_follows[0] == 0x45 ? 9 : 6] = kNextHeaderNone;
    EXPECT_EQ(prepare(sa, nothing_follows), Drop::out_transport);
    EXPECT_EQ(sa.counter.current(), 0u);
  }
}

TEST_F(TransportTest, OnlyWhatPassesBetweenTheEndsCanBeCarried) {
  SaSpec sa = spec(Direction::outbound, "192.0.2.1", "192.0.2.2");
  sa.selectors[0].destination = IpPrefix::parse("192.0.2.0/24").value();
  const auto checked = validate(sa);
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message, testing::HasSubstr("between its own ends"));
}

// ---- congestion marks on the way out ----------------------------------------------------------

TEST_F(PathTest, ACongestionMarkOfTheWayReachesTheInnerPacket) {
  for (const auto& [from, to] :
       {std::pair{"10.1.0.1", "10.2.0.1"}, std::pair{"fd00:1::1", "fd00:2::1"}}) {
    InboundSa sa = inbound();
    sa.binding = &binding_;
    Bytes packet = test::udp_packet(from, to, 0);
    const bool ipv4 = packet[0] == 0x45;
    if (ipv4) {
      packet[1] = 0xb8 | kEct0;
      store_be16(&packet[10], checksum_of(sum_words(std::span(packet).first(20))));
    } else {
      store_be32(packet.data(), 6u << 28 | (0xb8u | kEct0) << 20 | 0x12345);
    }
    Bytes padding;
    for (std::size_t i = 0; (packet.size() + i + 2) % 4 != 0; ++i) {
      padding.push_back(static_cast<std::uint8_t>(i + 1));
    }
    arrive(with_trailer(packet, padding, ipv4 ? kNextHeaderIpv4 : kNextHeaderIpv6));
    slot_.packet.wire.tos = kCongested;
    ASSERT_EQ(prepare_inbound(slot_, sa), std::nullopt);
    ASSERT_EQ(finish_inbound(slot_, sa), std::nullopt);
    const auto inner = parse_inner(slot_.packet.view()).value();
    EXPECT_EQ(inner.tos, 0xb8 | kCongested);
    if (ipv4) {
      EXPECT_EQ(checksum_of(sum_words(slot_.packet.view().first(20))), 0)
          << "the header's checksum is wrong now";
    } else {
      EXPECT_EQ(load_be32(slot_.packet.data()) & 0xfffff, 0x12345u) << "the flow label was changed";
    }
  }
}

TEST_F(PathTest, AMarkedPacketOfASenderThatKnowsNoMarksIsDropped) {
  InboundSa sa = inbound();
  sa.binding = &binding_;
  arrive(good_body());
  slot_.packet.wire.tos = kCongested;
  ASSERT_EQ(prepare_inbound(slot_, sa), std::nullopt);
  EXPECT_EQ(finish_inbound(slot_, sa), Drop::in_congestion);
}

TEST(Ecn, LeavesTheTunnelAsInFigure4OfRfc6040) {
  constexpr std::uint8_t kOuter[] = {kNotEct, kEct0, kEct1, kCongested};
  const std::pair<std::uint8_t, std::array<std::optional<std::uint8_t>, 4>> rows[] = {
      {kNotEct, {kNotEct, kNotEct, kNotEct, std::nullopt}},
      {kEct0, {kEct0, kEct0, kEct1, kCongested}},
      {kEct1, {kEct1, kEct1, kEct1, kCongested}},
      {kCongested, {kCongested, kCongested, kCongested, kCongested}}};
  for (const auto& [inner, expected] : rows) {
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(leave_tunnel(inner, kOuter[i]), expected[i])
          << "inner " << int{inner} << " outer " << int{kOuter[i]};
    }
  }
}

TEST_F(PathTest, AGoodPacketComesOutAsItWentIn) {
  InboundSa sa = inbound();
  EXPECT_EQ(receive(sa, good_body()), std::nullopt);
  EXPECT_EQ(Bytes(slot_.packet.data(), slot_.packet.data() + slot_.packet.length),
            test::udp_packet("10.1.0.1", "10.2.0.1", 0));
}

TEST_F(PathTest, TrafficFlowPaddingAfterTheInnerPacketIsLeftAway) {
  InboundSa sa = inbound();
  Bytes longer = test::udp_packet("10.1.0.1", "10.2.0.1", 0);
  longer.resize(longer.size() + 40);
  EXPECT_EQ(receive(sa, with_trailer(longer, {1, 2}, kNextHeaderIpv4)), std::nullopt);
  EXPECT_EQ(slot_.packet.length, 28u);
}

TEST_F(PathTest, PaddingThatIsNotOneTwoThreeIsDropped) {
  InboundSa sa = inbound();
  const Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 0);
  EXPECT_EQ(receive(sa, with_trailer(packet, {1, 3}, kNextHeaderIpv4)), Drop::in_bad_padding);
  EXPECT_EQ(receive(sa, with_trailer(packet, {0, 0}, kNextHeaderIpv4), 2), Drop::in_bad_padding);
}

// CBC may take up to 15 bytes, and senders may add more to hide a length.
TEST_F(PathTest, EveryByteOfALongPaddingIsLookedAt) {
  InboundSa sa = inbound();
  const Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 0);
  std::uint32_t sequence = 1;
  for (const unsigned length : {10U, 14U, 202U}) {
    Bytes padding(length);
    std::iota(padding.begin(), padding.end(), std::uint8_t{1});
    EXPECT_EQ(receive(sa, with_trailer(packet, padding, kNextHeaderIpv4), sequence++),
              std::nullopt);
    for (std::uint8_t& byte : padding) {
      byte = static_cast<std::uint8_t>(byte ^ 0x80);
      EXPECT_EQ(receive(sa, with_trailer(packet, padding, kNextHeaderIpv4), sequence++),
                Drop::in_bad_padding)
          << "byte " << &byte - padding.data() << " of " << length;
      byte = static_cast<std::uint8_t>(byte ^ 0x80);
    }
  }
}

TEST_F(PathTest, APadLengthBeyondThePacketIsDropped) {
  InboundSa sa = inbound();
  Bytes body = good_body();
  body[body.size() - 2] = 255;
  EXPECT_EQ(receive(sa, body), Drop::in_bad_padding);
}

TEST_F(PathTest, DummiesAndOtherNextHeadersHaveCountersOfTheirOwn) {
  InboundSa sa = inbound();
  const Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 0);
  EXPECT_EQ(receive(sa, with_trailer(packet, {1, 2}, kNextHeaderNone)), Drop::in_dummy);
  EXPECT_EQ(receive(sa, with_trailer(packet, {1, 2}, 6), 2), Drop::in_next_header);
  EXPECT_EQ(receive(sa, with_trailer(packet, {1, 2}, kNextHeaderIpv6), 3), Drop::in_bad_inner);
}

TEST_F(PathTest, AnInnerPacketThatIsCutShortIsDropped) {
  InboundSa sa = inbound();
  Bytes packet = test::udp_packet("10.1.0.1", "10.2.0.1", 0);
  packet[3] = 60;  // says that it is longer than it is
  EXPECT_EQ(receive(sa, with_trailer(packet, {1, 2}, kNextHeaderIpv4)), Drop::in_bad_inner);
}

TEST_F(PathTest, TruncatedMisalignedAndOversizedPacketsHaveCountersOfTheirOwn) {
  InboundSa sa = inbound();
  sa.binding = &binding_;
  arrive(good_body());
  slot_.packet.length += 1;
  EXPECT_EQ(prepare_inbound(slot_, sa), Drop::in_misaligned);
  slot_.packet.length = sa.layout.min_length() - 1;
  EXPECT_EQ(prepare_inbound(slot_, sa), Drop::in_truncated);
  binding_.max_length = 40;
  EXPECT_EQ(receive(sa, good_body()), Drop::in_oversized);
}

// Each reason is of one place, so that a counter says what to look for.
TEST(Drops, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kDropKinds; ++i) names.insert(to_string(Drop(i)));
  EXPECT_EQ(names.size(), kDropKinds);
}

TEST_F(PathTest, ADroppedButAuthenticPacketHasUsedItsNumber) {
  InboundSa sa = inbound();
  const Bytes packet = test::udp_packet("10.99.0.1", "10.2.0.1", 0);
  EXPECT_EQ(receive(sa, with_trailer(packet, {1, 2}, kNextHeaderIpv4), 7), Drop::in_selector);
  EXPECT_EQ(receive(sa, good_body(), 7), Drop::in_replay);
}

TEST_F(PathTest, TheEsnReceiverFollowsTheSenderPast32Bits) {
  InboundSa sa = inbound();
  sa.binding = &binding_;
  ASSERT_TRUE(sa.window.accept(kTwoTo32 - 2));
  arrive(good_body(), 3);
  ASSERT_EQ(prepare_inbound(slot_, sa), std::nullopt);
  EXPECT_EQ(slot_.op.seq_hi, 1u);
  ASSERT_EQ(finish_inbound(slot_, sa), std::nullopt);
  EXPECT_EQ(sa.window.top(), kTwoTo32 + 3);
  EXPECT_EQ(receive(sa, good_body(), 0xfffffffe), Drop::in_replay);
  EXPECT_EQ(receive(sa, good_body(), 0xffffffff), std::nullopt) << "late, but within the window";
}

TEST_F(PathTest, WithoutEsnNothingIsAcceptedPast32Bits) {
  InboundSa sa = inbound(false);
  ASSERT_TRUE(sa.window.accept(kTwoTo32 - 2));
  EXPECT_EQ(receive(sa, good_body(), 3), Drop::in_replay);
}

TEST_F(PathTest, SequenceZeroIsDroppedUnlessItStandsForAWholeTurn) {
  InboundSa plain = inbound(false), extended = inbound();
  EXPECT_EQ(receive(plain, good_body(), 0), Drop::in_sequence_zero);
  EXPECT_EQ(receive(extended, good_body(), 0), Drop::in_sequence_zero);
  ASSERT_TRUE(extended.window.accept(kTwoTo32 - 2));
  EXPECT_EQ(receive(extended, good_body(), 0), std::nullopt) << "this is number 2^32";
}

}  // namespace
}  // namespace espalier::esp
