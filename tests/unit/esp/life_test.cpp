// SPDX-License-Identifier: Apache-2.0
//
// What changes in the life of an SA while it carries packets: limits that it reaches, a peer that
// moves, a path that narrows, packets that only hide the others.
#include "unit/esp/two_gateways.hpp"

#include "esp/bytes.hpp"
#include "esp/too_big.hpp"

#include <gmock/gmock.h>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

namespace espalier::esp {
namespace {

using namespace test;
using Kind = EngineEvent::Kind;

// A wire of which the test says where packets come from and what the system reports.
class ScriptedWire final : public PacketPort {
 public:
  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    std::size_t n = 0;
    for (; n < packets.size() && !arriving.empty(); ++n) {
      const auto& [bytes, from] = arriving.front();
      packets[n]->offset = kHeadroom;
      packets[n]->length = static_cast<std::uint32_t>(bytes.size());
      std::ranges::copy(bytes, packets[n]->data());
      packets[n]->wire.peer = from;
      packets[n]->wire.tos = 0;
      arriving.erase(arriving.begin());
    }
    return n;
  }
  std::size_t send(std::span<Packet* const> packets) noexcept override {
    for (const Packet* packet : packets) {
      sent.emplace_back(Bytes(packet->view().begin(), packet->view().end()), packet->wire);
    }
    return packets.size();
  }
  int descriptor() const noexcept override { return -1; }
  std::optional<PathMtu> take_path_mtu() noexcept override {
    return std::exchange(narrower, std::nullopt);
  }

  std::vector<std::pair<Bytes, Endpoint>> arriving;
  std::vector<std::pair<Bytes, WireAddress>> sent;
  std::optional<PathMtu> narrower;
};

class LifeTest : public testing::Test {
 protected:
  LifeTest() {
    EXPECT_TRUE(bench_.registry->add_builtin("openssl", espalier_plugin_openssl));
    auto wire = std::make_unique<ScriptedWire>();
    wire_ = wire.get();
    auto [inner, clear_end] = make_memory_ports({{}, {}, 4096, 1, 0, 0, 0});
    clear_ = std::move(clear_end);
    std::vector<WorkerPorts> ports;
    ports.push_back({std::move(inner), std::move(wire)});
    engine_ = Engine::create({.clock = [now = now_] { return *now; },
                              .before_follow =
                                  [this](const Endpoint& made_for, const Endpoint& now) {
                                    return before_follow_(made_for, now);
                                  }},
                             std::move(ports))
                  .value();
  }
  SaSpec add(Direction direction, const std::function<void(SaSpec&)>& change = {}) {
    const bool out = direction == Direction::outbound;
    SaSpec sa = tunnel_sa(out ? "out" : "in", direction, "aes256gcm16", out ? 0x1001 : 0x2001);
    if (!out) std::swap(sa.selectors[0].source, sa.selectors[0].destination);
    if (change) change(sa);
    EXPECT_TRUE(engine_->add(sa, bench_.session("openssl", sa)));
    return sa;
  }
  // Packets that went out of `n` that were given.
  std::size_t carried(std::size_t n, std::size_t payload = 72) {
    const std::size_t before = wire_->sent.size();
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_TRUE(send(*clear_, udp_packet("10.1.0.1", "10.2.0.1", payload)));
    }
    for (std::size_t i = 0; i <= n / 64; ++i) engine_->turn(0);
    return wire_->sent.size() - before;
  }
  std::uint64_t drops(Drop reason) const { return engine_->drops()[std::size_t(reason)]; }
  std::vector<Kind> kinds() {
    std::vector<Kind> all;
    for (const EngineEvent& event : engine_->take_events()) all.push_back(event.kind);
    return all;
  }
  // An ESP packet from the peer for SA "in".
  Bytes from_peer(std::uint32_t number) {
    if (!peer_) {
      peer_ = std::make_unique<Gate>();
      SaSpec sa = tunnel_sa("peer", Direction::outbound, "aes256gcm16", 0x2001);
      std::swap(sa.selectors[0].source, sa.selectors[0].destination);
      EXPECT_TRUE(peer_->engine->add(sa, bench_.session("openssl", sa)));
    }
    Bytes packet;
    while (peer_->status("peer").sequence < number) {
      EXPECT_TRUE(send(*peer_->clear[0], udp_packet("10.2.0.1", "10.1.0.1", 20)));
      peer_->turn();
      packet = receive_all(*peer_->wire[0]).at(0);
    }
    return packet;
  }
  static Endpoint endpoint(const char* address, std::uint16_t port) {
    return {IpAddress::parse(address).value(), port};
  }

