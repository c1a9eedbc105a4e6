// SPDX-License-Identifier: Apache-2.0
#include "gateway/selector_holders.hpp"

#include <algorithm>
#include <string_view>

namespace espalier {
namespace {

std::size_t hash(const IpPrefix& prefix) {
  const auto bytes = prefix.address.view();
  return std::hash<std::string_view>()(
             {reinterpret_cast<const char*>(bytes.data()), bytes.size()}) +
         prefix.length;
}

std::size_t hash(const TrafficSelector& selector) {
  const std::size_t ports =
      std::size_t{selector.source_port_low} << 16 | std::size_t{selector.destination_port_low};
  return hash(selector.source) * 31 + hash(selector.destination) * 7 + ports + selector.protocol;
}

}  // namespace

void SelectorHolders::add(const SaSpec& sa) {
  if (sa.direction != Direction::outbound) return;
  for (const TrafficSelector& selector : sa.selectors) by_selector_.emplace(hash(selector), &sa);
}

void SelectorHolders::remove(const SaSpec& sa) {
  if (sa.direction != Direction::outbound) return;
  for (const TrafficSelector& selector : sa.selectors) {
    const auto [first, last] = by_selector_.equal_range(hash(selector));
    const auto held =
        std::find_if(first, last, [&](const auto& entry) { return entry.second == &sa; });
    if (held != last) by_selector_.erase(held);
  }
}

const SaSpec* SelectorHolders::to_another_peer(
    const SaSpec& sa, const std::function<bool(const SaSpec&)>& left_out) const {
  if (sa.direction != Direction::outbound) return nullptr;
  for (const TrafficSelector& selector : sa.selectors) {
    const auto [first, last] = by_selector_.equal_range(hash(selector));
    const auto other = std::find_if(first, last, [&](const auto& entry) {
      const SaSpec& held = *entry.second;
      return held.peer != sa.peer &&
             std::ranges::find(held.selectors, selector) != held.selectors.end() && !left_out(held);
    });
    if (other != last) return other->second;
  }
  return nullptr;
}

}  // namespace espalier
