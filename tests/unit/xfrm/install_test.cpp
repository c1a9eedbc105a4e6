// SPDX-License-Identifier: Apache-2.0
#include "xfrm/install.hpp"

#include <gmock/gmock.h>

#include "unit/xfrm/fake_kernel.hpp"
#include "unit/xfrm/sample.hpp"

namespace espalier::xfrm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t kReqid = 77;
const Recipe kSoftware{};
const Recipe kCard{Offload::crypto, "eth0", "", ""};

class Install : public testing::Test {
 protected:
  Result<SaState> put(const SaSpec& sa, const Recipe& recipe) {
    const SaKeys keys = sample::keys(*secrets_);
    const Wanted wanted{&sa, &keys, kReqid, recipe};
    return std::move(install(kernel_, {&wanted, 1}).front());
  }
  // An answer to every new SA.
  void refuse_with(int error, std::string words) {
    kernel_.script = [=](std::uint16_t type, std::span<const std::uint8_t>) {
      return type == XFRM_MSG_NEWSA ? Answer{error, words, {}} : Answer{};
    };
  }

  std::unique_ptr<SecretPool> secrets_ = SecretPool::create().value();
  FakeKernel kernel_;
};

TEST_F(Install, GivesWhatTheKernelHasOfTheSa) {
  const auto state = put(sample::sa(), kCard);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->id, id_of(sample::sa()));
  EXPECT_EQ(state->reqid, kReqid);
  EXPECT_EQ(state->held_by, (HeldBy{2, Offload::crypto}));
  EXPECT_THAT(kernel_.asked, ElementsAre(XFRM_MSG_NEWSA, XFRM_MSG_GETSA));
}

TEST_F(Install, WithoutOffloadNoDeviceHoldsIt) {
  const auto state = put(sample::sa(), kSoftware);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->held_by, std::nullopt);
}

TEST_F(Install, AnOffloadThatTheKernelSilentlyDidInSoftwareIsARefusalAndUndone) {
  kernel_.silent_software = true;
  const auto state = put(sample::sa(), kCard);
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().code, ErrorCode::unsupported);
  EXPECT_THAT(state.error().message, HasSubstr("held by no device"));
  EXPECT_THAT(kernel_.sas, IsEmpty());
}

TEST_F(Install, ARefusalCarriesTheKernelsWords) {
  refuse_with(ENOSPC, "netdevsim: No space for SA in Rx table!");
  const auto state = put(sample::sa(), kCard);
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().code, ErrorCode::capacity);
  EXPECT_THAT(state.error().message, HasSubstr("netdevsim: No space for SA in Rx table!"));
  EXPECT_THAT(kernel_.asked, ElementsAre(XFRM_MSG_NEWSA)) << "there is nothing to undo";
}

TEST_F(Install, AnSaThatIsThereAlreadyIsAConflictAndLeftAlone) {
  ASSERT_TRUE(put(sample::sa(), kSoftware));
  const auto again = put(sample::sa(), kSoftware);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
  EXPECT_THAT(kernel_.sas, SizeIs(1));
}

TEST_F(Install, AnInterfaceThatHasGoneIsALostDevice) {
  kernel_.interfaces.clear();
  const auto state = put(sample::sa(), kCard);
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().code, ErrorCode::lost);
  EXPECT_THAT(kernel_.asked, IsEmpty());
}

TEST_F(Install, AKernelThatCannotBeReadBackKeepsNothing) {
  kernel_.script = [](std::uint16_t type, std::span<const std::uint8_t>) {
    return type == XFRM_MSG_GETSA ? Answer{EPERM, "", {}} : Answer{};
  };
  ASSERT_FALSE(put(sample::sa(), kSoftware));
  EXPECT_THAT(kernel_.sas, IsEmpty());
}

TEST_F(Install, OfManyEachIsATransactionOfItsOwn) {
  kernel_.script = [](std::uint16_t type, std::span<const std::uint8_t> payload) {
    const bool odd = (fixed_part<xfrm_usersa_info>(payload)->id.spi & 0x0100'0000U) != 0;
    return type == XFRM_MSG_NEWSA && odd ? Answer{ENOSPC, "", {}} : Answer{};
  };
  const SaKeys keys = sample::keys(*secrets_);
  std::vector<SaSpec> sas;
  for (std::uint32_t spi = 0x1000; spi < 0x1064; ++spi)
    sas.push_back(sample::sa(Direction::inbound, spi));
  std::vector<Wanted> wanted;
  for (const SaSpec& sa : sas) wanted.push_back({&sa, &keys, kReqid, kCard});
  const auto results = install(kernel_, wanted);
  ASSERT_THAT(results, SizeIs(100));
  for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].has_value(), i % 2 == 0);
  EXPECT_THAT(kernel_.sas, SizeIs(50));
  EXPECT_THAT(kernel_.exchanges, ElementsAre(100, 50, 0)) << "added, read back, undone";
}

TEST_F(Install, PoliciesComeAllOrNone) {
  SaSpec sa = sample::sa(Direction::inbound);
  const auto policies = policies_of(sa).value();
  const Protect protect = protection_of(sa, kReqid);
  ASSERT_TRUE(install(kernel_, std::span(policies).last(1), protect));
  const auto all = install(kernel_, policies, protect);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().code, ErrorCode::conflict);
  EXPECT_THAT(kernel_.policies, SizeIs(1)) << "the one that was there";
}

TEST_F(Install, WhatHasGoneAlreadyIsTakenOutWithoutComplaint) {
  EXPECT_TRUE(uninstall(kernel_, id_of(sample::sa())));
  EXPECT_TRUE(uninstall(kernel_, policies_of(sample::sa()).value()));
}

}  // namespace
}  // namespace espalier::xfrm
