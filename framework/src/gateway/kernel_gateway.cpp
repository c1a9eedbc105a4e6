// SPDX-License-Identifier: Apache-2.0
#include "gateway/kernel_gateway.hpp"

#include "gateway/kernel_counters.hpp"
#include "gateway/sa_refusals.hpp"
#include "gateway/told_refusals.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace espalier {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = GatewayEvent::Kind;

Home home_of(const Decision& decision) {
  const Candidate& chosen = decision.candidates[*decision.chosen];
  return {chosen.backend, chosen.device};
}

std::string_view words_of(const xfrm::SaState& was) {
  return was.held_by ? "as it does with what an interface holds that goes down" : "by whomever";
}

}  // namespace

KernelGateway::KernelGateway(Registry& registry, Placer& placer, xfrm::Transport& kernel,
                             Options options)
    : registry_(registry),
      placer_(placer),
      kernel_(kernel),
      options_(std::move(options)),
      recipes_(kernel, options_.steering, options_.log),
      policies_(kernel, options_.first_reqid) {}

// First the policies, so that nothing asks for an SA that has gone; unless these stay.
KernelGateway::~KernelGateway() {
  for (const auto& [name, entry] : sas_)
    if (!keeps_policies_) static_cast<void>(policies_.leave(entry->spec));
  if (keeps_policies_) policies_.keep();
  const auto take_out = [this](const Entry& entry) {
    if (!entry.gone) static_cast<void>(xfrm::uninstall(kernel_, xfrm::id_of(entry.spec)));
  };
  for (const auto& [name, entry] : sas_) take_out(*entry);
  for (const Retiring& old : retiring_) take_out(*old.entry);
}

Result<void> KernelGateway::take_over(const IpAddress& own_end) {
  const auto left = policies_.take_over(own_end);
  if (!left) return std::unexpected(left.error());
  if (left->sas + left->policies > 0)
    options_.log(
        ESPALIER_LOG_WARNING,
        fmt::format("An earlier run has left {} SAs and {} policies in the kernel: the SAs "
                    "are removed, and the policies replaced.",
                    left->sas, left->policies));
  return {};
}

// Places the SA and has its recipe carried out; leaves nothing behind if either fails.
Result<std::unique_ptr<KernelGateway::Entry>> KernelGateway::enter(const SaSpec& sa,
                                                                   const SaKeys& keys) {
  const bool once = is_counter_mode(sa.transform.cipher);
  const std::uint64_t fingerprint = once ? used_keys_.fingerprint(keys) : 0;
  if (once && used_keys_.contains(fingerprint)) return std::unexpected(keys_have_served(sa));
  auto entry = std::make_unique<Entry>();
  entry->spec = sa;
  if (const std::string path = options_.path(sa); !path.empty()) entry->spec.interface = path;
  const auto reqid = policies_.enter(sa);
  if (!reqid) return std::unexpected(reqid.error());
  // An SA that was in the kernel for a moment may have sent something.
  if (once) used_keys_.insert(fingerprint);
  auto choice = placer_.place_by(
      entry->spec, [&](std::string_view backend, const Device& device) -> Result<void> {
        auto recipe = registry_.recipe(backend, device, entry->spec);
        if (!recipe) return std::unexpected(std::move(recipe.error()));
        auto made = recipes_.run({&entry->spec, &keys, *reqid, std::move(*recipe)});
        if (!made) return std::unexpected(std::move(made.error()));
        entry->state = std::move(made->state);
        entry->driver = std::move(made->driver);
        return {};
      });
  if (!choice) {
    static_cast<void>(policies_.leave(sa));
    return std::unexpected(std::move(choice.error()));
  }
  if (auto refused = told_of_refusals(sa.name, *choice->decision))
    noticed_.push_back(std::move(*refused));
  entry->decision = std::move(choice->decision);
  return entry;
}

Result<void> KernelGateway::leave(const Entry& entry) {
  Result<void> removed;
  if (!entry.gone) {
    placer_.release(entry.spec, home_of(*entry.decision));
    removed = xfrm::uninstall(kernel_, xfrm::id_of(entry.spec));
  }
  auto opened = policies_.leave(entry.spec);
  return removed ? opened : removed;
}

