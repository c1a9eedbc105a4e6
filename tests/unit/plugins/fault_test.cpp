// SPDX-License-Identifier: Apache-2.0
//
// Each fault of the decorator, one by one, over openssl; and that over an asynchronous device it
// adds nothing of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "harness.hpp"
#include "rounds.hpp"
#include "traffic.hpp"

namespace espalier::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Over openssl, with these further options: `"seed": 1, ...`.
std::unique_ptr<OpenBackend> with(const std::string& script) {
  std::string reason;
  auto backend =
      OpenBackend::open(espalier_plugin_fault, R"({"backend": "openssl", )" + script + "}", reason);
  if (!backend) throw std::runtime_error(reason);
  return backend;
}

std::vector<std::size_t> first(std::size_t n) {
  std::vector<std::size_t> numbers(n);
  for (std::size_t i = 0; i < n; ++i) numbers[i] = i;
  return numbers;
}

espalier_status session_of(OpenBackend& backend, std::string& words) {
  Random random(test_seed());
  std::uint64_t session = 0;
  const auto status =
      backend.try_session(random_sa(random, kGcm, false), ESPALIER_OUTBOUND, session, words);
  if (status == ESPALIER_OK) backend.close(session);
  return status;
}

// ---- Refusals -----------------------------------------------------------------------------------

TEST(FaultRefuse, SessionsFromTheThirdOnAndTwice) {
  const auto backend =
      with(R"("refuse": [{"call": "session_open", "class": "capacity", "after": 2, "times": 2}])");
  std::string words;
  std::vector<espalier_status> all;
  for (int i = 0; i < 6; ++i) all.push_back(session_of(*backend, words));
  EXPECT_THAT(all, ElementsAre(ESPALIER_OK, ESPALIER_OK, ESPALIER_CAPACITY, ESPALIER_CAPACITY,
                               ESPALIER_OK, ESPALIER_OK));
}

TEST(FaultRefuse, ADevice) {
  std::string reason;
  EXPECT_FALSE(OpenBackend::open(
      espalier_plugin_fault,
      R"({"backend": "openssl", "refuse": [{"call": "device_open", "class": "permission"}]})",
      reason));
  EXPECT_THAT(reason, HasSubstr("script"));
}

TEST(FaultRefuse, QueuesAndToBeQuiet) {
  const auto backend =
      with(R"("refuse": [{"call": "queue_open", "after": 1}, {"call": "quiesce", "times": 1}])");
  Traffic traffic(*backend, 4);
  EXPECT_THROW(backend->new_queue(), std::runtime_error);
  ASSERT_EQ(traffic.submit(0, 4), 4U);
  EXPECT_EQ(traffic.quiesce(), ESPALIER_TRANSIENT);
  EXPECT_THAT(traffic.poll(), SizeIs(4)) << "it was not quiet";
  EXPECT_EQ(traffic.quiesce(), ESPALIER_OK);
}

// ---- Ops ----------------------------------------------------------------------------------------

TEST(FaultOps, WithoutAnyAllComeBackDoneAndInOrder) {
  const auto backend = with(R"("seed": 1)");
  Traffic traffic(*backend, 64);
  ASSERT_EQ(traffic.submit(0, 64), 64U);
  EXPECT_EQ(traffic.poll(), first(64));
  EXPECT_THAT(traffic.statuses(), Each(ESPALIER_OP_DONE));
  EXPECT_THAT(traffic.poll(), IsEmpty());
}

TEST(FaultOps, DropNeverComesBack) {
  const auto backend = with(R"("ops": [{"fault": "drop", "after": 3, "times": 1}])");
  Traffic traffic(*backend, 6);
  const Bytes before = traffic.packet(3);
  ASSERT_EQ(traffic.submit(0, 6), 6U);
  EXPECT_THAT(traffic.poll_until(5), ElementsAre(0U, 1U, 2U, 4U, 5U));
  EXPECT_THAT(traffic.poll(), IsEmpty());
  EXPECT_EQ(traffic.packet(3), before) << "nobody worked on it";
  EXPECT_EQ(traffic.quiesce(), ESPALIER_OK);
  EXPECT_THAT(traffic.poll(), IsEmpty());
}

