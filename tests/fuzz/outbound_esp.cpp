// SPDX-License-Identifier: Apache-2.0
//
// Inner packets on their way out: what is made of them the peer opens to the same packets again,
// for each kind of transform, both modes, both IP versions outside, over UDP and raw; with dummies
// between them. And what is refused is as it was and has used no number.
#include "esp/bytes.hpp"
#include "esp/inbound.hpp"
#include "esp/ip_fields.hpp"
#include "esp/outbound.hpp"
#include "fuzz.hpp"
#include "io/memory_port.hpp"

#include <espalier/engine.hpp>
#include <espalier/registry.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

using namespace espalier;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kSpi = 0x1000;
// One of each block size, IV, and ICV that there is.
constexpr const char* kTransforms[] = {"aes256gcm16", "aes128gcm8",      "chacha20poly1305",
                                       "aes256gmac",  "aes128-sha256",   "3des-md5",
                                       "null-sha512", "aes192ctr-sha384"};

// What the first two bytes of an input choose.
struct Way {
  explicit Way(std::uint8_t a, std::uint8_t b)
      : transform(a % std::size(kTransforms)),
        transport((a & 8) != 0),
        six((a & 16) != 0),
        udp((a & 32) != 0),
        esn((a & 64) != 0),
        dummy((a & 128) != 0),
        fixed_dscp((b & 1) != 0),
        ecn((b & 2) != 0),
        fragment(b >> 2 & 3) {}
  auto operator<=>(const Way&) const = default;

  std::size_t transform;
  bool transport, six, udp, esn, dummy, fixed_dscp, ecn;
  int fragment;
};

const char* end(const Way& way, bool local) {
  if (way.six) return local ? "2001:db8::1" : "2001:db8::2";
  return local ? "192.0.2.1" : "192.0.2.2";
}

SaSpec spec(const Way& way, Direction direction) {
  const bool out = direction == Direction::outbound;
  SaSpec sa;
  sa.name = "sa";
  sa.direction = direction;
  sa.spi = kSpi;
  sa.transform = find_transform(kTransforms[way.transform]).value()->transform;
  sa.mode = way.transport ? Mode::transport : Mode::tunnel;
  sa.encapsulation = way.udp ? Encapsulation::udp : Encapsulation::none;
  sa.esn = way.esn;
  sa.local = {IpAddress::parse(end(way, out)).value(), 4500};
  sa.peer = {IpAddress::parse(end(way, !out)).value(), 4500};
  if (way.fixed_dscp) sa.outer.dscp = 10;
  sa.outer.ecn = way.ecn;
  sa.outer.dont_fragment = static_cast<OuterHeader::DontFragment>(1 + way.fragment % 3);
  for (const char* any : {"0.0.0.0/0", "::/0"}) {
    if (way.transport) {
      sa.selectors = {
          {IpPrefix::parse(end(way, true)).value(), IpPrefix::parse(end(way, false)).value()}};
    } else {
      sa.selectors.push_back({IpPrefix::parse(any).value(), IpPrefix::parse(any).value()});
    }
  }
  return sa;
}

template <class T>
T must(Result<T> result) {
  fuzz::require(result.has_value(), result ? "" : result.error().message.c_str());
  return std::move(*result);
}

struct Host {
  std::unique_ptr<PacketPort> clear, wire;  // the test's ends
  std::unique_ptr<Engine> engine;

  Host(Registry& registry, SecretPool& secrets, const SaSpec& sa) {
    auto [clear_inside, clear_outside] = make_memory_ports();
    auto [wire_inside, wire_outside] = make_memory_ports();
    clear = std::move(clear_outside);
    wire = std::move(wire_outside);
    std::vector<WorkerPorts> ports;
    ports.push_back({std::move(clear_inside), std::move(wire_inside)});
    engine = must(Engine::create({.slots = 8, .burst = 4}, std::move(ports)));
    const TransformInfo& info = *transform_info(sa.transform);
    const auto key = [&](std::size_t size, std::uint8_t first) {
      Bytes bytes(size);
      std::iota(bytes.begin(), bytes.end(), first);
      return must(SecretBytes::copy(secrets, bytes));
    };
    const SaKeys keys{key(info.cipher_key_bytes, 1), key(info.salt_bytes, 2),
                      key(info.integrity_key_bytes, 3)};
    const auto device = must(registry.open("openssl", "cpu"));
    fuzz::require(engine->add(sa, must(device->open_session(sa, keys))).has_value(), "an SA");
  }
  std::uint64_t drops(Drop reason) const { return engine->drops()[std::size_t(reason)]; }
  std::uint64_t drops() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : engine->drops()) sum += count;
    return sum;
  }
};