Result<std::shared_ptr<const Decision>> KernelGateway::add(const SaSpec& sa, SaKeys&& keys) {
  if (sas_.contains(sa.name)) return std::unexpected(name_taken(sa.name));
  auto entry = enter(sa, keys);
  if (!entry) return std::unexpected(std::move(entry.error()));
  const SaKeys used = std::move(keys);  // the kernel has them, and nobody here needs them any more
  auto decision = (*entry)->decision;
  sas_.emplace(sa.name, std::move(*entry));
  return decision;
}

Result<void> KernelGateway::remove(std::string_view sa) {
  const auto found = sas_.find(sa);
  if (found == sas_.end()) return std::unexpected(no_such_sa(sa));
  const auto left = sas_.extract(found);
  return leave(*left.mapped());
}

Result<std::shared_ptr<const Decision>> KernelGateway::rekey(std::string_view old_name,
                                                             const SaSpec& sa, SaKeys&& keys,
                                                             std::chrono::milliseconds grace) {
  const auto found = sas_.find(old_name);
  if (found == sas_.end()) return std::unexpected(no_such_sa(old_name));
  const bool taken = sa.name != old_name && sas_.contains(sa.name);
  if (auto fits = check_successor(found->second->spec, old_name, sa, taken); !fits)
    return std::unexpected(fits.error());
  auto entry = enter(sa, keys);
  if (!entry) return std::unexpected(std::move(entry.error()));
  const SaKeys used = std::move(keys);
  auto replaced = std::move(sas_.extract(found).mapped());
  auto decision = (*entry)->decision;
  const bool lingers = replaced->spec.direction == Direction::inbound && grace.count() > 0;
  sas_.emplace(sa.name, std::move(*entry));
  if (lingers)
    retiring_.push_back({std::move(replaced), Clock::now() + grace});
  else
    static_cast<void>(leave(*replaced));
  return decision;
}

// The kernel has one policy for a selector, so that whoever comes second is refused.
Result<void> KernelGateway::check_overlap(const SaSpec&, std::string_view) const { return {}; }

GatewaySa KernelGateway::describe(const Entry& entry) {
  const Home home = home_of(*entry.decision);
  const SaCounters counters = counters_of(entry.spec, entry.state);
  SaStatus status;
  status.name = entry.spec.name;
  status.direction = entry.spec.direction;
  status.spi = entry.spec.spi;
  status.backend = entry.gone ? "none" : home.backend;
  status.device = entry.gone ? "" : home.device;
  status.sequence = counters.sequence;
  status.packets = counters.packets;
  status.bytes = counters.bytes;
  status.errors = counters.errors;
  status.peer = entry.spec.peer;
  status.expired = entry.gone;
  return {entry.spec, entry.decision, std::move(status), entry.driver};
}

// One that the kernel has no more stays as it was: tend() tells of it.
void KernelGateway::read_back(const std::vector<Entry*>& entries) const {
  std::vector<xfrm::SaId> ids;
  for (const Entry* entry : entries) ids.push_back(xfrm::id_of(entry->spec));
  auto states = xfrm::read_sas(kernel_, ids);
  if (!states) return options_.log(ESPALIER_LOG_WARNING, states.error().message);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto& state = (*states)[i];
    if (state && state->reqid == entries[i]->state.reqid) entries[i]->state = std::move(*state);
  }
}

std::vector<GatewaySa> KernelGateway::list(std::string_view after, std::size_t most) const {
  std::vector<Entry*> entries;
  for (auto sa = sas_.upper_bound(after); sa != sas_.end() && entries.size() < most; ++sa)
    entries.push_back(sa->second.get());
  read_back(entries);
  std::vector<GatewaySa> some;
  for (const Entry* entry : entries) some.push_back(describe(*entry));
  return some;
}

std::optional<GatewaySa> KernelGateway::find(std::string_view sa) const {
  const auto found = sas_.find(sa);
  if (found == sas_.end()) return std::nullopt;
  read_back({found->second.get()});
  return describe(*found->second);
}

