// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/score.hpp>

#include <algorithm>
#include <string_view>

namespace espalier::conform {
namespace {

using State = Verdict::State;

class Painter {
 public:
  explicit Painter(bool colour) : colour_(colour) {}
  std::string red(std::string_view text) const { return in("31", text); }
  std::string green(std::string_view text) const { return in("32", text); }
  std::string bold(std::string_view text) const { return in("1", text); }

 private:
  std::string in(std::string_view code, std::string_view text) const {
    return colour_ ? fmt::format("\033[{}m{}\033[0m", code, text) : std::string(text);
  }
  bool colour_;
};

std::size_t count(const std::vector<Verdict>& all, std::string_view group, State state) {
  return static_cast<std::size_t>(std::ranges::count_if(all, [&](const Verdict& v) {
    return v.state == state && (group.empty() || v.requirement->group == group);
  }));
}

// Text in lines of at most 96 columns, each after `indent`.
std::string wrapped(std::string_view text, std::string_view indent) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (column != 0 && column + 1 + word.size() > 96) {
      out += '\n';
      column = 0;
    }
    out += column == 0 ? std::string(indent) : " ";
    column += (column == 0 ? indent.size() : 1) + word.size();
    out += word;
  }
  return out + "\n";
}

std::string groups(const std::vector<Verdict>& all, const Painter& paint) {
  std::string out;
  std::string_view last;
  for (const Verdict& each : all) {
    const auto group = each.requirement->group;
    if (group == last) continue;
    last = group;
    const auto holds = count(all, group, State::holds);
    const auto failed = count(all, group, State::failed);
    const auto open = count(all, group, State::not_checked);
    const auto skipped = count(all, group, State::not_applicable);
    out += fmt::format("  {:<30}{:>3} hold", group, holds);
    if (failed != 0) out += ", " + paint.red(fmt::format("{} broken", failed));
    if (open != 0) out += fmt::format(", {} not checked", open);
    if (skipped != 0) out += fmt::format(", {} not applicable", skipped);
    out += '\n';
  }
  return out;
}

constexpr std::size_t kMostSeen = 3;

std::string failure(const Score& score, const Verdict& verdict, const Painter& paint) {
  const Requirement& r = *verdict.requirement;
  std::string out = fmt::format("\n{}  {}\n", paint.red(name_of(r.id)), paint.bold(r.sentence));
  out += wrapped(fmt::format("why: {}", r.rationale), "    ");
  out += wrapped(fmt::format("otherwise: {}", r.broken), "    ");
  for (std::size_t i = 0; i < std::min(verdict.seen.size(), kMostSeen); ++i)
    out +=
        wrapped(fmt::format("seen: {}: {}", verdict.seen[i].test, verdict.seen[i].words), "    ");
  if (verdict.seen.size() > kMostSeen)
    out += fmt::format("    and in {} more\n", verdict.seen.size() - kMostSeen);
  const std::string& test = verdict.seen.front().test;
  return out + fmt::format("    again: {}\n", score.again(test));
}

// The requirements of one state, under the reason that was first given for each.
std::string reasons(const std::vector<Verdict>& all, State state, std::string_view title) {
  std::vector<std::pair<std::string, std::string>> by_reason;
  for (const Verdict& each : all) {
    if (each.state != state) continue;
    const std::string reason = each.seen.empty() ? "no case got to it" : each.seen.front().words;
    auto found = std::ranges::find(by_reason, reason, &std::pair<std::string, std::string>::first);
    if (found == by_reason.end()) found = by_reason.insert(by_reason.end(), {reason, ""});
    found->second += " " + name_of(each.requirement->id);
  }
  std::string out;
  for (const auto& [reason, ids] : by_reason)
    out += wrapped(fmt::format("{}:{}", reason, ids), "  ");
  return out.empty() ? out : fmt::format("\n{}\n{}", title, out);
}