TEST(FaultOps, ComeBackWithTheStatusThatIsPlanned) {
  const std::pair<const char*, std::uint16_t> cases[] = {{"fail", ESPALIER_OP_FAILED},
                                                         {"bad_icv", ESPALIER_OP_BAD_ICV},
                                                         {"leave_pending", ESPALIER_OP_PENDING},
                                                         {"lose", ESPALIER_OP_LOST},
                                                         {"done_without_work", ESPALIER_OP_DONE}};
  for (const auto& [fault, status] : cases) {
    SCOPED_TRACE(fault);
    const auto backend =
        with(R"("ops": [{"fault": ")" + std::string(fault) + R"(", "every": 2, "times": 2}])");
    Traffic traffic(*backend, 5);
    const Bytes before = traffic.packet(0);
    ASSERT_EQ(traffic.submit(0, 5), 5U);
    EXPECT_EQ(traffic.poll(), first(5));
    EXPECT_THAT(traffic.statuses(),
                ElementsAre(status, ESPALIER_OP_DONE, status, ESPALIER_OP_DONE, ESPALIER_OP_DONE));
    EXPECT_EQ(traffic.packet(0), before);
    EXPECT_NE(traffic.packet(1), before);
  }
}

TEST(FaultOps, CorruptSaysDoneOfWhatIsForged) {
  const auto backend = with(R"("ops": [{"fault": "corrupt", "times": 1}])");
  std::string reason;
  const auto honest = OpenBackend::open(espalier_plugin_openssl, "{}", reason);
  ASSERT_TRUE(honest) << reason;
  Traffic traffic(*backend, 2);
  ASSERT_EQ(traffic.submit(0, 2), 2U);
  EXPECT_EQ(traffic.poll(), first(2));
  EXPECT_THAT(traffic.statuses(), Each(ESPALIER_OP_DONE));
  const auto open = honest->session(traffic.sa(), ESPALIER_INBOUND);
  for (const std::size_t i : {0U, 1U}) {
    Bytes packet = traffic.packet(i);
    auto op = make_op(open, traffic.sa(), packet.data(), kLength);
    EXPECT_EQ(honest->process(op), i == 0 ? ESPALIER_OP_BAD_ICV : ESPALIER_OP_DONE);
  }
  honest->close(open);
}

TEST(FaultOps, ChangeCookieDoesTheWorkAndChangesTheCookie) {
  const auto backend = with(R"("ops": [{"fault": "change_cookie", "times": 1}])");
  Traffic traffic(*backend, 2);
  const Bytes before = traffic.packet(0);
  const std::uint64_t cookies[] = {traffic.op(0).cookie, traffic.op(1).cookie};
  ASSERT_EQ(traffic.submit(0, 2), 2U);
  traffic.poll();
  EXPECT_THAT(traffic.statuses(), Each(ESPALIER_OP_DONE));
  EXPECT_NE(traffic.packet(0), before);
  EXPECT_NE(traffic.op(0).cookie, cookies[0]);
  EXPECT_EQ(traffic.op(1).cookie, cookies[1]);
}

TEST(FaultOps, TwiceComesBackTwice) {
  const auto backend = with(R"("ops": [{"fault": "twice", "after": 1, "times": 1}])");
  Traffic traffic(*backend, 3);
  ASSERT_EQ(traffic.submit(0, 3), 3U);
  EXPECT_EQ(traffic.poll(), first(3));
  EXPECT_THAT(traffic.poll(), ElementsAre(1U));
  EXPECT_THAT(traffic.poll(), IsEmpty());
}

TEST(FaultOps, ForeignBringsOneThatNobodyGave) {
  const auto backend = with(R"("ops": [{"fault": "foreign", "times": 1}])");
  Traffic traffic(*backend, 1);
  ASSERT_EQ(traffic.submit(0, 1), 1U);
  EXPECT_EQ(traffic.poll(), first(1));
  const auto more = traffic.poll();
  ASSERT_THAT(more, SizeIs(1));
  EXPECT_NE(more[0], 0U);
}

TEST(FaultOps, ByChanceAreTheSameForASeed) {
  const auto statuses = [](int seed) {
    const auto backend =
        with(R"("ops": [{"fault": "fail", "one_in": 4}], "seed": )" + std::to_string(seed));
    Traffic traffic(*backend, 200);
    EXPECT_EQ(traffic.submit(0, 200), 200U);
    EXPECT_THAT(traffic.poll_until(200), SizeIs(200));
    return traffic.statuses();
  };
  const auto once = statuses(7);
  EXPECT_EQ(statuses(7), once);
  EXPECT_NE(statuses(8), once);
  const auto failed = std::ranges::count(once, std::uint16_t{ESPALIER_OP_FAILED});
  EXPECT_GT(failed, 20);
  EXPECT_LT(failed, 100);
}