std::vector<SaTraffic> KernelGateway::traffic() const {
  std::vector<SaTraffic> all;
  all.reserve(sas_.size());
  for (const auto& [name, entry] : sas_)
    all.push_back({name, &entry->spec, counters_of(entry->spec, entry->state)});
  return all;
}

// Packets alone: an SA that comes or goes is no traffic.
std::uint64_t KernelGateway::activity() const noexcept {
  std::uint64_t packets = 0;
  for (const auto& [name, entry] : sas_) packets += entry->state.packets;
  return packets;
}

DropCounts KernelGateway::drops() const {
  DropCounts counts{};
  for (const auto& [name, entry] : sas_) add_drops(entry->state, counts);
  return counts;
}

void KernelGateway::note(std::span<const xfrm::SaNews> news) {
  for (const xfrm::SaNews& one : news) {
    const bool hard = one.kind == xfrm::SaNews::Kind::hard_expired;
    if (!hard && one.kind != xfrm::SaNews::Kind::soft_expired) continue;
    const auto found = std::ranges::find_if(sas_, [&](const auto& sa) {
      const Entry& entry = *sa.second;
      return xfrm::id_of(entry.spec) == one.state.id && entry.state.reqid == one.state.reqid;
    });
    if (found != sas_.end()) expired(*found->second, hard);
  }
}

// At a hard limit the kernel deletes the SA, and says nothing but that.
void KernelGateway::expired(Entry& entry, bool hard) {
  const std::string& name = entry.spec.name;
  if (!hard) {
    noticed_.push_back({Kind::soft_lifetime, name,
                        fmt::format("SA '{}' is to be rekeyed: it has reached a soft limit of its "
                                    "lifetime.",
                                    name)});
  } else if (!entry.gone) {
    gone(entry);
    noticed_.push_back({Kind::hard_lifetime, name,
                        fmt::format("SA '{}' carries nothing more: it has reached a hard limit of "
                                    "its lifetime; rekey it.",
                                    name)});
  }
}

void KernelGateway::gone(Entry& entry) {
  entry.gone = true;
  placer_.release(entry.spec, home_of(*entry.decision));
}

std::vector<GatewayEvent> KernelGateway::tend() {
  std::vector<GatewayEvent> done = std::exchange(noticed_, {});
  placer_.refresh();
  end_graces(done);
  const auto states = xfrm::read_all_sas(kernel_);
  if (!states) {
    options_.log(ESPALIER_LOG_WARNING, states.error().message);
  } else {
    std::map<xfrm::SaId, const xfrm::SaState*> by_id;
    for (const xfrm::SaState& state : *states) by_id.emplace(state.id, &state);
    for (const auto& [name, entry] : sas_) {
      const auto found = by_id.find(xfrm::id_of(entry->spec));
      refresh(*entry, found == by_id.end() ? nullptr : found->second, done);
    }
  }
  for (const GatewayEvent& event : done) options_.log(log_level(event.kind), event.text);
  return done;
}

void KernelGateway::refresh(Entry& entry, const xfrm::SaState* state,
                            std::vector<GatewayEvent>& done) {
  if (entry.gone) return;
  const std::string& name = entry.spec.name;
  // One of the same SPI that others have put in its place is not ours.
  if (state == nullptr || state->reqid != entry.state.reqid) {
    gone(entry);
    done.push_back({Kind::homeless, name,
                    fmt::format("The kernel has SA '{}' no more: it was deleted {}. What it "
                                "protected is dropped until it is rekeyed.",
                                name, words_of(entry.state))});
    return;
  }
  entry.state = *state;
}

void KernelGateway::end_graces(std::vector<GatewayEvent>& done) {
  const auto now = Clock::now();
  std::erase_if(retiring_, [&](const Retiring& old) {
    if (now < old.until) return false;
    const std::string& name = old.entry->spec.name;
    done.push_back({Kind::replaced, name,
                    fmt::format("The replaced SA behind '{}' has ended its grace.", name)});
    static_cast<void>(leave(*old.entry));
    return true;
  });
}

}  // namespace espalier
