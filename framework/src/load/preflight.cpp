// SPDX-License-Identifier: Apache-2.0
#include <load/preflight.hpp>
#include <load/sealed_image.hpp>
#include <load/trusted_file.hpp>

#include <utility>

namespace espalier::load {

Result<CheckedPlugin> preflight(const std::filesystem::path& path, const CpuFeatures& cpu) {
  const auto file = open_trusted(path);
  if (!file) return std::unexpected(file.error());
  auto image = seal(file->get(), path.filename().string());
  if (!image) return std::unexpected(image.error());
  const auto view = ImageView::map(image->get());
  if (!view) return std::unexpected(view.error());
  auto manifest = read_manifest(view->bytes());
  if (!manifest) return std::unexpected(manifest.error());
  if (auto able = check_cpu(manifest->cpu, cpu); !able) return std::unexpected(able.error());
  return CheckedPlugin{std::move(*manifest), std::move(*image)};
}

}  // namespace espalier::load
