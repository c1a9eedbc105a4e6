// SPDX-License-Identifier: Apache-2.0
#include "adopt/swap.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

#include "unit/adopt/live_kernel.hpp"
#include "unit/xfrm/sample.hpp"

namespace espalier::adopt {
namespace {

using End = Swapped::End;
constexpr std::uint32_t kSpi = 0x1000;
constexpr xfrm::OffloadTo kCard{Offload::crypto, 2};

struct Killed {};

// What may happen at a moment of a swap that is not our doing.
enum class Event { nothing, sends, receives, is_replayed, owner_deletes, we_are_killed };
constexpr std::array kEvents = {Event::sends, Event::receives, Event::is_replayed,
                                Event::owner_deletes, Event::we_are_killed};

// One swap of one SA of its owner, with events at some of its moments.
class World {
 public:
  explicit World(Direction direction = Direction::outbound) : direction_(direction) {
    static const auto secrets = SecretPool::create().value();
    SaSpec sa = xfrm::sample::sa(direction, kSpi);
    sa.esn = false;
    sa.replay_window = 32;
    kernel.add(xfrm::add_sa(sa, xfrm::sample::keys(*secrets, 7), 9, {}).value());
  }

  void happen(std::size_t moment, Event event) { plan_.emplace(moment, event); }

  // The kernel refuses nothing any more from this moment on.
  void relent_at(std::size_t moment) { relents_ = moment; }

  // Nothing where the SA was gone before, or we were killed.
  std::optional<Swapped> swap(const xfrm::OffloadTo& to = kCard) {
    Ear ear(kernel);
    kernel.before = [this] { step(true); };
    kernel.between = [this] { step(false); };
    std::optional<Swapped> done;
    runs_ = true;
    try {
      if (const auto copy = read()) {
        ear.listen();
        done = adopt::swap(kernel, ear, *copy, to);
      }
    } catch (const Killed&) {
      was_killed = true;
    }
    runs_ = false;
    step(true);
    kernel.before = kernel.between = [] {};
    return done;
  }

  std::optional<xfrm::SaCopy> read() {
    auto request = xfrm::get_sa(kernel_id());
    const auto answers = kernel.exchange({&request, 1});
    if (answers->front().error != 0) return std::nullopt;
    auto copy = xfrm::SaCopy::of(answers->front().messages.front(), direction_);
    if (!copy || !copy->numbers().untouched()) return std::nullopt;
    return std::move(*copy);
  }

  LiveKernel kernel;
  bool was_killed = false, was_deleted = false;
  std::size_t moments = 0;

 private:
  xfrm::SaId kernel_id() const { return xfrm::id_of(xfrm::sample::sa(direction_, kSpi)); }

  // The owner's request, and our end, wait for the kernel to have done with ours.
  void step(bool all) {
    if (moments == relents_) kernel.add_error = 0;
    const auto [first, last] = plan_.equal_range(moments++);
    for (auto each = first; each != last; ++each) act(each->second, all);
  }
  void act(Event event, bool all) {
    switch (event) {
      case Event::nothing:
        return;
      case Event::sends:
        kernel.send(kSpi);
        return;
      case Event::receives:
        kernel.receive(kSpi, ++peer_);
        return;
      case Event::is_replayed:
        if (peer_ > 0) kernel.receive(kSpi, peer_);
        return;
      case Event::owner_deletes:
        if (all && !was_deleted) was_deleted = kernel.remove(kSpi);
        return;
      case Event::we_are_killed:
        if (all && runs_) throw Killed{};
        return;
    }
  }

  const Direction direction_;
  std::multimap<std::size_t, Event> plan_;
  std::uint32_t peer_ = 0;
  bool runs_ = false;
  std::size_t relents_ = ~std::size_t{0};
};

TEST(Swap, PutsAnSaOnTheCardWithItsOwnNumbersAndNothingElseChanged) {
  World world;
  const auto told = world.kernel.sas.at(kSpi).told;
  const auto swapped = world.swap();
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::moved);
  EXPECT_TRUE(world.kernel.is_offloaded(kSpi));
  EXPECT_EQ(world.kernel.sas.at(kSpi).told, told);
  EXPECT_TRUE(world.kernel.send(kSpi));
  EXPECT_EQ(world.kernel.sas.at(kSpi).numbers.sent, 1U);
}

TEST(Swap, WhatTheCardRefusesGoesOnInSoftware) {
  World world;
  world.kernel.offload_error = ENOSPC;
  const auto swapped = world.swap();
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::refused);
  EXPECT_EQ(swapped->error->code, ErrorCode::capacity);
  EXPECT_FALSE(world.kernel.is_offloaded(kSpi));
  EXPECT_TRUE(world.kernel.send(kSpi));
}

TEST(Swap, WhatTheKernelWouldSilentlyDoInSoftwareCountsAsRefused) {
  World world;
  world.kernel.silent = true;
  const auto swapped = world.swap();
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::refused);
  EXPECT_EQ(swapped->error->code, ErrorCode::unsupported);
  EXPECT_TRUE(world.kernel.send(kSpi));
}

TEST(Swap, AnSaWhosePacketsWereFasterGoesOnInSoftwareWithTheirNumbers) {
  World world;
  world.happen(1, Event::sends);  // it was read, and is not deleted yet
  const auto swapped = world.swap();
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::too_late);
  EXPECT_FALSE(world.kernel.is_offloaded(kSpi));
  EXPECT_TRUE(world.kernel.send(kSpi));
  EXPECT_EQ(world.kernel.sas.at(kSpi).numbers.sent, 2U);
}

