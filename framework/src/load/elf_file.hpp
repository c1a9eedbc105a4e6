// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::load {

// A shared object of this machine as plain bytes, which may be anything: every offset and length is
// checked before it is used. (boost::dll::library_info checks none, reads past the end of a
// malformed file, and finds no symbols in a stripped one.) The bytes must outlive it.
class ElfFile {
 public:
  static Result<ElfFile> parse(std::span<const std::uint8_t> bytes);

  // The bytes of the first section of that name that has any; empty if there is none.
  std::span<const std::uint8_t> section(std::string_view name) const noexcept;

  // True if the dynamic symbols define a data object of that name, at least `size` bytes long.
  bool exports_object(std::string_view name, std::uint64_t size) const noexcept;

  // What the dynamic symbols define for others, in their order.
  std::vector<std::string> exported_names() const;
  // What others have to define for it, in their order.
  std::vector<std::string> needed_names() const;

 private:
  template <class Wanted>
  std::vector<std::string> names_of(Wanted&& wanted) const;
  ElfFile(std::span<const std::uint8_t> bytes, std::span<const std::uint8_t> headers,
          std::span<const std::uint8_t> names) noexcept
      : bytes_(bytes), headers_(headers), names_(names) {}

  std::span<const std::uint8_t> bytes_;
  std::span<const std::uint8_t> headers_;  // section headers, whole entries
  std::span<const std::uint8_t> names_;    // section names
};

}  // namespace espalier::load
