// SPDX-License-Identifier: Apache-2.0
#include "config/draft.hpp"
#include "config/key_tables.hpp"
#include "config/table_keys.hpp"

namespace espalier::config {
namespace {

constexpr std::string_view kIncludes = "a list of files, such as [\"peers/*.toml\"]";
constexpr std::string_view kGateway = "a table [gateway]";
constexpr std::string_view kPlugins = "a table [plugins]";
constexpr std::string_view kBackends = "tables [backend.NAME]";
constexpr std::string_view kPolicy = "a table [policy]";
constexpr std::string_view kRules = "tables [[rule]]";
constexpr std::string_view kSites = "tables [site.NAME]";
constexpr std::string_view kTunnels = "tables [[tunnel]]";

void read_includes(const Item& item, ConfigDraft& draft) {
  draft.includes = as_located_list(item, as_string);
}

constexpr Field<ConfigDraft> kRoot[] = {
    {"include", kIncludes, read_includes}, {"gateway", kGateway, read_gateway},
    {"plugins", kPlugins, read_plugins},   {"backend", kBackends, read_backends},
    {"policy", kPolicy, read_policy},      {"rule", kRules, read_rules},
    {"site", kSites, read_sites},          {"tunnel", kTunnels, read_tunnels},
};
constexpr Field<ConfigDraft> kIncluded[] = {
    {"site", kSites, read_sites},
    {"tunnel", kTunnels, read_tunnels},
};

}  // namespace

std::span<const Field<ConfigDraft>> root_fields() { return kRoot; }
std::span<const Field<ConfigDraft>> include_fields() { return kIncluded; }

std::vector<KeyTable> key_tables() {
  std::vector<KeyTable> tables;
  tables.push_back(key_table("", root_fields()));
  add_gateway_tables(tables);
  add_policy_tables(tables);
  add_site_tables(tables);
  add_tunnel_tables(tables);
  return tables;
}

std::string with_site(std::string text, std::string_view site) {
  if (site.empty()) return text;
  for (std::size_t at = 0; (at = text.find(kSitePlaceholder, at)) != std::string::npos;
       at += site.size())
    text.replace(at, kSitePlaceholder.size(), site);
  return text;
}

bool has_unknown_placeholder(std::string_view text) {
  return with_site(std::string(text), "-").find_first_of("{}") != std::string::npos;
}

}  // namespace espalier::config
