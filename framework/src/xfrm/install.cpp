// SPDX-License-Identifier: Apache-2.0
#include "xfrm/install.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <ranges>
#include <utility>

#include "xfrm/refusal.hpp"

namespace espalier::xfrm {
namespace {

// An SA on its way into the kernel.
struct Step {
  const Wanted* wanted;
  OffloadTo offload{};
  std::optional<Error> error{};
  std::optional<SaState> state{};
  bool added = false;
};

std::string where(const Recipe& recipe) {
  if (recipe.offload == Offload::none) return "the kernel";
  return fmt::format("{} ({} offload)", recipe.interface, to_string(recipe.offload));
}

Result<OffloadTo> offload_of(Transport& kernel, const Recipe& recipe) {
  if (recipe.offload == Offload::none) return OffloadTo{};
  const int index = kernel.interface_index(recipe.interface);
  if (index != 0) return OffloadTo{recipe.offload, index};
  return fail(ErrorCode::lost,
              fmt::format("there is no network interface '{}' now", recipe.interface));
}

Result<Request> request_of(Transport& kernel, Step& step) {
  const auto offload = offload_of(kernel, step.wanted->recipe);
  if (!offload) return std::unexpected(offload.error());
  step.offload = *offload;
  return add_sa(*step.wanted->sa, *step.wanted->keys, step.wanted->reqid, step.offload);
}

Error refusal_of(const Step& step, const Answer& answer) {
  const Wanted& wanted = *step.wanted;
  const ErrorCode code = refusal_code(answer.error, wanted.recipe.offload != Offload::none);
  if (code == ErrorCode::conflict)
    return {code, fmt::format("the kernel has an SA with {} already: "
                              "'ip xfrm state' shows it",
                              to_string(id_of(*wanted.sa)))};
  return {code, fmt::format("{} refused SA '{}': {}", where(wanted.recipe), wanted.sa->name,
                            words_of(answer))};
}

// What the kernel has made of it, against what it was asked for.
std::optional<Error> judge(const Step& step) {
  const Wanted& wanted = *step.wanted;
  if (!step.state)
    return Error{ErrorCode::transient,
                 fmt::format("the kernel took SA '{}', and has it no more", wanted.sa->name)};
  const HeldBy asked{step.offload.interface, step.offload.offload};
  const HeldBy held = step.state->held_by.value_or(HeldBy{});
  if (held == asked) return std::nullopt;
  return Error{ErrorCode::unsupported,
               fmt::format("{} took SA '{}', but read back it is {}: the kernel would do it in "
                           "software",
                           where(wanted.recipe), wanted.sa->name,
                           held.offload == Offload::none
                               ? "held by no device"
                               : fmt::format("held by interface {}", held.interface))};
}

void fail_all(std::vector<Step>& steps, const Error& error) {
  for (Step& step : steps)
    if (!step.error) step.error = error;
}

// Gives false where it is not known what became of the requests.
bool add_all(Transport& kernel, std::vector<Step>& steps) {
  std::vector<Request> requests;
  std::vector<Step*> asked;
  requests.reserve(steps.size());
  for (Step& step : steps) {
    auto request = request_of(kernel, step);
    if (!request) {
      step.error = std::move(request.error());
      continue;
    }
    requests.push_back(std::move(*request));
    asked.push_back(&step);
  }
  const auto answers = kernel.exchange(requests);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    asked[i]->added = !answers || (*answers)[i].error == 0;
    if (!asked[i]->added) asked[i]->error = refusal_of(*asked[i], (*answers)[i]);
  }
  if (!answers) fail_all(steps, answers.error());
  return answers.has_value();
}

void read_back(Transport& kernel, std::vector<Step>& steps) {
  std::vector<SaId> ids;
  for (const Step& step : steps)
    if (step.added) ids.push_back(id_of(*step.wanted->sa));
  auto states = read_sas(kernel, ids);
  if (!states) return fail_all(steps, states.error());
  auto state = states->begin();
  for (Step& step : steps) {
    if (!step.added) continue;
    step.state = std::move(*state++);
    step.error = judge(step);
  }
}

// What could not be is taken out again. Of a kernel that does not answer nothing more is asked.
void undo(Transport& kernel, const std::vector<Step>& steps) {
  std::vector<Request> requests;
  for (const Step& step : steps)
    if (step.added && step.error) requests.push_back(delete_sa(id_of(*step.wanted->sa)));
  static_cast<void>(kernel.exchange(requests));
}

Result<void> delete_policies(Transport& kernel, std::span<const PolicyId> policies) {
  std::vector<Request> requests;
  for (const PolicyId& policy : policies) requests.push_back(delete_policy(policy));
  const auto answers = kernel.exchange(requests);
  if (!answers) return std::unexpected(answers.error());
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const Answer& answer = (*answers)[i];
    if (answer.error == 0 || answer.error == ENOENT || answer.error == ESRCH) continue;
    return fail(code_of(answer.error), fmt::format("The policy '{}' cannot be removed: {}.",
                                                   to_string(policies[i]), words_of(answer)));
  }
  return {};
}