TEST(Swap, ForItsDriverAloneItGoesOnThereWithItsNumbers) {
  World world;
  world.happen(1, Event::sends);
  const auto swapped = world.swap({});
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::moved);
  EXPECT_TRUE(world.kernel.send(kSpi));
  EXPECT_TRUE(LiveKernel::all_once(world.kernel.sent));
}

TEST(Swap, WhatItsOwnerHasDeletedMeanwhileStaysAway) {
  World world;
  world.happen(1, Event::owner_deletes);
  const auto swapped = world.swap();
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::gone);
  EXPECT_TRUE(world.kernel.sas.empty());
}

TEST(Swap, WithoutItsLastNumbersNothingPassesItAnyMore) {
  World world;
  world.kernel.deaf = true;
  const auto swapped = world.swap();
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::closed);
  EXPECT_FALSE(world.kernel.send(kSpi));
}

TEST(Swap, WhatTheKernelDoesNotOpenStaysClosed) {
  World world;
  world.kernel.open_error = EINVAL;
  const auto swapped = world.swap();
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::closed);
}

TEST(Swap, AnSaThatTheKernelDoesNotTakeBackIsSaidToBeMissing) {
  World world;
  world.kernel.add_error = ENOMEM;
  const auto swapped = world.swap();
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::lost);
}

TEST(Swap, WhatTheKernelTakesBackOnlyLaterStaysClosed) {
  World world;
  world.kernel.add_error = ENOMEM;
  world.relent_at(4);  // the moment before the third exchange
  const auto swapped = world.swap();
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->end, End::closed);
  EXPECT_FALSE(world.kernel.send(kSpi));
}

// ---- Every interleaving -------------------------------------------------------------------------

struct Setting {
  Direction direction = Direction::outbound;
  int refusal = 0;
  bool silent = false, deaf = false;
  std::string name() const {
    return fmt::format("{}{}{}{}", to_string(direction), refusal != 0 ? "_refused" : "",
                       silent ? "_silent" : "", deaf ? "_deaf" : "");
  }
};

// What must hold at the end, whatever came in between. "": it does.
std::string broken(const World& world, const std::optional<Swapped>& swapped) {
  const LiveKernel& kernel = world.kernel;
  if (!LiveKernel::all_once(kernel.sent)) return "a number was sent twice with one key";
  if (!LiveKernel::all_once(kernel.received)) return "a packet was accepted twice";
  const bool is_there = kernel.sas.contains(kSpi);
  if (!world.was_deleted && !is_there) return "the owner's SA is missing";
  if (world.was_deleted && is_there && !(world.was_killed && kernel.is_closed(kSpi)))
    return "an SA lives on that its owner has deleted";
  if (!is_there || !swapped) return "";
  if (swapped->end == End::closed) return kernel.is_closed(kSpi) ? "" : "it is not closed";
  if (kernel.is_closed(kSpi)) return "it is closed, and nobody was told";
  if ((swapped->end == End::moved) != kernel.is_offloaded(kSpi)) return "it is not where it says";
  return "";
}

class SwapModel : public testing::TestWithParam<Setting> {
 protected:
  static constexpr std::size_t kMoments = 9;  // more than a swap has

  // Runs every choice of events at moments from `from` on, `left` of them at most.
  void all(std::vector<std::pair<std::size_t, Event>>& plan, std::size_t left) {
    judge(plan);
    if (left == 0) return;
    const std::size_t from = plan.empty() ? 0 : plan.back().first;  // several may share a moment
    for (std::size_t moment = from; moment < kMoments; ++moment)
      for (const Event event : kEvents) {
        plan.emplace_back(moment, event);
        all(plan, left - 1);
        plan.pop_back();
      }
  }

  void judge(const std::vector<std::pair<std::size_t, Event>>& plan) {
    World world(GetParam().direction);
    world.kernel.offload_error = GetParam().refusal;
    world.kernel.silent = GetParam().silent;
    world.kernel.deaf = GetParam().deaf;
    for (const auto& [moment, event] : plan) world.happen(moment, event);
    const auto swapped = world.swap();
    ++runs_;
    ends_.insert(swapped ? static_cast<int>(swapped->end) : -1);
    const std::string what = broken(world, swapped);
    if (what.empty()) return;
    std::string story;
    for (const auto& [moment, event] : plan)
      story += fmt::format(" {}:{}", moment, static_cast<int>(event));
    ADD_FAILURE() << what << " after" << story;
  }

  std::size_t runs_ = 0;
  std::set<int> ends_;
};

TEST_P(SwapModel, NoInterleavingReusesANumberOrLosesAnSaOrLeavesOneBehind) {
  std::vector<std::pair<std::size_t, Event>> plan;
  all(plan, 3);
  EXPECT_GT(runs_, 10'000U);
  EXPECT_GE(ends_.size(), 3U);
}

INSTANTIATE_TEST_SUITE_P(All, SwapModel,
                         testing::Values(Setting{}, Setting{Direction::inbound},
                                         Setting{Direction::outbound, ENOSPC},
                                         Setting{Direction::inbound, EINVAL},
                                         Setting{Direction::outbound, 0, true},
                                         Setting{Direction::inbound, 0, true},
                                         Setting{Direction::outbound, 0, false, true},
                                         Setting{Direction::inbound, 0, false, true}),
                         [](const auto& setting) { return setting.param.name(); });

}  // namespace
}  // namespace espalier::adopt
