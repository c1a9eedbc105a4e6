// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>
#include <conform/run.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <optional>
#include <ranges>
#include <utility>

namespace espalier::conform {
namespace {

using Json = nlohmann::json;

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::optional<Req> requirement_of(std::string_view number) {
  unsigned value = 0;
  std::from_chars(number.data(), number.data() + number.size(), value);
  for (const Requirement& each : requirements())
    if (static_cast<unsigned>(each.id) == value) return each.id;
  return std::nullopt;
}

}  // namespace

Budget quick_budget() {
  return {.packets = 1500, .sessions = 1000, .reopens = 20, .case_seconds = 60};
}

std::string to_json(const Job& job) {
  return dumped({{"name", job.name},
                 {"test", job.test},
                 {"device", job.device},
                 {"capability", job.capability},
                 {"seed", job.seed},
                 {"packets", job.budget.packets},
                 {"sessions", job.budget.sessions},
                 {"reopens", job.budget.reopens},
                 {"case_seconds", job.budget.case_seconds},
                 {"options", job.options},
                 {"token", job.token},
                 {"lost_options", job.endings.lost},
                 {"back_options", job.endings.back},
                 {"degraded_options", job.endings.degraded},
                 {"preloaded", job.preloaded}});
}

Result<Job> job_from_json(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    return Job{.name = json.at("name"),
               .test = json.at("test"),
               .device = json.at("device"),
               .capability = json.at("capability"),
               .seed = json.at("seed"),
               .budget = {.packets = json.at("packets"),
                          .sessions = json.at("sessions"),
                          .reopens = json.at("reopens"),
                          .case_seconds = json.at("case_seconds")},
               .options = json.at("options"),
               .token = json.at("token"),
               .endings = {.lost = json.at("lost_options"),
                           .back = json.at("back_options"),
                           .degraded = json.at("degraded_options")},
               .preloaded = json.at("preloaded")};
  } catch (const Json::exception& e) {
    return fail(ErrorCode::invalid, std::string("a case cannot read its job: ") + e.what());
  }
}

CaseReport report_from_lines(std::string_view lines, std::string_view token) {
  CaseReport report;
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    if (end == std::string_view::npos) break;  // a line that was cut by death
    const Json line = Json::parse(lines.substr(0, end), nullptr, false);
    lines.remove_prefix(end + 1);
    const auto is_text = [](const Json& value) { return value.is_string(); };
    if (!line.is_array() || line.size() != 4 || !std::ranges::all_of(line, is_text)) continue;
    if (line[3] != token) continue;
    const std::string key = line[0], value = line[1], words = line[2];
    if (key == "at") report.last_step = value;
    if (key == "note") report.notes.push_back(value);
    if (key == "inventory") report.inventory = value;
    if (key == "compared")
      std::from_chars(value.data(), value.data() + value.size(), report.compared);
    if (key == "done") {
      report.complete = true;
      report.stopped = value == "stopped";
    }
    if (key != "failed" && key != "n/a") continue;
    const auto id = requirement_of(value);
    if (!id) continue;
    const auto kind = key == "failed" ? Finding::Kind::failed : Finding::Kind::not_applicable;
    report.findings.push_back({kind, *id, words});
  }
  return report;
}

// The seed of a case does not depend on which others run.
Run::Run(Job job, int report, Loader load, const espalier_plugin_entry* oracle) noexcept
    : job_(std::move(job)),
      report_(report),
      load_(std::move(load)),
      oracle_(oracle),
      random_(job_.seed ^ std::hash<std::string>{}(job_.name)) {}

// One write a line, so that lines of several threads do not mix.
void Run::say(std::string_view key, std::string_view value, std::string_view words) {
  const std::string line = dumped(Json::array({key, value, words, job_.token})) + "\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::write(report_, rest.data(), rest.size());
    if (n <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

const espalier_plugin_entry& Run::entry() {
  if (entry_ == nullptr) {
    at("loading the plugin");
    const auto loaded = load_();
    if (!loaded) stop(Req::loads, loaded.error().message);
    entry_ = *loaded;
  }
  return *entry_;
}

bool Run::failed(Req requirement) const {
  const std::lock_guard lock(mutex_);
  return failed_.contains(requirement);
}

void Run::at(std::string_view step) { say("at", step); }
void Run::note(std::string_view words) { say("note", words); }
void Run::inventory(const Inventory& found) { say("inventory", to_json(found)); }

void Run::compared(std::uint64_t packets) { say("compared", std::to_string(packets)); }

void Run::fail(Req requirement, std::string words) {
  {
    const std::lock_guard lock(mutex_);
    if (!failed_.insert(requirement).second) return;
  }
  say("failed", std::to_string(static_cast<unsigned>(requirement)), words);
}

void Run::stop(Req requirement, std::string words) {
  fail(requirement, std::move(words));
  end_early();
}

void Run::not_applicable(Req requirement, std::string words) {
  say("n/a", std::to_string(static_cast<unsigned>(requirement)), words);
}

void Run::end_early() {
  say("done", "stopped");
  std::fflush(nullptr);  // what the plugin printed is to be seen
  _exit(0);
}

void Run::done() { say("done", ""); }

}  // namespace espalier::conform
