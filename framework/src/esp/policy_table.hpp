// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "esp/sa_state.hpp"

#include <boost/container/small_vector.hpp>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace espalier::esp {

// Which outbound SA protects a flow. Selectors are grouped by their pair of prefix lengths, each
// group a hash table (tuple space search), so that a lookup costs a few probes however many SAs
// there are; a small cache of recent flows stands before it. The most specific selector wins:
// longest destination, then longest source; among equals the newest SA. One worker's own.
class PolicyTable {
 public:
  PolicyTable();

  void add(OutboundSa& sa);
  void remove(const OutboundSa& sa);

  // nullptr: no SA protects this flow.
  OutboundSa* find(const FlowKey& flow) noexcept {
    if (last_->version == version_ && last_->flow == flow) return last_->sa;
    last_ = &cache_[hash(flow) & (kCacheLines - 1)];
    if (last_->version == version_ && last_->flow == flow) return last_->sa;
    return find_slowly(flow, *last_);
  }

 private:
  static constexpr std::size_t kCacheLines = 2048;

  struct alignas(64) CacheLine {
    FlowKey flow;
    std::uint64_t version = 0;
    OutboundSa* sa = nullptr;
  };
  struct Entry {  // beyond the addresses, which the key of its group has compared
    PortMatch match;
    OutboundSa* sa;
  };
  using Entries = boost::container::small_vector<Entry, 1>;  // newest last
  struct Prefixes {                                          // masked to a group's lengths
    std::uint64_t words[4];
    friend bool operator==(const Prefixes&, const Prefixes&) = default;
  };
  struct PrefixesHash {
    std::size_t operator()(const Prefixes& prefixes) const noexcept;
  };
  struct Group {
    Family family;
    std::uint8_t source_length;
    std::uint8_t destination_length;
    std::unordered_map<Prefixes, Entries, PrefixesHash> entries;
  };

  // The multiply-and-fold step of wyhash: mixes two words well for one multiplication.
  static std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const auto product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  static std::uint64_t hash(const FlowKey& flow) noexcept {
    return mix(mix(flow.source[0], flow.destination[0]) ^ flow.rest,
               mix(flow.source[1], flow.destination[1]));
  }
  static Prefixes masked(const std::array<std::uint64_t, 2>& source,
                         const std::array<std::uint64_t, 2>& destination,
                         const Group& group) noexcept;
  static Prefixes masked(const TrafficSelector& selector, const Group& group) noexcept;
  Group& group_for(const TrafficSelector& selector);
  [[gnu::noinline]] OutboundSa* find_slowly(const FlowKey& flow, CacheLine& line) noexcept;

  std::vector<Group> groups_;  // most specific first
  std::unique_ptr<CacheLine[]> cache_;
  CacheLine* last_;            // of the last packet: the next one is often of the same flow
  std::uint64_t version_ = 1;  // of the table; cache lines of an older one are stale
};

}  // namespace espalier::esp
