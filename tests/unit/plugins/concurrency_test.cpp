// SPDX-License-Identifier: Apache-2.0
//
// The thread rules of abi.h: two queues on two threads, while a third opens and closes sessions,
// some of which the queues use meanwhile. For ThreadSanitizer as much as for its own checks.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "harness.hpp"

namespace espalier::test {
namespace {

// A session on its way: opened by the control thread, used once by a worker, given back to close.
struct Handover {
  std::atomic<std::uint64_t> offered{0};
  std::atomic<std::uint64_t> used{0};
};

struct Pair {
  Sa sa;
  std::uint64_t seal, open;
};

// Seals and opens a burst over its own sessions; counts what did not come back as it was.
class Worker {
 public:
  Worker(OpenBackend& backend, std::vector<Pair> pairs, const Sa& lent, std::uint64_t seed)
      : backend_(backend),
        pairs_(std::move(pairs)),
        lent_(lent),
        queue_(backend.new_queue()),
        random_(seed) {}
  ~Worker() { backend_.close_queue(queue_); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void run(std::uint32_t rounds, Handover& handover) {
    for (std::uint32_t i = 0; i < rounds; ++i) {
      round();
      if (const auto session = handover.offered.exchange(0)) {
        use(session);
        handover.used.store(session);
      }
    }
  }
  std::uint32_t wrong() const { return wrong_; }

 private:
  void round() {
    std::vector<Bytes> clear;
    for (const auto& pair : pairs_)
      clear.push_back(random_bytes(random_, pair.sa.payload_offset() + 160 + pair.sa.icv_bytes));
    auto packets = clear;
    process(packets, &Pair::seal);
    process(packets, &Pair::open);
    for (std::size_t i = 0; i < packets.size(); ++i) {
      const auto end = clear[i].end() - pairs_[i].sa.icv_bytes;
      wrong_ += std::equal(clear[i].begin(), end, packets[i].begin()) ? 0 : 1;
    }
  }

  void process(std::vector<Bytes>& packets, std::uint64_t Pair::* session) {
    std::vector<espalier_op> ops;
    for (std::size_t i = 0; i < packets.size(); ++i)
      ops.push_back(make_op(pairs_[i].*session, pairs_[i].sa, packets[i].data(),
                            static_cast<std::uint32_t>(packets[i].size())));
    std::vector<espalier_op*> pointers;
    for (auto& op : ops) pointers.push_back(&op);
    backend_.process_on(queue_, pointers);
    for (const auto& op : ops) wrong_ += op.status == ESPALIER_OP_DONE ? 0 : 1;
  }

  void use(std::uint64_t session) {
    Bytes packet(lent_.payload_offset() + 64 + lent_.icv_bytes);
    auto op = make_op(session, lent_, packet.data(), static_cast<std::uint32_t>(packet.size()));
    espalier_op* const one = &op;
    backend_.process_on(queue_, std::span(&one, 1));
    wrong_ += op.status == ESPALIER_OP_DONE ? 0 : 1;
  }

  OpenBackend& backend_;
  std::vector<Pair> pairs_;
  Sa lent_;
  void* queue_;
  Random random_;
  std::uint32_t wrong_ = 0;
};

class Concurrency : public testing::TestWithParam<Candidate> {};

TEST_P(Concurrency, QueuesRunWhileSessionsComeAndGo) {
  std::string reason;
  const auto backend = OpenBackend::open(*GetParam().entry, GetParam().options, reason);
  ASSERT_TRUE(backend) << reason;
  Random random(test_seed());
  const auto transforms = GetParam().transforms();
  const auto pairs = [&] {
    std::vector<Pair> made;
    for (const auto& transform : transforms) {
      const Sa sa = random_sa(random, transform, made.size() % 2 == 0);
      made.push_back(
          {sa, backend->session(sa, ESPALIER_OUTBOUND), backend->session(sa, ESPALIER_INBOUND)});
    }
    return made;
  };
  const Sa lent = random_sa(random, transforms.back(), true);
  const std::array<std::vector<Pair>, 2> mine = {pairs(), pairs()};
  Worker first(*backend, mine[0], lent, random());
  Worker second(*backend, mine[1], lent, random());
  std::array<Handover, 2> handovers;
  std::atomic<int> running{2};
  const auto rounds = scaled(400);
  std::thread one([&] { first.run(rounds, handovers[0]), --running; });
  std::thread two([&] { second.run(rounds, handovers[1]), --running; });
  std::array<std::uint64_t, 2> outstanding{};
  while (running > 0) {
    for (const auto& transform : transforms)
      backend->close(backend->session(random_sa(random, transform, false), ESPALIER_INBOUND));
    for (std::size_t i = 0; i < 2; ++i) {
      if (outstanding[i] == 0)
        handovers[i].offered = outstanding[i] = backend->session(lent, ESPALIER_OUTBOUND);
      if (handovers[i].used.exchange(0) != 0) backend->close(std::exchange(outstanding[i], 0));
    }
  }
  one.join();
  two.join();
  EXPECT_EQ(first.wrong(), 0U);
  EXPECT_EQ(second.wrong(), 0U);
  for (const auto session : outstanding) {
    if (session != 0) backend->close(session);
  }
  for (const auto& all : mine) {
    for (const auto& pair : all) {
      backend->close(pair.seal);
      backend->close(pair.open);
    }
  }
  EXPECT_EQ(backend->secrets_held(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Backends, Concurrency, testing::ValuesIn(candidates()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace espalier::test