  std::shared_ptr<std::chrono::steady_clock::time_point> now_ =
      std::make_shared<std::chrono::steady_clock::time_point>(std::chrono::hours(1));
  std::function<Result<void>(const Endpoint&, const Endpoint&)> before_follow_ =
      EngineOptions().before_follow;
  Bench bench_;
  std::unique_ptr<Gate> peer_;
  ScriptedWire* wire_ = nullptr;
  std::unique_ptr<PacketPort> clear_;
  std::unique_ptr<Engine> engine_;
};

// ---- lifetimes --------------------------------------------------------------------------------

TEST_F(LifeTest, PacketLimitsAreToldAndKeptToThePacket) {
  add(Direction::outbound,
      [](SaSpec& sa) { sa.lifetime = Lifetime{.soft_packets = 5, .hard_packets = 10}; });
  EXPECT_EQ(carried(5), 5u);
  EXPECT_THAT(kinds(), testing::IsEmpty());
  EXPECT_EQ(carried(1), 1u);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::soft_lifetime));
  EXPECT_EQ(carried(100), 4u);
  EXPECT_EQ(drops(Drop::out_expired), 96u);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime)) << "once, and no second soft one";
  EXPECT_TRUE(engine_->status()[0].expired);
}

TEST_F(LifeTest, ByteLimitsCountInnerPackets) {
  add(Direction::outbound, [](SaSpec& sa) { sa.lifetime = Lifetime{.hard_bytes = 1000}; });
  EXPECT_EQ(carried(64), 10u) << "packets of 100 bytes";
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime));
}

TEST(FirstSequence, IsTheNumberOfTheFirstPacketAndALifetimeCountsFromThere) {
  Bench bench;
  ASSERT_TRUE(bench.registry->add_builtin("openssl", espalier_plugin_openssl));
  EngineOptions options;
  options.first_sequence = 0xfffffffe;
  Gate gate(1, options);
  SaSpec sa = tunnel_sa("out", Direction::outbound, "aes256gcm16");
  sa.lifetime = Lifetime{.hard_packets = 4};
  ASSERT_TRUE(gate.engine->add(sa, bench.session("openssl", sa)));
  for (int i = 0; i < 6; ++i)
    ASSERT_TRUE(send(*gate.clear[0], udp_packet("10.1.0.1", "10.2.0.1", 20)));
  gate.turn();
  std::vector<std::uint32_t> numbers;
  for (const Bytes& packet : receive_all(*gate.wire[0]))
    numbers.push_back(load_be32(packet.data() + 4));
  EXPECT_THAT(numbers, testing::ElementsAre(0xfffffffeU, 0xffffffffU, 0U, 1U));
  EXPECT_EQ(gate.status("out").sequence, 0x100000001U);
  EXPECT_EQ(gate.drops(Drop::out_expired), 2u);
}

TEST(FirstSequence, IsRefusedWhereTheSaHasNoSuchNumber) {
  Bench bench;
  ASSERT_TRUE(bench.registry->add_builtin("openssl", espalier_plugin_openssl));
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1} << 32}) {
    EngineOptions options;
    options.first_sequence = first;
    Gate gate(1, options);
    SaSpec sa = tunnel_sa("out", Direction::outbound, "aes256gcm16");
    sa.esn = false;
    const auto added = gate.engine->add(sa, bench.session("openssl", sa));
    ASSERT_FALSE(added) << "it would never end";
    EXPECT_EQ(added.error().message, "SA 'out' cannot begin with sequence number " +
                                         std::to_string(first) +
                                         ": its numbers are 1 to 4294967295, since it has no ESN");
  }
}

