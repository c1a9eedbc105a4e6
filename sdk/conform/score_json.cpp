// SPDX-License-Identifier: Apache-2.0
#include <conform/score.hpp>
#include <model/json_text.hpp>

#include <algorithm>
#include <cmath>

namespace espalier::conform {
namespace {

using Json = nlohmann::ordered_json;

const char* word(Verdict::State state) {
  switch (state) {
    case Verdict::State::holds:
      return "holds";
    case Verdict::State::failed:
      return "failed";
    case Verdict::State::not_applicable:
      return "not_applicable";
    default:
      return "not_checked";
  }
}

const char* word(CaseResult::State state) {
  switch (state) {
    case CaseResult::State::passed:
      return "passed";
    case CaseResult::State::failed:
      return "failed";
    case CaseResult::State::not_applicable:
      return "not_applicable";
    default:
      return "not_run";
  }
}

double rounded(double seconds) { return std::round(seconds * 1000) / 1000; }

Json json_of(const Requirement& r) {
  Json tests = Json::array();
  for (const Case& test : all_cases())
    if (std::ranges::find(test.checks, r.id) != test.checks.end()) tests.push_back(test.name);
  if (r.id == Req::manifest || r.id == Req::one_symbol) tests.push_back("file");
  if (r.id == Req::profile) tests.push_back("profile");
  return {{"id", name_of(r.id)},      {"group", r.group},   {"sentence", r.sentence},
          {"rationale", r.rationale}, {"broken", r.broken}, {"cases", tests}};
}

Json json_of(const Verdict& verdict) {
  Json seen = Json::array();
  for (const auto& each : verdict.seen)
    seen.push_back({{"case", each.test}, {"words", each.words}});
  return {{"id", name_of(verdict.requirement->id)},
          {"state", word(verdict.state)},
          {"sentence", verdict.requirement->sentence},
          {"seen", seen}};
}

Json json_of(const CaseResult& result) {
  return {{"name", result.name},
          {"state", word(result.state)},
          {"seconds", rounded(result.seconds)},
          {"compared", result.compared},
          {"not_run", result.not_run},
          {"notes", result.notes}};
}

}  // namespace

std::string json_of(const Score& score) {
  Json judged = Json::array();
  for (const Verdict& each : verdicts(score)) judged.push_back(json_of(each));
  Json cases = Json::array();
  for (const CaseResult& each : score.cases) cases.push_back(json_of(each));
  return json_text({{"plugin", score.plugin},
                    {"name", score.manifest.name},
                    {"vendor", score.manifest.vendor},
                    {"version", score.manifest.version},
                    {"conforms", score.conforms()},
                    {"seed", score.seed},
                    {"quick", score.quick},
                    {"extent", score.extent()},
                    {"tested", score.tested()},
                    {"case", score.filter},
                    {"seconds", rounded(score.seconds)},
                    {"requirements", judged},
                    {"cases", cases},
                    {"kit_errors", score.kit_errors}});
}

std::string requirements_json() {
  Json all = Json::array();
  for (const Requirement& r : requirements()) all.push_back(json_of(r));
  return json_text({{"requirements", all}});
}

}  // namespace espalier::conform
