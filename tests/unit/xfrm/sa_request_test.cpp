// SPDX-License-Identifier: Apache-2.0
#include "xfrm/sa_request.hpp"

#include <gmock/gmock.h>

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/udp.h>
#include <linux/xfrm.h>

#include "unit/xfrm/sample.hpp"

namespace espalier::xfrm {
namespace {

class SaRequest : public testing::Test {
 protected:
  // The request's fixed part, and its attributes.
  xfrm_usersa_info ask(const SaSpec& sa, const SaKeys& keys, OffloadTo offload = {}) {
    request_.emplace(add_sa(sa, keys, 77, offload).value());
    payload_ = request_->bytes().subspan(NLMSG_HDRLEN);
    attributes_ = Attributes::of(payload_, sizeof(xfrm_usersa_info)).value();
    return fixed_part<xfrm_usersa_info>(payload_).value();
  }
  xfrm_usersa_info ask(const SaSpec& sa, OffloadTo offload = {}) {
    return ask(sa, sample::keys(*secrets_), offload);
  }
  std::string name(int type) const {
    return reinterpret_cast<const char*>(attributes_.bytes(type).data());
  }
  std::uint32_t word(int type, std::size_t at) const {
    std::uint32_t value = 0;
    std::memcpy(&value, attributes_.bytes(type).data() + at, sizeof value);
    return value;
  }

