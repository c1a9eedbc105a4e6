// SPDX-License-Identifier: Apache-2.0
#include "gateway/told_refusals.hpp"

#include <fmt/format.h>

#include <string>

namespace espalier {
namespace {

// A preferred device that had no room for the SA, or did not want it.
bool was_refused(const Candidate& candidate) {
  switch (candidate.reason) {
    case Reason::capacity_sas:
    case Reason::capacity_queue:
    case Reason::capacity_throughput:
    case Reason::refused_by_device:
    case Reason::refused_permission:
    case Reason::refused_transient:
    case Reason::refused_invalid:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<GatewayEvent> told_of_refusals(std::string_view sa, const Decision& decision) {
  std::string words;
  for (std::uint32_t i = 0; i < *decision.chosen; ++i) {
    const Candidate& candidate = decision.candidates[i];
    if (was_refused(candidate))
      words += fmt::format("{}{} {}: {}", words.empty() ? "" : "; ", candidate.backend,
                           candidate.device, candidate.sentence);
  }
  if (words.empty()) return std::nullopt;
  const Candidate& chosen = decision.candidates[*decision.chosen];
  return GatewayEvent{GatewayEvent::Kind::refused, std::string(sa),
                      fmt::format("SA '{}' went to {} {}, because others did not take it: {}.", sa,
                                  chosen.backend, chosen.device, words)};
}

}  // namespace espalier
