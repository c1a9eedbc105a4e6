// SPDX-License-Identifier: Apache-2.0
//
// One case as it runs, in a process of its own: what it was told, and where it says what it saw.
#pragma once

#include <espalier/abi.h>
#include <conform/requirement.hpp>
#include <conform/sa.hpp>
#include <espalier/inventory.hpp>
#include <espalier/result.hpp>

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::conform {

// How much a case does.
struct Budget {
  std::uint32_t packets = 100'000;  // compared with the reference, a capability
  std::uint32_t sessions = 10'000;  // opened and closed
  std::uint32_t reopens = 100;
  std::uint32_t case_seconds = 300;
};
Budget quick_budget();

// The backend's own options with which something becomes of its device under load, or "".
struct Endings {
  std::string lost{};      // it goes away
  std::string back{};      // it goes away, and comes back by itself within 10 s
  std::string degraded{};  // it becomes DEGRADED
};

// What one child process is to do.
struct Job {
  std::string name{};        // "icv:cpu:aes-gcm": the case, the device, the capability
  std::string test{};        // the case
  std::string device{};      // or ""
  std::string capability{};  // or ""
  std::uint64_t seed = 1;
  Budget budget{};
  std::string options = "{}";  // the backend's own
  std::string token{};         // what a line of its report ends with; the plugin is not told it
  Endings endings{};
  bool preloaded = false;  // a sanitizer's library, which plugins of some compilers do not name
};
std::string to_json(const Job& job);
Result<Job> job_from_json(std::string_view text);

// What a case saw of one requirement.
struct Finding {
  enum class Kind : std::uint8_t { failed, not_applicable } kind = Kind::failed;
  Req requirement = Req::manifest;
  std::string words;
};

// What came out of one case's process, in the order in which it was said.
struct CaseReport {
  std::vector<Finding> findings;
  std::string last_step;       // what it was about to do last
  std::string inventory;       // of the case `describe`
  std::uint64_t compared = 0;  // packets, with the reference
  std::vector<std::string> notes;
  bool complete = false;  // false: the process ended before the case did
  bool stopped = false;   // it ended early, at a failure after which nothing more can be seen
};
// Of the lines only those with the job's token count: a plugin may write there as well.
CaseReport report_from_lines(std::string_view lines, std::string_view token);

// One thread, but for at() and fail(), which any may call.
class Run {
 public:
  using Loader = std::function<Result<const espalier_plugin_entry*>()>;
  Run(Job job, int report, Loader load, const espalier_plugin_entry* oracle) noexcept;

  const Job& job() const noexcept { return job_; }
  const Budget& budget() const noexcept { return job_.budget; }
  const espalier_plugin_entry& entry();  // of the plugin, loaded when it is first asked for
  const espalier_plugin_entry& oracle() const noexcept { return *oracle_; }
  Random& random() noexcept { return random_; }

  void at(std::string_view step);  // said when the process dies in it
  void note(std::string_view words);
  void inventory(const Inventory& found);
  void compared(std::uint64_t packets);
  // Of each requirement the first failure counts.
  void fail(Req requirement, std::string words);
  // The same, and the end of the case and its process: the device may still hold its packets, which
  // nobody may take away from under it.
  [[noreturn]] void stop(Req requirement, std::string words);
  [[noreturn]] void end_early();
  void not_applicable(Req requirement, std::string words);
  bool failed(Req requirement) const;
  void done();

 private:
  void say(std::string_view key, std::string_view value, std::string_view words = {});

  Job job_;
  int report_;
  Loader load_;
  const espalier_plugin_entry* entry_ = nullptr;
  const espalier_plugin_entry* oracle_;
  Random random_;
  mutable std::mutex mutex_;
  std::set<Req> failed_;
};

}  // namespace espalier::conform
