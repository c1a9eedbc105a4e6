// SPDX-License-Identifier: Apache-2.0
#include "model/prefix_cover.hpp"

#include <iterator>

namespace espalier {

bool covers(const IpPrefix& outer, const IpPrefix& inner) noexcept {
  return outer.length <= inner.length && outer.contains(inner.address);
}

IpPrefix host(const IpAddress& address) noexcept {
  return {address, static_cast<std::uint8_t>(address.size() * 8)};
}

bool is_host(const IpPrefix& prefix) noexcept { return prefix.length == prefix.address.size() * 8; }

IpPrefix wider(IpPrefix prefix) noexcept {
  const std::size_t last = --prefix.length;
  prefix.address.bytes[last / 8] &= static_cast<std::uint8_t>(~(0x80u >> last % 8));
  return prefix;
}

std::set<IpPrefix> outermost(const std::set<IpPrefix>& prefixes) {
  PrefixCover cover;
  for (const IpPrefix& prefix : prefixes) cover.add(prefix);
  return cover.outermost();
}

// Prefixes are ordered by address, then length, so that what covers one is the last one before it,
// where none overlap.
const IpPrefix* covering(const std::set<IpPrefix>& disjoint, const IpPrefix& inner) {
  auto next = disjoint.upper_bound(inner);
  if (next == disjoint.begin()) return nullptr;
  const IpPrefix& before = *std::prev(next);
  return covers(before, inner) ? &before : nullptr;
}

CoverChange PrefixCover::add(const IpPrefix& prefix) {
  CoverChange change;
  if (counts_[prefix]++ > 0 || covering(outermost_, prefix) != nullptr) return change;
  auto inner = outermost_.lower_bound(prefix);
  while (inner != outermost_.end() && covers(prefix, *inner)) {
    change.removed.push_back(*inner);
    inner = outermost_.erase(inner);
  }
  outermost_.insert(inner, prefix);
  change.added.push_back(prefix);
  return change;
}

CoverChange PrefixCover::remove(const IpPrefix& prefix) {
  CoverChange change;
  const auto found = counts_.find(prefix);
  if (found == counts_.end() || --found->second > 0) return change;
  auto inner = counts_.erase(found);
  if (outermost_.erase(prefix) == 0) return change;
  change.removed.push_back(prefix);
  for (; inner != counts_.end() && covers(prefix, inner->first); ++inner) {
    if (!change.added.empty() && covers(change.added.back(), inner->first)) continue;
    change.added.push_back(inner->first);
    outermost_.insert(inner->first);
  }
  return change;
}

}  // namespace espalier
