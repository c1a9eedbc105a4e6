// SPDX-License-Identifier: Apache-2.0
#include "adopt/adopter.hpp"

#include <espalier/esp_op.hpp>
#include <espalier/plugin.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "unit/adopt/live_kernel.hpp"
#include "unit/steer/fake_kernel.hpp"
#include "unit/xfrm/sample.hpp"
#include "xfrm/software_backend.hpp"

namespace espalier::adopt {
namespace {

namespace sample = xfrm::sample;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::uint64_t kRoom = 3;

sdk::Result<std::vector<espalier_device_info>> one_device(const char* name) {
  auto info = sdk::sized<espalier_device_info>();
  info.dataplane = ESPALIER_KERNEL;
  info.id = 1;
  info.numa_node = -1;
  sdk::copy_text(info.name, name);
  return std::vector{info};
}
sdk::Result<std::vector<espalier_capability>> gcm() {
  return std::vector{sdk::esp_capability(ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE,
                                         ESPALIER_KEY_256, ESPALIER_ICV(16), 500)};
}

// A card on eth0 that offloads AES-GCM, and has room for kRoom SAs.
class Card final : public sdk::Backend {
 public:
  Card(const espalier_host*, std::string_view) {}
  sdk::Result<std::vector<espalier_device_info>> enumerate() override { return one_device("eth0"); }
  sdk::Result<std::vector<espalier_capability>> caps(std::uint64_t) override { return gcm(); }
  sdk::Result<std::vector<espalier_pool>> pools(std::uint64_t) override {
    auto pool = sdk::sized<espalier_pool>();
    pool.kind = ESPALIER_POOL_SAS;
    pool.directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND;
    pool.use = ESPALIER_USE_COUNTED;
    pool.capacity = kRoom;
    sdk::copy_text(pool.name, "table");
    return std::vector{pool};
  }
  sdk::Result<espalier_recipe> recipe(std::uint64_t, const espalier_sa&) override {
    auto recipe = sdk::sized<espalier_recipe>();
    recipe.offload = ESPALIER_OFFLOAD_CRYPTO;
    sdk::copy_text(recipe.interface, "eth0");
    return recipe;
  }
};
// Every CPU, by the kernel's pcrypt.
class Parallel final : public sdk::Backend {
 public:
  Parallel(const espalier_host*, std::string_view) {}
  sdk::Result<std::vector<espalier_device_info>> enumerate() override { return one_device("cpus"); }
  sdk::Result<std::vector<espalier_capability>> caps(std::uint64_t) override { return gcm(); }
  sdk::Result<espalier_recipe> recipe(std::uint64_t, const espalier_sa&) override {
    auto recipe = sdk::sized<espalier_recipe>();
    sdk::copy_text(recipe.driver, "pcrypt(rfc4106(gcm(aes)))");
    return recipe;
  }
};

const espalier_plugin_entry kCard = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR, ESPALIER_ABI_MINOR,
                                     &sdk::table::negotiate<Card>};
const espalier_plugin_entry kParallel = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR, ESPALIER_ABI_MINOR,
                                         &sdk::table::negotiate<Parallel>};

const std::string kName = "seqiv(rfc4106(gcm(aes)))";
const std::string kAesni = "seqiv(rfc4106-gcm-aesni-avx)";
const std::string kSpread = "pcrypt(seqiv(rfc4106-gcm-aesni-avx))";

