// SPDX-License-Identifier: Apache-2.0
#include "unit/gateway/fault_simulation.hpp"

#include <espalier/abi.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "unit/esp/packets.hpp"

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

namespace espalier::test {
namespace {

using namespace std::chrono_literals;
using mock::Call;
using mock::FakeBackendBuilder;
using mock::Fault;

constexpr std::size_t kIpAndUdp = 28;
constexpr std::array<std::uint8_t, 16> kMarker{'T', 'H', 'I', 'S', ' ', 'I', 'S', ' ',
                                               'P', 'L', 'A', 'I', 'N', ' ', '!', '!'};

// The preferred device is asynchronous and has room for some of the SAs, the last resort is
// synchronous and has room for all; both do true ESP.
std::vector<mock::FakeBackend> devices(const std::shared_ptr<mock::OpTrace>& trace) {
  return {FakeBackendBuilder{}
              .name("card")
              .asynchronous()
              .queue_depth(48)
              .sa_capacity(4)
              .inner(espalier_plugin_openssl)
              .trace(trace)
              .build(),
          FakeBackendBuilder{}
              .name("openssl")
              .device("cpu")
              .inner(espalier_plugin_openssl)
              .trace(trace)
              .build()};
}

std::string source_of(std::uint32_t sa) { return "10.1." + std::to_string(sa) + ".7"; }
std::string destination_of(std::uint32_t sa) { return "10.2." + std::to_string(sa) + ".9"; }

SaSpec spec_of(std::uint32_t index, std::uint32_t spi, Direction direction) {
  SaSpec sa;
  sa.name = "sa" + std::to_string(index);
  sa.direction = direction;
  sa.spi = spi;
  sa.transform = {Cipher::aes_gcm, 256, Integrity::none, 16};
  const Endpoint left{IpAddress::parse("192.0.2.1").value(), 4500};
  const Endpoint right{IpAddress::parse("192.0.2.2").value(), 4500};
  sa.local = direction == Direction::outbound ? left : right;
  sa.peer = direction == Direction::outbound ? right : left;
  TrafficSelector selector;
  selector.source = IpPrefix::parse(source_of(index)).value();
  selector.destination = IpPrefix::parse(destination_of(index)).value();
  sa.selectors = {selector};
  return sa;
}

SaKeys secret_keys(SecretPool& pool, const PlainKeys& keys) {
  return {
      SecretBytes::copy(pool, keys.key).value(), SecretBytes::copy(pool, keys.salt).value(), {}};
}

std::uint32_t spi_of(const Bytes& packet) {
  std::uint32_t spi = 0;
  for (std::size_t i = 0; i < 4 && i < packet.size(); ++i) spi = spi << 8 | packet[i];
  return spi;
}

// The number that send() wrote behind the marker, or 0.
std::uint64_t id_of(const Bytes& inner) {
  std::uint64_t id = 0;
  if (inner.size() < kIpAndUdp + kMarker.size() + sizeof(id)) return 0;
  std::memcpy(&id, inner.data() + kIpAndUdp + kMarker.size(), sizeof(id));
  return id;
}

bool shows_plaintext(const Bytes& packet) {
  return std::search(packet.begin(), packet.end(), kMarker.begin(), kMarker.end()) != packet.end();
}

}  // namespace

FaultSimulation::FaultSimulation(std::uint64_t seed)
    : random_(seed),
      trace_(std::make_shared<mock::OpTrace>()),
      sender_(devices(trace_), static_cast<std::uint32_t>(1 + seed % 2)),
      receiver_(devices(std::make_shared<mock::OpTrace>()),
                static_cast<std::uint32_t>(1 + seed % 3)) {
  add_sas();
}

void FaultSimulation::start_threads() {
  threads_ = true;
  sender_.start();
  receiver_.start();
}

void FaultSimulation::add_sas() {
  for (std::uint32_t i = 0; i < kSas; ++i) {
    Sa sa;
    sa.spi = 0x1000 + i;
    for (auto& byte : sa.keys.key) byte = static_cast<std::uint8_t>(random_());
    for (auto& byte : sa.keys.salt) byte = static_cast<std::uint8_t>(random_());
    const auto out = sender_.gateway().add(spec_of(i, sa.spi, Direction::outbound),
                                           secret_keys(sender_.secrets(), sa.keys));
    const auto in = receiver_.gateway().add(spec_of(i, sa.spi, Direction::inbound),
                                            secret_keys(receiver_.secrets(), sa.keys));
    if (!out) breach("cannot begin: " + out.error().message);
    if (!in) breach("cannot begin: " + in.error().message);
    sas_.push_back(std::move(sa));
  }
}

// ---- Traffic ------------------------------------------------------------------------------------

void FaultSimulation::send(std::uint32_t sa, std::uint32_t payload) {
  const std::size_t least = kMarker.size() + sizeof(next_id_);
  Bytes packet = udp_packet(source_of(sa), destination_of(sa), least + payload);
  std::copy(kMarker.begin(), kMarker.end(), packet.begin() + kIpAndUdp);
  std::memcpy(packet.data() + kIpAndUdp + kMarker.size(), &next_id_, sizeof(next_id_));
  ++next_id_;
  sender_.clear(sa).put(std::move(packet));
}

void FaultSimulation::turn() {
  sender_.turn();
  carry();
  receiver_.turn();
  for (const auto& ends : receiver_.clears()) {
    for (const Bytes& packet : ends->take()) judge_clear(packet);
  }
}

// Takes what the sender put on the wire, judges it, and gives it to the receiver.
void FaultSimulation::carry() {
  for (const auto& ends : sender_.wires()) {
    for (Bytes& packet : ends->take()) {
      seen_on_wire_.push_back({judge_wire(packet), packet});
      if (seen_on_wire_.size() > 500) seen_on_wire_.pop_front();
      const std::uint32_t spi = spi_of(packet);
      receiver_.wire(spi).put(std::move(packet));
    }
  }
  for (const auto& ends : sender_.clears()) {
    if (!ends->take().empty()) breach("the sender gave back packets in the clear");
  }
  for (const auto& ends : receiver_.wires()) {
    if (!ends->take().empty()) breach("the receiver put something on the wire");
  }
}

// Gives the packet's id.
std::uint64_t FaultSimulation::judge_wire(const Bytes& packet) {
  if (shows_plaintext(packet)) breach("law 3: plaintext on the wire");
  const auto sa = std::ranges::find(sas_, spi_of(packet), &Sa::spi);
  if (sa == sas_.end()) return breach("law 3: something on the wire that is no ESP of ours"), 0;
  const auto opened = EspOracle(sa->keys).open(packet);
  if (!opened) return breach("the oracle does not open a packet of the sender"), 0;
  if (opened->sequence <= sa->last_on_wire) {
    breach("law 4: sequence " + std::to_string(opened->sequence) + " on the wire after " +
           std::to_string(sa->last_on_wire));
  }
  sa->last_on_wire = opened->sequence;
  const std::uint64_t id = id_of(opened->inner);
  if (!sa->arrivals.empty() && id <= sa->arrivals.back()) breach("law 4: the sender reordered");
  sa->arrivals.push_back(id);
  return id;
}

void FaultSimulation::judge_clear(const Bytes& packet) {
  const std::uint64_t id = id_of(packet);
  if (!delivered_.insert(id).second) return breach("law 2: a replay was accepted");
  // Where the first copy was dropped (its device failed), a later one may be accepted, late.
  if (replayed_.contains(id)) return;
  for (Sa& sa : sas_) {
    const auto it = std::ranges::lower_bound(sa.arrivals, id);
    if (it == sa.arrivals.end() || *it != id) continue;
    const auto index = static_cast<std::size_t>(it - sa.arrivals.begin());
    if (index < sa.delivered_up_to) breach("law 4: the receiver reordered");
    sa.delivered_up_to = index + 1;
    return;
  }
  breach("the receiver delivered what nobody sent");
}

void FaultSimulation::replay_something() {
  for (std::uint64_t i = random(20); i > 0 && !seen_on_wire_.empty(); --i) {
    const auto& [id, packet] = seen_on_wire_[random(seen_on_wire_.size())];
    replayed_.insert(id);
    receiver_.wire(spi_of(packet)).put(packet);
    ++replays_;
  }
}

// ---- Faults -------------------------------------------------------------------------------------

// Lies that no framework can see (DONE without work) are left out: they are the device's own law.
void FaultSimulation::inject_fault() {
  SimGateway& gateway = one_in(2) ? sender_ : receiver_;
  const std::size_t backend = one_in(4) ? 1 : 0;
  mock::FakeControl& device = gateway.device(backend);
  const auto told = [&](const char* what) {
    note(std::string(&gateway == &sender_ ? "sender " : "receiver ") +
         (backend == 0 ? "card: " : "openssl: ") + what);
  };
  const auto some = [&] { return 1 + random(20); };
  switch (random(17)) {
    case 0:
      return told("fails ops"), device.misbehave(Fault::fail, some(), random(50));
    case 1:
      return told("claims bad ICVs"), device.misbehave(Fault::bad_icv, some(), random(50));
    case 2:
      return told("leaves ops pending"), device.misbehave(Fault::leave_pending);
    case 3:
      return told("completes twice"), device.misbehave(Fault::twice, 1, random(50));
    case 4:
      return told("completes a foreign op"), device.misbehave(Fault::foreign, 1, random(50));
    case 5:
      return told("lost"), device.lose();
    case 6:
      return told("lost in a burst"), device.lose_after(random(60));
    case 7:
      return told("unplugged"), device.unplug();
    case 8:
      return told("plugged in"), device.plug_in();
    case 9:
      return told("recovers"), device.recover();
    case 10:
      return told("holds completions"), device.hold_completions();
    case 11:
      return told("releases completions"), device.release_completions();
    case 12:
      return told("takes few ops"),
             device.accept_at_most(1 + static_cast<std::uint32_t>(random(5)));
    case 13:
      told("completes late and in disorder");
      device.set_poll_delay(random(4));
      return device.set_order(one_in(2) ? mock::Order::reverse : mock::Order::random, random_());
    case 14:
      told("refuses sessions");
      return device.refuse(Call::session_open, one_in(2) ? ESPALIER_TRANSIENT : ESPALIER_CAPACITY,
                           "not now", some());
    case 15:
      told("refuses queues");
      return device.refuse(Call::queue_open, one_in(2) ? ESPALIER_LOST : ESPALIER_TRANSIENT,
                           "no queue", some());
    default:
      return told("does not quiesce"),
             device.refuse(Call::quiesce, ESPALIER_TRANSIENT, "busy", some());
  }
}

void FaultSimulation::repair(SimGateway& gateway, std::size_t backend) {
  gateway.device(backend).heal();
  gateway.device(backend).emit(ESPALIER_EVENT_CAPACITY_FREED);
}

void FaultSimulation::step() {
  if (one_in(3)) inject_fault();
  for (auto* gateway : {&sender_, &receiver_}) {
    for (std::size_t b = 0; b < gateway->backends(); ++b) {
      if (one_in(20)) repair(*gateway, b);
    }
  }
  for (std::uint64_t i = random(40); i > 0; --i) {
    send(static_cast<std::uint32_t>(random(kSas)), static_cast<std::uint32_t>(random(1300)));
  }
  for (std::uint64_t i = 1 + random(4); i > 0; --i) {
    turn();
    if (one_in(8)) replay_something();
    // A lost card may write into what it still has; nobody else may be using it.
    for (auto* gateway : {&sender_, &receiver_}) {
      for (std::size_t b = 0; b < gateway->backends(); ++b) gateway->device(b).scribble();
    }
  }
  for (auto* gateway : {&sender_, &receiver_}) {
    gateway->pass(std::chrono::milliseconds(random(400)));
    if (!one_in(3)) continue;
    for (const GatewayEvent& event : gateway->tend()) {
      if (event.text.find(" moved from ") != std::string::npos) ++moves_;
      note("  " + event.text.substr(0, event.text.find('\n')));
    }
  }
}

void FaultSimulation::hang() {
  sender_.device(0).hold_completions();
  note("sender card: hangs");
  for (int tries = 0; tries < 20; ++tries) {
    for (std::uint32_t sa = 0; sa < kSas; ++sa) send(sa, 100);
    turn();
    sender_.pass(100ms);
    for (const GatewayEvent& event : sender_.tend()) {
      note("  " + event.text.substr(0, event.text.find('\n')));
      if (event.text.find("completed none") != std::string::npos) return;
    }
  }
  breach("a device that hangs was not noticed");
}

void FaultSimulation::refuse_queues() {
  sender_.device(0).lose();
  sender_.device(0).recover();
  sender_.device(0).refuse(Call::queue_open, ESPALIER_CAPACITY, "every queue is in use");
  for (int i = 0; i < 20; ++i) {
    turn();
    sender_.pass(400ms);
    for (const GatewayEvent& event : sender_.tend()) note("  " + event.text);
  }
}

// ---- The end ------------------------------------------------------------------------------------

void FaultSimulation::settle() {
  for (auto* gateway : {&sender_, &receiver_}) {
    for (std::size_t b = 0; b < gateway->backends(); ++b) repair(*gateway, b);
  }
  note("all is well again");
  // Longer than the longest quarantine, twice: what the first round finds lost is probed in the
  // second. Turns in between let workers notice, move, and let go.
  // On threads, workers take their turns when they like: they get some more time.
  const int rounds = threads_ ? 12 : 4;
  for (int round = 0; round < rounds; ++round) {
    for (std::uint32_t sa = 0; sa < kSas; ++sa) send(sa, 100);
    for (int i = 0; i < 50; ++i) turn();
    for (auto* gateway : {&sender_, &receiver_}) {
      gateway->pass(round < 4 ? 301s : 1s);
      for (const GatewayEvent& event : gateway->tend()) {
        note("  " + event.text.substr(0, event.text.find('\n')));
      }
    }
  }
  for (int i = 0; i < 50; ++i) turn();
}

std::size_t FaultSimulation::lost_of_a_healthy_round(std::uint32_t packets_each) {
  const std::uint64_t first = next_id_;
  const std::size_t all = packets_each * kSas;
  for (std::uint32_t i = 0; i < packets_each; ++i) {
    for (std::uint32_t sa = 0; sa < kSas; ++sa) send(sa, i);
    for (int turns = 0; turns < 4; ++turns) turn();
  }
  const auto arrived = [&] {
    return static_cast<std::size_t>(std::distance(delivered_.lower_bound(first), delivered_.end()));
  };
  for (int turns = 0; turns < 5000 && arrived() < all; ++turns) turn();
  return all - arrived();
}

Device FaultSimulation::sender_device(const std::string& backend) {
  const Inventory inventory = sender_.gateway().inventory();
  const auto it = std::ranges::find(inventory.backends, backend, &BackendInfo::name);
  return it == inventory.backends.end() || it->devices.empty() ? Device{} : it->devices.front();
}

std::vector<std::string> FaultSimulation::homeless() {
  std::vector<std::string> found;
  for (auto* gateway : {&sender_, &receiver_}) {
    const Inventory inventory = gateway->gateway().inventory();
    for (const GatewaySa& sa : gateway->gateway().list()) {
      bool works = false;
      for (const auto& backend : inventory.backends) {
        for (const auto& device : backend.devices) {
          works = works || (backend.name == sa.status.backend && device.name == sa.status.device &&
                            device.state == DeviceState::up);
        }
      }
      if (!works) found.push_back(sa.spec.name + " on " + sa.status.backend);
    }
  }
  return found;
}

std::vector<std::string> FaultSimulation::breaches() const {
  std::vector<std::string> all(breaches_.begin(), breaches_.end());
  if (const auto repeated = trace_->repeated_iv()) {
    all.push_back("law 1: sequence " + std::to_string(repeated->sequence) + " was given to " +
                  repeated->device + " though a device had it before");
  }
  for (const auto* gateway : {&sender_, &receiver_}) {
    for (std::size_t b = 0; b < gateway->backends(); ++b) {
      std::ranges::copy(gateway->device(b).violations(), std::back_inserter(all));
    }
  }
  return all;
}

std::string FaultSimulation::history() const {
  std::string text = "what happened:\n";
  for (const auto& line : history_) text += line + '\n';
  return text;
}

}  // namespace espalier::test
