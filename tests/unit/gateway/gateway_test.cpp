// SPDX-License-Identifier: Apache-2.0
#include <espalier/gateway.hpp>

#include "unit/esp/two_gateways.hpp"

#include <gmock/gmock.h>
#include <fake_builder.hpp>

#include <chrono>
#include <thread>

namespace espalier {
namespace {

using namespace test;

class GatewayTest : public testing::Test {
 protected:
  GatewayTest() {
    for (mock::FakeBackend* fake : {&first_, &second_}) {
      EXPECT_TRUE(bench_.registry->add_builtin(fake->name(), fake->entry(), fake->options()));
    }
  }
  // Starts the gateway with this order of backends.
  Gateway& with(std::vector<std::string> order) {
    Policy policy;
    policy.backends = std::move(order);
    policy.fallback = Fallback::fail;
    placer_ = std::make_unique<Placer>(*bench_.registry, policy);
    gateway_ = std::make_unique<Gateway>(*bench_.registry, *placer_, *gate_.engine,
                                         [](int, std::string_view) {});
    return *gateway_;
  }
  SaKeys keys(std::uint8_t first) {
    const Transform transform = find_transform("aes256gcm16").value()->transform;
    const TransformInfo& info = *transform_info(transform);
    return {SecretBytes::copy(*bench_.secrets, Bytes(info.cipher_key_bytes, first)).value(),
            SecretBytes::copy(*bench_.secrets, Bytes(info.salt_bytes, first)).value(),
            {}};
  }
  void tend(int times = 3) {
    for (int i = 0; i < times; ++i) {
      gate_.turn();
      gateway_->tend();
    }
  }

  mock::FakeBackend first_ = mock::FakeBackendBuilder{}.name("first").build();
  mock::FakeBackend second_ = mock::FakeBackendBuilder{}.name("second").build();
  Bench bench_;
  Gate gate_;
  std::unique_ptr<Placer> placer_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(GatewayTest, AnSaMovesWhenItsDeviceIsUnpluggedAndItsNumbersGoOn) {
  Gateway& gateway = with({"first", "second"});
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), keys(1)));
  ASSERT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  gate_.turn();
  first_.control().unplug();
  tend();
  EXPECT_EQ(gateway.list().at(0).status.backend, "second");
  ASSERT_TRUE(send(*gate_.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  gate_.turn();
  EXPECT_EQ(gateway.list().at(0).status.sequence, 2u);
}

TEST_F(GatewayTest, AnSaThatNobodyTakesIsNotReportedAsPlaced) {
  Gateway& gateway = with({"first"});
  ASSERT_TRUE(gateway.add(tunnel_sa("a", Direction::outbound, "aes256gcm16"), keys(1)));
  first_.control().unplug();
  tend();
  const GatewaySa sa = gateway.list().at(0);
  EXPECT_EQ(sa.status.backend, "none");
  EXPECT_FALSE(sa.decision->chosen) << "what is reported must be what is (law 8)";
}

TEST_F(GatewayTest, AReplacedSaMovesTooWhileItsGraceLasts) {
  Gateway& gateway = with({"first", "second"});
  SaSpec sa = tunnel_sa("a", Direction::inbound, "aes256gcm16", 0x1001);
  ASSERT_TRUE(gateway.add(sa, keys(1)));
  sa.spi = 0x1002;
  ASSERT_TRUE(gateway.rekey("a", sa, keys(2), std::chrono::hours(1)));
  first_.control().unplug();
  tend();
  EXPECT_EQ(second_.control().counters().sessions(), 2u) << "the old one and the new one";
}

TEST_F(GatewayTest, ACounterModeKeyServesOneSa) {
  Gateway& gateway = with({"first"});
  const SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  ASSERT_TRUE(gateway.add(sa, keys(1)));
  ASSERT_TRUE(gateway.remove("a"));
  EXPECT_THAT(gateway.add(sa, keys(1)).error().message, testing::HasSubstr("give it fresh ones"));
  EXPECT_TRUE(gateway.add(sa, keys(2)));
}

TEST_F(GatewayTest, AKeyThatNoDeviceTookMayBeTriedAgain) {
  Gateway& gateway = with({"first"});
  const SaSpec sa = tunnel_sa("a", Direction::outbound, "aes256gcm16");
  first_.control().refuse(mock::Call::session_open, ESPALIER_TRANSIENT, "not now", 1);
  EXPECT_FALSE(gateway.add(sa, keys(1)));
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  EXPECT_TRUE(gateway.add(sa, keys(1)));
}

}  // namespace
}  // namespace espalier
