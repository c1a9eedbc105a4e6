// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>

#include "gateway/site_view.hpp"
#include "io/capture_frame.hpp"

#include <cstdint>
#include <optional>
#include <set>

namespace espalier {

// Which packets of a capture are a site's to encrypt, or to decrypt: a capture of a tunnel has both
// directions, and perhaps the traffic of others.
class CaptureSide {
 public:
  // `inbound_spis`: of the SAs that are to decrypt.
  CaptureSide(const GatewayConfig& config, std::set<std::uint32_t> inbound_spis);

  // Why an ESP packet is not the site's to decrypt; nothing if it is. One to its own address always
  // is, and so is one of its SPIs from another: the capture may be from beyond a NAT.
  std::optional<io::NoPacket> not_to_decrypt(const io::OuterPacket& packet) const;
  // Whether an inner packet goes from the site's networks to its peers'.
  bool is_outbound(const io::OuterPacket& packet) const;
  // Why an inner packet is not the site's to encrypt.
  std::optional<io::NoPacket> not_to_encrypt(const io::OuterPacket& packet) const;

 private:
  bool is_inbound(const io::OuterPacket& packet) const;

  IpAddress outer_;
  std::set<IpAddress> peers_;
  std::set<IpPrefix> local_, remote_;  // outermost
  std::set<std::uint32_t> inbound_spis_;
};

}  // namespace espalier