TEST_F(LifeTest, DummiesUseUpALifetimeAsOtherPacketsDo) {
  add(Direction::outbound,
      [](SaSpec& sa) { sa.lifetime = Lifetime{.soft_packets = 5, .hard_packets = 10}; });
  const auto send_dummies = [&](int n) {
    for (int i = 0; i < n; ++i) {
      ASSERT_TRUE(engine_->send_dummy("out", 100));
      engine_->turn(0);
    }
  };
  send_dummies(6);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::soft_lifetime));
  send_dummies(100);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime));
  EXPECT_EQ(wire_->sent.size(), 10u);
  EXPECT_EQ(engine_->status()[0].sequence, 10u);
}

TEST_F(LifeTest, TimeRunsOutWithoutAnyPacket) {
  add(Direction::outbound,
      [](SaSpec& sa) { sa.lifetime = Lifetime{.soft_seconds = 60, .hard_seconds = 100}; });
  *now_ += std::chrono::seconds(59);
  EXPECT_THAT(kinds(), testing::IsEmpty());
  *now_ += std::chrono::seconds(1);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::soft_lifetime));
  EXPECT_EQ(carried(3), 3u);
  *now_ += std::chrono::seconds(40);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime));
  EXPECT_EQ(carried(3), 0u);
  EXPECT_EQ(drops(Drop::out_expired), 3u);
  EXPECT_EQ(engine_->status()[0].errors, 3u);
  EXPECT_TRUE(engine_->status()[0].expired);
}

TEST_F(LifeTest, AnInboundSaEndsToo) {
  add(Direction::inbound, [](SaSpec& sa) { sa.lifetime = Lifetime{.hard_packets = 2}; });
  for (std::uint32_t i = 1; i <= 4; ++i) {
    wire_->arriving.emplace_back(from_peer(i), endpoint("192.0.2.2", 4500));
  }
  engine_->turn(0);
  EXPECT_EQ(receive_all(*clear_).size(), 2u);
  EXPECT_EQ(drops(Drop::in_expired), 2u);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::hard_lifetime));
}

TEST_F(LifeTest, ADeletedSaIsNotToldOf) {
  add(Direction::outbound, [](SaSpec& sa) { sa.lifetime = Lifetime{.soft_seconds = 60}; });
  ASSERT_TRUE(engine_->remove("out"));
  engine_->turn(0);
  *now_ += std::chrono::seconds(61);
  EXPECT_THAT(kinds(), testing::Not(testing::Contains(Kind::soft_lifetime)));
}

// ---- a peer behind a NAT ------------------------------------------------------------------------

TEST_F(LifeTest, PacketsFollowAPeerThatItsNatHasMoved) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Endpoint moved = endpoint("198.51.100.7", 31337);
  wire_->arriving.emplace_back(from_peer(1), moved);
  engine_->turn(0);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::peer_moved));
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, moved);
  for (const SaStatus& status : engine_->status()) {
    if (status.name == "out") {
      EXPECT_EQ(status.peer, moved);
    }
  }
}

TEST_F(LifeTest, APeerIsFollowedOnceTheWayToItIsReady) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  const SaSpec out = add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Endpoint moved = endpoint("198.51.100.7", 31337);
  std::vector<std::pair<Endpoint, Endpoint>> asked;
  before_follow_ = [&](const Endpoint& made_for, const Endpoint& now) {
    EXPECT_EQ(carried(1), 1u);
    EXPECT_EQ(wire_->sent.back().second.peer, out.peer) << "not before";
    asked.emplace_back(made_for, now);
    return Result<void>();
  };
  wire_->arriving.emplace_back(from_peer(1), moved);
  engine_->turn(0);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::peer_moved));
  EXPECT_THAT(asked, testing::ElementsAre(std::pair(out.peer, moved)));
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, moved);
}

TEST_F(LifeTest, APeerToWhichThereIsNoWayIsNotFollowedAndItIsSaid) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  const SaSpec out = add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  before_follow_ = [](const Endpoint&, const Endpoint&) -> Result<void> {
    return fail(ErrorCode::permission, "No route can be made.");
  };
  wire_->arriving.emplace_back(from_peer(1), endpoint("198.51.100.7", 31337));
  engine_->turn(0);
  const auto events = engine_->take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(
      events[0].words,
      "its peer sends from 198.51.100.7:31337 now, but is not followed there: No route can be "
      "made.");
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, out.peer);
}

