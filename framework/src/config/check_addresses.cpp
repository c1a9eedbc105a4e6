// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <model/prefix_cover.hpp>

#include <array>
#include <cstdint>
#include <string_view>

#include "config/draft.hpp"

namespace espalier::config {
namespace {

struct Unroutable {
  std::string_view range;
  std::string_view why;
};

constexpr Unroutable kUnroutable[] = {
    {"127.0.0.0/8", "loopback addresses, which never leave a machine"},
    {"::1/128", "the loopback address, which never leaves a machine"},
    {"224.0.0.0/4", "multicast groups, which no tunnel between two sites carries"},
    {"ff00::/8", "multicast groups, which no tunnel between two sites carries"},
};

void check_network(const Located<IpPrefix>& network, const SiteDraft& site, Findings& findings) {
  for (const auto& [range, why] : kUnroutable)
    if (covers(*IpPrefix::parse(range), network.value))
      findings.error(network.at,
                     fmt::format("the network {} of site '{}' is of {}: expected those behind the "
                                 "site",
                                 to_string(network.value), site.site.name, why));
}

// The first and the last address of an IPv4 network are for no host (RFC 1122 3.2.1.3), but for
// the two of a link between two (RFC 3021).
void check_tun_address(const Located<IpPrefix>& address, const SiteDraft& site,
                       Findings& findings) {
  const IpPrefix& given = address.value;
  if (given.address.family != Family::ipv4 || given.length > 30) return;
  std::uint32_t bits = 0;
  for (const std::uint8_t byte : given.address.view()) bits = bits << 8 | byte;
  const std::uint32_t hosts = ~std::uint32_t{0} >> given.length;
  const std::uint32_t host = bits & hosts;
  if (host != 0 && host != hosts) return;
  const std::uint32_t good = host == 0 ? bits + 1 : bits - 1;
  const std::array<std::uint8_t, 4> bytes{std::uint8_t(good >> 24), std::uint8_t(good >> 16),
                                          std::uint8_t(good >> 8), std::uint8_t(good)};
  findings.warning(
      address.at,
      fmt::format("the TUN device of site '{}' has the address {}/{}, which is the {} of that "
                  "network: others may take no packet from it; expected one of a host, such as "
                  "{}/{}",
                  site.site.name, to_string(given.address), given.length,
                  host == 0 ? "first address" : "broadcast address",
                  to_string(IpAddress::from_bytes(Family::ipv4, bytes.data())), given.length));
}

}  // namespace

void check_addresses(const ConfigDraft& draft, Findings& findings) {
  for (const SiteDraft& site : draft.sites) {
    for (const auto& network : site.networks) check_network(network, site, findings);
    for (const auto& address : site.tun_addresses) check_tun_address(address, site, findings);
  }
}

}  // namespace espalier::config
