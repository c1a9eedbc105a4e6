// SPDX-License-Identifier: Apache-2.0
#include "run_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace espalier::cli {
namespace {

namespace fs = std::filesystem;

bool is_own(const TunnelConfig& tunnel, const GatewayConfig& config) {
  return tunnel.first == config.site || tunnel.second == config.site;
}

std::string sa_name(const TunnelConfig& tunnel, Direction direction) {
  return tunnel.name + (direction == Direction::outbound ? "/out" : "/in");
}

Result<SaSpec> spec_named(const std::vector<SaSpec>& specs, const std::string& name) {
  const auto found = std::ranges::find(specs, name, &SaSpec::name);
  if (found != specs.end()) return *found;
  return fail(ErrorCode::not_found, fmt::format("The configuration has no SA '{}'.", name));
}

// The keys of a tunnel's direction, taken out of what its key file held.
Result<OneTimeKeys> take(std::vector<OneTimeKeys>& keys, const TunnelConfig& tunnel,
                         Direction direction) {
  const auto found = std::ranges::find_if(keys, [&](const OneTimeKeys& k) {
    return k.tunnel == tunnel.name && k.direction == direction;
  });
  const char* advice =
      "Make new key files with 'espalier keygen' from the configuration that is "
      "in use at both ends.";
  if (found == keys.end())
    return fail(ErrorCode::not_found,
                fmt::format("The key file '{}' has no keys for SA '{}'. {}",
                            tunnel.key_file.native(), sa_name(tunnel, direction), advice));
  if (found->transform != tunnel.transform)
    return fail(ErrorCode::invalid,
                fmt::format("The key file '{}' was made for the transform {} of tunnel '{}', but "
                            "the configuration says {}. {}",
                            tunnel.key_file.native(), to_string(found->transform), tunnel.name,
                            to_string(tunnel.transform), advice));
  return std::move(*found);
}

Result<void> add_one_time(const TunnelConfig& tunnel, const std::vector<SaSpec>& specs,
                          std::vector<OneTimeKeys>& keys, std::vector<KeyedSa>& out) {
  for (const Direction direction : {Direction::outbound, Direction::inbound}) {
    auto one = take(keys, tunnel, direction);
    if (!one) return std::unexpected(one.error());
    auto spec = spec_named(specs, sa_name(tunnel, direction));
    if (!spec) return std::unexpected(spec.error());
    spec->spi = one->spi;
    out.push_back({std::move(*spec), std::move(one->keys)});
  }
  return {};
}

Result<void> add_static(TunnelConfig& tunnel, const std::string& site,
                        const std::vector<SaSpec>& specs, std::vector<KeyedSa>& out) {
  const bool first = tunnel.first == site;
  for (const Direction direction : {Direction::outbound, Direction::inbound}) {
    auto spec = spec_named(specs, sa_name(tunnel, direction));
    if (!spec) return std::unexpected(spec.error());
    const bool forward = first == (direction == Direction::outbound);
    SaKeys& keys = forward ? tunnel.static_keys->forward : tunnel.static_keys->backward;
    out.push_back({std::move(*spec), std::move(keys)});
  }
  return {};
}

}  // namespace

Result<std::vector<KeyedSa>> claim_keys(GatewayConfig& config, const std::vector<SaSpec>& specs,
                                        SecretPool& secrets) {
  std::map<fs::path, std::vector<OneTimeKeys>> claimed;  // one file serves all tunnels of a site
  std::vector<KeyedSa> keyed;
  for (TunnelConfig& tunnel : config.tunnels) {
    if (!is_own(tunnel, config)) continue;
    Result<void> added;
    if (tunnel.static_keys) {
      added = add_static(tunnel, config.site, specs, keyed);
    } else if (!tunnel.key_file.empty()) {
      if (!claimed.contains(tunnel.key_file)) {
        auto keys = claim_key_file(tunnel.key_file, config.state_directory, secrets, config.site);
        if (!keys) return std::unexpected(keys.error());
        claimed.emplace(tunnel.key_file, std::move(*keys));
      }
      added = add_one_time(tunnel, specs, claimed.at(tunnel.key_file), keyed);
    }
    if (!added) return std::unexpected(added.error());
  }
  return keyed;
}

std::vector<std::string> tunnels_by_socket(const GatewayConfig& config) {
  std::vector<std::string> names;
  for (const TunnelConfig& tunnel : config.tunnels)
    if (is_own(tunnel, config) && !tunnel.static_keys && tunnel.key_file.empty())
      names.push_back(tunnel.name);
  return names;
}

}  // namespace espalier::cli
