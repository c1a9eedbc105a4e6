// SPDX-License-Identifier: Apache-2.0
#include "gateway/kernel_gateway.hpp"

#include <espalier/esp_op.hpp>
#include <espalier/plugin.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "unit/xfrm/fake_kernel.hpp"
#include "unit/xfrm/sample.hpp"
#include "xfrm/software_backend.hpp"

namespace espalier {
namespace {

namespace sample = xfrm::sample;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kRoom = 3;

// A card on eth0 that offloads AES-GCM, and has room for kRoom SAs.
class Card final : public sdk::Backend {
 public:
  Card(const espalier_host*, std::string_view) {}
  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    auto info = sdk::sized<espalier_device_info>();
    info.dataplane = ESPALIER_KERNEL;
    info.id = 1;
    info.numa_node = -1;
    sdk::copy_text(info.name, "eth0");
    sdk::copy_text(info.interface, "eth0");
    return std::vector{info};
  }
  sdk::Result<std::vector<espalier_capability>> caps(std::uint64_t) override {
    return std::vector{sdk::esp_capability(ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE,
                                           ESPALIER_KEY_256, ESPALIER_ICV(16), 500)};
  }
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

const espalier_plugin_entry kCard = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR, ESPALIER_ABI_MINOR,
                                     &sdk::table::negotiate<Card>};

class KernelGatewayTest : public testing::Test {
 protected:
  KernelGatewayTest() {
    EXPECT_TRUE(registry_->add_builtin("card", kCard));
    EXPECT_TRUE(registry_->add_builtin(xfrm::kSoftwareBackend, xfrm::kSoftwareEntry));
    Policy policy;
    policy.backends = {"card"};
    policy.fallback = Fallback::software;
    placer_ =
        std::make_unique<Placer>(*registry_, policy, [this] { return now_; }, Dataplane::kernel);
    start();
  }
  void start() {
    gateway_ = std::make_unique<KernelGateway>(
        *registry_, *placer_, kernel_,
        KernelGateway::Options{100, [this](const SaSpec&) { return path_; },
                               [this](int, std::string_view text) { log_ += text; }});
  }

  // An SA of a tunnel to a network of its own, with keys of its own.
  static SaSpec sa(unsigned number, Direction direction = Direction::outbound) {
    SaSpec made = sample::sa(direction, 0x1000 + number);
    made.name = fmt::format("t{}/{}", number, direction == Direction::outbound ? "out" : "in");
    const auto network = IpPrefix::parse(fmt::format("10.{}.0.0/16", 10 + number)).value();
    (direction == Direction::outbound ? made.selectors[0].destination : made.selectors[0].source) =
        network;
    return made;
  }
  Result<std::shared_ptr<const Decision>> add(const SaSpec& spec) {
    return gateway_->add(spec, sample::keys(*secrets_, ++seed_));
  }
  std::string home(const std::string& name) {
    const auto found = gateway_->find(name);
    return found ? found->status.backend + "/" + found->status.device : "none of that name";
  }
  Reason reason_of(const std::string& name, std::string_view backend) {
    const auto found = gateway_->find(name);
    for (const Candidate& candidate : found->decision->candidates)
      if (candidate.backend == backend) return candidate.reason;
    return Reason::chosen;
  }