Error policy_refused(const PolicyId& policy, const Answer& answer) {
  if (answer.error == EEXIST)
    return {ErrorCode::conflict,
            fmt::format("the kernel has a policy '{}' already, which is not of this gateway: 'ip "
                        "xfrm policy' shows it",
                        to_string(policy))};
  return {code_of(answer.error), fmt::format("the kernel refused the policy '{}': {}",
                                             to_string(policy), words_of(answer))};
}

}  // namespace

std::vector<Result<SaState>> install(Transport& kernel, std::span<const Wanted> wanted) {
  std::vector<Step> steps;
  for (const Wanted& one : wanted) steps.push_back({.wanted = &one});
  if (add_all(kernel, steps)) read_back(kernel, steps);
  undo(kernel, steps);
  std::vector<Result<SaState>> results;
  for (Step& step : steps) {
    if (step.error)
      results.push_back(std::unexpected(std::move(*step.error)));
    else
      results.push_back(std::move(*step.state));
  }
  return results;
}

Result<void> uninstall(Transport& kernel, const SaId& id) {
  Request request = delete_sa(id);
  const auto answers = kernel.exchange({&request, 1});
  if (!answers) return std::unexpected(answers.error());
  const Answer& answer = answers->front();
  if (answer.error == 0 || answer.error == ESRCH) return {};
  return fail(code_of(answer.error), fmt::format("The SA with {} cannot be removed: {}.",
                                                 to_string(id), words_of(answer)));
}

Result<void> install(Transport& kernel, std::span<const PolicyId> policies,
                     const Protect& protect) {
  std::vector<Request> requests;
  for (const PolicyId& policy : policies) requests.push_back(add_policy(policy, protect));
  const auto answers = kernel.exchange(requests);
  if (!answers) return std::unexpected(answers.error());
  std::vector<PolicyId> made;
  std::optional<Error> error;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    if ((*answers)[i].error == 0)
      made.push_back(policies[i]);
    else if (!error)
      error = policy_refused(policies[i], (*answers)[i]);
  }
  if (!error) return {};
  static_cast<void>(delete_policies(kernel, made));
  return std::unexpected(std::move(*error));
}

Result<void> replace(Transport& kernel, std::span<const PolicyId> policies,
                     const Protect& protect) {
  std::vector<Request> requests;
  for (const PolicyId& policy : policies) requests.push_back(replace_policy(policy, protect));
  const auto answers = kernel.exchange(requests);
  if (!answers) return std::unexpected(answers.error());
  for (std::size_t i = 0; i < policies.size(); ++i)
    if ((*answers)[i].error != 0)
      return std::unexpected(policy_refused(policies[i], (*answers)[i]));
  return {};
}

Result<void> uninstall(Transport& kernel, std::span<const PolicyId> policies) {
  return delete_policies(kernel, policies);
}

}  // namespace espalier::xfrm
