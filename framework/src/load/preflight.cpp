// SPDX-License-Identifier: Apache-2.0
#include <load/preflight.hpp>
#include <load/sealed_image.hpp>
#include <load/trusted_file.hpp>

#include <utility>

namespace espalier::load {

Result<CheckedPlugin> preflight(const std::filesystem::path& path) {
  const auto file = open_trusted(path);
  if (!file) return std::unexpected(file.error());
  auto image = seal(file->get(), path.filename().string());
  if (!image) return std::unexpected(image.error());
  const auto view = ImageView::map(image->get());
  if (!view) return std::unexpected(view.error());
  auto manifest = read_manifest(view->bytes());
  if (!manifest) return std::unexpected(manifest.error());
  return CheckedPlugin{std::move(*manifest), std::move(*image)};
}

Result<void> check_needs(const Manifest& manifest, const CpuFeatures& cpu) {
  if (auto abi = check_abi(manifest); !abi) return abi;
  return check_cpu(manifest.cpu, cpu);
}

}  // namespace espalier::load
