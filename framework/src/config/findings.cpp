// SPDX-License-Identifier: Apache-2.0
#include "config/findings.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

std::string to_string(const Diagnostic& diagnostic) {
  const char* severity = diagnostic.severity == Severity::error ? "error" : "warning";
  if (diagnostic.line == 0)
    return fmt::format("{}: {}: {}", diagnostic.file.string(), severity, diagnostic.message);
  return fmt::format("{}:{}:{}: {}: {}", diagnostic.file.string(), diagnostic.line,
                     diagnostic.column, severity, diagnostic.message);
}

namespace config {

std::uint32_t Findings::add_file(std::filesystem::path file) {
  files_.push_back(std::move(file));
  return static_cast<std::uint32_t>(files_.size() - 1);
}

void Findings::add(Position at, Severity severity, std::string message) {
  findings_.push_back({at, findings_.size(), severity, std::move(message)});
  if (severity == Severity::error) ++errors_;
}

std::string Findings::place(Position at) const {
  return fmt::format("{}:{}", files_.at(at.file).string(), at.line);
}

std::vector<Diagnostic> Findings::in_order() const {
  std::vector<Finding> sorted = findings_;
  std::ranges::sort(sorted, {},
                    [](const Finding& finding) { return std::pair(finding.at, finding.number); });
  std::vector<Diagnostic> result;
  result.reserve(sorted.size());
  for (Finding& finding : sorted)
    result.push_back({files_.at(finding.at.file), finding.at.line, finding.at.column,
                      finding.severity, std::move(finding.message)});
  return result;
}

}  // namespace config
}  // namespace espalier
