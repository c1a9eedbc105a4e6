// SPDX-License-Identifier: Apache-2.0
//
// A gateway whose first backend is the decorator of faults over openssl: whatever its script has,
// no law is broken, every packet is accounted for, and where the device cannot be kept its SAs
// move.
#include "unit/gateway/line.hpp"

#include <ostream>

extern "C" const espalier_plugin_entry espalier_plugin_fault;

namespace espalier::test {
namespace {

struct Case {
  const char* name;
  const char* script;  // further options

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

LineBackend faulty(const Case& c) {
  return {"fault", &espalier_plugin_fault,
          R"({"backend": "openssl", )" + std::string(c.script) + "}"};
}

std::string name_of(const testing::TestParamInfo<Case>& tested) { return tested.param.name; }

// ---- A device that is given up ------------------------------------------------------------------

class FaultyDeviceIsLeft : public testing::TestWithParam<Case> {};

TEST_P(FaultyDeviceIsLeft, AndNoLawIsBroken) {
  Line line({faulty(GetParam())});
  line.carry_until_moved();
  line.carry(200);
  line.expect_honest();
  for (const char* sa : {"out", "in"}) EXPECT_EQ(line.home(sa), "openssl") << sa;
  EXPECT_GE(line.delivered(), 150u) << "they go on";
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultyDeviceIsLeft,
    testing::Values(Case{"Unplugged", R"("unplug_at": 333)"},
                    Case{"UnpluggedAtOnce", R"("unplug_at": 0)"},
                    Case{"Drops", R"("ops": [{"fault": "drop", "after": 100}])"},
                    Case{"LeavesPending", R"("ops": [{"fault": "leave_pending", "after": 100}])"},
                    Case{"CompletesTwice", R"("ops": [{"fault": "twice", "after": 100}])"},
                    Case{"CompletesForeign", R"("ops": [{"fault": "foreign", "after": 100}])"},
                    Case{"ChangesCookies", R"("ops": [{"fault": "change_cookie", "after": 100}])"},
                    Case{"FailsAlways", R"("ops": [{"fault": "fail", "after": 100}])"},
                    Case{"GivesNoQueue", R"("refuse": [{"call": "queue_open"}])"},
                    Case{"GivesNoSession",
                         R"("refuse": [{"call": "session_open", "class": "capacity"}])"},
                    Case{"SaysItIsDown", R"("health": "down")"},
                    Case{"AllAtOnce", R"("order": "random", "accept": 5, "delay_us": 300,
                         "unplug_at": 700, "ops": [{"fault": "fail", "one_in": 20},
                                                   {"fault": "corrupt", "one_in": 20}])"}),
    name_of);

// ---- A device that is only bad ------------------------------------------------------------------

class FaultyDeviceIsKept : public testing::TestWithParam<Case> {};

TEST_P(FaultyDeviceIsKept, AndEveryPacketIsAccountedFor) {
  Line line({faulty(GetParam())});
  line.carry(2000);
  line.expect_honest();
  EXPECT_EQ(line.home("out"), "fault");
  EXPECT_EQ(line.home("in"), "fault");
  EXPECT_GT(line.delivered(), 800u);
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultyDeviceIsKept,
    testing::Values(Case{"Nothing", R"("seed": 1)"}, Case{"Slow", R"("delay_us": 400)"},
                    Case{"Backwards", R"("order": "reverse", "delay_us": 100)"},
                    Case{"Shuffled", R"("order": "random", "delay_us": 100)"},
                    Case{"TakesFew", R"("accept": 3)"},
                    Case{"FailsNowAndThen", R"("ops": [{"fault": "fail", "every": 10}])"},
                    Case{"FindsForgeries", R"("ops": [{"fault": "bad_icv", "every": 10}])"},
                    Case{"Corrupts", R"("ops": [{"fault": "corrupt", "every": 10}])"},
                    Case{"SaysItIsDegraded", R"("health": "degraded")"}),
    name_of);

TEST(FaultyDevice, WhatItCorruptsThePeerFindsForged) {
  Line line({faulty({"", R"("ops": [{"fault": "corrupt", "every": 10}])"})});
  line.carry(1000);
  EXPECT_GT(line.corrupt(), 50u);
  line.expect_honest();
}

}  // namespace
}  // namespace espalier::test
