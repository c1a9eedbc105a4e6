// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"

#include "xfrm/software_backend.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

namespace espalier::cli {
namespace {

namespace fs = std::filesystem;

// Beside the program in a build tree, else where it is installed.
std::vector<fs::path> own_folders(const std::function<void(int, std::string_view)>& log) {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  const fs::path built = (here / ".." / "plugins").lexically_normal();
  const fs::path installed =
      (here / ".." / ESPALIER_LIBDIR / "espalier" / "plugins").lexically_normal();
  for (const fs::path& folder : {built, installed})
    if (fs::is_directory(folder, error)) return {folder};
  log(ESPALIER_LOG_WARNING,
      fmt::format("There is no plugin folder, neither '{}' nor '{}': only the built-in backend "
                  "'openssl' is there. Install Espalier's plugins, or name their folder in the "
                  "configuration ([plugins]) or with --plugins.",
                  built.native(), installed.native()));
  return {};
}

}  // namespace

BackendOptions backend_options(const GatewayConfig& config) {
  return {config.plugin_folders, config.backend_options, config.policy.excluded, config.dataplane};
}

Result<std::unique_ptr<Registry>> load_backends(
    const BackendOptions& options, SecretPool& secrets,
    std::function<void(int level, std::string_view text)> log) {
  RegistryOptions wanted;
  wanted.folders = options.folders.empty() ? own_folders(log) : options.folders;
  wanted.backend_options = options.options;
  wanted.disabled = options.disabled;
  wanted.log = std::move(log);
  auto registry = Registry::load(wanted, secrets);
  if (!registry) return registry;
  const auto own = options.options.find("openssl");
  const auto added = (*registry)->add_builtin("openssl", espalier_plugin_openssl,
                                              own == options.options.end() ? "{}" : own->second);
  if (!added && added.error().code != ErrorCode::conflict) return std::unexpected(added.error());
  if (options.dataplane != Dataplane::kernel) return registry;
  const auto kernel = (*registry)->add_builtin(xfrm::kSoftwareBackend, xfrm::kSoftwareEntry);
  if (!kernel) return std::unexpected(kernel.error());
  return registry;
}

Result<void> add_last_resort(Inventory& inventory, SecretPool& secrets) {
  if (inventory.dataplane != Dataplane::kernel) return {};
  const auto is_there = [](const BackendInfo& backend) {
    return backend.name == xfrm::kSoftwareBackend;
  };
  if (std::ranges::any_of(inventory.backends, is_there)) return {};
  const auto registry = Registry::load({}, secrets);
  if (!registry) return std::unexpected(registry.error());
  if (auto added = (*registry)->add_builtin(xfrm::kSoftwareBackend, xfrm::kSoftwareEntry); !added)
    return added;
  auto& kernel = inventory.backends.emplace_back((*registry)->backends().front());
  for (Device& device : kernel.devices) device.description = "the crypto driver that Linux chooses";
  return {};
}

void judge_names(ConfigReading& reading, const std::vector<BackendInfo>& backends,
                 std::string_view where) {
  std::vector<std::string_view> known = {xfrm::kSoftwareBackend};
  for (const BackendInfo& backend : backends) known.push_back(backend.name);
  for (Diagnostic& finding : unknown_backends(reading.named_backends, known, where)) {
    if (finding.severity == Severity::error) reading.config.reset();
    reading.findings.push_back(std::move(finding));
  }
}

void judge_names_here(ConfigReading& reading, const fs::path& file, SecretPool& secrets) {
  BackendOptions options{
      .folders = reading.plugin_folders, .options = {}, .disabled = {}, .dataplane = {}};
  if (reading.config) options = backend_options(*reading.config);
  if (const auto registry = load_backends(options, secrets, [](int, std::string_view) {}))
    judge_names(reading, (*registry)->backends(), "here");
  else
    reading.findings.push_back(
        {file, 0, 0, Severity::warning,
         fmt::format("{}; the names of backends are not looked at", registry.error().message)});
  put_in_order(reading.findings);
}

void put_in_order(std::vector<Diagnostic>& findings) {
  std::map<fs::path, std::size_t> files;
  for (const Diagnostic& finding : findings) files.try_emplace(finding.file, files.size());
  std::ranges::sort(findings, {}, [&](const Diagnostic& finding) {
    return std::tuple(files.at(finding.file), finding.line, finding.column,
                      std::string_view(finding.message));
  });
}

}  // namespace espalier::cli
