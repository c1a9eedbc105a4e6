// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/runner.hpp>
#include <conform/sanitizer.hpp>
#include <conform/worker.hpp>
#include <load/child.hpp>
#include <load/elf_file.hpp>
#include <load/preflight.hpp>
#include <load/sealed_image.hpp>
#include <load/text.hpp>

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <random>
#include <set>
#include <utility>

namespace espalier::conform {
namespace {

using load::Child;
using load::ChildEnd;
using Clock = std::chrono::steady_clock;

struct Task {
  const Case* test = nullptr;
  Job job;
};

bool wanted(std::string_view filter, std::string_view name) {
  return filter.empty() || name == filter ||
         (name.starts_with(filter) && name[filter.size()] == ':');
}

// The case in "verdicts:card0:aes-gcm".
std::string_view test_of(std::string_view filter) { return filter.substr(0, filter.find(':')); }

std::string signal_text(int number) {
  const char* const name = sigabbrev_np(number);
  return name == nullptr ? std::to_string(number) : fmt::format("{} (SIG{})", number, name);
}

std::string how_it_ended(const ChildEnd& end) {
  if (end.how == ChildEnd::How::killed)
    return fmt::format("at its end the process was killed by signal {}", signal_text(end.number));
  if (end.how == ChildEnd::How::timed_out) return "after everything was closed it did not end";
  return fmt::format("its end became one with exit status {}", end.number);
}

std::string new_token() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

// What may be broken only because another case has the device: where its processes exclude each
// other, or share what the device has room for. Or the processor: a call that took long.
bool may_be_taken(const CaseResult& result) {
  constexpr Req kOfRoom[] = {Req::described,  Req::opens,        Req::declared,
                             Req::slots,      Req::slots_freed,  Req::queue_limit,
                             Req::attach,     Req::device_again, Req::backend_again,
                             Req::comes_back, Req::stays_dead,   Req::lost};
  return std::ranges::any_of(result.findings, [&](const Finding& finding) {
    if (finding.kind != Finding::Kind::failed) return false;
    return (finding.requirement == Req::no_hang && result.reached_end) ||
           std::ranges::find(kOfRoom, finding.requirement) != std::end(kOfRoom);
  });
}

class Runner {
 public:
  explicit Runner(const Options& options) : options_(options) {
    score_.plugin = options.plugin.string();
    score_.seed = options.seed;
    score_.quick = options.quick;
    score_.budget = options.budget;
    score_.options = options.backend_options;
    score_.filter = options.filter;
    score_.preload = options.preload.string();
    if (options.profile) score_.profile = options.profile->path;
  }

  Result<BackendInfo> describe() {
    if (look_at_file()) run_plugin_gates();
    for (const CaseResult& result : score_.cases)
      for (const Finding& finding : result.findings)
        if (!blocked_.empty() && finding.kind == Finding::Kind::failed)
          return espalier::fail(ErrorCode::invalid,
                                fmt::format("Plugin '{}': {}", score_.plugin, finding.words));
    for (const std::string& error : score_.kit_errors)
      return espalier::fail(ErrorCode::io, fmt::format("Plugin '{}': {}", score_.plugin, error));
    return BackendInfo{
        score_.manifest.name, score_.manifest.vendor, score_.manifest.version, score_.plugin, "",
        score_.devices};
  }

  Score run() {
    const auto start = Clock::now();
    if (look_at_file()) {
      run_plugin_gates();
      run_tasks(tasks(true));
      run_tasks(tasks(false));
    }
    score_.alone = alone_;
    // As they are listed and not as they ended, or the same run would read differently.
    std::ranges::sort(score_.cases, {}, [this](const CaseResult& each) {
      return std::pair(order_[each.name], std::string_view(each.name));
    });
    judge_profile();
    skip_rest();
    score_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return std::move(score_);
  }

 private:
  // ---- Before any code of the plugin runs
  // --------------------------------------------------------
  bool look_at_file() {
    static const Case kFile{"file", "The file, before any of its code runs.", Scope::plugin,
                            true,   {Req::manifest, Req::one_symbol},         nullptr};
    CaseResult result{.name = "file", .test = &kFile, .reached_end = true};
    auto checked = load::preflight(std::filesystem::absolute(options_.plugin));
    if (!checked) {
      result.findings.push_back({Finding::Kind::failed, Req::manifest, checked.error().message});
      result.reached_end = false;
    } else {
      score_.manifest = checked->manifest;
      image_ = std::move(checked->image);
      check_symbols(result);
      if (const auto needs = load::check_needs(score_.manifest, load::this_cpu()); !needs) {
        blocked_ = needs.error().message;
        result.findings.push_back({Finding::Kind::failed, Req::loads, blocked_});
      }
    }
    finish(std::move(result));
    if (blocked_.empty() && !image_) blocked_ = "the file cannot be used (case 'file')";
    return blocked_.empty();
  }

