// SPDX-License-Identifier: Apache-2.0
//
// Whether the longest inner packets still fit the usual path of 1500 bytes when ESP is around them.
#include <fmt/format.h>

#include <map>
#include <optional>

#include "config/draft.hpp"

namespace espalier::config {
namespace {

constexpr std::uint32_t kUsualPath = 1500;
constexpr std::uint32_t kUdp = 8, kEspHeader = 8, kEspTrailer = 2;

std::uint32_t on_wire(std::uint32_t inner, const TunnelDraft& tunnel, Family outer) {
  const TransformInfo& transform = *tunnel.transform;
  const std::uint32_t ip = outer == Family::ipv4 ? 20 : 40;
  const std::uint32_t udp = tunnel.tunnel.encapsulation == Encapsulation::udp ? kUdp : 0;
  const std::uint32_t payload = inner - (tunnel.tunnel.mode == Mode::transport ? ip : 0);
  const std::uint32_t block = transform.block_bytes;
  const std::uint32_t encrypted = (payload + kEspTrailer + block - 1) / block * block;
  return ip + udp + kEspHeader + transform.iv_bytes + encrypted + transform.transform.icv_bytes;
}

}  // namespace

void check_mtu(const ConfigDraft& draft, Findings& findings) {
  if (draft.gateway.dataplane != Dataplane::userspace) return;
  struct Narrowest {
    std::uint32_t inner = 0;
    const TunnelDraft* tunnel = nullptr;
  };
  // Longer than the usual path: whoever writes that has another one.
  std::map<std::string_view, std::pair<const SiteDraft*, Narrowest>> sites;
  for (const SiteDraft& site : draft.sites)
    if (site.mtu_at && site.site.tun_mtu <= kUsualPath)
      sites.emplace(site.site.name, std::pair{&site, Narrowest{site.site.tun_mtu}});
  for (const TunnelDraft& tunnel : draft.tunnels)
    for (const auto& end : tunnel.sites)
      if (const auto found = sites.find(end.value); found != sites.end() && tunnel.transform) {
        auto& [site, narrowest] = found->second;
        while (on_wire(narrowest.inner, tunnel, site->site.outer.address.family) > kUsualPath) {
          --narrowest.inner;
          narrowest.tunnel = &tunnel;
        }
      }
  for (const auto& [name, one] : sites) {
    const auto& [site, narrowest] = one;
    if (narrowest.tunnel == nullptr) continue;
    findings.warning(
        *site->mtu_at,
        fmt::format("'mtu' is {}, but with ESP around them only packets of up to {} bytes fit a "
                    "path of {} (tunnel '{}'): longer ones are fragmented on their way, or lost; "
                    "write {} unless all paths take more",
                    site->site.tun_mtu, narrowest.inner, kUsualPath, narrowest.tunnel->tunnel.name,
                    narrowest.inner));
  }
}

}  // namespace espalier::config
