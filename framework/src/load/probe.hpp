// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>
#include <load/child.hpp>
#include <load/manifest.hpp>

#include <chrono>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace espalier::load {

// One plugin to try in a child process.
struct ProbeRequest {
  const Manifest* manifest = nullptr;
  int image = -1;  // sealed
  std::string options;
  std::vector<std::string> others{};  // "NAME=PATH" of other plugins, for one that decorates them
};

struct ProbeAnswer {
  std::string rejected;  // why it may not be used, or ""
  std::string printed;   // what it wrote to its output, which no plugin should
};

// Tries all of them, several at a time, each in a child process that runs `helper` and ends within
// `limit`. One that did not, of several, is tried once more, alone: the machine may have been busy
// with the others. One answer a request, in their order. Starts no threads.
std::vector<ProbeAnswer> probe_all(const std::filesystem::path& helper,
                                   std::span<const ProbeRequest> requests,
                                   std::chrono::milliseconds limit);

// The program espalier-probe: `wanted`, if it is given; else beside this program; else where the
// prefix of this program or of this library has it. The error names the places.
Result<std::filesystem::path> find_helper(const std::filesystem::path& wanted);

// What a child's end says of the plugin in it: "" if it passed. Pure.
std::string verdict(const ChildEnd& end, const Manifest& manifest, std::chrono::milliseconds limit);

}  // namespace espalier::load
