// SPDX-License-Identifier: Apache-2.0
#include "gateway/monitor.hpp"

#include "unit/esp/two_gateways.hpp"

#include <gmock/gmock.h>
#include <fake_builder.hpp>

#include <chrono>

namespace espalier {
namespace {

using namespace test;
using std::chrono::seconds;

// A gateway with one SA out, of which a test says when a second has passed.
class MonitorTest : public testing::Test {
 protected:
  MonitorTest() {
    EXPECT_TRUE(bench_.registry->add_builtin(fake_.name(), fake_.entry(), fake_.options()));
    Policy policy;
    policy.backends = {"fake"};
    placer_ = std::make_unique<Placer>(*bench_.registry, policy);
    gateway_ = std::make_unique<Gateway>(*bench_.registry, *placer_, *gate_.engine,
                                         [](int, std::string_view) {});
    monitor_ = std::make_unique<Monitor>(*gateway_, Ports{});
    const TransformInfo& info = *find_transform("aes256gcm16").value();
    SaKeys keys{SecretBytes::copy(*bench_.secrets, Bytes(info.cipher_key_bytes, 1)).value(),
                SecretBytes::copy(*bench_.secrets, Bytes(info.salt_bytes, 1)).value(),
                {}};
    EXPECT_TRUE(gateway_->add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), std::move(keys)));
    gate_.turn();
  }
  void carry() {
    EXPECT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
    gate_.turn();
  }
  std::vector<GatewayEvent> next_second() {
    now_ += seconds(1);
    return monitor_->sample(now_).events;
  }
  std::uint64_t rate() { return monitor_->reports().at(0).bits_per_second; }

  using Ports = std::vector<std::shared_ptr<const PortCounters>>;
  mock::FakeBackend fake_ = mock::FakeBackendBuilder{}.name("fake").build();
  Bench bench_;
  Gate gate_;
  std::unique_ptr<Placer> placer_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<Monitor> monitor_;
  Monitor::Time now_{seconds(1000)};
};

TEST_F(MonitorTest, GivesTheRateOfTheLastSecondAndTakesItBack) {
  next_second();
  carry();
  next_second();
  EXPECT_GT(rate(), 0u);
  next_second();
  EXPECT_EQ(rate(), 0u);
}

TEST_F(MonitorTest, ARestOfAnyLengthIsNotInTheNextRate) {
  next_second();
  carry();
  next_second();
  const std::uint64_t of_one_second = rate();
  for (int i = 0; i < 100; ++i) next_second();
  EXPECT_EQ(rate(), 0u);
  carry();
  next_second();
  EXPECT_EQ(rate(), of_one_second);
}

TEST_F(MonitorTest, NamesASilentPeerThoughNothingElseGoesOn) {
  carry();
  std::vector<GatewayEvent> told;
  for (int i = 0; i < 60; ++i)
    for (GatewayEvent& event : next_second()) told.push_back(std::move(event));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, GatewayEvent::Kind::peer_silent);
}

TEST_F(MonitorTest, ActivityStandsStillWithoutTrafficAndGrowsWithAnyOfIt) {
  const std::uint64_t before = gateway_->activity();
  gate_.turn();
  gateway_->tend();
  EXPECT_EQ(gateway_->activity(), before);
  carry();
  const std::uint64_t carried = gateway_->activity();
  EXPECT_GT(carried, before);
  EXPECT_TRUE(send(*gate_.clear[0], udp_packet("10.9.0.1", "10.9.0.2", 20)));
  gate_.turn();
  const std::uint64_t dropped = gateway_->activity();
  EXPECT_GT(dropped, carried) << "a packet that no SA takes";
  EXPECT_TRUE(gateway_->remove("a"));
  EXPECT_GT(gateway_->activity(), dropped) << "an SA that went";
}

}  // namespace
}  // namespace espalier
