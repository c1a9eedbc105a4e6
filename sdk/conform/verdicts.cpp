// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/score.hpp>

#include <algorithm>
#include <string_view>

namespace espalier::conform {
namespace {

Verdict verdict_on(const Requirement& requirement, const Score& score) {
  Verdict verdict{.requirement = &requirement};
  std::vector<Verdict::Seen> failed;
  std::vector<Verdict::Seen> inapplicable;
  std::vector<Verdict::Seen> unchecked;
  bool held = false;
  bool ended_before = false;  // a case to which the requirement applies
  for (const CaseResult& result : score.cases) {
    bool said = false;
    for (const Finding& finding : result.findings) {
      if (finding.requirement != requirement.id) continue;
      said = true;
      auto& list = finding.kind == Finding::Kind::failed ? failed : inapplicable;
      list.push_back({result.name, finding.words});
    }
    const bool checks =
        result.test != nullptr &&
        std::ranges::find(result.test->checks, requirement.id) != result.test->checks.end();
    if (said || !checks) continue;
    if (result.reached_end) {
      held = true;
      continue;
    }
    ended_before = ended_before || result.not_run.empty();
    unchecked.push_back(
        {result.name, result.not_run.empty() ? "the case ended before" : result.not_run});
  }
  using State = Verdict::State;
  const bool inapplicable_here = !inapplicable.empty() && !ended_before;
  verdict.state = !failed.empty()     ? State::failed
                  : held              ? State::holds
                  : inapplicable_here ? State::not_applicable
                                      : State::not_checked;
  verdict.seen = !failed.empty()     ? std::move(failed)
                 : held              ? std::vector<Verdict::Seen>{}
                 : inapplicable_here ? std::move(inapplicable)
                                     : std::move(unchecked);
  return verdict;
}

// As a shell reads it as one word.
std::string quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:+=,@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos)
    return std::string(word);
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

}  // namespace

std::vector<Verdict> verdicts(const Score& score) {
  std::vector<Verdict> all;
  for (const Requirement& each : requirements()) all.push_back(verdict_on(each, score));
  return all;
}

bool Score::tested() const {
  return std::ranges::any_of(
      devices, [](const Device& device) { return device.state != DeviceState::lost; });
}

std::string Score::extent() const {
  const Budget usual = quick ? quick_budget() : Budget{};
  const bool as_usual = budget.packets == usual.packets && budget.sessions == usual.sessions &&
                        budget.reopens == usual.reopens;
  const char* const name = quick ? "quick" : "full";
  return as_usual ? name
                  : fmt::format("{}, but by its profile {} packets, {} sessions, {} reopens", name,
                                budget.packets, budget.sessions, budget.reopens);
}

std::string Score::again(const std::string& test) const {
  std::string command =
      fmt::format("espalier conform {} --case {} --seed {}", quoted(plugin), quoted(test), seed);
  if (quick) command += " --quick";
  if (!profile.empty()) command += " --profile " + quoted(profile);
  if (!preload.empty()) command += " --preload " + quoted(preload);
  if (options != "{}") command += " --options " + quoted(options);
  return command;
}

bool Score::conforms() const {
  if (!kit_errors.empty() || (filter.empty() && !tested())) return false;
  const auto all = verdicts(*this);
  return std::ranges::all_of(all, [&](const Verdict& v) {
    if (v.state == Verdict::State::not_checked) return !filter.empty();  // not asked for
    return v.state != Verdict::State::failed;
  });
}

}  // namespace espalier::conform
