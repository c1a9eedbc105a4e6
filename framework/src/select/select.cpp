// SPDX-License-Identifier: Apache-2.0
//
// The candidates of an SA, in order: the backends of the rule's (or the policy's) list, then those
// that the fallback adds. Within a place the faster device comes first, then the names decide.
#include <espalier/decision.hpp>

#include <select/fit.hpp>
#include <select/limits.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace espalier {
namespace {

// The last resort of a dataplane: always there, and does every transform.
constexpr std::string_view software_of(Dataplane dataplane) {
  return dataplane == Dataplane::kernel ? "kernel" : "openssl";
}

// A candidate and its place: 0 for the first of the list, later ones for the fallback.
struct Placed {
  std::size_t place = 0;
  Candidate candidate;
};

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::size_t index_of(const std::vector<std::string>& names, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
}

class Selection {
 public:
  Selection(const SaSpec& sa, const Inventory& inventory, const Policy& policy)
      : sa_(sa),
        inventory_(inventory),
        policy_(policy),
        refusals_(refusals_for(sa, inventory)),
        backends_(&policy.backends) {
    decision_.sa = sa.name;
    decision_.fallback = policy.fallback;
    const auto rule = std::ranges::find_if(
        policy.rules, [&](const Rule& item) { return item.match.matches(sa); });
    if (rule == policy.rules.end()) return;
    decision_.rule = rule->name;
    decision_.fallback = rule->fallback;
    backends_ = &rule->backends;
  }

  Decision run() {
    add_list();
    if (decision_.fallback == Fallback::next) add_all_others();
    const std::string_view software = software_of(inventory_.dataplane);
    if (decision_.fallback == Fallback::software && !contains(*backends_, software))
      add_backend(backends_->size(), 0, software);
    sort();
    choose();
    return std::move(decision_);
  }

 private:
  void add_list() {
    for (std::size_t i = 0; i < backends_->size(); ++i) {
      const std::string& name = (*backends_)[i];
      if (index_of(*backends_, name) == i)  // a name that is repeated counts once
        add_backend(i, static_cast<std::uint32_t>(i + 1), name);
    }
  }

  // After a rule's own list come the policy's other backends in its order, then the rest. Those
  // that nobody asked for and that have nothing to offer here are no candidates.
  void add_all_others() {
    std::vector<std::string_view> others;
    for (const BackendInfo& backend : inventory_.backends)
      if (!contains(*backends_, backend.name) &&
          (contains(policy_.backends, backend.name) || offers_something(backend)))
        others.push_back(backend.name);
    std::ranges::sort(others);
    const auto repeated = std::ranges::unique(others);
    others.erase(repeated.begin(), repeated.end());
    for (const std::string_view name : others)
      add_backend(backends_->size() + index_of(policy_.backends, name), 0, name);
  }

  bool offers_something(const BackendInfo& backend) const {
    return !backend.rejected.empty() ||
           std::ranges::any_of(backend.devices, [&](const Device& device) {
             return device.dataplane == inventory_.dataplane;
           });
  }

  // Every device of the backend, or the one reason why there is none to look at.
  void add_backend(std::size_t place, std::uint32_t order, std::string_view name) {
    if (contains(policy_.excluded, name))
      return add(place, order, name, "", {Reason::policy_excluded, "is excluded by the policy"});
    bool known = false;
    for (const BackendInfo& backend : inventory_.backends) {
      if (backend.name != name) continue;
      known = true;
      if (!backend.rejected.empty())
        add(place, order, name, "",
            {Reason::plugin_rejected, "its plugin was set aside: " + backend.rejected});
      else if (backend.devices.empty())
        add(place, order, name, "", {Reason::device_absent, "found no device on this machine"});
      else
        for (const Device& device : backend.devices)
          add(place, order, name, device.name, evaluate(name, device));
    }
    if (!known)
      add(place, order, name, "", {Reason::device_absent, "there is no such plugin here"});
  }

  Finding evaluate(std::string_view backend, const Device& device) const {
    Finding result = fit_device(sa_, device, inventory_.dataplane);
    const auto then = [&](Finding finding) {
      result.reason = finding.reason;
      result.sentence = std::move(finding.sentence);
      std::ranges::move(finding.numbers, std::back_inserter(result.numbers));
    };
    if (result.fits()) then(check_refusals(backend, device.name, refusals_));
    if (result.fits()) then(check_policy_limit(backend, inventory_, policy_));
    if (result.fits()) then(check_pools(sa_.direction, device));
    return result;
  }

  void add(std::size_t place, std::uint32_t order, std::string_view backend,
           std::string_view device, Finding finding) {
    placed_.push_back({place,
                       {.backend = std::string(backend),
                        .device = std::string(device),
                        .order = order,
                        .score = finding.score,
                        .reason = finding.reason,
                        .sentence = std::move(finding.sentence),
                        .numbers = std::move(finding.numbers)}});
  }

  // Total but for equal candidates: what the order of the inventory was does not matter (law 5).
  void sort() {
    const auto key = [](const Placed& item) {
      const Candidate& candidate = item.candidate;
      return std::tuple(item.place, ~candidate.score, std::string_view(candidate.backend),
                        std::string_view(candidate.device), candidate.reason,
                        std::string_view(candidate.sentence));
    };
    std::ranges::sort(placed_, {}, key);
  }

  void choose() {
    for (Placed& item : placed_) {
      Candidate& candidate = decision_.candidates.emplace_back(std::move(item.candidate));
      if (candidate.reason != Reason::chosen) continue;
      if (!decision_.chosen) {
        decision_.chosen = static_cast<std::uint32_t>(decision_.candidates.size() - 1);
        candidate.sentence = "is the first that can take it";
        continue;
      }
      const Candidate& chosen = decision_.candidates[*decision_.chosen];
      candidate.reason = Reason::not_needed;
      candidate.sentence =
          fmt::format("could take it, but {} {} comes first", chosen.backend, chosen.device);
    }
  }

  const SaSpec& sa_;
  const Inventory& inventory_;
  const Policy& policy_;
  const std::vector<const Refusal*> refusals_;
  const std::vector<std::string>* backends_;
  std::vector<Placed> placed_;
  Decision decision_;
};

}  // namespace

Decision select(const SaSpec& sa, const Inventory& inventory, const Policy& policy) {
  return Selection(sa, inventory, policy).run();
}

}  // namespace espalier