// How many packets were compared with the reference, of the capability that had the fewest.
std::string compared(const Score& score) {
  std::uint64_t least = 0;
  for (const CaseResult& each : score.cases)
    if (each.compared != 0) least = least == 0 ? each.compared : std::min(least, each.compared);
  if (least == 0) return {};
  return fmt::format(
      "  note: of each capability {} random packets were compared with the "
      "reference\n",
      least);
}

std::string result_line(const Score& score, const std::vector<Verdict>& all, const Painter& paint) {
  const auto holds = count(all, "", State::holds);
  const auto failed = count(all, "", State::failed);
  const auto open = count(all, "", State::not_checked);
  if (!score.kit_errors.empty())
    return paint.red("No result") + ": a case could not be run, so nothing is proved.\n";
  if (failed != 0)
    return fmt::format("{}: {} of {} requirements that apply are broken.\n",
                       paint.red("Does not conform"), failed, failed + holds + open);
  if (score.conforms() && !score.filter.empty())
    return fmt::format("{} what case '{}' checks; a run without --case checks the rest.\n",
                       paint.green("Keeps"), score.filter);
  if (!score.tested())
    return fmt::format("{}: no device of it was here, so nothing is proved.\n",
                       paint.red("No result"));
  if (open != 0)
    return fmt::format("{}: {} requirements could not be checked.\n", paint.red("Does not conform"),
                       open);
  return fmt::format("{}: {} requirements hold, {} do not apply.\n", paint.green("Conforms"), holds,
                     count(all, "", State::not_applicable));
}

}  // namespace

std::string text_of(const Score& score, bool colour) {
  const Painter paint(colour);
  const auto all = verdicts(score);
  const auto run = std::ranges::count_if(score.cases, [](const CaseResult& c) {
    return c.state == CaseResult::State::passed || c.state == CaseResult::State::failed;
  });
  const std::string name = score.manifest.name.empty()
                               ? std::string("no manifest")
                               : fmt::format("{} {} of {}", score.manifest.name,
                                             score.manifest.version, score.manifest.vendor);
  std::string out = fmt::format(
      "{}: {}; {} case{}{} in {:.1f} s, seed {}\n\n", paint.bold(score.plugin), name, run,
      run == 1 ? "" : "s", score.extent() == "full" ? "" : fmt::format(" ({})", score.extent()),
      score.seconds, score.seed);
  out += groups(all, paint);
  for (const Verdict& each : all)
    if (each.state == State::failed) out += failure(score, each, paint);
  for (const std::string& error : score.kit_errors) out += "\nNot run: " + error + "\n";
  out += reasons(all, State::not_applicable, "Not applicable");
  if (score.filter.empty()) out += reasons(all, State::not_checked, "Not checked");
  out += compared(score);
  for (const CaseResult& each : score.cases)
    for (const std::string& note : each.notes)
      out += wrapped(fmt::format("note: {}: {}", each.name, note), "  ");
  if (score.alone)
    out += wrapped(
        "note: refused beside other cases, so they were run one after the other; "
        "--jobs 1 does so from the beginning",
        "  ");
  return out + "\n" + result_line(score, all, paint);
}

std::string requirements_text() {
  std::string out;
  std::string_view last;
  for (const Requirement& r : requirements()) {
    if (r.group != last) out += fmt::format("{}{}\n", last.empty() ? "" : "\n", r.group);
    last = r.group;
    out += wrapped(fmt::format("{}  {}", name_of(r.id), r.sentence), "  ");
    out += wrapped(fmt::format("why: {}", r.rationale), "      ");
    out += wrapped(fmt::format("otherwise: {}", r.broken), "      ");
    std::string tests;
    for (const Case& test : all_cases())
      if (std::ranges::find(test.checks, r.id) != test.checks.end())
        tests += (tests.empty() ? "" : ", ") + std::string(test.name);
    if (!tests.empty()) out += wrapped(fmt::format("cases: {}", tests), "      ");
  }
  return out;
}

}  // namespace espalier::conform
