// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <conform/run.hpp>
#include <espalier/inventory.hpp>
#include <espalier/result.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace espalier::conform {

// What a vendor's data sheet says, in TOML: [[devices]] with their [[devices.capabilities]] and
// [[devices.pools]], named as in the inventory that `espalier probe --save` writes. What is left
// out is not promised either way. [conform] sets how much the cases do, and lost_options,
// back_options and degraded_options: the backend's own with which that becomes of its device.
struct Profile {
  std::string path;
  std::string backend;  // its name, or ""
  std::string devices;  // a JSON array, checked; "[]" if it declares none
  Endings endings;
  std::map<std::string, std::uint32_t> limits;  // of [conform]

  static Result<Profile> read(const std::filesystem::path& path);
  static Result<Profile> parse(std::string_view text, const std::string& path);

  bool declares() const { return devices != "[]"; }
  Budget applied_to(Budget budget) const;
  // The backend that it declares; what it does not say is as in `beside`.
  BackendInfo declared(const BackendInfo& beside) const;
  // In which it is not as the data sheet says, a sentence each.
  std::vector<std::string> differences(const std::vector<Device>& measured) const;
};

}  // namespace espalier::conform
