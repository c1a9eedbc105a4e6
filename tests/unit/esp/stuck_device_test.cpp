// SPDX-License-Identifier: Apache-2.0
//
// A device that takes packets and never lets go of them: it must not take the worker along, and what
// it holds must not be touched again (laws 6 and 9).
#include "unit/esp/two_gateways.hpp"

#include <fake_builder.hpp>
#include <gmock/gmock.h>

namespace espalier::esp {
namespace {

using namespace test;

class StuckDevice : public testing::Test {
 protected:
  StuckDevice() {
    for (mock::FakeBackend* fake : {&stuck_, &good_}) {
      EXPECT_TRUE(bench_.registry->add_builtin(fake->name(), fake->entry(), fake->options()));
    }
    stuck_.control().refuse(mock::Call::quiesce, ESPALIER_TRANSIENT, "never");
    stuck_.control().hold_completions();
  }
  SaSpec add(const char* backend, const char* net, std::uint32_t spi) {
    SaSpec sa = tunnel_sa(backend, Direction::outbound, "aes256gcm16", spi);
    sa.selectors = {{IpPrefix::parse("10.1.0.0/16").value(), IpPrefix::parse(net).value()}};
    EXPECT_TRUE(gate_->engine->add(sa, session(backend, sa)));
    return sa;
  }
  Session session(const char* backend, const SaSpec& sa) {
    return bench_.session(backend, sa, bench_.registry->backends().front().devices.front().name);
  }
  std::size_t carried(const char* to, int packets) {
    for (int i = 0; i < packets; ++i) {
      EXPECT_TRUE(send(*gate_->clear[0], udp_packet("10.1.0.1", to, 50)));
    }
    gate_->turn(packets);
    return receive_all(*gate_->wire[0]).size();
  }

  mock::FakeBackend stuck_ =
      mock::FakeBackendBuilder{}.name("stuck").asynchronous().queue_depth(4096).build();
  mock::FakeBackend good_ = mock::FakeBackendBuilder{}.name("good").build();
  Bench bench_;
  std::unique_ptr<Gate> gate_ = std::make_unique<Gate>(1, EngineOptions{.slots = 256});
};

TEST_F(StuckDevice, OthersGoOnWhileItHoldsItsShareAndAfterItWasGivenUp) {
  add("stuck", "10.2.0.0/24", 0x1001);
  add("good", "10.3.0.0/24", 0x1002);
  EXPECT_EQ(carried("10.2.0.1", 600), 0u);
  EXPECT_GT(gate_->drops(Drop::queue_full), 0u) << "it took whatever it was given";
  EXPECT_EQ(carried("10.3.0.1", 600), 600u) << "one stuck device silenced another one's SA";
}

TEST_F(StuckDevice, StoppingLeavesItWhatItHolds) {
  const SaSpec sa = add("stuck", "10.2.0.0/24", 0x1001);
  carried("10.2.0.1", 10);
  gate_.reset();  // the sanitizers are the judge of what is touched
  EXPECT_EQ(stuck_.control().counters().sessions_closed, 0u) << "a session in use was closed";
}

}  // namespace
}  // namespace espalier::esp
