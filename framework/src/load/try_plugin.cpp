// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <load/library.hpp>
#include <load/preflight.hpp>
#include <load/running_backend.hpp>
#include <load/sealed_image.hpp>
#include <load/try_plugin.hpp>

#include <utility>

namespace espalier::load {
namespace {

Result<Manifest> manifest_of(int image) {
  const auto view = ImageView::map(image);
  if (!view) return std::unexpected(view.error());
  return read_manifest(view->bytes());
}

Result<std::vector<Device>> ask(const Manifest& manifest, Descriptor image,
                                const std::string& options, FindEntry find) {
  const auto entry = load_library(std::move(image), manifest);
  if (!entry) return std::unexpected(entry.error());
  const auto secrets = SecretPool::create();
  auto host =
      std::make_unique<HostServices>(manifest.name, Log{}, secrets ? secrets->get() : nullptr,
                                     std::make_shared<Mailbox>(), std::move(find));
  const auto backend = RunningBackend::start(manifest.name, **entry, std::move(host), options);
  if (!backend) return std::unexpected(backend.error());
  return (*backend)->devices();
}

}  // namespace

BackendInfo try_plugin(Descriptor image, const std::string& options, FindEntry find) {
  BackendInfo found;
  const auto manifest = manifest_of(image.get());
  if (!manifest) {
    found.rejected = manifest.error().message;
    return found;
  }
  found.name = manifest->name;
  found.vendor = manifest->vendor;
  found.version = manifest->version;
  auto devices = ask(*manifest, std::move(image), options, std::move(find));
  if (devices)
    found.devices = std::move(*devices);
  else
    found.rejected = devices.error().message;
  return found;
}

FindEntry find_in_files(std::vector<std::string> files) {
  return
      [files = std::move(files)](std::string_view backend) -> Result<const espalier_plugin_entry*> {
        for (const std::string& file : files) {
          if (std::string_view(file).substr(0, file.find('=')) != backend) continue;
          auto checked = preflight(file.substr(file.find('=') + 1));
          if (!checked) return std::unexpected(checked.error());
          if (auto here = check_needs(checked->manifest, this_cpu()); !here)
            return std::unexpected(here.error());
          return load_library(std::move(checked->image), checked->manifest);
        }
        return fail(ErrorCode::not_found,
                    fmt::format("there is no plugin file of backend '{}' that may "
                                "be used",
                                backend));
      };
}

std::string to_report(const BackendInfo& backend) {
  Inventory inventory;
  inventory.backends.push_back(backend);
  return to_json(inventory);
}

Result<BackendInfo> from_report(std::string_view report) {
  auto inventory = inventory_from_json(report);
  if (!inventory) return std::unexpected(inventory.error());
  if (inventory->backends.size() != 1)
    return fail(ErrorCode::invalid, "a report is of one backend");
  return std::move(inventory->backends.front());
}

}  // namespace espalier::load
