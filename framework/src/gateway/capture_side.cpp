// SPDX-License-Identifier: Apache-2.0
#include "gateway/capture_side.hpp"

#include "esp/bytes.hpp"
#include "esp/ip_fields.hpp"
#include "model/prefix_cover.hpp"

#include <utility>

namespace espalier {
namespace {

using io::NoPacket;

// Source and destination of an IP packet that was found whole.
std::pair<IpAddress, IpAddress> addresses_of(std::span<const std::uint8_t> ip) {
  const bool ipv4 = ip[0] >> 4 == 4;
  const Family family = ipv4 ? Family::ipv4 : Family::ipv6;
  const std::uint8_t* source = &ip[ipv4 ? esp::kIpv4Addresses : esp::kIpv6Addresses];
  return {IpAddress::from_bytes(family, source),
          IpAddress::from_bytes(family, source + (ipv4 ? 4 : 16))};
}

}  // namespace

CaptureSide::CaptureSide(const GatewayConfig& config, std::set<std::uint32_t> inbound_spis)
    : outer_(config.sites.at(config.site).outer.address), inbound_spis_(std::move(inbound_spis)) {
  const SiteReach reach = reach_of(config);
  peers_ = reach.peers;
  local_ = outermost(reach.networks.local);
  remote_ = outermost(reach.networks.remote);
}

std::optional<NoPacket> CaptureSide::not_to_decrypt(const io::OuterPacket& packet) const {
  const IpAddress& to = packet.wire.local.address;
  const IpAddress& from = packet.wire.peer.address;
  if (to == outer_) return std::nullopt;
  if (from == outer_) return NoPacket::other_direction;
  if (packet.esp.size() >= 4 && inbound_spis_.contains(esp::load_be32(packet.esp.data())))
    return std::nullopt;
  return peers_.contains(to) ? NoPacket::other_direction : NoPacket::of_others;
}

bool CaptureSide::is_outbound(const io::OuterPacket& packet) const {
  const auto [from, to] = addresses_of(packet.esp);
  return covering(local_, host(from)) != nullptr && covering(remote_, host(to)) != nullptr;
}

bool CaptureSide::is_inbound(const io::OuterPacket& packet) const {
  const auto [from, to] = addresses_of(packet.esp);
  return covering(remote_, host(from)) != nullptr && covering(local_, host(to)) != nullptr;
}

// What belongs to neither direction stays: that no SA protects it is for the engine to say.
std::optional<NoPacket> CaptureSide::not_to_encrypt(const io::OuterPacket& packet) const {
  if (!is_inbound(packet) || is_outbound(packet)) return std::nullopt;
  return NoPacket::other_direction;
}

}  // namespace espalier
