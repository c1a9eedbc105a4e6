// SPDX-License-Identifier: Apache-2.0
//
// The fake backend, driven through the C table as the framework drives it.
#include <fake_backend.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <vector>

namespace espalier::mock {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct SeenEvent {
  std::int32_t event;
  std::uint64_t device;
  friend bool operator==(const SeenEvent&, const SeenEvent&) = default;
};

// The host's side of the table, and what it heard.
struct Host {
  std::vector<SeenEvent> events;
  std::uint64_t now_ns = 1;
  espalier_host table = sdk::sized<espalier_host>();

  Host() {
    table.context = this;
    table.log = [](void*, int32_t, const char*) {};
    table.monotonic_ns = [](void* self) { return static_cast<Host*>(self)->now_ns; };
    table.event = [](void* self, int32_t event, uint64_t device) {
      static_cast<Host*>(self)->events.push_back({event, device});
    };
  }
};

// A packet: ESP header, IV, payload, ICV.
struct Packet {
  std::vector<std::uint8_t> bytes;
  espalier_op op{};

  Packet(std::uint64_t session, std::uint32_t sequence, std::uint32_t payload = 64) {
    bytes.resize(8 + 8 + payload + 16);
    std::iota(bytes.begin() + 16, bytes.end() - 16, std::uint8_t{0});
    bytes[4] = static_cast<std::uint8_t>(sequence >> 24);
    bytes[5] = static_cast<std::uint8_t>(sequence >> 16);
    bytes[6] = static_cast<std::uint8_t>(sequence >> 8);
    bytes[7] = static_cast<std::uint8_t>(sequence);
    bytes[15] = static_cast<std::uint8_t>(sequence);
    op.session = session;
    op.esp = bytes.data();
    op.length = static_cast<std::uint32_t>(bytes.size());
    op.icv_offset = op.length - 16;
    op.status = ESPALIER_OP_PENDING;
    op.cookie = sequence;
  }
  Packet(Packet&&) = default;
};

class FakeBackendTest : public ::testing::Test {
 protected:
  ~FakeBackendTest() override { close(); }

  void start(const FakeBackend& fake) {
    const auto options = fake.options();
    ASSERT_EQ(fake.entry().negotiate(&host.table, options.c_str(), &backend, &message), ESPALIER_OK)
        << text;
    open();
  }
  void open() {
    info = sdk::sized<espalier_device_info>();
    std::uint32_t count = 0;
    ASSERT_EQ(backend->enumerate(backend->self, &info, 1, &count, &message), ESPALIER_OK);
    ASSERT_GE(count, 1u);
    ASSERT_EQ(table().device_open(backend->self, info.id, &device, &message), ESPALIER_OK) << text;
    ASSERT_EQ(table().queue_open(device, &queue, &message), ESPALIER_OK) << text;
  }
  void close_device() {
    if (queue != nullptr) table().queue_close(std::exchange(queue, nullptr));
    for (const auto session : std::exchange(sessions, {})) table().session_close(device, session);
    if (device != nullptr) table().device_close(std::exchange(device, nullptr));
  }
  void close() {
    if (backend == nullptr) return;
    close_device();
    backend->close(backend->self);
    backend = nullptr;
  }
  espalier_status open_session(std::uint32_t direction, std::uint64_t* session) {
    static constexpr std::uint8_t kKey[16] = {1, 2, 3};
    auto params = sdk::sized<espalier_session_params>();
    params.cipher = ESPALIER_CIPHER_AES_GCM;
    params.integrity = ESPALIER_INTEGRITY_NONE;
    params.direction = direction;
    params.icv_bytes = 16;
    params.cipher_key = {kKey, sizeof(kKey)};
    params.salt = {kKey, 4};
    const auto status = table().session_open(device, &params, session, &message);
    if (status == ESPALIER_OK) sessions.push_back(*session);
    return status;
  }
  std::uint64_t session(std::uint32_t direction = ESPALIER_OUTBOUND) {
    std::uint64_t handle = 0;
    EXPECT_EQ(open_session(direction, &handle), ESPALIER_OK) << text;
    return handle;
  }
  std::uint32_t submit(std::vector<Packet>& packets) {
    std::vector<espalier_op*> ops;
    for (auto& p : packets) ops.push_back(&p.op);
    return table().submit(queue, ops.data(), static_cast<std::uint32_t>(ops.size()));
  }
  // The cookies of what a poll of up to n hands back.
  std::vector<std::uint64_t> poll(std::uint32_t n = 64) {
    std::vector<espalier_op*> ops(n);
    ops.resize(table().poll(queue, ops.data(), n));
    std::vector<std::uint64_t> cookies;
    for (const auto* op : ops) cookies.push_back(op->cookie);
    return cookies;
  }
  static std::vector<Packet> packets(std::uint64_t session, std::uint32_t n) {
    std::vector<Packet> made;
    for (std::uint32_t i = 1; i <= n; ++i) made.emplace_back(session, i);
    return made;
  }
  const espalier_userspace& table() const { return *backend->userspace; }