// ---- Queues -------------------------------------------------------------------------------------

TEST(FaultQueue, DelayHoldsCompletionsBack) {
  const auto backend = with(R"("delay_us": 50000)");
  Traffic traffic(*backend, 4);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(traffic.submit(0, 4), 4U);
  EXPECT_THAT(traffic.poll_until(4), SizeIs(4));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(50));
}

TEST(FaultQueue, CompletesInTheOrderThatIsPlanned) {
  const auto order_of = [](const char* order) {
    const auto backend = with(R"("seed": 4, "order": ")" + std::string(order) + "\"");
    Traffic traffic(*backend, 32);
    EXPECT_EQ(traffic.submit(0, 32), 32U);
    return traffic.poll();
  };
  auto backwards = first(32);
  std::ranges::reverse(backwards);
  EXPECT_EQ(order_of("fifo"), first(32));
  EXPECT_EQ(order_of("reverse"), backwards);
  const auto random = order_of("random");
  EXPECT_EQ(order_of("random"), random) << "the seed says it all";
  EXPECT_NE(random, first(32));
}

TEST(FaultQueue, TakesNoMoreThanIsPlanned) {
  const auto backend = with(R"("accept": 3)");
  Traffic traffic(*backend, 10);
  EXPECT_EQ(traffic.submit(0, 10), 3U);
  EXPECT_EQ(traffic.submit(3, 7), 3U);
  EXPECT_THAT(traffic.poll(), SizeIs(6));
}

// ---- The device ---------------------------------------------------------------------------------

std::vector<std::uint64_t> ids_of(OpenBackend& opened) {
  espalier_device_info info{};
  info.struct_size = sizeof info;
  std::uint32_t count = 0;
  const auto& backend = opened.backend();
  EXPECT_EQ(backend.enumerate(backend.self, &info, 1, &count, nullptr), ESPALIER_OK);
  return count == 0 ? std::vector<std::uint64_t>{} : std::vector{info.id};
}

TEST(FaultDevice, UnpluggedItTakesAndGivesNothingMore) {
  const auto backend = with(R"("unplug_at": 5)");
  Traffic traffic(*backend, 10);
  EXPECT_EQ(traffic.submit(0, 10), 5U);
  EXPECT_EQ(traffic.submit(5, 5), 0U);
  EXPECT_THAT(traffic.poll(), IsEmpty());
  EXPECT_EQ(traffic.quiesce(), ESPALIER_OK);
  EXPECT_EQ(backend->health().state, std::uint32_t{ESPALIER_GONE});
  EXPECT_THAT(backend->events(), ElementsAre(int{ESPALIER_EVENT_DEVICE_LOST}));
  EXPECT_THAT(ids_of(*backend), IsEmpty());
  std::string words;
  EXPECT_EQ(session_of(*backend, words), ESPALIER_LOST);
  EXPECT_THAT(words, HasSubstr("unplugged"));
}