struct Hosts {
  explicit Hosts(const Way& way)
      : sender(*registry(), *secrets(), spec(way, Direction::outbound)),
        receiver(*registry(), *secrets(), spec(way, Direction::inbound)) {}
  static SecretPool* secrets() {
    static SecretPool* const pool = must(SecretPool::create()).release();
    return pool;
  }
  static Registry* registry() {
    static Registry* const loaded = [] {
      auto made = must(Registry::load({}, *secrets()));
      fuzz::require(made->add_builtin("openssl", espalier_plugin_openssl).has_value(), "openssl");
      return made.release();
    }();
    return loaded;
  }
  Host sender, receiver;
};

struct OwnPacket {
  explicit OwnPacket(fuzz::Input bytes = {})
      : memory(kHeadroom + kMaxPacket + kTailroom),
        packet{memory.data(),
               static_cast<std::uint32_t>(memory.size()),
               kHeadroom,
               static_cast<std::uint32_t>(bytes.size()),
               {}} {
    std::ranges::copy(bytes, packet.data());
  }
  Bytes memory;
  Packet packet;
};

void send(PacketPort& port, Packet& packet) {
  Packet* one = &packet;
  fuzz::require(port.send({&one, 1}) == 1, "there is room");
}

bool receive(PacketPort& port, OwnPacket& into) {
  Packet* one = &into.packet;
  return port.receive({&one, 1}) == 1;
}

// In transport mode a packet has to be between the ends, which no fuzzer guesses.
void set_ends(Bytes& packet, const Way& way) {
  using namespace esp;
  const std::size_t at = way.six ? kIpv6Addresses : kIpv4Addresses;
  const auto from = IpAddress::parse(end(way, true)).value();
  const auto to = IpAddress::parse(end(way, false)).value();
  if (packet.size() < at + 2 * from.view().size()) return;
  std::ranges::copy(to.view(), std::ranges::copy(from.view(), packet.data() + at).out);
}

// What comes out at the other end of what went in. Transport mode writes the IP header anew, and
// behind a NAT the checksum.
void compare(fuzz::Input sent, fuzz::Input got, const Way& way) {
  using namespace esp;
  fuzz::require(sent.size() == got.size(), "no byte more or less");
  const auto before = parse_inner(sent), after = parse_inner(got);
  fuzz::require(before && after && before->flow == after->flow, "it is the same flow");
  if (!way.transport) {
    fuzz::require(std::ranges::equal(sent, got), "it is the same packet");
    return;
  }
  // On a path that is narrower than any should be, it is the one header's that goes.
  fuzz::require(before->dont_fragment || !after->dont_fragment, "DF is not made up");
  fuzz::require(before->tos == after->tos, "so is the traffic class");
  const std::size_t header = before->plain_header;
  Bytes a(sent.begin() + static_cast<long>(header), sent.end());
  Bytes b(got.begin() + static_cast<long>(header), got.end());
  const bool tcp = before->after_header == kTcp && a.size() >= kTcpHeader;
  const bool udp = before->after_header == kUdp && a.size() >= kUdpHeader;
  if (way.udp && (tcp || udp)) {
    for (Bytes* bytes : {&a, &b})
      store_be16(bytes->data() + (tcp ? kTcpChecksum : kUdpChecksum), 0);
  }
  fuzz::require(a == b, "the payload is the same");
}

// Not those of all ways at once, which have more descriptors than a process may.
Hosts& hosts_for(const Way& way) {
  constexpr std::size_t kMost = 32;
  static std::map<Way, std::unique_ptr<Hosts>>& all = *new std::map<Way, std::unique_ptr<Hosts>>;
  if (all.size() == kMost && !all.contains(way)) all.clear();
  std::unique_ptr<Hosts>& hosts = all[way];
  if (!hosts) hosts = std::make_unique<Hosts>(way);
  return *hosts;
}

