// SPDX-License-Identifier: Apache-2.0
#include "gateway/recipe_runner.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>

#include <optional>

namespace espalier {
namespace {

// What stands in the way of a driver is no other device's affair: it never ends the search.
Error no_driver(const xfrm::Wanted& wanted, const Error& error) {
  const bool for_good = error.code == ErrorCode::unsupported || error.code == ErrorCode::invalid ||
                        error.code == ErrorCode::not_found || error.code == ErrorCode::permission;
  return {for_good ? ErrorCode::unsupported : ErrorCode::transient,
          fmt::format("SA '{}' cannot be steered to the crypto driver {}: {}", wanted.sa->name,
                      wanted.recipe.driver, error.message)};
}

}  // namespace

Result<RecipeRunner::Installed> RecipeRunner::run(const xfrm::Wanted& wanted) {
  if (!wanted.recipe.driver.empty()) return steer(wanted);
  auto state = install(wanted);
  if (!state) return std::unexpected(std::move(state.error()));
  return Installed{std::move(*state), {}};
}

Result<xfrm::SaState> RecipeRunner::install(const xfrm::Wanted& wanted) {
  return std::move(xfrm::install(kernel_, {&wanted, 1}).front());
}

Result<RecipeRunner::Installed> RecipeRunner::steer(const xfrm::Wanted& wanted) {
  const auto steering = steerer_();
  if (!steering) return std::unexpected(no_driver(wanted, steering.error()));
  const auto binding = (*steering)->choose(wanted.sa->transform, wanted.sa->esn,
                                           wanted.recipe.driver, wanted.recipe.module);
  if (!binding) return std::unexpected(no_driver(wanted, binding.error()));

  SaSpec sa = *wanted.sa;
  if (sa.direction == Direction::inbound)
    sa.replay_window = steer::replay_window_for(*binding, sa.direction, sa.replay_window);
  xfrm::Wanted steered = wanted;
  steered.sa = &sa;
  std::optional<Result<xfrm::SaState>> state;
  auto bound = (*steering)->bind(*binding, [&]() -> Result<void> {
    state = install(steered);
    return *state ? Result<void>{} : std::unexpected(state->error());
  });
  if (state && !*state) return std::unexpected(std::move(state->error()));
  if (!bound) return std::unexpected(no_driver(wanted, bound.error()));
  if (!bound->trouble.empty()) log_(ESPALIER_LOG_WARNING, bound->trouble);
  return Installed{std::move(**state), {bound->driver, bound->inference.why}};
}

}  // namespace espalier