  std::unique_ptr<SecretPool> secrets_ = SecretPool::create().value();
  std::unique_ptr<Registry> registry_ = Registry::load({}, *secrets_).value();
  std::chrono::steady_clock::time_point now_{};
  xfrm::FakeKernel kernel_;
  std::string path_ = "eth0";
  std::string log_;
  std::uint8_t seed_ = 0;
  std::unique_ptr<Placer> placer_;
  std::unique_ptr<KernelGateway> gateway_;
};

TEST_F(KernelGatewayTest, SasGoToTheCardUntilItsTableIsFullThenToTheKernelAlone) {
  for (unsigned number = 1; number <= 5; ++number) ASSERT_TRUE(add(sa(number)));
  EXPECT_EQ(home("t3/out"), "card/eth0");
  EXPECT_EQ(home("t4/out"), "kernel/software");
  EXPECT_EQ(reason_of("t4/out", "card"), Reason::capacity_sas);
  EXPECT_THAT(kernel_.sas, SizeIs(5));
  ASSERT_TRUE(gateway_->remove("t1/out"));
  ASSERT_TRUE(add(sa(6)));
  EXPECT_EQ(home("t6/out"), "card/eth0");
}

TEST_F(KernelGatewayTest, ARefusalOfTheKernelSendsTheSaElsewhereAndIsTold) {
  kernel_.script = [](std::uint16_t type, std::span<const std::uint8_t> payload) {
    const auto attributes = xfrm::Attributes::of(payload, sizeof(xfrm_usersa_info));
    const bool offload = type == XFRM_MSG_NEWSA && !attributes->bytes(XFRMA_OFFLOAD_DEV).empty();
    return offload ? xfrm::Answer{EINVAL, "Cannot offload this", {}} : xfrm::Answer{};
  };
  ASSERT_TRUE(add(sa(1)));
  EXPECT_EQ(home("t1/out"), "kernel/software");
  EXPECT_EQ(reason_of("t1/out", "card"), Reason::refused_by_device);
  const auto events = gateway_->tend();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, GatewayEvent::Kind::refused);
  EXPECT_THAT(events[0].text, HasSubstr("Cannot offload this"));
  kernel_.asked.clear();
  ASSERT_TRUE(add(sa(2)));  // one of the same shape is not asked for again
  EXPECT_EQ(std::ranges::count(kernel_.asked, XFRM_MSG_NEWSA), 1);
}

TEST_F(KernelGatewayTest, ACardThatIsNotOnThePathTakesNone) {
  path_ = "eth1";
  ASSERT_TRUE(add(sa(1)));
  EXPECT_EQ(home("t1/out"), "kernel/software");
  EXPECT_EQ(reason_of("t1/out", "card"), Reason::device_not_on_path);
}

TEST_F(KernelGatewayTest, AnSaThatNobodyTakesLeavesNothingBehind) {
  kernel_.script = [](std::uint16_t type, std::span<const std::uint8_t>) {
    return type == XFRM_MSG_NEWSA ? xfrm::Answer{EPROTONOSUPPORT, "", {}} : xfrm::Answer{};
  };
  EXPECT_FALSE(add(sa(1)));
  EXPECT_THAT(kernel_.sas, IsEmpty());
  EXPECT_THAT(kernel_.policies, IsEmpty());
  EXPECT_EQ(gateway_->size(), 0U);
}

TEST_F(KernelGatewayTest, AnSpiThatIsTakenEndsTheSearch) {
  ASSERT_TRUE(add(sa(1)));
  SaSpec same = sa(1);
  same.name = "other";
  const auto refused = add(same);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  EXPECT_THAT(kernel_.sas, SizeIs(1));
}

// Law 1.
TEST_F(KernelGatewayTest, ACounterModeKeyServesOneSa) {
  ASSERT_TRUE(gateway_->add(sa(1), sample::keys(*secrets_, 9)));
  ASSERT_TRUE(gateway_->remove("t1/out"));
  const auto again = gateway_->add(sa(2), sample::keys(*secrets_, 9));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
}

TEST_F(KernelGatewayTest, ReportsWhatTheKernelCounts) {
  ASSERT_TRUE(add(sa(1, Direction::inbound)));
  auto& info = kernel_.sas.begin()->second.info;
  info.curlft.packets = 12;
  info.curlft.bytes = 1200;
  info.stats = {1, 2, 3};
  const auto found = gateway_->find("t1/in");
  EXPECT_EQ(found->status.packets, 12U);
  EXPECT_EQ(found->status.errors, 6U);
  const DropCounts drops = gateway_->drops();
  EXPECT_EQ(drops[std::size_t(Drop::in_replay)], 3U);
  EXPECT_EQ(drops[std::size_t(Drop::in_bad_icv)], 3U);
}

