// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <load/status.hpp>
#include <load/text.hpp>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>

namespace espalier::conform {
namespace {

using load::Words;

struct Answer {
  espalier_status status = ESPALIER_OK;
  espalier_recipe recipe{};

  friend bool operator==(const Answer& a, const Answer& b) {
    if (a.status != b.status) return false;
    return a.status != ESPALIER_OK ||
           (a.recipe.offload == b.recipe.offload &&
            std::strncmp(a.recipe.interface, b.recipe.interface, sizeof a.recipe.interface) == 0 &&
            std::strncmp(a.recipe.driver, b.recipe.driver, sizeof a.recipe.driver) == 0 &&
            std::strncmp(a.recipe.module, b.recipe.module, sizeof a.recipe.module) == 0);
  }
};

class Recipes {
 public:
  explicit Recipes(Run& run)
      : backend_(run, run.entry(), run.job().options),
        device_(backend_.device(run.job().device)),
        windows_(windows_of(device_)) {}

  const Device& device() const { return device_; }

  Answer ask(const espalier_sa& sa) const { return ask(device_.id, sa); }
  Answer ask(std::uint64_t device, const espalier_sa& sa) const {
    Words words;
    Answer answer;
    answer.recipe.struct_size = sizeof answer.recipe;
    const auto& t = backend_.table();
    answer.status = t.kernel->recipe(t.self, device, &sa, &answer.recipe, words.message());
    return answer;
  }

  // Every SA that could be asked for, and whether it is declared.
  template <class Visit>
  void each(Visit&& visit) const {
    for (const TransformInfo& info : transforms())
      for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND})
        for (const std::uint32_t mode : {ESPALIER_TUNNEL, ESPALIER_TRANSPORT})
          for (const std::uint32_t encap : {ESPALIER_ENCAP_NONE, ESPALIER_ENCAP_UDP})
            for (const std::uint32_t family : {ESPALIER_IPV4, ESPALIER_IPV6})
              for (const std::uint32_t esn : {0U, 1U})
                for (const std::uint32_t window : windows_)
                  visit(make(info, direction, mode, encap, family, esn, window), info);
  }

  bool declared(const espalier_sa& sa, const TransformInfo& info) const {
    return std::ranges::any_of(device_.capabilities, [&](const Capability& c) {
      return covers(c, info) && covers_esn(c, sa.esn != 0) && (c.directions & sa.direction) != 0 &&
             (c.modes & sa.mode) != 0 && (c.encapsulations & sa.encapsulation) != 0 &&
             (c.families & sa.family) != 0 &&
             (c.max_replay_window == 0 || sa.replay_window <= c.max_replay_window);
    });
  }

 private:
  static espalier_sa make(const TransformInfo& info, std::uint32_t direction, std::uint32_t mode,
                          std::uint32_t encap, std::uint32_t family, std::uint32_t esn,
                          std::uint32_t window) {
    espalier_sa sa{};
    sa.struct_size = sizeof sa;
    sa.cipher = static_cast<std::uint16_t>(info.transform.cipher);
    sa.integrity = static_cast<std::uint16_t>(info.transform.integrity);
    sa.key_bits = info.transform.key_bits;
    sa.icv_bytes = info.transform.icv_bytes;
    sa.direction = direction;
    sa.mode = mode;
    sa.encapsulation = encap;
    sa.family = family;
    sa.esn = esn;
    sa.replay_window = window;
    return sa;
  }

  // Those of the limits that are declared, and one more; else an ordinary one.
  static std::set<std::uint32_t> windows_of(const Device& device) {
    std::set<std::uint32_t> windows;
    for (const Capability& c : device.capabilities)
      if (c.max_replay_window == 0)
        windows.insert(kOrdinaryWindow);
      else
        windows.insert({c.max_replay_window, c.max_replay_window + 1});
    return windows;
  }

  static constexpr std::uint32_t kOrdinaryWindow = 64;
  Backend backend_;
  Device device_;
  std::set<std::uint32_t> windows_;
};

