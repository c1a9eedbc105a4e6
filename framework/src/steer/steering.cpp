// SPDX-License-Identifier: Apache-2.0
#include "steer/steering.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::steer {
namespace {

Result<void> check(const Algorithm& made, const Binding& binding) {
  if (made.name == binding.name) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("{} does {}, and the SA needs {}", made.driver, made.name, binding.name));
}

}  // namespace

Result<Steering> Steering::start(Kernel& kernel, Journal& journal, UndoReport* taken_over) {
  auto undone = undo(journal, kernel);
  if (!undone) return std::unexpected(undone.error());
  if (taken_over != nullptr) *taken_over = std::move(*undone);
  return Steering(kernel, journal);
}

Result<Binding> Steering::choose(const Transform& transform, bool esn, std::string_view driver,
                                 const std::string& module) {
  const auto registered = kernel_.registered();
  if (!registered) return std::unexpected(registered.error());
  auto binding = choose_driver(transform, esn, driver, *registered);
  if (binding || module.empty() || binding.error().code == ErrorCode::invalid) return binding;
  if (auto loaded = kernel_.load_module(module); !loaded) return std::unexpected(loaded.error());
  const auto again = kernel_.registered();
  if (!again) return std::unexpected(again.error());
  return choose_driver(transform, esn, driver, *again);
}

// Makes the instance where it is not there.
Result<void> Steering::ensure(const Binding& binding) {
  auto there = api_.get(binding.driver);
  if (there) return check(*there, binding);
  if (there.error().code != ErrorCode::not_found) return std::unexpected(there.error());
  Changes changes = journal_.changes();
  if (changes.will_make(binding.driver))
    if (auto recorded = journal_.record(std::move(changes)); !recorded) return recorded;
  if (auto made = api_.make(binding.driver, binding.rests_at); !made)
    return std::unexpected(made.error());
  there = api_.get(binding.driver);
  return there ? check(*there, binding) : std::unexpected(there.error());
}

Result<std::vector<Algorithm>> Steering::drivers_of(const std::string& name) {
  auto registered = kernel_.registered();
  if (registered)
    std::erase_if(*registered, [&](const Algorithm& each) {
      return each.name != name || each.internal || each.type == "larval";
    });
  return registered;
}

std::vector<Priority> Steering::resting() const {
  std::vector<Priority> all;
  for (const Held& each : held_) all.push_back({each.binding.driver, each.rests_at});
  return all;
}

Result<void> Steering::expect(const std::vector<Priority>& changes,
                              const std::vector<Algorithm>& now) {
  Changes journal = journal_.changes();
  bool news = false;
  for (const Priority& each : changes)
    if (const Algorithm* driver = find_driver(now, each.driver))
      news |= journal.will_set(each.driver, driver->priority, each.value);
  return news ? journal_.record(std::move(journal)) : Result<void>{};
}

Result<void> Steering::set(const std::vector<Priority>& changes) {
  for (const Priority& each : changes)
    if (auto done = api_.set_priority(each.driver, each.value); !done) return done;
  return {};
}

// In reverse order: what gave way comes back last. What somebody else has changed meanwhile stays.
std::string Steering::put_back(const std::vector<Priority>& changes,
                               const std::vector<Algorithm>& before) {
  std::string trouble;
  for (auto each = changes.rbegin(); each != changes.rend(); ++each) {
    const Algorithm* was = find_driver(before, each->driver);
    const auto now = api_.get(each->driver);
    if (was == nullptr || !now || now->priority != each->value) continue;
    if (auto set = api_.set_priority(each->driver, was->priority); !set)
      trouble = set.error().message;
  }
  return trouble;
}

Result<Bound> Steering::bind(const Binding& binding, const std::function<Result<void>()>& add_sa) {
  if (auto ensured = ensure(binding); !ensured) return std::unexpected(ensured.error());
  const auto before = drivers_of(binding.name);
  if (!before) return std::unexpected(before.error());
  const auto changes = to_be_first(binding.driver, *before, resting());
  if (!changes) return std::unexpected(changes.error());
  if (auto expected = expect(*changes, *before); !expected)
    return std::unexpected(expected.error());
  auto added = set(*changes);
  if (added) added = add_sa();
  std::string trouble = put_back(*changes, *before);
  if (!added) return std::unexpected(added.error());
  const auto after = drivers_of(binding.name);
  if (!after) return Bound{binding.driver, {false, after.error().message}, std::move(trouble)};
  return Bound{binding.driver, infer(binding.driver, *before, *after), std::move(trouble)};
}

Result<void> Steering::hold(const Binding& binding) {
  const auto of_name = [&](const Held& each) { return each.binding.name == binding.name; };
  if (const auto other = std::ranges::find_if(held_, of_name);
      other != held_.end() && other->binding != binding)
    if (auto released = release(Binding(other->binding)); !released) return released;
  if (auto ensured = ensure(binding); !ensured) return ensured;
  const auto now = drivers_of(binding.name);
  if (!now) return std::unexpected(now.error());
  const auto changes = to_be_first(binding.driver, *now, {});
  if (!changes) return std::unexpected(changes.error());
  if (auto expected = expect(*changes, *now); !expected) return expected;
  if (std::ranges::none_of(held_, of_name)) {
    const Algorithm* driver = find_driver(*now, binding.driver);
    held_.push_back({binding, driver == nullptr ? 0 : driver->priority});
  }
  return set(*changes);
}

Result<void> Steering::release(const Binding& binding) {
  const auto held = std::ranges::find(held_, binding, &Held::binding);
  if (held == held_.end()) return {};
  const Priority rest{binding.driver, held->rests_at};
  held_.erase(held);
  const auto now = api_.get(rest.driver);
  if (!now && now.error().code == ErrorCode::not_found) return {};
  if (!now) return std::unexpected(now.error());
  const auto& known = journal_.changes().priorities;
  const auto change = std::ranges::find(known, rest.driver, &PriorityChange::driver);
  const bool ours =
      change != known.end() && std::ranges::find(change->ours, now->priority) != change->ours.end();
  return ours ? set({rest}) : Result<void>{};
}

Result<std::vector<std::string>> Steering::refresh() {
  std::vector<std::string> found;
  for (const Held& each : held_) {
    const Binding& binding = each.binding;
    const bool was_there = api_.get(binding.driver).has_value();
    if (auto ensured = ensure(binding); !ensured) return std::unexpected(ensured.error());
    const auto now = drivers_of(binding.name);
    if (!now) return std::unexpected(now.error());
    const auto changes = to_be_first(binding.driver, *now, {});
    if (!changes) {
      found.push_back(changes.error().message);
      continue;
    }
    if (!was_there) found.push_back(fmt::format("{} had gone, and is made again", binding.driver));
    if (changes->empty()) continue;
    if (was_there)
      found.push_back(fmt::format("{} was no longer the first driver of {}, and is again",
                                  binding.driver, binding.name));
    if (auto expected = expect(*changes, *now); !expected) return std::unexpected(expected.error());
    if (auto done = set(*changes); !done) return std::unexpected(done.error());
  }
  return found;
}

Result<void> Steering::set_masks(const std::vector<Mask>& masks) {
  for (const Mask& each : masks) {
    const auto now = kernel_.setting(each.file);
    if (!now) return std::unexpected(now.error());
    Changes changes = journal_.changes();
    if (changes.will_set(each.file, *now, each.value))
      if (auto recorded = journal_.record(std::move(changes)); !recorded) return recorded;
    if (auto set = kernel_.change_setting(each.file, each.value); !set) return set;
  }
  return {};
}

}  // namespace espalier::steer
