// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace espalier {

// What a change of a PrefixCover did to its outermost prefixes.
struct CoverChange {
  std::vector<IpPrefix> added, removed;

  bool empty() const noexcept { return added.empty() && removed.empty(); }
};

// Prefixes that come and go, each counted as often as it was added, and the outermost of them: the
// fewest prefixes that hold the same addresses. Adding and removing take logarithmic time, but for
// what lies inside of the prefix itself.
class PrefixCover {
 public:
  CoverChange add(const IpPrefix& prefix);
  CoverChange remove(const IpPrefix& prefix);  // one that was added

  bool holds(const IpPrefix& prefix) const { return counts_.contains(prefix); }  // itself
  const std::set<IpPrefix>& outermost() const noexcept { return outermost_; }

 private:
  std::map<IpPrefix, std::uint32_t> counts_;
  std::set<IpPrefix> outermost_;
};

// Of one address.
IpPrefix host(const IpAddress& address) noexcept;
bool is_host(const IpPrefix& prefix) noexcept;
// One bit shorter; of one that has a bit.
IpPrefix wider(IpPrefix prefix) noexcept;
// The outermost of these.
std::set<IpPrefix> outermost(const std::set<IpPrefix>& prefixes);
// Whether every address of `inner` is in `outer`.
bool covers(const IpPrefix& outer, const IpPrefix& inner) noexcept;
// The prefix of the set that holds all of `inner`, or nullptr. No two of the set may overlap.
const IpPrefix* covering(const std::set<IpPrefix>& disjoint, const IpPrefix& inner);

}  // namespace espalier