std::string name(const espalier_sa& sa, const TransformInfo& info) {
  return fmt::format("{}{}, {}, {}, replay window of {}", info.name, sa.esn != 0 ? " with ESN" : "",
                     sa.direction == ESPALIER_OUTBOUND ? "outbound" : "inbound",
                     sa.mode == ESPALIER_TUNNEL ? "tunnel" : "transport", sa.replay_window);
}

// What is wrong with it, or "".
std::string flaw(const espalier_recipe& recipe, const Device& device) {
  const auto interface = load::field_text(recipe.interface);
  const auto driver = load::field_text(recipe.driver);
  const auto module = load::field_text(recipe.module);
  if (!interface || !driver || !module) return "a text of it is not NUL-terminated printable ASCII";
  if (recipe.struct_size < sizeof recipe) return "its struct_size was changed";
  switch (recipe.offload) {
    case ESPALIER_OFFLOAD_NONE:
      return driver->empty() ? "it asks for no offload, and names no driver either" : "";
    case ESPALIER_OFFLOAD_CRYPTO:
    case ESPALIER_OFFLOAD_PACKET:
      if (interface->empty()) return "it asks for offload, but names no interface";
      return device.interface.empty() || device.interface == *interface ? ""
                                                                        : fmt::format(
                                                                              "it names interface "
                                                                              "'{}', but its "
                                                                              "device is '{}'",
                                                                              *interface,
                                                                              device.interface);
    default:
      return fmt::format("its offload is {}", recipe.offload);
  }
}

void recipes(Run& run) {
  const Recipes recipes(run);
  run.at("asking for recipes");
  std::vector<Answer> first;
  recipes.each([&](const espalier_sa& sa, const TransformInfo& info) {
    const Answer answer = recipes.ask(sa);
    first.push_back(answer);
    if (recipes.ask(sa) != answer)
      run.fail(Req::recipe_pure,
               fmt::format("{}: asked twice, the answer differs", name(sa, info)));
    if (!recipes.declared(sa, info)) {
      if (answer.status == ESPALIER_OK)
        run.fail(Req::recipe_undeclared,
                 fmt::format("{} is not declared, but has a recipe", name(sa, info)));
    } else if (answer.status == ESPALIER_OK) {
      if (recipes.ask(kNoDevice, sa).status == ESPALIER_OK)
        run.fail(Req::unknown_device, "recipe() for a device id that it does not have answers OK");
      if (const auto words = flaw(answer.recipe, recipes.device()); !words.empty())
        run.fail(Req::recipe_formed, fmt::format("{}: {}", name(sa, info), words));
    } else {
      run.fail(Req::declared, fmt::format("{} is declared, but its recipe is refused ({})",
                                          name(sa, info), status_name(answer.status)));
    }
  });
  std::size_t at = 0;
  recipes.each([&](const espalier_sa& sa, const TransformInfo& info) {
    if (recipes.ask(sa) != first[at++])
      run.fail(Req::recipe_pure,
               fmt::format("{}: asked again after the others, the answer differs", name(sa, info)));
  });
}

void recipes_on_threads(Run& run) {
  const Recipes recipes(run);
  std::vector<Answer> alone;
  recipes.each(
      [&](const espalier_sa& sa, const TransformInfo&) { alone.push_back(recipes.ask(sa)); });
  run.at("asking for recipes on two threads");
  const auto ask_all = [&] {
    for (int round = 0; round < 5; ++round) {
      std::size_t at = 0;
      recipes.each([&](const espalier_sa& sa, const TransformInfo& info) {
        if (recipes.ask(sa) != alone[at++])
          run.fail(Req::recipe_any_thread,
                   fmt::format("{}: with two threads asking, the answer differs", name(sa, info)));
      });
    }
  };
  std::thread one(ask_all);
  std::thread two(ask_all);
  one.join();
  two.join();
}

}  // namespace

std::vector<Case> recipe_cases() {
  return {
      {"recipes",
       "Recipes of every SA.",
       Scope::kernel_device,
       false,
       {Req::recipe_pure, Req::recipe_formed, Req::recipe_undeclared, Req::declared,
        Req::unknown_device},
       recipes},
      {"recipe-threads",
       "Recipes on two threads.",
       Scope::kernel_device,
       false,
       {Req::recipe_any_thread},
       recipes_on_threads},
  };
}

}  // namespace espalier::conform
