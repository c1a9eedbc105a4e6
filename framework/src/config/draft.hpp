// SPDX-License-Identifier: Apache-2.0
//
// A configuration as its files say it, before the checks that need more than one table.
#pragma once

#include "config/reader.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace espalier::config {

struct SiteDraft {
  SiteConfig site;
  Position at;
  std::optional<Position> address_at;
  std::optional<Position> mtu_at;
  std::vector<Located<IpPrefix>> networks;
  std::vector<Located<IpPrefix>> tun_addresses;
};

// The keys of one direction as written: whether they fit is known when the transform is.
struct StaticKeyDraft {
  std::optional<Located<SecretBytes>> cipher;
  std::optional<Located<SecretBytes>> integrity;
  bool failed = false;  // one of them is there but could not be read
  Position at;
};

struct StaticDraft {
  std::vector<Located<std::uint32_t>> spis;  // first to second site, and back
  StaticKeyDraft forward, backward;
  Position at;
};

struct KeysDraft {
  std::optional<Located<std::string>> file;
  std::optional<Located<bool>> socket;
  std::optional<StaticDraft> fixed;
};

struct TunnelDraft {
  TunnelConfig tunnel;
  Position at;
  Position name_at;
  std::vector<Located<std::string>> sites;
  const TransformInfo* transform = nullptr;
  Position transform_at;
  Position mode_at;
  std::optional<Position> nat_at;
  KeysDraft keys;
};

struct GatewayDraft {
  std::optional<Located<std::string>> site;
  Dataplane dataplane = Dataplane::userspace;
  std::uint32_t workers = 1;
  KernelRules kernel_rules = KernelRules::required;
  OnStop on_stop = OnStop::open;
  bool offloads = true;
  // With "{site}" as written.
  Located<std::filesystem::path> control_socket{"/run/espalier/{site}.sock", {}};
  Located<std::filesystem::path> state_directory{"/var/lib/espalier/{site}", {}};
  Located<std::filesystem::path> key_folder;  // empty: the folder of the file
};

struct RuleDraft {
  Rule rule;
  Position at;
  Position name_at;
  Position class_at;
  bool has_fallback = false;
  std::vector<Located<std::string>> named_backends;
};

// All files of a configuration.
struct ConfigDraft {
  GatewayDraft gateway;
  std::vector<std::filesystem::path> plugin_folders;
  std::map<std::string, std::string> backend_options;
  Policy policy;  // without rules
  Position policy_at;
  std::vector<Located<std::string>> named_backends;
  std::vector<RuleDraft> rules;
  std::vector<Located<std::string>> includes;
  std::vector<SiteDraft> sites;
  std::vector<TunnelDraft> tunnels;
  bool complete = true;  // false: parts were skipped behind syntax errors
};

// Read a table under the root, each in its own file.
void read_gateway(const Item& item, ConfigDraft& draft);
void read_plugins(const Item& item, ConfigDraft& draft);
void read_backends(const Item& item, ConfigDraft& draft);
void read_policy(const Item& item, ConfigDraft& draft);
void read_rules(const Item& item, ConfigDraft& draft);
void read_sites(const Item& item, ConfigDraft& draft);
void read_tunnels(const Item& item, ConfigDraft& draft);

// The keys of the root: in the main file, and in an included one.
std::span<const Field<ConfigDraft>> root_fields();
std::span<const Field<ConfigDraft>> include_fields();

// Checks that need the whole: duplicates, names of sites, families, keys against transforms.
void check_sites(const ConfigDraft& draft, Findings& findings);
void check_tunnels(const ConfigDraft& draft, Findings& findings);
void check_static_keys(const ConfigDraft& draft, Findings& findings);
void check_policy(const ConfigDraft& draft, Findings& findings);
// What one gateway can serve: of the site that it is, or of each where that is not said ("").
void check_gateway(const ConfigDraft& draft, std::string_view site, Findings& findings);
void check_unused(const ConfigDraft& draft, Findings& findings);  // of a draft without errors
// That the SAs of this machine's site (or of each, where that is not said) have room under the
// limits of the policy, as far as that is the same on every machine.
void check_limits(const ConfigDraft& draft, const GatewayConfig& config, Findings& findings);

// Addresses that no host can have, and networks that no tunnel can carry.
void check_addresses(const ConfigDraft& draft, Findings& findings);

// That a TUN device's MTU that was written fits a path of 1500 bytes; of a draft without errors.
void check_mtu(const ConfigDraft& draft, Findings& findings);

inline constexpr std::string_view kSitePlaceholder = "{site}";

// `text` with the placeholder replaced; unchanged where `site` is "".
std::string with_site(std::string text, std::string_view site);

// True if it has braces other than the placeholder's.
bool has_unknown_placeholder(std::string_view text);

// Tables of a tunnel.
void read_outer_header(const Item& item, TunnelDraft& draft);
void read_lifetime(const Item& item, TunnelDraft& draft);
void read_nat(const Item& item, TunnelDraft& draft);
void read_dummies(const Item& item, TunnelDraft& draft);

}  // namespace espalier::config
