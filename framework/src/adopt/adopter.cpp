// SPDX-License-Identifier: Apache-2.0
#include "adopt/adopter.hpp"

#include "gateway/told_refusals.hpp"
#include "xfrm/dump.hpp"
#include "xfrm/policy_bundles.hpp"
#include "xfrm/refusal.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace espalier::adopt {
namespace {

using Kind = GatewayEvent::Kind;
using Is = Standing::Is;

constexpr int kReadingsToBelieve = 2;  // that an SA has gone, of which no event told

bool is_closed(const xfrm::SaState& state, Direction direction) {
  const auto number = direction == Direction::outbound ? state.sent : state.received;
  return !state.esn && number == xfrm::SaNumbers::kLast && state.packets == 0;
}

void live(SaLife& life, const Standing& standing) {
  if (standing.is == Is::misplaced) return life.misplace(standing.note);
  if (standing.is == Is::shut) return life.shut(standing.note);
  life.settle(standing.note);
}

}  // namespace

Adopter::Adopter(Registry& registry, Placer& placer, xfrm::Transport& kernel,
                 xfrm::EventSource& events, Options options)
    : placer_(placer),
      kernel_(kernel),
      options_(std::move(options)),
      ear_(events),
      drivers_(options_.steering, ear_, options_.log),
      placing_(registry, placer, kernel, ear_, drivers_) {}

// Those that a device holds come first, so that its room is known before others are given some.
Result<void> Adopter::start() {
  ear_.forget();  // what was told before is in what is read now
  auto all = read_all();
  if (!all) return std::unexpected(all.error());
  const auto is_held = [](const xfrm::Message& message) {
    const auto news = xfrm::read_sa(message);
    return news && news->state.held_by.has_value();
  };
  std::vector<xfrm::Message> held, others;
  for (xfrm::Message& each : *all) (is_held(each) ? held : others).push_back(std::move(each));
  std::ranges::move(others, std::back_inserter(held));
  compare(held);
  hear();
  return {};
}

Result<std::vector<xfrm::Message>> Adopter::read_all() {
  ++reading_;
  read_at_ = options_.clock();
  return xfrm::dump(kernel_, xfrm::dump_sas(), "SAs");
}

void Adopter::hear() {
  ear_.listen();
  while (auto word = ear_.next()) take(*word);
  if (!ear_.take_lost()) return;
  options_.log(ESPALIER_LOG_WARNING,
               "The kernel had more to tell of SAs than was heard: all of them are read again.");
  for (auto& [name, entry] : sas_) entry.held.reset();  // its owner may have deleted it
  if (const auto all = read_all()) compare(*all);
}

void Adopter::take(const Ear::Word& word) {
  const xfrm::Message& message = word.message;
  if (message.port == kernel_.port()) return;
  if (message.type == XFRM_MSG_FLUSHSA) return flushed();
  const auto news = xfrm::read_sa(message);
  if (!news || news->state.protocol != IPPROTO_ESP) return;
  switch (news->kind) {
    case xfrm::SaNews::Kind::is:
      forget(news->state.id);
      return meet(message, word.era);
    case xfrm::SaNews::Kind::updated:
      if (!names_.contains(news->state.id)) meet(message, word.era);
      return;
    case xfrm::SaNews::Kind::deleted:
    case xfrm::SaNews::Kind::hard_expired:
      return forget(news->state.id);
    case xfrm::SaNews::Kind::soft_expired:
      return;
  }
}

void Adopter::meet(const xfrm::Message& told, std::optional<std::uint64_t> born) {
  auto state = xfrm::read_sa(told)->state;
  // Of a gateway of Espalier's own: `espalier run` looks after it.
  if (xfrm::PolicyBundles::is_own(state.reqid)) return;
  auto spec = recognise(told, options_.is_local);
  if (!spec) return pass_over(state.id, spec.error().message);
  spec->interface = options_.path(*spec);
  passed_over_.erase(state.id);
  const auto copy = xfrm::SaCopy::of(told, spec->direction);
  adopt({std::move(*spec), std::move(state), copy ? "" : copy.error().message, born});
}

