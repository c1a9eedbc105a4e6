// SPDX-License-Identifier: Apache-2.0
#include "esp/layout.hpp"

#include "esp/ip_header.hpp"

namespace espalier::esp {

Result<EspLayout> layout_of(const Transform& transform) {
  const TransformInfo* info = transform_info(transform);
  if (info == nullptr) {
    return fail(ErrorCode::unsupported,
                to_string(transform) + " is not a transform that ESP can use");
  }
  return EspLayout{info->iv_bytes, info->block_bytes, transform.icv_bytes,
                   is_counter_mode(transform.cipher)};
}

std::uint32_t longest_inner(const SaSpec& sa, const EspLayout& layout,
                            std::uint32_t path_mtu) noexcept {
  const std::uint32_t ip = ip_header_bytes(sa.family());
  const std::uint32_t udp = sa.encapsulation == Encapsulation::udp ? kUdpHeader : 0;
  const std::uint32_t around = ip + udp + layout.header_bytes() + layout.icv_bytes;
  if (path_mtu < around + layout.block_bytes) return 0;
  const std::uint32_t body = (path_mtu - around) & ~(layout.block_bytes - 1u);
  return body - kEspTrailer + (sa.mode == Mode::transport ? ip : 0);
}

std::uint32_t least_path_mtu(Family family) noexcept {
  return family == Family::ipv4 ? 576 : kMinIpv6Mtu;
}

}  // namespace espalier::esp