  void check_symbols(CaseResult& result) {
    const auto view = load::ImageView::map(image_.get());
    if (!view) return;
    const auto elf = load::ElfFile::parse(view->bytes());
    if (!elf) return;
    std::string others;
    for (const std::string& name : elf->exported_names())
      if (name != ESPALIER_PLUGIN_SYMBOL) others += (others.empty() ? "" : ", ") + name;
    if (!others.empty())
      result.findings.push_back({Finding::Kind::failed, Req::one_symbol,
                                 "it exports " + load::printable(others) +
                                     " as well: link it as espalier_add_plugin() does, with a "
                                     "version script"});
  }

  // ---- Which cases there are
  // ---------------------------------------------------------------------
  Task task_of(const Case& test, const std::string& device, const std::string& capability) const {
    Job job;
    job.test = test.name;
    job.name = job.test;
    for (const std::string& part : {device, capability})
      if (!part.empty()) job.name += ":" + part;
    job.device = device;
    job.capability = capability;
    job.seed = options_.seed;
    job.budget = options_.budget;
    job.options = options_.backend_options;
    job.token = new_token();
    job.preloaded = !options_.preload.empty();
    if (options_.profile) job.endings = options_.profile->endings;
    return {&test, std::move(job)};
  }

  std::vector<Task> tasks_of(const Case& test) const {
    std::vector<Task> all;
    if (test.scope == Scope::plugin) return {task_of(test, "", "")};
    for (const Device& device : score_.devices) {
      const bool kernel = device.dataplane == Dataplane::kernel;
      if (kernel != (test.scope == Scope::kernel_device)) continue;
      if (device.state == DeviceState::lost) continue;
      if (test.scope != Scope::capability) {
        all.push_back(task_of(test, device.name, ""));
        continue;
      }
      std::set<std::string> seen;
      for (const Capability& capability : device.capabilities)
        if (seen.insert(name_of(capability)).second)
          all.push_back(task_of(test, device.name, name_of(capability)));
    }
    return all;
  }

  std::vector<Task> tasks(bool gates) {
    std::vector<Task> all;
    for (const Case& test : all_cases()) {
      if (test.gate != gates || (gates && test.scope == Scope::plugin)) continue;
      auto own = tasks_of(test);
      if (!gates && !options_.filter.empty() && test_of(options_.filter) != test.name) continue;
      if (sanitized_ && std::ranges::all_of(test.checks, is_hidden)) {
        own.clear();
        leave_out(test, kSanitizer);
      } else if (own.empty()) {
        leave_out(test, test.scope == Scope::kernel_device ? "it has no kernel device here"
                                                           : "it has no userspace device here");
      }
      for (Task& task : own)
        if (gates || wanted(options_.filter, task.job.name)) all.push_back(std::move(task));
    }
    return all;
  }

  void leave_out(const Case& test, const char* why) {
    CaseResult result{.state = CaseResult::State::not_applicable,
                      .name = std::string(test.name),
                      .test = &test,
                      .reached_end = true};
    for (const Req requirement : test.checks)
      result.findings.push_back({Finding::Kind::not_applicable, requirement, why});
    score_.cases.push_back(std::move(result));
  }

  // ---- Running them
  // ------------------------------------------------------------------------------
  void run_plugin_gates() {
    for (const Case& test : all_cases())
      if (test.gate && test.scope == Scope::plugin && blocked_.empty()) run_tasks(tasks_of(test));
  }

  std::string why_not(const Task& task) const {
    if (!blocked_.empty()) return blocked_;
    const auto device = blocked_devices_.find(task.job.device);
    return device == blocked_devices_.end() ? "" : device->second;
  }

  struct Running {
    Task task;
    Child child;
    Clock::time_point start;
    bool beside = false;  // another ran at the same time
  };

