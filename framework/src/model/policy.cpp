// SPDX-License-Identifier: Apache-2.0
#include <espalier/policy.hpp>

#include <algorithm>

namespace espalier {

bool RuleMatch::matches(const SaSpec& sa) const noexcept {
  if (!transforms.empty() && std::ranges::find(transforms, sa.transform) == transforms.end())
    return false;
  const auto holds_peer = [&](const IpPrefix& prefix) { return prefix.contains(sa.peer.address); };
  if (!peers.empty() && std::ranges::none_of(peers, holds_peer)) return false;
  if (direction && *direction != sa.direction) return false;
  if (traffic_class && *traffic_class != sa.traffic_class) return false;
  return !interface || *interface == sa.interface;
}

const char* to_string(Fallback fallback) noexcept {
  switch (fallback) {
    case Fallback::next:
      return "next";
    case Fallback::software:
      return "software";
    case Fallback::fail:
      return "fail";
  }
  return "unknown";
}

}  // namespace espalier
