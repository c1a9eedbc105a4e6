// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <boost/dll/runtime_symbol_info.hpp>
#include <load/probe.hpp>
#include <load/text.hpp>
#include <load/try_plugin.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

namespace espalier::load {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAtOnce = 8;
constexpr std::string_view kHelperName = "espalier-probe";

std::string seconds(std::chrono::milliseconds limit) {
  return fmt::format("{:.4g} s", static_cast<double>(limit.count()) / 1000);
}

// Waits until one of the children may have something new, or the time of one is over.
void wait_for_any(std::span<const std::pair<std::size_t, Child>> children) {
  std::vector<pollfd> watched;
  auto first = Child::Clock::time_point::max();
  for (const auto& [index, child] : children) {
    const auto own = child.watched();
    watched.insert(watched.end(), own.begin(), own.end());
    first = std::min(first, child.deadline());
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - Child::Clock::now());
  const auto timeout = std::clamp<std::int64_t>(left.count(), 0, 60'000);
  ::poll(watched.data(), watched.size(), static_cast<int>(timeout));
}

// The last line of what was printed is where a dying program says why.
std::string last_words(const std::string& output) {
  const std::string_view text =
      std::string_view(output).substr(0, output.find_last_not_of(" \r\n") + 1);
  const auto start = text.rfind('\n');
  return printable(start == std::string_view::npos ? text : text.substr(start + 1));
}

std::string with_last_words(std::string sentence, const std::string& output) {
  const std::string words = last_words(output);
  return words.empty() ? sentence : fmt::format("{}; its last words: {}", sentence, words);
}

std::string killed_by(int number) {
  const char* const name = sigabbrev_np(number);
  return fmt::format("its probe was killed by signal {}{}", number,
                     name == nullptr ? "" : fmt::format(" (SIG{})", name));
}

// Beside this program, as it is built, or in libexec of the prefix into which this program or this
// library is installed: PREFIX/bin, PREFIX/lib or PREFIX/lib/TRIPLET.
std::vector<fs::path> helper_places() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  boost::dll::fs::error_code unknown;
  const fs::path library = fs::path(boost::dll::this_line_location(unknown).string()).parent_path();
  std::vector<fs::path> places = {program / kHelperName};
  for (const fs::path& prefix :
       {program.parent_path(), library.parent_path(), library.parent_path().parent_path()}) {
    auto place = prefix / "libexec" / "espalier" / kHelperName;
    if (std::ranges::find(places, place) == places.end()) places.push_back(std::move(place));
  }
  return places;
}

ProbeAnswer answer_of(const ChildEnd& end, const ProbeRequest& request,
                      std::chrono::milliseconds limit) {
  return {verdict(end, *request.manifest, limit), last_words(end.output)};
}

// One pass over some of the requests.
struct Round {
  const fs::path& helper;
  std::span<const ProbeRequest> requests;
  std::chrono::milliseconds limit;
  std::vector<ProbeAnswer>& answers;

  // Those whose time was over.
  std::vector<std::size_t> run(std::span<const std::size_t> indices, std::size_t at_once) const;

 private:
  Result<Child> start(const ProbeRequest& request) const {
    std::vector<std::string> arguments = request.others;
    arguments.insert(arguments.begin(), request.manifest->name);
    return Child::start({.path = helper,
                         .arguments = std::move(arguments),
                         .image = request.image,
                         .input = request.options,
                         .limit = limit});
  }
};

std::vector<std::size_t> Round::run(std::span<const std::size_t> indices,
                                    std::size_t at_once) const {
  std::vector<std::size_t> late;
  std::vector<std::pair<std::size_t, Child>> running;
  while (!indices.empty() || !running.empty()) {
    for (; !indices.empty() && running.size() < at_once; indices = indices.subspan(1)) {
      const std::size_t index = indices.front();
      if (auto child = start(requests[index]))
        running.emplace_back(index, std::move(*child));
      else
        answers[index].rejected = fmt::format("it cannot be probed: {}", child.error().message);
    }
    if (running.empty()) break;  // none could be started
    wait_for_any(running);
    std::vector<std::pair<std::size_t, Child>> still;
    for (auto& [index, child] : running) {
      const auto end = child.advance();
      if (!end) {
        still.emplace_back(index, std::move(child));
        continue;
      }
      answers[index] = answer_of(*end, requests[index], limit);
      if (end->how == ChildEnd::How::timed_out) late.push_back(index);
    }
    running = std::move(still);
  }
  return late;
}

}  // namespace

std::string verdict(const ChildEnd& end, const Manifest& manifest,
                    std::chrono::milliseconds limit) {
  switch (end.how) {
    case ChildEnd::How::timed_out:
      return with_last_words(fmt::format("its probe did not end within {}", seconds(limit)),
                             end.output);
    case ChildEnd::How::too_much:
      return fmt::format("its probe gave more than {} MiB of answer", Child::kReportLimit >> 20);
    case ChildEnd::How::killed:
      return with_last_words(killed_by(end.number), end.output);
    case ChildEnd::How::exited:
      break;
  }
  if (end.number != 0 || end.report.empty())
    return with_last_words(
        fmt::format("its probe exited with status {} before it was done", end.number), end.output);
  const auto found = from_report(end.report);
  if (!found)
    return fmt::format("its probe gave an answer that cannot be read: {}", found.error().message);
  if (found->rejected.empty() && found->name != manifest.name)
    return fmt::format("its probe answered for a backend named '{}'", printable(found->name));
  return found->rejected;
}

std::vector<ProbeAnswer> probe_all(const fs::path& helper, std::span<const ProbeRequest> requests,
                                   std::chrono::milliseconds limit) {
  std::vector<ProbeAnswer> answers(requests.size());
  std::vector<std::size_t> all(requests.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const Round round{helper, requests, limit, answers};
  const auto late = round.run(all, kAtOnce);
  if (requests.size() == 1) return answers;
  for (const std::size_t index : late)
    if (!round.run({&index, 1}, 1).empty())
      answers[index].rejected += "; nor did a second one, which ran alone";
  return answers;
}

Result<fs::path> find_helper(const fs::path& wanted) {
  const std::vector<fs::path> places = wanted.empty() ? helper_places() : std::vector{wanted};
  for (const fs::path& place : places)
    if (access(place.c_str(), X_OK) == 0) return place;
  std::string looked;
  for (const fs::path& place : places) looked += (looked.empty() ? "" : " or ") + place.string();
  return fail(ErrorCode::not_found,
              fmt::format("the program {}, in which plugins are tried before they are loaded, was "
                          "not found at {}: install it there",
                          kHelperName, looked));
}

}  // namespace espalier::load
