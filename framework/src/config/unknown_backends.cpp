// SPDX-License-Identifier: Apache-2.0
#include <espalier/config.hpp>

#include <fmt/format.h>
#include <model/nearest_name.hpp>

#include <algorithm>
#include <set>

namespace espalier {

std::vector<Diagnostic> unknown_backends(std::span<const NamedBackend> named_backends,
                                         std::span<const std::string_view> known,
                                         std::string_view where) {
  std::vector<Diagnostic> findings;
  std::set<std::string_view> told;
  for (const NamedBackend& named : named_backends) {
    const bool there = std::ranges::find(known, named.name) != known.end();
    if (there || !told.insert(named.name).second) continue;
    const std::string hint = did_you_mean(known, named.name);
    const bool misspelt = !hint.empty();
    findings.push_back({named.file, named.line, named.column,
                        misspelt ? Severity::error : Severity::warning,
                        fmt::format("no plugin {} is named '{}'{}", where, named.name,
                                    misspelt ? hint : ": it is passed over")});
  }
  return findings;
}

}  // namespace espalier
