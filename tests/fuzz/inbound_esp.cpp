// SPDX-License-Identifier: Apache-2.0
//
// ESP packets from the wire: as an attacker sends them, through an engine with real sessions; and as
// a peer does who has the keys, so that what comes after the ICV sees any bytes.
#include "esp/bytes.hpp"
#include "esp/inbound.hpp"
#include "fuzz.hpp"
#include "io/memory_port.hpp"

#include <espalier/engine.hpp>
#include <espalier/registry.hpp>

#include <algorithm>
#include <memory>
#include <vector>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

using namespace espalier;

namespace {

constexpr std::uint32_t kFirstSpi = 0x1000;
constexpr const char* kTransforms[] = {"aes256gcm16", "aes128-sha1", "null-sha256",
                                       "chacha20poly1305"};

SaSpec spec(std::uint32_t index, Mode mode) {
  SaSpec sa;
  sa.name = std::to_string(index);
  sa.direction = Direction::inbound;
  sa.spi = kFirstSpi + index;
  sa.transform = find_transform(kTransforms[index % std::size(kTransforms)]).value()->transform;
  sa.mode = mode;
  sa.esn = index % 2 == 0;
  sa.local = {IpAddress::parse("192.0.2.1").value(), 4500};
  sa.peer = {IpAddress::parse("192.0.2.2").value(), 4500};
  const bool tunnel = mode == Mode::tunnel;
  sa.selectors = {{IpPrefix::parse(tunnel ? "0.0.0.0/0" : "192.0.2.2").value(),
                   IpPrefix::parse(tunnel ? "0.0.0.0/0" : "192.0.2.1").value()}};
  if (tunnel) sa.selectors.push_back({IpPrefix::parse("::/0").value(), IpPrefix::parse("::/0").value()});
  return sa;
}

// An engine with an SA of each transform; what is sent to `wire` comes from the network.
struct Receiver {
  Receiver() {
    fuzz::require(registry->add_builtin("openssl", espalier_plugin_openssl).has_value(), "openssl");
    auto [clear_inside, clear_outside] = make_memory_ports();
    auto [wire_inside, wire_outside] = make_memory_ports();
    clear = std::move(clear_outside);
    wire = std::move(wire_outside);
    std::vector<WorkerPorts> ports;
    ports.push_back({std::move(clear_inside), std::move(wire_inside)});
    engine = Engine::create({}, std::move(ports)).value();
    for (std::uint32_t i = 0; i < std::size(kTransforms); ++i) {
      const SaSpec sa = spec(i, Mode::tunnel);
      const TransformInfo& info = *transform_info(sa.transform);
      const std::vector<std::uint8_t> key(64, static_cast<std::uint8_t>(i + 1));
      const auto of = [&](std::size_t n) {
        return SecretBytes::copy(*secrets, std::span(key).first(n)).value();
      };
      const SaKeys keys{of(info.cipher_key_bytes), of(info.salt_bytes),
                        of(info.integrity_key_bytes)};
      auto device = registry->open("openssl", "cpu").value();
      fuzz::require(engine->add(sa, device->open_session(sa, keys).value()).has_value(), "an SA");
    }
  }

  std::unique_ptr<SecretPool> secrets = SecretPool::create().value();
  std::unique_ptr<Registry> registry = Registry::load({}, *secrets).value();
  std::unique_ptr<PacketPort> clear, wire;
  std::unique_ptr<Engine> engine;
};

void as_an_attacker(Receiver& receiver, fuzz::Input input) {
  std::vector<std::uint8_t> buffer(kHeadroom + input.size() + kTailroom);
  std::ranges::copy(input, buffer.begin() + kHeadroom);
  Packet packet{buffer.data(), static_cast<std::uint32_t>(buffer.size()), kHeadroom,
                static_cast<std::uint32_t>(input.size()), {}};
  if (input.size() >= 4) {  // one of ours, more often than by chance
    esp::store_be32(packet.data(), kFirstSpi + input[3] % 8);
  }
  Packet* one = &packet;
  receiver.wire->send({&one, 1});
  receiver.engine->turn(0);
  std::vector<std::uint8_t> out(kHeadroom + kMaxPacket + kTailroom);
  Packet given{out.data(), static_cast<std::uint32_t>(out.size()), kHeadroom, 0, {}};
  Packet* place = &given;
  fuzz::require(receiver.clear->receive({&place, 1}) == 0, "nothing unauthentic comes through");
}

void as_a_peer(fuzz::Input input) {
  using namespace esp;
  static SlotPool& pool = *new SlotPool(1);
  const SaSpec sa_spec = spec(0, input[0] % 2 == 0 ? Mode::tunnel : Mode::transport);
  InboundSa sa(sa_spec, layout_of(sa_spec.transform).value(), 0);
  Binding binding;
  sa.binding = &binding;
  Slot& slot = *pool.take();
  slot.packet.wire.tos = input[0];
  const fuzz::Input body = input.subspan(1);
  const EspLayout& layout = sa.layout;
  slot.packet.length =
      static_cast<std::uint32_t>(layout.header_bytes() + body.size() + layout.icv_bytes);
  store_be32(slot.packet.data(), sa.spi);
  store_be32(slot.packet.data() + 4, 1);
  std::ranges::copy(body, slot.packet.data() + layout.header_bytes());
  if (!prepare_inbound(slot, sa) && !finish_inbound(slot, sa)) {
    const auto inner = parse_inner(slot.packet.view());
    fuzz::require(inner.has_value(), "what comes through is a whole packet");
    fuzz::require(inner->length == slot.packet.length, "and nothing behind it");
  }
  pool.give_back(&slot);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  static Receiver& receiver = *new Receiver;
  const fuzz::Input input(data, size);
  as_an_attacker(receiver, input);
  as_a_peer(input);
  return 0;
}
