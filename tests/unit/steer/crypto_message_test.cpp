// SPDX-License-Identifier: Apache-2.0
#include "steer/crypto_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/cryptouser.h>
#include <linux/netlink.h>

#include <cerrno>
#include <cstring>

namespace espalier::steer {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

template <class T>
T at(const Bytes& bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

constexpr std::size_t kAlgorithm = NLMSG_HDRLEN;
constexpr std::size_t kAttributes = kAlgorithm + sizeof(crypto_user_alg);

// As the kernel writes it (crypto/crypto_user.c): the algorithm, its priority, and more.
Bytes report(std::uint32_t sequence, std::uint16_t flags, std::uint32_t refcnt) {
  crypto_user_alg algorithm{};
  std::strcpy(algorithm.cru_name, "seqiv(rfc4106(gcm(aes)))");
  std::strcpy(algorithm.cru_driver_name, "seqiv(rfc4106-gcm-aesni-avx)");
  std::strcpy(algorithm.cru_module_name, "seqiv");
  algorithm.cru_refcnt = refcnt;
  algorithm.cru_flags = 0xc83;
  const nlattr priority{8, CRYPTOCFGA_PRIORITY_VAL};
  const std::uint32_t value = 500;
  const nlattr more{5, CRYPTOCFGA_REPORT_AEAD};
  nlmsghdr header{};
  header.nlmsg_len = kAttributes + 16;
  header.nlmsg_type = CRYPTO_MSG_GETALG;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = sequence;
  Bytes bytes(header.nlmsg_len);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + kAlgorithm, &algorithm, sizeof algorithm);
  std::memcpy(bytes.data() + kAttributes, &more, sizeof more);
  std::memcpy(bytes.data() + kAttributes + 8, &priority, sizeof priority);
  std::memcpy(bytes.data() + kAttributes + 12, &value, sizeof value);
  return bytes;
}

Bytes ending(std::uint16_t type, std::uint32_t sequence, int error) {
  nlmsghdr header{};
  header.nlmsg_len = NLMSG_HDRLEN + sizeof error;
  header.nlmsg_type = type;
  header.nlmsg_seq = sequence;
  Bytes bytes(header.nlmsg_len);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + NLMSG_HDRLEN, &error, sizeof error);
  return bytes;
}

TEST(CryptoMessage, AnInstanceIsMadeAsAnAead) {
  const Bytes bytes = encode({CryptoVerb::make, "pcrypt(seqiv(x))", 0}, 7);
  ASSERT_THAT(bytes, SizeIs(kAttributes + 8));
  const auto header = at<nlmsghdr>(bytes, 0);
  EXPECT_EQ(header.nlmsg_len, bytes.size());
  EXPECT_EQ(header.nlmsg_type, CRYPTO_MSG_NEWALG);
  EXPECT_EQ(header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
  EXPECT_EQ(header.nlmsg_seq, 7u);
  const auto algorithm = at<crypto_user_alg>(bytes, kAlgorithm);
  EXPECT_STREQ(algorithm.cru_driver_name, "pcrypt(seqiv(x))");
  EXPECT_EQ(algorithm.cru_type, 3u);
  EXPECT_EQ(algorithm.cru_mask, 0xfu);
  EXPECT_EQ(at<nlattr>(bytes, kAttributes).nla_type, CRYPTOCFGA_PRIORITY_VAL);
  EXPECT_EQ(at<std::uint32_t>(bytes, kAttributes + 4), 0u);
}

TEST(CryptoMessage, TheOtherVerbsHaveTheirTypes) {
  EXPECT_EQ(at<nlmsghdr>(encode({CryptoVerb::set_priority, "a", 9000}, 1), 0).nlmsg_type,
            CRYPTO_MSG_UPDATEALG);
  EXPECT_EQ(at<nlmsghdr>(encode({CryptoVerb::remove, "a", {}}, 1), 0).nlmsg_type,
            CRYPTO_MSG_DELALG);
  EXPECT_THAT(encode({CryptoVerb::make, "a", {}}, 1), SizeIs(kAttributes));
  // An acknowledgement besides would be taken for the answer to the next request.
  EXPECT_EQ(at<nlmsghdr>(encode({CryptoVerb::get, "a", {}}, 1), 0).nlmsg_flags, NLM_F_REQUEST);
  EXPECT_EQ(at<nlmsghdr>(encode({CryptoVerb::dump, "", {}}, 1), 0).nlmsg_flags,
            NLM_F_REQUEST | NLM_F_DUMP);
}

TEST(CryptoMessage, AReportIsReadWithoutTheReaderAmongItsUsers) {
  CryptoReply reply;
  ASSERT_TRUE(decode(report(5, 0, 3), {CryptoVerb::get, "", {}}, 5, reply));
  ASSERT_THAT(reply.algorithms, SizeIs(1));
  EXPECT_TRUE(reply.ended);
  const Algorithm& read = reply.algorithms[0];
  EXPECT_EQ(read.name, "seqiv(rfc4106(gcm(aes)))");
  EXPECT_EQ(read.driver, "seqiv(rfc4106-gcm-aesni-avx)");
  EXPECT_EQ(read.module, "seqiv");
  EXPECT_EQ(read.type, "aead");
  EXPECT_EQ(read.priority, 500u);
  EXPECT_EQ(read.refcnt, 2u);
  EXPECT_TRUE(read.async);
  EXPECT_TRUE(read.tested);
  EXPECT_FALSE(read.internal);
}

TEST(CryptoMessage, ADumpGoesOnUntilItSaysThatItIsDone) {
  const CryptoRequest dump{CryptoVerb::dump, "", {}};
  CryptoReply reply;
  Bytes two = report(5, NLM_F_MULTI, 3);
  const Bytes more = report(5, NLM_F_MULTI, 4);
  two.insert(two.end(), more.begin(), more.end());
  ASSERT_TRUE(decode(two, dump, 5, reply));
  EXPECT_FALSE(reply.ended);
  ASSERT_TRUE(decode(ending(NLMSG_DONE, 5, 0), dump, 5, reply));
  EXPECT_TRUE(reply.ended);
  ASSERT_THAT(reply.algorithms, SizeIs(2));
  EXPECT_EQ(reply.algorithms[1].refcnt, 4u);
}

TEST(CryptoMessage, AnErrorIsTheKernelsErrno) {
  CryptoReply reply;
  ASSERT_TRUE(decode(ending(NLMSG_ERROR, 5, -EBUSY), {CryptoVerb::remove, "a", {}}, 5, reply));
  EXPECT_EQ(reply.error, EBUSY);
  EXPECT_TRUE(reply.ended);
}

TEST(CryptoMessage, AnAnswerToAnotherRequestIsPassedOver) {
  CryptoReply reply;
  ASSERT_TRUE(decode(ending(NLMSG_ERROR, 4, -EBUSY), {CryptoVerb::remove, "a", {}}, 5, reply));
  EXPECT_FALSE(reply.ended);
}

TEST(CryptoMessage, WhatIsCutShortIsRefused) {
  const CryptoRequest get{CryptoVerb::get, "", {}};
  const Bytes whole = report(5, 0, 3);
  for (std::size_t size = NLMSG_HDRLEN; size < whole.size(); ++size) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CryptoReply reply;
    EXPECT_FALSE(decode(cut, get, 5, reply)) << size;
  }
}

}  // namespace
}  // namespace espalier::steer
