// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <glob.h>
#include <sys/un.h>
#include <model/nearest_name.hpp>

#include <algorithm>
#include <memory>
#include <set>

#include "config/draft.hpp"

namespace espalier {
namespace config {
namespace {

constexpr std::string_view kSecretKeys[] = {"cipher_key", "integrity_key"};
constexpr std::size_t kLongestSocketPath = sizeof(sockaddr_un::sun_path) - 1;

// Reads one file into the draft; false if it could not be opened.
bool read_file(const std::filesystem::path& file, Position named_at,
               std::span<const Field<ConfigDraft>> fields, std::string table_name,
               SecretPool& secrets, Findings& findings, ConfigDraft& draft) {
  auto source = read_config_text(file);
  if (!source) {
    findings.error(named_at, source.error().message);
    return false;
  }
  const bool main_file = named_at.line == 0;
  const std::uint32_t index = main_file ? named_at.file : findings.add_file(file);
  Document document = read_document(source->text, index, kSecretKeys, secrets, findings);
  draft.complete = draft.complete && document.complete;
  if (!document.secrets.empty() && source->others_can_read)
    findings.warning({index, 0, 0},
                     fmt::format("it holds keys, but others can open it: chmod 600 {}, and make "
                                 "new keys",
                                 file.string()));
  Context context{findings, secrets, document, std::filesystem::absolute(file).parent_path()};
  const Table root = std::move(document.root);
  read_table(TableView{context, std::move(table_name), {index, 1, 1}, root}, fields, draft);
  return true;
}

// The files that a pattern names, by name.
std::vector<std::filesystem::path> matches(const std::filesystem::path& pattern) {
  glob_t found{};
  const std::unique_ptr<glob_t, void (*)(glob_t*)> guard(&found, ::globfree);
  std::vector<std::filesystem::path> files;
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0)
    files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  std::ranges::sort(files);
  return files;
}

void read_includes(const std::filesystem::path& main_file, SecretPool& secrets, Findings& findings,
                   ConfigDraft& draft) {
  std::error_code ignored;
  std::set<std::filesystem::path> seen{std::filesystem::weakly_canonical(main_file, ignored)};
  for (const Located<std::string>& include : draft.includes) {
    const auto files = matches(main_file.parent_path() / include.value);
    const bool pattern = include.value.find_first_of("*?[") != std::string::npos;
    if (files.empty() && pattern)
      findings.warning(include.at, fmt::format("no file matches \"{}\"", include.value));
    if (files.empty() && !pattern)
      findings.error(include.at, fmt::format("there is no file \"{}\" to include", include.value));
    for (const std::filesystem::path& file : files)
      if (seen.insert(std::filesystem::weakly_canonical(file, ignored)).second)
        read_file(file, include.at, include_fields(), "an included file", secrets, findings, draft);
  }
}

// The site that this machine is: checked against those that there are.
std::string own_site(const ConfigDraft& draft, const ConfigOverrides& overrides,
                     Findings& findings) {
  const bool chosen = !overrides.site.empty();
  if (!chosen && !draft.gateway.site) return "";
  const std::string name = chosen ? overrides.site : draft.gateway.site->value;
  std::vector<std::string_view> known;
  for (const SiteDraft& site : draft.sites) known.push_back(site.site.name);
  if (draft.complete && std::ranges::find(known, name) == known.end()) {
    std::string hint = did_you_mean(known, name);
    if (hint.empty() && !known.empty())
      hint = fmt::format("; the sites are {}", fmt::join(known, ", "));
    findings.error(chosen ? Position{} : draft.gateway.site->at,
                   fmt::format("there is no [site.{}]{}", name, hint));
  }
  return name;
}

SaKeys take_keys(StaticKeyDraft& draft) {
  SaKeys keys;
  if (draft.cipher) keys.cipher = std::move(draft.cipher->value);
  if (draft.integrity) keys.integrity = std::move(draft.integrity->value);
  return keys;
}

TunnelConfig finish(TunnelDraft& draft, const GatewayConfig& config) {
  TunnelConfig tunnel = std::move(draft.tunnel);
  tunnel.first = draft.sites[0].value;
  tunnel.second = draft.sites[1].value;
  if (!tunnel.key_file_name.empty())
    tunnel.key_file = config.key_folder / with_site(tunnel.key_file_name, config.site);
  if (auto& fixed = draft.keys.fixed)
    tunnel.static_keys = StaticKeys{fixed->spis[0].value, fixed->spis[1].value,
                                    take_keys(fixed->forward), take_keys(fixed->backward)};
  return tunnel;
}

std::vector<NamedBackend> named_backends(const ConfigDraft& draft, const Findings& findings) {
  std::vector<NamedBackend> named;
  for (const Located<std::string>& backend : draft.named_backends)
    named.push_back(
        {backend.value, findings.file(backend.at.file), backend.at.line, backend.at.column});
  return named;
}

// Requires a draft without errors.
GatewayConfig finish(ConfigDraft& draft, GatewayConfig config) {
  config.dataplane = draft.gateway.dataplane;
  config.workers = draft.gateway.workers;
  config.kernel_rules = draft.gateway.kernel_rules;
  config.on_stop = draft.gateway.on_stop;
  config.offloads = draft.gateway.offloads;
  config.plugin_folders = draft.plugin_folders;
  config.backend_options = std::move(draft.backend_options);
  config.policy = std::move(draft.policy);
  for (RuleDraft& rule : draft.rules) {
    if (!rule.has_fallback) rule.rule.fallback = config.policy.fallback;
    config.policy.rules.push_back(std::move(rule.rule));
  }
  for (SiteDraft& site : draft.sites) config.sites.emplace(site.site.name, std::move(site.site));
  config.tunnels.reserve(draft.tunnels.size());
  for (TunnelDraft& tunnel : draft.tunnels) config.tunnels.push_back(finish(tunnel, config));
  return config;
}

// Site and paths: from the file, or from the command line.
GatewayConfig resolve(const std::filesystem::path& file, const ConfigDraft& draft,
                      const ConfigOverrides& overrides, Findings& findings) {
  GatewayConfig config;
  config.file = std::filesystem::absolute(file);
  config.site = own_site(draft, overrides, findings);
  // A gateway that adopts SAs needs no site; its file's name tells it from others.
  const std::string name = config.site.empty() ? config.file.stem().string() : config.site;
  const auto pick = [&](const std::filesystem::path& override, const std::filesystem::path& own) {
    return override.empty() ? std::filesystem::path(with_site(own.string(), name))
                            : std::filesystem::absolute(override);
  };
  const GatewayDraft& gateway = draft.gateway;
  config.control_socket = pick(overrides.control_socket, gateway.control_socket.value);
  config.state_directory = pick(overrides.state_directory, gateway.state_directory.value);
  config.key_folder =
      pick(overrides.key_folder,
           gateway.key_folder.value.empty() ? config.file.parent_path() : gateway.key_folder.value);
  if (config.control_socket.string().size() > kLongestSocketPath)
    findings.error(gateway.control_socket.at,
                   fmt::format("the path of the control socket has {} characters, but Linux takes "
                               "at most {}: {}",
                               config.control_socket.string().size(), kLongestSocketPath,
                               config.control_socket.string()));
  return config;
}

}  // namespace
}  // namespace config

ConfigReading read_config(const std::filesystem::path& file, SecretPool& secrets,
                          const ConfigOverrides& overrides) {
  using namespace config;
  Findings findings;
  const Position whole{findings.add_file(file), 0, 0};
  ConfigDraft draft;
  if (!read_file(file, whole, root_fields(), "the file", secrets, findings, draft))
    return {std::nullopt, findings.in_order()};
  read_includes(file, secrets, findings, draft);
  check_sites(draft, findings);
  check_addresses(draft, findings);
  check_tunnels(draft, findings);
  check_static_keys(draft, findings);
  check_policy(draft, findings);
  GatewayConfig resolved = resolve(file, draft, overrides, findings);
  check_gateway(draft, resolved.site, findings);
  ConfigReading reading;
  if (!findings.has_errors()) {
    check_unused(draft, findings);
    check_mtu(draft, findings);
    reading.config = finish(draft, std::move(resolved));
    check_limits(draft, *reading.config, findings);
    if (findings.has_errors()) reading.config.reset();
  }
  reading.findings = findings.in_order();
  reading.named_backends = named_backends(draft, findings);
  reading.plugin_folders = std::move(draft.plugin_folders);
  return reading;
}

}  // namespace espalier
