// SPDX-License-Identifier: Apache-2.0
#include <espalier/recipe.hpp>
#include <espalier/sa.hpp>

#include "model/prefix_cover.hpp"

#include <fmt/format.h>

namespace espalier {
namespace {

std::string port_text(std::uint16_t low, std::uint16_t high) {
  if (low == 0 && high == 0xffff) return "";
  return low == high ? fmt::format(" port {}", low) : fmt::format(" port {}-{}", low, high);
}

std::unexpected<Error> bad(const SaSpec& sa, const std::string& what) {
  return fail(ErrorCode::invalid, fmt::format("SA '{}': {}", sa.name, what));
}

Result<void> validate(const SaSpec& sa, const TrafficSelector& selector) {
  if (selector.source.address.family != selector.destination.address.family)
    return bad(sa, fmt::format("the selector {} mixes IPv4 and IPv6", to_string(selector)));
  if (selector.source_port_low > selector.source_port_high ||
      selector.destination_port_low > selector.destination_port_high)
    return bad(sa, fmt::format("the selector {} has a port range that ends before it starts",
                               to_string(selector)));
  return {};
}

// In transport mode the outer addresses are the packet's own (RFC 4301 4.1).
Result<void> validate_transport(const SaSpec& sa) {
  const bool outbound = sa.direction == Direction::outbound;
  const IpPrefix source = host(outbound ? sa.local.address : sa.peer.address);
  const IpPrefix destination = host(outbound ? sa.peer.address : sa.local.address);
  for (const TrafficSelector& selector : sa.selectors) {
    if (selector.source == source && selector.destination == destination) continue;
    return bad(sa, fmt::format("in transport mode it can carry only what passes between its own "
                               "ends, {} -> {}, and not {}; correct the selector, or use tunnel "
                               "mode",
                               to_string(source), to_string(destination), to_string(selector)));
  }
  return {};
}

Result<void> validate_lifetime(const SaSpec& sa) {
  const auto check = [&](std::uint64_t soft, std::uint64_t hard,
                         std::string_view unit) -> Result<void> {
    if (hard == 0 || soft <= hard) return {};
    return bad(sa,
               fmt::format("its soft limit of {0} {2} comes after its hard one of {1} {2}; make "
                           "it less, so that there is time to rekey",
                           soft, hard, unit));
  };
  const Lifetime& life = *sa.lifetime;
  if (auto checked = check(life.soft_bytes, life.hard_bytes, "bytes"); !checked) return checked;
  if (auto checked = check(life.soft_packets, life.hard_packets, "packets"); !checked)
    return checked;
  return check(life.soft_seconds, life.hard_seconds, "seconds");
}

}  // namespace

const char* to_string(Direction direction) noexcept {
  return direction == Direction::outbound ? "outbound" : "inbound";
}

const char* to_string(Mode mode) noexcept { return mode == Mode::tunnel ? "tunnel" : "transport"; }

const char* to_string(Encapsulation encapsulation) noexcept {
  return encapsulation == Encapsulation::none ? "none" : "udp";
}

const char* to_string(Offload offload) noexcept {
  constexpr const char* names[] = {"none", "crypto", "packet"};
  return names[static_cast<std::size_t>(offload)];
}

const char* to_string(Dataplane dataplane) noexcept {
  return dataplane == Dataplane::kernel ? "kernel" : "userspace";
}

const char* to_string(Family family) noexcept { return family == Family::ipv4 ? "ipv4" : "ipv6"; }

const char* to_string(OuterHeader::DontFragment what) noexcept {
  constexpr const char* names[] = {"copy", "set", "clear"};
  return names[static_cast<unsigned>(what) - 1];
}

std::string to_string(const TrafficSelector& selector) {
  const std::string protocol =
      selector.protocol == 0 ? "any" : fmt::format("{}", selector.protocol);
  return fmt::format("{}{} -> {}{} proto {}", to_string(selector.source),
                     port_text(selector.source_port_low, selector.source_port_high),
                     to_string(selector.destination),
                     port_text(selector.destination_port_low, selector.destination_port_high),
                     protocol);
}

Result<void> validate(const SaSpec& sa) {
  if (sa.name.empty()) return bad(sa, "it has no name; give it a unique one");
  if (sa.spi < kMinSpi)
    return bad(
        sa, fmt::format("SPI {} is reserved (RFC 4303 2.1); take one from {} up", sa.spi, kMinSpi));
  if (sa.replay_window < kMinReplayWindow || sa.replay_window > kMaxReplayWindow)
    return bad(sa, fmt::format("a replay window of {} packets is out of range; take {} to {}",
                               sa.replay_window, kMinReplayWindow, kMaxReplayWindow));
  if (sa.local.address.family != sa.peer.address.family)
    return bad(sa, fmt::format("its ends {} and {} must be of one IP version",
                               to_string(sa.local.address), to_string(sa.peer.address)));
  if (transform_info(sa.transform) == nullptr)
    return bad(sa,
               fmt::format("{} is not a transform that Espalier knows", to_string(sa.transform)));
  if (sa.selectors.empty())
    return bad(sa, "it has no traffic selector, so it could carry nothing; give it one");
  for (const TrafficSelector& selector : sa.selectors)
    if (auto checked = validate(sa, selector); !checked) return checked;
  if (sa.follow_peer && sa.encapsulation != Encapsulation::udp)
    return bad(sa,
               "only an SA in UDP can follow its peer through a NAT; set its encapsulation to "
               "udp, or do not let it follow");
  if (sa.outer.dscp && *sa.outer.dscp > 63)
    return bad(sa, fmt::format("a DSCP of {} is out of range; take 0 to 63", *sa.outer.dscp));
  if (sa.mode == Mode::transport)
    if (auto checked = validate_transport(sa); !checked) return checked;
  return validate_lifetime(sa);
}

}  // namespace espalier
