// SPDX-License-Identifier: Apache-2.0
#include "steer/changes.hpp"

#include "steer/cpu_mask.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace espalier::steer {
namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "espalier-kernel-changes";
constexpr int kVersion = 1;

// Enters that `now` becomes `then`. Whether the entry did not say so yet.
template <class Change, class Value, class Same>
bool enter(Change& change, const Value& now, const Value& then, Same&& same) {
  const auto is_ours = [&](const Value& value) {
    return std::ranges::any_of(change.ours, [&](const Value& each) { return same(each, value); });
  };
  bool news = false;
  if (!same(now, change.before) && !is_ours(now)) {  // somebody else's
    change.before = now;
    change.ours.clear();
    news = true;
  }
  if (same(then, change.before) || is_ours(then)) return news;
  change.ours.push_back(then);
  return true;
}

template <class Change, class Value, class Same>
bool enter_into(std::vector<Change>& all, Change fresh, const Value& now, const Value& then,
                Same&& same, const auto& key, auto member) {
  const auto known = std::ranges::find(all, key, member);
  if (known != all.end()) return enter(*known, now, then, same);
  if (same(now, then)) return false;
  all.push_back(std::move(fresh));
  return enter(all.back(), now, then, same);
}

enum class State { as_before, ours, changed };

template <class Change, class Value, class Same>
State state_of(const Change& change, const Value& now, Same&& same) {
  if (same(now, change.before)) return State::as_before;
  return std::ranges::any_of(change.ours, [&](const auto& each) { return same(each, now); })
             ? State::ours
             : State::changed;
}

constexpr auto kSameNumber = std::equal_to<>{};

}  // namespace

bool Changes::will_make(const std::string& driver) {
  if (std::ranges::find(made, driver) != made.end()) return false;
  made.push_back(driver);
  return true;
}

bool Changes::will_set(const std::string& driver, std::uint32_t now, std::uint32_t then) {
  return enter_into(priorities, {driver, now, {}}, now, then, kSameNumber, driver,
                    &PriorityChange::driver);
}

bool Changes::will_set(const std::filesystem::path& file, const std::string& now,
                       const std::string& then) {
  return enter_into(masks, {file, now, {}}, now, then, same_mask, file, &MaskChange::file);
}

std::string to_json(const Changes& changes, std::string_view boot) {
  json priorities = json::array();
  for (const PriorityChange& each : changes.priorities)
    priorities.push_back({{"driver", each.driver}, {"before", each.before}, {"ours", each.ours}});
  json masks = json::array();
  for (const MaskChange& each : changes.masks)
    masks.push_back({{"file", each.file.string()}, {"before", each.before}, {"ours", each.ours}});
  return json{{"format", kFormat},    {"version", kVersion},      {"boot", boot},
              {"made", changes.made}, {"priorities", priorities}, {"masks", masks}}
      .dump(2)
      .append("\n");
}

Result<Changes> changes_from_json(std::string_view text, std::string_view boot) {
  try {
    const json read = json::parse(text);
    if (read.at("format") != kFormat || read.at("version") != kVersion)
      return fail(ErrorCode::invalid, "it is no list of changes to the kernel of this version");
    Changes changes;
    if (read.at("boot") != boot) return changes;
    read.at("made").get_to(changes.made);
    for (const json& each : read.at("priorities"))
      changes.priorities.push_back({each.at("driver"), each.at("before"), each.at("ours")});
    for (const json& each : read.at("masks"))
      changes.masks.push_back(
          {each.at("file").get<std::string>(), each.at("before"), each.at("ours")});
    return changes;
  } catch (const json::exception& error) {
    return fail(ErrorCode::invalid, error.what());
  }
}

Undo undo_of(const Changes& changes, std::span<const Algorithm> now, std::span<const Mask> masks) {
  Undo undo;
  std::vector<std::string_view> of_others;
  for (const PriorityChange& each : changes.priorities) {
    const Algorithm* driver = find_driver(now, each.driver);
    if (driver == nullptr) continue;
    const State state = state_of(each, driver->priority, kSameNumber);
    if (state == State::ours) undo.priorities.push_back({each.driver, each.before});
    if (state == State::changed) of_others.push_back(each.driver);
    if (state == State::changed)
      undo.left.push_back(
          fmt::format("the priority of {} is {}, which somebody else has set: it was "
                      "{} and stays as it is",
                      each.driver, driver->priority, each.before));
  }
  for (const std::string& each : changes.made)
    if (find_driver(now, each) != nullptr && std::ranges::find(of_others, each) == of_others.end())
      undo.remove.push_back(each);
  for (const MaskChange& each : changes.masks) {
    const auto found = std::ranges::find(masks, each.file, &Mask::file);
    if (found == masks.end()) continue;
    const State state = state_of(each, found->value, same_mask);
    if (state == State::ours) undo.masks.push_back({each.file, each.before});
    if (state == State::changed)
      undo.left.push_back(
          fmt::format("{} holds {}, which somebody else has set: it held {} and "
                      "stays as it is",
                      each.file.string(), found->value, each.before));
  }
  return undo;
}

}  // namespace espalier::steer
