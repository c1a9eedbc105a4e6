// SPDX-License-Identifier: Apache-2.0
//
// Traffic through asynchronous hardware: the SDK's example, whose card completes late and out of
// order on a thread of its own, and is pulled out with packets in its hands.
#include "unit/gateway/line.hpp"

#include <gmock/gmock.h>

extern "C" const espalier_plugin_entry espalier_plugin_example;

namespace espalier::test {
namespace {

TEST(LookasideCard, CarriesTrafficBothWaysAndKeepsItsOrder) {
  Line line({{"example", &espalier_plugin_example, R"({"latency_us": 100})"}});
  line.carry(2000);
  line.expect_honest();
  EXPECT_EQ(line.home("out"), "example");
  EXPECT_EQ(line.home("in"), "example");
  EXPECT_EQ(line.moves("out") + line.moves("in"), 0u);
  EXPECT_EQ(line.drops(), line.drops(Drop::queue_full)) << "a full queue is all that may be";
  EXPECT_GT(line.delivered(), line.sent() / 2);
}

TEST(LookasideCard, PulledOutUnderLoadItsSasMoveAndNoLawIsBroken) {
  for (const int at : {1, 777, 1500}) {
    SCOPED_TRACE(at);
    Line line({{"example", &espalier_plugin_example,
                R"({"latency_us": 300, "unplug_at": )" + std::to_string(at) + "}"}});
    line.carry(2000);
    line.expect_honest();
    for (const char* sa : {"out", "in"}) {
      EXPECT_EQ(line.home(sa), "openssl") << sa;
      EXPECT_EQ(line.moves(sa), 1u) << sa;
    }
    EXPECT_GT(line.delivered(), 400u) << "they go on";
    using Kind = GatewayEvent::Kind;
    EXPECT_TRUE(std::ranges::any_of(
        line.events(), [](const GatewayEvent& e) { return e.kind == Kind::device_lost; }));
  }
}

}  // namespace
}  // namespace espalier::test