void through_engines(const Way& way, fuzz::Input bytes) {
  auto& [sender, receiver] = hosts_for(way);
  static OwnPacket &wire = *new OwnPacket, &got = *new OwnPacket;

  const std::uint64_t dropped = sender.drops(), refused = receiver.drops();
  const std::uint64_t dummies = receiver.drops(Drop::in_dummy);
  if (way.dummy) {
    const std::uint32_t length = bytes.empty() ? 0 : bytes[0] * 16u;
    fuzz::require(sender.engine->send_dummy("sa", length).has_value(), "a dummy");
  } else {
    OwnPacket inner(bytes);
    send(*sender.clear, inner.packet);
  }
  sender.engine->turn(0);
  const bool sent = receive(*sender.wire, wire);
  fuzz::require(sent == (sender.drops() == dropped), "it is sent, or counted");
  if (!sent) {
    fuzz::require(!way.dummy, "a dummy always finds its way");
    return;
  }
  fuzz::require(!receive(*sender.wire, got), "once");
  send(*receiver.wire, wire.packet);
  receiver.engine->turn(0);
  if (way.dummy) {
    fuzz::require(!receive(*receiver.clear, got), "a dummy is not given to anybody");
    fuzz::require(receiver.drops(Drop::in_dummy) == dummies + 1, "it is counted as one");
    return;
  }
  fuzz::require(receive(*receiver.clear, got), "what is sent arrives");
  fuzz::require(receiver.drops() == refused, "and nothing is said against it");
  const auto inner = esp::parse_inner(bytes);
  fuzz::require(inner.has_value(), "only a whole packet is sent");
  compare(bytes.first(inner->length), got.packet.view(), way);
}

// The same without engine and device, where numbers and sizes can be at their ends.
void prepared(const Way& way, std::uint8_t limits, fuzz::Input bytes) {
  using namespace esp;
  static SlotPool& pool = *new SlotPool(1);
  static IvSource& ivs = *new IvSource(IvSource::create().value());
  const SaSpec out = spec(way, Direction::outbound), in = spec(way, Direction::inbound);
  const EspLayout layout = layout_of(out.transform).value();
  OutboundSa sa(out, layout, 0);
  InboundSa peer(in, layout, 0);
  Binding binding;
  sa.binding = peer.binding = &binding;
  if ((limits & 1) != 0) binding.max_length = 700;
  if ((limits & 2) != 0) sa.longest = 16u * (limits >> 3);
  // Of the last two numbers, or the last with these 32 low bits.
  if ((limits & 4) != 0)
    sa.counter = SequenceCounter(way.esn, sa.counter.last() - (limits >> 3 & 1));

  Slot& slot = *pool.take();
  slot.packet.length = static_cast<std::uint32_t>(bytes.size());
  std::ranges::copy(bytes, slot.packet.data());
  const auto inner = parse_inner(slot.packet.view());
  // The selectors see to the family, and are asked before.
  if (inner && (!way.transport || inner->flow.family() == out.family())) {
    const std::uint64_t before = sa.counter.current();
    if (prepare_outbound(slot, sa, *inner, ivs)) {
      fuzz::require(sa.counter.current() == before, "what is refused uses no number");
      fuzz::require(
          std::ranges::equal(slot.packet.view().first(inner->length), bytes.first(inner->length)),
          "and is as it was");
    } else {
      fuzz::require(sa.counter.current() == before + 1 && slot.sequence == before + 1,
                    "numbers go on by one");
      fuzz::require(slot.op.length <= binding.max_length, "no device gets more than it takes");
      fuzz::require(inner->length <= sa.longest || !slot.packet.wire.dont_fragment,
                    "what is too long for the path may be fragmented there");
      if (before == 0) {
        fuzz::require(!prepare_inbound(slot, peer), "the peer takes it");
        fuzz::require(!finish_inbound(slot, peer), "and opens it");
        compare(bytes.first(inner->length), slot.packet.view(), way);
      }
    }
  }
  pool.give_back(&slot);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 4096) return 0;
  const Way way(data[0], data[1]);
  Bytes packet(data + 3, data + size);
  if (way.transport) set_ends(packet, way);
  through_engines(way, packet);
  prepared(way, data[2], packet);
  return 0;
}