  Host host;
  char text[256] = "";
  espalier_message message{text, sizeof(text)};
  const espalier_backend* backend = nullptr;
  espalier_device_info info{};
  void* device = nullptr;
  void* queue = nullptr;
  std::vector<std::uint64_t> sessions;
};

TEST_F(FakeBackendTest, EncryptsAndDecryptsBackSynchronously) {
  start(FakeBackendBuilder{}.build());
  Packet packet(session(), 7);
  const auto clear = packet.bytes;
  espalier_op* op = &packet.op;
  ASSERT_EQ(table().process(queue, &op, 1), ESPALIER_OK);
  EXPECT_EQ(packet.op.status, ESPALIER_OP_DONE);
  EXPECT_NE(packet.bytes, clear);

  packet.op.session = session(ESPALIER_INBOUND);
  packet.op.status = ESPALIER_OP_PENDING;
  ASSERT_EQ(table().process(queue, &op, 1), ESPALIER_OK);
  EXPECT_EQ(packet.op.status, ESPALIER_OP_DONE);
  EXPECT_TRUE(std::equal(clear.begin(), clear.end() - 16, packet.bytes.begin()));
}

TEST_F(FakeBackendTest, NoticesAChangedPacketAndShowsNoPlaintext) {
  start(FakeBackendBuilder{}.build());
  Packet packet(session(), 7);
  const auto clear = packet.bytes;
  espalier_op* op = &packet.op;
  table().process(queue, &op, 1);
  packet.bytes[20] ^= 1;
  packet.op.session = session(ESPALIER_INBOUND);
  packet.op.status = ESPALIER_OP_PENDING;
  table().process(queue, &op, 1);
  EXPECT_EQ(packet.op.status, ESPALIER_OP_BAD_ICV);
  EXPECT_FALSE(std::equal(clear.begin() + 24, clear.end() - 16, packet.bytes.begin() + 24));
}

TEST_F(FakeBackendTest, WritesToASeparateDestination) {
  start(FakeBackendBuilder{}.build());
  Packet packet(session(), 7);
  const auto clear = packet.bytes;
  std::vector<std::uint8_t> destination(clear.size());
  packet.op.dst = destination.data();
  espalier_op* op = &packet.op;
  table().process(queue, &op, 1);
  EXPECT_EQ(packet.bytes, clear);
  EXPECT_NE(destination, clear);
  EXPECT_TRUE(std::equal(clear.begin(), clear.begin() + 16, destination.begin()));
}

TEST_F(FakeBackendTest, CompletesInTheOrderThatWasAskedFor) {
  auto fake = FakeBackendBuilder{}.asynchronous().build();
  start(fake);
  auto four = packets(session(), 4);
  ASSERT_EQ(submit(four), 4u);
  EXPECT_THAT(poll(2), ElementsAre(1, 2));
  fake.control().set_order(Order::reverse);
  EXPECT_THAT(poll(), ElementsAre(4, 3));
  fake.control().set_order(Order::random, 3);
  auto many = packets(session(), 64);
  ASSERT_EQ(submit(many), 64u);
  auto cookies = poll();
  EXPECT_FALSE(std::is_sorted(cookies.begin(), cookies.end()));
  std::sort(cookies.begin(), cookies.end());
  EXPECT_EQ(std::unique(cookies.begin(), cookies.end()) - cookies.begin(), 64);
}

TEST_F(FakeBackendTest, FillsItsQueueAndAcceptsOnlyPart) {
  auto fake = FakeBackendBuilder{}.asynchronous().queue_depth(3).build();
  start(fake);
  auto five = packets(session(), 5);
  EXPECT_EQ(submit(five), 3u);
  EXPECT_EQ(fake.control().counters().max_in_flight, 3u);
  EXPECT_THAT(poll(), SizeIs(3));
  fake.control().accept_at_most(1);
  auto two = packets(session(), 2);
  EXPECT_EQ(submit(two), 1u);
  EXPECT_THAT(poll(), SizeIs(1));
}

TEST_F(FakeBackendTest, HoldsCompletionsUntilReleased) {
  auto fake = FakeBackendBuilder{}.asynchronous().hold_completions().build();
  start(fake);
  auto three = packets(session(), 3);
  ASSERT_EQ(submit(three), 3u);
  EXPECT_THAT(poll(), IsEmpty());
  fake.control().release_completions(2);
  EXPECT_THAT(poll(), ElementsAre(1, 2));
  EXPECT_THAT(poll(), IsEmpty());
  fake.control().release_completions();
  EXPECT_THAT(poll(), ElementsAre(3));
}

TEST_F(FakeBackendTest, CompletesLate) {
  auto fake = FakeBackendBuilder{}.asynchronous().latency(std::chrono::microseconds(5)).build();
  start(fake);
  auto one = packets(session(), 1);
  submit(one);
  EXPECT_THAT(poll(), IsEmpty());
  host.now_ns += 5000;
  EXPECT_THAT(poll(), SizeIs(1));
  fake.control().set_latency(std::chrono::nanoseconds(0));
  fake.control().set_poll_delay(2);
  auto two = packets(session(), 2);
  submit(two);
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_THAT(poll(), SizeIs(2));
}

TEST_F(FakeBackendTest, RefusesSessionsWithStatusAndWords) {
  auto fake = FakeBackendBuilder{}.build();
  start(fake);
  fake.control().refuse(Call::session_open, ESPALIER_PERMISSION, "not for you", 1);
  std::uint64_t handle = 0;
  EXPECT_EQ(open_session(ESPALIER_OUTBOUND, &handle), ESPALIER_PERMISSION);
  EXPECT_STREQ(text, "not for you");
  EXPECT_EQ(open_session(ESPALIER_OUTBOUND, &handle), ESPALIER_OK);
  EXPECT_EQ(fake.control().counters().sessions_asked, 2u);
}

TEST_F(FakeBackendTest, TakesNoMoreSessionsThanItsTableHolds) {
  auto fake = FakeBackendBuilder{}.sa_capacity(2).build();
  start(fake);
  session();
  session();
  std::uint64_t handle = 0;
  EXPECT_EQ(open_session(ESPALIER_OUTBOUND, &handle), ESPALIER_CAPACITY);
  table().session_close(device, sessions.back());
  sessions.pop_back();
  EXPECT_EQ(open_session(ESPALIER_OUTBOUND, &handle), ESPALIER_OK);
}

TEST_F(FakeBackendTest, ReportsPoolsTrulyUnlessToldToLie) {
  auto fake = FakeBackendBuilder{}.sa_capacity(8, ESPALIER_USE_LIVE).build();
  start(fake);
  session();
  auto pool = sdk::sized<espalier_pool>();
  std::uint32_t count = 0;
  ASSERT_EQ(backend->pools(backend->self, info.id, &pool, 1, &count, &message), ESPALIER_OK);
  EXPECT_EQ(pool.used, 1u);
  EXPECT_EQ(pool.capacity, 8u);
  EXPECT_EQ(pool.use, std::uint32_t{ESPALIER_USE_LIVE});
  fake.control().report_used(0);
  backend->pools(backend->self, info.id, &pool, 1, &count, &message);
  EXPECT_EQ(pool.used, 0u);
}

TEST_F(FakeBackendTest, MisbehavesWithExactlyTheOpsThatItWasToldTo) {
  auto fake = FakeBackendBuilder{}.build();
  start(fake);
  fake.control().misbehave(Fault::fail, 1, 1);
  fake.control().misbehave(Fault::bad_icv);
  fake.control().misbehave(Fault::leave_pending);
  fake.control().misbehave(Fault::done_without_work);
  auto six = packets(session(), 6);
  const auto clear = six[4].bytes;
  std::vector<espalier_op*> ops;
  for (auto& p : six) ops.push_back(&p.op);
  ASSERT_EQ(table().process(queue, ops.data(), 6), ESPALIER_OK);
  std::vector<int> statuses;
  for (const auto& p : six) statuses.push_back(p.op.status);
  EXPECT_THAT(statuses, ElementsAre(ESPALIER_OP_DONE, ESPALIER_OP_FAILED, ESPALIER_OP_BAD_ICV,
                                    ESPALIER_OP_PENDING, ESPALIER_OP_DONE, ESPALIER_OP_DONE));
  EXPECT_EQ(six[4].bytes, clear);
}

TEST_F(FakeBackendTest, HandsAnOpBackTwiceOrAForeignOne) {
  auto fake = FakeBackendBuilder{}.asynchronous().build();
  start(fake);
  fake.control().misbehave(Fault::twice);
  fake.control().misbehave(Fault::foreign);
  auto two = packets(session(), 2);
  submit(two);
  EXPECT_THAT(poll(), ElementsAre(1, 2));
  EXPECT_THAT(poll(), ElementsAre(1, 0));
  EXPECT_THAT(poll(), IsEmpty());
}

TEST_F(FakeBackendTest, ChangesACookie) {
  auto fake = FakeBackendBuilder{}.asynchronous().build();
  start(fake);
  fake.control().misbehave(Fault::change_cookie, 1, 1);
  auto two = packets(session(), 2);
  submit(two);
  EXPECT_THAT(poll(), ElementsAre(1, 3));
  EXPECT_EQ(two[1].op.status, ESPALIER_OP_DONE) << "the work is done";
}

TEST_F(FakeBackendTest, CorruptsOneOpAndNeverHandsTheNextOneBack) {
  auto fake = FakeBackendBuilder{}.asynchronous().build();
  start(fake);
  fake.control().misbehave(Fault::corrupt);
  fake.control().misbehave(Fault::drop);
  auto three = packets(session(), 3);
  submit(three);
  EXPECT_THAT(poll(), ElementsAre(1, 3));
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_EQ(three[0].op.status, ESPALIER_OP_DONE) << "it says so";
  EXPECT_EQ(table().queue_quiesce(queue, 0), ESPALIER_OK);
  const auto inbound = session(ESPALIER_INBOUND);
  for (auto& p : three) {
    p.op.session = inbound;
    p.op.status = ESPALIER_OP_PENDING;
  }
  submit(three);
  EXPECT_THAT(poll(), ElementsAre(1, 2, 3));
  EXPECT_EQ(three[0].op.status, ESPALIER_OP_BAD_ICV);
  EXPECT_EQ(three[2].op.status, ESPALIER_OP_DONE);
}

TEST_F(FakeBackendTest, DiesInTheMiddleOfASynchronousBurst) {
  auto fake = FakeBackendBuilder{}.build();
  start(fake);
  fake.control().lose_after(2, "the card fell out");
  auto four = packets(session(), 4);
  std::vector<espalier_op*> ops;
  for (auto& p : four) ops.push_back(&p.op);
  EXPECT_EQ(table().process(queue, ops.data(), 4), ESPALIER_LOST);
  EXPECT_EQ(four[1].op.status, ESPALIER_OP_DONE);
  EXPECT_EQ(four[2].op.status, ESPALIER_OP_PENDING);
  auto health = sdk::sized<espalier_health>();
  backend->health(backend->self, info.id, &health);
  EXPECT_EQ(health.state, std::uint32_t{ESPALIER_GONE});
  EXPECT_STREQ(health.reason, "the card fell out");
  std::uint64_t handle = 0;
  EXPECT_EQ(open_session(ESPALIER_OUTBOUND, &handle), ESPALIER_LOST);
}

TEST_F(FakeBackendTest, ALostAsynchronousDeviceTakesNothingAndGivesNothing) {
  auto fake = FakeBackendBuilder{}.asynchronous().build();
  start(fake);
  auto three = packets(session(), 3);
  ASSERT_EQ(submit(three), 3u);
  fake.control().lose();
  auto more = packets(sessions.front(), 1);
  EXPECT_EQ(submit(more), 0u);
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_EQ(fake.control().scribble(), 3u) << "a lost card may still write";
  EXPECT_EQ(three[0].bytes[40], 0xee);
  EXPECT_EQ(table().queue_quiesce(queue, 0), ESPALIER_OK);
  EXPECT_EQ(fake.control().scribble(), 0u) << "after quiesce it may not";
}

TEST_F(FakeBackendTest, ComesBackAsANewDeviceWhileTheOldOneStaysDead) {
  auto fake = FakeBackendBuilder{}.build();
  start(fake);
  const auto old_id = info.id;
  Packet packet(session(), 1);
  fake.control().unplug();
  std::uint32_t count = 9;
  backend->enumerate(backend->self, &info, 1, &count, &message);
  EXPECT_EQ(count, 0u);
  fake.control().plug_in();
  espalier_op* op = &packet.op;
  EXPECT_EQ(table().process(queue, &op, 1), ESPALIER_LOST);
  close_device();
  open();
  EXPECT_NE(info.id, old_id);
  EXPECT_THAT(host.events, ElementsAre(SeenEvent{ESPALIER_EVENT_DEVICE_LOST, old_id},
                                       SeenEvent{ESPALIER_EVENT_DEVICE_ADDED, info.id}));
  Packet again(session(), 2);
  op = &again.op;
  EXPECT_EQ(table().process(queue, &op, 1), ESPALIER_OK);
}

TEST_F(FakeBackendTest, RecordsEveryOpSoThatARepeatedIvShows) {
  auto trace = std::make_shared<OpTrace>();
  auto fake = FakeBackendBuilder{}.trace(trace).build();
  start(fake);
  for (const std::uint32_t sequence : {1u, 2u, 2u}) {
    Packet packet(session(), sequence);  // another session each, and the same key
    espalier_op* op = &packet.op;
    EXPECT_EQ(trace->repeated_iv(), std::nullopt);
    EXPECT_EQ(trace->sequence_went_back(), std::nullopt);
    table().process(queue, &op, 1);
  }
  ASSERT_THAT(trace->records(), SizeIs(3));
  EXPECT_EQ(trace->records()[1].sequence, 2u);
  ASSERT_TRUE(trace->repeated_iv().has_value());
  EXPECT_EQ(trace->repeated_iv()->session, sessions[2]);
  EXPECT_TRUE(trace->sequence_went_back().has_value());
}

TEST_F(FakeBackendTest, NamesTheHostsBreachesOfContract) {
  auto fake = FakeBackendBuilder{}.asynchronous().hold_completions().build();
  start(fake);
  auto one = packets(session(), 1);
  submit(one);
  table().session_close(device, sessions.front());
  sessions.clear();
  auto stale = packets(999, 1);
  submit(stale);
  table().queue_close(std::exchange(queue, nullptr));
  EXPECT_THAT(fake.control().violations(),
              ElementsAre(HasSubstr("session was closed with packets in flight"),
                          HasSubstr("session that is not open"),
                          HasSubstr("queue was closed with packets in flight")));
}

TEST_F(FakeBackendTest, RefusesToStart) {
  auto fake = FakeBackendBuilder{}.refuse_to_start(ESPALIER_PERMISSION, "needs root").build();
  EXPECT_EQ(fake.entry().negotiate(&host.table, fake.options().c_str(), &backend, &message),
            ESPALIER_PERMISSION);
  EXPECT_STREQ(text, "needs root");
}

TEST_F(FakeBackendTest, AnInnerBackendDoesTheWork) {
  auto inner = FakeBackendBuilder{}.name("inner").build();
  // Options reach the fake alone, so the backend behind takes its instance from here.
  static FakeBackend* behind = nullptr;
  behind = &inner;
  static const espalier_plugin_entry kEntry = {
      ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR, ESPALIER_ABI_MINOR,
      [](const espalier_host* h, const char*, const espalier_backend** b, espalier_message* m) {
        return FakeBackend::entry().negotiate(h, behind->options().c_str(), b, m);
      }};
  start(FakeBackendBuilder{}.name("outer").asynchronous().inner(kEntry).build());
  auto two = packets(session(), 2);
  const auto clear = two[0].bytes;
  ASSERT_EQ(submit(two), 2u);
  EXPECT_THAT(poll(), SizeIs(2));
  EXPECT_NE(two[0].bytes, clear);
  EXPECT_EQ(inner.control().counters().ops_completed, 2u);
  close();
  EXPECT_EQ(inner.control().counters().sessions(), 0u);
  EXPECT_EQ(inner.control().counters().devices_closed, 1u);
}

TEST(FakeBackend, HasAsManyDevicesAsWereNamed) {
  Host host;
  auto fake = FakeBackendBuilder{}.device("a").score(300).device("b").asynchronous().build();
  const espalier_backend* backend = nullptr;
  ASSERT_EQ(fake.entry().negotiate(&host.table, fake.options().c_str(), &backend, nullptr),
            ESPALIER_OK);
  std::vector<espalier_device_info> infos(4, sdk::sized<espalier_device_info>());
  std::uint32_t count = 0;
  backend->enumerate(backend->self, infos.data(), 4, &count, nullptr);
  ASSERT_EQ(count, 2u);
  EXPECT_STREQ(infos[0].name, "a");
  EXPECT_STREQ(infos[1].name, "b");
  EXPECT_EQ(infos[1].flags, std::uint32_t{ESPALIER_DEVICE_ASYNC});
  auto capability = sdk::sized<espalier_capability>();
  backend->caps(backend->self, infos[0].id, &capability, 1, &count, nullptr);
  EXPECT_EQ(capability.score, 300u);
  backend->close(backend->self);
}

}  // namespace
}  // namespace espalier::mock