TEST_F(LifeTest, NeitherAForgedNorAnOldPacketMovesAPeer) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Endpoint peer = endpoint("192.0.2.2", 4500);
  const Bytes first = from_peer(1), second = from_peer(2), third = from_peer(3);
  wire_->arriving.emplace_back(second, peer);
  engine_->turn(0);
  const Endpoint elsewhere = endpoint("203.0.113.9", 666);
  Bytes forged = third;
  forged.back() ^= 1;
  wire_->arriving.emplace_back(forged, elsewhere);
  wire_->arriving.emplace_back(second, elsewhere);  // a replay
  wire_->arriving.emplace_back(first, elsewhere);   // late: new to us, but not the newest
  engine_->turn(0);
  EXPECT_EQ(receive_all(*clear_).size(), 2u);
  EXPECT_THAT(kinds(), testing::IsEmpty());
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, peer);
}

TEST_F(LifeTest, AReplayOfTheNewestPacketInOneBurstDoesNotMoveAPeer) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  const Bytes packet = from_peer(1);
  wire_->arriving.emplace_back(packet, endpoint("192.0.2.2", 4500));
  wire_->arriving.emplace_back(packet, endpoint("203.0.113.9", 666));
  engine_->turn(0);
  EXPECT_EQ(receive_all(*clear_).size(), 1u);
  EXPECT_THAT(kinds(), testing::IsEmpty());
}

TEST_F(LifeTest, WithoutLeaveNothingMovesAPeer) {
  add(Direction::outbound);
  add(Direction::inbound);
  wire_->arriving.emplace_back(from_peer(1), endpoint("198.51.100.7", 31337));
  engine_->turn(0);
  EXPECT_EQ(receive_all(*clear_).size(), 1u);
  EXPECT_THAT(kinds(), testing::IsEmpty());
  ASSERT_EQ(carried(1), 1u);
  EXPECT_EQ(wire_->sent.back().second.peer, endpoint("192.0.2.2", 4500));
}

TEST_F(LifeTest, AKeepaliveIsOneByteToWhereThePeerIs) {
  add(Direction::outbound);
  ASSERT_TRUE(engine_->send_keepalive("out"));
  engine_->turn(0);
  ASSERT_EQ(wire_->sent.size(), 1u);
  EXPECT_EQ(wire_->sent[0].first, Bytes{0xff});
  EXPECT_EQ(wire_->sent[0].second.peer, endpoint("192.0.2.2", 4500));
}

// ---- a path that narrows ------------------------------------------------------------------------

TEST_F(LifeTest, OnAPathThatNarrowsTheSenderIsTold) {
  const SaSpec sa = add(Direction::outbound);
  EXPECT_EQ(carried(1, 1372), 1u) << "nothing is known of the path yet";
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  EXPECT_THAT(kinds(), testing::ElementsAre(Kind::path_mtu));
  EXPECT_EQ(carried(1, 1372), 0u);
  EXPECT_EQ(drops(Drop::out_too_big), 1u);
  const auto answers = receive_all(*clear_);
  ASSERT_EQ(answers.size(), 1u);
  const std::uint32_t fits = load_be32(answers[0].data() + 24);
  EXPECT_GT(fits, 1200u);
  EXPECT_LT(fits, 1300u);
  EXPECT_EQ(carried(1, fits - 28), 1u);
  EXPECT_LE(wire_->sent.back().first.size() + 28, 1300u);
  EXPECT_EQ(carried(1, fits - 27), 0u);
}

TEST_F(LifeTest, ADummyIsNoLongerThanThePathTakes) {
  const SaSpec sa = add(Direction::outbound);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  ASSERT_TRUE(engine_->send_dummy("out", 3000));
  engine_->turn(0);
  ASSERT_EQ(wire_->sent.size(), 1u);
  EXPECT_LE(wire_->sent[0].first.size() + 28, 1300u);
  EXPECT_GT(wire_->sent[0].first.size() + 28, 1290u);
}

