// SPDX-License-Identifier: Apache-2.0
#include <espalier/key_file.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <map>
#include <random>
#include <unordered_set>

#include "config/draft.hpp"
#include "config/durable.hpp"
#include "config/key_file_text.hpp"

namespace espalier {
namespace config {
namespace {

struct DirectionKeys {
  std::uint32_t spi = 0;
  SaKeys keys;
};

struct TunnelKeys {
  const TunnelConfig* tunnel;
  DirectionKeys forward, backward;
};

// SPIs that no SA of the configuration has, of whichever site: one number, one SA, in every
// capture.
class SpiSource {
 public:
  explicit SpiSource(const GatewayConfig& config) {
    for (const TunnelConfig& tunnel : config.tunnels) {
      if (!tunnel.static_keys) continue;
      taken_.insert(tunnel.static_keys->spi_forward);
      taken_.insert(tunnel.static_keys->spi_backward);
    }
  }

  std::uint32_t next() {
    std::uniform_int_distribution<std::uint32_t> any(kMinSpi, 0xffffffff);
    for (;;)
      if (const std::uint32_t spi = any(source_); taken_.insert(spi).second) return spi;
  }

 private:
  std::random_device source_;
  std::unordered_set<std::uint32_t> taken_;
};

Result<SaKeys> fresh_keys(const TransformInfo& info, SecretPool& secrets) {
  auto cipher = SecretBytes::random(secrets, info.cipher_key_bytes);
  if (!cipher) return std::unexpected(cipher.error());
  auto salt = SecretBytes::random(secrets, info.salt_bytes);
  if (!salt) return std::unexpected(salt.error());
  auto integrity = SecretBytes::random(secrets, info.integrity_key_bytes);
  if (!integrity) return std::unexpected(integrity.error());
  return SaKeys{std::move(*cipher), std::move(*salt), std::move(*integrity)};
}

Result<std::vector<TunnelKeys>> fresh_tunnel_keys(const GatewayConfig& config,
                                                  SecretPool& secrets) {
  SpiSource spis(config);
  std::vector<TunnelKeys> all;
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (tunnel.key_file_name.empty()) continue;
    const TransformInfo* info = transform_info(tunnel.transform);
    if (!info)
      return fail(ErrorCode::unsupported, fmt::format("tunnel '{}': no transform {}", tunnel.name,
                                                      to_string(tunnel.transform)));
    auto forward = fresh_keys(*info, secrets);
    auto backward = fresh_keys(*info, secrets);
    if (!forward || !backward) return std::unexpected(forward ? backward.error() : forward.error());
    all.push_back(
        {&tunnel, {spis.next(), std::move(*forward)}, {spis.next(), std::move(*backward)}});
  }
  return all;
}

// The files to write: what a site sends with is what the other receives with.
struct FilePlan {
  std::string site;
  std::vector<KeyFileEntry> sas;
};

std::map<std::string, FilePlan> plan_files(const std::vector<TunnelKeys>& all) {
  std::map<std::string, FilePlan> files;
  for (const TunnelKeys& one : all) {
    const TunnelConfig& tunnel = *one.tunnel;
    for (const std::string& site : {tunnel.first, tunnel.second}) {
      FilePlan& file = files[with_site(tunnel.key_file_name, site)];
      file.site = site;
      const bool first = site == tunnel.first;
      const DirectionKeys& out = first ? one.forward : one.backward;
      const DirectionKeys& in = first ? one.backward : one.forward;
      file.sas.push_back({&tunnel.name, Direction::outbound, out.spi, tunnel.transform, &out.keys});
      file.sas.push_back({&tunnel.name, Direction::inbound, in.spi, tunnel.transform, &in.keys});
    }
  }
  return files;
}

std::string random_id() {
  std::random_device source;
  std::string id;
  for (int i = 0; i < 4; ++i) id += fmt::format("{:08x}", source());
  return id;
}

// Files made so far; taken away again unless all could be made.
class NewFiles {
 public:
  explicit NewFiles(const Descriptor& folder) : folder_(folder) {}
  ~NewFiles() {
    if (kept_) return;
    for (const auto& file : files_) ::unlinkat(folder_.get(), file.filename().c_str(), 0);
  }
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  void add(std::filesystem::path file) { files_.push_back(std::move(file)); }
  std::vector<std::filesystem::path> keep() {
    kept_ = true;
    return std::move(files_);
  }

 private:
  const Descriptor& folder_;
  std::vector<std::filesystem::path> files_;
  bool kept_ = false;
};

Result<void> write_file(const Descriptor& folder, const std::filesystem::path& file,
                        const FilePlan& plan, NewFiles& made) {
  const SourceText text = write_key_file(random_id(), plan.site, plan.sas);
  auto created = create_file(folder, file, text.view());
  if (!created && created.error().code == ErrorCode::conflict)
    return fail(ErrorCode::conflict,
                fmt::format("{} exists already, and keys are not overwritten: name a fresh folder "
                            "with --out, or delete it on all ends",
                            file.string()));
  if (!created) return std::unexpected(std::move(created.error()));
  made.add(file);
  return {};
}

}  // namespace
}  // namespace config

Result<std::vector<std::filesystem::path>> generate_key_files(const GatewayConfig& config,
                                                              const std::filesystem::path& folder,
                                                              SecretPool& secrets) {
  using namespace config;
  const auto keys = fresh_tunnel_keys(config, secrets);
  if (!keys) return std::unexpected(keys.error());
  if (keys->empty())
    return fail(ErrorCode::not_found,
                fmt::format("no tunnel of {} takes its keys from a file: write keys = {{ file = "
                            "\"{{site}}.keys\" }} into those that shall",
                            config.file.string()));
  if (auto ready = make_folder(folder); !ready) return std::unexpected(ready.error());
  const auto open = open_folder(folder.empty() ? "." : folder);
  if (!open) return std::unexpected(open.error());
  if (auto safe = check_only_owner_writes(*open, folder); !safe)
    return std::unexpected(std::move(safe.error()));
  NewFiles made(*open);
  for (const auto& [name, plan] : plan_files(*keys))
    if (auto written = write_file(*open, folder / name, plan, made); !written)
      return std::unexpected(std::move(written.error()));
  if (auto synced = sync_all(*open, folder); !synced) return std::unexpected(synced.error());
  return made.keep();
}

}  // namespace espalier
