// SPDX-License-Identifier: Apache-2.0
//
// Placement over the decorator of faults: what it refuses goes to the next backend.
#include "unit/place/placer_fixture.hpp"

#include <gmock/gmock.h>

extern "C" {
extern const espalier_plugin_entry espalier_plugin_fault;
extern const espalier_plugin_entry espalier_plugin_openssl;
}

namespace espalier {
namespace {

class FaultBackend : public PlacerFixture {
 protected:
  void start_with(const std::string& script) {
    ASSERT_TRUE(registry_->add_builtin("openssl", espalier_plugin_openssl));
    ASSERT_TRUE(registry_->add_builtin("fault", espalier_plugin_fault,
                                       R"({"backend": "openssl", )" + script + "}"));
    Policy policy;
    policy.backends = {"fault", "openssl"};
    start({}, std::move(policy));
  }
};

TEST_F(FaultBackend, WhatAFullTableRefusesGoesToTheNext) {
  start_with(R"("refuse": [{"call": "session_open", "class": "capacity", "after": 2}])");
  EXPECT_EQ(place("a"), "fault/cpu");
  EXPECT_EQ(place("b"), "fault/cpu");
  EXPECT_EQ(place("c"), "openssl/cpu");
  EXPECT_THAT(to_text(last_decision_), testing::HasSubstr("refused by the script"));
}

TEST_F(FaultBackend, ADeviceThatDoesNotOpenGetsNothing) {
  start_with(R"("refuse": [{"call": "device_open", "class": "permission"}])");
  EXPECT_EQ(place("a"), "openssl/cpu");
}

TEST_F(FaultBackend, ADeviceThatSaysItIsDownGetsNothing) {
  start_with(R"("health": "down")");
  EXPECT_EQ(place("a"), "openssl/cpu");
}

TEST_F(FaultBackend, UnpluggedAndBackItGetsSasAgain) {
  start_with(R"("unplug_at": 0, "back_after_ms": 0)");
  EXPECT_EQ(place("a"), "fault/cpu");
  {
    auto queue = (*registry_->open("fault", "cpu"))->open_queue();
    ASSERT_TRUE(queue);
    espalier_op op{};
    espalier_op* const one = &op;
    EXPECT_EQ((*queue)->submit({&one, 1}), 0u) << "this unplugs it";
  }
  remove("a");
  registry_->forget("fault", "cpu");
  placer_->refresh();
  EXPECT_EQ(device("fault", "cpu").state, DeviceState::quarantined);
  now_ += std::chrono::minutes(10);  // whatever a loss has earned it
  EXPECT_EQ(place("b"), "fault/cpu") << to_text(last_decision_);
}

}  // namespace
}  // namespace espalier