  std::unique_ptr<SecretPool> secrets_ = SecretPool::create().value();
  std::optional<Request> request_;
  std::span<const std::uint8_t> payload_;
  Attributes attributes_ = Attributes::of({}, 0).value();
};

TEST_F(SaRequest, GoesToThePeerOutboundAndToThisEndInbound) {
  const auto out = ask(sample::sa());
  EXPECT_EQ(ntohl(out.id.daddr.a4), 0xc0000202U);
  EXPECT_EQ(ntohl(out.saddr.a4), 0xc0000201U);
  const auto in = ask(sample::sa(Direction::inbound));
  EXPECT_EQ(ntohl(in.id.daddr.a4), 0xc0000201U);
  EXPECT_EQ(ntohl(in.id.spi), 0x1000U);
  EXPECT_EQ(in.reqid, 77U);
  EXPECT_EQ(in.mode, XFRM_MODE_TUNNEL);
}

TEST_F(SaRequest, AnAeadHasItsSaltBehindItsKey) {
  ask(sample::sa());
  EXPECT_EQ(name(XFRMA_ALG_AEAD), "rfc4106(gcm(aes))");
  EXPECT_EQ(word(XFRMA_ALG_AEAD, 64), 36U * 8);
  EXPECT_EQ(word(XFRMA_ALG_AEAD, 68), 128U);
  const auto key = attributes_.bytes(XFRMA_ALG_AEAD).subspan(72);
  EXPECT_EQ(std::vector<int>(key.begin() + 30, key.end()), (std::vector<int>{1, 1, 1, 2, 3, 4}));
}

TEST_F(SaRequest, CipherAndHmacAreTwoAlgorithms) {
  SaSpec sa = sample::sa();
  sa.transform = {Cipher::aes_cbc, 128, Integrity::hmac_sha256, 16};
  SaKeys keys;
  keys.cipher = SecretBytes::random(*secrets_, 16).value();
  keys.integrity = SecretBytes::random(*secrets_, 32).value();
  ask(sa, keys);
  EXPECT_EQ(name(XFRMA_ALG_CRYPT), "cbc(aes)");
  EXPECT_EQ(name(XFRMA_ALG_AUTH_TRUNC), "hmac(sha256)");
  EXPECT_EQ(word(XFRMA_ALG_AUTH_TRUNC, 64), 256U);
  EXPECT_EQ(word(XFRMA_ALG_AUTH_TRUNC, 68), 128U) << "the kernel's own is 96";
}

// Whatever the table has, no name is cut and no key is lost.
TEST_F(SaRequest, EveryTransformHasItsNames) {
  for (const TransformInfo& info : transforms()) {
    SCOPED_TRACE(info.name);
    SaSpec sa = sample::sa();
    sa.transform = info.transform;
    SaKeys keys;
    if (info.cipher_key_bytes > 0)
      keys.cipher = SecretBytes::random(*secrets_, info.cipher_key_bytes).value();
    if (info.salt_bytes > 0) keys.salt = SecretBytes::random(*secrets_, info.salt_bytes).value();
    if (info.integrity_key_bytes > 0)
      keys.integrity = SecretBytes::random(*secrets_, info.integrity_key_bytes).value();
    ask(sa, keys);
    const std::uint32_t bits = (info.cipher_key_bytes + info.salt_bytes) * 8U;
    if (info.transform.integrity == Integrity::none) {
      EXPECT_EQ(name(XFRMA_ALG_AEAD), info.kernel_name);
      EXPECT_EQ(word(XFRMA_ALG_AEAD, 64), bits);
    } else {
      EXPECT_EQ("authenc(" + name(XFRMA_ALG_AUTH_TRUNC) + "," + name(XFRMA_ALG_CRYPT) + ")",
                info.kernel_name);
      EXPECT_EQ(word(XFRMA_ALG_CRYPT, 64), bits);
    }
  }
}

TEST_F(SaRequest, AShortWindowStandsInTheOldFormatALongOneOrEsnInTheNew) {
  SaSpec sa = sample::sa(Direction::inbound);
  sa.esn = false;
  sa.replay_window = 32;
  EXPECT_EQ(ask(sa).replay_window, 32);
  EXPECT_TRUE(attributes_.bytes(XFRMA_REPLAY_ESN_VAL).empty());

  sa.replay_window = 100;
  EXPECT_EQ(ask(sa).flags & XFRM_STATE_ESN, 0);
  EXPECT_EQ(word(XFRMA_REPLAY_ESN_VAL, 0), 4U) << "words of the bitmap";
  EXPECT_EQ(word(XFRMA_REPLAY_ESN_VAL, 20), 100U);
  EXPECT_EQ(attributes_.bytes(XFRMA_REPLAY_ESN_VAL).size(), 24U + 4 * 4);

  sa.esn = true;
  EXPECT_NE(ask(sa).flags & XFRM_STATE_ESN, 0);
}

TEST_F(SaRequest, AnOutboundSaKeepsNoWindowButTheOneThatEsnNeeds) {
  SaSpec sa = sample::sa();
  sa.esn = false;
  EXPECT_EQ(ask(sa).replay_window, 0);
  EXPECT_TRUE(attributes_.bytes(XFRMA_REPLAY_ESN_VAL).empty());
  sa.esn = true;
  ask(sa);
  EXPECT_EQ(word(XFRMA_REPLAY_ESN_VAL, 20), 32U);
}

TEST_F(SaRequest, OffloadNamesTheDeviceTheWayAndWhetherWholePackets) {
  ask(sample::sa());
  EXPECT_FALSE(attributes_.value<xfrm_user_offload>(XFRMA_OFFLOAD_DEV));
  ask(sample::sa(Direction::inbound), {Offload::crypto, 5});
  const auto crypto = attributes_.value<xfrm_user_offload>(XFRMA_OFFLOAD_DEV);
  EXPECT_EQ(crypto->ifindex, 5);
  EXPECT_EQ(crypto->flags, XFRM_OFFLOAD_INBOUND);
  ask(sample::sa(), {Offload::packet, 5});
  EXPECT_EQ(attributes_.value<xfrm_user_offload>(XFRMA_OFFLOAD_DEV)->flags, XFRM_OFFLOAD_PACKET);
}

TEST_F(SaRequest, EspInUdpHasThePortsAsThePacketHasThem) {
  SaSpec sa = sample::sa(Direction::inbound);
  sa.encapsulation = Encapsulation::udp;
  sa.peer.port = 4501;
  ask(sa);
  const auto encap = attributes_.value<xfrm_encap_tmpl>(XFRMA_ENCAP);
  ASSERT_TRUE(encap);
  EXPECT_EQ(encap->encap_type, UDP_ENCAP_ESPINUDP);
  EXPECT_EQ(ntohs(encap->encap_sport), 4501);
  EXPECT_EQ(ntohs(encap->encap_dport), 4500);
}

TEST_F(SaRequest, OneFamilyInsideIsNamedTwoAreNot) {
  SaSpec sa = sample::sa();
  EXPECT_EQ(ask(sa).sel.family, AF_INET);
  TrafficSelector six;
  six.source = IpPrefix::parse("2001:db8:1::/48").value();
  six.destination = IpPrefix::parse("2001:db8:2::/48").value();
  sa.selectors.push_back(six);
  const auto mixed = ask(sa);
  EXPECT_EQ(mixed.sel.family, AF_UNSPEC);
  EXPECT_NE(mixed.flags & XFRM_STATE_AF_UNSPEC, 0);
}

TEST_F(SaRequest, LimitsThatAreNotSetAreInfinite) {
  SaSpec sa = sample::sa();
  EXPECT_EQ(ask(sa).lft.hard_packet_limit, XFRM_INF);
  sa.lifetime = Lifetime{.soft_packets = 10, .hard_packets = 20, .hard_seconds = 30};
  const auto limited = ask(sa);
  EXPECT_EQ(limited.lft.soft_packet_limit, 10U);
  EXPECT_EQ(limited.lft.hard_packet_limit, 20U);
  EXPECT_EQ(limited.lft.hard_add_expires_seconds, 30U);
  EXPECT_EQ(limited.lft.hard_byte_limit, XFRM_INF);
}

TEST_F(SaRequest, WhatTheKernelHasNoWordsForIsRefused) {
  SaSpec sa = sample::sa();
  sa.outer.dscp = 46;
  EXPECT_EQ(add_sa(sa, sample::keys(*secrets_), 1, {}).error().code, ErrorCode::unsupported);
  sa.outer = {.dont_fragment = OuterHeader::DontFragment::set};
  EXPECT_EQ(add_sa(sa, sample::keys(*secrets_), 1, {}).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace espalier::xfrm
