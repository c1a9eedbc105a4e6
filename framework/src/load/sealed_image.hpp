// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>
#include <load/descriptor.hpp>

#include <cstdint>
#include <span>
#include <string>

namespace espalier::load {

inline constexpr std::uint64_t kMaxImageBytes = 256ull << 20;

// Copies a file into memory that has a descriptor and that nobody, not even this process, can
// change any more. `name` is what /proc/PID/maps shows.
Result<Descriptor> seal(int file, const std::string& name);
Result<Descriptor> seal(std::span<const std::uint8_t> bytes, const std::string& name);

// The bytes of a sealed image, mapped for reading.
class ImageView {
 public:
  static Result<ImageView> map(int image);
  ~ImageView();
  ImageView(ImageView&& other) noexcept;
  ImageView& operator=(ImageView&&) = delete;

  std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }

 private:
  explicit ImageView(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}
  std::span<const std::uint8_t> bytes_;
};

}  // namespace espalier::load
