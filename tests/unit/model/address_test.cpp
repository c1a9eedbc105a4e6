// SPDX-License-Identifier: Apache-2.0
#include <espalier/address.hpp>

#include <gtest/gtest.h>

namespace espalier {
namespace {

TEST(IpAddress, IsReadAndWrittenBack) {
  for (const char* const text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1",
                                 "fe80::a:b:c:d", "::ffff:192.0.2.1"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(to_string(*address), text);
  }
}

TEST(IpAddress, KeepsNetworkByteOrder) {
  const auto v4 = IpAddress::parse("192.0.2.1");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->family, Family::ipv4);
  EXPECT_EQ(std::vector(v4->view().begin(), v4->view().end()),
            (std::vector<std::uint8_t>{192, 0, 2, 1}));
  const auto v6 = IpAddress::parse("2001:db8::ff");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->size(), 16U);
  EXPECT_EQ(v6->bytes[0], 0x20);
  EXPECT_EQ(v6->bytes[15], 0xff);
}

TEST(IpAddress, FromBytesTakesAsManyAsTheFamilyHas) {
  const std::uint8_t bytes[16] = {192, 0, 2, 1, 9, 9, 9};
  EXPECT_EQ(IpAddress::from_bytes(Family::ipv4, bytes), *IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(to_string(IpAddress::from_bytes(Family::ipv6, bytes)), "c000:201:909:900::");
}

TEST(IpAddress, RefusesWhatIsNone) {
  const std::string_view with_nul("192.0.2.1\0", 10);
  for (const std::string_view text :
       {std::string_view(), std::string_view("192.0.2"), std::string_view("256.0.0.1"),
        std::string_view("host"), std::string_view("fe80::1%eth0"), std::string_view(":::"),
        std::string_view("192.0.2.1 "), with_nul}) {
    const auto address = IpAddress::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::invalid);
  }
  EXPECT_EQ(IpAddress::parse("host").error().message,
            "'host' is not an IP address; write one like 192.0.2.1 or 2001:db8::1");
  EXPECT_LT(IpAddress::parse(std::string(100000, '1')).error().message.size(), 200U);
}

TEST(IpPrefix, IsReadAndWrittenBack) {
  for (const char* const text : {"0.0.0.0/0", "10.0.0.0/8", "192.0.2.128/25", "192.0.2.1/32",
                                 "::/0", "2001:db8::/33", "2001:db8::1/128"}) {
    const auto prefix = IpPrefix::parse(text);
    ASSERT_TRUE(prefix) << text;
    EXPECT_EQ(to_string(*prefix), text);
  }
}

TEST(IpPrefix, WithoutALengthIsOneHost) {
  EXPECT_EQ(to_string(*IpPrefix::parse("192.0.2.7")), "192.0.2.7/32");
  EXPECT_EQ(to_string(*IpPrefix::parse("2001:db8::7")), "2001:db8::7/128");
}

TEST(IpPrefix, RefusesBitsBeyondItsLength) {
  const auto prefix = IpPrefix::parse("10.1.2.3/15");
  ASSERT_FALSE(prefix);
  EXPECT_EQ(prefix.error().message,
            "'10.1.2.3/15' has bits set beyond its prefix length; did you mean '10.0.0.0/15'?");
}

TEST(IpPrefix, RefusesALengthThatIsNone) {
  for (const char* const text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::/129",
                                 "10.0.0.0/ 8", "10.0.0.0/99999999999", "/8"})
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
}

TEST(IpPrefix, ContainsWhatSharesItsBits) {
  const auto holds = [](const char* prefix, const char* address) {
    return IpPrefix::parse(prefix)->contains(*IpAddress::parse(address));
  };
  EXPECT_TRUE(holds("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(holds("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(holds("192.0.2.1/32", "192.0.2.1"));
  EXPECT_FALSE(holds("192.0.2.1/32", "192.0.2.0"));
  EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(holds("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(holds("0.0.0.0/0", "::")) << "the other IP version is never inside";
  EXPECT_FALSE(holds("::/0", "0.0.0.0"));
}

TEST(Endpoint, IsWrittenWithItsPort) {
  EXPECT_EQ(to_string(Endpoint{*IpAddress::parse("192.0.2.1"), 4500}), "192.0.2.1:4500");
  EXPECT_EQ(to_string(Endpoint{*IpAddress::parse("2001:db8::1"), 4500}), "[2001:db8::1]:4500");
}

}  // namespace
}  // namespace espalier
