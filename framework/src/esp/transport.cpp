// SPDX-License-Identifier: Apache-2.0
#include "esp/transport.hpp"

#include "esp/bytes.hpp"
#include "esp/ip_header.hpp"

namespace espalier::esp {

namespace {

void renew_checksum(const IpHeader& header, std::span<std::uint8_t> payload) noexcept {
  const bool tcp = header.protocol == kTcp && payload.size() >= kTcpHeader;
  const bool udp = header.protocol == kUdp && payload.size() >= kUdpHeader;
  if (!tcp && !udp) return;
  std::uint8_t* field = payload.data() + (tcp ? kTcpChecksum : kUdpChecksum);
  store_be16(field, 0);
  if (udp && header.source.family == Family::ipv4) return;  // none is needed
  const std::uint16_t checksum = upper_checksum(header, payload);
  store_be16(field, udp && checksum == 0 ? 0xffff : checksum);
}

}  // namespace

void restore_ip_header(Packet& packet, const InboundSa& sa, std::uint8_t protocol) noexcept {
  const IpHeader header{sa.spec.peer.address, sa.spec.local.address, protocol, packet.wire.tos,
                        packet.wire.dont_fragment};
  if (sa.spec.encapsulation == Encapsulation::udp) renew_checksum(header, packet.view());
  const std::uint32_t bytes = ip_header_bytes(header.source.family);
  packet.offset -= bytes;
  write_ip_header(packet.data(), header, packet.length);
  packet.length += bytes;
}

}  // namespace espalier::esp
