// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace espalier::config {

// Text that may hold keys: its buffer is wiped when it is destroyed, and never copied by growing.
class SourceText {
 public:
  SourceText() = default;
  explicit SourceText(std::size_t capacity);
  ~SourceText();
  SourceText(SourceText&& other) noexcept;
  SourceText& operator=(SourceText&& other) noexcept;

  std::string_view view() const noexcept { return {data_.get(), size_}; }
  std::span<char> bytes() noexcept { return {data_.get(), size_}; }
  std::size_t capacity() const noexcept { return capacity_; }
  std::span<char> room() noexcept { return {data_.get() + size_, capacity_ - size_}; }
  void grow(std::size_t filled) noexcept { size_ += filled; }  // that much of room() is text now
  void append(std::string_view text) noexcept;                 // requires room

 private:
  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// Who may own a file that holds keys.
enum class Owner { caller, caller_or_root };

// An open file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int descriptor) noexcept : descriptor_(descriptor) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;

  int get() const noexcept { return descriptor_; }
  explicit operator bool() const noexcept { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

// The whole of an open file. `file` is for sentences.
Result<SourceText> read_all(const Descriptor& descriptor, const std::filesystem::path& file);

struct ConfigText {
  SourceText text;
  bool others_can_read = false;
};

// A configuration file, pipe or terminal; "-" is the standard input.
Result<ConfigText> read_config_text(const std::filesystem::path& file);

// Opens a file that holds keys: refused unless it is a regular file (no link), of the right owner,
// that nobody but its owner can read or write.
Result<Descriptor> open_secret_file(const std::filesystem::path& file, Owner owner);
// The same for a file in an open folder.
Result<Descriptor> open_secret_file(const Descriptor& folder, const std::filesystem::path& file,
                                    Owner owner);

// "cannot DO FILE: REASON", with the reason of `error_number`.
// That nobody but its owner can put other files in place of those in the folder. Both functions
// above ask this, too.
Result<void> check_only_owner_writes(const Descriptor& folder, const std::filesystem::path& path);

std::unexpected<Error> system_failure(std::string_view doing, const std::filesystem::path& file,
                                      int error_number);

}  // namespace espalier::config
