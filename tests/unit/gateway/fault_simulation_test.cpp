// SPDX-License-Identifier: Apache-2.0
//
// The laws of the design under seeded schedules of faults: devices that fail, hang, vanish, come
// back, refuse and lie, on both ends of a wire, while packets flow and are replayed. An oracle of
// its own judges the wire.
#include "unit/gateway/fault_simulation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier::test {
namespace {

using ::testing::IsEmpty;

class FaultSimulationTest : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(FaultSimulationTest, NoLawIsBrokenAndEverySaEndsOnAWorkingBackend) {
  FaultSimulation simulation(GetParam());
  for (int i = 0; i < 400; ++i) simulation.step();
  simulation.settle();
  EXPECT_THAT(simulation.homeless(), IsEmpty()) << simulation.history();
  EXPECT_EQ(simulation.lost_of_a_healthy_round(10), 0u) << simulation.history();
  EXPECT_THAT(simulation.breaches(), IsEmpty()) << simulation.history();
  // The schedule must have been worth its name.
  EXPECT_GT(simulation.moves(), 5u);
  EXPECT_GT(simulation.replays(), 100u);
  EXPECT_GT(simulation.delivered(), simulation.sent() / 10);
}

INSTANTIATE_TEST_SUITE_P(Seeds, FaultSimulationTest, ::testing::Range<std::uint64_t>(1, 41));

class ThreadedFaultSimulationTest : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ThreadedFaultSimulationTest, NoLawIsBrokenWhenTheWorkersHaveThreadsOfTheirOwn) {
  FaultSimulation simulation(GetParam());
  simulation.start_threads();
  for (int i = 0; i < 200; ++i) simulation.step();
  simulation.settle();
  EXPECT_THAT(simulation.homeless(), IsEmpty()) << simulation.history();
  EXPECT_EQ(simulation.lost_of_a_healthy_round(10), 0u) << simulation.history();
  EXPECT_THAT(simulation.breaches(), IsEmpty()) << simulation.history();
  EXPECT_GT(simulation.moves(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ThreadedFaultSimulationTest,
                         ::testing::Range<std::uint64_t>(101, 105));

TEST(FaultSimulation, WithoutFaultsEveryPacketArrives) {
  FaultSimulation simulation(1);
  EXPECT_EQ(simulation.lost_of_a_healthy_round(200), 0u);
  EXPECT_THAT(simulation.breaches(), IsEmpty());
}

// On threads, packets of before may be on their way still.
TEST(FaultSimulation, PacketsOfBeforeAreNoneOfARoundsOwn) {
  FaultSimulation simulation(1);
  for (std::uint32_t sa = 0; sa < FaultSimulation::kSas; ++sa) simulation.send(sa, 100);
  EXPECT_EQ(simulation.lost_of_a_healthy_round(10), 0u);
  EXPECT_EQ(simulation.delivered(), 11 * FaultSimulation::kSas);
}

TEST(FaultSimulation, ADeviceThatGivesNoQueueLosesItsSasToTheNext) {
  FaultSimulation simulation(3);
  simulation.refuse_queues();
  EXPECT_THAT(simulation.homeless(), IsEmpty());
  EXPECT_EQ(simulation.lost_of_a_healthy_round(10), 0u) << simulation.history();
}

TEST(FaultSimulation, ADeviceThatHangsLosesItsSasToTheNext) {
  FaultSimulation simulation(2);
  EXPECT_EQ(simulation.lost_of_a_healthy_round(10), 0u);
  simulation.hang();
  EXPECT_EQ(simulation.sender_device("card").state, DeviceState::quarantined);
  EXPECT_EQ(simulation.lost_of_a_healthy_round(10), 0u) << simulation.history();
  simulation.settle();
  EXPECT_THAT(simulation.homeless(), IsEmpty()) << simulation.history();
  EXPECT_THAT(simulation.breaches(), IsEmpty()) << simulation.history();
}

}  // namespace
}  // namespace espalier::test
