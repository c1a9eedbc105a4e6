// SPDX-License-Identifier: Apache-2.0
#include "run_keys.hpp"

#include "config/key_file_claim.hpp"
#include "gateway/site_view.hpp"

#include <fmt/format.h>

#include <initializer_list>
#include <map>
#include <utility>

namespace espalier::cli {
namespace {

namespace fs = std::filesystem;

std::string sa_name(const TunnelConfig& tunnel, Direction direction) {
  return tunnel.name + (direction == Direction::outbound ? "/out" : "/in");
}

using Specs = std::map<std::string, const SaSpec*, std::less<>>;
using Directions = std::initializer_list<Direction>;
constexpr Directions kBoth = {Direction::outbound, Direction::inbound};
constexpr Directions kInbound = {Direction::inbound};

using KeysByFile = std::map<fs::path, std::vector<OneTimeKeys>>;  // a file serves many tunnels

Result<void> add_one_time(const TunnelConfig& tunnel, const Specs& specs, Directions directions,
                          std::vector<OneTimeKeys>& keys, std::vector<KeyedSa>& out) {
  for (const Direction direction : directions) {
    const auto found =
        config::find_keys(keys, tunnel.key_file, tunnel.name, direction, tunnel.transform);
    if (!found) return std::unexpected(found.error());
    SaSpec spec = *specs.at(sa_name(tunnel, direction));
    spec.spi = (*found)->spi;
    const auto index = static_cast<std::size_t>(*found - keys.data());
    out.push_back({std::move(spec), std::move(keys[index].keys)});
  }
  return {};
}

Result<SaKeys> copy(const SaKeys& keys, SecretPool& secrets) {
  auto cipher = SecretBytes::copy(secrets, keys.cipher.view());
  if (!cipher) return std::unexpected(cipher.error());
  auto salt = SecretBytes::copy(secrets, keys.salt.view());
  if (!salt) return std::unexpected(salt.error());
  auto integrity = SecretBytes::copy(secrets, keys.integrity.view());
  if (!integrity) return std::unexpected(integrity.error());
  return SaKeys{std::move(*cipher), std::move(*salt), std::move(*integrity)};
}

Result<void> add_static(const TunnelConfig& tunnel, const std::string& site, const Specs& specs,
                        Directions directions, SecretPool& secrets, std::vector<KeyedSa>& out) {
  const bool first = tunnel.first == site;
  for (const Direction direction : directions) {
    const bool forward = first == (direction == Direction::outbound);
    auto keys = copy(forward ? tunnel.static_keys->forward : tunnel.static_keys->backward, secrets);
    if (!keys) return std::unexpected(keys.error());
    out.push_back({*specs.at(sa_name(tunnel, direction)), std::move(*keys)});
  }
  return {};
}

Specs index_of(const std::vector<SaSpec>& specs) {
  Specs by_name;
  for (const SaSpec& spec : specs) by_name.emplace(spec.name, &spec);
  return by_name;
}

// The tunnels that these SAs are of.
std::vector<const TunnelConfig*> tunnels_of(const GatewayConfig& config, const Specs& specs) {
  std::vector<const TunnelConfig*> tunnels;
  for (const TunnelConfig& tunnel : config.tunnels)
    if (specs.contains(sa_name(tunnel, Direction::outbound))) tunnels.push_back(&tunnel);
  return tunnels;
}

Result<std::vector<KeyedSa>> collect(const GatewayConfig& config, const std::vector<SaSpec>& specs,
                                     Directions directions, SecretPool& secrets, KeysByFile files) {
  const Specs by_name = index_of(specs);
  std::vector<KeyedSa> keyed;
  for (const TunnelConfig* tunnel : tunnels_of(config, by_name)) {
    Result<void> added;
    if (tunnel->static_keys)
      added = add_static(*tunnel, config.site, by_name, directions, secrets, keyed);
    else if (!tunnel->key_file.empty())
      added = add_one_time(*tunnel, by_name, directions, files.at(tunnel->key_file), keyed);
    if (!added) return std::unexpected(added.error());
  }
  return keyed;
}

// All files are prepared and have what is asked of them before the first of them is claimed.
Result<KeysByFile> claim_files(const GatewayConfig& config, const std::vector<SaSpec>& specs,
                               SecretPool& secrets) {
  std::map<fs::path, config::KeyFileClaim> claims;
  for (const TunnelConfig* tunnel : tunnels_of(config, index_of(specs))) {
    const fs::path& file = tunnel->key_file;
    if (file.empty()) continue;
    if (!claims.contains(file)) {
      auto claim =
          config::KeyFileClaim::prepare(file, config.state_directory, secrets, config.site);
      if (!claim) return std::unexpected(claim.error());
      claims.emplace(file, std::move(*claim));
    }
    for (const Direction direction : kBoth)
      if (auto held = claims.at(file).check(tunnel->name, direction, tunnel->transform); !held)
        return std::unexpected(held.error());
  }
  KeysByFile files;
  for (auto& [file, claim] : claims) {
    auto keys = std::move(claim).take();
    if (!keys) return std::unexpected(keys.error());
    files.emplace(file, std::move(*keys));
  }
  return files;
}

}  // namespace

Result<std::vector<KeyedSa>> claim_keys(const GatewayConfig& config,
                                        const std::vector<SaSpec>& specs, SecretPool& secrets) {
  auto files = claim_files(config, specs, secrets);
  if (!files) return std::unexpected(files.error());
  return collect(config, specs, kBoth, secrets, std::move(*files));
}

Result<std::vector<KeyedSa>> inbound_keys(const GatewayConfig& config,
                                          const std::vector<SaSpec>& specs, SecretPool& secrets) {
  KeysByFile files;
  for (const TunnelConfig* tunnel : tunnels_of(config, index_of(specs))) {
    if (tunnel->key_file.empty() || files.contains(tunnel->key_file)) continue;
    auto keys = read_inbound_keys(tunnel->key_file, secrets, config.site);
    if (!keys) return std::unexpected(keys.error());
    files.emplace(tunnel->key_file, std::move(*keys));
  }
  return collect(config, specs, kInbound, secrets, std::move(files));
}

std::vector<std::string> tunnels_by_socket(const GatewayConfig& config) {
  std::vector<std::string> names;
  for (const TunnelConfig& tunnel : config.tunnels)
    if (is_own(tunnel, config) && !tunnel.static_keys && tunnel.key_file.empty())
      names.push_back(tunnel.name);
  return names;
}

std::string waits_for_its_sas(std::string_view tunnel, const GatewayConfig& config) {
  return fmt::format("Tunnel '{}' waits for its SAs on {}.", tunnel,
                     config.control_socket.native());
}

}  // namespace espalier::cli
