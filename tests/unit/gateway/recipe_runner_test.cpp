// SPDX-License-Identifier: Apache-2.0
#include "gateway/recipe_runner.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "unit/steer/fake_kernel.hpp"
#include "unit/xfrm/fake_kernel.hpp"
#include "unit/xfrm/sample.hpp"

namespace espalier {
namespace {

namespace sample = xfrm::sample;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kName = "seqiv(rfc4106(gcm(aes)))";
const std::string kAesni = "seqiv(rfc4106-gcm-aesni-avx)";
const std::string kParallel = "pcrypt(seqiv(rfc4106-gcm-aesni-avx))";

// A kernel in whose ESP each SA of AES-GCM gets the first driver of its name.
class RecipeRunnerTest : public testing::Test {
 protected:
  RecipeRunnerTest() {
    std::string name = (std::filesystem::temp_directory_path() / "espalier-recipe-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    crypto_.add(kName, kAesni, 500);
    at_rest_ = crypto_.priorities();
    kernel_.script = [this](std::uint16_t type, std::span<const std::uint8_t>) {
      if (type != XFRM_MSG_NEWSA) return xfrm::Answer{};
      if (refusal_ == 0) got_ = crypto_.add_sa(kName);
      return xfrm::Answer{refusal_, "", {}};
    };
    journal_.emplace(steer::Journal::open(folder_ / "changes.json", crypto_).value());
    steering_.emplace(steer::Steering::start(crypto_, *journal_).value());
  }
  ~RecipeRunnerTest() override {
    steering_.reset();
    journal_.reset();
    std::filesystem::remove_all(folder_);
  }

  Result<RecipeRunner::Installed> run(const std::string& driver,
                                      Direction direction = Direction::outbound,
                                      std::uint32_t replay_window = 1024) {
    SaSpec sa = sample::sa(direction);
    sa.replay_window = replay_window;
    const SaKeys keys = sample::keys(*secrets_, 1);
    Recipe recipe;
    recipe.driver = driver;
    return runner_.run({&sa, &keys, 7, recipe});
  }
  // Of the one SA that is there: as ESN SAs have it, behind the attribute's header.
  std::uint32_t window() {
    const auto& sa = kernel_.sas.begin()->second;
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(sa.bytes.data()), sa.bytes.size());
    const auto all = xfrm::Attributes::of(bytes, sizeof(xfrm_usersa_info));
    const auto replay = all->bytes(XFRMA_REPLAY_ESN_VAL);
    if (replay.empty()) return sa.info.replay_window;
    xfrm_replay_state_esn state{};
    std::memcpy(&state, replay.data(), sizeof state);
    return state.replay_window;
  }

  std::unique_ptr<SecretPool> secrets_ = SecretPool::create().value();
  std::filesystem::path folder_;
  steer::FakeKernel crypto_;
  xfrm::FakeKernel kernel_;
  int refusal_ = 0;  // of the kernel, to an SA
  std::map<std::string, std::uint32_t> at_rest_;
  std::optional<steer::Journal> journal_;
  std::optional<steer::Steering> steering_;
  std::string got_;
  std::string log_;
  Result<steer::Steering*> available_ = fail(ErrorCode::io, "no crypto netlink here");
  RecipeRunner runner_{kernel_,
                       [this] {
                         if (steering_) available_ = &*steering_;
                         return available_;
                       },
                       [this](int, std::string_view text) { log_ += text; }};
};

TEST_F(RecipeRunnerTest, WithoutADriverTheSaGetsTheKernelsChoice) {
  const auto done = run("");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(got_, kAesni);
  EXPECT_THAT(done->driver.name, IsEmpty());
}

TEST_F(RecipeRunnerTest, TheSaGetsTheDriverOfTheRecipeAndOthersWhatTheyAlwaysGot) {
  const auto done = run("pcrypt(rfc4106(gcm(aes)))");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(got_, kParallel);
  EXPECT_EQ(done->driver.name, kParallel);
  EXPECT_THAT(done->driver.unknown, IsEmpty());
  EXPECT_EQ(done->state.reqid, 7u);
  EXPECT_EQ(crypto_.add_sa(kName), kAesni);
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(RecipeRunnerTest, WherePacketsOvertakeTheWindowIsWideEnough) {
  ASSERT_TRUE(run("pcrypt(rfc4106(gcm(aes)))", Direction::inbound, 64));
  EXPECT_EQ(window(), 128u);
}

TEST_F(RecipeRunnerTest, ElsewhereTheWindowIsTheOneOfTheConfiguration) {
  ASSERT_TRUE(run("rfc4106-gcm-aesni-avx", Direction::inbound, 64));
  EXPECT_EQ(window(), 64u);
}

TEST_F(RecipeRunnerTest, WhenOthersAddSasMeanwhileItIsUnknownWhatItHas) {
  kernel_.script = [this](std::uint16_t type, std::span<const std::uint8_t>) {
    if (type == XFRM_MSG_NEWSA)
      for (int i = 0; i < 2; ++i) got_ = crypto_.add_sa(kName);
    return xfrm::Answer{};
  };
  const auto done = run("pcrypt(rfc4106(gcm(aes)))");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->driver.name, kParallel);
  EXPECT_FALSE(done->driver.unknown.empty());
}

TEST_F(RecipeRunnerTest, ADriverThatIsNotThereRefusesTheSaForGood) {
  const auto done = run("qat_aes_gcm");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::unsupported);
  EXPECT_THAT(done.error().message,
              HasSubstr("cannot be steered to the crypto driver qat_aes_gcm"));
  EXPECT_THAT(kernel_.sas, IsEmpty());
}

TEST_F(RecipeRunnerTest, WhereNothingCanBeSteeredTheSaMayGoElsewhere) {
  steering_.reset();
  const auto done = run("pcrypt(rfc4106(gcm(aes)))");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::transient) << "io would end the search for a device";
  EXPECT_THAT(done.error().message, HasSubstr("no crypto netlink here"));
}

TEST_F(RecipeRunnerTest, ADriverThatSomebodyKeepsBehindAnotherIsTriedAgainLater) {
  crypto_.find(kAesni)->priority = 0x7fffffff;
  crypto_.add(kName, "seqiv(other)", 0x7fffffff);
  crypto_.find("seqiv(other)")->priority = 0xffffffff;
  const auto done = run("pcrypt(rfc4106(gcm(aes)))");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::transient) << done.error().message;
  EXPECT_THAT(kernel_.sas, IsEmpty());
}

TEST_F(RecipeRunnerTest, WhatTheKernelSaysToTheSaIsGivenBackAndPrioritiesAreAsBefore) {
  refusal_ = EEXIST;
  const auto done = run("pcrypt(rfc4106(gcm(aes)))");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::conflict);
  EXPECT_THAT(done.error().message, HasSubstr("the kernel has an SA with"));
  auto now = crypto_.priorities();
  now.erase(kParallel);  // at rest until the gateway ends
  EXPECT_EQ(now, at_rest_);
}

}  // namespace
}  // namespace espalier