void Adopter::pass_over(const xfrm::SaId& id, const std::string& why) {
  const bool known = passed_over_.contains(id);
  passed_over_[id] = reading_;
  if (!known)
    options_.log(ESPALIER_LOG_INFO,
                 fmt::format("The SA with {} is left alone: {}.", xfrm::to_string(id), why));
}

void Adopter::adopt(Sight sight) {
  Entry entry{sight.spec, sight.state, {}, {}};
  if (is_closed(sight.state, sight.spec.direction)) {
    entry.standing.decision =
        std::make_shared<const Decision>(select(sight.spec, placer_.inventory(), placer_.policy()));
    entry.life.shut("an earlier run was killed as it placed it: nothing passes it");
  } else {
    entry.standing = placing_.place(sight);
    live(entry.life, entry.standing);
  }
  if (entry.standing.is == Is::gone) {
    if (entry.standing.note != "its owner has deleted it")
      noticed_.push_back(
          {Kind::homeless, sight.spec.name,
           fmt::format("SA '{}' is missing: {}.", sight.spec.name, entry.standing.note)});
    return;
  }
  if (entry.standing.swapped) read_again(entry);
  tell(entry);
  names_.insert_or_assign(sight.state.id, sight.spec.name);
  sas_.insert_or_assign(sight.spec.name, std::move(entry));
}

void Adopter::read_again(Entry& entry) {
  if (auto states = xfrm::read_sas(kernel_, {entry.state.id}); states && states->front())
    entry.state = std::move(*states->front());
}

void Adopter::tell(const Entry& entry) {
  const std::string& name = entry.spec.name;
  if (!entry.life.note().empty())
    options_.log(ESPALIER_LOG_INFO, fmt::format("SA '{}': {}.", name, entry.life.note()));
  if (!entry.standing.home) return;
  if (auto refused = told_of_refusals(name, *entry.standing.decision))
    noticed_.push_back(std::move(*refused));
  const auto& [backend, device] = *entry.standing.home;
  options_.log(ESPALIER_LOG_INFO, fmt::format("SA '{}' is on {} {}.", name, backend, device));
}

void Adopter::forget(const xfrm::SaId& id) {
  const auto name = names_.find(id);
  if (name == names_.end()) return;
  drop(sas_.find(name->second));
}

void Adopter::drop(Sas::iterator entry) {
  const Entry& one = entry->second;
  if (one.standing.home)
    placer_.release(one.spec, {one.standing.home->first, one.standing.home->second});
  names_.erase(one.state.id);
  sas_.erase(entry);
}

std::vector<GatewayEvent> Adopter::tend() {
  placer_.refresh();
  hear();
  drivers_.look_after();
  if (const auto all = read_all()) {
    hear();
    compare(*all);
    believe_missing();
  } else {
    options_.log(ESPALIER_LOG_WARNING, all.error().message);
  }
  for (auto& [name, entry] : sas_) see_to(entry);
  std::erase_if(passed_over_, [&](const auto& each) { return each.second != reading_; });
  auto done = std::exchange(noticed_, {});
  for (const GatewayEvent& event : done) options_.log(log_level(event.kind), event.text);
  return done;
}

void Adopter::compare(const std::vector<xfrm::Message>& all) {
  for (auto& [name, entry] : sas_) ++entry.missed;
  for (const xfrm::Message& message : all) {
    const auto news = xfrm::read_sa(message);
    if (!news || news->state.protocol != IPPROTO_ESP) continue;
    const auto name = names_.find(news->state.id);
    if (name == names_.end())
      meet(message, std::nullopt);
    else
      refresh(sas_.find(name->second)->second, message, news->state);
  }
}

void Adopter::refresh(Entry& entry, const xfrm::Message& told, const xfrm::SaState& state) {
  entry.missed = 0;
  entry.state = state;
  entry.held = HeldCopy::of(told, entry.spec.direction, read_at_);
  if (is_closed(state, entry.spec.direction) && !entry.life.is_shut())
    entry.life.shut("nothing passes it until it is rekeyed");
}

