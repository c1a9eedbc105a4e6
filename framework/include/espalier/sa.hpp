// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>
#include <espalier/rare.hpp>
#include <espalier/transform.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

// Values are those of abi.h.
enum class Direction : std::uint8_t { outbound = 1, inbound = 2 };
enum class Mode : std::uint8_t { tunnel = 1, transport = 2 };
enum class Encapsulation : std::uint8_t { none = 1, udp = 2 };
enum class Dataplane : std::uint8_t { kernel = 1, userspace = 2 };

// Which inner packets an SA carries (RFC 4301 4.4.1.1): `source` and `destination` as seen on the
// packet itself, in whichever direction it flows.
struct TrafficSelector {
  IpPrefix source;
  IpPrefix destination;
  std::uint8_t protocol = 0;  // 0: any
  std::uint16_t source_port_low = 0, source_port_high = 0xffff;
  std::uint16_t destination_port_low = 0, destination_port_high = 0xffff;

  friend bool operator==(const TrafficSelector&, const TrafficSelector&) = default;
};

// What the outer header takes from the inner one in tunnel mode (RFC 4301 5.1.2, RFC 6040 4.1).
// In transport mode there is one header, and it keeps what it has.
struct OuterHeader {
  enum class DontFragment : std::uint8_t { copy = 1, set, clear };

  std::optional<std::uint8_t> dscp{};  // 0 to 63; nothing: the inner packet's
  bool ecn = true;                   // outbound: congestion marks are carried
  DontFragment dont_fragment = DontFragment::copy;

  friend bool operator==(const OuterHeader&, const OuterHeader&) = default;
};

// How much an SA may carry, and for how long (RFC 4301 4.4.2.1); 0: no limit. At a soft limit it is
// told, at a hard one nothing more passes. Bytes are those of inner packets.
struct Lifetime {
  std::uint64_t soft_bytes = 0, hard_bytes = 0;
  std::uint64_t soft_packets = 0, hard_packets = 0;
  std::uint32_t soft_seconds = 0, hard_seconds = 0;

  friend bool operator==(const Lifetime&, const Lifetime&) = default;
};

inline constexpr std::uint32_t kMinSpi = 256;  // 0 is local, 1 to 255 are IANA's (RFC 4303 2.1)
inline constexpr std::uint32_t kMinReplayWindow = 32;
inline constexpr std::uint32_t kMaxReplayWindow = 4096;

// One security association, one direction, without its keys: what selection looks at.
struct SaSpec {
  std::string name;  // unique; for people and for the control socket
  Direction direction = Direction::outbound;
  std::uint32_t spi = 0;
  Transform transform;
  Mode mode = Mode::tunnel;
  Encapsulation encapsulation = Encapsulation::udp;
  bool esn = true;
  std::uint32_t replay_window = 1024;  // inbound; packets
  Endpoint local;                      // of the outer header, this machine's end
  Endpoint peer;                       // the other end
  std::string traffic_class;           // free text that rules match on, or ""
  std::string interface;               // network interface towards the peer, or ""
  bool follow_peer = false;            // UDP only: where authentic packets come from, ours go
  OuterHeader outer{};
  Rare<Lifetime> lifetime{};
  std::vector<TrafficSelector> selectors;

  Family family() const noexcept { return peer.address.family; }
  friend bool operator==(const SaSpec&, const SaSpec&) = default;
};

const char* to_string(Direction direction) noexcept;             // "outbound"
const char* to_string(Mode mode) noexcept;                       // "tunnel"
const char* to_string(Encapsulation encapsulation) noexcept;     // "udp"
const char* to_string(Dataplane dataplane) noexcept;             // "userspace"
const char* to_string(Family family) noexcept;                   // "ipv4"
const char* to_string(OuterHeader::DontFragment what) noexcept;  // "copy"
std::string to_string(const TrafficSelector& selector);  // "10.0.0.0/8 -> 0.0.0.0/0 proto any"

// Checks what must hold for any SA: SPI from 256, replay window 32 to 4096, equal families of the
// outer endpoints, at least one selector, a transform of the table, a nonzero name; that soft
// limits come before hard ones; and that a transport mode SA carries just what passes between its
// ends.
Result<void> validate(const SaSpec& sa);

}  // namespace espalier