TEST(FaultDevice, ComesBackAsAnotherOne) {
  const auto backend = with(R"("unplug_at": 5, "back_after_ms": 30)");
  Traffic traffic(*backend, 10);
  const auto before = ids_of(*backend);
  EXPECT_EQ(traffic.submit(0, 10), 5U);
  for (int i = 0; i < 1000 && ids_of(*backend).empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto after = ids_of(*backend);
  ASSERT_THAT(after, SizeIs(1));
  EXPECT_NE(after, before) << "ids are not used again after a loss";
  EXPECT_THAT(backend->events(),
              ElementsAre(int{ESPALIER_EVENT_DEVICE_LOST}, int{ESPALIER_EVENT_DEVICE_ADDED}));
  EXPECT_EQ(traffic.submit(5, 5), 0U) << "what was opened before is dead";
  void* device = nullptr;
  const auto& table = backend->table();
  ASSERT_EQ(table.device_open(backend->backend().self, after[0], &device, nullptr), ESPALIER_OK);
  void* queue = nullptr;
  ASSERT_EQ(table.queue_open(device, &queue, nullptr), ESPALIER_OK);
  espalier_op* one = &traffic.op(9);
  EXPECT_EQ(table.submit(queue, &one, 1), 1U);
  EXPECT_EQ(table.poll(queue, &one, 1), 1U);
  EXPECT_EQ(one->status, ESPALIER_OP_DONE);
  table.queue_close(queue);
  table.device_close(device);
}

TEST(FaultDevice, SaysOfItsHealthWhatIsPlanned) {
  const auto backend = with(R"("health": "degraded")");
  EXPECT_EQ(backend->health().state, std::uint32_t{ESPALIER_DEGRADED});
  std::string words;
  EXPECT_EQ(session_of(*backend, words), ESPALIER_OK);
}

// ---- Over an asynchronous device ----------------------------------------------------------------

TEST(FaultOverACard, WithoutFaultsItIsTheCard) {
  std::string reason;
  const auto backend = OpenBackend::open(
      espalier_plugin_fault,
      R"({"backend": "example", "options": {"sas": 32, "latency_us": 20}, "order": "random"})",
      reason);
  ASSERT_TRUE(backend) << reason;
  EXPECT_NE(backend->info().flags & ESPALIER_DEVICE_NEEDS_DMA, 0U);
  EXPECT_EQ(backend->pools().front().capacity, 32U);
  const auto oracle = OpenBackend::open(espalier_plugin_openssl, "{}", reason);
  Random random(test_seed());
  std::vector<Sa> sas;
  for (int i = 0; i < 4; ++i) sas.push_back(random_sa(random, kGcm, i % 2 == 1));
  Rounds rounds(*backend, *oracle, std::move(sas), random());
  EXPECT_EQ(rounds.run(scaled(1000)), "") << "with ESPALIER_TEST_SEED=" << test_seed();
}

TEST(FaultOverACard, TheCardsOwnLossIsPassedOn) {
  std::string reason;
  const auto backend = OpenBackend::open(
      espalier_plugin_fault, R"({"backend": "example", "options": {"unplug_at": 3}})", reason);
  ASSERT_TRUE(backend) << reason;
  Traffic traffic(*backend, 8);
  traffic.submit(0, 8);
  for (int i = 0; i < 2000 && backend->events().empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_THAT(backend->events(), ElementsAre(int{ESPALIER_EVENT_DEVICE_LOST}));
  EXPECT_EQ(backend->health().state, std::uint32_t{ESPALIER_GONE});
  EXPECT_EQ(traffic.quiesce(), ESPALIER_OK);
}

// ---- Options ------------------------------------------------------------------------------------

TEST(FaultOptions, AreRefusedWithTheWordThatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"[", "JSON"},
      {R"({"seed": 1})", "backend is missing"},
      {R"({"backend": "none"})", ""},
      {R"({"backend": "openssl", "speed": 3})", "speed"},
      {R"({"backend": "openssl", "order": "sideways"})", "fifo, reverse, random"},
      {R"({"backend": "openssl", "accept": 0})", "accept"},
      {R"({"backend": "openssl", "seed": -1})", "seed"},
      {R"({"backend": "openssl", "ops": {}})", "list"},
      {R"({"backend": "openssl", "ops": [{"after": 3}]})", "fault"},
      {R"({"backend": "openssl", "ops": [{"fault": "drop", "until": 3}]})", "until"},
      {R"({"backend": "openssl", "refuse": [{"call": "session_open", "class": "no"}]})", "class"}};
  for (const auto& [options, words] : cases) {
    std::string reason;
    EXPECT_FALSE(OpenBackend::open(espalier_plugin_fault, options, reason)) << options;
    EXPECT_THAT(reason, HasSubstr(words)) << options;
  }
}

TEST(FaultOptions, WithoutAnyThereAreNoDevices) {
  const espalier_host host{};
  const espalier_backend* backend = nullptr;
  ASSERT_EQ(espalier_plugin_fault.negotiate(&host, "{}", &backend, nullptr), ESPALIER_OK);
  std::uint32_t count = 7;
  EXPECT_EQ(backend->enumerate(backend->self, nullptr, 0, &count, nullptr), ESPALIER_OK);
  EXPECT_EQ(count, 0U);
  backend->close(backend->self);
}

TEST(FaultOptions, WithoutTheHostsHelpItSaysWhatIsMissing) {
  espalier_host host{};
  host.struct_size = sizeof host;
  host.extension = [](void*, const char*) -> const void* { return nullptr; };
  const espalier_backend* backend = nullptr;
  char text[256] = {};
  espalier_message message{text, sizeof text};
  EXPECT_EQ(espalier_plugin_fault.negotiate(&host, R"({"backend": "openssl"})", &backend, &message),
            ESPALIER_UNSUPPORTED);
  EXPECT_THAT(text, HasSubstr(ESPALIER_HOST_PLUGINS));
}

}  // namespace
}  // namespace espalier::test
