// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <load/sealed_image.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace espalier::load {
namespace {

constexpr unsigned kNoExecSeal = 0x0008;  // MFD_NOEXEC_SEAL, Linux 6.3: may be mapped, not run

Error os_error(std::string_view what) {
  return {ErrorCode::io, fmt::format("{}: {}", what, std::strerror(errno))};
}

Result<Descriptor> create(const std::string& name) {
  // The kernel takes names of up to 249 bytes.
  const std::string label = "espalier:" + name.substr(0, 200);
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Descriptor image(memfd_create(label.c_str(), kFlags | kNoExecSeal));
  if (!image && errno == EINVAL) image = Descriptor(memfd_create(label.c_str(), kFlags));
  if (!image) return std::unexpected(os_error("cannot make a memory file"));
  return image;
}

Result<void> append(int image, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(image, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::unexpected(os_error("cannot write to a memory file"));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<Descriptor> closed(Descriptor image) {
  if (fcntl(image.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) !=
          0 ||
      lseek(image.get(), 0, SEEK_SET) != 0)
    return std::unexpected(os_error("cannot seal a memory file"));
  return image;
}

}  // namespace

Result<Descriptor> seal(std::span<const std::uint8_t> bytes, const std::string& name) {
  auto image = create(name);
  if (!image) return image;
  if (auto written = append(image->get(), bytes); !written) return std::unexpected(written.error());
  return closed(std::move(*image));
}

Result<Descriptor> seal(int file, const std::string& name) {
  auto image = create(name);
  if (!image) return image;
  std::array<std::uint8_t, 64 * 1024> block;
  std::uint64_t total = 0;
  for (;;) {
    const ssize_t n = read(file, block.data(), block.size());
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(os_error("cannot read it"));
    total += static_cast<std::uint64_t>(n);
    if (total > kMaxImageBytes)
      return fail(ErrorCode::invalid,
                  fmt::format("it is longer than {} MiB", kMaxImageBytes >> 20));
    if (auto written = append(image->get(), {block.data(), static_cast<std::size_t>(n)}); !written)
      return std::unexpected(written.error());
  }
  return closed(std::move(*image));
}

Result<ImageView> ImageView::map(int image) {
  struct stat found{};
  if (fstat(image, &found) != 0) return std::unexpected(os_error("cannot look at a memory file"));
  const auto size = static_cast<std::size_t>(found.st_size);
  if (size == 0) return ImageView({});
  void* const memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, image, 0);
  if (memory == MAP_FAILED) return std::unexpected(os_error("cannot map a memory file"));
  return ImageView({static_cast<const std::uint8_t*>(memory), size});
}

ImageView::ImageView(ImageView&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

ImageView::~ImageView() {
  if (!bytes_.empty()) munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

}  // namespace espalier::load
