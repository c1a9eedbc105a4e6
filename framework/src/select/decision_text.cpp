// SPDX-License-Identifier: Apache-2.0
#include <espalier/decision.hpp>

#include <model/json_text.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Candidate& candidate) {
  Json numbers = Json::array();
  for (const Comparison& number : candidate.numbers)
    numbers.push_back({{"what", number.what}, {"have", number.have}, {"limit", number.limit}});
  return {{"backend", candidate.backend},
          {"device", candidate.device},
          {"order", candidate.order},
          {"score", candidate.score},
          {"reason", to_string(candidate.reason)},
          {"sentence", candidate.sentence},
          {"numbers", std::move(numbers)}};
}

std::string headline(const Decision& decision) {
  const std::string rule = decision.rule.empty() ? "no rule" : "rule " + decision.rule;
  const std::string why = fmt::format("({}, fallback {})", rule, to_string(decision.fallback));
  if (!decision.chosen) return fmt::format("{}: no backend can take it {}\n", decision.sa, why);
  const Candidate& chosen = decision.candidates[*decision.chosen];
  return fmt::format("{}: {} {} {}\n", decision.sa, chosen.backend, chosen.device, why);
}

std::string numbers_text(const Candidate& candidate) {
  std::string result;
  for (const Comparison& number : candidate.numbers)
    result += fmt::format("; {} {} of {}", number.what, number.have, number.limit);
  return result;
}

}  // namespace

std::string_view to_string(Reason reason) noexcept {
  switch (reason) {
    case Reason::chosen:
      return "chosen";
    case Reason::not_needed:
      return "not_needed";
    case Reason::policy_excluded:
      return "policy.excluded";
    case Reason::policy_limit:
      return "policy.limit";
    case Reason::unsupported_dataplane:
      return "unsupported.dataplane";
    case Reason::unsupported_transform:
      return "unsupported.transform";
    case Reason::unsupported_key_length:
      return "unsupported.key_length";
    case Reason::unsupported_icv:
      return "unsupported.icv";
    case Reason::unsupported_mode:
      return "unsupported.mode";
    case Reason::unsupported_esn:
      return "unsupported.esn";
    case Reason::unsupported_direction:
      return "unsupported.direction";
    case Reason::unsupported_encap:
      return "unsupported.encap";
    case Reason::unsupported_family:
      return "unsupported.family";
    case Reason::unsupported_selector:
      return "unsupported.selector";
    case Reason::unsupported_mark:
      return "unsupported.mark";
    case Reason::unsupported_replay_window:
      return "unsupported.replay_window";
    case Reason::unsupported_lifetime:
      return "unsupported.lifetime";
    case Reason::device_absent:
      return "device.absent";
    case Reason::device_down:
      return "device.down";
    case Reason::device_lost:
      return "device.lost";
    case Reason::device_quarantined:
      return "device.quarantined";
    case Reason::device_not_on_path:
      return "device.not_on_path";
    case Reason::plugin_rejected:
      return "plugin.rejected";
    case Reason::capacity_sas:
      return "capacity.sas";
    case Reason::capacity_queue:
      return "capacity.queue";
    case Reason::capacity_throughput:
      return "capacity.throughput";
    case Reason::refused_by_device:
      return "refused.by_device";
    case Reason::refused_permission:
      return "refused.permission";
    case Reason::refused_transient:
      return "refused.transient";
    case Reason::refused_invalid:
      return "refused.invalid";
  }
  return "unknown";
}

std::string to_json(const Decision& decision) {
  Json candidates = Json::array();
  for (const Candidate& candidate : decision.candidates) candidates.push_back(json_of(candidate));
  return json_text(Json{{"sa", decision.sa},
                        {"rule", decision.rule},
                        {"fallback", to_string(decision.fallback)},
                        {"chosen", decision.chosen ? Json(*decision.chosen) : Json(nullptr)},
                        {"candidates", std::move(candidates)}});
}

std::string to_text(const Decision& decision) {
  std::size_t backend = 0, device = 0, reason = 0;
  for (const Candidate& candidate : decision.candidates) {
    backend = std::max(backend, candidate.backend.size());
    device = std::max(device, candidate.device.size());
    reason = std::max(reason, to_string(candidate.reason).size());
  }
  std::string text = headline(decision);
  for (const Candidate& candidate : decision.candidates) {
    const std::string order = candidate.order == 0 ? "-" : std::to_string(candidate.order);
    text += fmt::format("  {:>2}  {:<{}}  {:<{}}  {:<{}}  {}{}\n", order, candidate.backend,
                        backend, candidate.device, device, to_string(candidate.reason), reason,
                        candidate.sentence, numbers_text(candidate));
  }
  return text;
}

}  // namespace espalier
