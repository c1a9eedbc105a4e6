// SPDX-License-Identifier: Apache-2.0
//
// The tables of a tunnel that few need: its outer header, its lifetime, NAT, dummy packets.
#include <fmt/format.h>

#include <limits>

#include "config/draft.hpp"
#include "config/table_keys.hpp"

namespace espalier::config {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostSeconds = 10 * 365 * 86400;

// ---- outer = { ... } ----------------------------------------------------------------------------

constexpr Choice<OuterHeader::DontFragment> kDontFragment[] = {
    {"copy", OuterHeader::DontFragment::copy},
    {"set", OuterHeader::DontFragment::set},
    {"clear", OuterHeader::DontFragment::clear}};

constexpr Field<OuterHeader> kOuter[] = {
    {"dscp", "a number from 0 to 63; without this key it is that of the inner packet",
     [](const Item& item, OuterHeader& outer) {
       if (const auto dscp = as_integer(item, 0, 63)) outer.dscp = static_cast<std::uint8_t>(*dscp);
     }},
    {"ecn", "true or false",
     [](const Item& item, OuterHeader& outer) { outer.ecn = as_bool(item).value_or(true); }},
    {"dont_fragment", "\"copy\", \"set\" or \"clear\"",
     [](const Item& item, OuterHeader& outer) {
       outer.dont_fragment =
           as_choice(item, kDontFragment).value_or(OuterHeader::DontFragment::copy);
     }},
};

// ---- lifetime = { ... } -------------------------------------------------------------------------

template <class T>
void read_limit(const Item& item, std::int64_t most, T& limit) {
  if (const auto number = as_integer(item, 1, most)) limit = static_cast<T>(*number);
}

constexpr std::string_view kBytesWords = "a number of bytes from 1";
constexpr std::string_view kPacketsWords = "a number of packets from 1";
constexpr std::string_view kSecondsWords = "a number of seconds from 1 to ten years";

constexpr Field<Lifetime> kLifetime[] = {
    {"soft_bytes", kBytesWords,
     [](const Item& item, Lifetime& life) { read_limit(item, kMost, life.soft_bytes); }},
    {"hard_bytes", kBytesWords,
     [](const Item& item, Lifetime& life) { read_limit(item, kMost, life.hard_bytes); }},
    {"soft_packets", kPacketsWords,
     [](const Item& item, Lifetime& life) { read_limit(item, kMost, life.soft_packets); }},
    {"hard_packets", kPacketsWords,
     [](const Item& item, Lifetime& life) { read_limit(item, kMost, life.hard_packets); }},
    {"soft_seconds", kSecondsWords,
     [](const Item& item, Lifetime& life) { read_limit(item, kMostSeconds, life.soft_seconds); }},
    {"hard_seconds", kSecondsWords,
     [](const Item& item, Lifetime& life) { read_limit(item, kMostSeconds, life.hard_seconds); }},
};

void check_order(const Item& item, std::uint64_t soft, std::uint64_t hard, std::string_view unit) {
  if (hard == 0 || soft <= hard) return;
  item.error(
      fmt::format("'lifetime': soft_{2} is {0} and hard_{2} {1}: expected the soft limit to "
                  "come first, so that there is time to rekey",
                  soft, hard, unit));
}

// ---- nat = { ... }, dummies = { ... } -----------------------------------------------------------

constexpr Field<TunnelConfig> kNat[] = {
    {"follow_peer", "true or false",
     [](const Item& item, TunnelConfig& tunnel) {
       tunnel.follow_peer = as_bool(item).value_or(false);
     }},
    {"keepalive", "a number of seconds from 1 to 3600",
     [](const Item& item, TunnelConfig& tunnel) { read_limit(item, 3600, tunnel.keepalive); }},
};

constexpr Field<DummyConfig> kDummies[] = {
    {"interval", "a number of milliseconds from 1 to 3600000",
     [](const Item& item, DummyConfig& dummies) { read_limit(item, 3'600'000, dummies.interval); },
     true},
    {"bytes", "a number from 1 to 65000",
     [](const Item& item, DummyConfig& dummies) { read_limit(item, 65'000, dummies.bytes); }},
};

}  // namespace

void read_outer_header(const Item& item, TunnelDraft& draft) {
  if (const auto table = as_table(item, "'outer'")) read_table(*table, kOuter, draft.tunnel.outer);
}

void read_lifetime(const Item& item, TunnelDraft& draft) {
  const auto table = as_table(item, "'lifetime'");
  if (!table) return;
  Lifetime& life = draft.tunnel.lifetime;
  read_table(*table, kLifetime, life);
  check_order(item, life.soft_bytes, life.hard_bytes, "bytes");
  check_order(item, life.soft_packets, life.hard_packets, "packets");
  check_order(item, life.soft_seconds, life.hard_seconds, "seconds");
}

void read_nat(const Item& item, TunnelDraft& draft) {
  draft.nat_at = item.node.at;
  if (const auto table = as_table(item, "'nat'")) read_table(*table, kNat, draft.tunnel);
}

void read_dummies(const Item& item, TunnelDraft& draft) {
  if (const auto table = as_table(item, "'dummies'"))
    read_table(*table, kDummies, draft.tunnel.dummies);
}

void add_tunnel_option_tables(std::vector<KeyTable>& tables) {
  tables.push_back(key_table("tunnel[].outer", std::span(kOuter)));
  tables.push_back(key_table("tunnel[].lifetime", std::span(kLifetime)));
  tables.push_back(key_table("tunnel[].nat", std::span(kNat)));
  tables.push_back(key_table("tunnel[].dummies", std::span(kDummies)));
}

}  // namespace espalier::config
