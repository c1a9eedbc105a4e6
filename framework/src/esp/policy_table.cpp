// SPDX-License-Identifier: Apache-2.0
#include "esp/policy_table.hpp"

#include <algorithm>
#include <bit>
#include <tuple>

namespace espalier::esp {

namespace {

void mask_address(const std::array<std::uint64_t, 2>& words, std::uint8_t length,
                  std::uint64_t* out) noexcept {
  for (std::size_t i = 0; i < 2; ++i) {
    const int bits = std::clamp(length - 64 * static_cast<int>(i), 0, 64);
    const std::uint64_t mask = bits == 0 ? 0 : ~std::uint64_t{0} << (64 - bits);
    out[i] = words[i] & __builtin_bswap64(mask);
  }
}

}  // namespace

PolicyTable::PolicyTable()
    : cache_(std::make_unique<CacheLine[]>(kCacheLines)), last_(cache_.get()) {}

std::size_t PolicyTable::PrefixesHash::operator()(const Prefixes& prefixes) const noexcept {
  const auto& w = prefixes.words;
  return mix(mix(w[0], w[1]), mix(w[2], w[3]));
}

PolicyTable::Prefixes PolicyTable::masked(const std::array<std::uint64_t, 2>& source,
                                          const std::array<std::uint64_t, 2>& destination,
                                          const Group& group) noexcept {
  Prefixes prefixes{};
  mask_address(source, group.source_length, prefixes.words);
  mask_address(destination, group.destination_length, prefixes.words + 2);
  return prefixes;
}

PolicyTable::Prefixes PolicyTable::masked(const TrafficSelector& selector,
                                          const Group& group) noexcept {
  return masked(std::bit_cast<std::array<std::uint64_t, 2>>(selector.source.address.bytes),
                std::bit_cast<std::array<std::uint64_t, 2>>(selector.destination.address.bytes),
                group);
}

PolicyTable::Group& PolicyTable::group_for(const TrafficSelector& selector) {
  const auto rank = [](const Group& g) {
    return std::tuple(g.family, 255 - g.destination_length, 255 - g.source_length);
  };
  Group wanted{
      selector.source.address.family, selector.source.length, selector.destination.length, {}};
  auto place = std::ranges::lower_bound(groups_, rank(wanted), {}, rank);
  if (place == groups_.end() || rank(*place) != rank(wanted)) {
    place = groups_.insert(place, std::move(wanted));
  }
  return *place;
}

void PolicyTable::add(OutboundSa& sa) {
  for (const TrafficSelector& selector : sa.spec.selectors) {
    Group& group = group_for(selector);
    group.entries[masked(selector, group)].push_back({PortMatch(selector), &sa});
  }
  ++version_;
}

void PolicyTable::remove(const OutboundSa& sa) {
  ++version_;
  for (const TrafficSelector& selector : sa.spec.selectors) {
    Group& group = group_for(selector);
    const auto found = group.entries.find(masked(selector, group));
    if (found == group.entries.end()) continue;
    Entries& entries = found->second;
    const auto gone = [&](const Entry& entry) { return entry.sa == &sa; };
    entries.erase(std::remove_if(entries.begin(), entries.end(), gone), entries.end());
    if (entries.empty()) group.entries.erase(found);
  }
  std::erase_if(groups_, [](const Group& group) { return group.entries.empty(); });
}

OutboundSa* PolicyTable::find_slowly(const FlowKey& flow, CacheLine& line) noexcept {
  line.flow = flow;
  line.version = version_;
  line.sa = nullptr;
  for (const Group& group : groups_) {
    if (group.family != flow.family()) continue;
    const auto found = group.entries.find(masked(flow.source, flow.destination, group));
    if (found == group.entries.end()) continue;
    const Entries& entries = found->second;
    const auto newest = std::find_if(entries.rbegin(), entries.rend(),
                                     [&](const Entry& e) { return e.match.matches(flow); });
    if (newest != entries.rend()) {
      line.sa = newest->sa;
      break;
    }
  }
  return line.sa;
}

}  // namespace espalier::esp
