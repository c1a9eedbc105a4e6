// SPDX-License-Identifier: Apache-2.0
#include "adopt/placing.hpp"

#include "adopt/swap.hpp"
#include "xfrm/refusal.hpp"

#include <fmt/format.h>

#include <utility>

namespace espalier::adopt {
namespace {

using Is = Standing::Is;

// Ends the search: no other device would be given it either.
Result<void> end_of_search(const std::string& why) { return fail(ErrorCode::conflict, why); }

bool has_carried(const xfrm::SaState& state) {
  return state.sent > 0 || state.received > 0 || state.packets > 0;
}

}  // namespace

// One SA on its way over the devices that the policy wants for it.
struct Placing::Attempt {
  Placing& self;
  const Sight& sight;
  Standing standing{};

  Result<void> on(std::string_view backend, const Device& device) {
    auto recipe = self.registry_.recipe(backend, device, sight.spec);
    if (!recipe) return std::unexpected(std::move(recipe.error()));
    if (recipe->offload != Offload::none) return offload(*recipe);
    if (sight.state.held_by)
      return settle(fmt::format("interface {} holds it, which was not Espalier's doing",
                                sight.state.held_by->interface));
    if (!recipe->driver.empty()) return drive(*recipe);
    standing.driver.name = self.drivers_.held_for(sight.spec);
    return {};
  }

  Result<void> settle(std::string why) { return stand(Is::settled, std::move(why)); }
  Result<void> stand(Is is, std::string why) {
    standing.is = is;
    standing.note = std::move(why);
    return end_of_search(standing.note);
  }

  Result<void> offload(const Recipe& recipe) {
    const int index = self.kernel_.interface_index(recipe.interface);
    if (index == 0)
      return fail(ErrorCode::lost,
                  fmt::format("there is no network interface '{}' now", recipe.interface));
    if (sight.state.held_by == xfrm::HeldBy{index, recipe.offload}) return {};
    if (sight.state.held_by)
      return settle(fmt::format("interface {} holds it already", sight.state.held_by->interface));
    return exchange({recipe.offload, index}, "to be offloaded");
  }

  // Whoever was added since the driver is held in front has it. Of one that was there before us
  // nobody can tell.
  Result<void> drive(const Recipe& recipe) {
    const auto since = self.drivers_.hold(sight.spec, recipe);
    if (!since) return std::unexpected(since.error());
    standing.driver.name = self.drivers_.held_for(sight.spec);
    if (sight.born && *sight.born >= *since) return {};
    if (!sight.born && has_carried(sight.state)) {
      standing.driver.unknown = "it was there before this run, and its rekey will have the driver";
      return {};
    }
    auto done = exchange({}, "for its crypto driver");
    if (!done) standing.driver = {};
    return done;
  }

  Result<void> exchange(const xfrm::OffloadTo& to, std::string_view why) {
    const auto too_late = [&] {
      return stand(Is::misplaced, fmt::format("it was too late {}: it had carried packets", why));
    };
    const auto leave = [&](const std::string& because) {
      return settle("it is left as it is: " + because);
    };
    if (!sight.unfit.empty()) return leave(sight.unfit);
    if (has_carried(sight.state)) return too_late();
    auto copy = copied();
    if (copy && !copy->numbers().untouched()) return too_late();
    if (!copy) return leave(copy.error().message);
    standing.swapped = true;
    return judge(swap(self.kernel_, self.ear_, *copy, to), why);
  }

  // As it is now, with its keys.
  Result<xfrm::SaCopy> copied() {
    auto request = xfrm::get_sa(sight.state.id);
    const auto answers = self.kernel_.exchange({&request, 1});
    if (!answers) return std::unexpected(answers.error());
    const auto& answer = answers->front();
    if (answer.error != 0 || answer.messages.empty())
      return fail(ErrorCode::not_found, "the kernel has it no more");
    return xfrm::SaCopy::of(answer.messages.front(), sight.spec.direction);
  }

  Result<void> judge(const Swapped& swapped, std::string_view why) {
    const std::string words = swapped.error ? swapped.error->message : "";
    switch (swapped.end) {
      case Swapped::End::moved:
        return {};
      case Swapped::End::refused:
        return std::unexpected(*swapped.error);
      case Swapped::End::too_late:
        return stand(Is::misplaced,
                     fmt::format("it was too late {}: its packets were faster", why));
      case Swapped::End::gone:
        return stand(Is::gone, "its owner has deleted it");
      case Swapped::End::lost:
        return stand(Is::gone, words);
      case Swapped::End::closed:
        return stand(Is::shut, "nothing passes it until it is rekeyed: " + words);
      case Swapped::End::unknown:
        break;
    }
    return settle("what has become of it is not known: " + words);
  }
};

Standing Placing::place(const Sight& sight) {
  Attempt attempt{*this, sight};
  auto choice = placer_.place_by(sight.spec, [&](std::string_view backend, const Device& device) {
    return attempt.on(backend, device);
  });
  Standing standing = std::move(attempt.standing);
  if (choice) {
    standing.decision = std::move(choice->decision);
    standing.home.emplace(std::move(choice->backend), std::move(choice->device));
    return standing;
  }
  standing.decision =
      std::make_shared<const Decision>(select(sight.spec, placer_.inventory(), placer_.policy()));
  if (standing.note.empty()) standing.note = "it stays where it is: " + choice.error().message;
  return standing;
}

}  // namespace espalier::adopt
