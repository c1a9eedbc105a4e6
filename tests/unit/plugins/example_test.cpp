// SPDX-License-Identifier: Apache-2.0
//
// What the SDK's example shows beyond what every backend does: limits of its own, memory that must
// be attached, late completions, and a card that gets hot and is pulled out.
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

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::unique_ptr<OpenBackend> opened(const std::string& options) {
  std::string reason;
  auto backend = OpenBackend::open(espalier_plugin_example, options, reason);
  if (!backend) throw std::runtime_error(reason);
  return backend;
}

std::uint64_t used(OpenBackend& backend, std::uint32_t kind) {
  for (const auto& pool : backend.pools()) {
    EXPECT_EQ(pool.use, std::uint32_t{ESPALIER_USE_LIVE});
    if (pool.kind == kind) return pool.used;
  }
  ADD_FAILURE() << "no such pool";
  return 0;
}

TEST(Example, HasRoomFor16SasAndSaysHowManyItHas) {
  const auto backend = opened("{}");
  Random random(test_seed());
  std::vector<std::uint64_t> sessions;
  for (std::uint64_t i = 0; i < 16; ++i) {
    EXPECT_EQ(used(*backend, ESPALIER_POOL_SAS), i);
    sessions.push_back(backend->session(random_sa(random, kGcm, false), ESPALIER_INBOUND));
  }
  std::uint64_t more = 0;
  std::string words;
  EXPECT_EQ(backend->try_session(random_sa(random, kGcm, false), ESPALIER_INBOUND, more, words),
            ESPALIER_CAPACITY);
  EXPECT_THAT(words, HasSubstr("SA table"));
  EXPECT_EQ(backend->secrets_held(), 16U) << "the refused one left its keys behind";
  backend->close(sessions.back());
  sessions.back() = backend->session(random_sa(random, kGcm, false), ESPALIER_INBOUND);
  for (const auto session : sessions) backend->close(session);
  EXPECT_EQ(used(*backend, ESPALIER_POOL_SAS), 0U);
}

TEST(Example, HasTwoQueues) {
  const auto backend = opened("{}");
  void* const first = backend->new_queue();
  void* const second = backend->new_queue();
  EXPECT_EQ(used(*backend, ESPALIER_POOL_QUEUES), 2U);
  EXPECT_THROW(backend->new_queue(), std::runtime_error);
  backend->close_queue(first);
  void* const third = backend->new_queue();
  backend->close_queue(second);
  backend->close_queue(third);
}

TEST(Example, TakesWhatFitsIntoAQueueAndNoneOfTheRest) {
  const auto backend = opened(R"({"latency_us": 200})");
  Traffic traffic(*backend, 100);
  EXPECT_EQ(traffic.submit(0, 100), 64U);
  EXPECT_EQ(traffic.submit(64, 36), 0U) << "a full queue";
  EXPECT_THAT(traffic.poll_until(64), SizeIs(64));
  EXPECT_EQ(traffic.submit(64, 36), 36U);
  EXPECT_THAT(traffic.poll_until(36), SizeIs(36));
  EXPECT_THAT(traffic.poll(), IsEmpty());
  EXPECT_EQ(traffic.submit(0, 0), 0U);
}

TEST(Example, CompletesOutOfOrder) {
  const auto backend = opened(R"({"latency_us": 3000, "seed": 5})");
  Traffic traffic(*backend, 64);
  ASSERT_EQ(traffic.submit(0, 64), 64U);
  auto order = traffic.poll_until(64);
  ASSERT_THAT(order, SizeIs(64));
  EXPECT_FALSE(std::ranges::is_sorted(order));
  std::ranges::sort(order);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(order[i], i);
}

TEST(Example, ReachesNothingBesideWhatIsAttached) {
  const auto backend = opened("{}");
  Traffic traffic(*backend, 4);
  const Bytes before = traffic.memory();
  traffic.op(0).iova -= 1;            // begins before the region
  traffic.op(1).iova += 3 * kLength;  // ends behind it
  traffic.op(2).iova = 0;
  traffic.op(3).iova = UINT64_MAX - 10;
  ASSERT_EQ(traffic.submit(0, 4), 4U);
  EXPECT_THAT(traffic.poll_until(4), SizeIs(4));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(traffic.op(i).status, ESPALIER_OP_FAILED) << i;
  EXPECT_EQ(traffic.memory(), before);
}

TEST(Example, TouchesNothingOnceItIsQuiet) {
  const auto backend = opened(R"({"latency_us": 2000})");
  Traffic traffic(*backend, 64);
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(traffic.submit(0, 64), 64U) << "a queue can be used again";
    std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
    ASSERT_EQ(traffic.quiesce(), ESPALIER_OK);
    const Bytes then = traffic.memory();
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
    EXPECT_EQ(traffic.memory(), then);
    EXPECT_THAT(traffic.poll(), IsEmpty()) << "it completed what was dropped";
    for (std::size_t i = 0; i < 64; ++i) traffic.forget(i);
  }
}

