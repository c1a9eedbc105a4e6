// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <conform/profile.hpp>
#include <conform/score.hpp>
#include <espalier/result.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace espalier::conform {

struct Options {
  std::filesystem::path plugin{};
  std::filesystem::path program{};  // that runs a case: one that calls run_case_process()
  std::filesystem::path preload{};  // the run-time library of a sanitizer in the plugin, or ""
  std::string backend_options = "{}";
  std::uint64_t seed = 1;
  bool quick = false;
  Budget budget{};
  std::string filter{};  // a case, or the beginning of one up to a ':'; "" for all
  unsigned at_once = 2;
  std::optional<Profile> profile{};
  std::function<void(std::size_t done, std::size_t all, std::string_view name)> progress{};
};

// Runs the cases over one plugin, each in its own process. An error is one of usage: no such file
// or case. Starts no threads.
Result<Score> run_all(const Options& options);

// What the plugin says of itself, asked in a process of its own. Errors name the plugin.
Result<BackendInfo> describe_plugin(const Options& options);

}  // namespace espalier::conform