  // A case that fails for want of the device, with others beside it, is run again by itself, and so
  // are all that follow: some devices are one process's at a time.
  void run_tasks(std::vector<Task> tasks) {
    std::list<Running> running;
    for (const Task& task : tasks) order_.emplace(task.job.name, order_.size() + 1);
    std::deque<Task> left(std::move_iterator(tasks.begin()), std::move_iterator(tasks.end()));
    std::size_t done = 0;
    while (!left.empty() || !running.empty()) {
      while (!left.empty() && running.size() < (alone_ ? 1 : std::max(1U, options_.at_once))) {
        start(std::move(left.front()), running);
        left.pop_front();
        if (running.size() > 1)
          for (Running& each : running) each.beside = true;
      }
      wait_for_any(running);
      for (auto it = running.begin(); it != running.end();) {
        const auto end = it->child.advance();
        if (!end) {
          ++it;
          continue;
        }
        CaseResult result = result_of(it->task, *end, it->start);
        if (it->beside && may_be_taken(result)) {
          alone_ = true;
          left.push_back(again(std::move(it->task)));
        } else {
          finish(std::move(result), &it->task);
          ++done;
          if (options_.progress) options_.progress(done, tasks.size(), it->task.job.name);
        }
        it = running.erase(it);
      }
    }
  }

  static Task again(Task task) {
    task.job.token = new_token();
    return task;
  }

  void start(Task task, std::list<Running>& running) {
    if (const std::string why = why_not(task); !why.empty()) {
      score_.cases.push_back({.state = CaseResult::State::not_run,
                              .name = task.job.name,
                              .test = task.test,
                              .not_run = why});
      return;
    }
    auto child = Child::start({.path = options_.program,
                               .arguments = {kCaseArgument, task.job.name},
                               .image = image_.get(),
                               .input = to_json(task.job),
                               .preload = options_.preload,
                               .binds_early = true,
                               .limit = std::chrono::seconds(options_.budget.case_seconds)});
    if (child)
      running.push_back({std::move(task), std::move(*child), Clock::now()});
    else
      score_.kit_errors.push_back(
          fmt::format("case {} cannot be run: {}", task.job.name, child.error().message));
  }

  static void wait_for_any(const std::list<Running>& running) {
    if (running.empty()) return;
    std::vector<pollfd> watched;
    auto first = Clock::time_point::max();
    for (const Running& each : running) {
      const auto own = each.child.watched();
      watched.insert(watched.end(), own.begin(), own.end());
      first = std::min(first, each.child.deadline());
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - Clock::now());
    ::poll(watched.data(), watched.size(),
           static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000)));
  }

  // ---- What came of one
  // --------------------------------------------------------------------------
  CaseResult result_of(const Task& task, const ChildEnd& end, Clock::time_point start) {
    CaseReport report = report_from_lines(end.report, task.job.token);
    CaseResult result{.name = task.job.name,
                      .test = task.test,
                      .findings = std::move(report.findings),
                      .notes = std::move(report.notes),
                      .compared = report.compared,
                      .reached_end = report.complete && !report.stopped,
                      .seconds = std::chrono::duration<double>(Clock::now() - start).count()};
    const auto failed = [&](Req requirement, std::string words) {
      result.findings.push_back({Finding::Kind::failed, requirement, std::move(words)});
    };
    const std::string in = report.last_step.empty() ? "" : " (while " + report.last_step + ")";
    const std::string words =
        end.output.empty() ? "" : "; last printed: " + telling_line(end.output);
    const bool at_exit = std::ranges::count(task.test->checks, Req::ends) != 0;
    if (report.complete && at_exit && (end.how != ChildEnd::How::exited || end.number != 0))
      failed(Req::ends, fmt::format("{}{}", how_it_ended(end), words));
    else if (end.how == ChildEnd::How::exited && end.number == kKitFailed)
      score_.kit_errors.push_back(
          fmt::format("case {}: {}", task.job.name, telling_line(end.output)));
    else if (end.how == ChildEnd::How::killed)
      failed(Req::no_crash, fmt::format("the process was killed by signal {}{}{}",
                                        signal_text(end.number), in, words));
    else if (end.how == ChildEnd::How::timed_out)
      failed(Req::no_hang, fmt::format("the case did not end within {} s{}{}",
                                       options_.budget.case_seconds, in, words));
    else if (!report.complete && is_race(end.output))
      failed(broken_by_printing(end.output, *task.test), "it printed: " + telling_line(end.output));
    else if (!report.complete)
      failed(Req::no_exit,
             fmt::format("the process ended with exit status {}{}{}", end.number, in, words));
    else if (!end.output.empty())
      failed(broken_by_printing(end.output, *task.test), "it printed: " + telling_line(end.output));
    if (!report.inventory.empty())
      if (const auto found = inventory_from_json(report.inventory))
        score_.devices = found->backends.at(0).devices;
    if (sanitized_) leave_out_what_a_sanitizer_hides(result);
    return result;
  }

