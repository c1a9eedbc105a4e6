// SPDX-License-Identifier: Apache-2.0
#include "xfrm/policy_bundles.hpp"

#include "xfrm/policy_state.hpp"

#include <gmock/gmock.h>

#include <arpa/inet.h>

#include <algorithm>

#include "unit/xfrm/fake_kernel.hpp"
#include "unit/xfrm/sample.hpp"

namespace espalier::xfrm {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> names(const SaSpec& sa) {
  std::vector<std::string> all;
  const auto policies = policies_of(sa).value();
  for (const PolicyId& policy : policies) all.push_back(to_string(policy));
  return all;
}

xfrm_userpolicy_info info_of(const Request& request) {
  return fixed_part<xfrm_userpolicy_info>(request.bytes().subspan(NLMSG_HDRLEN)).value();
}

TEST(Policies, OfAnOutboundSaAreOneForEachSelector) {
  EXPECT_THAT(names(sample::sa()), testing::ElementsAre("out 10.1.0.0/16 -> 10.2.0.0/16"));
}

// RFC 4301 5.2: what an SA brings is held against its selectors, whoever it is for.
TEST(Policies, OfAnInboundTunnelAreForThisMachineAndForWhatItPassesOn) {
  EXPECT_THAT(
      names(sample::sa(Direction::inbound)),
      testing::ElementsAre("in 10.2.0.0/16 -> 10.1.0.0/16", "forward 10.2.0.0/16 -> 10.1.0.0/16"));
  SaSpec transport = sample::sa(Direction::inbound);
  transport.mode = Mode::transport;
  EXPECT_THAT(names(transport), SizeIs(1));
}

TEST(Policies, TakePortsThatAMaskCanName) {
  SaSpec sa = sample::sa();
  TrafficSelector& selector = sa.selectors.front();
  selector.protocol = 17;
  selector.destination_port_low = selector.destination_port_high = 53;
  const auto one = info_of(add_policy(policies_of(sa)->front(), protection_of(sa, 1)));
  EXPECT_EQ(ntohs(one.sel.dport), 53);
  EXPECT_EQ(ntohs(one.sel.dport_mask), 0xffff);
  EXPECT_EQ(one.sel.sport_mask, 0);
  selector.destination_port_low = 1024, selector.destination_port_high = 2047;
  const auto block = info_of(add_policy(policies_of(sa)->front(), protection_of(sa, 1)));
  EXPECT_EQ(ntohs(block.sel.dport_mask), 0xfc00);
  selector.destination_port_high = 2046;
  const auto no = policies_of(sa);
  ASSERT_FALSE(no);
  EXPECT_EQ(no.error().code, ErrorCode::unsupported);
}

TEST(Policies, TheNarrowerIsAskedFirst) {
  const SaSpec sa = sample::sa();
  PolicyId wide = policies_of(sa)->front();
  PolicyId narrow = wide;
  narrow.destination = IpPrefix::parse("10.2.3.0/24").value();
  const Protect protect = protection_of(sa, 1);
  EXPECT_LT(info_of(add_policy(narrow, protect)).priority,
            info_of(add_policy(wide, protect)).priority);
}

TEST(PolicyBundles, AnSaAndItsSuccessorShareTheirs) {
  FakeKernel kernel;
  PolicyBundles bundles(kernel, 100);
  const SaSpec old = sample::sa(Direction::outbound, 0x1000);
  const SaSpec fresh = sample::sa(Direction::outbound, 0x2000);
  EXPECT_EQ(bundles.enter(old).value(), 100U);
  EXPECT_EQ(bundles.enter(fresh).value(), 100U);
  EXPECT_THAT(kernel.policies, SizeIs(1));
  EXPECT_TRUE(bundles.leave(old));
  EXPECT_THAT(kernel.policies, SizeIs(1)) << "nothing passes in the clear between them";
  EXPECT_TRUE(bundles.leave(fresh));
  EXPECT_THAT(kernel.policies, IsEmpty());
}

TEST(PolicyBundles, EachHasAReqidOfItsOwn) {
  FakeKernel kernel;
  PolicyBundles bundles(kernel, 100);
  EXPECT_EQ(bundles.enter(sample::sa()).value(), 100U);
  EXPECT_EQ(bundles.enter(sample::sa(Direction::inbound)).value(), 101U);
}

TEST(PolicyBundles, AnotherPeerForTheSameTrafficIsRefused) {
  FakeKernel kernel;
  PolicyBundles bundles(kernel, 100);
  ASSERT_TRUE(bundles.enter(sample::sa()));
  SaSpec other = sample::sa();
  other.peer.address = IpAddress::parse("192.0.2.9").value();
  const auto refused = bundles.enter(other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
}

// A kernel in which a run has left an SA and its policies, having died.
class AfterACrash : public testing::Test {
 protected:
  AfterACrash() {
    PolicyBundles dead(kernel_, kFirst);
    const SaSpec in = sample::sa(Direction::inbound);
    const std::uint32_t reqid = dead.enter(in).value();
    const auto secrets = SecretPool::create().value();
    const SaKeys keys = sample::keys(*secrets);
    const Wanted wanted{&in, &keys, reqid, {}};
    EXPECT_TRUE(install(kernel_, {&wanted, 1}).front());
    dead.keep();
    EXPECT_THAT(kernel_.policies, SizeIs(2));
  }

  static constexpr std::uint32_t kFirst = PolicyBundles::kOwnReqids + 1;
  const IpAddress here_ = IpAddress::parse("192.0.2.1").value();
  FakeKernel kernel_;
};

TEST_F(AfterACrash, ItsSasGoAndItsPoliciesAreReplacedWhereTheyStand) {
  PolicyBundles next(kernel_, kFirst + 0x10000);
  const auto left = next.take_over(here_);
  ASSERT_TRUE(left) << left.error().message;
  EXPECT_EQ(left->sas, 1U);
  EXPECT_EQ(left->policies, 2U);
  EXPECT_THAT(kernel_.sas, IsEmpty());
  EXPECT_THAT(kernel_.policies, SizeIs(2)) << "closed meanwhile";
  ASSERT_TRUE(next.enter(sample::sa(Direction::inbound)));
  ASSERT_TRUE(next.settle());
  const auto policies = read_all_policies(kernel_).value();
  ASSERT_THAT(policies, SizeIs(2));
  for (const PolicyState& policy : policies) EXPECT_EQ(policy.protect.reqid, kFirst + 0x10000);
}

TEST_F(AfterACrash, WhatIsNotNeededAnyMoreGoesWhenTheStartIsComplete) {
  PolicyBundles next(kernel_, kFirst);
  ASSERT_TRUE(next.take_over(here_));
  ASSERT_TRUE(next.settle());
  EXPECT_THAT(kernel_.policies, IsEmpty());
}

TEST_F(AfterACrash, AStartThatFailsOpensNothing) {
  {
    PolicyBundles next(kernel_, kFirst);
    ASSERT_TRUE(next.take_over(here_));
    ASSERT_TRUE(next.enter(sample::sa(Direction::inbound)));
    ASSERT_TRUE(next.enter(sample::sa(Direction::outbound)));
  }
  EXPECT_THAT(kernel_.policies, SizeIs(2)) << "those that were there";
}

TEST_F(AfterACrash, WhatIsOfAnotherEndOrOfAnIkeDaemonIsLeftAlone) {
  PolicyBundles elsewhere(kernel_, kFirst);
  EXPECT_EQ(elsewhere.take_over(IpAddress::parse("192.0.2.77").value())->policies, 0U);
  EXPECT_THAT(kernel_.sas, SizeIs(1));
  {
    PolicyBundles daemon(kernel_, 7);
    ASSERT_TRUE(daemon.enter(sample::sa(Direction::outbound)));
    daemon.keep();
  }
  EXPECT_EQ(PolicyBundles(kernel_, kFirst).take_over(here_)->policies, 2U);
}

TEST(PolicyBundles, GoWithTheirOwnerUnlessKept) {
  FakeKernel kernel;
  {
    ASSERT_TRUE(PolicyBundles(kernel, 1).enter(sample::sa()));
  }
  EXPECT_THAT(kernel.policies, IsEmpty());
  {
    PolicyBundles kept(kernel, 1);
    ASSERT_TRUE(kept.enter(sample::sa()));
    kept.keep();
  }
  EXPECT_THAT(kernel.policies, SizeIs(1));
}

}  // namespace
}  // namespace espalier::xfrm