// All SAs were deleted at once, by their owner or whoever; only those that are not there any more
// are forgotten, since others may have come by now.
void Adopter::flushed() {
  const auto all = read_all();
  if (!all) return;
  compare(*all);
  const auto known = sas_.size();
  for (auto sa = sas_.begin(); sa != sas_.end();) {
    const auto next = std::next(sa);
    if (sa->second.missed > 0) drop(sa);
    sa = next;
  }
  if (sas_.size() < known)
    options_.log(ESPALIER_LOG_INFO,
                 fmt::format("All SAs were flushed: {} of them are gone.", known - sas_.size()));
}

void Adopter::look_for_missing() {
  for (int i = 0; i < kReadingsToBelieve; ++i) {
    hear();
    const auto all = read_all();
    if (!all) return;
    hear();
    compare(*all);
  }
  believe_missing();
}

void Adopter::believe_missing() {
  for (auto sa = sas_.begin(); sa != sas_.end();) {
    const auto next = std::next(sa);
    const Entry& entry = sa->second;
    if (entry.missed >= kReadingsToBelieve && entry.held) {
      put_back(sa);
    } else if (entry.missed >= kReadingsToBelieve) {
      noticed_.push_back(
          {Kind::homeless, sa->first,
           fmt::format(
               "The kernel has SA '{}' no more, and nobody said so{}. What it protected is "
               "dropped until its IKE daemon rekeys it.",
               sa->first,
               entry.state.held_by ? ", as with what an interface holds that goes down" : "")});
      drop(sa);
    }
    sa = next;
  }
}

void Adopter::put_back(Sas::iterator sa) {
  Entry& entry = sa->second;
  const std::string& name = sa->first;
  const auto held = std::exchange(entry.held, std::nullopt);
  const auto end = held->put_back(kernel_, options_.clock());
  if (!end) {
    noticed_.push_back({Kind::homeless, name,
                        fmt::format("The kernel has dropped SA '{}', as what an interface holds "
                                    "that goes down, and it could not be put back: {}.",
                                    name, end.error().message)});
    return drop(sa);
  }
  if (const auto home = std::exchange(entry.standing.home, std::nullopt))
    placer_.release(entry.spec, {home->first, home->second});
  const bool goes_on = *end == HeldCopy::End::goes_on;
  if (goes_on)
    entry.life.misplace("the interface that held it was set down: it goes on in software");
  else
    entry.life.shut(
        "the interface that held it was set down: nothing passes it until it is rekeyed");
  entry.missed = 0;
  read_again(entry);
  noticed_.push_back(
      {goes_on ? Kind::moved : Kind::homeless, name,
       fmt::format("The kernel has dropped SA '{}', as what an interface holds that goes down: {}.",
                   name,
                   goes_on ? "it was put back, and goes on in software, from a number that it "
                             "cannot have used"
                           : "it was put back in software closed, lest packets pass twice, until "
                             "its IKE daemon rekeys it, which it is asked for")});
}

void Adopter::see_to(Entry& entry) {
  const Time now = options_.clock();
  switch (entry.life.next(now)) {
    case SaLife::Step::wait:
      return;
    case SaLife::Step::ask:
      if (rate_.take(now)) ask(entry);
      return;
    case SaLife::Step::give_up:
      return options_.log(ESPALIER_LOG_WARNING,
                          fmt::format("SA '{}': {}.", entry.spec.name, entry.life.note()));
    case SaLife::Step::remove: {
      static_cast<void>(xfrm::uninstall(kernel_, entry.state.id));
      noticed_.push_back({Kind::homeless, entry.spec.name,
                          fmt::format("SA '{}' is removed: nothing passed it, and nobody has "
                                      "rekeyed it.",
                                      entry.spec.name)});
      return;
    }
  }
}

void Adopter::ask(Entry& entry) {
  auto request = xfrm::expire_softly(entry.state);
  const auto answers = kernel_.exchange({&request, 1});
  if (!answers || answers->front().error != 0) return;  // gone: the next reading tells
  entry.life.asked(options_.clock());
  options_.log(ESPALIER_LOG_INFO, fmt::format("The IKE daemon is asked to rekey SA '{}': {}.",
                                              entry.spec.name, entry.life.note()));
}

}  // namespace espalier::adopt