TEST(Example, PulledOutUnderLoadItSaysSoAndLetsGo) {
  const auto backend = opened(R"({"latency_us": 500, "unplug_at": 100})");
  {
    Traffic traffic(*backend, 128);
    ASSERT_EQ(traffic.submit(0, 64), 64U);
    ASSERT_THAT(traffic.poll_until(64), SizeIs(64));
    EXPECT_EQ(backend->health().state, std::uint32_t{ESPALIER_UP});
    EXPECT_EQ(traffic.submit(64, 64), 36U) << "it was pulled out with the 101st";
    EXPECT_EQ(traffic.submit(100, 28), 0U);
    EXPECT_EQ(traffic.quiesce(), ESPALIER_OK);
    EXPECT_THAT(traffic.poll(), IsEmpty());
    EXPECT_EQ(backend->health().state, std::uint32_t{ESPALIER_GONE});
    EXPECT_STREQ(backend->health().reason, "the card was pulled out");
    std::uint64_t more = 0;
    std::string words;
    EXPECT_EQ(backend->try_session(Sa{.key = Bytes(16), .salt = Bytes(4), .integrity_key = {}},
                                   ESPALIER_INBOUND, more, words),
              ESPALIER_LOST);
    espalier_device_info info{};
    info.struct_size = sizeof info;
    std::uint32_t count = 7;
    EXPECT_EQ(backend->backend().enumerate(backend->backend().self, &info, 1, &count, nullptr),
              ESPALIER_OK);
    EXPECT_EQ(count, 0U);
  }
  for (int i = 0; i < 1000 && backend->events().empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_THAT(backend->events(), ElementsAre(int{ESPALIER_EVENT_DEVICE_LOST}));
  EXPECT_EQ(backend->secrets_held(), 0U);
}

TEST(Example, HotItIsDegradedAndStillWorks) {
  const auto backend = opened(R"({"hot_at": 10})");
  Traffic traffic(*backend, 20);
  ASSERT_EQ(traffic.submit(0, 9), 9U);
  EXPECT_EQ(backend->health().state, std::uint32_t{ESPALIER_UP});
  ASSERT_EQ(traffic.submit(9, 11), 11U);
  EXPECT_EQ(backend->health().state, std::uint32_t{ESPALIER_DEGRADED});
  EXPECT_THAT(backend->health().reason, HasSubstr("hot"));
  EXPECT_THAT(traffic.poll_until(20), SizeIs(20));
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(traffic.op(i).status, ESPALIER_OP_DONE);
}

TEST(Example, RefusesOptionsThatItDoesNotKnow) {
  const std::pair<const char*, const char*> cases[] = {{R"({"lanes": 4})", "lanes"},
                                                       {R"({"seed": -1})", "seed"},
                                                       {R"({"seed": 1.5})", "seed"},
                                                       {R"({"sas": "many"})", "sas"},
                                                       {"[", "JSON"}};
  for (const auto& [options, words] : cases) {
    std::string reason;
    EXPECT_FALSE(OpenBackend::open(espalier_plugin_example, options, reason)) << options;
    EXPECT_THAT(reason, HasSubstr(words)) << options;
  }
}

// ---- The example in C ---------------------------------------------------------------------------

TEST(ExampleInC, EqualsOpensslAndWipesWhatIsForged) {
  std::string reason;
  const auto backend = OpenBackend::open(espalier_plugin_example_c, "{}", reason);
  ASSERT_TRUE(backend) << reason;
  const auto oracle = OpenBackend::open(espalier_plugin_openssl, "{}", reason);
  ASSERT_TRUE(oracle) << reason;
  Random random(test_seed());
  const Transform null{ESPALIER_CIPHER_NULL, ESPALIER_INTEGRITY_HMAC_SHA256, 0, 16};
  std::vector<Sa> sas;
  for (int i = 0; i < 5; ++i) sas.push_back(random_sa(random, null, i % 2 == 1));
  Rounds rounds(*backend, *oracle, std::move(sas), random());
  EXPECT_EQ(rounds.run(scaled(2000)), "") << "with ESPALIER_TEST_SEED=" << test_seed();
}

TEST(ExampleInC, SaysWhatItDoesAndRefusesTheRest) {
  std::string reason;
  const auto backend = OpenBackend::open(espalier_plugin_example_c, "{}", reason);
  ASSERT_TRUE(backend) << reason;
  const auto caps = backend->caps();
  ASSERT_THAT(caps, SizeIs(1));
  EXPECT_EQ(caps[0].struct_size, sizeof caps[0]);
  EXPECT_EQ(caps[0].cipher, ESPALIER_CIPHER_NULL);
  EXPECT_EQ(backend->health().state, std::uint32_t{ESPALIER_UP});
  EXPECT_THAT(backend->pools(), IsEmpty());
  Random random(test_seed());
  std::uint64_t session = 0;
  EXPECT_EQ(
      backend->try_session(random_sa(random, kGcm, false), ESPALIER_OUTBOUND, session, reason),
      ESPALIER_UNSUPPORTED);
  EXPECT_THAT(reason, HasSubstr("HMAC-SHA256"));
  EXPECT_FALSE(OpenBackend::open(espalier_plugin_example_c, R"({"a": 1})", reason));
}

}  // namespace
}  // namespace espalier::test