  void finish(CaseResult result, const Task* task = nullptr) {
    using Kind = Finding::Kind;
    const bool failed = std::ranges::count(result.findings, Kind::failed, &Finding::kind) != 0;
    const bool every_not = std::ranges::all_of(result.test->checks, [&](Req requirement) {
      return std::ranges::count(result.findings, requirement, &Finding::requirement) != 0;
    });
    result.state = failed      ? CaseResult::State::failed
                   : every_not ? CaseResult::State::not_applicable
                               : CaseResult::State::passed;
    if (!result.reached_end && task != nullptr && task->test->gate) {
      const std::string why = fmt::format("case '{}' did not get to its end", result.name);
      if (task->test->scope == Scope::plugin)
        blocked_ = why;
      else
        blocked_devices_[task->job.device] = why;
    }
    score_.cases.push_back(std::move(result));
  }

  // What could not even be listed, so that no requirement looks as if nobody had asked.
  void skip_rest() {
    if (blocked_.empty()) return;
    for (const Case& test : all_cases()) {
      const bool there = std::ranges::any_of(
          score_.cases, [&](const CaseResult& result) { return result.test == &test; });
      if (!there)
        score_.cases.push_back({.state = CaseResult::State::not_run,
                                .name = std::string(test.name),
                                .test = &test,
                                .not_run = blocked_});
    }
  }

  void judge_profile() {
    static const Case kProfile{"profile",      "What it says, beside its data sheet.",
                               Scope::plugin,  false,
                               {Req::profile}, nullptr};
    if (!wanted(options_.filter, kProfile.name)) return;
    CaseResult result{.name = "profile", .test = &kProfile, .reached_end = true};
    if (!options_.profile || !options_.profile->declares()) {
      result.findings.push_back(
          {Finding::Kind::not_applicable, Req::profile, "no --profile was given"});
    } else if (!blocked_.empty()) {
      result.reached_end = false;
      result.not_run = blocked_;
    } else {
      for (std::string& words : options_.profile->differences(score_.devices))
        result.findings.push_back({Finding::Kind::failed, Req::profile, std::move(words)});
    }
    finish(std::move(result));
    if (!score_.cases.back().not_run.empty())
      score_.cases.back().state = CaseResult::State::not_run;
  }

  const Options& options_;
  Score score_;
  load::Descriptor image_;
  const bool sanitized_ = kSanitized || !options_.preload.empty();
  bool alone_ = false;  // no case beside another
  std::string blocked_;
  std::map<std::string, std::string> blocked_devices_;
  std::map<std::string, std::size_t> order_;  // of the cases
};

bool known_case(std::string_view filter) {
  const auto name = test_of(filter);
  return name.empty() || name == "file" || name == "profile" ||
         std::ranges::count(all_cases(), name, &Case::name) != 0;
}

Result<void> check_file(const std::filesystem::path& plugin) {
  std::error_code error;
  if (std::filesystem::is_regular_file(plugin, error)) return {};
  return fail(ErrorCode::not_found, fmt::format("There is no plugin file '{}'.", plugin.string()));
}

// What the loader cannot preload it says in each case's process, as if the plugin had printed it.
Result<void> check_preload(const std::filesystem::path& library) {
  if (library.empty()) return {};
  const load::Descriptor file(::open(library.c_str(), O_RDONLY | O_CLOEXEC));
  const auto view = load::ImageView::map(file.get());
  if (view && load::ElfFile::parse(view->bytes())) return {};
  return fail(ErrorCode::invalid,
              fmt::format("'{}' cannot be preloaded: it is no shared library of this machine.",
                          library.string()));
}

}  // namespace

Result<BackendInfo> describe_plugin(const Options& options) {
  if (auto there = check_file(options.plugin); !there) return std::unexpected(there.error());
  return Runner(options).describe();
}

Result<Score> run_all(const Options& options) {
  if (auto there = check_file(options.plugin); !there) return std::unexpected(there.error());
  if (auto loads = check_preload(options.preload); !loads) return std::unexpected(loads.error());
  if (!known_case(options.filter))
    return fail(ErrorCode::not_found,
                fmt::format("There is no case '{}'; --list lists them.", options.filter));
  Score score = Runner(options).run();
  const bool any = std::ranges::any_of(
      score.cases, [&](const CaseResult& result) { return wanted(options.filter, result.name); });
  if (any || !score.conforms()) return score;
  return fail(ErrorCode::not_found,
              fmt::format("Plugin '{}' has nothing of that name to run case '{}' on.",
                          options.plugin.string(), options.filter));
}

}  // namespace espalier::conform
