// SPDX-License-Identifier: Apache-2.0
#include "run_keys.hpp"

#include "gateway/site_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
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

Result<void> add_one_time(const TunnelConfig& tunnel, const Specs& specs, Directions directions,
                          std::vector<OneTimeKeys>& keys, std::vector<KeyedSa>& out) {
  for (const Direction direction : directions) {
    auto one = take(keys, tunnel, direction);
    if (!one) return std::unexpected(one.error());
    SaSpec spec = *specs.at(sa_name(tunnel, direction));
    spec.spi = one->spi;
    out.push_back({std::move(spec), std::move(one->keys)});
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

using ReadFile = std::function<Result<std::vector<OneTimeKeys>>(const fs::path&)>;

Result<std::vector<KeyedSa>> collect(const GatewayConfig& config, const std::vector<SaSpec>& specs,
                                     Directions directions, SecretPool& secrets,
                                     const ReadFile& read) {
  Specs by_name;
  for (const SaSpec& spec : specs) by_name.emplace(spec.name, &spec);
  std::map<fs::path, std::vector<OneTimeKeys>> files;  // one file serves all tunnels of a site
  std::vector<KeyedSa> keyed;
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (!by_name.contains(sa_name(tunnel, Direction::outbound))) continue;
    Result<void> added;
    if (tunnel.static_keys) {
      added = add_static(tunnel, config.site, by_name, directions, secrets, keyed);
    } else if (!tunnel.key_file.empty()) {
      if (!files.contains(tunnel.key_file)) {
        auto keys = read(tunnel.key_file);
        if (!keys) return std::unexpected(keys.error());
        files.emplace(tunnel.key_file, std::move(*keys));
      }
      added = add_one_time(tunnel, by_name, directions, files.at(tunnel.key_file), keyed);
    }
    if (!added) return std::unexpected(added.error());
  }
  return keyed;
}

}  // namespace

Result<std::vector<KeyedSa>> claim_keys(const GatewayConfig& config,
                                        const std::vector<SaSpec>& specs, SecretPool& secrets) {
  return collect(config, specs, kBoth, secrets, [&](const fs::path& file) {
    return claim_key_file(file, config.state_directory, secrets, config.site);
  });
}

Result<std::vector<KeyedSa>> inbound_keys(const GatewayConfig& config,
                                          const std::vector<SaSpec>& specs, SecretPool& secrets) {
  return collect(config, specs, kInbound, secrets, [&](const fs::path& file) {
    return read_inbound_keys(file, secrets, config.site);
  });
}

std::vector<std::string> tunnels_by_socket(const GatewayConfig& config) {
  std::vector<std::string> names;
  for (const TunnelConfig& tunnel : config.tunnels)
    if (is_own(tunnel, config) && !tunnel.static_keys && tunnel.key_file.empty())
      names.push_back(tunnel.name);
  return names;
}

}  // namespace espalier::cli
