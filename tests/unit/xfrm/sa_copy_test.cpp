// SPDX-License-Identifier: Apache-2.0
#include "xfrm/sa_copy.hpp"

#include <gmock/gmock.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include "unit/xfrm/fake_kernel.hpp"
#include "unit/xfrm/sample.hpp"

namespace espalier::xfrm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Message finished(const Request& request) {
  return {request.header().nlmsg_type, 0, SecretBuffer(request.bytes().subspan(NLMSG_HDRLEN))};
}
Attributes attributes_of(const Request& request) {
  return *Attributes::of(request.bytes().subspan(NLMSG_HDRLEN), sizeof(xfrm_usersa_info));
}
bool same(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return std::ranges::equal(a, b);
}

class SaCopyTest : public testing::Test {
 protected:
  // As the kernel tells of it, without ESN.
  Request told(std::uint32_t window = 32, std::uint8_t seed = 3) {
    SaSpec sa = sample::sa(Direction::inbound);
    sa.esn = false;
    sa.replay_window = window;
    Request request = add_sa(sa, sample::keys(*secrets_, seed), 7, {}).value();
    if (window <= 32) request.attribute(XFRMA_REPLAY_VAL, xfrm_replay_state{});
    return request;
  }
  static std::string why_not(const Request& request) {
    const auto copy = SaCopy::of(finished(request), Direction::inbound);
    return copy ? "it is copied" : copy.error().message;
  }

  std::unique_ptr<SecretPool> secrets_ = SecretPool::create().value();
};

TEST_F(SaCopyTest, IsPutBackTheSameToTheByteButClosedAndElsewhere) {
  Request whole = told();
  whole.attribute(XFRMA_IF_ID, std::uint32_t{9}).attribute(XFRMA_LASTUSED, std::uint64_t{1});
  const auto copy = SaCopy::of(finished(whole), Direction::inbound);
  ASSERT_TRUE(copy) << copy.error().message;
  const Request again = copy->add_closed({Offload::crypto, 2});
  EXPECT_EQ(again.header().nlmsg_type, XFRM_MSG_NEWSA);
  EXPECT_NE(again.header().nlmsg_flags & NLM_F_EXCL, 0);
  const std::size_t fixed = NLMSG_HDRLEN + sizeof(xfrm_usersa_info);
  EXPECT_TRUE(same(whole.bytes().subspan(NLMSG_HDRLEN, fixed - NLMSG_HDRLEN),
                   again.bytes().subspan(NLMSG_HDRLEN, fixed - NLMSG_HDRLEN)));
  const auto was = attributes_of(whole), is = attributes_of(again);
  for (const int type : {int{XFRMA_ALG_AEAD}, int{XFRMA_IF_ID}})
    EXPECT_TRUE(same(was.bytes(type), is.bytes(type))) << type;
  EXPECT_TRUE(is.bytes(XFRMA_LASTUSED).empty());
  EXPECT_TRUE(read_numbers(is)->closed());
  const auto offload = is.value<xfrm_user_offload>(XFRMA_OFFLOAD_DEV);
  ASSERT_TRUE(offload);
  EXPECT_EQ(offload->ifindex, 2);
  EXPECT_EQ(offload->flags, XFRM_OFFLOAD_INBOUND);
}

TEST_F(SaCopyTest, ItsAgeGoesOn) {
  Request whole = told();
  xfrm_usersa_info info = *fixed_part<xfrm_usersa_info>(whole.bytes().subspan(NLMSG_HDRLEN));
  info.curlft.add_time = 1234;
  std::memcpy(NLMSG_DATA(&whole.header()), &info, sizeof info);
  const auto copy = SaCopy::of(finished(whole), Direction::inbound);
  ASSERT_TRUE(copy);
  const Request again = copy->add_closed({});
  EXPECT_EQ(attributes_of(again).value<xfrm_lifetime_cur>(XFRMA_LTIME_VAL)->add_time, 1234U);
}

TEST_F(SaCopyTest, AWideWindowIsClosedAndOpenedInItsOwnForm) {
  const auto copy = SaCopy::of(finished(told(64)), Direction::inbound);
  ASSERT_TRUE(copy) << copy.error().message;
  EXPECT_TRUE(copy->numbers().wide);
  const auto closed = read_numbers(attributes_of(copy->add_closed({})));
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->window, 64U);
  EXPECT_THAT(closed->seen, ElementsAre(SaNumbers::kLast, SaNumbers::kLast));
}

TEST_F(SaCopyTest, TheNumbersOfTheWayThatItDoesNotGoAreLeftAlone) {
  Request whole = told();
  whole.attribute(33, std::uint8_t{2});  // XFRMA_SA_DIR: outbound
  const auto copy = SaCopy::of(finished(whole), Direction::outbound);
  ASSERT_TRUE(copy) << copy.error().message;
  const auto closed = read_numbers(attributes_of(copy->add_closed({})));
  EXPECT_EQ(closed->sent, SaNumbers::kLast);
  EXPECT_EQ(closed->received, 0U);
}

TEST_F(SaCopyTest, WhatCannotBePutBackIsNotCopied) {
  Request marked = told();
  marked.attribute(XFRMA_MARK, xfrm_mark{1, 1});
  EXPECT_THAT(why_not(marked), HasSubstr("an attribute (XFRM 21)"));
  Request wraps = told();
  wraps.attribute(XFRMA_SA_EXTRA_FLAGS, std::uint32_t{XFRM_SA_XFLAG_OSEQ_MAY_WRAP});
  EXPECT_THAT(why_not(wraps), HasSubstr("allowed to wrap"));
  SaSpec esn = sample::sa(Direction::inbound);
  EXPECT_THAT(why_not(add_sa(esn, sample::keys(*secrets_, 3), 7, {}).value()), HasSubstr("ESN"));
}

TEST_F(SaCopyTest, TheLastNumbersOpenTheNextOne) {
  Request deleted(XFRM_MSG_DELSA, 0);
  xfrm_usersa_info info{};
  info.curlft.packets = 12;
  deleted.fixed(xfrm_usersa_id{}).attribute(XFRMA_SA, info);
  deleted.attribute(XFRMA_REPLAY_VAL, xfrm_replay_state{5, 6, 7});
  const auto last = read_last(finished(deleted));
  ASSERT_TRUE(last);
  const Request request = open_sa({IpAddress::parse("192.0.2.1").value(), 0x1000}, *last);
  EXPECT_EQ(request.header().nlmsg_type, XFRM_MSG_NEWAE);
  EXPECT_NE(request.header().nlmsg_flags & NLM_F_REPLACE, 0);
  const auto told_now =
      *Attributes::of(request.bytes().subspan(NLMSG_HDRLEN), sizeof(xfrm_aevent_id));
  EXPECT_EQ(read_numbers(told_now), (SaNumbers{false, 5, 6, 0, {7}}));
  EXPECT_EQ(told_now.value<xfrm_lifetime_cur>(XFRMA_LTIME_VAL)->packets, 12U);
}

TEST_F(SaCopyTest, WithoutNumbersThereIsNothingToOpenItWith) {
  Request deleted(XFRM_MSG_DELSA, 0);
  deleted.fixed(xfrm_usersa_id{}).attribute(XFRMA_SA, xfrm_usersa_info{});
  EXPECT_FALSE(read_last(finished(deleted)));
}

}  // namespace
}  // namespace espalier::xfrm
