// SPDX-License-Identifier: Apache-2.0
#include "adopt/drivers.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>

#include <utility>

namespace espalier::adopt {
namespace {

Error no_driver(const Recipe& recipe, const Error& error) {
  const bool for_good = error.code == ErrorCode::unsupported || error.code == ErrorCode::invalid ||
                        error.code == ErrorCode::not_found || error.code == ErrorCode::permission;
  return {for_good ? ErrorCode::unsupported : ErrorCode::transient,
          fmt::format("the crypto driver {} cannot be held in front: {}", recipe.driver,
                      error.message)};
}

}  // namespace

Result<std::uint64_t> HeldDrivers::hold(const SaSpec& sa, const Recipe& recipe) {
  const std::string name = steer::esp_algorithm(sa.transform, sa.esn);
  if (const auto held = held_.find(name); held != held_.end()) {
    if (held->second.wanted == recipe.driver) return held->second.since;
    return fail(ErrorCode::unsupported,
                fmt::format("the kernel gives all SAs of {} the crypto driver {}, which others of "
                            "them want",
                            name, held->second.binding.driver));
  }
  const auto steering = steerer_();
  if (!steering) return std::unexpected(no_driver(recipe, steering.error()));
  const auto binding = (*steering)->choose(sa.transform, sa.esn, recipe.driver, recipe.module);
  if (!binding) return std::unexpected(no_driver(recipe, binding.error()));
  if (auto held = (*steering)->hold(*binding); !held)
    return std::unexpected(no_driver(recipe, held.error()));
  const std::uint64_t since = ear_.begin_era();
  held_.emplace(name, Held{*binding, recipe.driver, since});
  log_(ESPALIER_LOG_INFO,
       fmt::format("From now on new SAs of {} get the crypto driver {}.", name, binding->driver));
  warn_of_window(sa, *binding);
  return since;
}

void HeldDrivers::warn_of_window(const SaSpec& sa, const steer::Binding& binding) {
  const bool narrow =
      sa.direction == Direction::inbound && sa.replay_window < binding.min_replay_window;
  if (!narrow || std::exchange(warned_, true)) return;
  log_(ESPALIER_LOG_WARNING,
       fmt::format("SA '{}' has a replay window of {} packets, and pcrypt may have them overtake "
                   "each other: give the IKE daemon {} at least.",
                   sa.name, sa.replay_window, binding.min_replay_window));
}

std::string HeldDrivers::held_for(const SaSpec& sa) const {
  const auto held = held_.find(steer::esp_algorithm(sa.transform, sa.esn));
  return held == held_.end() ? "" : held->second.binding.driver;
}

void HeldDrivers::look_after() {
  if (held_.empty()) return;
  const auto steering = steerer_();
  if (!steering) return;
  const auto found = (*steering)->refresh();
  const std::string trouble = found ? "" : found.error().message;
  if (trouble != std::exchange(trouble_, trouble) && !trouble.empty())
    log_(ESPALIER_LOG_WARNING, trouble);
  if (!found || found->empty()) return;
  // What was born meanwhile may have another one.
  for (auto& [name, held] : held_) held.since = ear_.begin_era();
  for (const std::string& each : *found) log_(ESPALIER_LOG_WARNING, each + ".");
}

}  // namespace espalier::adopt
