// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/draft.hpp"
#include "config/table_keys.hpp"

namespace espalier::config {
namespace {

constexpr std::uint16_t kEspUdpPort = 4500;   // RFC 3948
constexpr std::int64_t kSmallestMtu = 576;    // RFC 791
constexpr std::int64_t kSmallestMtu6 = 1280;  // RFC 8200
constexpr std::int64_t kLargestMtu = 65535;

// That it can be one machine's: not 0.0.0.0 or ::, not multicast, not 255.255.255.255.
bool is_unicast(const IpAddress& address) {
  const auto bytes = address.view();
  const auto all = [&](std::uint8_t value) {
    return std::ranges::all_of(bytes, [=](std::uint8_t byte) { return byte == value; });
  };
  if (address.family == Family::ipv6) return bytes[0] != 0xff && !all(0);
  return bytes[0] >> 4 != 0xe && !all(0) && !all(255);
}

// "10.1.0.1/24": a prefix that keeps its host bits.
std::optional<IpPrefix> as_interface_address(const Item& item) {
  const auto text = as_string(item);
  if (!text) return std::nullopt;
  const std::size_t slash = std::min(text->find('/'), text->size());
  const auto address = IpAddress::parse(std::string_view(*text).substr(0, slash));
  const auto longest = static_cast<unsigned>(address ? address->size() * 8 : 0);
  unsigned length = longest;
  bool valid = address.has_value();
  if (slash < text->size()) {
    const char* const end = text->data() + text->size();
    const auto [last, error] = std::from_chars(text->data() + slash + 1, end, length);
    valid = valid && error == std::errc() && last == end && length <= longest;
  }
  if (valid) return IpPrefix{*address, static_cast<std::uint8_t>(length)};
  item.reject();
  return std::nullopt;
}

constexpr Field<SiteDraft> kTun[] = {
    {"name", "a name for the TUN device, such as \"esp0\"",
     [](const Item& item, SiteDraft& draft) {
       draft.site.tun_name = as_interface(item).value_or(draft.site.tun_name);
     }},
    {"addresses", "a list of addresses with prefix length, such as [\"10.1.0.1/24\"]",
     [](const Item& item, SiteDraft& draft) {
       draft.tun_addresses = as_located_list(item, as_interface_address);
       draft.site.tun_addresses = values_of(draft.tun_addresses);
     }},
    {"mtu", "a number from 576 to 65535",
     [](const Item& item, SiteDraft& draft) {
       if (const auto mtu = as_integer(item, kSmallestMtu, kLargestMtu)) {
         draft.site.tun_mtu = static_cast<std::uint32_t>(*mtu);
         draft.mtu_at = item.node.at;
       }
     }},
};

constexpr Field<SiteDraft> kSite[] = {
    {"address", "the outer IP address of this site, such as \"192.0.2.1\"",
     [](const Item& item, SiteDraft& draft) {
       const auto address = as_address(item);
       if (address && !is_unicast(*address)) {
         item.reject("; this is no single machine's");
       } else if (address) {
         draft.site.outer.address = *address;
         draft.address_at = item.node.at;
       }
     },
     true},
    {"port", "a number from 1 to 65535",
     [](const Item& item, SiteDraft& draft) {
       if (const auto port = as_integer(item, 1, 65535))
         draft.site.outer.port = static_cast<std::uint16_t>(*port);
     }},
    {"interface", "a network interface, such as \"eth0\"",
     [](const Item& item, SiteDraft& draft) {
       draft.site.interface = as_interface(item).value_or("");
     }},
    {"networks", "a list of prefixes behind this site, such as [\"10.1.0.0/24\"]",
     [](const Item& item, SiteDraft& draft) {
       draft.networks = as_located_list(item, as_prefix);
       draft.site.networks = values_of(draft.networks);
       if (draft.site.networks.empty() && item.node.as<Array>() && item.node.as<Array>()->empty())
         item.reject();
     },
     true},
    {"tun", "a table, such as { name = \"esp0\", addresses = [\"10.1.0.1/24\"], mtu = 1400 }",
     [](const Item& item, SiteDraft& draft) {
       const auto table = as_table(item, fmt::format("'tun' of [site.{}]", draft.site.name));
       if (!table) return;
       read_table(*table, kTun, draft);
       const auto is_ipv6 = [](const IpPrefix& prefix) {
         return prefix.address.family == Family::ipv6;
       };
       if (draft.site.tun_mtu < kSmallestMtu6 &&
           std::ranges::any_of(draft.site.tun_addresses, is_ipv6))
         item.error(
             fmt::format("'mtu' is {}, but IPv6 needs at least {}: raise it or take the "
                         "IPv6 addresses out",
                         draft.site.tun_mtu, kSmallestMtu6));
     }},
};

}  // namespace

void read_sites(const Item& item, ConfigDraft& draft) {
  const auto sites = as_table(item, "[site]");
  if (!sites) return;
  for (const Entry& entry : sites->entries) {
    const std::string name = fmt::format("[site.{}]", entry.key);
    const Item one{item.context, entry.key, "a table [site.NAME]", entry.node};
    if (!is_name(entry.key, 64)) {
      item.context.findings.error(
          entry.at, "a site's name has letters, digits, '.', '_' and '-', at most 64 of them");
      continue;
    }
    const auto table = as_table(one, name);
    if (!table) continue;
    SiteDraft site;
    site.site.name = entry.key;
    site.site.outer.port = kEspUdpPort;
    site.site.tun_name = "esp0";
    site.at = entry.at;
    read_table(*table, kSite, site);
    draft.sites.push_back(std::move(site));
  }
}

void add_site_tables(std::vector<KeyTable>& tables) {
  tables.push_back(key_table("site.*", std::span(kSite)));
  tables.push_back(key_table("site.*.tun", std::span(kTun)));
}

}  // namespace espalier::config