TEST_F(LifeTest, EachPacketThatAnSaDropsIsAnErrorOfIt) {
  const SaSpec out = add(Direction::outbound);
  add(Direction::inbound);
  const auto errors = [&](std::string_view sa) { return engine_->status(sa)->errors; };
  wire_->narrower = PathMtu{out.peer.address, 1300};
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 0u);
  EXPECT_EQ(errors("out"), 1u) << "one whose sender was told is dropped, too";
  EXPECT_EQ(carried(100, 1372), 0u);
  EXPECT_EQ(errors("out"), 101u) << "also those whose sender was told no more";
  Bytes forged = from_peer(1);
  forged.back() ^= 1;
  const Endpoint peer = endpoint("192.0.2.2", 4500);
  wire_->arriving.emplace_back(forged, peer);
  forged[3] ^= 1;  // of no SA
  wire_->arriving.emplace_back(forged, peer);
  engine_->turn(0);
  EXPECT_EQ(errors("in"), 1u);
  EXPECT_EQ(errors("out"), 101u);
}

TEST_F(LifeTest, AForgedReportCannotCloseAPath) {
  const SaSpec sa = add(Direction::outbound);
  wire_->narrower = PathMtu{sa.peer.address, 68};
  engine_->turn(0);
  const auto events = engine_->take_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_THAT(events[0].words, testing::HasSubstr("576 bytes"));
  EXPECT_EQ(carried(1, 450), 1u);
}

TEST_F(LifeTest, ThePathToAPeerThatMovedIsThatToWhereItIs) {
  const auto follow = [](SaSpec& sa) { sa.follow_peer = true; };
  const SaSpec sa = add(Direction::outbound, follow);
  add(Direction::inbound, follow);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 0u);
  const Endpoint moved = endpoint("198.51.100.7", 31337);
  wire_->arriving.emplace_back(from_peer(1), moved);
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 1u) << "nothing is known of the path to where it is now";
  wire_->narrower = PathMtu{moved.address, 1400};
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 0u);
  EXPECT_EQ(drops(Drop::out_too_big), 2u);
}

TEST_F(LifeTest, ANewSaKnowsThePathThatOthersFound) {
  const SaSpec sa = add(Direction::outbound);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  ASSERT_TRUE(engine_->remove("out"));
  add(Direction::outbound, [](SaSpec& other) { other.spi = 0x3001; });
  EXPECT_EQ(carried(1, 1372), 0u);
}

TEST_F(LifeTest, AfterTenMinutesAPathIsTriedAgain) {
  const SaSpec sa = add(Direction::outbound);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  EXPECT_EQ(carried(1, 1372), 0u);
  *now_ += std::chrono::minutes(10);
  kinds();
  EXPECT_EQ(carried(1, 1372), 1u);
}

TEST_F(LifeTest, SendersAreToldNoMoreOftenThanTheLimitAllows) {
  const SaSpec sa = add(Direction::outbound);
  wire_->narrower = PathMtu{sa.peer.address, 1300};
  engine_->turn(0);
  kinds();
  carried(200, 1372);
  EXPECT_EQ(drops(Drop::out_too_big), 200u);
  EXPECT_EQ(receive_all(*clear_).size(), AnswerLimit::kBurst);
}

// ---- traffic flow confidentiality ---------------------------------------------------------------

TEST_F(LifeTest, DummiesAreSentAndDroppedSilently) {
  add(Direction::outbound);
  ASSERT_TRUE(engine_->send_dummy("out", 333));
  engine_->turn(0);
  ASSERT_EQ(wire_->sent.size(), 1u);
  EXPECT_GE(wire_->sent[0].first.size(), 333u);

  Gate receiver;
  const SaSpec in = tunnel_sa("in", Direction::inbound, "aes256gcm16");
  ASSERT_TRUE(receiver.engine->add(in, bench_.session("openssl", in)));
  ASSERT_TRUE(send(*receiver.wire[0], wire_->sent[0].first));
  receiver.turn();
  EXPECT_TRUE(receive_all(*receiver.clear[0]).empty());
  EXPECT_EQ(receiver.drops(Drop::in_dummy), 1u);
  EXPECT_EQ(receiver.status("in").errors, 0u) << "a dummy is no fault";
}

TEST_F(LifeTest, AfterTheHardLifetimeThereAreNoDummiesEither) {
  add(Direction::outbound, [](SaSpec& sa) { sa.lifetime = Lifetime{.hard_packets = 1}; });
  carried(5);
  const std::size_t before = wire_->sent.size();
  ASSERT_TRUE(engine_->send_dummy("out", 333));
  engine_->turn(0);
  EXPECT_EQ(wire_->sent.size(), before);
}

}  // namespace
}  // namespace espalier::esp
