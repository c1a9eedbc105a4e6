// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>

#include "config/toml_tree.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace espalier::config {

// Everything found in the files of one configuration, collected while it is read.
class Findings {
 public:
  std::uint32_t add_file(std::filesystem::path file);
  const std::filesystem::path& file(std::uint32_t index) const { return files_.at(index); }

  void error(Position at, std::string message) { add(at, Severity::error, std::move(message)); }
  void warning(Position at, std::string message) { add(at, Severity::warning, std::move(message)); }
  bool has_errors() const noexcept { return errors_ > 0; }

  // "site.toml:12", for sentences that point at a second place.
  std::string place(Position at) const;

  // In the order of the files, then of lines.
  std::vector<Diagnostic> in_order() const;

 private:
  struct Finding {
    Position at;
    std::size_t number;  // in the order in which they were found
    Severity severity;
    std::string message;
  };

  void add(Position at, Severity severity, std::string message);

  std::vector<std::filesystem::path> files_;
  std::vector<Finding> findings_;
  std::size_t errors_ = 0;
};

}  // namespace espalier::config