TEST_F(KernelGatewayTest, LimitsOfALifetimeAreTold) {
  ASSERT_TRUE(add(sa(1)));
  static_cast<void>(gateway_->tend());
  const auto state = xfrm::read_all_sas(kernel_)->front();
  auto others = state;
  others.reqid = 7;
  using Kind = xfrm::SaNews::Kind;
  gateway_->note(
      std::vector<xfrm::SaNews>{{Kind::soft_expired, state}, {Kind::soft_expired, others}});
  const auto soft = gateway_->tend();
  ASSERT_THAT(soft, SizeIs(1)) << "another's is not told";
  EXPECT_EQ(soft[0].kind, GatewayEvent::Kind::soft_lifetime);
  gateway_->note(std::vector<xfrm::SaNews>{{Kind::hard_expired, state}});
  kernel_.sas.clear();
  const auto hard = gateway_->tend();
  ASSERT_THAT(hard, SizeIs(1)) << "that it has gone is no news";
  EXPECT_EQ(hard[0].kind, GatewayEvent::Kind::hard_lifetime);
  EXPECT_EQ(home("t1/out"), "none/");
}

TEST_F(KernelGatewayTest, AnSaThatSomebodyDeletedIsToldOnceAndItsPolicyStays) {
  ASSERT_TRUE(add(sa(1)));
  static_cast<void>(gateway_->tend());
  kernel_.sas.clear();
  const auto events = gateway_->tend();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, GatewayEvent::Kind::homeless);
  EXPECT_EQ(home("t1/out"), "none/");
  EXPECT_THAT(gateway_->tend(), IsEmpty());
  EXPECT_THAT(kernel_.policies, SizeIs(1));
  ASSERT_TRUE(gateway_->remove("t1/out"));
  EXPECT_THAT(kernel_.policies, IsEmpty());
}

TEST_F(KernelGatewayTest, AnSaThatOthersPutInItsPlaceIsNotOurs) {
  ASSERT_TRUE(add(sa(1)));
  kernel_.sas.begin()->second.info.reqid = 7;
  ASSERT_THAT(gateway_->tend(), SizeIs(1));
  gateway_.reset();
  EXPECT_THAT(kernel_.sas, SizeIs(1)) << "it must not be deleted";
}

TEST_F(KernelGatewayTest, ARekeyLeavesNoMomentWithoutAPolicy) {
  ASSERT_TRUE(add(sa(1, Direction::inbound)));
  SaSpec fresh = sa(1, Direction::inbound);
  fresh.spi = 0x2000;
  ASSERT_TRUE(
      gateway_->rekey("t1/in", fresh, sample::keys(*secrets_, 99), std::chrono::milliseconds(1)));
  EXPECT_THAT(kernel_.sas, SizeIs(2)) << "what is on its way still arrives";
  EXPECT_THAT(kernel_.policies, SizeIs(2));
  EXPECT_EQ(std::ranges::count(kernel_.asked, XFRM_MSG_DELPOLICY), 0);
  SaSpec same = fresh;
  const auto refused = gateway_->rekey("t1/in", same, sample::keys(*secrets_, 98), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "the new SPI 0x2000 is that of SA 't1/in' itself; a rekey needs a new SPI");
}

TEST_F(KernelGatewayTest, TakesOutWhatItHasPutInAndNothingElse) {
  kernel_.sas[0x77].info.reqid = 1;  // somebody's
  ASSERT_TRUE(add(sa(1)));
  ASSERT_TRUE(add(sa(2, Direction::inbound)));
  EXPECT_THAT(kernel_.policies, SizeIs(3));
  gateway_.reset();
  EXPECT_THAT(kernel_.policies, IsEmpty());
  ASSERT_THAT(kernel_.sas, SizeIs(1));
  EXPECT_TRUE(kernel_.sas.contains(0x77));
}

TEST_F(KernelGatewayTest, KeepsItsPoliciesWhereItIsToldTo) {
  ASSERT_TRUE(add(sa(1)));
  gateway_->keep_policies();
  gateway_.reset();
  EXPECT_THAT(kernel_.sas, IsEmpty());
  EXPECT_THAT(kernel_.policies, SizeIs(1));
}

TEST_F(KernelGatewayTest, TakesItsPoliciesAlongWhereItIsToldToAfterAll) {
  ASSERT_TRUE(add(sa(1)));
  gateway_->keep_policies();
  gateway_->keep_policies(false);
  gateway_.reset();
  EXPECT_THAT(kernel_.policies, IsEmpty());
}

}  // namespace
}  // namespace espalier
