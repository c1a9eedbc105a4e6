// SPDX-License-Identifier: Apache-2.0
//
// One file, nothing loaded from anywhere, works from a disk and on paper.
#include <fmt/format.h>
#include <conform/score.hpp>

#include <algorithm>
#include <map>

namespace espalier::conform {
namespace {

using State = Verdict::State;

constexpr std::string_view kStyle = R"css(
:root { --ok:#1a7f4b; --bad:#c0322b; --mute:#6b7280; --line:#e3e5ea; --soft:#f6f7f9; }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1d2430; background: #fff; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.4rem 0 .8rem; }
.about { color: var(--mute); margin: .2rem 0 1.6rem; }
.verdict { border-radius: 10px; padding: 1.1rem 1.4rem; color: #fff; display: flex; gap: 2.2rem; align-items: center; flex-wrap: wrap; }
.verdict.ok { background: var(--ok); } .verdict.bad { background: var(--bad); }
.verdict b { font-size: 1.35rem; } .verdict span { opacity: .92; }
.groups { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: .8rem; margin-top: 1.2rem; }
.group { border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; }
.group b { display: block; } .group small { color: var(--mute); }
.bar { display: flex; height: 6px; border-radius: 3px; overflow: hidden; background: var(--line); margin: .45rem 0 .3rem; }
.bar i { display: block; } .bar .ok { background: var(--ok); } .bar .bad { background: var(--bad); }
.broken { border: 1px solid #f0c9c6; border-left: 5px solid var(--bad); border-radius: 8px; padding: .9rem 1.2rem; margin: 0 0 1rem; page-break-inside: avoid; }
.broken h3 { margin: 0 0 .5rem; font-size: 1rem; } .broken p { margin: .25rem 0; padding-left: 5.5rem; }
.broken em { font-style: normal; color: var(--mute); display: inline-block; width: 5.5rem; margin-left: -5.5rem; }
code, .id { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .86em; }
.id { color: var(--mute); margin-right: .5rem; white-space: nowrap; }
code { background: var(--soft); border-radius: 4px; padding: .1rem .35rem; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; } td, th { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--mute); font-weight: 500; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
.state { white-space: nowrap; } .holds { color: var(--ok); } .failed { color: var(--bad); font-weight: 600; } .other { color: var(--mute); }
details summary { cursor: pointer; color: var(--mute); margin: 2rem 0 .6rem; }
@media print { main { padding: 0; } details:not([open]) > *:not(summary) { display: none; } }
)css";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string state_cell(State state) {
  switch (state) {
    case State::holds:
      return R"(<td class="state holds">holds</td>)";
    case State::failed:
      return R"(<td class="state failed">broken</td>)";
    case State::not_applicable:
      return R"(<td class="state other">not applicable</td>)";
    default:
      return R"(<td class="state other">not checked</td>)";
  }
}

std::size_t count(const std::vector<Verdict>& all, State state) {
  return static_cast<std::size_t>(std::ranges::count(all, state, &Verdict::state));
}

std::string verdict_box(const Score& score, const std::vector<Verdict>& all) {
  const bool ok = score.conforms();
  const char* const word = !score.kit_errors.empty() ? "No result: the kit failed"
                           : !ok && !score.tested() && count(all, State::failed) == 0
                               ? "No result: no device was here"
                           : !ok                  ? "Does not conform"
                           : score.filter.empty() ? "Conforms"
                                                  : "Keeps what this case checks";
  return fmt::format(
      R"(<div class="verdict {}"><b>{}</b><span>{} hold</span><span>{} broken</span>)"
      R"(<span>{} not applicable</span><span>{} not checked</span></div>)",
      ok ? "ok" : "bad", word, count(all, State::holds), count(all, State::failed),
      count(all, State::not_applicable), count(all, State::not_checked));
}

std::string groups(const std::vector<Verdict>& all) {
  std::vector<std::pair<std::string_view, std::map<State, int>>> by_group;
  for (const Verdict& each : all) {
    if (by_group.empty() || by_group.back().first != each.requirement->group)
      by_group.push_back({each.requirement->group, {}});
    ++by_group.back().second[each.state];
  }
  std::string out = R"(<div class="groups">)";
  for (auto& [name, states] : by_group) {
    const int holds = states[State::holds];
    const int failed = states[State::failed];
    const int open = states[State::not_checked];
    const int skipped = states[State::not_applicable];
    const int applies = std::max(1, holds + failed + open);
    out += fmt::format(R"(<div class="group"><b>{}</b><div class="bar"><i class="ok" )"
                       R"(style="width:{}%"></i><i class="bad" style="width:{}%"></i></div>)"
                       R"(<small>{} hold{}{}{}</small></div>)",
                       escaped(name), 100 * holds / applies, 100 * failed / applies, holds,
                       failed == 0 ? "" : fmt::format(", {} broken", failed),
                       open == 0 ? "" : fmt::format(", {} not checked", open),
                       skipped == 0 ? "" : fmt::format(", {} not applicable", skipped));
  }
  return out + "</div>";
}

std::string broken(const Score& score, const Verdict& verdict) {
  const Requirement& r = *verdict.requirement;
  std::string out = fmt::format(
      R"(<div class="broken"><h3><span class="id">{}</span>{}</h3><p><em>why</em>{}</p>)"
      R"(<p><em>otherwise</em>{}</p>)",
      name_of(r.id), escaped(r.sentence), escaped(r.rationale), escaped(r.broken));
  constexpr std::size_t kMost = 8;
  for (std::size_t i = 0; i < std::min(kMost, verdict.seen.size()); ++i)
    out += fmt::format("<p><em>seen</em><code>{}</code> {}</p>", escaped(verdict.seen[i].test),
                       escaped(verdict.seen[i].words));
  if (verdict.seen.size() > kMost)
    out += fmt::format("<p><em></em>and in {} more cases</p>", verdict.seen.size() - kMost);
  return out + fmt::format("<p><em>again</em><code>{}</code></p></div>",
                           escaped(score.again(verdict.seen.front().test)));
}

std::string requirement_table(const std::vector<Verdict>& all) {
  std::string out = "<h2>Every requirement</h2><table>";
  for (const Verdict& each : all) {
    const Requirement& r = *each.requirement;
    const bool reason = each.state == State::not_applicable || each.state == State::not_checked;
    out += fmt::format(R"(<tr><td><span class="id">{}</span></td><td>{}{}</td>{}</tr>)",
                       name_of(r.id), escaped(r.sentence),
                       reason && !each.seen.empty()
                           ? fmt::format(R"(<br><small class="other">{}</small>)",
                                         escaped(each.seen.front().words))
                           : "",
                       state_cell(each.state));
  }
  return out + "</table>";
}

std::string case_table(const Score& score) {
  constexpr const char* kWords[] = {"passed", "failed", "not applicable", "not run"};
  constexpr const char* kClasses[] = {"holds", "failed", "other", "other"};
  std::string out = fmt::format(
      "<details><summary>{} cases</summary><table><tr><th>case</th><th></th><th>seconds</th></tr>",
      score.cases.size());
  for (const CaseResult& each : score.cases) {
    const auto state = static_cast<std::size_t>(each.state);
    out +=
        fmt::format(R"(<tr><td><code>{}</code>{}</td><td class="state {}">{}</td>)"
                    R"(<td class="n">{:.2f}</td></tr>)",
                    escaped(each.name), each.not_run.empty() ? "" : "<br>" + escaped(each.not_run),
                    kClasses[state], kWords[state], each.seconds);
  }
  return out + "</table></details>";
}

std::string device_table(const Score& score) {
  std::string out =
      "<h2>What it says it can do</h2><table><tr><th>device</th><th>transform</th>"
      "<th>longest packet</th><th>score</th></tr>";
  for (const Device& device : score.devices)
    for (const Capability& c : device.capabilities)
      out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                         escaped(device.name), escaped(name_of(c)),
                         c.max_length == 0 ? "no limit" : std::to_string(c.max_length), c.score);
  return out + "</table>";
}

}  // namespace

std::string html_of(const Score& score) {
  const auto all = verdicts(score);
  std::string body = fmt::format(
      R"(<h1>{} {}</h1><p class="about">{} · <code>{}</code> · {} run, seed {}, {:.1f} s</p>)",
      escaped(score.manifest.name.empty() ? "A plugin without manifest" : score.manifest.name),
      escaped(score.manifest.version), escaped(score.manifest.vendor), escaped(score.plugin),
      escaped(score.extent()), score.seed, score.seconds);
  body += verdict_box(score, all) + groups(all);
  if (count(all, State::failed) != 0) body += "<h2>Broken</h2>";
  for (const Verdict& each : all)
    if (each.state == State::failed) body += broken(score, each);
  for (const std::string& error : score.kit_errors)
    body += fmt::format(R"(<div class="broken"><h3>The kit failed</h3><p>{}</p></div>)",
                        escaped(error));
  if (!score.devices.empty()) body += device_table(score);
  body += requirement_table(all) + case_table(score);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
      "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\"><meta name=\"viewport\" content=\"width=device-width\"><title>{}: {}"
      "</title><style>{}</style></head><body><main>{}</main></body></html>\n",
      escaped(score.manifest.name), score.conforms() ? "conforms" : "does not conform", kStyle,
      body);
}

}  // namespace espalier::conform