class AdopterTest : public testing::Test {
 protected:
  AdopterTest() {
    EXPECT_TRUE(registry_->add_builtin("card", kCard));
    EXPECT_TRUE(registry_->add_builtin("parallel", kParallel));
    EXPECT_TRUE(registry_->add_builtin(xfrm::kSoftwareBackend, xfrm::kSoftwareEntry));
    std::string name = (std::filesystem::temp_directory_path() / "espalier-adopt-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    crypto_.add(kName, kAesni, 500);
    journal_.emplace(steer::Journal::open(folder_ / "changes.json", crypto_).value());
    steering_.emplace(steer::Steering::start(crypto_, *journal_).value());
  }
  ~AdopterTest() override {
    adopter_.reset();
    steering_.reset();
    journal_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Also as after a kill: what is there is found in the kernel.
  void start(std::vector<std::string> backends) {
    adopter_.reset();
    Policy policy;
    policy.backends = std::move(backends);
    policy.fallback = Fallback::software;
    placer_ =
        std::make_unique<Placer>(*registry_, policy, [this] { return now_; }, Dataplane::kernel);
    adopter_ = std::make_unique<Adopter>(
        *registry_, *placer_, kernel_, kernel_,
        Adopter::Options{[](const SaSpec&) { return std::string("eth0"); },
                         [](const IpAddress& a) { return to_string(a) == "192.0.2.1"; },
                         [this]() -> Result<steer::Steering*> { return &*steering_; },
                         [this](int, std::string_view text) { log_ += fmt::format("{}\n", text); },
                         [this] { return now_; }});
    ASSERT_TRUE(adopter_->start());
  }

  xfrm::Request made(std::uint32_t spi, Direction direction = Direction::outbound,
                     bool esn = false) {
    SaSpec sa = sample::sa(direction, spi);
    sa.esn = esn;
    sa.replay_window = 32;
    return xfrm::add_sa(sa, sample::keys(*secrets_, ++seed_), 9, {}).value();
  }
  void daemon_adds(std::uint32_t spi, Direction direction = Direction::outbound) {
    kernel_.add(made(spi, direction));
    adopter_->hear();
  }
  static std::string name_of(std::uint32_t spi, const char* way = "out") {
    return fmt::format("192.0.2.2/{}/{:08x}", way, spi);
  }
  GatewaySa sa(std::uint32_t spi, const char* way = "out") {
    const auto found = adopter_->find(name_of(spi, way));
    EXPECT_TRUE(found) << name_of(spi, way);
    return found.value_or(GatewaySa{});
  }
  std::string home(std::uint32_t spi, const char* way = "out") {
    const auto status = sa(spi, way).status;
    return status.backend + "/" + status.device;
  }
  void pass(std::chrono::seconds time) {
    now_ += time;
    adopter_->tend();
  }

  std::unique_ptr<SecretPool> secrets_ = SecretPool::create().value();
  std::unique_ptr<Registry> registry_ = Registry::load({}, *secrets_).value();
  Time now_{};
  std::filesystem::path folder_;
  steer::FakeKernel crypto_;
  std::optional<steer::Journal> journal_;
  std::optional<steer::Steering> steering_;
  LiveKernel kernel_;
  std::string log_;
  std::uint8_t seed_ = 0;
  std::unique_ptr<Placer> placer_;
  std::unique_ptr<Adopter> adopter_;
};

TEST_F(AdopterTest, SasAreOnTheCardFromTheirBirthUntilItIsFull) {
  start({"card"});
  for (std::uint32_t spi = 0x1001; spi <= 0x1004; ++spi) daemon_adds(spi);
  EXPECT_EQ(home(0x1001), "card/eth0");
  EXPECT_TRUE(kernel_.is_offloaded(0x1001));
  EXPECT_TRUE(kernel_.send(0x1001));
  EXPECT_EQ(home(0x1004), "kernel/software");
  EXPECT_FALSE(kernel_.is_offloaded(0x1004));
}

TEST_F(AdopterTest, AnInboundSaComesAsAnUpdateOfTheSpiThatWasAllocated) {
  start({"card"});
  kernel_.add(made(0x1001, Direction::inbound), XFRM_MSG_UPDSA);
  adopter_->hear();
  EXPECT_EQ(home(0x1001, "in"), "card/eth0");
  EXPECT_EQ(kernel_.sas.at(0x1001).offload->flags & XFRM_OFFLOAD_INBOUND, XFRM_OFFLOAD_INBOUND);
}

TEST_F(AdopterTest, WhatItsOwnerDeletesLeavesRoom) {
  start({"card"});
  for (std::uint32_t spi = 0x1001; spi <= 0x1003; ++spi) daemon_adds(spi);
  kernel_.remove(0x1002);
  adopter_->hear();
  EXPECT_EQ(adopter_->size(), 2U);
  daemon_adds(0x1004);
  EXPECT_EQ(home(0x1004), "card/eth0");
}

TEST_F(AdopterTest, AnSaThatHasCarriedPacketsIsNotTouchedButItsDaemonAskedOnceForARekey) {
  kernel_.add(made(0x1001));
  kernel_.send(0x1001);
  start({"card"});
  EXPECT_THAT(kernel_.asked, Not(Contains(XFRM_MSG_DELSA)));
  EXPECT_EQ(home(0x1001), "kernel/software");
  EXPECT_THAT(sa(0x1001).note, HasSubstr("it had carried packets"));
  pass(std::chrono::seconds(1));
  pass(std::chrono::seconds(1));
  EXPECT_THAT(kernel_.rekeys, SizeIs(1));
  pass(SaLife::kDeadline);
  EXPECT_THAT(sa(0x1001).note, HasSubstr("did not within 60 s"));
  EXPECT_THAT(kernel_.rekeys, SizeIs(1));
  daemon_adds(0x1002);  // the rekey
  EXPECT_EQ(home(0x1002), "card/eth0");
}

TEST_F(AdopterTest, WhatAnInterfaceLosesAsItIsSetDownGoesOnInSoftwareAndItsRekeyIsAskedFor) {
  start({"card"});
  daemon_adds(0x1001);
  for (int i = 0; i < 5; ++i) kernel_.send(0x1001);
  pass(std::chrono::seconds(1));
  for (int i = 0; i < 100; ++i) kernel_.send(0x1001);  // of which nobody here knows
  kernel_.set_down();
  adopter_->look_for_missing();
  ASSERT_TRUE(kernel_.sas.contains(0x1001));
  EXPECT_FALSE(kernel_.is_offloaded(0x1001));
  EXPECT_EQ(home(0x1001), "kernel/software");
  EXPECT_THAT(sa(0x1001).note, HasSubstr("was set down"));
  EXPECT_TRUE(kernel_.send(0x1001));
  EXPECT_TRUE(LiveKernel::all_once(kernel_.sent)) << "a number was used twice";
  const auto events = adopter_->tend();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events.front().kind, GatewayEvent::Kind::moved);
  EXPECT_THAT(kernel_.rekeys, testing::ElementsAre(0x1001));
  daemon_adds(0x1002);
  EXPECT_EQ(home(0x1002), "card/eth0") << "the room that it had there is free again";
}

TEST_F(AdopterTest, WhatCameInSinceAnInboundSaWasSeenDoesNotPassTwice) {
  start({"card"});
  daemon_adds(0x1001, Direction::inbound);
  pass(std::chrono::seconds(1));
  EXPECT_TRUE(kernel_.receive(0x1001, 7));
  kernel_.set_down();
  adopter_->look_for_missing();
  ASSERT_TRUE(kernel_.sas.contains(0x1001));
  EXPECT_FALSE(kernel_.receive(0x1001, 7)) << "a replay passed";
  EXPECT_TRUE(sa(0x1001, "in").status.expired);
  pass(std::chrono::seconds(1));
  EXPECT_THAT(kernel_.rekeys, testing::ElementsAre(0x1001));
  start({"card"});  // also where this run ends before the rekey
  EXPECT_TRUE(sa(0x1001, "in").status.expired);
}

TEST_F(AdopterTest, AnSaWithoutNumbersToSpareIsPutBackClosed) {
  start({"card"});
  daemon_adds(0x1001);
  kernel_.sas.at(0x1001).numbers.sent = 0xf000'0000;
  pass(std::chrono::seconds(1));
  kernel_.set_down();
  adopter_->look_for_missing();
  ASSERT_TRUE(kernel_.sas.contains(0x1001));
  EXPECT_FALSE(kernel_.send(0x1001));
}

TEST_F(AdopterTest, WhatItsOwnerMayHaveDeletedIsNotPutBack) {
  start({"card"});
  daemon_adds(0x1001);
  pass(std::chrono::seconds(1));
  kernel_.deaf = true;
  kernel_.remove(0x1001);
  kernel_.lost = true;
  kernel_.deaf = false;
  adopter_->look_for_missing();
  EXPECT_THAT(kernel_.sas, IsEmpty());
  EXPECT_EQ(adopter_->size(), 0U);
}

TEST_F(AdopterTest, WhatItsOwnerFlushesIsForgottenAndNotPutBack) {
  start({"card"});
  daemon_adds(0x1001);
  pass(std::chrono::seconds(1));
  kernel_.flush();
  adopter_->look_for_missing();
  EXPECT_THAT(kernel_.sas, IsEmpty());
  EXPECT_EQ(adopter_->size(), 0U);
  EXPECT_THAT(adopter_->tend(), IsEmpty());
  EXPECT_THAT(log_, HasSubstr("All SAs were flushed: 1 of them"));
}

TEST_F(AdopterTest, WhereItsOwnerHasMadeOneAnewThatOneStays) {
  start({"card"});
  daemon_adds(0x1001);
  pass(std::chrono::seconds(1));
  kernel_.set_down();
  int asked = 0;
  kernel_.before = [&] {
    if (++asked == 3) kernel_.add(made(0x1001));  // after both readings
  };
  adopter_->look_for_missing();
  kernel_.before = [] {};
  adopter_->hear();
  EXPECT_TRUE(kernel_.send(0x1001));
  EXPECT_EQ(kernel_.sas.at(0x1001).numbers.sent, 1U);
  EXPECT_EQ(adopter_->size(), 1U);
}

TEST_F(AdopterTest, AnSaWithWhatCannotBePutBackIsNotTouched) {
  start({"card"});
  auto request = made(0x1001);
  request.attribute(XFRMA_TFCPAD, std::uint32_t{100});
  kernel_.add(std::move(request));
  adopter_->hear();
  EXPECT_THAT(kernel_.asked, Not(Contains(XFRM_MSG_DELSA)));
  EXPECT_THAT(sa(0x1001).note, HasSubstr("an attribute (XFRM 22)"));
  pass(std::chrono::seconds(1));
  EXPECT_THAT(kernel_.rekeys, IsEmpty());  // it would be the same again
}

TEST_F(AdopterTest, AnSaWhoseKeysTheKernelHidesIsNotTouched) {
  start({"card"});
  auto keys = sample::keys(*secrets_, 0);
  const std::array<std::uint8_t, 4> zero{};
  keys.salt = SecretBytes::copy(*secrets_, zero).value();
  SaSpec spec = sample::sa(Direction::outbound, 0x1001);
  spec.esn = false;
  kernel_.add(xfrm::add_sa(spec, keys, 9, {}).value());
  adopter_->hear();
  EXPECT_THAT(kernel_.asked, Not(Contains(XFRM_MSG_DELSA)));
  EXPECT_THAT(sa(0x1001).note, HasSubstr("the kernel hides its keys"));
}

TEST_F(AdopterTest, SasOfOtherMachinesAndOfEspalierRunAreLeftAlone) {
  start({"card"});
  SaSpec spec = sample::sa(Direction::outbound, 0x1001);
  spec.local.address = IpAddress::parse("198.51.100.1").value();
  kernel_.add(xfrm::add_sa(spec, sample::keys(*secrets_, 1), 9, {}).value());
  spec = sample::sa(Direction::outbound, 0x1002);
  kernel_.add(xfrm::add_sa(spec, sample::keys(*secrets_, 2), 0x4000'0001, {}).value());
  adopter_->hear();
  EXPECT_EQ(adopter_->size(), 0U);
  EXPECT_THAT(log_, HasSubstr("none of its ends"));
  EXPECT_THAT(kernel_.asked, Not(Contains(XFRM_MSG_DELSA)));
}

TEST_F(AdopterTest, AfterAKillWhatIsRightIsNotTouched) {
  start({"card"});
  for (std::uint32_t spi = 0x1001; spi <= 0x1004; ++spi) daemon_adds(spi);
  kernel_.asked.clear();
  start({"card"});
  EXPECT_THAT(kernel_.asked, Not(Contains(XFRM_MSG_DELSA)));
  EXPECT_EQ(home(0x1003), "card/eth0");
  EXPECT_EQ(home(0x1004), "kernel/software");
}

TEST_F(AdopterTest, TheRoomOfACardIsKnownBeforeAnSaInSoftwareIsLookedAt) {
  start({"card"});
  for (std::uint32_t spi = 0x1002; spi <= 0x1004; ++spi) daemon_adds(spi);
  daemon_adds(0x1001);  // first in every list, and in software, since the card is full
  kernel_.asked.clear();
  start({"card"});
  EXPECT_THAT(kernel_.asked, Not(Contains(XFRM_MSG_DELSA)));
}

TEST_F(AdopterTest, WhatAKilledRunHasLeftClosedIsRekeyedOrRemoved) {
  kernel_.add(made(0x1001));
  auto& numbers = kernel_.sas.at(0x1001).numbers;
  numbers = numbers.close(xfrm::SaNumbers::Way::both);
  start({"card"});
  EXPECT_TRUE(sa(0x1001).status.expired);
  pass(std::chrono::seconds(1));
  EXPECT_THAT(kernel_.rekeys, SizeIs(1));
  pass(SaLife::kDeadline + std::chrono::seconds(1));
  EXPECT_THAT(kernel_.sas, IsEmpty());
}

TEST_F(AdopterTest, WhatWasNotHeardIsReadFromTheKernel) {
  start({"card"});
  kernel_.deaf = true;
  kernel_.add(made(0x1001));
  kernel_.deaf = false;
  kernel_.lost = true;
  adopter_->hear();
  EXPECT_EQ(home(0x1001), "card/eth0");
}

TEST_F(AdopterTest, AnSaThatVanishesWithoutAWordIsTold) {
  start({"card"});
  daemon_adds(0x1001);
  kernel_.sas.clear();  // as when its interface is set down
  std::vector<GatewayEvent> events;
  for (int i = 0; i < 3 && events.empty(); ++i) events = adopter_->tend();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, GatewayEvent::Kind::homeless);
  EXPECT_EQ(adopter_->size(), 0U);
}

// ---- Crypto drivers

TEST_F(AdopterTest, ADriverIsHeldInFrontSoThatNewSasAreBornWithItUntouched) {
  start({"parallel"});
  daemon_adds(0x1001);  // the first of its kind is put back once, to have it
  EXPECT_THAT(kernel_.asked, Contains(XFRM_MSG_DELSA));
  EXPECT_EQ(crypto_.add_sa(kName), kSpread);
  kernel_.asked.clear();
  daemon_adds(0x1002);
  EXPECT_THAT(kernel_.asked, Not(Contains(XFRM_MSG_DELSA)));
  for (const std::uint32_t spi : {0x1001U, 0x1002U}) {
    EXPECT_EQ(home(spi), "parallel/cpus");
    EXPECT_EQ(sa(spi).driver.name, kSpread);
    EXPECT_EQ(sa(spi).driver.unknown, "");
  }
}

TEST_F(AdopterTest, OfAnSaThatWasThereBeforeNobodyKnowsTheDriver) {
  kernel_.add(made(0x1001));
  kernel_.send(0x1001);
  start({"parallel"});
  EXPECT_THAT(kernel_.asked, Not(Contains(XFRM_MSG_DELSA)));
  EXPECT_THAT(sa(0x1001).driver.unknown, HasSubstr("before this run"));
  pass(std::chrono::seconds(1));
  EXPECT_THAT(kernel_.rekeys, IsEmpty());
}

TEST_F(AdopterTest, AnSaWithEsnThatWasBornTooEarlyGetsItsDriverByItsRekey) {
  start({"parallel"});
  kernel_.add(made(0x1001, Direction::outbound, true));
  adopter_->hear();
  EXPECT_THAT(kernel_.asked, Not(Contains(XFRM_MSG_DELSA)));
  kernel_.add(made(0x1002, Direction::outbound, true));
  adopter_->hear();
  EXPECT_EQ(home(0x1002), "parallel/cpus");
}

TEST_F(AdopterTest, NobodyAddsOrRemovesSasHere) {
  start({"card"});
  daemon_adds(0x1001);
  EXPECT_EQ(adopter_->remove(name_of(0x1001)).error().code, ErrorCode::unsupported);
}

TEST_F(AdopterTest, AtTheEndTheSasGoOn) {
  start({"card"});
  daemon_adds(0x1001);
  adopter_.reset();
  EXPECT_TRUE(kernel_.send(0x1001));
}

}  // namespace
}  // namespace espalier::adopt
